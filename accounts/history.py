"""Who stood above a member on an earlier day, worked out from the changes of parent in the audit trail.

Whoever stands above somebody may know of their key, so this answers who could see it then. It starts from the present
tree and undoes each recorded change that came later, reading only the chains of ancestors that are involved.

*Source:* docs/rules.md, "Users and the tree".
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter

from accounts import events, hierarchy
from accounts.models import AuditChain, Event, Member

_COMINGS = (events.ACCOUNT_CREATED, events.INVITED, events.MEMBER_ADDED)
_LEAVINGS = (events.REMOVED, events.INVITATION_CANCELLED)
_CHANGES = (events.PARENT_CHANGED, events.OWNER_CHANGED, *_LEAVINGS)


class NotRecordedError(Exception):
    """What happened since then is not all recorded any more: old activity was cleared away."""


@dataclass(frozen=True)
class Stood:
    """Somebody who stood above."""

    name: str
    member: Member | None  # none when they are no longer in the account
    is_above_now: bool


def stood_above(member: Member, day: date) -> Sequence[Stood] | None:
    """Return who stood above ``member`` at any time on that day (GMT), nearest first; none before they were added.

    Four queries for the present chain, and two more each time a change leads to people who are not in it.

    Raises NotRecordedError for a day that began before the latest event that was cleared away as old.
    """
    starts = datetime.combine(day, time(), UTC)
    ends = starts + timedelta(days=1)
    if AuditChain.objects.filter(account_id=member.account_id, trimmed_at__gt=starts).exists():
        raise NotRecordedError
    first = Event.objects.filter(account_id=member.account_id, subject_id=member.pk).order_by("number").first()
    # If the event of their coming was cleared away, they were there before the first one that is left.
    if first is not None and first.action in _COMINGS:
        if first.at >= ends:
            return None
        starts = max(starts, first.at)
    past = _Past(member.account_id, starts)
    now = set(hierarchy.ancestors_of(member).values_list("pk", flat=True))
    past.load([member.pk, *now])
    found: dict[int, None] = {}
    seen: set[datetime] = set()
    # A chain may lead to people who were not loaded yet; their changes are moments to look at, too.
    while fresh := sorted({starts, *past.moments(ends)} - seen):
        for moment in fresh:
            found |= past.chain(member.pk, moment)
        seen.update(fresh)
    return [Stood(past.name(pk), past.members.get(pk), pk in now) for pk in found]


class _Past:
    """Members as they are now, and each change of their parents since a moment."""

    def __init__(self, account_id: int, since: datetime) -> None:
        self._account_id, self._since = account_id, since
        self._loaded: set[int] = set()
        self.members: dict[int, Member] = {}
        #: When, and the parent before. In the order of the trail; one that says an earlier time than the one before it
        #: happened at the same moment.
        self._changes: dict[int, list[tuple[datetime, int | None]]] = {}
        self._labels: dict[int, str] = {}

    def load(self, ids: Iterable[int]) -> None:
        """Load these members, who may have left, and the changes of their parents; two queries."""
        ids = set(ids)
        self._loaded |= ids
        people = Member.objects.filter(account_id=self._account_id).select_related("user", "account")
        self.members |= people.in_bulk(ids)
        happened = Event.objects.filter(
            account_id=self._account_id, subject_id__in=ids, action__in=_CHANGES, at__gt=self._since
        )
        for event in happened.order_by("number"):
            changes = self._changes.setdefault(event.subject_id or 0, [])
            at = max(event.at, changes[-1][0]) if changes else event.at
            changes.append((at, _parent_before(event)))
            self._labels[event.subject_id or 0] = event.subject_label

    def moments(self, ends: datetime) -> set[datetime]:
        """Return the moments before ``ends`` at which the parent of a loaded member changed."""
        return {at for changes in self._changes.values() for at, _ in changes if at < ends}

    def chain(self, member_id: int, moment: datetime) -> dict[int, None]:
        """Return who stood above at that moment, nearest first."""
        above: dict[int, None] = {}
        parent = self._parent(member_id, moment)
        while parent is not None and parent not in above:
            if parent not in self._loaded:
                self.load([parent])
            above[parent] = None
            parent = self._parent(parent, moment)
        return above

    def _parent(self, member_id: int, moment: datetime) -> int | None:
        changes = self._changes.get(member_id, [])
        later = bisect_right(changes, moment, key=itemgetter(0))
        if later < len(changes):
            return changes[later][1]
        member = self.members.get(member_id)
        return member.parent_id if member is not None else None

    def name(self, member_id: int) -> str:
        """Return what somebody is called, or was when they left."""
        member = self.members.get(member_id)
        return member.name if member is not None else self._labels.get(member_id, f"User {member_id}")


def _parent_before(event: Event) -> int | None:
    """Return who was the parent of the event's subject before it."""
    facts = event.facts
    if event.action == events.OWNER_CHANGED:
        before = facts["parent_before_id"] if event.subject_id == facts["after_id"] else None
    else:
        before = facts.get("parent_id" if event.action in _LEAVINGS else "before_id")
    return int(before) if before is not None else None
