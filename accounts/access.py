"""Guards for views: whom the viewer may see, what they may do, fresh proof of identity. No rule of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse

from accounts import audit, passcodes, passkeys, queries, second_stage, signin
from accounts.dialogs import PageBehind, dialog
from accounts.enums import Permission, permission_names
from accounts.models import Member
from accounts.passkeys import Site
from accounts.policy import MemberAction, NotAllowed, can, reason
from accounts.requests import MemberRequest
from accounts.security_forms import PasskeyProofForm, ProofForm
from accounts.throttle import PROOFS, TryLater

View = TypeVar("View", bound=Callable[..., HttpResponse])


def for_any_status(view: View) -> View:
    """Mark a view that is open to suspended and frozen members, and from addresses that are not allowed."""
    view.for_any_status = True  # type: ignore[attr-defined]
    return view


def for_enrolment(view: View) -> View:
    """Mark a view that is open to somebody who lacks the second factor that their account requires."""
    view.for_enrolment = True  # type: ignore[attr-defined]
    return view


def refused_answer(response: HttpResponse, refused: TryLater | None) -> HttpResponse:
    """Return ``response``, with status 429 and the time to wait if an attempt was refused for being one too many."""
    if refused is not None and refused.retry_after:
        response.status_code = 429
        response["Retry-After"] = str(refused.retry_after_seconds)
    return response


def member_or_404(viewer: Member, member_id: int) -> Member:
    """Return the member with that id if ``viewer`` may see them; one query.

    Raises Http404, the same for someone the viewer may not know of and for nobody at all.
    """
    member = queries.member_of(viewer.account_id, member_id)
    if member is None or not can(viewer, MemberAction.VIEW, member):
        raise Http404
    return member


def target_of(request: MemberRequest, member_id: int, action: MemberAction) -> Member:
    """Return the member, whom the viewer may see (404) and do this to (403 with the reason)."""
    member = member_or_404(request.member, member_id)
    require(request, action, member)
    return member


def require(request: MemberRequest, action: MemberAction, subject: Member | None = None) -> None:
    """Refuse, with an event and 403, a viewer who may not do this: to ``subject``, who is the viewer unless given."""
    subject = subject or request.member
    if not can(request.member, action, subject):
        raise refusal(request, subject=subject, what=action.value, why=reason(request.member, action, subject))


@contextmanager
def refusals_recorded(request: MemberRequest, subject: Member, what: str) -> Iterator[None]:
    """Turn a NotAllowed from the block into an event and 403: writes ask the policy once more."""
    try:
        yield
    except NotAllowed as error:
        raise refusal(request, subject=subject, what=what, why=error) from error


def refusal(request: MemberRequest, *, subject: Member, what: str, why: object) -> PermissionDenied:
    """Record that the viewer may not do something with what they see; the view raises the exception returned."""
    audit.record_not_allowed(actor=request.member, subject=subject, origin=request.origin, what=what, why=why)
    return PermissionDenied(str(why))


def record_lacked(request: MemberRequest, action: MemberAction, subject: Member, lacked: Permission) -> str:
    """Record that the viewer tried to give permissions that they lack, and return a sentence that says so."""
    why = f"You cannot give a permission that you do not have: {permission_names(lacked)}."
    refusal(request, subject=subject, what=action.value, why=why)
    return why


def ask_for_proof(
    request: MemberRequest,
    *,
    what: str,
    behind: PageBehind,
    carried: Mapping[str, str | Sequence[str]] | None = None,
) -> HttpResponse | None:
    """Return the page that asks for a proof of identity, or none if the person has just given one.

    The proof is the password, a one-time passcode or a passkey. The page posts to the same address, so that the proof
    and the request travel together and the server keeps nothing in between.

    Args:
        what: what the proof is for; completes "Enter your password to …".
        behind: the page that the question lies over.
        carried: the other fields of the request, sent again with the proof; a name may have several values. Never a
            secret.
    """
    if signin.has_fresh_proof(request):
        return None
    user = request.member.user
    has_passcode, has_passkey = passcodes.is_on(user.pk), bool(passkeys.of_user(user.pk))
    is_typed = "password" in request.POST or "proof_code" in request.POST
    form = ProofForm(request.POST if is_typed else None, accepts_code=has_passcode)
    by_passkey = PasskeyProofForm(request.POST if "proof_passkey" in request.POST else None)
    refused = None
    try:
        if by_passkey.is_valid():
            _prove_by_passkey(request, by_passkey.cleaned_data["proof_passkey"])
            return None
        if form.is_valid():
            _prove(request, form)
            return None
    except signin.SignInRefused as error:
        refused = error
        if form.is_bound:
            form.add_error("proof_code" if form.is_by_code else "password", str(error))
    context = {
        "what": what,
        "has_passcode": has_passcode,
        "passkey_options": passkeys.options_to_use(user, Site.of(request), passkeys.PROVE) if has_passkey else "",
        "passkey_problem": "" if form.is_bound or refused is None else str(refused),
        "form": form,
        "carried": list(_pairs(carried or {})),
    }
    answer = dialog(request, "accounts/prove_identity.html", "Confirm that it is you", behind, **context)
    return refused_answer(answer, refused)


def is_proof_given(request: MemberRequest) -> bool:
    """Whether the request carries a proof of identity beside what it is for."""
    return not {"password", "proof_code", "proof_passkey"}.isdisjoint(request.POST)


def _prove(request: MemberRequest, form: ProofForm) -> None:
    """Take what was typed as proof of identity. Raises SignInRefused."""
    member, origin = request.member, request.origin
    if form.is_by_code:
        code = form.cleaned_data["proof_code"]
        second_stage.check_code(member.user, code=code, origin=origin, recovers=False, limits=PROOFS)
        signin.note_proof(request, member=member, origin=origin)
    else:
        signin.prove_identity(request, member=member, password=form.cleaned_data["password"], origin=origin)


def _prove_by_passkey(request: MemberRequest, credential: str) -> None:
    """Take what a passkey signed as proof of identity. Raises SignInRefused."""
    member, origin, site = request.member, request.origin, Site.of(request)
    second_stage.check_passkey(
        member.user, credential=credential, site=site, purpose=passkeys.PROVE, origin=origin, limits=PROOFS
    )
    signin.note_proof(request, member=member, origin=origin)


def _pairs(carried: Mapping[str, str | Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield each name with each of its values."""
    for name, values in carried.items():
        yield from ((name, value) for value in ([values] if isinstance(values, str) else values))
