"""Clears away old events of the audit trail, up to a mark that is itself an event of the chain.

What is left can be verified as before: the mark has the link that the first event left follows.

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

#: Events verified and cleared away in one transaction: who writes in the account waits for it, and gives up after 2 s.
AT_ONCE = 2_000


class TrailBrokenError(Exception):
    """Events that are not as they were written: what shows it is not cleared away."""

    def __init__(self, account_id: int, number: int, what: str) -> None:
        super().__init__(f"Account {account_id}: broken at event {number}: {what}")


def may_trim() -> bool:
    """Whether this database role may remove rows of events at all: the one that serves may not, on PostgreSQL."""
    try:
        with transaction.atomic():
            Event.objects.filter(account_id=0, number=0).delete()  # of no account: the right is looked at all the same
    except ProgrammingError:
        return False
    return True


def account_ids() -> Sequence[int]:
    """Return the accounts that have a trail, those that are gone among them."""
    return list(AuditChain.objects.order_by("pk").values_list("pk", flat=True))


def trim(account_id: int, *, before: datetime, origin: Origin) -> int:
    """Clear away the account's events of before that moment, and return how many these were.

    Each step is a transaction of its own under the chain's lock, with its event: two runs at once share the work. Only
    events are cleared away that have none of later before them, and that are as they were written.

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
    # A trim whose only reason is that of earlier ones would leave one more of its kind each day.
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
    """Yield the first events of the chain, ``AT_ONCE`` at most. Raises TrailBrokenError at one that does not follow."""
    previous, expected = bytes(chain.trimmed_link), chain.trimmed_until + 1
    for event in Event.objects.filter(account_id=chain.account_id).order_by("number")[:AT_ONCE].iterator():
        if (wrong := audit.break_at(event, previous=previous, expected=expected)) is not None:
            raise TrailBrokenError(chain.account_id, *wrong)
        yield event
        previous, expected = bytes(event.link), expected + 1
