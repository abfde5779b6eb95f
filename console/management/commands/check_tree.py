"""``manage.py check_tree``: compare the stored tree with the parents; ``--rebuild`` derives it from them again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError

from accounts.models import Account
from console import arguments, tree_check
from console.maintenance import MaintenanceCommand, unhurried


class Command(MaintenanceCommand):
    """Lists every member and key whose place in the tree contradicts the parents; exits with 1 if there are any."""

    help = (
        "Check that every member's path and every key's copy of it follow from the parents. Ends with status 1 when "
        "something is wrong. With --rebuild, derive paths and copies anew, one transaction an account."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--account", type=arguments.account_id, metavar="ID", help="only this account")
        parser.add_argument(
            "--rebuild", action="store_true", help="put right what follows from the parents, then check"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild if requested, check, and print the findings."""
        accounts = Account.objects.order_by("pk")
        if options["account"] is not None:
            accounts = accounts.filter(pk=options["account"])
            if not accounts:
                raise CommandError(f"There is no account {options['account']}.")
        with unhurried():
            wrong = sum(self._check(account, rebuild=options["rebuild"]) for account in accounts)
            wrong += self.print_findings(tree_check.strays(), heading="No account")
        if wrong:
            raise CommandError(f"{wrong:,} finding{'s' * (wrong > 1)}. The tree is damaged.")
        count = accounts.count()
        self.stdout.write(f"{count} account{'' if count == 1 else 's'} checked: nothing is wrong.")

    def _check(self, account: Account, *, rebuild: bool) -> int:
        """Print what is wrong with an account, and return the number of findings."""
        if rebuild:
            self._rebuild(account)
        return self.print_findings(tree_check.findings(account), heading=f"Account {account}")

    def _rebuild(self, account: Account) -> None:
        try:
            rebuilt = tree_check.rebuild(account)
        except tree_check.Unrepairable as error:
            self.print_findings(error.findings, heading=f"Account {account} cannot be rebuilt: its parents are damaged")
            return
        except OperationalError as error:
            raise CommandError(
                f"Account {account} is in use: {error}. Nothing of it was changed; try again."
            ) from error
        if rebuilt.members or rebuilt.keys:
            self.stdout.write(f"Account {account}: {rebuilt.members:,} members and {rebuilt.keys:,} keys put right")
