"""What becomes of a policy's refusal: an event, as on pages, and a fault with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from accounts import audit
from accounts.models import Member
from accounts.policy import NotAllowed
from keys.iam.calls import Caller
from keys.iam.faults import Denied


@contextmanager
def refusals_recorded(caller: Caller, subject: Member, what: str) -> Iterator[None]:
    """Record a NotAllowed from the block, which is about ``subject``, and raise Denied instead.

    Args:
        what: the caller wanted to do, in the policy's words.
    """
    try:
        yield
    except NotAllowed as error:
        audit.record_not_allowed(actor=caller.member, subject=subject, origin=caller.origin, what=what, why=error)
        raise Denied(str(error)) from error
