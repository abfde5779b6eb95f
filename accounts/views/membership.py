"""Decisions about a user's place in the account: status, parent, permissions, login, removal, freezing."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from accounts import login_sessions, memberships, policy, queries, signin
from accounts.access import ask_for_proof, member_or_404, record_lacked, refusal, refusals_recorded, target_of
from accounts.dialogs import PageBehind, dialog, list_behind, page_of_user, page_opened_from
from accounts.enums import CALLING_STATUSES, CONSOLE_STATUSES, MemberStatus, Permission
from accounts.forms import OnOffForm, focus_first_mistake
from accounts.hierarchy import TreeError, freezes_over, move_seen
from accounts.list_request import ListRequest
from accounts.member_forms import FreezeForm, ParentForm, PermissionsForm, RemovalForm, StatusForm
from accounts.models import Member
from accounts.policy import MemberAction
from accounts.requests import MemberRequest, form_or_post
from accounts.views import user_details
from accounts.views.session import to_login

#: How many of the users below are named before a removal.
_NAMED = 10


@form_or_post
def status(request: MemberRequest, member_id: int) -> HttpResponse:
    """Set a status: that of the card, after a question where it takes something away; or ask whether to suspend."""
    action = MemberAction.CHANGE_STATUS
    member = target_of(request, member_id, action)
    if request.method != "POST":
        is_suspended = member.status == MemberStatus.SUSPENDED
        return _ask_for_status(request, member, MemberStatus.ACTIVE if is_suspended else MemberStatus.SUSPENDED)
    form = StatusForm(request.POST, action=request.path, present=member.status)
    if not form.is_valid():
        return user_details.page(request, member, status_form=form, focuses_mistake=focus_first_mistake(form))
    chosen = form.cleaned_data["status"]
    label = MemberStatus(chosen).label
    if chosen == member.status:
        messages.info(request, f"Nothing was changed\n{member.name} is already {label}.")
        return redirect("accounts:user", member.pk)
    is_asked = not form.cleaned_data["asks"] and form.cleaned_data["before"] in {"", member.status}
    if not is_asked and _takes_away(MemberStatus(member.status), MemberStatus(chosen)):
        return _ask_for_status(request, member, MemberStatus(chosen))
    try:
        with refusals_recorded(request, member, action.value):
            memberships.change_status(
                member=member, status=chosen, by=request.member, origin=request.origin, before=member.status
            )
    except memberships.OutOfDate:
        return _ask_for_status(request, target_of(request, member_id, action), MemberStatus(chosen))
    messages.success(request, f"User status applied\n{member.name} is {label} from now on.")
    return redirect("accounts:user", member.pk)


def _takes_away(before: MemberStatus, after: MemberStatus) -> bool:
    """Whether a change of status ends something at once.

    Whoever comes to the console counts too: a key that somebody else made for them goes then.
    """
    in_console, calls = ((before in some, after in some) for some in (CONSOLE_STATUSES, CALLING_STATUSES))
    return in_console[0] is not in_console[1] or calls == (True, False)


def _ask_for_status(request: MemberRequest, member: Member, chosen: MemberStatus) -> HttpResponse:
    """Ask whether the member is to have that status, and say what it does at once."""
    before, activates = MemberStatus(member.status), chosen in CONSOLE_STATUSES
    if chosen == MemberStatus.SUSPENDED:
        title, button = "Suspend user", "Suspend"
    elif chosen == MemberStatus.ACTIVE and before == MemberStatus.SUSPENDED:
        title, button = "Activate user", "Activate"
    else:
        title, button = "Change user status", "Apply"
    context = {
        "button": button,
        "member": member,
        "chosen": chosen,
        "loses_console": before in CONSOLE_STATUSES and not activates,
        "gains_console": activates and before not in CONSOLE_STATUSES,
        "never_logs_in": policy.never_logs_in(member),
        "sessions": login_sessions.count_in_account(member),
    }
    return dialog(request, "accounts/change_status.html", title, page_of_user(member), **context)


@form_or_post
def permissions(request: MemberRequest, member_id: int) -> HttpResponse:
    """Set the permissions that were ticked: those that the viewer may give."""
    action = MemberAction.CHANGE_PERMISSIONS
    member = target_of(request, member_id, action)
    if request.method != "POST":
        return redirect(f"{reverse('accounts:user', args=[member.pk])}?tab=access")
    form = PermissionsForm(
        request.POST,
        action=request.path,
        grantable=policy.grantable(request.member, member),
        held=Permission(member.permissions),
    )
    if form.is_valid():
        with refusals_recorded(request, member, action.value):
            memberships.change_permissions(
                member=member, granted=form.granted, by=request.member, origin=request.origin
            )
        messages.success(request, f"Permissions saved\nThey apply to {member.name} from the next request on.")
    elif not form.lacked:
        messages.error(request, f"Permissions not saved\n{form.non_field_errors()[0]}")
    if form.lacked:
        why = record_lacked(request, action, member, form.lacked)
        messages.warning(request, f"Not everything was given\n{why}")
    return redirect(f"{reverse('accounts:user', args=[member.pk])}?tab=access")


@form_or_post
def login(request: MemberRequest, member_id: int) -> HttpResponse:
    """Turn *User-managed login* on or off."""
    action = MemberAction.CHANGE_LOGIN
    member = target_of(request, member_id, action)
    form = OnOffForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        is_on = form.cleaned_data["is_on"]
        with refusals_recorded(request, member, action.value):
            memberships.change_user_managed_login(member=member, is_on=is_on, by=request.member, origin=request.origin)
        messages.success(request, f"User-managed login is {'on' if is_on else 'off'}")
    return redirect("accounts:user", member.pk)


@form_or_post
def parent(request: MemberRequest, member_id: int) -> HttpResponse:
    """Look for another parent; show what would change with the one that was chosen; change it."""
    action = MemberAction.CHANGE_PARENT
    member = target_of(request, member_id, action)
    asked = ListRequest.of(request)
    form = ParentForm(request.POST if request.method == "POST" else request.GET if "parent" in request.GET else None)
    if request.method == "POST" and form.is_valid() and form.cleaned_data["parent"] == member.parent_id:
        messages.info(request, f"Nothing was changed\n{member.parent} is already the parent of {member.name}.")
        return redirect("accounts:user", member.pk)
    chosen = _chosen_parent(request, member, form) if form.is_valid() else None
    if chosen is not None and request.method == "POST":
        return _move(request, member, chosen, form.cleaned_data["seen"])
    context = {
        "title": "Change parent",
        "member": member,
        "chosen": chosen,
        "candidates": [] if chosen else queries.possible_parents(request.member, member, asked),
        "asked": asked,
        "choice": policy.choice_of_parents(request.member, member),
        "thaws": chosen is not None and _leaves_frozen_branches(member, chosen),
        "is_refused": form.is_bound and chosen is None,
        "seen": move_seen(member, chosen) if chosen else "",
    }
    return render(request, "accounts/change_parent.html", context)


def _chosen_parent(request: MemberRequest, member: Member, form: ParentForm) -> Member | None:
    """Return the member chosen, none if the viewer may not choose them. Raises Http404 for one they may not see."""
    chosen = member_or_404(request.member, form.cleaned_data["parent"])
    if chosen.pk == member.parent_id:
        return None
    if not policy.can_place_below(request.member, member, chosen):
        if request.method == "POST":
            # Without who was chosen: those who read the event may not know of them.
            why = "You may not make this user the parent."
            refusal(request, subject=member, what=MemberAction.CHANGE_PARENT.value, why=why)
        return None
    return chosen


def _leaves_frozen_branches(member: Member, parent: Member) -> bool:
    """Whether ``member``, who is frozen now, would be in no frozen branch below ``parent``."""
    return member.is_frozen and not parent.is_frozen and getattr(member, "freeze", None) is None


def _move(request: MemberRequest, member: Member, chosen: Member, seen: str) -> HttpResponse:
    try:
        with refusals_recorded(request, member, MemberAction.CHANGE_PARENT.value):
            memberships.change_parent(member=member, parent=chosen, by=request.member, origin=request.origin, seen=seen)
    except memberships.OutOfDate:
        told = "The hierarchy is no longer as the page showed it. Review what would change now, and confirm again."
        messages.error(request, f"Nothing was changed\n{told}")
        return redirect(f"{reverse('accounts:parent', args=[member.pk])}?parent={chosen.pk}")
    except TreeError as error:
        messages.error(request, f"Nothing was changed\n{error}")
    else:
        messages.success(request, f"Parent changed\n{chosen.name} is the parent of {member.name} from now on.")
    return redirect("accounts:user", member.pk)


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def remove(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask whether to remove a user, or oneself, from the account, and do it."""
    action = MemberAction.REMOVE
    member = target_of(request, member_id, action)
    is_self = member.pk == request.member.pk
    if member.parent is None:
        raise Http404  # the policy has refused the owner already
    working = memberships.working_below(member)
    form = RemovalForm(request.POST if request.method == "POST" else None, parent=member.parent)
    behind = page_opened_from(request, member)
    if request.method == "POST" and form.is_valid() and (form.cleaned_data["hand_over"] or not working):
        hand_over = form.cleaned_data["hand_over"]
        what = "leave the account" if is_self else "remove the user"
        carried = {"hand_over": "on", "to": str(member.parent_id)} if hand_over else {}
        proof = ask_for_proof(request, what=what, behind=behind, carried=carried)
        if proof is not None:
            return proof
        try:
            with refusals_recorded(request, member, action.value):
                memberships.remove_member(
                    member=member,
                    by=request.member,
                    origin=request.origin,
                    hand_over=hand_over,
                    to=member.parent_id,
                    keeping=request.session.session_key if is_self else None,
                )
        except memberships.NotEmpty as error:
            working = list(error.working)
        else:
            return _after_removal(request, member, behind, is_self=is_self)
    if request.method == "POST" and working:
        if not form.errors:
            form.add_error("hand_over", "Decide about the users below first: tick the box, or disable or remove them.")
        focus_first_mistake(form)
    context = {
        "member": member,
        "is_self": is_self,
        "form": form,
        "working": working[:_NAMED],
        "more": max(0, len(working) - _NAMED),
    }
    title = "Leave the account" if is_self else "Remove user"
    return dialog(request, "accounts/remove_user.html", title, behind, **context)


def _after_removal(request: MemberRequest, member: Member, behind: PageBehind, *, is_self: bool) -> HttpResponse:
    if is_self:
        goes_on = signin.go_on_elsewhere(request, origin=request.origin)
        messages.success(request, f"You have left {member.account}.")
        return redirect("/") if goes_on else to_login()
    messages.success(
        # The same with and without a key, because not everybody who may remove a user may know of their key.
        request,
        f"User removed\n{member.name} is no longer in the account. If they had keys, these no longer work.",
    )
    return redirect(list_behind(behind))


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def freeze(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask why the branch of a user is to be frozen, and freeze it."""
    action = MemberAction.FREEZE_BRANCH
    member = target_of(request, member_id, action)
    form, behind = FreezeForm(request.POST if request.method == "POST" else None), page_opened_from(request, member)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        proof = ask_for_proof(request, what="freeze the branch", behind=behind, carried={"reason": reason})
        if proof is not None:
            return proof
        with refusals_recorded(request, member, action.value):
            is_new = memberships.freeze_branch(member=member, reason=reason, by=request.member, origin=request.origin)
        if is_new:
            told = f"Branch frozen\n{member.name} and the users below cannot use the console; their keys are refused."
            messages.success(request, told)
        else:
            told = f"The branch of {member.name} is frozen already. The reason that was given then stays."
            messages.info(request, f"Nothing was changed\n{told}")
        return redirect("accounts:user", member.pk)
    if form.is_bound:
        focus_first_mistake(form)
    context = {"member": member, "below": queries.users_below_text(member), "form": form}
    return dialog(request, "accounts/freeze_branch.html", "Freeze branch", behind, **context)


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def thaw(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask whether to undo the freezing of a branch, and do it."""
    action = MemberAction.FREEZE_BRANCH
    member = target_of(request, member_id, action)
    behind = page_opened_from(request, member)
    if request.method == "POST":
        proof = ask_for_proof(request, what="thaw the branch", behind=behind)
        if proof is not None:
            return proof
        with refusals_recorded(request, member, action.value):
            was_frozen = memberships.thaw_branch(member=member, by=request.member, origin=request.origin)
        _tell_of_thawing(request, member, was_frozen=was_frozen)
        return redirect("accounts:user", member.pk)
    context = {"member": member, "below": queries.users_below_text(member)}
    return dialog(request, "accounts/thaw_branch.html", "Thaw branch", behind, **context)


def _tell_of_thawing(request: MemberRequest, member: Member, *, was_frozen: bool) -> None:
    """Say what the thawing of a branch came to: it may not have been frozen, and be within one that still is."""
    still = freezes_over(member).first()
    if still is not None:
        told = f"{member.name} and the users below stay frozen with the branch of {still.member.name}."
    elif was_frozen:
        told = f"{member.name} and the users below can work as before."
    else:
        told = f"The branch of {member.name} is not frozen."
    if was_frozen:
        messages.success(request, f"Branch thawed\n{told}")
    else:
        messages.info(request, f"Nothing was changed\n{told}")
