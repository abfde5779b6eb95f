"""The calls of IBM Cloud's clients about users: whom the caller sees, found and paged as on the Users page."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Left, Length

from accounts import formats, queries
from accounts.enums import MemberStatus
from accounts.list_request import ListRequest, number_in
from accounts.listing import Cursor, Listing
from accounts.models import Member
from accounts.models.member import MAX_MEMBER_ID
from accounts.names import canonical_email
from accounts.policy import MemberAction, can, require
from accounts.text_index import by_index
from keys.access_tokens import iam_id, member_number
from keys.iam.calls import Answer, Caller, Request
from keys.iam.faults import BadRequest, NotFound
from keys.iam.refusals import refusals_recorded

#: What a list is asked for by, and the place of a page.
_ASKED = ("limit", "include_settings", "search", "user_id", "_start")
_MOST_PER_PAGE = 100
#: How many descriptions of users a search may have, and how many characters each.
_MOST_SOUGHT, _LONGEST_SOUGHT = 8, 200
_STATES = {
    MemberStatus.ACTIVE: "ACTIVE",
    MemberStatus.DISABLED_CLASSIC: "DISABLED_CLASSIC_INFRASTRUCTURE",
    MemberStatus.SUSPENDED: "SUSPENDED",
    MemberStatus.INVALID: "IAMID_INVALID",
    MemberStatus.PENDING: "PENDING",
    MemberStatus.PROCESSING: "PROCESSING",
    MemberStatus.VPN_ONLY: "VPN_ONLY",
}


# --- Records ----------------------------------------------------------------------------------------------------------


def _profile(user: Member) -> dict[str, Any]:
    """Return what is known of a user to whoever sees them."""
    first, _, last = user.name.partition(" ")  # joined by a space, they give the name again
    joined = {"added_on": formats.iso(user.joined_at)} if user.joined_at else {}
    return {
        "id": str(user.pk),
        "iam_id": iam_id(user.pk),
        "realm": "IBMid",
        "user_id": user.user.email,
        "firstname": first,
        "lastname": last,
        "state": _STATES[MemberStatus(user.status)],
        "email": user.user.email,
        "account_id": str(user.account_id),
        **joined,
    }


def _settings(user: Member) -> dict[str, Any]:
    """Return how a user's login is looked after; the caller asks the policy who may know."""
    return {
        "language": "",  # there is no choice
        "notification_language": "",
        "allowed_ip_addresses": user.allowed_addresses,
        "self_manage": user.user_managed_login,
    }


# --- One user ---------------------------------------------------------------------------------------------------------


def _user(request: Request, caller: Caller) -> Member:
    """Return the user that the address names, if the caller may know of them; one query. Raises NotFound."""
    account_id, named = request.parts
    caller.require_own_account(account_id)
    number = member_number(named)
    user = queries.member_of(caller.member.account_id, number) if number else None
    if user is None or not can(caller.member, MemberAction.VIEW, user):
        raise NotFound("User could not be found.")
    return user


def one(request: Request, caller: Caller) -> Answer:
    """Give a user."""
    return Answer(_profile(_user(request, caller)))


def settings_of_one(request: Request, caller: Caller) -> Answer:
    """Give how a user's login is looked after."""
    user, what = _user(request, caller), MemberAction.VIEW_CARE
    with refusals_recorded(caller, user, what.value):
        require(caller.member, what, user)
    return Answer(_settings(user))


# --- Several ----------------------------------------------------------------------------------------------------------


def several(request: Request, caller: Caller) -> Answer:
    """Give a page of the users whom the caller sees, by name, searched as asked."""
    caller.require_own_account(request.parts[0])
    asked = {name: text for name, text in request.query().items() if name in _ASKED}
    limit = number_in(asked.get("limit", str(_MOST_PER_PAGE)), largest=_MOST_PER_PAGE)
    if not limit:
        raise BadRequest(f"limit: This must be a number from 1 to {_MOST_PER_PAGE}.")
    with_settings = asked.get("include_settings", "false").lower()
    if with_settings not in {"true", "false"}:
        raise BadRequest("include_settings: This must be true or false.")
    total, place = _place(asked.pop("_start", ""))
    listing = _listing(caller.member, asked)
    page = listing.page(per_page=limit, cursor=place)
    # A long list is counted for its first page, and not again for each.
    total = (total or listing.count()) if page.total_is_bound else page.total
    asked["limit"] = str(limit)
    address = f"{settings.KEYTREE_PUBLIC_URL}/v2/accounts/{caller.member.account_id}/users"
    urls = {"first_url": f"{address}?{urlencode(asked)}"}
    if page.next:
        urls["next_url"] = f"{address}?{urlencode({**asked, '_start': f'{total}.{page.next.encode()}'})}"
    resources = [_profile(user) for user in page.rows]
    if with_settings == "true":
        for user, resource in zip(page.rows, resources, strict=True):
            if can(caller.member, MemberAction.VIEW_CARE, user):
                resource["settings"] = _settings(user)
    return Answer({"total_results": total, "limit": limit, **urls, "resources": resources})


def _place(start: str) -> tuple[int, Cursor | None]:
    """Return the number of users and the place of a page that its token gives. Raises BadRequest."""
    if not start:
        return 0, None
    counted, _, encoded = start.partition(".")
    total, place = number_in(counted, largest=MAX_MEMBER_ID), Cursor.decode(encoded)
    if total is None or place is None:
        raise BadRequest("_start: This is none that was given here.")
    return total, place


def _listing(viewer: Member, asked: Mapping[str, str]) -> Listing[Member]:
    """Return the list of the users whom ``viewer`` sees, narrowed as asked. Raises BadRequest."""
    users = replace(queries.account_users(viewer, ListRequest("", {})), complete=_with_people)
    described = _described(asked["search"]) if "search" in asked else []
    by_id = Q(user__email=asked["user_id"]) if "user_id" in asked else Q()
    if not described and not by_id:
        return users
    found = _to_be_searched(users.rows()).filter(reduce(or_, (condition for condition, _ in described), Q()), by_id)
    searched = _to_be_searched(Member.objects.all())
    # An address has an index of its own.
    ways = [] if by_id else [by_index(searched.filter(each), [term], viewer.account_id) for each, term in described]
    return replace(
        users,
        rows=lambda: found,
        is_filtered=True,
        by_index=[rows for way in ways for rows in way] if all(ways) else [],
    )


def _with_people(users: QuerySet[Member]) -> QuerySet[Member]:
    return users.select_related("user")


def _to_be_searched(users: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``users`` with their folded names, which stand before the address in the text that is searched."""
    return users.alias(folded_name=Left("search_text", Length("search_text") - Length("user__email") - 1))


def _described(search: str) -> list[tuple[Q, str]]:
    """Return conditions that each describe some of the users looked for, with a term that the texts of these hold.

    The term is empty where there is none; where there is one, the condition asks the text first, without a join.
    Raises BadRequest.
    """
    parts = search.split(",")
    if len(parts) > _MOST_SOUGHT:
        raise BadRequest(f"search: You can look for {_MOST_SOUGHT} at once.")
    described = []
    for part in parts:
        field, _, text = (each.strip() for each in part.partition(":"))
        if field not in _FIELDS or not 0 < len(text) <= _LONGEST_SOUGHT:
            raise BadRequest(
                "search: Say what to look for as field:text, with commas between several. "
                f"Fields are {', '.join(_FIELDS)}; a text has {_LONGEST_SOUGHT} characters at most."
            )
        described.append(_FIELDS[field](text))
    return described


def _by_email(text: str) -> tuple[Q, str]:
    term = canonical_email(text)
    return Q(search_text__contains=term, user__email__contains=term), term


def _by_name(text: str) -> tuple[Q, str]:
    term = unicodedata.normalize("NFC", text).casefold()
    return Q(search_text__contains=term, folded_name__contains=term), term


def _by_state(text: str) -> tuple[Q, str]:
    return Q(status__in=[status for status, word in _STATES.items() if text.upper() in word]), ""


def _by_iam_id(text: str) -> tuple[Q, str]:
    return Q(pk=member_number(text) or 0), ""


#: What users are found by. There is one name for a person, of which both parts are looked for in the whole.
_FIELDS: Mapping[str, Callable[[str], tuple[Q, str]]] = {
    "email": _by_email,
    "userId": _by_email,
    "firstname": _by_name,
    "lastname": _by_name,
    "state": _by_state,
    "iam_id": _by_iam_id,
}
#: The calls of this module, as in ``keys.iam.methods``; ``*`` stands for an account ID, and for the id of a user.
CALLS: Mapping[tuple[str, ...], Mapping[str, Callable[[Request, Caller], Answer]]] = {
    ("v2", "accounts", "*", "users"): {"GET": several},
    ("v2", "accounts", "*", "users", "*"): {"GET": one},
    ("v2", "accounts", "*", "users", "*", "settings"): {"GET": settings_of_one},
}
