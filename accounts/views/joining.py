"""Accepting an invitation by the link in the mail. Open to strangers, because the token is what lets somebody in."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts import invitations, passcodes, second_stage, signin
from accounts.access import refused_answer
from accounts.forms import focus_first_mistake, helper
from accounts.invitation_forms import JoinForm, NewUserForm
from accounts.invitations import IdentityKnown, InvitationExpired, InvitationGone
from accounts.models import Invitation
from accounts.requests import MemberRequest, form_or_post
from accounts.security_forms import ProofForm
from accounts.views.session import say_if_joined

AnyForm = JoinForm | NewUserForm | ProofForm


@sensitive_post_parameters("password")
@sensitive_variables("token")
@login_not_required
@form_or_post
def accept(request: MemberRequest, token: str) -> HttpResponse:
    """Show the invitation; a POST accepts it."""
    try:
        return _answer(request, token)
    except InvitationExpired as expired:
        context = {"title": "Invitation expired", "invitation": expired.invitation}
        return render(request, "accounts/invitation_expired.html", context, status=410)
    except InvitationGone:
        context = {"title": "This invitation cannot be used"}
        return render(request, "accounts/invitation_gone.html", context, status=404)


@sensitive_variables("token")
def _answer(request: MemberRequest, token: str) -> HttpResponse:
    invitation = invitations.find(token)
    invited = invitation.member
    if request.user.is_authenticated and request.user.pk != invited.user_id:
        context = {"title": _title(invitation), "invitation": invitation}
        return render(request, "accounts/invitation_of_another.html", context, status=403)
    form, refused = _form(request, invitation), None
    if request.method == "POST" and form.is_valid():
        try:
            return _join(request, token, invitation, form)
        except signin.SignInRefused as error:
            refused = error
            form.add_error("password" if "password" in form.fields else None, str(error))
        except IdentityKnown:
            return redirect(request.path)  # asks for the password that there is by now
    focus_first_mistake(form)
    context = {
        "title": _title(invitation),
        "invitation": invitation,
        "form": form,
        "is_new": isinstance(form, NewUserForm),
        "is_known": isinstance(form, ProofForm),
    }
    return refused_answer(render(request, "accounts/invitation.html", context), refused)


def _title(invitation: Invitation) -> str:
    return f"Join {invitation.member.account.name}"


def _form(request: MemberRequest, invitation: Invitation) -> AnyForm:
    """Return the form for the invited person: empty if signed in, the password if known, else name and password."""
    user, data = invitation.member.user, request.POST if request.method == "POST" else None
    if request.user.is_authenticated:
        return JoinForm(data)
    if user.has_usable_password():
        form = ProofForm(data)
        form.helper = helper("Join")
        return form
    return NewUserForm(user.email, data, initial={"name": "" if user.name == user.email else user.name})


@sensitive_variables("token")
def _join(request: MemberRequest, token: str, invitation: Invitation, form: AnyForm) -> HttpResponse:
    """Accept, and sign in; somebody with a second factor goes on to prove it, and accepts by that.

    Raises SignInRefused, IdentityKnown, InvitationGone or InvitationExpired.
    """
    invited, origin = invitation.member, request.origin
    if not signin.allows_platform(invited, origin):
        raise signin.SignInRefused("You cannot join from this address. Ask the person who invited you.")
    if isinstance(form, NewUserForm):
        member = invitations.accept_as_new(token=token, **form.cleaned_data, origin=origin)
        signin.start_session(request, member=member, origin=origin)
    elif isinstance(form, ProofForm):
        signin.check_password(invited.user, password=form.cleaned_data["password"], origin=origin)
        if passcodes.has_one(invited.user_id):
            second_stage.begin(request, invited.user, invitation=invitation)
            return redirect("accounts:login-code")
        member = invitations.accept_as(token=token, user=invited.user, origin=origin)
        signin.start_session(request, member=member, origin=origin)
    else:
        member = invitations.accept_as(token=token, user=invited.user, origin=origin)
        signin.enter_account(request, member=member, origin=origin)
    say_if_joined(request, invitation)
    return redirect("/")
