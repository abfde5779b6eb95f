"""Deletes old events of the audit trail, up to a mark that is itself recorded as an event of the chain.

The rest can be verified as before, because the mark holds the link that the first remaining event follows.

*Source:* docs/rules.md, "Activity"; docs/security.md, "Audit".
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile

from django.db import ProgrammingError, transaction

from accounts import audit
from accounts.events import ACTIVITY_TRIMMED
from accounts.models import AuditChain, Event
from accounts.origin import Origin
from accounts.transactions import one_transaction

#: Events verified and deleted in one transaction: other writes in the account wait for it, and give up after 2 s.
AT_ONCE = 2_000


class TrailBrokenError(Exception):
    """Events are not as they were written; the evidence is not deleted."""

    def __init__(self, account_id: int, number: int, what: str) -> None:
        super().__init__(f"Account {account_id}: broken at event {number}: {what}")


def may_trim() -> bool:
    """Whether this database role may delete events at all: on PostgreSQL the serving role may not."""
    try:
        with transaction.atomic():
            Event.objects.filter(account_id=0, number=0).delete()  # matches nothing, but the right is checked
    except ProgrammingError:
        return False
    return True


def account_ids() -> Sequence[int]:
    """Return all accounts that have a trail, including those that no longer exist."""
    return list(AuditChain.objects.order_by("pk").values_list("pk", flat=True))


def trim(account_id: int, *, before: datetime, origin: Origin) -> int:
    """Delete the account's events from before that moment, and return how many.

    Each step is a transaction under the chain's lock, with its own event, so two runs at once share the work. Events
    are deleted only from the first one on, without gaps, and only if they are as they were written.

    Raises TrailBrokenError; the steps before it are done.
    """
    removed = 0
    while step := _step(account_id, before, origin):
        removed += step
    return removed


@one_transaction
def _step(account_id: int, before: datetime, origin: Origin) -> int:
    chain = audit.lock_chain(account_id)
    if (wrong := audit.trim_break(chain)) is not None:
        raise TrailBrokenError(account_id, *wrong)
    old = list(takewhile(lambda event: event.at < before, _verified(chain)))
    # Deleting nothing but the events of earlier trims would leave another one each day.
    if all(event.action == ACTIVITY_TRIMMED for event in old):
        return 0
    until, link = old[-1].number, bytes(old[-1].link)
    latest = max(event.at for event in old)
    AuditChain.objects.filter(pk=account_id).update(
        trimmed_until=until,
        trimmed_link=link,
        trimmed_at=max(latest, chain.trimmed_at) if chain.trimmed_at else latest,
    )
    Event.objects.filter(account_id=account_id, number__lte=until).delete()
    details = audit.trim_details(until, link)
    audit.record(ACTIVITY_TRIMMED, actor=None, account_id=account_id, origin=origin, details=details)
    return len(old)


def _verified(chain: AuditChain) -> Iterator[Event]:
    """Yield the first events of the chain, ``AT_ONCE`` at most. Raises TrailBrokenError at one that does not fit."""
    previous, expected = bytes(chain.trimmed_link), chain.trimmed_until + 1
    for event in Event.objects.filter(account_id=chain.account_id).order_by("number")[:AT_ONCE].iterator():
        if (wrong := audit.break_at(event, previous=previous, expected=expected)) is not None:
            raise TrailBrokenError(chain.account_id, *wrong)
        yield event
        previous, expected = bytes(event.link), expected + 1
