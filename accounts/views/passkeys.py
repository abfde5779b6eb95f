"""Passkeys: added and removed by their user, and used in the second stage of signing in."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts import passkeys, second_stage
from accounts.access import for_enrolment, refused_answer
from accounts.factors import FactorRefused
from accounts.models import Passkey
from accounts.passkeys import Site
from accounts.requests import MemberRequest, form_or_post
from accounts.security_forms import PasskeyAnswerForm, PasskeyForm
from accounts.signin import SignInRefused
from accounts.views.security import dialog, proof, refused
from accounts.views.session import begin_again, next_page, say_if_joined


@sensitive_post_parameters("password", "proof_code")
@sensitive_variables("codes", "text")
@for_enrolment
@form_or_post
def add(request: MemberRequest) -> HttpResponse:
    """Ask for a name and have the browser make a passkey, which comes with the form; keep it."""
    if request.method != "POST":
        return redirect("accounts:security")
    asked = proof(request, "add a passkey")
    if asked is not None:
        return asked
    viewer, site, title = request.member, Site.of(request), "Add a passkey"
    form = PasskeyForm(request.POST if "credential" in request.POST else None)
    try:
        if form.is_valid():
            try:
                codes = passkeys.add(
                    request,
                    name=form.cleaned_data["name"],
                    credential=form.cleaned_data["credential"],
                    by=viewer,
                    site=site,
                    origin=request.origin,
                )
            except FactorRefused as error:
                form.add_error(None, str(error))
            else:
                if codes:
                    text, title = "\n".join(codes), "Passkey added"
                    return dialog(request, "recovery_codes", title, codes_text=text, is_new=True)
                messages.success(request, "Passkey added")
                return redirect("accounts:security")
        form.forget_answer()
        options = passkeys.options_to_add(viewer.user, site)
    except FactorRefused as error:
        return refused(request, error)
    return dialog(request, "add_passkey", title, form=form, options=options)


@sensitive_post_parameters("password", "proof_code")
@for_enrolment
@form_or_post
def remove(request: MemberRequest, passkey: uuid.UUID) -> HttpResponse:
    """Ask whether to remove one of the viewer's passkeys, and do it; 404 for one of somebody else."""
    row = Passkey.objects.filter(user_id=request.member.user_id, uid=passkey).first()
    if row is None:
        raise Http404
    if request.method != "POST":
        return dialog(request, "remove_passkey", "Remove passkey", passkey=row)
    asked = proof(request, "remove the passkey")
    if asked is not None:
        return asked
    try:
        passkeys.remove(row, by=request.member, origin=request.origin)
    except FactorRefused as error:
        return refused(request, error)
    messages.success(request, f"Passkey removed\n{row.name} can no longer be used to log in.")
    return redirect("accounts:security")


@login_not_required
@form_or_post
def login(request: MemberRequest) -> HttpResponse:
    """Have the browser sign with a passkey of somebody who has given their password, and let them in with it."""
    if request.user.is_authenticated:
        return redirect(next_page(request))
    form, refusal = PasskeyAnswerForm(request.POST if "credential" in request.POST else None), None
    try:
        stage = second_stage.present(request)
        if request.method != "POST":
            return redirect("accounts:login-code")
        site = Site.of(request)
        if form.is_valid():
            second_stage.finish_with_passkey(
                request, credential=form.cleaned_data["credential"], site=site, origin=request.origin
            )
            say_if_joined(request, stage.invitation)
            return redirect(next_page(request))
        options = passkeys.options_to_use(stage.user, site, passkeys.LOG_IN)
    except second_stage.StageOver as over:
        return begin_again(request, over)
    except SignInRefused as error:
        refusal = error
        form.add_error(None, str(error))
        options = passkeys.options_to_use(stage.user, site, passkeys.LOG_IN)
    context = {"title": "Use a passkey", "form": form, "options": options}
    return refused_answer(render(request, "accounts/login_passkey.html", context), refusal)
