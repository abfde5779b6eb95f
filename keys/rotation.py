"""Re-encrypts stored key values under the ring's current master key, in batches, while keys are being used.

Of an IBM Cloud API key there is a digest alone, which can be made anew only by whoever has the value: ``keys.usage``
does so when a call presents it.

The progress is in the rows themselves, each of which names the master key it needs. So it can be stopped at any moment
and begun again, and run twice at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Count

from accounts.sealing import SealError, configured_ring
from keys import material
from keys.models import ClassicKey, PlatformKey

#: Rows that are locked together; noting the last use of one of them waits for some hundredths of a second.
_BATCH = 200

#: A value is bound to its creator, so it cannot be opened once they have left.
_CREATOR_LEFT = (
    "The creator has left, so that nobody can open the value: it needs its old master key until it is deleted."
)


@dataclass
class Rotation:
    """What a rotation did: how many keys it moved, and which ones it could not open, with the reason."""

    moved: int = 0
    unopened: dict[int, str] = field(default_factory=dict)


def keys_by_old_master_key() -> Mapping[str, int]:
    """Return how many keys still need each master key that is not the current one. Counts index entries alone."""
    return _by_old_master_key(ClassicKey)


def platform_keys_by_old_master_key() -> Mapping[str, int]:
    """Return the same of IBM Cloud API keys, which move to the current one when they are used. Counts index entries."""
    return _by_old_master_key(PlatformKey)


def _by_old_master_key(keys: type[ClassicKey | PlatformKey]) -> Mapping[str, int]:
    counted = keys._default_manager.order_by().values_list("ring_key_id").annotate(keys=Count("pk"))
    return {key_id: count for key_id, count in counted if key_id != configured_ring().current}


def rotate(report: Callable[[Rotation], None] = lambda _: None) -> Rotation:
    """Move every key that can be opened to the current master key. Calls ``report`` after each batch.

    Goes over the rows until none moves any more: locked rows are skipped, and processes that were not restarted with
    the new ring yet still make rows under an old master key. Raises RingError.
    """
    rotation = Rotation()
    moved_before = -1
    while rotation.moved > moved_before:
        moved_before = rotation.moved
        for old in keys_by_old_master_key():
            last: int | None = 0
            while last is not None:
                last = _rotate_batch(old, last, rotation)
                report(rotation)
    return rotation


def _rotate_batch(old: str, after: int, rotation: Rotation) -> int | None:
    """Move the next rows under master key ``old`` and return the last one's primary key, none when there was none.

    It takes all locks at once and waits for none, so that it cannot deadlock with the statement that notes the last use
    of many keys. An interruption rolls back only this batch.
    """
    with transaction.atomic():
        rows = ClassicKey.objects.select_for_update(skip_locked=True).filter(ring_key_id=old, pk__gt=after)
        batch = list(rows.order_by("pk")[:_BATCH])
        moved = 0
        for key in batch:
            try:
                moved += material.rewrap(key)
            except SealError as error:
                rotation.unopened[key.pk] = str(error) if key.creator_id else _CREATOR_LEFT
    rotation.moved += moved
    return batch[-1].pk if batch else None
