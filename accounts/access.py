"""Guards for views: the member who looks, things found only if they may be known of, fresh proof. No rule of its own."""

from typing import cast

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest

from accounts import audit, events
from accounts.models import Member
from accounts.origin import Origin
from accounts.policy import MemberAction, NotAllowed, can


class MemberRequest(HttpRequest):
    """A request of a signed-in member, as the middleware has completed it."""

    member: Member
    origin: Origin


def member_or_404(viewer: Member, member_id: int) -> Member:
    """Return the member with that id if ``viewer`` may see them; one query.

    Raises Http404, the same for someone the viewer may not know of and for nobody at all.
    """
    member = (
        Member.objects.filter(account_id=viewer.account_id, pk=member_id)
        .select_related("user", "account", "parent__user")
        .first()
    )
    if member is None or not can(viewer, MemberAction.VIEW, member):
        raise Http404
    return member


def refuse(request: HttpRequest, *, subject: Member, what: str, error: NotAllowed) -> PermissionDenied:
    """Record a refusal of something the member may see but not do, and return the exception for the view to raise."""
    request = cast(MemberRequest, request)
    audit.record(
        events.PERMISSION_REFUSED,
        actor=request.member,
        subject=subject,
        outcome=audit.REFUSED,
        origin=request.origin,
        details={"what": what, "why": str(error)},
    )
    return PermissionDenied(str(error))
