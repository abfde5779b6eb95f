"""Login sessions as people see them: their own, to list and to end; those of others in the account, to end.

Ending sessions locks the audit chains first, as every write that takes somebody out of an account does, so that of two
such writes at once one waits for the other.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db.models import Q
from django.utils import timezone

from accounts import audit, events
from accounts.memberships import present_member
from accounts.models import Member, Session
from accounts.origin import Origin
from accounts.policy import MemberAction, require
from accounts.session_limits import limits_of
from accounts.sessions import row_key
from accounts.transactions import one_transaction

#: How many are listed, those used last. Whoever has more ends all of them.
MOST_LISTED = 100


class SessionGone(Exception):
    """There is no such session of this person: it has ended, or never was, or is somebody else's."""


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A session as its user sees it. Holds no key."""

    uid: uuid.UUID
    account: str
    started_at: datetime | None
    seen_at: datetime | None
    address: str
    agent: str
    is_present: bool
    is_over: bool  # its time has passed, although its row is still there


def sessions_of(user_id: int, *, present_key: str | None) -> list[LoginSession]:
    """Return the user's sessions, the present one first, then by last use; ``MOST_LISTED`` at most, one query."""
    found = Session.objects.filter(user_id=user_id).exclude(uid=None).select_related("account")
    listed = [_seen_by_user(session, present_key) for session in found.order_by("-seen_at", "pk")[:MOST_LISTED]]
    return sorted(listed, key=lambda session: not session.is_present)


def find(user_id: int, uid: uuid.UUID, *, present_key: str | None) -> LoginSession:
    """Return that session of the user; one query. Raises SessionGone."""
    session = Session.objects.filter(user_id=user_id, uid=uid).select_related("account").first()
    if session is None:
        raise SessionGone
    return _seen_by_user(session, present_key)


def _seen_by_user(session: Session, present_key: str | None) -> LoginSession:
    limits, uid = limits_of(session.account), cast(uuid.UUID, session.uid)
    return LoginSession(
        uid=uid,
        account=str(session.account) if session.account else "",
        started_at=session.started_at,
        seen_at=session.seen_at,
        address=session.address,
        agent=session.agent,
        is_present=session.session_key == row_key(present_key),
        is_over=limits.are_exceeded(started=session.started_at, seen=session.seen_at, now=timezone.now()),
    )


def count_in_account(member: Member) -> int:
    """Return the number of the member's open sessions in the account; one query."""
    here = Session.objects.filter(user_id=member.user_id, account_id=member.account_id)
    limits, now = limits_of(member.account), timezone.now()
    return here.filter(started_at__gte=now - limits.longest, seen_at__gte=now - limits.idle).count()


@one_transaction
def end_own(*, uid: uuid.UUID, by: Member, origin: Origin) -> None:
    """End one session of the user of ``by``, in whichever of their accounts it is. Raises SessionGone."""
    theirs = Session.objects.filter(user_id=by.user_id, uid=uid)
    (member,) = _lock_chains(by, theirs.values_list("account_id", flat=True)) or [by]
    deleted, _ = theirs.delete()
    if not deleted:
        raise SessionGone
    audit.record(events.SESSION_ENDED, actor=member, origin=origin)


@one_transaction
def end_all_own(*, by: Member, origin: Origin) -> None:
    """End every session of the user of ``by``, the present one included; an event in each account that had one."""
    theirs = Session.objects.filter(user_id=by.user_id)
    members = _lock_chains(by, theirs.values_list("account_id", flat=True)) or [by]
    theirs.delete()
    for member in members:
        audit.record(events.SESSIONS_ENDED, actor=member, origin=origin)


def _lock_chains(by: Member, account_ids: Iterable[int | None]) -> list[Member]:
    """Lock the trails of these accounts, always in the same order, and return the user's members in them."""
    members = Member.objects.filter(user_id=by.user_id, account_id__in=list(account_ids)).select_related("user")
    found = list(members.order_by("account_id"))
    for member in found:
        audit.lock_chain(member.account_id)
    return found


@one_transaction
def end_all_of(*, member: Member, by: Member, origin: Origin) -> int:
    """End the member's sessions in the account, and return how many there were; none is no event. Raises NotAllowed.

    A session that is in another account at the moment is not this account's to end.
    """
    audit.lock_chain(member.account_id)
    by, member = present_member(by), present_member(member)
    require(by, MemberAction.END_SESSIONS, member)
    here = Q(account_id=member.account_id) | Q(account=None)  # of which nothing is known yet
    ended, _ = Session.objects.filter(here, user_id=member.user_id).delete()
    if ended:
        audit.record(events.SESSIONS_ENDED, actor=by, subject=member, origin=origin, details={"sessions": ended})
    return ended
