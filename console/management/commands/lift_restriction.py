"""``manage.py lift_restriction``: let people back in who are locked out by an IP address restriction."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts import account_settings, memberships
from accounts.models import Account, Member
from accounts.origin import COMMAND_LINE
from console import arguments
from console.maintenance import MaintenanceCommand, require_ring


class Command(MaintenanceCommand):
    """Removes an account's or a user's IP address restriction; the activity log names the server as the actor."""

    help = (
        "Allow every address again in an account whose setting Restrict IP address access keeps out those who could "
        "change it; or, with --user, to one user of the account. Other restrictions stay as they are. The lifting is "
        "an event of the account."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "account_id", type=arguments.account_id, help="the account ID, as API usernames begin with it"
        )
        parser.add_argument("--user", metavar="EMAIL", help="lift this user's Cloud platform restriction instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove the restriction, and print it."""
        require_ring()
        account_id, email = options["account_id"], options["user"]
        if not Account.objects.filter(pk=account_id).exists():
            raise CommandError(f"There is no account {account_id}.")
        try:
            if email is None:
                before = account_settings.lift_address_restriction(account_id=account_id, origin=COMMAND_LINE)
            else:
                before = memberships.lift_platform_restriction(account_id=account_id, email=email, origin=COMMAND_LINE)
        except Member.DoesNotExist:
            raise CommandError(f"Account {account_id} has no user {email}.") from None
        if before:
            self.stdout.write(f"Every address is allowed again. It was restricted to: {before}")
        else:
            what = "The account does not restrict" if email is None else "Nothing restricts the user's"
            self.stdout.write(f"{what} addresses: nothing was changed.")
