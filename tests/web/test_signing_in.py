"""Signing in: guesses are slowed down, who may and from where, and into which account."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from accounts import signin, throttle
from accounts.models import Account, AttemptCount, Event, Member, User
from console import demo
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.surfaces import SURFACES
from tests.visitors import noting_writes, session_of, visitor
from tests.web.asking import SESSION, address_of, holds_value, is_signed_in, log_in

# What the protocol is told, whatever the database; what each database does is tried in tests/races and elsewhere.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

HASHERS = django_settings.PASSWORD_HASHERS  # before any test sets others

# --- Guessing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["priya", "nobody", "lena", "vpn-berlin"])
def test_sixth_guess_of_a_pair_has_to_wait(name, cast, hashed, clock):
    for _ in range(5):
        answer = log_in(name, "wrong")
        assert answer.status_code == 200
        assert "Retry-After" not in answer.headers
        clock.go_on(seconds=30)
    refused = log_in(name)
    assert (refused.status_code, refused["Retry-After"]) == (429, "150")
    assert "Too many attempts. Try again in 3 minutes." in refused.content.decode()
    assert len(hashed) == 5
    clock.go_on(seconds=149)
    assert log_in(name)["Retry-After"] == "1"
    assert len(hashed) == 5
    clock.go_on(seconds=1)
    assert log_in(name, "wrong").status_code == 200


def test_waiting_is_not_made_longer_by_trying_meanwhile(cast, hashed, clock):
    for _ in range(30):
        log_in("priya", "wrong")
    clock.go_on(minutes=5)
    assert log_in("priya").status_code == 302


@pytest.mark.parametrize(
    "spelled",
    [
        "PRIYA@ACME.EXAMPLE",
        "  priya@acme.example ",
        "\uff50riya@acme.example",
        "pr\u0131ya@acme.example",
        "Priya@acme.example",
    ],
)
def test_a_spelling_of_the_email_is_no_further_guess(spelled, cast, hashed):
    for _ in range(5):
        log_in("priya", "wrong")
    expected = 200 if "\u0131" in spelled else 429  # a dotless i is another letter, and another address
    assert log_in(spelled, "wrong").status_code == expected


def test_twenty_guesses_of_an_email_wherever_from(cast, hashed, clock):
    for number in range(20):
        assert log_in("priya", "wrong", REMOTE_ADDR=f"10.0.0.{number}").status_code == 200
    refused = log_in("priya", REMOTE_ADDR="10.0.1.1")
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert log_in("marcus", REMOTE_ADDR="10.0.1.1").status_code == 302
    clock.go_on(minutes=15)
    assert log_in("priya", REMOTE_ADDR="10.0.1.1").status_code == 302


def test_a_hundred_guesses_from_an_address_whoever_for(cast, hashed, clock):
    for number in range(100):
        assert log_in(f"somebody{number}", "wrong", REMOTE_ADDR="10.0.0.1").status_code == 200
    kept = AttemptCount.objects.count()
    refused = log_in("priya", REMOTE_ADDR="10.0.0.1")
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert AttemptCount.objects.count() == kept  # nor does it fill the table with addresses that it makes up
    assert log_in("priya", REMOTE_ADDR="10.0.0.2").status_code == 302


def test_a_forged_address_is_no_other_address(cast, hashed):
    for number in range(5):
        log_in("priya", "wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}", HTTP_X_REAL_IP=f"10.0.1.{number}")
    assert log_in("priya", HTTP_X_FORWARDED_FOR="10.0.9.9").status_code == 429


def test_a_success_clears_its_own_pair_and_no_other(cast, hashed, clock):
    for address in ("10.0.0.1", "10.0.0.2"):
        for _ in range(4):
            log_in("priya", "wrong", REMOTE_ADDR=address)
    assert log_in("priya", REMOTE_ADDR="10.0.0.1").status_code == 302
    counts = {row.key: row.count for row in AttemptCount.objects.all()}
    own, other = (throttle._keys("priya@acme.example", address) for address in ("10.0.0.1", "10.0.0.2"))
    assert [counts[key] for _, key in own] == [0, 8, 4]
    assert [counts[key] for _, key in other] == [4, 8, 4]
    assert log_in("priya", "wrong", REMOTE_ADDR="10.0.0.2").status_code == 200
    assert log_in("priya", REMOTE_ADDR="10.0.0.2").status_code == 429


def test_right_password_given_as_proof_is_counted_as_no_guess(cast, hashed, origin):
    """Whoever shows values all day proves who they are again and again."""
    for _ in range(2 * throttle.PAIR.attempts):
        signin.check_password(cast["priya"].user, password=demo.PASSWORD, origin=origin)
    assert log_in("priya", REMOTE_ADDR=origin.address).status_code == 302


def test_signing_in_rightly_does_not_make_room_for_guesses(cast, hashed):
    """Whoever has an account of their own could otherwise guess at another's between two of their own sign-ins."""
    said = []
    for _ in range(8):
        said += [log_in("marcus", "wrong").status_code for _ in range(4)]
        log_in("sam")
    assert Counter(said) == {200: 5, 429: 27}


def test_live_sessions_are_not_ended_by_guesses(cast, hashed, key_url):
    client = visitor(cast["priya"])
    for _ in range(30):
        log_in("priya", "wrong")
    assert is_signed_in(client)
    assert holds_value(client.post(f"{key_url}/show"))


def proofs(key_url: str) -> dict[str, Callable[[Client, str], HttpResponse]]:
    """The ways in which a password is given in an open session."""
    return {
        "as proof": lambda client, password: client.post(f"{key_url}/show", {"password": password}),
        "to change it": lambda client, password: client.post(
            "/user/security/password", {"current": password, "password": "a better pass phrase"}
        ),
    }


@pytest.mark.parametrize("way", ["as proof", "to change it"])
def test_strangers_who_fail_keep_nobody_from_proving_who_they_are(way, cast, hashed, clock, key_url):
    """Whatever of the counts at the login page is full: the address's, that of its place, and that of both together."""
    client = visitor(cast["priya"])
    clock.go_on(minutes=6)
    # Counted as failures at the login page are.
    for number in range(20):
        throttle.count_attempt("priya@acme.example", f"10.0.0.{number // 5}")
    for number in range(100):
        throttle.count_attempt(f"{'priya' if number < 5 else number}@acme.example", "127.0.0.1")
    assert log_in("priya").status_code == log_in("priya", REMOTE_ADDR="10.0.1.1").status_code == 429
    answer = proofs(key_url)[way](client, demo.PASSWORD)
    assert holds_value(answer) if way == "as proof" else answer["Location"] == "/user/security"


@pytest.mark.parametrize("way", ["as proof", "to change it"])
def test_guesses_in_a_session_have_to_wait_and_keep_nobody_from_logging_in(way, cast, hashed, clock, key_url):
    stolen, give = visitor(cast["priya"]), proofs(key_url)[way]
    clock.go_on(minutes=6)
    assert [give(stolen, "wrong").status_code for _ in range(5)] == [200] * 5
    refused = give(stolen, demo.PASSWORD)
    assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    assert "Too many attempts. Try again in 5 minutes." in refused.content.decode()
    assert len(hashed) == 5
    own = Client()
    assert log_in("priya", client=own).status_code == 302
    assert holds_value(own.post(f"{key_url}/show"))  # who has just logged in needs no other proof
    clock.go_on(minutes=5)
    assert give(stolen, "wrong").status_code == 200


def test_guesses_in_sessions_are_counted_wherever_from(cast, hashed, clock, key_url):
    stolen, guess = visitor(cast["priya"]), {"password": "wrong"}
    clock.go_on(minutes=6)
    for number in range(20):
        place = f"10.0.0.{number // 5}"
        assert stolen.post(f"{key_url}/show", guess, REMOTE_ADDR=place).status_code == 200
    refused = stolen.post(f"{key_url}/show", {"password": demo.PASSWORD}, REMOTE_ADDR="10.0.1.1")
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert log_in("priya", REMOTE_ADDR="10.0.0.1").status_code == 302
    clock.go_on(minutes=15)
    assert holds_value(stolen.post(f"{key_url}/show", {"password": demo.PASSWORD}))


def test_known_and_unknown_emails_are_answered_alike(cast, hashed, settings):
    """Page, status, headers, cookies, and the one hash: nothing tells who exists, whatever their status."""
    settings.IS_DEMO = False  # the demo's login page lists its people
    answers = []
    for name in ("priya", "dmitri", "lena", "vpn-berlin", "nobody", "x" * 200):
        client = Client()
        client.get("/login")
        done = len(hashed)
        response = log_in(name, "wrong", client=client, REMOTE_ADDR=f"10.0.0.{len(answers)}")
        assert len(hashed) == done + 1
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
        page = page.replace(f"{name}@acme.example", "(typed)")
        headers = {
            name: text for name, text in response.headers.items() if name not in ("X-Request-ID", "Content-Length")
        }
        answers.append((response.status_code, page, headers, sorted(response.cookies)))
    assert all("(typed)" in page for _, page, *_ in answers)
    assert all(answer == answers[0] for answer in answers[1:])


class Stopwatch:
    """A clock for ``time.monotonic`` that goes on where the code waits, or is told to work."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def test_known_and_unknown_emails_take_the_same_time(cast, monkeypatch):
    """Only one of them leaves an event, and here the work differs tenfold: the answer's time evens it out."""
    watch = Stopwatch()
    monkeypatch.setattr(signin, "time", watch)
    monkeypatch.setattr("accounts.models.User.check_password", lambda *_: watch.sleep(0.1))
    monkeypatch.setattr("accounts.models.User.set_password", lambda *_: watch.sleep(0.01))
    took = {}
    for name in ("priya", "lena", "nobody"):
        began = watch.now
        log_in(name, "wrong")
        took[name] = round(watch.now - began, 6)
    assert set(took.values()) == {signin._REFUSAL_SECONDS} == {0.25}


# --- Who may sign in, and from where ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["invalid", "pending", "processing", "vpn_only"])
def test_who_may_not_sign_in_is_told_after_the_right_password_alone(cast, hashed, status):
    Member.objects.filter(pk=cast["priya"].pk).update(status=status)
    client = Client()
    wrong, right = log_in("priya", "wrong", client=client), log_in("priya", client=client)
    assert "The email or the password is wrong." in wrong.content.decode()
    assert "Your user cannot log in to any account." in right.content.decode()
    assert right.status_code == 200
    assert SESSION not in client.cookies
    assert not is_signed_in(client)
    assert (
        list(Event.objects.order_by("pk").values_list("action", "outcome"))[-2:]
        == [("user.sign_in_refused", "refused")] * 2
    )


def test_a_password_that_was_never_set_is_no_password(cast):
    """Of those who were only invited, and of VPN-only users: not the empty one, not the marker itself."""
    for name in ("lena", "vpn-berlin"):
        user = User.objects.get(email=f"{name}@acme.example")
        for password in (user.password, user.password[1:], "!", " "):
            client = Client(REMOTE_ADDR="10.0.0.9")
            AttemptCount.objects.all().delete()
            assert log_in(name, password, client=client).status_code == 200
            assert SESSION not in client.cookies


def test_suspended_member_sees_why_on_every_page_and_can_leave(cast, numbers):
    client = visitor(cast["dmitri"])
    for surface in SURFACES:
        if surface.for_any_status:
            continue
        response = client.generic(surface.method, address_of(surface.route, numbers) + surface.query)
        assert response.status_code == 403, surface.name
        page = response.content.decode()
        assert Event.objects.filter(action="console.refused", outcome="refused").count() in {1, 2}  # one a minute
        assert "You are suspended in <b>1234567 - Acme Robotics</b>." in page, surface.name
        # Sam, who invited Dmitri, cannot.
        assert "Someone who manages users, or the account owner, can lift it." in page
        assert "priya" not in page.casefold(), surface.name
        assert 'href="/iam/' not in page, surface.name
    assert client.post("/logout").status_code == 302


def test_member_suspended_in_one_account_works_in_the_other(cast, hashed):
    Member.objects.filter(pk=cast["sam"].pk).update(status="suspended")
    client = Client()
    assert log_in("sam", client=client).status_code == 302
    answer = client.get("/iam/apikeys")
    assert answer.status_code == 200  # the pages of those who are kept out name the other account too
    assert "7654321 - Borealis Labs" in answer.content.decode()
    assert client.post("/account/switch", {"account": ACME}).status_code == 302
    assert client.get("/iam/apikeys").status_code == 403
    assert client.post("/account/switch", {"account": BOREALIS}).status_code == 302
    assert client.get("/iam/apikeys").status_code == 200


@pytest.mark.parametrize("of", ["member", "account"])
def test_address_restriction_holds_at_sign_in_and_at_each_later_request(cast, hashed, of, numbers):
    def restrict(text: str) -> None:
        rows = Member.objects.filter(pk=cast["priya"].pk) if of == "member" else Account.objects.filter(pk=ACME)
        rows.update(allowed_addresses=text)

    restrict("10.0.0.0/8")
    for _ in range(5):
        outside = log_in("priya", REMOTE_ADDR="17.5.7.8")
        assert outside.status_code == 200
        assert "You cannot log in from this address." in outside.content.decode()
    assert log_in("priya", REMOTE_ADDR="17.5.7.8").status_code == 429  # each was an event
    client = Client(REMOTE_ADDR="10.1.2.3")
    assert log_in("priya", client=client).status_code == 302
    assert is_signed_in(client)
    for surface in SURFACES:
        if not surface.for_any_status:
            with noting_writes() as written:
                url = address_of(surface.route, numbers) + surface.query
                response = client.generic(surface.method, url, REMOTE_ADDR="17.5.7.8")
            assert response.status_code == 403, surface.name
            assert "You are connecting from <code>17.5.7.8</code>" in response.content.decode()
            assert written <= {"accounts_event", "accounts_auditchain"}, surface.name
    minutes = Event.objects.filter(action="console.refused", actor_id=cast["priya"].pk, address="17.5.7.8").count()
    assert 1 <= minutes <= 2  # an event a minute, however often the page is asked for
    assert is_signed_in(client)  # from the allowed address, the same session goes on
    restrict("17.5.7.8")
    assert not is_signed_in(client)
    forged = client.get("/iam/activity", HTTP_X_FORWARDED_FOR="17.5.7.8", HTTP_X_REAL_IP="17.5.7.8")
    assert forged.status_code == 403
    restrict("(nonsense that no form lets in")
    assert not is_signed_in(client)  # closed when in doubt
    assert client.post("/logout").status_code == 302


def test_unknown_address_passes_no_restriction(cast):
    Member.objects.filter(pk=cast["priya"].pk).update(allowed_addresses="0.0.0.0/0")
    client = visitor(cast["priya"])
    assert client.get("/iam/activity").status_code == 200
    assert client.get("/iam/activity", REMOTE_ADDR="").status_code == 403


def test_sign_in_leads_to_an_account_that_allows_the_address(cast, hashed):
    Member.objects.filter(pk=cast["sam"].pk).update(allowed_addresses="10.0.0.0/8")
    client = Client(REMOTE_ADDR="17.5.7.8")
    assert log_in("sam", client=client).status_code == 302
    answer = client.get("/iam/apikeys")
    assert answer.status_code == 200  # the pages of those who are kept out name the other account too
    assert "7654321 - Borealis Labs" in answer.content.decode()
    assert client.post("/account/switch", {"account": ACME}).status_code == 302
    assert client.get("/iam/apikeys").status_code == 403


# --- Accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "account", [BOREALIS, 1_000_000, 0, -1, 2**31, 2**63, 2**200, "", "x", "1234567 ", "١٢٣٤٥٦٧", "\x00"]
)
def test_switching_to_an_account_one_is_not_in_is_404(cast, account):
    client = visitor(cast["priya"], raises=False)
    with noting_writes() as written:
        response = client.post("/account/switch", {"account": account})
    if str(account).strip() in ("1234567", "١٢٣٤٥٦٧"):
        assert response.status_code == 302  # her own, however it is written
        return
    assert response.status_code == 404
    assert not written
    assert session_of(client)["account_id"] == ACME


def test_what_belongs_to_the_other_account_is_404_until_one_switches(cast):
    """One person, two accounts: what is theirs there is not theirs here."""
    there = Member.objects.select_related("user").get(account=BOREALIS, parent=None)
    other = Member.objects.get(account=BOREALIS, parent=there)
    client = visitor(cast["sam"])
    assert client.get(f"/iam/users/{other.pk}").status_code == 404
    assert f'href="/iam/users/{other.pk}"' not in client.get("/iam/users").content.decode()
    assert client.post("/account/switch", {"account": BOREALIS})["Location"] == "/"
    assert client.get(f"/iam/users/{other.pk}").status_code == 200
    assert client.get(f"/iam/users/{cast['priya'].pk}").status_code == 404
    key = ClassicKey.objects.get(holder=cast["sam"])
    for action in ("", "/delete"):
        assert client.get(f"/iam/apikeys/classic/{key.pk}{action}").status_code == 404
    for action in ("show", "download", "delete", "restriction"):
        assert client.post(f"/iam/apikeys/classic/{key.pk}/{action}").status_code == 404


def test_a_membership_that_is_gone_is_not_fallen_back_to(cast):
    """The session names an account that one is no longer in: another of one's own is shown, never that one."""
    noor = visitor(cast["noor"])
    Member.objects.filter(pk=cast["noor"].pk).update(status="invalid")
    page = noor.get("/iam/users").content.decode()
    assert "7654321 - Borealis Labs" in page
    assert "Acme Robotics" not in page


def test_hashes_are_as_slow_as_promised(settings):
    """The tests here leave hashing out; what is left out is Argon2id."""
    settings.PASSWORD_HASHERS = HASHERS
    encoded = make_password("hard to guess, easy to read")
    assert re.match(r"argon2\$argon2id\$v=19\$m=19456,t=2,p=1\$", encoded)


def test_constants_are_those_promised():
    limits = [(limit.attempts, limit.window) for limit in (throttle.PAIR, throttle.EMAIL, throttle.ADDRESS)]
    minutes = [timedelta(minutes=n) for n in (5, 15, 15)]
    assert limits == list(zip((5, 20, 100), minutes, strict=True))
    assert timedelta(minutes=5) == signin.FRESH_PROOF
    assert [(limit.attempts, limit.window) for limit in throttle.PROOFS] == limits[:2]
    assert (throttle.NETWORK.attempts, throttle.NETWORK.window) == (1_000, minutes[2])
    kept = SimpleNamespace(
        idle=django_settings.KEYTREE_SESSION_IDLE_MINUTES, hours=django_settings.KEYTREE_SESSION_HOURS
    )
    assert (kept.idle, kept.hours) == (30, 12)
    assert connection.vendor in ("sqlite", "postgresql")


def test_addresses_of_one_home_are_one_place(db):
    """An IPv6 network of 64 bits: whoever has one has more addresses than there are guesses."""
    home = [f"2001:db8:0:1:{number:x}::{number:x}" for number in range(1, 9)]
    waits = [throttle.count_attempt("priya@acme.example", address) for address in home]
    assert [wait is None for wait in waits] == [True] * 5 + [False] * 3
    assert throttle.count_attempt("priya@acme.example", "2001:db8:0:2::1") is None
    assert throttle.count_attempt("sam@acme.example", home[0]) is None


def test_homes_of_one_network_have_a_count_together(cast, hashed, monkeypatch):
    """An IPv6 network of 48 bits: one customer may have it, who has as many homes as there are in a town."""
    limit = throttle.Limit("network", 8, throttle.NETWORK.window)
    monkeypatch.setattr(throttle, "NETWORK", limit)

    def guess(number: int, password: str = "wrong") -> int:
        return log_in(
            "priya" if password != "wrong" else f"{number}", password, REMOTE_ADDR=f"2001:db8:0:{number}::1"
        ).status_code

    assert [guess(number) for number in range(7)] == [200] * 7
    assert guess(7, demo.PASSWORD) == 302  # no guess, and taken out again
    assert [guess(number) for number in range(8, 12)] == [200] + [429] * 3
    answer = Client().post("/reset", {"email": "priya@acme.example"}, REMOTE_ADDR="2001:db8:0:99::1")
    assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
    assert log_in("priya", REMOTE_ADDR="2001:db8:1::1").status_code == 302


def test_those_from_nowhere_known_are_one_place(db):
    """As behind a declared proxy that says no address."""
    waits = [throttle.count_attempt("priya@acme.example", None) for _ in range(6)]
    assert [wait is None for wait in waits] == [True] * 5 + [False]
    assert throttle.count_attempt("priya@acme.example", "17.5.7.8") is None
