"""*Activity* of some days and of one user: of the events that the viewer may see anyway, exactly what was asked for."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from itertools import cycle, product
from random import Random

import pytest

from accounts import audit, events
from accounts.enums import Permission
from accounts.models import Account, Event, Member, User
from accounts.origin import Origin
from tests.trees import grow
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db
URL = "/iam/activity"
DAY = date(2026, 11, 24)
DAYS = [DAY + timedelta(days=number) for number in range(4)]
#: Of each day its first and its last moment, too.
TIMES = (time.min, time(12, 30), time.max)
#: The owner, two branches, and somebody two levels below.
TREE = (0, 0, 1, 1, 3, 2)


@pytest.fixture(params=[10_000, 0], ids=["by users", "by walking"])
def way(request, monkeypatch):
    """Both ways in which the events of somebody who is not the owner are found."""
    monkeypatch.setattr(audit, "_FEW", request.param)


@pytest.fixture
def clock(monkeypatch):
    """A function that says what time it is to whoever writes events."""

    def set_clock(at: datetime) -> None:
        monkeypatch.setattr("accounts.audit.timezone", type("Clock", (), {"now": staticmethod(lambda: at)}))

    return set_clock


def record(actor: Member | None, subject: Member, action: str = events.STATUS_CHANGED) -> Event:
    return audit.record(action, actor=actor, subject=subject, origin=Origin("17.5.7.8"))


@pytest.fixture
def people(clock) -> list[Member]:
    """An account with events of all sorts by everybody on everybody, in no order of time: as after a clock was set."""
    people, chance = grow(TREE), Random(1)
    moments = [datetime.combine(day, at, UTC) for day in DAYS for at in TIMES]
    chance.shuffle(moments)
    for moment, (actor, subject) in zip(cycle(moments), product([*people, None], people), strict=False):
        clock(moment)
        record(actor, subject)
    return people


def visible_to(viewer: Member, people: list[Member]) -> list[Event]:
    """The rule once more: what was done to oneself and to those below, and what one did."""
    paths = {member.pk: member.path for member in people}
    written = Event.objects.filter(account_id=viewer.account_id)
    return [
        event for event in written if paths[event.subject_id].startswith(viewer.path) or event.actor_id == viewer.pk
    ]


def is_of(event: Event, first: date | None, last: date | None) -> bool:
    day = event.at.astimezone(UTC).date()
    return (first is None or first <= day) and (last is None or day <= last)


def query_of(first: object, last: object, **more: object) -> dict[str, str]:
    asked = {"from": first, "to": last, **more}
    return {name: str(value) for name, value in asked.items() if value is not None}


def listed(client, query: dict[str, str]) -> list[int]:
    """The numbers of the events in the file."""
    body = body_of(client.get(f"{URL}.csv", query)).decode()
    return [int(row["Number"]) for row in csv.DictReader(io.StringIO(body))]


def times_on_pages(client, query: dict[str, str]) -> Iterator[str]:
    """The times on the page and all that follow it."""
    address, sent = URL, query
    while address:
        body = unescape(client.get(address, sent).content.decode())
        yield from re.findall(r'<td class="table__time"><time datetime="([^"]+)"', body)
        following = re.search(r'href="([^"]+)" rel="next"', body)
        address, sent = (following[1] if following else ""), {}


# --- Days -------------------------------------------------------------------------------------------------------------


def test_days_show_exactly_the_visible_events_of_these_days(people, way):
    for viewer in people:
        client, visible = visitor(viewer), visible_to(viewer, people)
        assert sorted(listed(client, {})) == sorted(event.number for event in visible)
        for first, last in product([None, DAYS[0], DAYS[1], DAYS[3]], [None, DAYS[0], DAYS[2]]):
            expected = [event.number for event in visible if is_of(event, first, last)]
            assert sorted(listed(client, query_of(first, last))) == sorted(expected), (viewer, first, last)


def test_pages_of_days_follow_each_other_newest_first(people, way):
    for viewer in people[:2]:
        client, query = visitor(viewer), query_of(DAYS[1], DAYS[2], per_page=10)
        times = list(times_on_pages(client, query))
        assert len(times) == len(listed(client, query)) > 10
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("at", "is_in"),
    [
        (datetime.combine(DAY, time.min, UTC), True),
        (datetime.combine(DAY, time.max, UTC), True),
        (datetime.combine(DAY, time.min, UTC) - timedelta(microseconds=1), False),
        (datetime.combine(DAY, time.max, UTC) + timedelta(microseconds=1), False),
    ],
)
def test_a_day_is_from_midnight_to_midnight_in_gmt(clock, at, is_in):
    owner, user = grow([0])
    clock(at)
    record(user, user)
    body = visitor(owner).get(URL, query_of(DAY, DAY)).content.decode()
    assert ("User status changed</td>" in body) is is_in


def test_the_first_and_the_last_day_that_there_can_be_are_days(people):
    client, everything = visitor(people[0]), len(Event.objects.all())
    assert len(listed(client, query_of(date.min, date.max))) == everything
    assert len(listed(client, query_of(date.max, date.max))) == 0
    assert len(listed(client, query_of(date.min, date.min))) == 0


@pytest.mark.parametrize(
    "odd",
    [
        "2026-02-30", "2026-13-01", "0000-01-01", "24-11-2026", "20261124", "2026-W48-2", "2026-11-24T00:00",
        " 2026-11-24", "\u0662\u0660\u0662\u0666-11-24", "10000-01-01", "-2026-11-24", "today", "", "\0",
    ],
)  # fmt: skip
def test_what_is_no_day_is_ignored(people, odd):
    client = visitor(people[0])
    everything = listed(client, {})
    for name in ("from", "to"):
        assert listed(client, {name: odd}) == everything
        body = client.get(URL, {name: odd}).content.decode()
        assert f'<input id="{name}" type="date" name="{name}" value="">' in body
        assert "Clear filters" not in body


def test_from_after_to_shows_nothing_and_the_way_back(people):
    body = visitor(people[0]).get(URL, query_of(DAYS[2], DAYS[1])).content.decode()
    assert "No events match" in body
    assert "From is a later day than To" in body
    assert f'href="{URL}">Clear filters</a>' in body
    assert "<table" not in body


def test_toolbar_keeps_the_days_and_leaves_them_by_clear_filters(people):
    body = unescape(visitor(people[0]).get(URL, query_of(DAYS[1], DAYS[2], outcome="success")).content.decode())
    assert '<input id="from" type="date" name="from" value="2026-11-25">' in body
    assert '<input id="to" type="date" name="to" value="2026-11-26">' in body
    assert f'href="{URL}">Clear filters</a>' in body
    assert f'href="{URL}.csv?from=2026-11-25&to=2026-11-26&outcome=success"' in body
    assert "Activity, filtered: outcome “Success”, from “25-11-2026”, to “26-11-2026”.</p>" in body


def test_place_in_the_whole_list_is_none_among_days(people):
    """The one is by number, the other by time: whoever chooses days on the second page begins at their first."""
    client = visitor(people[0])
    whole = unescape(client.get(URL, {"per_page": "10"}).content.decode())
    place = re.search(r"[?&]at=([\w-]+)", whole)[1]
    days = query_of(DAYS[0], DAYS[3])
    assert client.get(URL, days | {"at": place}).content.decode().count("<tr>") == 26
    assert "1–25 of" in client.get(URL, days | {"at": place}).content.decode()


# --- One user ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_restricted", [False, True], ids=["the list is open", "the list is restricted"])
def test_events_of_one_user_are_those_visible_ones_on_or_by_them(people, way, is_restricted):
    account = people[0].account
    Account.objects.filter(pk=account.pk).update(restrict_user_list=is_restricted)
    foreign = grow([])[0]
    for viewer, days in zip(people, cycle([(None, None), (DAYS[1], DAYS[2])]), strict=False):
        client, visible = visitor(viewer), visible_to(viewer, people)
        for user in (*people, foreign):
            is_seen = user is not foreign and (not is_restricted or user.path.startswith(viewer.path))
            expected = [
                event.number
                for event in visible
                if is_of(event, *days) and (not is_seen or user.pk in {event.actor_id, event.subject_id})
            ]
            assert sorted(listed(client, query_of(*days, user=user.pk))) == sorted(expected), (viewer, user, days)


def test_pages_of_one_user_follow_each_other_newest_first(people):
    client, query = visitor(people[0]), {"user": str(people[1].pk), "per_page": "10"}
    numbers = listed(client, query)
    assert len(list(times_on_pages(client, query))) == len(numbers) > 10
    assert numbers == sorted(numbers, reverse=True)


def test_a_user_whom_one_may_not_see_is_nobody(people):
    """Not their name, and not that there is somebody with this number."""
    Account.objects.update(restrict_user_list=True)
    viewer, hidden, nobody = people[1], people[2], people[-1].pk + 1_000
    assert hidden.parent_id == viewer.parent_id
    client = visitor(viewer)
    told = set()
    for number in (hidden.pk, people[0].pk, nobody):
        body = client.get(URL, {"user": str(number)}).content.decode()
        shown = body.partition("<main")[2].partition("</main>")[0]
        told.add(re.sub(rf'(user=|name="user" value="){number}\b', "", shown))
    assert len(told) == 1
    assert "are listed" not in shown
    assert 'name="user"' not in shown.partition('role="search"')[2].partition("</form>")[0]


def test_user_who_was_removed_is_nobody_and_their_events_are_still_found_by_words(cast):
    client, noor = visitor(cast["olivia"]), cast["noor"]
    client.post(f"/iam/users/{noor.pk}/remove")
    assert listed(client, {"user": str(noor.pk)}) == listed(client, {})
    assert Event.objects.get(action="member.removed").number in listed(client, {"q": "noor@acme.example"})


def test_page_of_one_users_events_says_so_and_keeps_to_them(cast):
    client, priya = visitor(cast["olivia"]), cast["priya"]
    body = unescape(client.get(URL, {"user": str(priya.pk), "outcome": "success", "per_page": "50"}).content.decode())
    said = f'Only events by or about <a href="/iam/users/{priya.pk}"><bdi>Priya Raman</bdi></a> are listed.</p>'
    toolbar = body.partition('aria-label="Events"')[2].partition("</form>")[0]
    assert said in body
    assert f'<input type="hidden" name="user" value="{priya.pk}">' in toolbar
    assert f'href="{URL}?per_page=50">Clear filters</a>' in toolbar
    assert f'href="{URL}.csv?user={priya.pk}&outcome=success&per_page=50"' in body
    assert "are listed.</p>" not in client.get(URL).content.decode()


def test_name_of_the_user_is_written_as_text(cast):
    User.objects.filter(pk=cast["priya"].user_id).update(name="<b>P</b>")
    body = visitor(cast["olivia"]).get(URL, {"user": str(cast["priya"].pk)}).content.decode()
    assert "<bdi>&lt;b&gt;P&lt;/b&gt;</bdi></a> are listed." in body
    assert "<b>P</b>" not in body


def test_page_of_a_user_leads_to_their_events_for_whom_they_may_see(cast):
    """A role gives sight of the user, and of how they are looked after, but of no event about them."""
    priya = cast["priya"]
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_ADMINISTRATOR)
    address = f"{URL}?user={priya.pk}"
    for name, has_link in (("olivia", True), ("marcus", True), ("priya", True), ("sam", False), ("noor", False)):
        body = visitor(cast[name]).get(f"/iam/users/{priya.pk}").content.decode()
        assert (f'<a href="{address}">View activity</a>' in body) is has_link, name
    assert "are listed.</p>" in visitor(cast["marcus"]).get(address).content.decode()


# --- The choice of events ---------------------------------------------------------------------------------------------


def test_events_are_chosen_from_groups(cast):
    body = unescape(visitor(cast["olivia"]).get(URL, {"action": events.SIGNED_IN}).content.decode())
    select = body.partition('<select id="action"')[2].partition("</select>")[0]
    groups = {
        label: re.findall(r'<option value="([^"]+)"', options)
        for label, options in re.findall(r'<optgroup label="([^"]+)">(.*?)</optgroup>', select)
    }
    assert list(groups) == ["API keys", "Account", "Invitations", "Log in and login security", "Refusals", "Users"]
    assert sorted(name for names in groups.values() for name in names) == sorted(events.SENTENCES)
    assert {name.partition(".")[0] for name in groups["API keys"]} == {"classic_key", "platform_key"}
    assert events.SIGNED_IN in groups["Log in and login security"]
    assert select.count("<option ") == len(events.SENTENCES) + 1
    assert re.findall(r'value="([^"]+)" selected>', select) == [events.SIGNED_IN]
    # Pages say "log in", and so do events.
    assert not re.search(r">[^<]*\bsign", select, re.IGNORECASE)


def test_facts_of_an_event_tell_first_what_it_is_about_and_why_it_is_one(cast, origin):
    facts = {"count": 2, "key": "ApiKey-1", "name": "Nightly backup", "why": "the key is disabled"}
    audit.record(events.CONSOLE_REFUSED, actor=None, subject=cast["noor"], origin=origin, details=facts)
    told = "name: Nightly backup; why: the key is disabled; count: 2; key: ApiKey-1"
    assert told in visitor(cast["noor"]).get(URL).content.decode()


def test_an_event_has_a_name_of_its_own_in_a_group():
    for name, wrong in (("nowhere.seen", "without a group: nowhere.seen"), (events.SIGNED_IN, "registered twice")):
        with pytest.raises(ValueError, match=wrong):
            events.register({name: "Something happened"})
    assert "nowhere.seen" not in events.SENTENCES
