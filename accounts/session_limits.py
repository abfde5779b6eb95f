"""How long sessions may last and how many there may be: of the installation's and the account's limits, the stricter.

A session belongs to its user and to the account that it is in at the moment. That account's limits apply on every
request; after switching accounts, those of the other account do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import Account, Session

#: A session's end is told a fifth of its idle time before, within these.
#: *Source:* WCAG 2.2, success criterion 2.2.1 Timing Adjustable, which asks for 20 seconds at least.
_SHORTEST_WARNING, _LONGEST_WARNING = timedelta(seconds=30), timedelta(minutes=2)
#: Use is noted this often at most: enough to measure minutes. Where few may be idle, a fifth of them.
_NOTED_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class SessionEnd:
    """When a session ends unless it is used.

    Attributes:
        left: until then.
        is_final: whether it is its age that ends it, whatever it is used for.
    """

    left: timedelta
    is_final: bool


@dataclass(frozen=True)
class SessionLimits:
    """How long a session may be idle, and how long it may last in all."""

    idle: timedelta
    longest: timedelta

    @property
    def warning(self) -> timedelta:
        """How long before its end a session's user is told."""
        return min(max(self.idle / 5, _SHORTEST_WARNING), _LONGEST_WARNING)

    @property
    def noted_after(self) -> timedelta:
        """How old the last use that was noted may be."""
        return min(self.idle / 5, _NOTED_AFTER)

    def end(self, *, started: datetime, seen: datetime, now: datetime) -> SessionEnd:
        """Return when a session ends that began and was used then."""
        idle, longest = self.idle - (now - seen), self.longest - (now - started)
        return SessionEnd(min(idle, longest), is_final=longest <= idle)

    def first_question(self, *, started: datetime, now: datetime) -> timedelta:
        """Return for how long a page that is being answered need not ask when its session ends.

        The same for all pages of a session until its age counts: a page says it, and is else the same each time.
        """
        idle, longest = self.idle - self.noted_after, self.longest - (now - started)
        return max(min(idle, longest) - self.warning, timedelta())

    def are_exceeded(self, *, started: datetime | None, seen: datetime | None, now: datetime) -> bool:
        """Whether a session's time is over; it is if the session has no times."""
        return started is None or seen is None or now - started > self.longest or now - seen > self.idle


def limits_of(account: Account | None) -> SessionLimits:
    """Return the limits of sessions in ``account``, none for a session in no account. Takes no query."""
    idle = timedelta(minutes=settings.KEYTREE_SESSION_IDLE_MINUTES)
    longest = timedelta(hours=settings.KEYTREE_SESSION_HOURS)
    if account is not None and account.session_idle_minutes is not None:
        idle = min(idle, timedelta(minutes=account.session_idle_minutes))
    if account is not None and account.session_hours is not None:
        longest = min(longest, timedelta(hours=account.session_hours))
    return SessionLimits(idle, longest)


def make_room(*, account: Account, user_id: int, row_key: str) -> int:
    """End the user's oldest sessions in the account beyond its limit, never that of ``row_key``; return how many.

    Expired sessions whose rows are still there do not count. To be called with the account's audit chain locked, so
    that two sessions that begin at once are both counted.
    """
    if account.most_sessions is None:
        return 0
    others = Session.objects.filter(user_id=user_id, account=account).exclude(pk=row_key)
    limits, now, going_on = limits_of(account), timezone.now(), []
    for key, started, seen in others.order_by("-started_at", "pk").values_list("pk", "started_at", "seen_at"):
        if not limits.are_exceeded(started=started, seen=seen, now=now):
            going_on.append(key)
    oldest = going_on[account.most_sessions - 1 :]
    Session.objects.filter(pk__in=oldest).delete()
    return len(oldest)
