"""Guards for views: the member who looks, what may be known of, fresh proof. No rule of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render

from accounts import audit, events, queries, signin
from accounts.forms import ProofForm
from accounts.models import Member
from accounts.policy import MemberAction, can
from accounts.requests import MemberRequest

View = TypeVar("View", bound=Callable[..., HttpResponse])


def for_any_status(view: View) -> View:
    """Mark a view that suspended members, and those calling from an address not allowed, may use too."""
    view.for_any_status = True  # type: ignore[attr-defined]
    return view


def member_or_404(viewer: Member, member_id: int) -> Member:
    """Return the member with that id if ``viewer`` may see them; one query.

    Raises Http404, the same for someone the viewer may not know of and for nobody at all.
    """
    member = queries.member_of(viewer.account_id, member_id)
    if member is None or not can(viewer, MemberAction.VIEW, member):
        raise Http404
    return member


def refusal(request: MemberRequest, *, subject: Member, what: str, why: object) -> PermissionDenied:
    """Record that something was refused that the member may see but not do; the view raises what is returned."""
    audit.record_refusal(
        events.PERMISSION_REFUSED,
        actor=request.member,
        subject=subject,
        origin=request.origin,
        details={"what": what, "why": str(why)},
    )
    return PermissionDenied(str(why))


def ask_for_proof(
    request: MemberRequest,
    *,
    what: str,
    back: str,
    behind: str,
    carried: Mapping[str, str | Sequence[str]] | None = None,
) -> HttpResponse | None:
    """Return none when the person has just proved who they are, else the page that asks for the password.

    The page posts to the same address, so that the password and the request travel together and nothing of it has to
    be kept meanwhile.

    Args:
        what: what it is asked for, to complete "Enter your password to …".
        back: where *Cancel* leads.
        behind: the title of the page that the question lies over.
        carried: what the request said besides, to be said again with the password, never a secret; a name may have
            several values.
    """
    if signin.has_fresh_proof(request):
        return None
    form = ProofForm(request.POST if "password" in request.POST else None)
    status, headers = 200, {}
    if form.is_valid():
        try:
            signin.prove_identity(
                request, member=request.member, password=form.cleaned_data["password"], origin=request.origin
            )
        except signin.SignInRefused as refused:
            form.add_error("password", str(refused))
            if refused.retry_after:
                status, headers = 429, {"Retry-After": str(refused.retry_after_seconds)}
        else:
            return None
    context = {
        "title": "Confirm that it is you",
        "what": what,
        "form": form,
        "dialog_back": back,
        "behind_title": behind,
        "carried": list(_pairs(carried or {})),
    }
    response = render(request, "accounts/prove_identity.html", context, status=status)
    for name, value in headers.items():
        response[name] = value
    return response


def _pairs(carried: Mapping[str, str | Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield each name with each of its values."""
    for name, values in carried.items():
        yield from ((name, value) for value in ([values] if isinstance(values, str) else values))
