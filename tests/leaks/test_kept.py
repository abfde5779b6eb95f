"""Where a key's value, a token or a seed must not be in what is kept: no log, event, mail or command's words hold it.

The keys here have values that are known, and everything that is done with keys is done first: created, shown,
downloaded, called with. That the search finds what is there is shown in test_search.py.
"""

import io
import json
import re

import pyotp
import pytest
from django.core.management import call_command

from accounts import outbox
from accounts.models import Event, Member, Session
from console import demo
from console.middleware import ALWAYS
from keys import lifecycle
from keys.api.application import ApiApplication
from keys.material import PlainValue
from keys.models import ClassicKey
from tests.conftest import BOREALIS
from tests.keys.api.calling import send
from tests.keys.calls import django
from tests.keys.reporting import report
from tests.leaks.acts import call_interface, call_with, fails_holding, use_in_earnest
from tests.leaks.search import VALUE, Seeker, database_cells, everything_kept, parts_of
from tests.trees import make_platform_key
from tests.visitors import body_of, visitor
from tests.web.asking import SESSION

pytestmark = pytest.mark.django_db


def test_a_plain_value_prints_as_dots():
    value = PlainValue(VALUE)
    shown = (
        str(value),
        repr(value),
        f"{value}",
        f"{[value]}",
        json.dumps(str(value)),
        repr({"v": value}),
    )
    assert not any(Seeker([VALUE]).finds(text) for text in shown)


def test_values_are_in_no_log(people, cast, known, known_platform, seeker, log):  # noqa: PLR0917 - what is done
    use_in_earnest(people, known, known_platform)
    for client in people.values():
        for url in ("/iam/apikeys", "/iam/apikeys/classic.csv", "/iam/activity", "/iam/users"):
            body_of(client.get(url))
        client.post(f"/iam/users/{cast['noor'].pk}/classic_key")
        client.post(f"/iam/users/{cast['noor'].pk}/platform_key", {"name": "New", "leaked_action": "disable"})
    assert not re.search("ktp_[0-9A-Za-z]{49}", "\n".join(log.made))
    assert any("keys_classickey" in line for line in log.made)  # statements of the database are among them
    assert any("Not Found" in line or "Forbidden" in line for line in log.made)
    assert len(log.printed.getvalue().splitlines()) > 100
    assert not [line for line in log.made if seeker.finds(line)]
    assert not seeker.finds(log.printed.getvalue())


def test_token_of_an_invitation_is_in_its_mail_and_nowhere_else(people, cast, log, mailoutbox, settings):
    """Opened, guessed at, used and cancelled: it is in no answer, row, log, or page of somebody else."""
    links = []
    for address in ("one@new.example", "two@new.example"):
        people["marcus"].post("/iam/users/invite_users", {"addresses": address})
        outbox.send_due()
        links.append(re.search(r"/invitations/\S+", mailoutbox[-1].body)[0])
    seeker = Seeker(link.rpartition("/")[2] for link in links)
    second = Member.objects.get(user__email="two@new.example")
    asked = [("GET", link, {}) for link in links]
    asked += [("POST", links[0], {"name": "One", "password": password}) for password in ("short", "a long pass phrase")]
    asked += [("GET", links[0], {}), ("POST", links[0], {}), ("PUT", links[1], {})]
    for method, link, fields in asked:
        client = visitor()
        response = client.post(link, fields) if method == "POST" else client.generic(method, link)
        # The page itself says its address once: choosing a theme comes back to it.
        found = [part for part, data in parts_of(response) if seeker.finds(data)]
        assert set(found) <= {"body"}, (method, fields)
        assert response.content.decode().count(link) == (0 if response.status_code in (302, 405) else 1)
    pages = ["/iam/users", "/iam/activity", "/iam/activity.csv", f"/iam/users/{second.pk}"]
    for client in people.values():
        for page in pages:
            assert not any(seeker.finds(data) for _, data in parts_of(client.get(page))), page
    people["marcus"].post(f"/iam/users/{second.pk}/cancel_invite")
    people["olivia"].get(links[1])
    kept = [(place, content) for place, content in everything_kept() if not place.startswith("mail ")]
    assert not [place for place, content in kept if seeker.finds(content)]
    assert not seeker.finds(log.printed.getvalue())
    assert "/invitations/[redacted]" in log.printed.getvalue()
    assert not any(seeker.finds(message.subject) for message in mailoutbox)


def test_secrets_of_login_security_are_in_one_answer_each_and_nowhere_else(people, log, mailoutbox, monkeypatch):
    """The seed, the recovery codes and the link of a reset: each made and used, rightly and wrongly."""
    noor = people["noor"]
    page = noor.post("/user/security/passcode")
    (seed,) = re.findall(r"data-value-text>([^<]+)<", body_of(page).decode())
    app = pyotp.TOTP(seed.replace(" ", ""))
    noor.post("/user/security/passcode", {"code": "000000"})
    done = noor.post("/user/security/passcode", {"code": app.now()})
    codes = re.search(r"data-value-text>([^<]+)<", body_of(done).decode())[1].split("\n")
    client = visitor()
    for code in ("wrong", codes[0], codes[0]):
        client.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
        client.get("/login/code")
        client.post("/login/code", {"code": code})
        client.post("/logout")
    visitor().post("/reset", {"email": "noor@acme.example"})
    outbox.send_due()
    (reset,) = [message for message in mailoutbox if "/reset/ktr_" in message.body]
    link = re.search(r"/reset/\S+", reset.body)[0]
    seeds = [seed, seed.replace(" ", "")]
    seeker = Seeker([*seeds, *codes, *(code.replace("-", "") for code in codes), link.rpartition("/")[2]])
    asked = [visitor().get(link), visitor().post(link, {"password": "short"})]
    monkeypatch.setattr("accounts.views.passwords.passwords.reset", fails_holding("x"))
    asked.append(visitor(raises=False).post(link, {"password": "a longer pass phrase"}))
    assert asked[-1].status_code == 500
    asked += [noor.get(path) for path in ("/user/security", "/iam/activity", "/iam/activity.csv", "/user/sessions")]
    asked += [noor.get("/user/security/passcode"), noor.get("/user/security/recovery_codes")]
    asked += [people["marcus"].get(path) for path in ("/iam/activity", "/iam/users")]
    for response in asked:
        # The page of a link says its own address once: choosing a theme comes back to it.
        text = body_of(response).decode().replace(link, "")
        headers = dict(response.headers.items())
        assert not seeker.finds(text + str(headers) + response.cookies.output()), response.request["PATH_INFO"]
    kept = [(place, content) for place, content in everything_kept() if "Set a new password" not in place]
    assert not [place for place, content in kept if seeker.finds(content)]
    assert not [line for line in log.made if Seeker([*seeds, *codes]).finds(line)]
    assert not seeker.finds(log.printed.getvalue())
    assert "/reset/[redacted]" in log.printed.getvalue()


def test_key_of_a_session_is_in_its_cookie_and_nowhere_else(people, log):
    """Whoever has a copy of the database goes on in nobody's session, nor where a code is still asked for."""
    noor, second_stage = people["noor"], visitor()
    seed = re.findall(r"data-value-text>([^<]+)<", body_of(noor.post("/user/security/passcode")).decode())[0]
    noor.post("/user/security/passcode", {"code": pyotp.TOTP(seed.replace(" ", "")).now()})
    second_stage.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
    people["sam"].post("/account/switch", {"account": BOREALIS})
    clients = [second_stage, *(client for client in people.values() if SESSION in client.cookies)]
    cookies = [client.cookies[SESSION].value for client in clients]
    assert Session.objects.count() == len(cookies) > 5
    seeker = Seeker(cookies)
    assert not [place for place, content in everything_kept() if seeker.finds(content)]
    assert not [line for line in log.made if seeker.finds(line)]
    thief = visitor()
    for row in Session.objects.all():
        thief.cookies[SESSION] = row.pk
        assert thief.get("/iam/apikeys")["Location"].startswith("/login")
        assert thief.get("/login/code")["Location"] == "/login"


def test_an_error_while_verifying_does_not_print_the_value(known, seeker, log, monkeypatch):
    """The message of an error may hold anything; what is printed of it must not."""

    def fail(username, value, address):
        raise RuntimeError(f"{username} sent {value}")

    monkeypatch.setattr("keys.views.verify.verify", fail)
    for pk, value in known.items():
        status, _ = call_with(ClassicKey.objects.get(pk=pk).holder.api_username, value)
        assert status.startswith("401")
    assert "verification failed" in log.printed.getvalue()
    assert not seeker.finds(log.printed.getvalue())


def test_an_error_in_a_call_does_not_print_the_value_or_tell_it(known, seeker, log, monkeypatch):
    def fail(username, value, address):
        raise RuntimeError(f"{username} sent {value}")

    monkeypatch.setattr("keys.verification.verify", fail)
    for pk, value in known.items():
        for reply in call_interface(ClassicKey.objects.get(pk=pk).holder.api_username, value):
            assert not seeker.finds(reply.body)
    assert "RuntimeError" in log.printed.getvalue()
    assert not seeker.finds(log.printed.getvalue())


def test_value_that_is_reported_as_leaked_is_kept_and_told_nowhere(cast, log, monkeypatch, settings):
    """Not where it fails either, with a message that holds it."""
    settings.DEBUG = True
    value = make_platform_key(cast["priya"]).value
    seeker = Seeker([value])
    answers = [report(value), report(value.rjust(2**20 + 1))]
    assert [status for status, *_ in answers] == [202, 413]

    def fail(*, value, **_):
        raise RuntimeError(f"{value} was sent")

    monkeypatch.setattr("keys.platform.lifecycle.report_leaked", fail)
    failed = report(value)
    assert failed[0] == 500
    assert failed[2]["X-Request-ID"] in failed[1]
    assert not seeker.finds([*answers, failed])
    ours = [line for line in log.made if not line.startswith("django.db.backends ")]
    assert [line for line in ours if "RuntimeError" in line]
    assert not [line for line in ours if seeker.finds(line)]
    assert not seeker.finds(log.printed.getvalue())
    assert not [place for place, content in everything_kept() if seeker.finds(content)]


def test_a_value_in_an_address_is_not_printed_even_in_part(known, log):
    """Where somebody puts it in the wrong place: a piece of it would not be recognised as one."""
    application = ApiApplication(django, headers=ALWAYS)
    for value in known.values():
        for before in range(100, 260, 20):
            assert send(application, "GET", f"/rest/v3.1/{'x' * before}/{value}").status == 401
        assert value[:12] not in log.printed.getvalue()
    assert "x/[redacted]" in log.printed.getvalue()


def test_values_are_in_no_event(people, known, seeker):
    use_in_earnest(people, known)
    happened = {"classic_key.created", "classic_key.shown", "classic_key.downloaded", "classic_key.call_refused"}
    events = list(Event.objects.values_list())
    assert happened <= {event.action for event in Event.objects.all()}
    assert not [event for event in events if seeker.finds(event)]


@pytest.mark.parametrize("command", [["verify_audit"], ["verify_audit", "--heads"], ["check_tree"], ["rotate_keys"]])
def test_commands_do_not_print_values(command, people, known, seeker, capfd):
    use_in_earnest(people, known)
    out, err = io.StringIO(), io.StringIO()
    call_command(*command, stdout=out, stderr=err)
    captured = capfd.readouterr()
    assert not seeker.finds(out.getvalue() + err.getvalue() + captured.out + captured.err)


def test_a_deleted_key_leaves_nothing_that_opens(cast, known, origin):
    """Not even sealed: the row is gone, and with it the only copy."""
    key = ClassicKey.objects.get(holder=cast["priya"])
    sealed, digest = bytes(key.sealed_value), bytes(key.digest)
    lifecycle.delete_classic_key(key=key, by=cast["priya"], origin=origin)
    cells = [bytes(cell) for name, cell in database_cells() if isinstance(cell, bytes | memoryview)]
    assert not [cell for cell in cells if sealed in cell and len(cell) < 10_000]
    assert not [cell for cell in cells if digest in cell and len(cell) < 10_000]
