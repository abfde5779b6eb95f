"""``manage.py generate_ring_key``: print a new entry for the key ring."""

import base64
import secrets
from argparse import ArgumentParser
from itertools import count
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.sealing import Ring, RingError, configured_ring


class Command(BaseCommand):
    """Prints ``id:base64`` of 32 random bytes; stores nothing."""

    help = (
        "Print a fresh entry for the key ring (KEYTREE_KEY_RING, or the file in KEYTREE_KEY_RING_FILE). Whoever has it "
        "can read the values stored under it: send it to the file, not to the screen."
    )
    # A ring is needed before anything else is there to check.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--id", default="", help="1 to 16 letters, digits or dashes (default: today's date)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the entry. Raises CommandError for an id that is not valid, or that the current ring has already."""
        taken = self._present_ids()
        key_id = options["id"] or self._free_id(taken)
        if key_id in taken:
            raise CommandError(f"Key {key_id} is in the key ring already: choose another id.")
        entry = f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
        try:
            Ring.parse(entry)
        except RingError:
            raise CommandError("An id has 1 to 16 letters, digits or dashes.") from None
        self.stdout.write(entry)

    @staticmethod
    def _present_ids() -> set[str]:
        try:
            return set(configured_ring().keys)
        except RingError:
            return set()  # the first key of an installation

    @staticmethod
    def _free_id(taken: set[str]) -> str:
        """Return today's date, with a number appended if the ring has a key of today already."""
        today = f"{timezone.now():%Y%m%d}"
        names = (today if number == 1 else f"{today}-{number}" for number in count(1))
        return next(name for name in names if name not in taken)
