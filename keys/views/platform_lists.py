"""The API keys page: which of its views is asked for, and the two of IBM Cloud API keys, with their files."""

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import refusals_recorded
from accounts.csv_files import csv_response
from accounts.links import page, way_back
from accounts.list_request import ListRequest
from accounts.listing import Listing
from accounts.requests import MemberRequest
from keys.models import PlatformKey
from keys.platform import policy, queries
from keys.platform.queries import ALL, MINE, VIEWS
from keys.value_check import without_master_key
from keys.views import classic

_FILES = {MINE: "keys:platform-csv-my", ALL: "keys:platform-csv-all"}


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """Show the view that is asked for; without one, the classic."""
    view = request.GET.get("view")
    return _index(request, view) if view in _FILES else classic.index(request)


def _listing(request: MemberRequest, asked: ListRequest, view: str) -> Listing[PlatformKey]:
    """Return the list of a view; refuse a viewer who may not see all keys, with an event and 403."""
    if view == MINE:
        return queries.my_keys(request.member, asked)
    with refusals_recorded(request, request.member, "see the IBM Cloud API keys of all users"):
        policy.require_see_all(request.member)
    return queries.all_keys(request.member, asked)


def _index(request: MemberRequest, view: str) -> HttpResponse:
    viewer, asked = request.member, ListRequest.of(request)
    listing = _listing(request, asked, view)
    found = listing.page(per_page=asked.per_page, cursor=asked.cursor)
    here = asked.url()
    way = way_back(here)
    if view == MINE:
        for key in found.rows:
            key.holder = viewer
    context = {
        "title": "API keys",
        "asked": asked,
        "view": view,
        "views": queries.views_open_to(viewer),
        "view_hidden": queries.carried_to_view(asked),
        "is_all": view == ALL,
        "without_master_key": ", ".join(without_master_key(found.rows)),
        "here": here,
        "rows": [queries.row(key, viewer, way=way) for key in found.rows],
        "made_at": timezone.now(),
        "is_filtered": bool(asked.search),
        "list_in_words": asked.in_words(VIEWS[view]),
        "name_heading": asked.heading("Name", "name", "sort_name", listing.order),
        "created_heading": asked.heading("Date created", "created", "created_at", listing.order, first="-"),
        "footer": asked.footer(found),
        "filter_hidden": asked.but("q"),
        "clear_url": asked.url(q=None, at=None),
        "csv_url": page(_FILES[view]) + asked.url(view=None, at=None, per_page=None).removeprefix(asked.path),
        **queries.creation(viewer, queries.count_of_user(viewer.user_id), way),
    }
    return render(request, "keys/platform_list.html", context)


@require_safe
def export_my(request: MemberRequest) -> StreamingHttpResponse:
    """Send the viewer's keys, as far as the filter leaves them, as a file: never a value."""
    return _export(request, MINE, "my-ibm-cloud-api-keys.csv")


@require_safe
def export_all(request: MemberRequest) -> StreamingHttpResponse:
    """Send the keys of all users, as far as the filter leaves them, as a file: never a value."""
    return _export(request, ALL, "all-ibm-cloud-api-keys.csv")


def _export(request: MemberRequest, view: str, filename: str) -> StreamingHttpResponse:
    return csv_response(queries.csv_rows(_listing(request, ListRequest.of(request), view)), filename)
