"""Signing in and out, and choosing the current account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import signin
from accounts.access import for_any_status
from accounts.forms import LoginForm, SwitchForm, focus, focus_first_mistake
from accounts.requests import MemberRequest


@sensitive_post_parameters("password")
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: MemberRequest) -> HttpResponse:
    """Ask for e-mail address and password; a signed-in visitor goes on at once."""
    if request.user.is_authenticated:
        return redirect(_next(request))
    form = LoginForm(request.POST if request.method == "POST" else None)
    status, headers = 200, {}
    if request.method == "POST" and form.is_valid():
        try:
            signin.sign_in(
                request,
                email=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
                origin=request.origin,
            )
        except signin.SignInRefused as refusal:
            form.add_error(None, str(refusal))
            focus(form, "password")  # the address is kept, the password has to be typed again
            if refusal.retry_after:
                status, headers = 429, {"Retry-After": str(refusal.retry_after_seconds)}
        else:
            return redirect(_next(request))
    else:
        focus_first_mistake(form)
    response = render(request, "accounts/login.html", {"title": "Log in to Keytree", "form": form}, status=status)
    for name, value in headers.items():
        response[name] = value
    return response


def _next(request: MemberRequest) -> str:
    """Return where to go after signing in: a page of this site alone, else the landing page."""
    asked = request.GET.get("next", "")
    allowed = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if allowed and asked.startswith("/") else "/"


@require_POST
@for_any_status
def logout(request: MemberRequest) -> HttpResponse:
    """End the session, and let the browser forget what it kept of it."""
    signin.sign_out(request, origin=request.origin)
    messages.success(request, "You have logged out.")
    response = redirect("accounts:login")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


@require_POST
@for_any_status
def switch_account(request: MemberRequest) -> HttpResponse:
    """Make another of the user's accounts the current one; 404 for one they are not in."""
    form = SwitchForm(request.POST)
    if not form.is_valid() or not signin.switch_account(
        request, account_id=form.cleaned_data["account"], origin=request.origin
    ):
        raise Http404
    return redirect("/")
