"""``manage.py reset_second_factor``: let somebody log in again who has lost their second factor and recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from accounts import factors
from accounts.models import User
from accounts.names import clean_email
from accounts.origin import COMMAND_LINE
from console.maintenance import MaintenanceCommand, require_ring


class Command(MaintenanceCommand):
    """Removes all second factors of a user; the activity log names the server as the actor."""

    help = (
        "Remove the one-time passcodes, recovery codes and passkeys of a user who has lost them, and end their login "
        "sessions: the password alone logs them in, until they set up another factor. Make sure first that it is the "
        "user who asks. It is an event in each of their accounts, and they are told by mail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--email", required=True, help="the address that the user logs in with")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reset, and print whose."""
        require_ring()
        try:
            user = User.objects.filter(email=clean_email(options["email"])).first()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if user is None:
            raise CommandError("There is no user with this address.")
        if factors.reset(user=user, origin=COMMAND_LINE):
            self.stdout.write(f"{user.name} <{user.email}> has no second factor any more.")
        else:
            self.stdout.write(f"{user.name} <{user.email}> has no second factor: nothing was changed.")
