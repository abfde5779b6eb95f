"""The search finds what is there: each place is given a value, and must be reported."""

import base64
import logging

import pytest
from django.contrib.messages import add_message, constants
from django.contrib.messages.storage.session import SessionStorage
from django.core import mail
from django.core.cache import caches
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory

from accounts import audit
from accounts.models import Member, Session, User
from accounts.origin import Origin
from keys.material import PlainValue
from keys.models import ClassicKey
from tests.leaks.acts import fails_holding
from tests.leaks.search import (
    VALUE,
    Seeker,
    cache_contents,
    database_cells,
    mails,
    parts_of,
    session_contents,
    spellings,
)
from tests.visitors import session_of, undone, visitor

pytestmark = pytest.mark.django_db


def test_spellings_are_six_and_the_raw_bytes():
    forms = spellings(VALUE)
    assert set(forms) == {"plain", "upper", "hex", "base64", "url-safe base64", "reversed", "raw"}
    assert all(len(needle) >= 32 for needles in forms.values() for needle in needles)


@pytest.mark.parametrize(
    "leaked",
    [
        VALUE,
        VALUE.upper(),
        VALUE[::-1],
        VALUE.encode().hex(),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        base64.b64encode(f"olivia:{VALUE}".encode()).decode(),
        base64.b64encode(f"1234567_olivia@acme.example:{VALUE}".encode()).decode(),
        base64.b64encode(f"12_olivia@acme.example:{VALUE} ".encode()).decode(),
        base64.b64encode(bytes.fromhex(VALUE)).decode(),
        base64.urlsafe_b64encode(bytes.fromhex(VALUE)).decode(),
        f"&#x{ord(VALUE[0]):x};{VALUE[1:]}",
    ],
)
def test_a_spelling_is_found_in_the_middle_of_other_text(leaked):
    seeker = Seeker([VALUE])
    assert seeker.finds(f"before {leaked} after")
    assert seeker.finds(f"before {leaked} after".encode())
    assert seeker.finds({"in": [leaked]})
    assert not seeker.finds("before 0123456789abcdef after")


def test_raw_bytes_are_found():
    assert Seeker([VALUE]).finds(memoryview(b"\x00\x01" + bytes.fromhex(VALUE)))


@pytest.mark.parametrize("part", ["headers", "reason", "cookies", "body"])
def test_a_leak_is_found_in_an_answer(part):
    response = HttpResponse("nothing")
    match part:
        case "headers":
            response["X-Key"] = VALUE
        case "reason":
            response.reason_phrase = VALUE
        case "cookies":
            response.set_cookie("key", VALUE)
        case "body":
            response.content = f"<p>{VALUE}</p>"
    assert [name for name, data in parts_of(response) if Seeker([VALUE]).finds(data)] == [part]


def test_a_leak_is_found_in_every_table_with_text(cast):
    """One planted leak for each kind of place: a name, an event, a restriction, a session's row, bytes."""
    seeker, member = Seeker([VALUE]), cast["priya"]
    plants = {
        "accounts_user.name": lambda: User.objects.update(name=VALUE),
        "accounts_event.details": lambda: audit.record(
            "classic_key.shown", actor=member, origin=Origin(None), details={"value": VALUE}
        ),
        "keys_classickey.allowed_addresses": lambda: ClassicKey.objects.update(allowed_addresses=VALUE[::-1]),
        "keys_classickey.sealed_value": lambda: ClassicKey.objects.update(sealed_value=bytes.fromhex(VALUE)),
        "accounts_session.session_data": lambda: Session.objects.create(
            session_key="k" * 32, session_data=VALUE.upper(), expire_date="2030-01-01T00:00Z"
        ),
    }
    for place, plant in plants.items():
        with undone():
            assert not [name for name, cell in database_cells() if seeker.finds(cell)]
            plant()
            found = {name for name, cell in database_cells() if seeker.finds(cell)}
            assert place in found
            assert ("the database file" in found) is (connection.vendor == "sqlite")


def test_a_leak_is_found_in_a_session_and_in_a_message(cast):
    seeker, client = Seeker([VALUE]), visitor(cast["priya"])
    session = session_of(client)
    session["last"] = {"value": VALUE}
    session.save()
    assert [name for name, content in session_contents() if seeker.finds(content)] == ["session last"]
    session["last"] = ""
    request = RequestFactory().get("/")
    request.session = session
    request._messages = SessionStorage(request)
    add_message(request, constants.INFO, f"Your key is {VALUE}")
    request._messages.update(HttpResponse())
    session.save()
    assert [name for name, content in session_contents() if seeker.finds(content)] == ["session _messages"]


def test_a_leak_is_found_in_the_cache():
    cache = caches["default"]
    cache.set("key", {"value": PlainValue(VALUE)})
    assert [name for name, content in cache_contents() if Seeker([VALUE]).finds(content)] == ["cache :1:key"]
    cache.clear()


def test_a_leak_is_found_in_a_mail(mailoutbox):
    mail.send_mail("Your key", f"It is {VALUE}", "a@acme.example", ["b@acme.example"])
    assert [name for name, content in mails() if Seeker([VALUE]).finds(content)] == ["mail Your key"]


def test_a_leak_is_found_in_the_log_as_it_was_made(log):
    logging.getLogger("keys.views").info("made %s", VALUE)
    assert Seeker([VALUE]).finds("\n".join(log.made))
    assert not Seeker([VALUE]).finds(log.printed.getvalue())  # the filter blots it out
    logging.getLogger("keys.views").info("made %s", VALUE[::-1][:-1] + "-")
    assert VALUE[::-1][:-1] in log.printed.getvalue()  # the printed text is what is looked at


def test_a_leak_is_found_in_the_statements_of_the_database(log, cast):
    Member.objects.filter(search_text=VALUE).count()
    assert Seeker([VALUE]).finds("\n".join(log.made))


def test_a_leak_is_found_in_an_error_page_with_debug_on(settings, monkeypatch, cast):
    """Django's own page shows the variables of every function on the way: it is where a value in plain ends up."""
    settings.DEBUG = True
    monkeypatch.setattr("accounts.views.users.render", fails_holding(VALUE))
    response = visitor(cast["priya"], raises=False).get("/iam/users")
    assert response.status_code == 500
    assert b"local_with_value" in response.content
    # Blotted out or not: without the page's own filter it would be there.
    monkeypatch.setattr("accounts.views.users.render", fails_holding(VALUE[:40]))
    response = visitor(cast["priya"], raises=False).get("/iam/users")
    assert VALUE[:40].encode() in response.content
