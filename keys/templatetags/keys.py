"""What pages of other apps show of keys: the Users page's column, and the cards of a user's page.

They are here so that accounts need not import keys. Each asks the policy, and takes few queries, whatever the number of
rows.
"""

from collections.abc import Sequence
from typing import Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from accounts import formats
from accounts.actions_menu import MenuItem
from accounts.enums import CALLING_STATUSES, CONSOLE_STATUSES, MemberStatus, Relation
from accounts.hierarchy import relation
from accounts.links import way_back
from accounts.models import Event, Member
from accounts.policy import MemberAction, can, may_work, rights_over, source_of_rights
from accounts.queries import MemberRow, chain_above, managers_of
from keys import branch_review, events, insight, openings, policy, queries
from keys.models import ClassicKey
from keys.platform import policy as platform_policy
from keys.platform import queries as platform_queries
from keys.views import restrictions

register = template.Library()

#: How many holders are named before a change.
_NAMED = 10


@register.simple_tag
def with_key_states(rows: Sequence[MemberRow], viewer: Member) -> Sequence[MemberRow]:
    """Fill in the rows' ``key_state`` and menus where the viewer may know of keys, and return them; one query."""
    states = queries.key_states(viewer, [row.member for row in rows])
    for row in rows:
        row.key_state = states.get(row.id, "")
        row.menu = with_branch_entries(row.menu, row.member, viewer)
    return rows


@register.simple_tag
def with_branch_entries(menu: list[MenuItem], member: Member, viewer: Member) -> list[MenuItem]:
    """Return a user's Actions menu with what ``viewer`` may do with the keys of their branch. Takes no query."""
    if not member.has_users_below or not policy.can_revoke_branch(viewer, member):
        return menu
    url = reverse("keys:revoke-branch", args=[member.pk])
    return [*menu, MenuItem("Revoke keys in branch", url, is_danger=True)]


@register.simple_tag
def same_search(search: str, viewer: Member, here: str) -> list[tuple[str, str]]:
    """Return label and address of the other lists in which ``viewer`` may look for the same; none without a search.

    ``here`` is the view of the API keys page that found nothing, or "users". Takes no query.
    """
    if not search:
        return []
    users, keys = reverse("accounts:users"), reverse("keys:classic-list")
    found = [] if here == "users" else [("Account users", f"{users}?{urlencode({'q': search})}")]
    # The view of all keys has one's own, too.
    within = {here, platform_queries.MINE} if platform_policy.can_see_all(viewer) else {here}
    views = [(view, label) for view, label in platform_queries.views_open_to(viewer) if view not in within]
    return found + [(label, f"{keys}?{urlencode({'view': view, 'q': search})}") for view, label in views]


@register.simple_tag(takes_context=True)
def key_cards(context: template.Context) -> dict[str, Any]:
    """Return what the cards *IP address restrictions* and *API keys* of a user's page show the viewer.

    One query, one more where there is no key, one where there are users below, and one for IBM Cloud API keys.
    """
    viewer, member = context["viewer"], context["member"]
    sees_keys = policy.can_see_keys_of(viewer, member)
    key = queries.key_of(member) if sees_keys else None
    edits = can(viewer, MemberAction.EDIT_RESTRICTION, member)
    form = context.get("restrictions_form") or (restrictions.form_for(viewer, member, key) if edits else None)
    own_page = reverse("accounts:user", args=[member.pk])
    if form is not None:
        form.helper.attrs = {"class": "narrow"}
    way = way_back(own_page)
    return {
        **_platform_card(viewer, member, way),
        "sees_keys": sees_keys,
        "key": key,
        "kept_restriction": queries.kept_restriction(member) if sees_keys and key is None and form is None else "",
        "key_goes": key is not None and policy.goes_when_holder_works(key, member),
        "made_at": timezone.now(),
        "menu": queries.menu(viewer, key, queries.Places(way)) if key else [],
        "can_create": sees_keys and key is None and policy.can_create(viewer, member),
        "restrictions_form": form,
        "figures": insight.figures(member, viewer=viewer) if sees_keys and member.has_users_below else (),
    }


def _platform_card(viewer: Member, member: Member, way: str) -> dict[str, Any]:
    """Return what the card *API keys* shows of a member's IBM Cloud API keys, if the viewer may know of them."""
    if not platform_policy.can_see_keys_of(viewer, member):
        return {"sees_platform_keys": False}
    is_self = viewer.pk == member.pk
    keys, count = platform_queries.own_keys(viewer) if is_self else (platform_queries.keys_of(member), 0)
    return {
        "sees_platform_keys": True,
        "platform_keys": [platform_queries.row(key, viewer, way=way) for key in keys],
        **(platform_queries.creation(viewer, count, way) if is_self else {}),
    }


@register.simple_tag(takes_context=True)
def who_can_manage(context: template.Context) -> dict[str, Any]:
    """Return who may do what with a member and their key now, in the words of the policies, and who opened its details.

    At most three queries.
    """
    member, viewer = context["member"], context["viewer"]
    key = queries.key_of(member) if policy.can_see_keys_of(viewer, member) else None
    managers = [member, *managers_of(member)]
    rows = [_manager_row(manager, member, key, viewer) for manager in managers]
    seen = {manager.pk for manager in managers if can(viewer, MemberAction.VIEW, manager)}
    asked = urlencode({"action": events.OPENED, "q": member.user.email})
    return {
        # Who is neither above nor to be seen in the list of users is not named here either.
        "rows": [row for row in rows if row["is_above"] or (row["may"] and row["is_seen"])],
        "key": key,
        "openings": [_opening(event, seen) for event in openings.latest(key)] if key else [],
        "activity_url": f"{reverse('accounts:activity')}?{asked}",
        "kept_days": settings.KEYTREE_ACTIVITY_DAYS,
    }


def _opening(event: Event, seen: set[int]) -> dict[str, Any]:
    is_seen = event.actor_id in seen
    return {
        "name": event.actor_label.rpartition(" <")[0],
        "url": reverse("accounts:user", args=[event.actor_id]) if is_seen else "",
        "at": event.at,
        "address": event.address,
    }


@register.simple_tag(takes_context=True)
def sight_change(context: template.Context, member: Member, parent: Member) -> dict[str, Any]:
    """Return who would gain and who would lose sight of which keys, if ``member`` moved under ``parent``.

    Which keys, and whether there are any, only to a viewer who may know: a permission to move somebody gives no sight
    of their keys. Four queries, whatever the size of the branch; two for the others.
    """
    above_now = {other.pk: other for other in chain_above(member)}
    above_then = {other.pk: other for other in [*chain_above(parent), parent]}
    gains = [other for pk, other in above_then.items() if pk not in above_now]
    return {
        **_keys_that_move(context["request"].member, member),
        "gains": gains,
        "idle": {other.pk for other in gains if not may_work(other)},  # as long as they are
        "loses": [other for pk, other in above_now.items() if pk not in above_then],
    }


def _keys_that_move(viewer: Member, member: Member) -> dict[str, Any]:
    if not policy.can_see_keys_of(viewer, member):
        return {"keys_text": "Their keys, if they have any, move with them"}
    count, holders = branch_review.keys_in_branch(member, named=_NAMED)
    return {
        "keys_text": f"{count} key{'' if count == 1 else 's'}" if count else "No keys",
        "holders": holders,
        "more_holders": count - len(holders),
    }


@register.simple_tag(takes_context=True)
def key_that_goes(context: template.Context, member: Member) -> str:
    """Return what happens to the keys of a member who is removed, as far as the viewer may know of them."""
    viewer = context["request"].member
    if not policy.can_see_keys_of(viewer, member):
        return "If they have keys, these stop working at once."
    key = queries.key_of(member)
    whose, they = ("Your", "you") if viewer.pk == member.pk else ("Their", "they")
    others = f"If {they} have IBM Cloud API keys, these stop working at once."
    if key is None:
        return others
    return f"{whose} classic infrastructure API key, which {_use_of(key)}, stops working at once. {others}"


def _use_of(key: ClassicKey) -> str:
    """Return when a key was last used, for a sentence."""
    at = key.last_used_at
    return f"was last used {formats.ago(at, timezone.now())}" if at else "was never used"


@register.simple_tag(takes_context=True)
def key_with_status(context: template.Context, member: Member, status: MemberStatus) -> str:
    """Return what another status does at once to the keys of a member, as far as the viewer may know of them."""
    before, after = member.status in CALLING_STATUSES, status in CALLING_STATUSES
    again = "are accepted again" + (" once their branch of users is thawed" if member.is_frozen else "")
    fate = "" if before is after else again if after else "are refused at once"
    others = f"Calls with their IBM Cloud API keys, if they have any, {fate}." if fate else ""
    return f"{_classic_key_with_status(context['request'].member, member, status, fate)} {others}".strip()


def _classic_key_with_status(viewer: Member, member: Member, status: MemberStatus, fate: str) -> str:
    may_go = status in CONSOLE_STATUSES and member.status not in CONSOLE_STATUSES
    if not policy.can_see_keys_of(viewer, member):
        said = f"Calls with their classic infrastructure API key, if they have one, {fate}." if fate else ""
        return f"{said} If someone else created it for them, it is deleted." if may_go else said
    key = queries.key_of(member)
    if key is None:
        return "They have no classic infrastructure API key." if fate else ""
    used = _use_of(key)
    if may_go and policy.goes_when_holder_works(key, member):
        return f"Their classic infrastructure API key, which {used}, was created by someone else, and is deleted."
    return f"Calls with their classic infrastructure API key, which {used}, {fate}. The key is kept." if fate else ""


def _manager_row(manager: Member, member: Member, key: ClassicKey | None, viewer: Member) -> dict[str, Any]:
    over_keys = policy.rights_over(manager, member, key)
    over_user = [*rights_over(manager, member), *platform_policy.rights_over(manager, member)]
    sees = can(viewer, MemberAction.VIEW, manager)
    return {
        "name": manager.name,
        "url": reverse("accounts:user", args=[manager.pk]) if sees else "",
        "is_self": manager.pk == viewer.pk,
        "is_seen": sees,
        "is_above": relation(manager, member) is Relation.ANCESTOR,
        "why": source_of_rights(manager, member),
        "status": f"{manager.get_status_display()}{', frozen' if manager.is_frozen else ''}",
        "may": bool(over_keys or over_user),
        "over_keys": _sentence(", ".join(over_keys)),
        "over_user": [_sentence(right) for right in over_user],
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
