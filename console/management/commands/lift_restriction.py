"""``manage.py lift_restriction``: let people back into an account that restricts from where it may be used."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts import account_settings
from accounts.models import Account
from accounts.origin import COMMAND_LINE
from console.maintenance import MaintenanceCommand, require_ring


class Command(MaintenanceCommand):
    """Lifts an account's IP address restriction, and records that the server did."""

    help = (
        "Allow every address again in an account whose setting Restrict IP address access keeps out those who could "
        "change it. Restrictions of single users and keys stay as they are. The lifting is an event of the account."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("account_id", type=int, help="the account ID, as API usernames begin with it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Lift it, and say what it was."""
        require_ring()
        try:
            before = account_settings.lift_address_restriction(account_id=options["account_id"], origin=COMMAND_LINE)
        except Account.DoesNotExist:
            raise CommandError(f"There is no account {options['account_id']}.") from None
        if before:
            self.stdout.write(f"Every address is allowed again. It was restricted to: {before}")
        else:
            self.stdout.write("The account does not restrict addresses: nothing was changed.")
