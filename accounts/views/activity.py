"""The Activity page: the audit trail of the viewer and of everyone below them."""

from collections.abc import Iterator

from django.db.models import Q
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import audit, formats
from accounts.csv_files import csv_response
from accounts.events import SENTENCES
from accounts.list_request import ListRequest
from accounts.listing import Listing, Order
from accounts.models import Event, Member
from accounts.requests import MemberRequest

OUTCOMES = {audit.SUCCESS: "Success", audit.REFUSED: "Refused"}


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the events that the viewer may see, newest first."""
    asked = ListRequest.of(request)
    page = _listing(request.member, asked).page(per_page=asked.per_page, cursor=asked.cursor)
    action, outcome = asked.choice("action", SENTENCES, ""), asked.choice("outcome", OUTCOMES, "")
    context = {
        "title": "Activity",
        "asked": asked,
        "rows": [_row(event) for event in page.rows],
        "footer": asked.footer(page),
        "actions": sorted(SENTENCES.items(), key=lambda item: item[1]),
        "outcomes": OUTCOMES.items(),
        "action": action,
        "outcome": outcome,
        "is_filtered": bool(asked.search or action or outcome),
        "clear_url": asked.url(q=None, action=None, outcome=None, at=None),
        "csv_query": request.GET.urlencode(),
    }
    return render(request, "accounts/activity.html", context)


@require_safe
def export(request: MemberRequest) -> StreamingHttpResponse:
    """Send the events of the present filter as a file."""
    rows = _csv_rows(_listing(request.member, ListRequest.of(request)))
    return csv_response(rows, "activity.csv")


def _listing(viewer: Member, asked: ListRequest) -> Listing[Event]:
    events = audit.visible_events(viewer)
    for name, choices in (("action", SENTENCES), ("outcome", OUTCOMES)):
        if chosen := asked.choice(name, choices, ""):
            events = events.filter(**{name: chosen})
    for term in asked.search.split():
        events = events.filter(
            Q(actor_label__icontains=term) | Q(subject_label__icontains=term) | Q(address__icontains=term)
        )
    return Listing(
        rows=events, order=Order("number", descending=True), branch_path=None, path_field="", complete=lambda rows: rows
    )


def _row(event: Event) -> dict[str, object]:
    is_own = event.actor_id is not None and event.actor_id == event.subject_id
    return {
        "what": SENTENCES.get(event.action, event.action),
        "details": "; ".join(f"{name}: {value}" for name, value in event.facts.items() if not name.endswith("_id")),
        "actor": event.actor_label or "The server",
        "subject": "" if is_own else event.subject_label,
        "address": event.address,
        "at": formats.moment(event.at),
        "at_iso": formats.iso(event.at),
        "outcome": OUTCOMES.get(event.outcome, event.outcome),
        "is_refused": event.outcome == audit.REFUSED,
    }


def _csv_rows(listing: Listing[Event]) -> Iterator[list[object]]:
    yield ["Number", "Time", "Event", "Outcome", "By", "On", "Address", "Details", "Request"]
    for event in listing.everything():
        row = _row(event)
        yield [
            event.number, formats.iso(event.at), row["what"], row["outcome"], row["actor"], event.subject_label,
            event.address, row["details"], event.request_id,
        ]  # fmt: skip
