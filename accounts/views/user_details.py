"""One user: the cards of their details, and who can manage them."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from accounts import formats, history, memberships
from accounts.access import member_or_404, refusals_recorded, target_of
from accounts.dialogs import dialog, page_of_user
from accounts.enums import SIGN_IN_STATUSES, Permission, permission_names
from accounts.forms import focus_first_mistake
from accounts.hierarchy import freezes_over
from accounts.member_forms import DayForm, PermissionsForm, StatusForm, VpnPasswordForm
from accounts.member_menus import page_menu
from accounts.models import Member, User
from accounts.policy import MemberAction, can, grantable, never_logs_in
from accounts.queries import mail_problem, status_words
from accounts.requests import MemberRequest, form_or_post

DETAILS, ACCESS, MANAGE = "userdetails", "access", "manage"


@require_safe
def show(request: MemberRequest, member_id: int) -> HttpResponse:
    """Show a member that the viewer may see; 404 for anybody else."""
    return page(request, member_or_404(request.member, member_id))


def page(request: MemberRequest, member: Member, **more: Any) -> HttpResponse:
    """Render the page of ``member``; ``more`` is context of a form that is shown again as it was typed.

    What the viewer may not see is not in the context; the cards of other apps ask their own policy.
    """
    viewer = request.member
    sees_care = can(viewer, MemberAction.VIEW_CARE, member)
    tab = request.GET.get("tab") if sees_care else DETAILS
    if tab not in {ACCESS, MANAGE}:
        tab = DETAILS
    context = {
        "title": f"Manage {member.name}",
        "member": member,
        "viewer": viewer,
        "is_self": member.pk == viewer.pk,
        "status_label": status_words(member),
        "sees_care": sees_care,
        "sees_events": can(viewer, MemberAction.VIEW_EVENTS, member),
        "freezes": freezes_over(member) if member.is_frozen else (),
        "sees_parent": member.parent is not None and can(viewer, MemberAction.VIEW, member.parent),
        "edits_vpn_password": can(viewer, MemberAction.EDIT_VPN_PASSWORD, member),
        "status_form": _status_form(viewer, member),
        "never_logs_in": never_logs_in(member),
        "changes_parent": can(viewer, MemberAction.CHANGE_PARENT, member),
        "changes_login": can(viewer, MemberAction.CHANGE_LOGIN, member),
        "factor_state": _factor_state(member) if sees_care else "",
        "ends_sessions": can(viewer, MemberAction.END_SESSIONS, member),
        "permissions_form": _permissions_form(viewer, member),
        "permission_names": permission_names(member.granted),
        "may_create_keys": Permission.API_KEY_CREATOR in Permission(member.permissions),
        "invitation": getattr(member, "invitation", None) if sees_care else None,
        "mail_problem": mail_problem(member) if sees_care else "",
        "menu": page_menu(member, viewer),
        "tab": tab,
        **(_looking_back(request, member) if tab == MANAGE else {}),
        **more,
    }
    return render(request, "accounts/user_details.html", context)


def _factor_state(member: Member) -> str:
    """Return in words whether the user has a second factor; empty for members who do not sign in to this account.

    Also empty for those who have not joined themselves: what else the address is used for is not this account's
    business.
    """
    if member.status not in SIGN_IN_STATUSES or member.name_here is not None:
        return ""
    if member.has_second_factor:
        return "On"
    return "Not set up, although this account requires one" if member.account.require_second_factor else "Off"


def _looking_back(request: MemberRequest, member: Member) -> dict[str, Any]:
    """Return who stood above the member on the day that the address asks about, and the form that asks."""
    form = DayForm(request.GET if "on" in request.GET else None, tab=MANAGE)
    context: dict[str, Any] = {"day_form": form}
    focus_first_mistake(form)
    if form.is_valid():
        viewer = request.member
        context["day"] = formats.day(form.cleaned_data["on"])
        try:
            stood = history.stood_above(member, form.cleaned_data["on"])
        except history.NotRecordedError:
            return {**context, "is_not_recorded": True}
        context["was_there"] = stood is not None
        context["stood"] = [_stood_row(each, viewer) for each in stood or ()]
    return context


def _stood_row(stood: history.Stood, viewer: Member) -> dict[str, str]:
    there = stood.member
    now = "Above" if stood.is_above_now else "No longer above" if there else "No longer in the account"
    is_seen = there is not None and can(viewer, MemberAction.VIEW, there)
    return {
        "name": stood.name,
        "url": reverse("accounts:user", args=[there.pk]) if there and is_seen else "",
        "now": now,
    }


def _status_form(viewer: Member, member: Member) -> StatusForm | None:
    if not can(viewer, MemberAction.CHANGE_STATUS, member):
        return None
    return StatusForm(present=member.status, action=reverse("accounts:status", args=[member.pk]))


def _permissions_form(viewer: Member, member: Member) -> PermissionsForm | None:
    if not can(viewer, MemberAction.CHANGE_PERMISSIONS, member):
        return None
    return PermissionsForm(
        action=reverse("accounts:permissions", args=[member.pk]),
        grantable=grantable(viewer, member),
        held=Permission(member.permissions),
    )


@sensitive_post_parameters("password")
@form_or_post
def vpn_password(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask for a new VPN password of a member, and set it."""
    action = MemberAction.EDIT_VPN_PASSWORD
    member = target_of(request, member_id, action)
    # The name that this account knows: what is refused for being like another one would tell it.
    known_as = User(email=member.user.email, name=member.name)
    form = VpnPasswordForm(known_as, request.POST if request.method == "POST" else None)
    behind = page_of_user(member)
    if request.method == "POST" and form.is_valid():
        with refusals_recorded(request, member, action.value):
            memberships.set_vpn_password(
                member=member, password=form.cleaned_data["password"], by=request.member, origin=request.origin
            )
        messages.success(request, "VPN password updated")
        return redirect(behind.url)
    focus_first_mistake(form)
    return dialog(request, "accounts/vpn_password.html", "Edit VPN password", behind, member=member, form=form)
