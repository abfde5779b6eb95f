"""Login security: password, one-time passcodes, recovery codes and passkeys of the viewer."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_safe

from accounts import dialogs, factors, passcodes, passkeys, policy
from accounts.access import ask_for_proof, for_enrolment
from accounts.actions_menu import MenuItem
from accounts.dialogs import PageBehind
from accounts.models import Passcode, Passkey
from accounts.requests import MemberRequest, form_or_post
from accounts.sealing import SealError
from accounts.security_forms import ConfirmForm

_TITLE = "Login security"


@for_enrolment
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """Show how the viewer logs in, and what else they may set up."""
    viewer = request.member
    context = {
        "title": _TITLE,
        "account": viewer.account,
        "is_due": policy.is_enrolment_due(viewer),
        "passcode": Passcode.objects.filter(user_id=viewer.user_id, confirmed_at__isnull=False).first(),
        "passkeys": [_row(passkey) for passkey in passkeys.of_user(viewer.user_id)],
        "codes_left": passcodes.recovery_codes_left(viewer.user_id),
        "codes_made": passcodes.RECOVERY_CODES,
    }
    return render(request, "accounts/security.html", context)


def _row(passkey: Passkey) -> dict[str, object]:
    url = reverse("accounts:remove-passkey", args=[passkey.uid])
    return {"passkey": passkey, "menu": [MenuItem("Remove", url, is_dialog=True, is_danger=True)]}


def page_behind() -> PageBehind:
    """Return the page *Login security*, over which its dialogs lie."""
    return PageBehind(reverse("accounts:security"), _TITLE)


def dialog(request: MemberRequest, template: str, title: str, **more: object) -> HttpResponse:
    """Render a dialog over the page."""
    return dialogs.dialog(request, f"accounts/{template}.html", title, page_behind(), **more)


def proof(request: MemberRequest, what: str) -> HttpResponse | None:
    """Return the page that asks for a proof of identity, none when there is a fresh one."""
    return ask_for_proof(request, what=what, behind=page_behind())


def refused(request: MemberRequest, error: Exception) -> HttpResponse:
    """Say why something cannot be done, on the page that it was begun from."""
    messages.error(request, f"Nothing was changed\n{error}")
    return redirect("accounts:security")


@sensitive_post_parameters("password", "proof_code", "code")
@for_enrolment
@form_or_post
def passcode(request: MemberRequest) -> HttpResponse:
    """Explain one-time passcodes; show a new seed, in this answer alone; turn them on with its first code."""
    return _set_up(request, replaces=False)


@sensitive_post_parameters("password", "proof_code", "code")
@form_or_post
def replace_passcode(request: MemberRequest) -> HttpResponse:
    """Do the same for another app, in place of the one whose codes count until then."""
    return _set_up(request, replaces=True)


@sensitive_variables("seed", "codes")
def _set_up(request: MemberRequest, *, replaces: bool) -> HttpResponse:
    viewer, title = request.member, "Replace the authenticator app" if replaces else "Set up one-time passcodes"
    if request.method != "POST":
        return dialog(request, "passcode_explained", title, replaces=replaces)
    asked = proof(request, "replace the authenticator app" if replaces else "set up one-time passcodes")
    if asked is not None:
        return asked
    form = ConfirmForm(request.POST if "code" in request.POST else None)
    try:
        if form.is_valid():
            codes = factors.confirm_passcode(
                request, code=form.cleaned_data["code"], by=viewer, origin=request.origin, replaces=replaces
            )
            if codes is not None:
                done = "The authenticator app is replaced" if replaces else "One-time passcodes are on"
                return dialog(request, "recovery_codes", done, codes_text="\n".join(codes), is_new=True)
            form.add_error("code", "This code is wrong. Check the device's clock, and enter the next code.")
        begun = passcodes.being_set_up(viewer.user) if form.is_bound else None
        seed = begun or factors.begin_passcode(by=viewer, replaces=replaces)
    except factors.FactorRefused as error:
        return refused(request, error)
    except SealError:
        return refused(request, ValueError("The secret can no longer be read. Start again."))
    return dialog(request, "passcode", title, seed=seed, form=form, replaces=replaces)


@sensitive_post_parameters("password", "proof_code")
@for_enrolment
@form_or_post
def remove_passcode(request: MemberRequest) -> HttpResponse:
    """Ask whether to turn one-time passcodes off, and do it."""
    if request.method != "POST":
        return dialog(request, "remove_passcode", "Turn off one-time passcodes")
    asked = proof(request, "turn off one-time passcodes")
    if asked is not None:
        return asked
    try:
        factors.remove_passcode(by=request.member, origin=request.origin)
    except factors.FactorRefused as error:
        return refused(request, error)
    messages.success(request, "One-time passcodes are off")
    return redirect("accounts:security")


@sensitive_post_parameters("password", "proof_code")
@sensitive_variables("codes")
@for_enrolment
@form_or_post
def recovery_codes(request: MemberRequest) -> HttpResponse:
    """Ask whether to make new recovery codes, and show them in the answer, once."""
    if request.method != "POST":
        return dialog(request, "renew_recovery_codes", "Generate recovery codes")
    asked = proof(request, "generate recovery codes")
    if asked is not None:
        return asked
    try:
        codes = factors.renew_recovery_codes(by=request.member, origin=request.origin)
    except factors.FactorRefused as error:
        return refused(request, error)
    return dialog(request, "recovery_codes", "Recovery codes", codes_text="\n".join(codes), is_new=False)
