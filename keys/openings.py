"""Who opened the details of somebody else's key: an event for each viewer, key and hour, and the latest of these.

This is an event of a page that is only read, as refusals are. Its ``once`` text, which prevents a second one, holds the
key, the hour and the viewer in digits of fixed length, so that the index of these texts has a key's events in order.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Event, Member
from accounts.origin import Origin
from keys import events
from keys.models import ClassicKey

#: How many of the latest are named; *Activity* has all.
MOST_NAMED = 10
_HOUR = 3_600  # seconds


def note(*, key: ClassicKey, by: Member, origin: Origin) -> None:
    """Record that ``by`` opened the details of ``key``, unless it is their own; once an hour.

    One query if it is recorded already. If it cannot be written, the details must not be shown.
    """
    once = _once(key, by, timezone.now())
    if key.holder_id == by.pk or Event.objects.filter(account_id=by.account_id, once=once).exists():
        return
    with transaction.atomic():
        audit.record(events.OPENED, actor=by, subject=key.holder, origin=origin, once=once)


def latest(key: ClassicKey) -> Sequence[Event]:
    """Return the last ``MOST_NAMED`` openings of ``key``'s details by somebody else, newest first; one query."""
    start = _beginning(key)
    found = Event.objects.filter(account_id=key.account_id, once__gte=start, once__lte=start + "9" * 40)
    return sorted(found.order_by("-once")[:MOST_NAMED], key=lambda event: event.number, reverse=True)


def _beginning(key: ClassicKey) -> str:
    return f"opened{key.pk:020d}"


def _once(key: ClassicKey, by: Member, now: datetime) -> str:
    return f"{_beginning(key)}{int(now.timestamp()) // _HOUR:020d}{by.pk:020d}"
