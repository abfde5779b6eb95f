"""``manage.py verify_audit``: verify the chain of every account's audit trail, and print its head."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from console import arguments, audit_check
from console.audit_check import Head
from console.maintenance import MaintenanceCommand, require_ring, unhurried


class Command(MaintenanceCommand):
    """Prints the first break, or the head, of each chain; exits with 1 if there is a break."""

    help = (
        "Verify that no audit event was changed, removed or put in, and print each account's head: account ID, number, "
        "digest and time of its newest event. Copy the heads of each day (--heads) to another machine: a trail that "
        "somebody cut short and closed again by hand in the database is found out by them alone (--against)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--account", type=arguments.account_id, metavar="ID", help="only this account")
        parser.add_argument("--heads", action="store_true", help="print the heads and nothing else; verify nothing")
        parser.add_argument(
            "--against",
            type=arguments.file,
            metavar="FILE",
            help="also compare with heads that --heads printed earlier",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, and print breaks and heads."""
        require_ring()
        account_ids = audit_check.account_ids()
        earlier = self._read_heads(options["against"]) if options["against"] else []
        if options["account"] is not None:
            if options["account"] not in account_ids:
                raise CommandError(f"There is no account {options['account']}.")
            account_ids = [options["account"]]
            earlier = [head for head in earlier if head.account_id in account_ids]
        if options["heads"]:
            self._print_heads(account_ids)
            return
        with unhurried():
            broken = sum(self._verify(account_id) for account_id in account_ids)
        broken += sum(self._compare(head) for head in earlier)
        self.stdout.write("Heads:")
        self._print_heads(account_ids)
        if broken:
            raise CommandError("The audit trail is broken.")

    @staticmethod
    def _read_heads(path: Path) -> list[Head]:
        try:
            return list(audit_check.parse_heads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, audit_check.HeadError) as error:
            raise CommandError(f"{path}: {error}") from error

    def _verify(self, account_id: int) -> bool:
        """Print whether the account's chain is whole, and return whether it is broken."""
        found = audit_check.first_break(account_id)
        if found is None:
            until, _ = audit_check.mark(account_id)
            trimmed = f" from event {until + 1} on; those before it were cleared away as old" if until else ""
            self.stdout.write(f"Account {account_id}: whole{trimmed}")
            return False
        number, what = found
        self.stdout.write(f"Account {account_id}: broken at event {number}: {what}")
        return True

    def _compare(self, earlier: Head) -> bool:
        """Print how the present trail contradicts an earlier head, and return whether it does."""
        if earlier.number < audit_check.mark(earlier.account_id)[0]:
            self.stdout.write(f"Account {earlier.account_id}: event {earlier.number} was cleared away; not compared")
            return False
        what = audit_check.contradiction(earlier)
        if what is not None:
            self.stdout.write(f"Account {earlier.account_id}: {what}")
        return what is not None

    def _print_heads(self, account_ids: list[int]) -> None:
        for account_id in account_ids:
            head = audit_check.head(account_id)
            self.stdout.write(str(head) if head else f"{account_id} has no events")
