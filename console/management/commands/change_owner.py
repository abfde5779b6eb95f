"""``manage.py change_owner``: hand an account over to another of its users."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts import memberships
from accounts.enums import CALLING_STATUSES
from accounts.hierarchy import TreeError
from accounts.origin import COMMAND_LINE
from accounts.policy import NotAllowed
from console import arguments
from console.maintenance import MaintenanceCommand, member_at, require_ring, unhurried


class Command(MaintenanceCommand):
    """Makes a user the owner of their account."""

    help = (
        "Make a user the owner of an account that they work in already. The former owner is placed directly below, "
        "with everybody who was below them and is not below the new owner, and keeps no permission but what they are "
        "given anew. Both are told by mail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--account", type=arguments.account_id, required=True, metavar="ID", help="the account")
        parser.add_argument("--email", required=True, help="the address that the new owner logs in with")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change the owner, and print the name."""
        require_ring()
        member = member_at(options["email"], account_id=options["account"])
        try:
            with unhurried():
                owner = memberships.change_owner(member=member, origin=COMMAND_LINE)
        except (NotAllowed, TreeError) as error:
            raise CommandError(f"Nothing was changed. {error}") from error
        self.stdout.write(f"{owner.name} <{owner.user.email}> owns the account {owner.account} from now on.")
        if owner.status not in CALLING_STATUSES:
            self.stdout.write(
                f"Their status is {owner.get_status_display()}, so calls with their keys are refused, and nobody can "
                "change the status of an owner. To have it changed, make another user the owner until it is."
            )
