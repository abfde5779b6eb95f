"""``manage.py rotate_keys``: re-encrypt what is stored under an old master key, while the console is serving."""

import time
from collections import defaultdict
from typing import Any

from django.core.management.base import CommandError

from accounts import passcodes
from console.maintenance import MaintenanceCommand, require_ring
from keys import rotation
from keys.rotation import Rotation

_SECONDS_BETWEEN_REPORTS = 5


class Command(MaintenanceCommand):
    """Re-encrypts values and seeds with the current master key; exits with 1 while any of these needs an old one.

    IBM Cloud API keys that need an old one are counted: only calls with them can move them.
    """

    help = (
        "Re-encrypt all key values, and the seeds of one-time passcodes, under the first key of the key ring, in "
        "batches, while the console is serving; may be stopped and begun again. First put the new key into the ring as "
        "the second entry and restart every process; then make it the first entry and restart them again; then run "
        "this. IBM Cloud API keys, whose values are not stored, move by themselves when they are next used. Keep the "
        "old entries in the ring: these keys are found with them until then, and the audit trail's earlier events are "
        "verified with them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate with a report every few seconds, and print what is left."""
        self._last_report = time.monotonic()
        require_ring()
        done = rotation.rotate(self._report)
        seeds, unopened_seeds = passcodes.rewrap_all()
        left = rotation.keys_by_old_master_key()
        self.stdout.write(f"{done.moved:,} keys moved; {_needing(left)}.")
        if seeds:
            self.stdout.write(f"{seeds:,} seeds of one-time passcodes moved.")
        if waiting := rotation.platform_keys_by_old_master_key():
            self.stdout.write(f"IBM Cloud API keys move when they are next used: {_needing(waiting)}.")
        if done.unopened:
            self._name(done.unopened)
            raise CommandError(f"{len(done.unopened):,} keys could not be opened and stay as they were.")
        if unopened_seeds:
            raise CommandError(
                f"{unopened_seeds:,} seeds of one-time passcodes could not be opened and stay as they were: their "
                "users need the old master key in the ring, or another second factor."
            )
        if left:
            raise CommandError(
                "Some process still makes keys with an old master key, or holds rows. Restart every process with the "
                "present key ring and run this again."
            )

    def _report(self, done: Rotation) -> None:
        # Counting the rest costs more than a batch.
        if time.monotonic() - self._last_report >= _SECONDS_BETWEEN_REPORTS:
            self.stdout.write(f"{done.moved:>9,} keys moved; {_needing(rotation.keys_by_old_master_key())}")
            self.stdout.flush()
            self._last_report = time.monotonic()

    def _name(self, unopened: dict[int, str]) -> None:
        by_reason = defaultdict(list)
        for key_id, reason in sorted(unopened.items()):
            by_reason[reason].append(str(key_id))
        for reason, key_ids in by_reason.items():
            self.stdout.write(f"{reason} Keys: {', '.join(key_ids)}")


def _needing(left: Any) -> str:
    """Return how many keys need which old master key, in words."""
    if not left:
        return "none needs an old master key"
    return ", ".join(f"{count:,} still need {key_id}" for key_id, count in sorted(left.items()))
