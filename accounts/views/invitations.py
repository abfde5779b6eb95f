"""Bringing people into the account: inviting, resending and cancelling invitations, adding VPN-only users."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from accounts import invitations, new_members, policy
from accounts.access import record_lacked, refusal, refusals_recorded, refused_answer, require, target_of
from accounts.dialogs import dialog, list_behind, page_opened_from
from accounts.enums import Permission
from accounts.forms import focus_first_mistake
from accounts.hierarchy import TreeError
from accounts.invitation_forms import InviteForm, VpnUserForm
from accounts.invitations import Outcome, Result, TooManyInvitations
from accounts.policy import MemberAction
from accounts.requests import MemberRequest, form_or_post


@form_or_post
def invite(request: MemberRequest) -> HttpResponse:
    """Ask for addresses and permissions; invite, and name each address with what became of it."""
    action, viewer = MemberAction.INVITE, request.member
    require(request, action)
    form = InviteForm(
        request.POST if request.method == "POST" else None, grantable=policy.grantable_with_invitation(viewer)
    )
    refused: TooManyInvitations | None = None
    if request.method == "POST" and form.is_valid():
        try:
            with refusals_recorded(request, viewer, action.value):
                results = invitations.invite(
                    invitees=form.cleaned_data["addresses"], granted=form.granted, by=viewer, origin=request.origin
                )
        except TreeError as error:
            form.add_error(None, str(error))
        except TooManyInvitations as error:
            refusal(request, subject=viewer, what=action.value, why=error)
            form.add_error("addresses", str(error))
            refused = error
        else:
            return _results(request, results, form.granted)
    if form.lacked:
        record_lacked(request, action, viewer, form.lacked)
    focus_first_mistake(form)
    context = {
        "title": "Invite users",
        "form": form,
        "patterns": viewer.account.domains_in_force.split(),
        "mails": mails(),
    }
    return refused_answer(render(request, "accounts/invite.html", context), refused)


def mails() -> dict[str, object]:
    """Return whether mails are sent, and in a demo the folder that they are written to."""
    writes_files = settings.KEYTREE_SENDS_MAIL and settings.EMAIL_BACKEND.endswith(".filebased.EmailBackend")
    return {"are_sent": settings.KEYTREE_SENDS_MAIL, "folder": settings.EMAIL_FILE_PATH if writes_files else ""}


def _results(request: MemberRequest, results: list[Result], granted: Permission) -> HttpResponse:
    """Show what became of each address, those that were not invited first.

    There is no redirect: reloading the page sends the form again, and says *Already invited*. What is no address is
    offered for correction, with the permissions that were chosen for all.
    """
    wrong = [result.invitee.text for result in results if result.outcome is Outcome.NOT_AN_ADDRESS]
    invited = sum(result.outcome is Outcome.INVITED for result in results)
    context = {
        "title": "Invite users",
        "results": sorted(results, key=lambda result: result.outcome is Outcome.INVITED),
        "invited": invited,
        "headline": _headline(invited, len(results) - invited),
        "others": len(results) - invited,
        "form": _form_to_correct(request, wrong, granted) if wrong else None,
        "focuses_title": True,
        "mails": mails(),
    }
    return render(request, "accounts/invited.html", context)


def _form_to_correct(request: MemberRequest, wrong: list[str], granted: Permission) -> InviteForm:
    permissions = [int(permission) for permission in granted]
    form = InviteForm(
        initial={"addresses": "\n".join(wrong), "permissions": permissions},
        grantable=policy.grantable_with_invitation(request.member),
    )
    form.helper.form_action = request.path
    return form


def _headline(invited: int, others: int) -> str:
    """Return how many were invited, and how many of the addresses were not."""
    done = f"{invited:,} user{'' if invited == 1 else 's'} invited"
    return f"{done}, {others:,} address{'' if others == 1 else 'es'} not" if others else done


@form_or_post
def resend(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask whether to send the invitation anew, and do it."""
    action = MemberAction.RESEND_INVITE
    member = target_of(request, member_id, action)
    behind = page_opened_from(request, member)
    if request.method == "POST":
        try:
            with refusals_recorded(request, member, action.value):
                invitations.resend(member=member, by=request.member, origin=request.origin)
        except TooManyInvitations as error:
            refusal(request, subject=member, what=action.value, why=error)
            messages.error(request, f"No email was sent\n{error}")
            return redirect(behind.url)
        if settings.KEYTREE_SENDS_MAIL:
            messages.success(
                request, f"Invitation sent again\n{member.name} gets a new link. The earlier one no longer works."
            )
        else:
            messages.error(request, "No email was sent\nThis installation does not have a mail server yet.")
        return redirect(list_behind(behind))
    return dialog(request, "accounts/resend_invite.html", "Resend invite", behind, member=member)


@form_or_post
def cancel(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask whether to cancel the invitation, and do it."""
    action = MemberAction.CANCEL_INVITE
    member = target_of(request, member_id, action)
    behind = page_opened_from(request, member)
    if request.method == "POST":
        with refusals_recorded(request, member, action.value):
            invitations.cancel(member=member, by=request.member, origin=request.origin)
        messages.success(request, f"Invitation cancelled\nThe link that was sent to {member.name} no longer works.")
        return redirect(list_behind(behind))
    return dialog(request, "accounts/cancel_invite.html", "Cancel invite", behind, member=member)


@sensitive_post_parameters("password")
@form_or_post
def add_vpn_user(request: MemberRequest) -> HttpResponse:
    """Ask for the details of a VPN-only user, and add them."""
    action, viewer = MemberAction.ADD_VPN_USER, request.member
    require(request, action)
    form = VpnUserForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            with refusals_recorded(request, viewer, action.value):
                member = new_members.add_vpn_user(**form.cleaned_data, by=viewer, origin=request.origin)
        except ValueError as error:  # TreeError is one too
            form.add_error("email", str(error))
        except new_members.ApiUsernameTaken:
            form.add_error("api_username", "This API username is taken. Choose another.")
        else:
            # Whoever brings people in by another permission does not create keys for them (keys/policy.py).
            may_create = Permission.MANAGE_USERS in viewer.granted
            who = "You can" if may_create else "Someone above them who manages users can"
            messages.success(request, f"VPN-only user added\n{member.name} cannot log in. {who} create their key.")
            return redirect("accounts:user", member.pk)
    focus_first_mistake(form)
    return render(request, "accounts/add_vpn_user.html", {"title": "Add VPN-only user", "form": form})
