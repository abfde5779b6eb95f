"""Who calls an interface for programs: the member whose key or access token was accepted, if they may do anything."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from django.utils import timezone

from accounts import audit, queries
from accounts.models import Member
from accounts.origin import Origin
from accounts.policy import NotAllowed, may_work, reason_without_work
from keys import access_tokens, verification
from keys.verification import Verdict

_MINUTE = timedelta(minutes=1)
#: Refusals of one caller within a minute that are events of their own.
_MOST_REFUSALS = 20


class Calling(Protocol):
    """Who calls, as each interface knows them, and from where."""

    @property
    def member(self) -> Member:
        """The member, with all that policies ask of them."""

    @property
    def origin(self) -> Origin:
        """Where the call comes from."""


class Refused(Exception):
    """The key is refused, for whatever reason."""


class NoWork(Exception):
    """The key works, but its user can do nothing in the account; the text says why, in a sentence for them."""


def verdict_on_token(token: str, origin: Origin) -> Verdict:
    """Return the verdict on the key that an access token was given for; one query.

    Raises ``verification.Unavailable`` and what ``access_tokens.key_of`` raises.
    """
    return verification.verify_key(access_tokens.key_of(token), origin.address)


def member_of(verdict: Verdict, origin: Origin, *, client: str) -> Member:
    """Return whose key was accepted, with all that policies ask of them; one query.

    Raises Refused, or NoWork, which is noted for the activity log with what ``client`` says of who called.
    """
    member = queries.member_of(verdict.account_id, verdict.member_id) if verdict.accepted else None
    if member is None:
        raise Refused
    if not may_work(member):
        why = f"{client} called, but the user's status allows nothing in the account"
        verification.note_refused(verdict, why, origin.address)
        raise NoWork(reason_without_work(member))
    return member


@contextmanager
def refusals_recorded(
    caller: Calling, subject: Member, what: str, *, denied: Callable[[str], Exception]
) -> Iterator[None]:
    """Record a NotAllowed from the block, which is about ``subject``, as pages do, and raise ``denied`` instead.

    Args:
        what: the caller wanted to do, in the policy's words.
        denied: makes the interface's own error of the reason.
    """
    try:
        yield
    except NotAllowed as error:
        record_refusal(caller, subject, what, error)
        raise denied(str(error)) from error


def record_refusal(caller: Calling, subject: Member, what: str, why: object) -> None:
    """Record that the caller may not do something, as pages do, but within bounds: programs repeat what was refused.

    The same refusal is one event a minute. Of different ones, as of a program that goes through all users, the first
    in a minute are events; then one says that there are more.
    """
    actor, origin, now = caller.member, caller.origin, timezone.now()
    which = f"{subject.pk} {origin.address} {what} {why}"
    if audit.refusals_since(actor, now - _MINUTE, _MOST_REFUSALS) == _MOST_REFUSALS:
        subject, what, which = actor, "make further calls that are refused", "further"
        why = f"{_MOST_REFUSALS} refusals within a minute are listed here. The server's log has a line for each other."
    digest = hashlib.sha256(which.encode()).hexdigest()
    audit.record_not_allowed(
        actor=actor, subject=subject, origin=origin, what=what, why=why,
        once=f"not allowed:{actor.pk}:{digest[:32]}:{now:%Y%m%d%H%M}",
    )  # fmt: skip
