"""Passwords: changed by their user, and chosen anew by a link that is sent by mail. The second is open to strangers."""

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts import outbox, passwords, resets
from accounts.access import for_enrolment, refused_answer
from accounts.forms import focus, focus_first_mistake
from accounts.requests import MemberRequest, form_or_post
from accounts.security_forms import ChangePasswordForm, PasswordForm, ResetForm
from accounts.signin import SignInRefused
from accounts.views.security import dialog
from accounts.views.session import to_login


@sensitive_post_parameters("current", "password")
@for_enrolment
@form_or_post
def change(request: MemberRequest) -> HttpResponse:
    """Ask for the present password and another one, and set it."""
    refused = None
    form = ChangePasswordForm(request.member.user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            passwords.change(
                request,
                member=request.member,
                current=form.cleaned_data["current"],
                new=form.cleaned_data["password"],
                origin=request.origin,
            )
        except SignInRefused as error:
            refused = error
            form.add_error("current", str(error))
        else:
            messages.success(request, "Password changed\nYour other login sessions have ended.")
            return redirect("accounts:security")
    focus_first_mistake(form)
    return refused_answer(dialog(request, "change_password", "Change password", form=form), refused)


@login_not_required
@form_or_post
def ask(request: MemberRequest) -> HttpResponse:
    """Ask for an address, and have a link sent there; what is said does not depend on whose it is."""
    form, refused = ResetForm(request.POST if request.method == "POST" else None), None
    if request.method == "POST" and form.is_valid() and outbox.is_open():
        try:
            passwords.ask_for_link(email=form.cleaned_data["email"], origin=request.origin)
        except SignInRefused as error:
            refused = error
            form.add_error(None, str(error))
        else:
            context = {"title": "Check your email", "email": form.cleaned_data["email"]}
            return render(request, "accounts/reset_asked.html", context)
    focus_first_mistake(form)
    context = {"title": "Reset password", "form": form, "sends_mail": outbox.is_open()}
    return refused_answer(render(request, "accounts/reset.html", context), refused)


@sensitive_post_parameters("password")
@sensitive_variables("token")
@login_not_required
@form_or_post
def choose(request: MemberRequest, token: str) -> HttpResponse:
    """Ask for another password, and set it, once; the person then logs in with it."""
    try:
        link, user = resets.find(token)
        form = PasswordForm(user, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            passwords.reset(link=link, user=user, new=form.cleaned_data["password"], origin=request.origin)
            is_own = request.session.get(auth.SESSION_KEY) == str(user.pk)
            if is_own:
                auth.logout(request)  # the session of this browser has ended with the others
            messages.success(request, "Password set\nLog in with your new password.")
            return to_login() if is_own else redirect("accounts:login")
    except resets.ResetGone:
        return render(request, "accounts/reset_gone.html", {"title": "This link cannot be used"}, status=404)
    if form.errors:
        focus(form, "password")
    context = {"title": "Set a new password", "form": form, "email": user.email}
    return render(request, "accounts/reset_password.html", context)
