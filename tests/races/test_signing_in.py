"""Guesses and sign-ins at the same moment: no more are let through than one after the other."""

from collections import Counter
from datetime import timedelta
from functools import partial
from threading import Event
from types import SimpleNamespace

import pytest
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from accounts import events as account_events
from accounts import factors, passkeys, signin, throttle
from accounts.models import Account, Member, Passkey, Session
from accounts.origin import COMMAND_LINE
from accounts.sessions import SessionStore
from accounts.signin import SignInRefused
from console import demo
from keys import events
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.races.racing import actions_about, assert_sound, many_at_once, somebody_waits_for_a_lock
from tests.threads import at_once, errors
from tests.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)

# --- Guessing passwords -----------------------------------------------------------------------------------------------


def _guess(email: str, address: str, password: str = "wrong") -> int:
    client = Client(REMOTE_ADDR=address, raise_request_exception=False)
    return client.post("/login", {"username": email, "password": password}).status_code


def assert_let_through(answers: list[int], limit: int) -> None:
    """So many guesses were looked at, and the others refused: to wait, or, where the queue was too long, as busy."""
    counted = Counter(answers)
    assert counted[200] == limit
    assert set(counted) <= {200, 429, 503}
    assert counted[429]


@pytest.mark.parametrize("email", ["priya@acme.example", "nobody@acme.example"], ids=["known", "unknown"])
def test_parallel_guesses_of_one_pair_are_never_more_than_five(people, hashed, email):
    answers = many_at_once(lambda: _guess(email, "17.5.7.8"), 20)
    assert_let_through(answers, throttle.PAIR.attempts)
    assert len(hashed) == throttle.PAIR.attempts == 5
    # And the right password, now, is not even looked at.
    assert _guess(email, "17.5.7.8", demo.PASSWORD) == 429
    assert len(hashed) == 5


def test_parallel_guesses_from_everywhere_are_never_more_than_twenty_for_an_email(people, hashed):
    addresses = iter(f"10.0.{number // 200}.{number % 200}" for number in range(10_000))
    answers = many_at_once(lambda: _guess("priya@acme.example", next(addresses)), 40)
    assert_let_through(answers, throttle.EMAIL.attempts)
    assert len(hashed) == throttle.EMAIL.attempts == 20


def test_parallel_guesses_from_one_address_are_never_more_than_a_hundred(people, hashed):
    emails = iter(f"nobody{number}@acme.example" for number in range(10_000))
    answers = many_at_once(lambda: _guess(next(emails), "17.5.7.8"), 120)
    assert_let_through(answers, throttle.ADDRESS.attempts)
    assert len(hashed) == throttle.ADDRESS.attempts == 100


def test_parallel_proofs_of_identity_count_as_guesses(people, hashed):
    """Whoever has a stolen session does not get more guesses at the password by it."""
    priya = people["priya"]
    client = visitor(priya)
    session = client.session
    session["proved_at"] -= timedelta(minutes=10).total_seconds()
    session.save()
    cookies = client.cookies

    def prove() -> int:
        one = Client(raise_request_exception=False)
        one.cookies = cookies.copy()
        url = f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=priya).pk}/show"
        return one.post(url, {"password": "wrong"}).status_code

    answers = many_at_once(prove, 15)
    assert_let_through(answers, 5)
    assert len(hashed) == 5
    assert not actions_about(priya)[events.SHOWN]


def test_throttle_without_a_race_counts_the_same(people, hashed, origin):
    """The races above would also pass if nothing were ever let through."""
    for _ in range(throttle.PAIR.attempts):
        with pytest.raises(SignInRefused) as refused:
            signin.sign_in(None, email="priya@acme.example", password="wrong", origin=origin)
        assert not refused.value.retry_after
    with pytest.raises(SignInRefused) as refused:
        signin.sign_in(None, email="priya@acme.example", password=demo.PASSWORD, origin=origin)
    assert refused.value.retry_after
    connections.close_all()


# --- Signing in -------------------------------------------------------------------------------------------------------


def test_simultaneous_sign_ins_each_get_a_session_of_their_own(people, hashed):
    def sign_in() -> str:
        client = Client(raise_request_exception=False)
        response = client.post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD})
        return client.cookies["keytree_session"].value if response.status_code == 302 else str(response.status_code)

    # Never more at once than may be wrong: a success is counted until it has succeeded.
    rounds = at_once(*[sign_in] * throttle.PAIR.attempts, rounds=3)
    sessions = [session for answers in rounds for session in answers]
    assert not errors(sessions)
    assert len(set(sessions)) == 15
    assert all(len(session) == 32 for session in sessions)
    assert actions_about(people["olivia"])[account_events.SIGNED_IN] == 15
    assert_sound()


@pytest.mark.postgresql_only
def test_sign_in_waits_for_nobody_who_changes_the_user(people, hashed):
    """Whoever changes a user may wait for the chain that a sign-in holds: the two must not wait for each other."""
    held, signed_in, answers = Event(), Event(), []

    def change() -> None:
        with transaction.atomic():
            Member.objects.select_for_update().get(pk=people["olivia"].pk)
            held.set()
            assert signed_in.wait(timeout=20)

    def sign_in() -> None:
        held.wait(timeout=20)
        answers.append(Client().post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD}))
        signed_in.set()

    assert not errors(at_once(change, sign_in)[0])
    assert answers[0].status_code == 302
    assert Member.objects.get(pk=people["olivia"].pk).signed_in_at is None
    Client().post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD})
    assert Member.objects.get(pk=people["olivia"].pk).signed_in_at is not None


def test_simultaneous_sign_ins_leave_no_more_sessions_than_there_may_be(people, hashed):
    Account.objects.filter(pk=ACME).update(most_sessions=2)

    def sign_in() -> int:
        client = Client(raise_request_exception=False)
        return client.post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD}).status_code

    (answers,) = at_once(*[sign_in] * throttle.PAIR.attempts)
    assert set(answers) <= {302, 400}  # 400: ended already when the answer was to be sent
    assert Session.objects.filter(user=people["olivia"].user).count() == 2
    assert actions_about(people["olivia"])[account_events.SESSIONS_ENDED] == 3
    assert_sound()


def test_simultaneous_switches_leave_no_more_sessions_than_there_may_be(people):
    Account.objects.filter(pk=BOREALIS).update(most_sessions=1)
    for _ in range(5):
        tabs = [visitor(people["sam"], raises=False) for _ in range(5)]
        (answers,) = at_once(*[partial(tab.post, "/account/switch", {"account": BOREALIS}) for tab in tabs])
        # 400: ended already when the answer was to be sent
        assert {answer.status_code for answer in answers} <= {302, 400}
        assert Session.objects.filter(user=people["sam"].user, account=BOREALIS).count() == 1
        Session.objects.all().delete()
    assert_sound()


def add_passcode(by: Member) -> None:
    request, seed = SimpleNamespace(session=SimpleNamespace(session_key=None)), factors.begin_passcode(by=by)
    code = seed.code_of(int(timezone.now().timestamp()) // 30)
    assert factors.confirm_passcode(request, code=code, by=by, origin=COMMAND_LINE)


def add_passkey(by: Member) -> None:
    made = {"credential_id": b"1", "public_key": b"1", "sign_count": 0, "created_at": timezone.now()}
    passkeys._insert(Passkey(user=by.user, name="A key", **made), present_key=None, by=by, origin=COMMAND_LINE)


@pytest.mark.postgresql_only
@pytest.mark.parametrize("add", [add_passcode, add_passkey])
def test_sign_in_by_password_alone_waits_for_whoever_adds_the_first_factor(people, hashed, monkeypatch, add):
    """Its session would not be among those that the factor ends: it begins before, or not at all."""
    held, answers, end_sessions_of = Event(), [], factors.end_sessions_of

    def end_sessions(*given, **but) -> int:
        ended = end_sessions_of(*given, **but)
        held.set()
        assert somebody_waits_for_a_lock()
        return ended

    def sign_in() -> None:
        held.wait(timeout=20)
        answers.append(Client().post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD}))

    for module in (factors, passkeys):
        monkeypatch.setattr(module, "end_sessions_of", end_sessions)
    assert not errors(at_once(partial(add, people["olivia"]), sign_in)[0])
    assert "A second factor has been set up in the meantime." in answers[0].content.decode()
    assert not Session.objects.filter(user=people["olivia"].user).exists()


def test_session_that_many_write_at_once_keeps_what_each_put_into_it(people):
    key = visitor(people["sam"]).cookies["keytree_session"].value
    for turn in range(5):
        stores = [SessionStore(key) for _ in range(6)]
        for number, store in enumerate(stores):
            store[f"{turn} {number}"] = number
        assert at_once(*[store.save for store in stores]) == [[None] * 6]
        assert {f"{turn} {number}" for number in range(6)} <= set(SessionStore(key).keys())
