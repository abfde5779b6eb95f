"""The card of a user's address restrictions: two fields of two apps, saved as one."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.access import member_or_404, refusals_recorded, require
from accounts.forms import focus_first_mistake
from accounts.models import Member
from accounts.policy import MemberAction
from accounts.requests import MemberRequest, form_or_post
from accounts.views import user_details
from keys import lifecycle, policy, queries
from keys.forms import RestrictionsForm
from keys.models import ClassicKey
from keys.policy import KeyAction


def form_for(viewer: Member, member: Member, key: ClassicKey | None, data: object = None) -> RestrictionsForm:
    """Return the card's form as ``viewer`` may use it on ``member``, whose key is ``key``, if they may know of it."""
    sees_keys = policy.can_see_keys_of(viewer, member)
    classic = key.allowed_addresses if key else queries.kept_restriction(member) if sees_keys else ""
    return RestrictionsForm(
        data,
        initial={"platform": member.allowed_addresses, "classic": classic},
        action=reverse("keys:restrictions", args=[member.pk]),
        has_key=key is not None,
        is_own=viewer.pk == member.pk,
        edits_classic=sees_keys and (key is None or policy.can(viewer, KeyAction.EDIT_RESTRICTION, key)),
    )


@form_or_post
def save(request: MemberRequest, member_id: int) -> HttpResponse:
    """Save both restrictions, or neither: mistakes are named one by one beside what was typed."""
    viewer, member = request.member, member_or_404(request.member, member_id)
    if request.method != "POST":
        return redirect("accounts:user", member.pk)
    action = MemberAction.EDIT_RESTRICTION
    require(request, action, member)
    key = queries.key_of(member) if policy.can_see_keys_of(viewer, member) else None
    form = form_for(viewer, member, key, request.POST)
    if form.is_valid() and _locks_out(request, member, form):
        form.ask_to_confirm_lockout(request.origin.address)
    if not form.is_valid():
        return user_details.page(request, member, restrictions_form=form, focuses_mistake=focus_first_mistake(form))
    try:
        with refusals_recorded(request, member, action.value):
            lifecycle.restrict_member(
                member=member,
                key=key,
                # A field that was not sent, because the page was older than the key, is none here and changes nothing.
                platform_text=form.cleaned_data["platform"],
                classic_text=form.cleaned_data.get("classic"),
                by=viewer,
                origin=request.origin,
            )
    except lifecycle.KeyGone:
        messages.error(request, "Nothing was saved\nThe key has been deleted in the meantime. Review the page again.")
    else:
        messages.success(request, "IP address restrictions saved\nThey apply from the next request on.")
    return redirect("accounts:user", member.pk)


def _locks_out(request: MemberRequest, member: Member, form: RestrictionsForm) -> bool:
    """Whether saving would keep out the person who saves, from where they are, and they did not say that they know."""
    platform = form.cleaned_data["platform"]
    if member.pk != request.member.pk or platform is None:
        return False
    return form.locks_out(platform, request.origin.address)
