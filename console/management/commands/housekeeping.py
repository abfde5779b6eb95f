"""``manage.py housekeeping``: delete what is no longer needed; to be run by a timer."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from accounts import import_jobs, invitations, resets, retention, throttle
from accounts.origin import COMMAND_LINE
from accounts.sessions import SessionStore
from console import arguments
from console.maintenance import MaintenanceCommand, require_ring, unhurried
from keys.platform import lifecycle

_MOST_DAYS = 36_500  # a hundred years


class Command(MaintenanceCommand):
    """Deletes expired sessions and keys, old counts and requests, expired invitations and old activity."""

    help = (
        "Clear away what is over: login sessions that have ended, counts of attempts to log in, requests for another "
        "password, files that nobody came back for, invited users who never came, IBM Cloud API keys that expired 90 "
        "days ago, and activity that is older than KEYTREE_ACTIVITY_DAYS; without that setting activity is kept for "
        "good. Also tells the holders of IBM Cloud API keys that are about to expire. May run at any time, beside the "
        "server and beside itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--invitations-after",
            type=arguments.number(0, _MOST_DAYS),
            default=90,
            metavar="DAYS",
            help="take invited users out of their account so many days after their link ended (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and print how much that was."""
        require_ring()
        with unhurried():
            sessions, counts = SessionStore.delete_expired(), throttle.forget_old()
            resets.forget_old()
            import_jobs.forget_old()
            ended = invitations.end_expired(days=options["invitations_after"], origin=COMMAND_LINE)
            now = timezone.now()
            told = lifecycle.tell_expiring(now=now, origin=COMMAND_LINE)
            expired = lifecycle.delete_expired(now=now, origin=COMMAND_LINE)
        self.stdout.write(
            f"Cleared away: {sessions:,} sessions, {counts:,} counts of attempts, {ended:,} invitations, {expired:,} "
            f"expired keys. Told of keys that are about to expire: {told:,}."
        )
        if settings.KEYTREE_ACTIVITY_DAYS:
            self._trim(settings.KEYTREE_ACTIVITY_DAYS)

    def _trim(self, days: int) -> None:
        """Delete old activity account by account; a broken trail does not stop the others."""
        if not retention.may_trim():
            raise CommandError(
                "Old activity stays: this database role may not remove events. Run housekeeping as the role that owns "
                "the tables; see docs/operations.md, Old activity."
            )
        before, removed, broken = timezone.now() - timedelta(days=days), 0, False
        with unhurried():
            for account_id in retention.account_ids():
                try:
                    removed += retention.trim(account_id, before=before, origin=COMMAND_LINE)
                except retention.TrailBrokenError as error:
                    broken = True
                    self.stdout.write(f"{error}. Its old activity stays.")
        self.stdout.write(f"Cleared away: {removed:,} events of more than {days:,} days ago.")
        if broken:
            raise CommandError("The audit trail is broken. See docs/security.md, Audit; verify_audit tells more.")
