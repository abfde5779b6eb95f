"""The page *Inactive identities*: users who did not sign in, and keys that were not used, for thirty days."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import inactivity
from accounts.access import require
from accounts.csv_files import csv_response
from accounts.enums import SIGN_IN_STATUSES, MemberStatus
from accounts.inactivity import UNUSED_AFTER
from accounts.links import way_back
from accounts.list_request import ListRequest
from accounts.models import Member
from accounts.policy import MemberAction, sees_whole_account_inactive
from accounts.requests import MemberRequest
from keys import insight, queries
from keys.platform import policy as platform_policy
from keys.platform import queries as platform_queries
from keys.platform.queries import ALL, CLASSIC

USERS, KEYS = "users", "keys"
TABS = {USERS: "Users", KEYS: "API keys"}
_STATUSES = {status.value: status.label for status in MemberStatus if status in SIGN_IN_STATUSES}
#: The views of the tab with the keys, for whoever may see the IBM Cloud API keys of all users; others have the first.
VIEWS = {view: platform_queries.VIEWS[view] for view in (CLASSIC, ALL)}
#: What of the address another view keeps: a search and a filter are about what this one lists.
_KEPT_BY_VIEW = {"tab", "per_page", inactivity.MOMENT}
#: Of each tab, or view of one, what it lists; and what that is filtered by, if it is: its name in the address, its
#: label, words for none, and what there is to choose.
_LISTED = {USERS: "Inactive users", CLASSIC: "Inactive API keys", ALL: "Inactive API keys"}
_FILTERS: Mapping[str, tuple[str, str, str, Mapping[str, str]]] = {
    USERS: ("status", "Status", "All statuses", _STATUSES),
    CLASSIC: ("restriction", "Restriction", "Restricted or not", insight.RESTRICTIONS),
}


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the users, or the keys, that the viewer may see and that were not used for long."""
    require(request, MemberAction.VIEW_INACTIVE)
    viewer, (asked, made_at) = request.member, inactivity.pinned(ListRequest.of(request))
    tab, listed = _asked_for(viewer, asked)
    context = {
        "title": "Inactive identities",
        "asked": asked,
        "tab": tab,
        "tabs": [
            (asked.url(tab=name, view=None, sort=None, status=None, restriction=None, at=None), label, name == tab)
            for name, label in TABS.items()
        ],
        "view": listed,
        "views": VIEWS.items() if tab == KEYS and platform_policy.can_see_all(viewer) else (),
        "view_hidden": [(name, value) for name, value in asked.parameters.items() if name in _KEPT_BY_VIEW],
        "update_hidden": asked.but(inactivity.MOMENT),
        "made_at": made_at,
        "since": made_at - UNUSED_AFTER,
        "is_whole_account": sees_whole_account_inactive(viewer),
        "csv_url": f"{reverse('keys:inactive-csv')}?{asked.url(at=None).partition('?')[2]}",
        **_filter(asked, listed),
        **_LISTS[listed](request, asked),
    }
    return render(request, "keys/inactive.html", context)


def _asked_for(viewer: Member, asked: ListRequest) -> tuple[str, str]:
    """Return the tab that the address asks for, and what is listed in it."""
    tab = asked.choice("tab", TABS, USERS)
    if tab == USERS:
        return tab, USERS
    return tab, asked.choice("view", VIEWS, CLASSIC) if platform_policy.can_see_all(viewer) else CLASSIC


def _users(request: MemberRequest, asked: ListRequest) -> dict[str, Any]:
    viewer, made_at = request.member, inactivity.pinned(asked)[1]
    listing = inactivity.inactive_users(viewer, asked, made_at)
    page = listing.page(per_page=asked.per_page, cursor=asked.cursor)
    way = way_back(asked.url())
    rows = [inactivity.row(member, viewer, way=way) for member in page.rows]
    states = queries.key_states(viewer, [row.member for row in rows]) if rows else {}
    for row in rows:
        row.key_state = states.get(row.id, "")
    return {
        "rows": rows,
        "heading": asked.heading("User", "user", "sort_name", listing.order),
        "footer": asked.footer(page, "Users per page:"),
        "search_label": "Filter by name or email",
    }


def _keys(request: MemberRequest, asked: ListRequest) -> dict[str, Any]:
    viewer, made_at = request.member, inactivity.pinned(asked)[1]
    listing = queries.unused_keys(viewer, asked, made_at - UNUSED_AFTER)
    page = listing.page(per_page=asked.per_page, cursor=asked.cursor)
    places = queries.Places(way_back(asked.url()))
    return {
        "rows": [queries.unused_row(key, viewer, places) for key in page.rows],
        "created_by": asked.heading("Created by", "created_by", "holder_sort_name", listing.order),
        "date_created": asked.heading("Date created", "created", "created_at", listing.order),
        "footer": asked.footer(page),
        "figures": insight.figures(viewer, viewer=viewer),
        "search_label": "Filter by user or parent",
    }


def _platform_keys(request: MemberRequest, asked: ListRequest) -> dict[str, Any]:
    viewer, made_at = request.member, inactivity.pinned(asked)[1]
    listing = platform_queries.unused_keys(viewer, asked, made_at - UNUSED_AFTER)
    page = listing.page(per_page=asked.per_page, cursor=asked.cursor)
    way = way_back(asked.url())
    return {
        "rows": [platform_queries.unused_row(key, viewer, way=way) for key in page.rows],
        "key_name": asked.heading("Name", "name", "sort_name", listing.order),
        "date_created": asked.heading("Date created", "created", "created_at", listing.order),
        "footer": asked.footer(page),
        "search_label": "Filter by API key name or description",
    }


_LISTS = {USERS: _users, CLASSIC: _keys, ALL: _platform_keys}


def _filter(asked: ListRequest, listed: str) -> dict[str, Any]:
    """Return what the page says of the search, and of the one filter that it may have beside it."""
    if listed not in _FILTERS:
        return {
            "filter_hidden": asked.but("q"),
            "is_filtered": bool(asked.search),
            "clear_url": asked.url(q=None, at=None),
            "list_in_words": asked.in_words(_LISTED[listed], View=VIEWS[listed]),
        }
    name, label, anything, choices = _FILTERS[listed]
    chosen = asked.choice(name, choices, "")
    return {
        "filter": {"name": name, "label": label, "anything": anything, "choices": choices.items(), "chosen": chosen},
        "filter_hidden": asked.but("q", name),
        "is_filtered": bool(asked.search or chosen),
        "clear_url": asked.url(q=None, at=None, **{name: None}),
        "list_in_words": asked.in_words(_LISTED[listed], **{label: choices.get(chosen, "")}),
    }


@require_safe
def export(request: MemberRequest) -> StreamingHttpResponse:
    """Send the report's users, or its keys, as a file."""
    require(request, MemberAction.VIEW_INACTIVE)
    viewer, (asked, made_at) = request.member, inactivity.pinned(ListRequest.of(request))
    _, listed = _asked_for(viewer, asked)
    if listed == ALL:
        all_keys = platform_queries.unused_keys(viewer, asked, made_at - UNUSED_AFTER)
        return csv_response(platform_queries.csv_rows(all_keys), "inactive-ibm-cloud-api-keys.csv")
    if listed == CLASSIC:
        listing = queries.unused_keys(viewer, asked, made_at - UNUSED_AFTER)
        return csv_response(queries.csv_rows(viewer, None, listing), "inactive-api-keys.csv")
    rows = inactivity.csv_rows(inactivity.inactive_users(viewer, asked, made_at))
    return csv_response(rows, "inactive-users.csv")
