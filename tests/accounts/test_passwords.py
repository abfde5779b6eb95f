"""Passwords changed by their user, and chosen anew by a link in a mail."""

import re
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import invitations, memberships, outbox, resets, signin
from accounts.enums import Permission
from accounts.invitees import read
from accounts.models import AttemptCount, Event, Invitation, Mail, Member, PasswordReset, Session, User
from accounts.tokens import token_of
from console import demo
from tests.accounts.inviting import invite
from tests.conftest import ACME, BOREALIS
from tests.visitors import noting_writes, session_of, visitor

pytestmark = pytest.mark.django_db
NEW = "a better pass phrase"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    """A refusal takes no time."""
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)


def is_open(client: Client) -> bool:
    return client.get("/iam/apikeys").status_code == 200


def logs_in(name: str, password: str) -> bool:
    answer = Client().post("/login", {"username": f"{name}@acme.example", "password": password})
    return answer.status_code == 302


def change(client: Client, current: str = demo.PASSWORD, new: str = NEW) -> str:
    answer = client.post("/user/security/password", {"current": current, "password": new})
    return answer.get("Location") or answer.content.decode()


def told() -> list[tuple[str, str]]:
    """Who is told of what."""
    return sorted(Mail.objects.exclude(event=None).values_list("recipient", "event__action"))


# --- Changing ---------------------------------------------------------------------------------------------------------


def test_changed_password_ends_the_users_other_sessions_and_is_told(cast):
    here, there, others = visitor(cast["noor"]), visitor(cast["noor"]), visitor(cast["priya"])
    before = here.cookies[django_settings.SESSION_COOKIE_NAME].value
    assert "/user/security/password" in here.get("/user/security").content.decode()
    assert change(here) == "/user/security"
    assert [is_open(client) for client in (here, there, others)] == [True, False, True]
    assert here.cookies[django_settings.SESSION_COOKIE_NAME].value != before
    assert Session.objects.filter(user=cast["noor"].user).count() == 1
    assert (logs_in("noor", NEW), logs_in("noor", demo.PASSWORD)) == (True, False)
    changed = Event.objects.filter(action="user.password_changed").order_by("account_id")
    assert [event.account_id for event in changed] == [ACME, BOREALIS]  # both accounts are concerned
    assert {event.details for event in changed} == {'{"sessions ended": 1}'}
    assert told() == [("noor@acme.example", "user.password_changed")]  # once


def test_password_is_changed_with_the_current_one_alone(cast):
    client, other = visitor(cast["noor"]), visitor(cast["noor"])
    page = change(client, current="not this one")
    assert "This password is wrong. Try again." in page
    assert "not this one" not in page
    page = change(client, new="noor@acme.example")
    assert 'id="id_password_error"' in page
    assert (logs_in("noor", demo.PASSWORD), is_open(other)) == (True, True)
    for _ in range(6):
        answer = client.post("/user/security/password", {"current": "wrong", "password": NEW})
    assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
    assert not Event.objects.filter(action="user.password_changed").exists()


def test_password_that_was_changed_meanwhile_is_not_changed_again(cast, monkeypatch):
    client = visitor(cast["noor"])
    genuine = signin.check_password

    def meanwhile(user, **arguments):
        genuine(user, **arguments)
        User.objects.filter(pk=user.pk).update(password="set by somebody else")

    monkeypatch.setattr(signin, "check_password", meanwhile)
    assert "has been changed in the meantime" in change(client)
    assert User.objects.get(pk=cast["noor"].user_id).password == "set by somebody else"


# --- The link ---------------------------------------------------------------------------------------------------------


def ask(email: str, **environ: str):
    return Client().post("/reset", {"email": email}, **environ)


def link_in(message) -> str:
    return re.search(r"/reset/\S+", message.body)[0]


@pytest.fixture
def link(cast, mailoutbox) -> str:
    """The link that Noor was sent."""
    ask("noor@acme.example")
    outbox.send_due()
    return link_in(mailoutbox[-1])


def test_link_sets_another_password_once_ends_all_sessions_and_is_told(cast, link, mailoutbox):
    open_here = visitor(cast["noor"])
    message = mailoutbox[-1]
    assert message.to == ["noor@acme.example"]
    assert f"http://127.0.0.1:8000{link}" in message.body  # the configured address, whatever the host of the request
    client = Client()
    page = client.get(link).content.decode()
    assert "noor@acme.example" in page
    assert "at least 12" in client.post(link, {"password": "short"}).content.decode()
    assert client.post(link, {"password": NEW})["Location"] == "/login"
    assert (logs_in("noor", NEW), logs_in("noor", demo.PASSWORD), is_open(open_here)) == (True, False, False)
    assert "_auth_user_id" not in session_of(client)  # a mail signs nobody in
    assert [client.get(link).status_code, client.post(link, {"password": NEW * 2}).status_code] == [404, 404]
    assert not logs_in("noor", NEW * 2)
    events = Event.objects.filter(action="user.password_reset").order_by("account_id")
    assert [(event.account_id, event.actor_id) for event in events] == [(ACME, None), (BOREALIS, None)]
    assert told() == [("noor@acme.example", "user.password_reset")]
    outbox.send_due()
    assert "If this was not you: set a new password at once: http://127.0.0.1:8000/reset" in mailoutbox[-1].body
    assert link not in mailoutbox[-1].body


@pytest.mark.parametrize("status", ["active", "invalid"])  # with the second, the session signs nobody in any more
def test_link_is_used_by_somebody_who_is_logged_in(cast, link, mailoutbox, status, monkeypatch):
    """As whoever is told by mail of a password that they did not change, and asks for a link at once."""
    monkeypatch.setattr(resets, "_may_reset", lambda _: True)  # as somebody may who is invited elsewhere
    noor, priya = visitor(cast["noor"]), visitor(cast["priya"])
    Member.objects.filter(user=cast["noor"].user_id).update(status=status)
    answer = noor.post(link, {"password": NEW})
    assert (answer.status_code, answer["Location"]) == (302, "/login")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert "Password set" in noor.get("/login").content.decode()
    assert not is_open(noor)
    # Somebody else's browser stays theirs.
    Member.objects.filter(user=cast["noor"].user_id).update(status="active")
    ask("noor@acme.example")
    outbox.send_due()
    another = next(message for message in mailoutbox[1:] if "/reset/ktr_" in message.body)  # before what else is told
    assert priya.post(link_in(another), {"password": f"{NEW}, once more"})["Location"] == "/login"
    assert is_open(priya)


def test_link_is_good_for_an_hour(cast, link, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=59))
    assert Client().get(link).status_code == 200
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=61))
    assert [Client().get(link).status_code, Client().post(link, {"password": NEW}).status_code] == [404, 404]


@pytest.mark.parametrize("what", ["password", "email", "status", "token", "digest"])
def test_link_is_void_after_a_change_or_when_it_was_made_up(cast, link, what):
    row, noor = PasswordReset.objects.get(), cast["noor"].user_id
    match what:
        case "password":
            assert change(visitor(cast["noor"])) == "/user/security"
        case "email":
            User.objects.filter(pk=noor).update(email="noor@other.example")
        case "status":
            Member.objects.filter(user=noor).update(status="vpn_only")
        case "token":
            link = link[:-1] + ("A" if link[-1] != "A" else "B")
        case "digest":  # planted by somebody who writes to the database, and not derived from the ring
            import hashlib

            link = "/reset/ktr_planted"
            PasswordReset.objects.filter(pk=row.pk).update(token_digest=hashlib.sha256(b"ktr_planted").digest())
    before = User.objects.get(pk=noor).password
    assert Client().post(link, {"password": NEW + " once more"}).status_code == 404
    assert User.objects.get(pk=noor).password == before


def test_known_and_unknown_addresses_are_answered_alike_with_the_same_statements(cast):
    """Page, status, headers, and what is asked of the database, whoever's the address is: the rest is the outbox's."""
    answers = []
    for number, name in enumerate(("noor", "nobody", "lena", "vpn-berlin", "dmitri")):
        with noting_writes() as written, CaptureQueriesContext(connection) as asked:
            answer = ask(f"{name}@acme.example", REMOTE_ADDR=f"10.0.0.{number}")
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
        headers = {k: v for k, v in answer.headers.items() if k not in ("X-Request-ID", "Content-Length")}
        answers.append((answer.status_code, page.replace(f"{name}@acme.example", "x"), headers, written, len(asked)))
    assert answers[0][0] == 200
    assert all(answer == answers[0] for answer in answers)
    assert not Event.objects.filter(action__startswith="user.password").exists()


def test_link_is_mailed_to_whoever_signs_in_and_to_nobody_else(cast, mailoutbox):
    Member.objects.filter(pk=cast["marcus"].pk).update(status="invalid")
    for name in ("priya", "dmitri", "nobody", "lena", "vpn-berlin", "marcus"):
        assert ask(f"{name.upper()}@acme.example").status_code == 200
    outbox.send_due()
    assert sorted(message.to[0] for message in mailoutbox) == ["dmitri@acme.example", "priya@acme.example"]
    assert not Mail.objects.exists()


def test_link_is_mailed_to_whoever_has_a_password_and_is_invited(cast, origin, mailoutbox):
    """They join with that password; and it is good as long as the invitation is."""
    by = {"by": cast["olivia"], "origin": origin}
    memberships.remove_member(member=cast["priya"], hand_over=True, **by)
    invitations.invite(invitees=read("priya@acme.example, new@acme.example"), granted=Permission(0), **by)
    Mail.objects.all().delete()
    for name in ("priya", "new"):
        ask(f"{name}@acme.example")
    outbox.send_due()
    assert [message.to for message in mailoutbox] == [["priya@acme.example"]]
    link = link_in(mailoutbox[-1])
    waiting = Invitation.objects.filter(member__user__email="priya@acme.example")
    expires_at = waiting.get().expires_at
    waiting.update(expires_at=timezone.now())
    assert Client().get(link).status_code == 404
    waiting.update(expires_at=expires_at)
    assert Client().post(link, {"password": NEW})["Location"] == "/login"
    answer = Client().post("/login", {"username": "priya@acme.example", "password": NEW})
    assert "To join an account that invited you, open the link in its email." in answer.content.decode()
    client, join = Client(), f"/invitations/{token_of(waiting.get())}"
    assert 'href="/reset"' in client.get(join).content.decode()
    assert client.post(join, {"password": NEW}).status_code == 302
    assert is_open(client)


def test_late_mail_is_not_sent(cast, mailoutbox):
    ask("noor@acme.example")
    PasswordReset.objects.update(expires_at=timezone.now())
    outbox.send_due()
    assert (mailoutbox, Mail.objects.count()) == ([], 0)


def test_link_does_not_wait_behind_the_invitations_that_an_account_sends(cast, mailoutbox):
    """It is good for an hour, and somebody may invite so many that their mails take longer."""
    invite(visitor(cast["marcus"]), "a@new.example b@new.example")
    ask("noor@acme.example")
    invite(visitor(cast["marcus"]), "c@new.example")
    outbox.send_due()
    assert [message.to[0].partition("@")[0] for message in mailoutbox] == ["noor", "a", "b", "c"]


def test_asking_again_and_again_has_to_wait_and_keeps_nobody_from_logging_in(cast):
    for email in ("noor@acme.example", "nobody@acme.example"):
        AttemptCount.objects.all().delete()
        statuses = [ask(email).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert "Retry-After" in ask(email).headers
    assert logs_in("noor", demo.PASSWORD)


def test_without_a_mail_server_the_page_says_so(cast, settings):
    settings.KEYTREE_SENDS_MAIL = False
    answer = ask("noor@acme.example")
    assert "no mail server" in answer.content.decode()
    assert not PasswordReset.objects.exists()
    assert "Forgot password?" in Client().get("/login").content.decode()


def test_old_requests_are_cleared_away(cast):
    ask("noor@acme.example")
    PasswordReset.objects.update(expires_at=timezone.now() - timedelta(days=2))
    ask("priya@acme.example")
    assert PasswordReset.objects.get().email == "priya@acme.example"
