"""``manage.py send_mail``: send what is in the outbox; to be run by a timer."""

from typing import Any

from django.core.management.base import CommandError

from accounts import outbox
from console.maintenance import MaintenanceCommand, require_ring


class Command(MaintenanceCommand):
    """Sends every mail that is due; exits with 1 if one could not be sent."""

    help = (
        "Send invitations and notices that have not gone out yet, because the mail server was away or the process that "
        "should have sent them ended. May run at any time and any number of times at once: no mail is sent by two."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, and print the result."""
        require_ring()
        if not outbox.is_open():
            raise CommandError("EMAIL_URL is not set: there is no mail server to send by.")
        done = outbox.send_due()
        self.stdout.write(f"{done.sent:,} sent, {done.failed:,} failed; {done.left:,} will be tried again.")
        if done.failed:
            raise CommandError("Not every mail could be sent; the log says why.")
