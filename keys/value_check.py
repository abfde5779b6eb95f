"""Checks stored values: each has to open with the key ring, and be what its digest was made from.

Of an IBM Cloud API key there is a digest alone, and nothing to compare it with: the ring has to have its master key.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Count

from accounts.sealing import configured_ring
from keys import material
from keys.models import ClassicKey, PlatformKey

_OTHER_DIGEST = "its digest was not made from its value"


@dataclass
class Values:
    """The result of a check: how many values are sound, and why the others are not, by master key and key."""

    whole: int = 0
    #: A value is bound to its creator. If they have left, it cannot be opened, but calls are still accepted by its
    #: digest.
    without_creator: int = 0
    opened: Counter[str] = field(default_factory=Counter)
    damaged: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))

    def findings(self) -> Iterator[str]:
        """Yield what is wrong, key by key; one sentence for a master key that opens nothing at all."""
        for ring_key_id, damaged in sorted(self.damaged.items()):
            if self.opened[ring_key_id]:
                yield from (f"key {pk}: {why}" for pk, why in damaged.items())
            else:
                yield (
                    f"master key {ring_key_id}: none of the {len(damaged):,} values stored under it opens: the ring "
                    "lacks it, or has another key under its id"
                )


def check_values() -> Values:
    """Open every value. Reads each key once."""
    found = Values()
    for key in ClassicKey.objects.order_by("pk").iterator(chunk_size=2_000):
        if key.creator_id is None:
            found.without_creator += 1
            continue
        try:
            value = material.take(key)
        except material.SealError as error:
            found.damaged[key.ring_key_id][key.pk] = str(error)
            continue
        found.opened[key.ring_key_id] += 1
        if _has_digest_of(key, value):
            found.whole += 1
        else:
            found.damaged[key.ring_key_id][key.pk] = _OTHER_DIGEST
    return found


def platform_keys_by_missing_master_key() -> Mapping[str, int]:
    """Return how many IBM Cloud API keys need each master key that the ring lacks. Counts index entries alone."""
    counted = PlatformKey.objects.order_by().values_list("ring_key_id").annotate(keys=Count("pk"))
    return dict(counted.exclude(ring_key_id__in=configured_ring().keys))


def without_master_key(keys: Iterable[PlatformKey]) -> list[str]:
    """Return the names of those of ``keys`` that calls cannot be compared with, for the ring lacks their master key."""
    known = configured_ring().keys
    return [key.name for key in keys if key.ring_key_id not in known]


def newest_value_opens() -> bool:
    """Whether the ring opens the newest value that can be opened at all, and knows some digest, if there are any.

    For the readiness check.
    """
    key = ClassicKey.objects.exclude(creator=None).order_by("-pk").first()
    try:
        return _has_some_master_key() and (key is None or _has_digest_of(key, material.take(key)))
    except material.SealError:
        return False


def _has_some_master_key() -> bool:
    """Whether any IBM Cloud API key can be found, if there are any: one that lacks its master key is no wrong ring."""
    known = PlatformKey.objects.filter(ring_key_id__in=configured_ring().keys)
    return known.exists() or not PlatformKey.objects.exists()


def _has_digest_of(key: ClassicKey, value: material.PlainValue) -> bool:
    """Whether a call with ``value`` finds ``key``. Raises SealError when the ring lacks the digest's master key."""
    return material.matches(value.text, bytes(key.digest), key.ring_key_id)
