"""``manage.py housekeeping``: clear away what is over; for a timer."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts import invitations, resets, throttle
from accounts.origin import COMMAND_LINE
from accounts.sessions import SessionStore
from console.maintenance import MaintenanceCommand, no_statement_limit, require_ring


class Command(MaintenanceCommand):
    """Clears away ended sessions, counts and requests of long ago, and invitations that nobody accepted."""

    help = (
        "Clear away what is over: login sessions that have ended, counts of attempts to sign in, requests for another "
        "password, and invited users who never came. May run at any time, beside the server and beside itself. The "
        "activity log is kept for good."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--invitations-after",
            type=int,
            default=90,
            metavar="DAYS",
            help="take invited users out of their account so many days after their link ended (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Clear away, and say how much that was."""
        require_ring()
        days = options["invitations_after"]
        if days < 0:
            raise CommandError("--invitations-after takes a number of days, 0 or more.")
        with no_statement_limit():
            sessions, counts = SessionStore.delete_expired(), throttle.forget_old()
            resets.forget_old()
            ended = invitations.end_expired(days=days, origin=COMMAND_LINE)
        self.stdout.write(f"Cleared away: {sessions:,} sessions, {counts:,} counts of attempts, {ended:,} invitations.")
