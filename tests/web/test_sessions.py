"""Sessions: how they begin, how long they last, what ends them, and when they have to be proved."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import sessions
from accounts.models import Event, Member, Session, User
from accounts.sessions import SessionStore, row_key
from console import demo
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.visitors import METHODS, noting_writes, session_of, visitor
from tests.web.asking import SESSION, holds_value, is_signed_in, log_in

# What the protocol is told, whatever the database; what each database does is tried in tests/races and elsewhere.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

# --- Sessions ---------------------------------------------------------------------------------------------------------


def test_signing_in_makes_a_new_session(cast, hashed):
    """Whatever cookie was there before: of a stranger's session, of somebody's, made up."""
    planted = SessionStore()
    planted["planted"] = True
    planted.create()
    for before in (planted.session_key, session_of(visitor(cast["sam"])).session_key, "a" * 32, "x", ""):
        client = Client()
        client.cookies[SESSION] = before
        if is_signed_in(client):
            client.post("/logout")
            client.cookies[SESSION] = before
        assert log_in("priya", client=client).status_code == 302
        after = client.cookies[SESSION].value
        assert after != before
        assert re.fullmatch(r"[a-z0-9]{32}", after)
        assert session_of(client)[SESSION_KEY] == str(cast["priya"].user_id)
        with_the_old_one = Client()
        with_the_old_one.cookies[SESSION] = before
        assert not is_signed_in(with_the_old_one)


def test_a_session_ends_with_logging_out_wherever_its_cookie_is(cast):
    client = visitor(cast["priya"])
    thief = Client()
    thief.cookies[SESSION] = old = client.cookies[SESSION].value
    assert is_signed_in(thief)
    answer = client.post("/logout")
    assert (answer.status_code, answer["Location"]) == (302, "/login")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert not Session.objects.filter(pk=row_key(old)).exists()
    assert not is_signed_in(thief)
    assert not is_signed_in(client)
    client.cookies[SESSION] = old
    assert (
        client.post(f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=cast['priya']).pk}/show").status_code == 302
    )


def test_logging_out_takes_a_post(cast):
    client = visitor(cast["priya"])
    for method in set(METHODS) - {"POST"}:
        assert client.generic(method, "/logout").status_code == 405
    assert is_signed_in(client)


def test_a_new_password_ends_the_other_sessions(cast):
    client = visitor(cast["priya"])
    assert is_signed_in(client)
    User.objects.filter(pk=cast["priya"].user_id).update(password="another hash")
    assert not is_signed_in(client)


@pytest.mark.parametrize("status", ["invalid", "pending", "processing", "vpn_only"])
def test_a_status_that_does_not_sign_in_ends_open_sessions(cast, status):
    client = visitor(cast["priya"])
    assert is_signed_in(client)
    Member.objects.filter(pk=cast["priya"].pk).update(status=status)
    assert client.get("/iam/apikeys")["Location"] == "/login?next=/iam/apikeys"
    assert client.post(f"/iam/users/{cast['priya'].pk}/classic_key")["Location"].startswith("/login")


def test_rows_of_ended_sessions_are_cleared_when_somebody_signs_in(cast, hashed):
    over, open_still = visitor(cast["priya"]), visitor(cast["noor"])
    Session.objects.filter(pk=row_key(over.cookies[SESSION].value)).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    assert log_in("marcus").status_code == 302
    assert not Session.objects.filter(pk=row_key(over.cookies[SESSION].value)).exists()
    assert is_signed_in(open_still)


def test_a_key_is_made_in_the_account_that_its_page_was_of(cast):
    """A tab left open while its viewer went to another account must not make a key there."""
    client = visitor(cast["noor"])
    form = re.search(r'action="([^"]+)" data-dialog-form', client.get("/iam/apikeys").content.decode())[1]
    client.post("/account/switch", {"account": 7654321})
    assert client.post(form).status_code == 404
    assert not ClassicKey.objects.filter(holder__user=cast["noor"].user).exists()
    client.post("/account/switch", {"account": ACME})
    assert client.post(form).status_code == 200
    assert ClassicKey.objects.get(holder__user=cast["noor"].user).account_id == ACME


def test_a_session_is_no_session_without_its_row(cast):
    for made_up in ("0" * 32, "a" * 500, "../../etc/passwd", "\u00e9" * 32, "a' OR 1=1 --"):
        client = Client(raise_request_exception=False)
        client.cookies[SESSION] = made_up
        assert client.get("/iam/apikeys").status_code == 302, made_up


def test_refused_sign_ins_are_logged_without_what_was_typed(cast, caplog):
    """Those of unknown addresses leave no event: there is nobody whose it would be."""
    log_in("nobody", "typed into the wrong field")
    for _ in range(6):
        log_in("priya", "typed into the wrong field")
    said = [record.getMessage() for record in caplog.records if record.name == "accounts.signin"]
    assert said.count("sign-in refused: unknown email address or wrong password, from 127.0.0.1") == 6
    assert said.count("sign-in refused: too many attempts, from 127.0.0.1") == 1
    assert not re.search("priya|nobody|typed", " ".join(said))


# --- Time -------------------------------------------------------------------------------------------------------------


def test_session_that_somebody_else_ended_is_said_to_be_over(cast):
    client, stranger = visitor(cast["priya"]), Client()
    SessionStore(client.cookies[SESSION].value).delete()
    led_to = client.get("/iam/activity")["Location"]
    assert led_to == "/login?next=/iam/activity&ended=1"
    assert "Your session has ended. Log in again" in client.get(led_to).content.decode()
    assert "Your session has ended" not in client.post(led_to, {"username": "", "password": ""}).content.decode()
    assert "Your session has ended" not in client.get("/login").content.decode()  # said once
    assert stranger.get("/iam/activity")["Location"] == "/login?next=/iam/activity"


def test_form_that_was_sent_after_the_session_ended_is_said_not_to_be_saved(cast, clock):
    client, stranger = visitor(cast["priya"]), Client()
    form = {"addresses": "new@acme.example"}
    clock.go_on(minutes=31)
    led_to = client.post("/iam/users/invite_users", form)["Location"]
    assert led_to == "/login?next=/iam/users/invite_users&ended=form"
    with CaptureQueriesContext(connection) as asked:
        answer = stranger.get(led_to)
    said = "Your session has ended. What you entered was not saved. Log in again to continue."
    assert said in answer.content.decode()
    assert (len(asked), SESSION in answer.cookies) == (0, False)  # whoever opens that address
    assert said not in client.post(led_to, {"username": "", "password": ""}).content.decode()
    assert "was not saved" not in client.get(led_to.replace("form", "1")).content.decode()
    stranger.cookies.clear()
    assert stranger.post("/iam/users/invite_users", form)["Location"] == "/login?next=/iam/users/invite_users"


def test_made_up_names_of_sessions_write_nothing(cast):
    """Else a stranger could fill the table, and keep everybody else from writing."""
    before = Session.objects.count()
    stranger = Client()
    for number in range(3):
        stranger.cookies[SESSION] = f"{number:032}"
        answer = stranger.get("/iam/users", follow=True)
        assert "Your session has ended" in answer.content.decode()
        assert stranger.post("/account/switch", {"account": "1"}).status_code == 302
    assert Session.objects.count() == before


def test_idle_session_ends_after_thirty_minutes(cast, clock):
    client = visitor(cast["priya"])
    clock.go_on(minutes=30)
    assert is_signed_in(client)
    clock.go_on(minutes=30, seconds=1)
    answer = client.get("/iam/activity")
    assert answer["Location"] == "/login?next=/iam/activity&ended=1"
    assert "Your session has ended. Log in again to continue." in client.get(answer["Location"]).content.decode()
    clock.go_on(minutes=-2)
    assert not is_signed_in(client)  # it is gone, not asleep


def test_used_session_ends_after_twelve_hours(cast, clock):
    client = visitor(cast["priya"])
    for _ in range(36):
        clock.go_on(minutes=20)
        assert is_signed_in(client)
    clock.go_on(seconds=1)
    assert not is_signed_in(client)
    assert not Session.objects.filter(user=cast["priya"].user).exists()


def test_use_is_noted_once_a_minute(cast, clock):
    client = visitor(cast["priya"])
    for seconds, writes in ((30, False), (31, True), (30, False), (31, True)):
        clock.go_on(seconds=seconds)
        with noting_writes() as written:
            assert is_signed_in(client)
        assert written == ({"accounts_session"} if writes else set())


def test_a_session_without_times_is_over(cast):
    """One that something else made, or an older version: closed when in doubt."""
    client = visitor(cast["priya"])
    session = session_of(client)
    del session["started_at"]
    session.save()
    assert not is_signed_in(client)


def test_a_session_goes_over_to_a_new_secret_key_while_the_old_one_is_accepted(cast, settings):
    used, unused, former = visitor(cast["priya"]), visitor(cast["noor"]), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new one " * 6, [former]
    assert is_signed_in(used)
    settings.SECRET_KEY_FALLBACKS = []
    assert is_signed_in(used)
    assert not is_signed_in(unused)


@pytest.mark.parametrize("action", ["show", "download"])
def test_a_value_needs_a_proof_of_the_last_five_minutes(cast, clock, key_url, action, hashed):
    client, url = visitor(cast["priya"]), f"{key_url}/{action}"
    clock.go_on(minutes=5)
    assert holds_value(client.post(url))
    clock.go_on(seconds=1)
    before, session_before = Event.objects.count(), client.cookies[SESSION].value
    asked = client.post(url)
    assert asked.status_code == 200
    assert "Confirm that it is you" in asked.content.decode()
    assert not holds_value(asked)
    wrong = client.post(url, {"password": "not it"})
    assert "This password is wrong. Try again." in wrong.content.decode()
    assert not holds_value(wrong)
    assert client.cookies[SESSION].value == session_before
    right = client.post(url, {"password": demo.PASSWORD})
    if action == "download":  # after the proof the details are shown again, and the file is asked for once more
        assert not holds_value(right)
        assert right["Location"] == f"{key_url}?confirmed=download"
        right = client.post(url)
    assert holds_value(right)
    assert client.cookies[SESSION].value != session_before
    assert not Session.objects.filter(pk=row_key(session_before)).exists()
    events = [event.action for event in Event.objects.order_by("pk")[before:]]
    told = "classic_key.shown" if action == "show" else "classic_key.downloaded"
    assert events == ["user.sign_in_refused", "user.identity_proved", told]
    clock.go_on(minutes=5)
    assert holds_value(client.post(url))  # fresh again, from then on
    clock.go_on(seconds=1)
    assert not holds_value(client.post(url))


def test_creating_needs_a_proof_of_the_last_five_minutes(cast, clock, hashed):
    client, create_url = visitor(cast["noor"]), f"/iam/users/{cast['noor'].pk}/classic_key"
    clock.go_on(minutes=5, seconds=1)
    with noting_writes() as written:
        asked = client.post(create_url)
    assert "Confirm that it is you" in asked.content.decode()
    assert written <= {"accounts_session"}
    assert holds_value(client.post(create_url, {"password": demo.PASSWORD}))


def test_a_proof_from_the_future_is_none(cast, clock, key_url):
    """A clock that was put back must not make a proof last longer."""
    client = visitor(cast["priya"])
    clock.go_on(seconds=-1)
    assert not holds_value(client.post(f"{key_url}/show"))


def test_proof_is_of_this_session_alone(cast, clock, key_url, hashed):
    first, second = visitor(cast["priya"]), visitor(cast["priya"])
    clock.go_on(minutes=6)
    assert holds_value(first.post(f"{key_url}/show", {"password": demo.PASSWORD}))
    assert not holds_value(second.post(f"{key_url}/show"))


# --- Two tabs ---------------------------------------------------------------------------------------------------------


def test_tabs_that_are_answered_at_once_keep_each_others_changes(cast):
    """One notes that the session is used; the other one, meanwhile, switches the account."""
    key = visitor(cast["sam"]).cookies[SESSION].value
    one, other = SessionStore(key), SessionStore(key)
    assert one[sessions.ACCOUNT] == other[sessions.ACCOUNT] == ACME
    other[sessions.ACCOUNT] = BOREALIS
    other["kept"], other["gone"] = "by the other", "soon"
    other.save()
    del other["gone"]
    other.save()
    one.note_use({sessions.SEEN: 1.0})
    one.save()
    stored = SessionStore(key)
    assert (stored[sessions.ACCOUNT], stored["kept"], stored[sessions.SEEN]) == (BOREALIS, "by the other", 1.0)
    assert "gone" not in stored
    assert Session.objects.get(pk=row_key(key)).account_id == BOREALIS
    one["mine"] = "too"  # and a second time, after it was written
    one.save()
    assert SessionStore(key)["mine"] == "too"
    assert SessionStore(key)[sessions.ACCOUNT] == BOREALIS


def test_what_one_tab_removes_stays_removed(cast):
    key = visitor(cast["sam"]).cookies[SESSION].value
    one, other = SessionStore(key), SessionStore(key)
    assert one[sessions.PROVED] == other[sessions.PROVED]
    other["more"] = 1
    other.save()
    del one[sessions.PROVED]
    one.save()
    assert sessions.PROVED not in SessionStore(key)
    assert SessionStore(key)["more"] == 1


# --- While somebody else writes ---------------------------------------------------------------------------------------


def _is_locked(*_: object, **__: object) -> None:
    raise OperationalError("database is locked")


def test_page_is_answered_though_nobody_can_note_that_its_session_is_used(cast, clock, monkeypatch):
    client = visitor(cast["priya"])
    seen = session_of(client)[sessions.SEEN]
    clock.go_on(minutes=2)
    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "update", _is_locked)
        assert is_signed_in(client)
    assert session_of(client)[sessions.SEEN] == seen
    assert is_signed_in(client)
    assert session_of(client)[sessions.SEEN] == seen + 120  # noted with a later one


def test_fault_of_the_database_is_not_taken_for_the_end_of_the_session(cast, monkeypatch):
    """The person would be told that their request was bad, and not to try again."""
    key = visitor(cast["priya"]).cookies[SESSION].value
    one, other = SessionStore(key), SessionStore(key)
    one["mine"], other["more"] = 1, 1
    other.save()
    with monkeypatch.context() as patch:
        patch.setattr(Session, "save", _is_locked)
        with pytest.raises(OperationalError):
            one.save()
    one.save()
    assert SessionStore(key)["mine"] == 1
