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
from accounts.policy import MemberAction, sees_whole_account_inactive
from accounts.requests import MemberRequest
from keys import insight, queries

USERS, KEYS = "users", "keys"
TABS = {USERS: "Users", KEYS: "API keys"}
_STATUSES = {status.value: status.label for status in MemberStatus if status in SIGN_IN_STATUSES}
#: Of each tab, what it lists; and what that is filtered by: its name in the address, its label, words for none.
_FILTERS: Mapping[str, tuple[str, str, str, str, Mapping[str, str]]] = {
    USERS: ("Inactive users", "status", "Status", "All statuses", _STATUSES),
    KEYS: ("Inactive API keys", "restriction", "Restriction", "Restricted or not", insight.RESTRICTIONS),
}


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the users, or the keys, that the viewer may see and that were not used for long."""
    require(request, MemberAction.VIEW_INACTIVE)
    viewer, (asked, made_at) = request.member, inactivity.pinned(ListRequest.of(request))
    tab = asked.choice("tab", TABS, USERS)
    context = {
        "title": "Inactive identities",
        "asked": asked,
        "tab": tab,
        "tabs": [
            (asked.url(tab=name, sort=None, status=None, restriction=None, at=None), label, name == tab)
            for name, label in TABS.items()
        ],
        "update_hidden": asked.but(inactivity.MOMENT),
        "made_at": made_at,
        "since": made_at - UNUSED_AFTER,
        "is_whole_account": sees_whole_account_inactive(viewer),
        "csv_url": f"{reverse('keys:inactive-csv')}?{asked.url(at=None).partition('?')[2]}",
        **_filter(asked, tab),
        **(_keys(request, asked) if tab == KEYS else _users(request, asked)),
    }
    return render(request, "keys/inactive.html", context)


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
    way = way_back(asked.url())
    return {
        "rows": [queries.unused_row(key, viewer, way=way) for key in page.rows],
        "created_by": asked.heading("Created by", "created_by", "holder_sort_name", listing.order),
        "date_created": asked.heading("Date created", "created", "created_at", listing.order),
        "footer": asked.footer(page),
        "figures": insight.figures(viewer, viewer=viewer),
        "search_label": "Filter by user or parent",
    }


def _filter(asked: ListRequest, tab: str) -> dict[str, Any]:
    """Return what the page says of the one filter that it has beside the search, and of both."""
    listed, name, label, anything, choices = _FILTERS[tab]
    chosen = asked.choice(name, choices, "")
    return {
        "filter": {"name": name, "label": label, "anything": anything, "choices": choices.items(), "chosen": chosen},
        "filter_hidden": asked.but("q", name),
        "is_filtered": bool(asked.search or chosen),
        "clear_url": asked.url(q=None, at=None, **{name: None}),
        "list_in_words": asked.in_words(listed, **{label: choices.get(chosen, "")}),
    }


@require_safe
def export(request: MemberRequest) -> StreamingHttpResponse:
    """Send the report's users, or its keys, as a file."""
    require(request, MemberAction.VIEW_INACTIVE)
    viewer, (asked, made_at) = request.member, inactivity.pinned(ListRequest.of(request))
    if asked.choice("tab", TABS, USERS) == KEYS:
        listing = queries.unused_keys(viewer, asked, made_at - UNUSED_AFTER)
        return csv_response(queries.csv_rows(viewer, None, listing), "inactive-api-keys.csv")
    rows = inactivity.csv_rows(inactivity.inactive_users(viewer, asked, made_at))
    return csv_response(rows, "inactive-users.csv")
