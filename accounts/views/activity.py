"""The audit trail: *Activity* of the viewer and of everyone below them, and *Notifications* of what others did."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import ClassVar

from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Concat
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import audit, formats, notifications, queries
from accounts.csv_files import csv_response
from accounts.events import ACTIVITY_TRIMMED, PERMISSIONS_CHANGED, SENTENCES, in_groups
from accounts.forms import MarkReadForm
from accounts.links import link
from accounts.list_request import ListRequest
from accounts.listing import Listing, Order
from accounts.models import Event, Member
from accounts.policy import MemberAction, can
from accounts.requests import MemberRequest, form_or_post

_SERVER = "The server"
#: Which facts of an event come first, what it is about and why it is one, and which behind all others, a long id.
_PLACES, _BETWEEN = {"name": 0, "why": 1, "key": 3}, 2
OUTCOMES = {audit.SUCCESS: "Success", audit.REFUSED: "Refused"}


@dataclass(frozen=True)
class _Chosen:
    """The events that the address asks for, apart from a search. Days are in GMT, the last one included."""

    NAMES: ClassVar = ("action", "outcome", "from", "to", "user")

    action: str
    outcome: str
    first_day: date | None
    last_day: date | None
    user: Member | None  # whom the viewer may see, though perhaps not all events about them

    @classmethod
    def of(cls, viewer: Member, asked: ListRequest) -> "_Chosen":
        return cls(
            action=asked.choice("action", SENTENCES, ""),
            outcome=asked.choice("outcome", OUTCOMES, ""),
            first_day=asked.day("from"),
            last_day=asked.day("to"),
            user=queries.member_asked_for(viewer, asked, "user"),
        )

    def __bool__(self) -> bool:
        return any((self.action, self.outcome, self.has_days, self.user))

    @property
    def has_days(self) -> bool:
        return self.first_day is not None or self.last_day is not None

    @property
    def ends_before_it_begins(self) -> bool:
        return self.first_day is not None and self.last_day is not None and self.last_day < self.first_day

    @property
    def condition(self) -> Q:
        """The condition that events fulfil."""
        condition = Q()
        if self.action:
            condition &= Q(action=self.action)
        if self.outcome:
            condition &= Q(outcome=self.outcome)
        return condition

    @property
    def since(self) -> datetime | None:
        return datetime.combine(self.first_day, time.min, UTC) if self.first_day else None

    @property
    def until(self) -> datetime | None:
        # Not up to the next day, which there may not be.
        return datetime.combine(self.last_day, time.max, UTC) if self.last_day else None

    def in_words(self) -> dict[str, str]:
        """Return what is chosen by the names of the fields, empty for what is not."""
        return {
            "user": self.user.name if self.user else "",
            "event": SENTENCES.get(self.action, ""),
            "outcome": OUTCOMES.get(self.outcome, ""),
            "from": formats.day(self.first_day) if self.first_day else "",
            "to": formats.day(self.last_day) if self.last_day else "",
        }


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the events that the viewer may see, newest first."""
    asked = ListRequest.of(request)
    chosen = _Chosen.of(request.member, asked)
    page = _listing(request.member, asked, chosen).page(per_page=asked.per_page, cursor=asked.cursor)
    seen = _seen_members(request.member, page.rows)
    context = {
        "title": "Activity",
        "kept_days": settings.KEYTREE_ACTIVITY_DAYS,
        "asked": asked,
        "rows": [_row(event, seen) for event in page.rows],
        "footer": asked.footer(page),
        "groups": in_groups(),
        "outcomes": OUTCOMES.items(),
        "chosen": chosen,
        "is_filtered": bool(asked.search or chosen),
        "list_in_words": asked.in_words("Activity", **chosen.in_words()),
        "clear_url": asked.url(q=None, at=None, **dict.fromkeys(_Chosen.NAMES)),
        "csv_query": request.GET.urlencode(),
    }
    return render(request, "accounts/activity.html", context)


@require_safe
def export(request: MemberRequest) -> StreamingHttpResponse:
    """Send the events of the present filter as a file."""
    viewer, asked = request.member, ListRequest.of(request)
    return csv_response(_csv_rows(_listing(viewer, asked, _Chosen.of(viewer, asked))), "activity.csv")


@form_or_post
def of_others(request: MemberRequest) -> HttpResponse:
    """List what others did that concerns the viewer, newest first, or mark it as read.

    Only a POST marks it: otherwise anything that makes a browser open the page would make the viewer miss something.
    """
    if request.method == "POST":
        return _mark_read(request)
    viewer, asked = request.member, ListRequest.of(request)
    page = _newest_first(notifications.events_for(viewer)).page(per_page=asked.per_page, cursor=asked.cursor)
    seen, read_until = _seen_members(viewer, page.rows), viewer.notifications_read or 0
    context = {
        "title": "Notifications",
        "kept_days": settings.KEYTREE_ACTIVITY_DAYS,
        "asked": asked,
        "rows": [_row(event, seen, is_new=event.number > read_until) for event in page.rows],
        # The newest that the page shows: what came since it was opened stays new.
        "until": page.rows[0].number if page.rows and page.previous is None and viewer.has_notifications else 0,
        "footer": asked.footer(page),
    }
    return render(request, "accounts/notifications.html", context)


def _mark_read(request: MemberRequest) -> HttpResponse:
    form = MarkReadForm(request.POST)
    if form.is_valid():
        notifications.mark_read(request.member, until=form.cleaned_data["until"])
        messages.success(request, "Marked as read\nThe bell shows a mark again when someone does something new.")
    else:
        messages.error(request, "Nothing was changed\nUse the button on this page.")
    return redirect(ListRequest.of(request).url(at=None))


def _listing(viewer: Member, asked: ListRequest, chosen: _Chosen) -> Listing[Event]:
    events = audit.visible_events(viewer, since=chosen.since, until=chosen.until, of=chosen.user)
    events = events.filter(chosen.condition)
    if asked.words:
        line_end = Value("\n")  # which no word holds
        said = Concat("actor_label", line_end, "subject_label", line_end, "address", output_field=TextField())
        events = events.alias(said=said)
    for word in asked.words:
        # The first is three times as fast, but on SQLite it folds only ASCII letters.
        found = Q(said__icontains=word) if word.isascii() else Q(said__iregex=re.escape(word))
        events = events.filter(found)
    # With days, by time, so that an index finds them: by number, a database would read on from the newest event.
    return _newest_first(events, by="at" if chosen.has_days else "number")


def _newest_first(events: QuerySet[Event], by: str = "number") -> Listing[Event]:
    return Listing(
        model=Event, rows=lambda: events, order=Order(by, descending=True), branch_path=None, path_field="",
        complete=_as_they_are,
    )  # fmt: skip


def _as_they_are(events: QuerySet[Event]) -> QuerySet[Event]:
    return events


def _seen_members(viewer: Member, events: Sequence[Event]) -> set[int]:
    """Return the ids of those named in ``events`` who are still here and whom ``viewer`` may see; one query."""
    ids = {pk for event in events for pk in (event.actor_id, event.subject_id) if pk is not None}
    # By the keys alone, with the account left to the policy: SQLite would go through all members of the account.
    return {member.pk for member in Member.objects.filter(pk__in=ids) if can(viewer, MemberAction.VIEW, member)}


def _row(event: Event, seen: AbstractSet[int], *, is_new: bool = False) -> dict[str, object]:
    is_own = event.actor_id is not None and event.actor_id == event.subject_id
    return {
        "what": SENTENCES.get(event.action, event.action),
        "details": _details(event),
        "actor": _name_and_email(event.actor_label or _SERVER),
        "actor_url": _user_url(event.actor_id, seen),
        "subject": None if is_own or not event.subject_label else _name_and_email(event.subject_label),
        "subject_url": _user_url(event.subject_id, seen),
        "address": event.address,
        "at": event.at,
        "outcome": OUTCOMES.get(event.outcome, event.outcome),
        "is_new": is_new,
        "is_refused": event.outcome == audit.REFUSED,
    }


def _name_and_email(label: str) -> tuple[str, str]:
    """Return the two parts of ``audit.label``; the second is empty for other labels, and where both are the same."""
    name, bracket, email = label.rpartition(" <")
    email = email.removesuffix(">")
    return (name, "" if email == name else email) if bracket else (label, "")


def _user_url(member_id: int | None, seen: AbstractSet[int]) -> str:
    return link("accounts:user", member_id) if member_id is not None and member_id in seen else ""


def _details(event: Event) -> str:
    """Return the facts of an event in words: a change as *from … to …*, the others by name, see ``_PLACES``."""
    facts = audit.told_facts(event)
    if event.action == ACTIVITY_TRIMMED:
        return f"up to number {facts['until']}"
    before, after = facts.pop("before", None), facts.pop("after", None)
    ordered = sorted(facts.items(), key=lambda item: _PLACES.get(item[0], _BETWEEN))
    said = [f"{name}: {fact}" for name, fact in ordered if fact != 0 or fact is False]
    if event.action == PERMISSIONS_CHANGED:
        return "; ".join([*_given_and_taken(str(before), str(after)), *said])
    if after is not None:
        said.insert(0, f"to {after}" if before is None else f"from {before} to {after}")
    return "; ".join(said)


def _given_and_taken(before: str, after: str) -> list[str]:
    """Return what changed of two lists of permissions, as ``enums.permission_names`` gives them."""
    held, holds = ([name for name in names.split(", ") if name != "none"] for names in (before, after))
    changes = {
        "given": [name for name in holds if name not in held],
        "taken away": [name for name in held if name not in holds],
    }
    return [f"{what}: {', '.join(names)}" for what, names in changes.items() if names]


def _csv_rows(listing: Listing[Event]) -> Iterator[list[object]]:
    yield ["Number", "Time", "Event", "Outcome", "By", "On", "Address", "Details", "Request"]
    for event in listing.everything():
        row = _row(event, frozenset())
        yield [
            event.number, formats.iso(event.at), row["what"], row["outcome"], event.actor_label or _SERVER,
            event.subject_label, event.address, row["details"], event.request_id,
        ]  # fmt: skip
