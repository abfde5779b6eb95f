"""Signing in and out, and choosing the current account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters

from accounts import formats, passcodes, second_stage, signin
from accounts.access import for_any_status, refused_answer
from accounts.forms import AccountForm, focus, focus_first_mistake
from accounts.models import Invitation
from accounts.requests import MemberRequest, form_or_post
from accounts.security_forms import CodeForm, LoginForm
from accounts.sessions import STARTED
from accounts.ways_back import page_of_ours, post_only


@sensitive_post_parameters("password")
@login_not_required
@form_or_post
def login(request: MemberRequest) -> HttpResponse:
    """Ask for e-mail address and password, then for a second factor if there is one; a signed-in visitor goes on."""
    if request.user.is_authenticated:
        return redirect(next_page(request))
    form, refused = LoginForm(request.POST if request.method == "POST" else None), None
    if request.method == "POST" and form.is_valid():
        try:
            waiting = signin.sign_in(
                request,
                email=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
                origin=request.origin,
            )
        except signin.SignInRefused as error:
            refused = error
            form.add_error(None, str(error))
            focus(form, "password")  # the address is kept, the password has to be typed again
        else:
            if waiting is None:
                return redirect(next_page(request))
            second_stage.begin(request, waiting)
            return redirect(_second_stage(request))
    else:
        focus_first_mistake(form)
    if request.method == "GET" and "ended" in request.GET:
        lost = "What you entered was not saved. " if request.GET.get("ended") == "form" else ""
        # In this answer, and kept nowhere.
        messages.info(request, f"Your session has ended. {lost}Log in again to continue.")
    return refused_answer(render(request, "accounts/login.html", {"title": "Log in to Keytree", "form": form}), refused)


@sensitive_post_parameters("code")
@login_not_required
@form_or_post
def login_code(request: MemberRequest) -> HttpResponse:
    """Ask for the second factor of somebody who has given their password; everybody else goes to the login page."""
    if request.user.is_authenticated:
        return redirect(next_page(request))
    form, refused = CodeForm(request.POST if request.method == "POST" else None), None
    try:
        stage = second_stage.present(request)
        if request.method == "POST" and form.is_valid():
            left = second_stage.finish_with_code(request, code=form.cleaned_data["code"], origin=request.origin)
            say_if_joined(request, stage.invitation)
            if left is not None:
                messages.warning(request, _recovered(left))
            return redirect(next_page(request))
    except second_stage.StageOver as over:
        return begin_again(request, over)
    except signin.SignInRefused as error:
        refused = error
        form.add_error("code", str(error))
    context = {
        "title": "Confirm that it is you",
        "form": form,
        "invitation": stage.invitation,
        **second_stage.ways(stage.user.pk),
    }
    return refused_answer(render(request, "accounts/login_code.html", context), refused)


def begin_again(request: MemberRequest, over: second_stage.StageOver) -> HttpResponse:
    """Return to where the password is given, and say why to whoever had given it."""
    if request.method == "POST" and second_stage.was_begun(request):  # a stranger's message would make a session
        messages.error(request, str(over))
    return redirect("accounts:login")


def say_if_joined(request: MemberRequest, invitation: Invitation | None) -> None:
    """Say on the next page that its viewer has joined an account, and which, if they came in by an invitation."""
    if invitation is not None:
        messages.success(request, f"You have joined {invitation.member.account}")


def _recovered(left: int) -> str:
    """Return what is said after a login by a recovery code, of which so many are left."""
    return (
        f"You logged in with a recovery code\nCodes left: {left} of {passcodes.RECOVERY_CODES}. "
        "If you lost your device, replace the app or remove the passkey under Login security in the profile menu and "
        "set up another. You can generate new codes there too."
    )


def _second_stage(request: MemberRequest) -> str:
    """Return where the second stage is, which keeps where to go afterwards."""
    asked = next_page(request)
    return reverse("accounts:login-code") + ("" if asked == "/" else "?" + urlencode({"next": asked}))


def next_page(request: MemberRequest) -> str:
    """Return where to go after signing in: a page of this site alone, else the landing page."""
    return page_of_ours(request, request.GET.get("next", ""))


@post_only
@for_any_status
def logout(request: MemberRequest) -> HttpResponse:
    """End the session, and let the browser forget what it kept of it."""
    signin.sign_out(request, origin=request.origin)
    messages.success(request, "You have logged out.")
    return to_login()


def to_login() -> HttpResponse:
    """Lead somebody whose session they have just ended to the login page; the browser forgets what it kept of it."""
    response = redirect("accounts:login")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


@post_only
@for_any_status
def switch_account(request: MemberRequest) -> HttpResponse:
    """Make another of the user's accounts the current one; 404 for one they are not in."""
    form = AccountForm(request.POST)
    member = form.is_valid() and signin.switch_account(
        request, account_id=form.cleaned_data["account"], origin=request.origin
    )
    if not member:
        raise Http404
    messages.success(request, f"You are now in {member.account}")
    return redirect("/")


@form_or_post
@for_any_status
def session_end(request: MemberRequest) -> HttpResponse:
    """Tell when the session ends: to a page that asks by itself. A POST is a use of it, which puts the end off."""
    if request.method == "POST":
        return redirect("accounts:session-end")
    end, limits = signin.session_end(request), signin.limits_of_session(request)
    context = {
        "title": "Your session ends soon" if end.is_final else "Stay logged in?",
        "end": end,
        "left_seconds": int(end.left.total_seconds()),
        "left_in_words": formats.span(end.left.total_seconds()),
        "warning_seconds": int(limits.warning.total_seconds()),
        "longest_in_words": formats.span(limits.longest.total_seconds()),
        "started_at": int(request.session[STARTED]),
    }
    return render(request, "accounts/session_end.html", context)
