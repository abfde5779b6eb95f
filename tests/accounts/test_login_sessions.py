"""Login sessions: the limits of account and installation, their number, the list of one's own, and ending them."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from accounts import account_settings, login_sessions
from accounts.account_settings import SessionSettings
from accounts.login_sessions import SessionGone
from accounts.models import Account, Event, Mail, Member, Session
from accounts.policy import NotAllowed
from accounts.session_limits import limits_of
from accounts.sessions import row_key
from console import demo
from tests.conftest import ACME, BOREALIS
from tests.visitors import session_of, visitor

pytestmark = pytest.mark.django_db
SESSION = django_settings.SESSION_COOKIE_NAME
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def is_open(client: Client) -> bool:
    return client.get("/iam/apikeys").status_code == 200


def row_of(client: Client) -> Session:
    return Session.objects.get(pk=row_key(client.cookies[SESSION].value))


def actions() -> list[str]:
    """The events since the demo was loaded, but for the sign-ins."""
    known = ("account.created", "member.added", "classic_key.created", "member.status_changed", "user.signed_in")
    return [event.action for event in Event.objects.order_by("pk") if event.action not in known]


# --- Limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("hours", "idle", "expected"),
    [
        (None, None, (12, 30)),
        (8, None, (8, 30)),
        (720, 24 * 60, (12, 30)),  # what the installation does not allow, no account does
        (1, 5, (1, 5)),
    ],
)
def test_of_account_and_installation_the_stricter_limit_counts(hours, idle, expected):
    limits = limits_of(Account(session_hours=hours, session_idle_minutes=idle))
    assert (limits.longest, limits.idle) == (timedelta(hours=expected[0]), timedelta(minutes=expected[1]))
    assert limits_of(None) == limits_of(Account())


def test_session_ends_by_the_limits_of_its_account(cast, clock):
    idle, used = visitor(cast["priya"]), visitor(cast["noor"])
    Account.objects.filter(pk=ACME).update(session_idle_minutes=10, session_hours=1)
    clock(minutes=9)
    assert is_open(used)
    clock(minutes=2)
    assert not is_open(idle)
    for _ in range(6):
        assert is_open(used)
        clock(minutes=8)
    clock(minutes=2)
    assert not is_open(used)


def test_going_over_to_another_account_is_going_over_to_its_limits(cast, clock):
    client = visitor(cast["noor"])
    Account.objects.filter(pk=BOREALIS).update(session_hours=1)
    for _ in range(4):
        clock(minutes=20)
        assert is_open(client)
    assert client.post("/account/switch", {"account": BOREALIS}).status_code == 302
    assert not is_open(client)


def test_session_beyond_the_number_ends_the_oldest(cast, sign_in):
    Account.objects.filter(pk=ACME).update(most_sessions=2)
    first, second, third = (sign_in("priya") for _ in range(3))
    assert [is_open(client) for client in (first, second, third)] == [False, True, True]
    event = Event.objects.get(action="user.sessions_ended")
    assert event.facts == {"sessions": 1, "why": "at most 2 at once"}
    assert event.actor_id == event.subject_id == cast["priya"].pk
    others = sign_in("noor")
    assert [is_open(client) for client in (others, second, third)] == [True, True, True]


def test_session_whose_time_is_over_takes_no_place_of_another(cast, clock, sign_in):
    """It began later than one that goes on, which would else be the oldest."""
    Account.objects.filter(pk=ACME).update(most_sessions=2)
    used = sign_in("priya")
    clock(minutes=1)
    left = sign_in("priya")
    for _ in range(2):
        clock(minutes=20)
        assert is_open(used)
    now = sign_in("priya")
    assert [is_open(client) for client in (used, left, now)] == [True, False, True]
    assert not Event.objects.filter(action="user.sessions_ended").exists()


def test_number_is_that_of_one_account(cast):
    """Sessions elsewhere do not count, until they come over."""
    Account.objects.filter(pk=BOREALIS).update(most_sessions=1)
    elsewhere = visitor(cast["noor"])
    here = visitor(cast["noor"])
    here.post("/account/switch", {"account": BOREALIS})
    assert is_open(elsewhere)
    elsewhere.post("/account/switch", {"account": BOREALIS})
    assert [is_open(client) for client in (elsewhere, here)] == [True, False]
    assert actions() == ["user.account_switched", "user.account_switched", "user.sessions_ended"]


# --- The list ---------------------------------------------------------------------------------------------------------


def test_row_of_a_session_says_where_it_is_used(cast, clock):
    client = Client(headers={"user-agent": FIREFOX}, REMOTE_ADDR="203.0.113.7")
    client.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
    row = row_of(client)
    assert (row.user_id, row.account_id) == (cast["noor"].user_id, ACME)
    assert (row.address, row.agent) == ("203.0.113.7", "Firefox on Linux")
    assert row.started_at == row.seen_at == clock()
    later = clock(minutes=5)
    client.get("/iam/apikeys", headers={"user-agent": "curl/8.5.0"}, REMOTE_ADDR="203.0.113.8")
    assert (row_of(client).address, row_of(client).agent) == ("203.0.113.8", "curl")
    assert (row_of(client).started_at, row_of(client).seen_at) == (row.started_at, later)
    client.post("/account/switch", {"account": BOREALIS})
    assert row_of(client).account_id == BOREALIS
    assert row_of(client).uid == row.uid


def test_session_from_before_it_had_a_name_gets_one_with_its_next_request(cast):
    client, marcus = visitor(cast["noor"]), visitor(cast["marcus"])
    session = session_of(client)
    for name in ("uid", "account_id"):
        del session[name]
    session.save()
    other = visitor(cast["noor"])
    assert other.get("/user/sessions").content.decode().count("/end") == 2  # its own, and all
    assert is_open(client)
    assert row_of(client).uid
    assert other.get("/user/sessions").content.decode().count("/end") == 3
    marcus.post(f"/iam/users/{cast['noor'].pk}/end_sessions")
    assert not is_open(client)


def test_sessions_are_listed_without_their_keys(cast):
    here, there, others = visitor(cast["noor"]), visitor(cast["noor"]), visitor(cast["priya"])
    there.post("/account/switch", {"account": BOREALIS})
    page = here.get("/user/sessions").content.decode()
    assert page.count("this session") == 1
    assert f"{BOREALIS} - Borealis Labs" in page
    assert [str(row_of(client).uid) in page for client in (here, there, others)] == [True, True, False]
    assert not any(client.cookies[SESSION].value in page for client in (here, there, others))


def test_session_whose_time_is_over_signs_nobody_in_though_its_row_is_there(cast):
    client = visitor(cast["priya"])
    row = Session.objects.filter(pk=row_key(client.cookies[SESSION].value))
    row.update(expire_date=timezone.now() + timedelta(minutes=1))
    assert client.get("/iam/apikeys").status_code == 200
    row.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get("/iam/apikeys")["Location"] == "/login?next=/iam/apikeys&ended=1"
    assert row.exists()


def test_expired_session_is_not_among_the_active_ones(cast, clock):
    old = visitor(cast["noor"])
    clock(minutes=31)
    client, uid = visitor(cast["noor"]), str(row_of(old).uid)
    everything, active = (client.get(f"/user/sessions?view={view}").content.decode() for view in ("all", "active"))
    assert 'class="tag">expired' in everything
    assert uid in everything
    assert uid not in active


def test_sessions_used_last_are_listed(cast, monkeypatch):
    monkeypatch.setattr(login_sessions, "MOST_LISTED", 2)
    clients = [visitor(cast["noor"]) for _ in range(3)]
    page = clients[2].get("/user/sessions").content.decode()
    assert "The 2 most recently used sessions are listed." in page
    assert str(row_of(clients[2]).uid) in page


# --- Ending -----------------------------------------------------------------------------------------------------------


def test_one_session_is_ended_and_no_other(cast):
    here, there, third = (visitor(cast["noor"]) for _ in range(3))
    url = f"/user/sessions/{row_of(there).uid}/end"
    question = here.get(url).content.decode()
    assert "Whoever is using it will have to log in again." in question
    assert there.cookies[SESSION].value not in question
    answer = here.post(url)
    assert (answer.status_code, answer["Location"]) == (302, "/user/sessions")
    assert "Clear-Site-Data" not in answer
    assert [is_open(client) for client in (here, there, third)] == [True, False, True]
    assert actions() == ["user.session_ended"]
    assert here.post(url).status_code == 404


def test_present_session_may_be_ended_too(cast):
    client = visitor(cast["noor"])
    session = session_of(client)
    session["proved_at"] = 0  # it is logging out, which takes no proof
    session.save()
    url = f"/user/sessions/{row_of(client).uid}/end"
    assert "You are using it now" in client.get(url).content.decode()
    answer = client.post(url)
    assert (answer["Location"], answer["Clear-Site-Data"]) == ("/login", '"cache", "storage"')
    assert "Session ended" in client.get("/login").content.decode()
    assert not is_open(client)


def test_ended_is_told_in_the_account_that_the_session_was_in(cast):
    here, there = visitor(cast["noor"]), visitor(cast["noor"])
    there.post("/account/switch", {"account": BOREALIS})
    here.post(f"/user/sessions/{row_of(there).uid}/end")
    assert Event.objects.get(action="user.session_ended").account_id == BOREALIS


@pytest.mark.parametrize("whose", ["priya", "noor"])
def test_session_of_somebody_else_is_nobodys(cast, whose):
    victim = visitor(cast[whose])
    attacker = visitor(cast["marcus"])
    for uid in (row_of(victim).uid, uuid.uuid4()):
        for method in (attacker.get, attacker.post):
            assert method(f"/user/sessions/{uid}/end").status_code == 404
    assert is_open(victim)


def test_all_sessions_end_in_every_account_this_one_included(cast):
    here, there, others = visitor(cast["noor"]), visitor(cast["noor"]), visitor(cast["priya"])
    there.post("/account/switch", {"account": BOREALIS})
    assert here.get("/user/sessions/end_all").status_code == 200
    answer = here.post("/user/sessions/end_all")
    assert (answer["Location"], answer["Clear-Site-Data"]) == ("/login", '"cache", "storage"')
    assert [is_open(client) for client in (here, there, others)] == [False, False, True]
    ended = Event.objects.filter(action="user.sessions_ended").order_by("account_id")
    assert [event.account_id for event in ended] == [ACME, BOREALIS]


def test_ending_another_session_takes_a_proof(cast):
    noor, elsewhere, marcus = visitor(cast["noor"]), visitor(cast["noor"]), visitor(cast["marcus"])
    for client, url in (
        (noor, f"/user/sessions/{row_of(elsewhere).uid}/end"),
        (noor, "/user/sessions/end_all"),
        (marcus, f"/iam/users/{cast['noor'].pk}/end_sessions"),
    ):
        session = session_of(client)
        session["proved_at"] = 0
        session.save()
        assert "Confirm that it is you" in client.post(url).content.decode()
        assert is_open(noor)
        assert is_open(elsewhere)
    assert marcus.post(url, {"password": demo.PASSWORD}).status_code == 302
    assert not is_open(noor)


def test_whoever_covers_a_user_ends_their_sessions_in_the_account(cast):
    here, elsewhere = visitor(cast["noor"]), visitor(cast["noor"])
    elsewhere.post("/account/switch", {"account": BOREALIS})
    marcus = visitor(cast["marcus"])
    assert "/end_sessions" in marcus.get(f"/iam/users/{cast['noor'].pk}").content.decode()
    assert marcus.post(f"/iam/users/{cast['noor'].pk}/end_sessions").status_code == 302
    assert [is_open(client) for client in (here, elsewhere, marcus)] == [False, True, True]
    event = Event.objects.get(action="user.sessions_ended")
    assert (event.actor_id, event.subject_id, event.facts) == (cast["marcus"].pk, cast["noor"].pk, {"sessions": 1})
    assert Mail.objects.get(event=event).recipient == "noor@acme.example"
    marcus.post(f"/iam/users/{cast['noor'].pk}/end_sessions")
    assert Event.objects.filter(action="user.sessions_ended").count() == 1  # nothing was changed


def test_writes_ask_the_policy_themselves(cast, origin):
    with pytest.raises(NotAllowed, match="Manage users"):
        login_sessions.end_all_of(member=cast["marcus"], by=cast["priya"], origin=origin)
    with pytest.raises(SessionGone):
        login_sessions.end_own(uid=uuid.uuid4(), by=cast["priya"], origin=origin)
    with pytest.raises(NotAllowed, match="IAM identity"):
        account_settings.limit_sessions(chosen=SessionSettings(1, 5, 1), by=cast["marcus"], origin=origin)
    assert Member.objects.filter(account__most_sessions=1).count() == 0
