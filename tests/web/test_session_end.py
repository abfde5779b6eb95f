"""A session's end is told beforehand: who asks when it is does not put it off, and whoever stays does."""

import re
from datetime import timedelta

import pytest
from django.contrib import messages
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import Account
from accounts.session_limits import SessionLimits
from tests.conftest import ACME
from tests.visitors import noting_writes, session_of, visitor
from tests.web.asking import is_signed_in

# What the protocol is told, whatever the database.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

END = "/user/session_end"
UNATTENDED = {"headers": {"Keytree-Unattended": "yes"}}


def told(answer: HttpResponse) -> dict[str, int]:
    """What the script reads in the answer."""
    return {name: int(number) for name, number in re.findall(r'data-session-(\w+)="(\d+)"', answer.content.decode())}


def ask(client: Client) -> HttpResponse:
    return client.get(END, **UNATTENDED)


def asks_in(client: Client, path: str = "/iam/users") -> int:
    return int(re.search(r'<body data-session-asks-in="(\d+)"', client.get(path).content.decode())[1])


def test_what_pages_ask_by_themselves_does_not_put_the_end_off(cast, clock):
    client = visitor(cast["marcus"])
    for minute in range(1, 31):
        clock.go_on(minutes=1, seconds=0.01)
        if minute == 30:
            break
        with noting_writes() as written:
            for path in (END, "/iam/users/import"):
                assert client.get(path, **UNATTENDED).status_code == 200
        assert told(ask(client))["left"] == (30 - minute) * 60 - 1
        assert written == set()
    answer = ask(client)
    assert (answer.status_code, answer["Location"]) == (302, f"/login?next={END}&ended=1")
    assert not is_signed_in(client)


def test_staying_puts_the_end_off_as_any_request_does(cast, clock):
    client, other_tab = visitor(cast["priya"]), Client()
    other_tab.cookies = client.cookies
    for tab, path, send in ((client, END, client.post), (other_tab, "/iam/activity", other_tab.get)):
        clock.go_on(minutes=29)
        assert told(ask(tab)) == {"left": 60, "warning": 120}
        answer = send(path, follow=True)
        assert answer.status_code == 200
        assert told(ask(client))["left"] == 1800
    assert "Stay logged in" in client.get(END).content.decode()


def test_staying_takes_a_token(cast):
    client = visitor(cast["priya"], csrf_checks=True)
    assert client.post(END).status_code == 403


def test_what_ends_by_its_age_says_so_and_is_not_put_off(cast, clock):
    client = visitor(cast["priya"])
    started = int(session_of(client)["started_at"])
    for _ in range(35):
        clock.go_on(minutes=20)
        assert is_signed_in(client)
    clock.go_on(minutes=18, seconds=30)
    assert told(client.post(END, follow=True)) == {"left": 90, "warning": 120, "final": started}
    page = client.get(END).content.decode()
    assert "1 minute 30 seconds</b>: a session lasts 12 hours at most, and cannot be extended." in page
    assert "Stay logged in" not in page
    clock.go_on(minutes=1, seconds=31)
    assert not is_signed_in(client)


def test_pages_say_when_to_ask_and_say_the_same_while_only_the_time_goes_on(cast, clock):
    client = visitor(cast["priya"])
    half_an_hour = 30 * 60 - 60 - 120  # use that is not a minute old is not noted
    assert asks_in(client) == half_an_hour
    clock.go_on(seconds=50)
    assert asks_in(client) == half_an_hour
    for path in (END, "/nowhere", f"/iam/users/{cast['priya'].pk}/vpn_password"):
        assert asks_in(client, path) == half_an_hour
    session = session_of(client)
    session["started_at"] -= 12 * 3600 - 600
    session.save()
    assert asks_in(client) == 600 - 50 - 120
    clock.go_on(minutes=8)
    assert asks_in(client) == 0
    assert "data-session" not in Client().get("/login").content.decode()


def test_the_account_that_one_is_in_says_how_long(cast, clock):
    client = visitor(cast["sam"])
    Account.objects.filter(pk=ACME).update(session_idle_minutes=5)
    assert told(client.get(END)) == {"left": 300, "warning": 60}
    client.post("/account/switch", {"account": "7654321"})
    assert told(client.get(END)) == {"left": 1800, "warning": 120}


@pytest.mark.parametrize(("idle", "warning", "noted"), [(1, 30, 12), (3, 36, 36), (5, 60, 60), (60, 120, 60)])
def test_short_sessions_are_told_later_and_noted_more_often(idle, warning, noted):
    limits = SessionLimits(timedelta(minutes=idle), timedelta(hours=12))
    assert (limits.warning.total_seconds(), limits.noted_after.total_seconds()) == (warning, noted)
    now = timezone.now()
    assert limits.first_question(started=now, now=now) >= limits.idle * 0.3


def test_session_of_a_minute_lasts_while_it_is_used(cast, clock, settings):
    settings.KEYTREE_SESSION_IDLE_MINUTES = 1
    client = visitor(cast["priya"])
    for _ in range(10):
        clock.go_on(seconds=45)
        assert is_signed_in(client)
    clock.go_on(seconds=61)
    assert not is_signed_in(client)


def test_suspended_and_frozen_users_are_told_too(cast, clock):
    client = visitor(cast["dmitri"])
    assert asks_in(client) > 0
    clock.go_on(minutes=29)
    assert told(ask(client))["left"] == 60
    assert told(client.post(END, follow=True))["left"] == 1800


def test_asking_takes_no_message_away(cast, rf):
    client = visitor(cast["priya"])
    request = rf.get("/")
    request.session = session_of(client)
    request._messages = messages.storage.default_storage(request)
    messages.success(request, "Saved a moment ago")
    request._messages.update(HttpResponse())
    request.session.save()
    assert "Saved a moment ago" not in client.get(END).content.decode()
    assert "Saved a moment ago" in client.get("/iam/users").content.decode()


def test_strangers_are_asked_to_log_in(cast):
    for send in (Client().get, Client().post):
        assert send(END)["Location"] == f"/login?next={END}"
