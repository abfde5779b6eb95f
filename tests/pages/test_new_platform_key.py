"""Creating an IBM Cloud API key: what the dialog asks, what it refuses, and the one answer with the value."""

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from accounts.enums import MemberStatus
from accounts.models import Account, Event, Member
from console import demo
from keys.material import is_platform_value
from keys.models import PlatformKey
from keys.platform import lifecycle
from tests.bad_input.test_forms import errors_in, has_an_error
from tests.pages.platform_keys import (
    MY_KEYS,
    TYPED,
    age_proof,
    create_url,
    state_of,
    title_of,
    today,
    url_of,
    value_in,
)  # fmt: skip
from tests.pages.reading import focused, page
from tests.trees import make_platform_key
from tests.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_form_of_a_new_key_has_its_fields_and_the_default_of_the_leaked_action(cast):
    body = page(visitor(cast["noor"]).get(create_url(cast["noor"])))
    assert title_of(body) == "Create IBM Cloud API key"
    labels = re.findall(r'class="field__label"[^>]*>([^<]*)<', body)
    assert labels == ["Name", "Description (optional)", "Expires (optional)", "Leaked action"]
    choices = re.findall(r'<label[^>]*><input type="radio"([^>]*)>\s*([^<]*?)\s*</label>', body)
    assert [(text, " checked" in tag) for tag, text in choices] == [
        ("Disable the leaked key", True),
        ("Delete the leaked key", False),
        ("Nothing", False),
    ]
    assert [re.search('name="([^"]*)"', tag)[1] for tag in focused(body)] == ["name"]
    assert f'min="{today()}"' in body


def test_created_key_is_shown_with_its_value_once(cast):
    client = visitor(cast["noor"])
    last_day = today() + timedelta(days=30)
    typed = {
        "name": " Build  server", "description": "See\r\nhttps://builds.example", "expires": str(last_day),
        "leaked_action": "delete",
    }  # fmt: skip
    answer = client.post(create_url(cast["noor"]), typed)
    body, key = page(answer), PlatformKey.objects.get()
    assert title_of(body) == "API key successfully created"
    assert "You cannot see it again." in body
    assert "<dd>apikey " in body
    assert is_platform_value(value_in(body))
    assert body.count(value_in(body)) == 1
    assert answer["Cache-Control"] == "no-store"
    assert (key.holder, key.name, key.description) == (cast["noor"], "Build server", "See https://builds.example")
    assert (key.leaked_action, key.is_locked, key.is_enabled) == ("delete", False, True)
    # The whole last day, and not a moment longer.
    assert key.expires_at == datetime.combine(last_day + timedelta(days=1), datetime.min.time(), UTC)
    assert re.search(r'<a class="button" href="([^"]*)" data-dialog-close>Done</a>', body)[1] == MY_KEYS


def test_file_of_a_new_key_is_made_of_what_the_answer_holds(cast):
    body = page(visitor(cast["noor"]).post(create_url(cast["noor"]), {**TYPED, "name": "Büro \u65e5"}))
    name, facts = re.search(r'data-save="([^"]*)" data-save-facts="(\{.*?\})">', body).groups()
    assert name == "apikey.json"
    made = PlatformKey.objects.get().created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert json.loads(facts) == {"name": "Büro \u65e5", "username": "apikey", "key": "", "created": made}
    assert list(json.loads(facts)) == ["name", "username", "key", "created"]


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": " \u3164"}, "Enter a name."),
        ({"name": "x" * 301}, "Enter a name of at most 300 characters."),
        ({"name": "a\x07b"}, "Enter a name without control characters."),
        ({"name": "a\u202eb"}, "Enter a name without control characters."),
        ({"name": "https://evil.example"}, "Enter a name without a web address."),
        ({"description": "x" * 501}, "Enter a text of at most 500 characters."),
        ({"description": "x" * 3_000}, "Enter a text of at most 500 characters."),
        ({"description": "a\x07b"}, "Enter a text without control characters."),
        ({"description": "a\u2066b"}, "Enter a text without control characters."),
        ({"expires": "31.12.2099"}, "Enter the day like 2026-03-14."),
        ({"expires": "0001-01-01"}, "This day is over. Choose today or a later day."),
        ({"expires": "yesterday"}, "This day is over. Choose today or a later day."),
        ({"expires": "too far"}, "Choose a day within the next 10 years."),
        ({"expires": "9999-12-31"}, "Choose a day within the next 10 years."),
        ({"leaked_action": ""}, "This field is required."),
        ({"leaked_action": "sell"}, "Select a valid choice. sell is not one of the available choices."),
    ],
)
def test_bad_description_of_a_key_is_named_and_kept_as_typed(cast, noors, typed, error):
    days = {"yesterday": today() - timedelta(days=1), "too far": today() + timedelta(days=3_654)}
    typed = {name: str(days.get(text, text)) for name, text in typed.items()}
    client, before = visitor(cast["noor"]), state_of(noors)
    for url in (create_url(cast["noor"]), url_of(noors, "edit")):
        body = page(client.post(url, {**TYPED, "name": "kept & shown", **typed}))
        assert errors_in(body) == [error]
        assert has_an_error(body)
        assert 'value="kept & shown"' in body or "name" in typed
        (name,) = typed
        assert [re.search('name="([^"]*)"', tag)[1] for tag in focused(body)][:1] == [name]
    assert state_of(noors) == before
    assert PlatformKey.objects.count() == 1


@pytest.mark.parametrize("days", [0, 3_653])
def test_first_and_last_day_on_which_a_key_may_expire(cast, days):
    day = today() + timedelta(days=days)
    body = page(visitor(cast["noor"]).post(create_url(cast["noor"]), {**TYPED, "expires": str(day)}))
    assert title_of(body) == "API key successfully created"
    assert PlatformKey.objects.get().expires_at.date() == day + timedelta(days=1)


def test_day_that_ends_while_the_form_is_sent_is_named(cast, monkeypatch):
    def late(**_):
        raise lifecycle.ExpiryPassed

    monkeypatch.setattr(lifecycle, "create_platform_key", late)
    body = page(visitor(cast["noor"]).post(create_url(cast["noor"]), {**TYPED, "expires": str(today())}))
    assert errors_in(body) == ["This day is over. Choose today or a later day."]


def test_creating_asks_for_a_proof_of_identity_and_keeps_what_was_typed(cast):
    client = visitor(cast["noor"])
    age_proof(client)
    typed = {**TYPED, "description": 'a "b" <c>', "expires": str(today()), "leaked_action": "nothing"}
    body = page(client.post(create_url(cast["noor"]), typed))
    assert title_of(body) == "Confirm that it is you"
    assert "To create a key, enter your password." in body
    assert not PlatformKey.objects.exists()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(.*?)">', body))
    assert {name: hidden[name] for name in typed} == typed
    body = page(client.post(create_url(cast["noor"]), {**typed, "password": demo.PASSWORD}))
    assert title_of(body) == "API key successfully created"
    assert PlatformKey.objects.get().leaked_action == "nothing"


def test_same_form_sent_twice_creates_one_key(cast, noors):
    """A double click without script, or a page that is loaded again: the browser asks, and sends the same once more."""
    client, url = visitor(cast["noor"]), create_url(cast["noor"])
    newest = re.search(r'name="newest" value="(\d+)"', page(client.get(url)))[1]
    assert title_of(page(client.post(url, {**TYPED, "newest": newest}))) == "API key successfully created"
    again = client.post(url, {**TYPED, "newest": newest}, follow=True)
    assert "You sent this form before, and it has created the key." in page(again)
    assert "ktp_" not in page(again)
    assert PlatformKey.objects.count() == 2
    # Another name is another key, and so is the same one from a form that was opened since.
    assert client.post(url, {**TYPED, "name": "Another", "newest": newest}).status_code == 200
    newest = re.search(r'name="newest" value="(\d+)"', page(client.get(url)))[1]
    assert client.post(url, {**TYPED, "newest": newest}).status_code == 200
    # What is no number hinders nobody.
    assert client.post(url, {**TYPED, "newest": "9" * 5_000}).status_code == 200


def test_there_are_no_more_keys_than_twenty(cast):
    for number in range(19):
        make_platform_key(cast["noor"], f"Key {number}")
    client, url, told = visitor(cast["noor"]), create_url(cast["noor"]), "You have 20 IBM Cloud API keys in all"
    assert title_of(page(client.get(url))) == "Create IBM Cloud API key"
    elsewhere = Member.objects.get(user=cast["noor"].user, account_id=7654321)
    make_platform_key(elsewhere, "In another account")
    asked = page(client.get(url))
    assert told in asked
    assert "<form id=" not in asked.partition("<dialog")[2]
    answer = client.post(url, TYPED)
    assert answer["Location"] == MY_KEYS
    assert told in page(client.get(MY_KEYS))
    assert PlatformKey.objects.count() == 20


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_creates_a_key_for_somebody_else(cast, method):
    """Not the owner either; and a page left open in another account creates none in the present one."""
    elsewhere = Member.objects.get(user=cast["noor"].user, account_id=7654321)
    for viewer, member in (("olivia", cast["noor"]), ("noor", cast["olivia"]), ("noor", elsewhere)):
        answer = getattr(visitor(cast[viewer]), method)(create_url(member), TYPED)
        assert answer.status_code == 404
    assert not PlatformKey.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_create_a_key_is_told_why(cast, method):
    Member.objects.filter(pk=cast["noor"].pk).update(status=MemberStatus.DISABLED_CLASSIC)
    Account.objects.update(restrict_key_creation=True)
    for name, told in (
        ("noor", "Only active users can create a key."),
        ("priya", "You need the permission User API key creator: ask someone who manages users."),
        ("olivia", "You need the permission User API key creator: give it to yourself in Settings."),
    ):
        answer = getattr(visitor(cast[name]), method)(create_url(cast[name]), TYPED)
        assert answer.status_code == 403
        assert told in page(answer)
        refused = Event.objects.order_by("-pk").first()
        assert (refused.action, refused.outcome, refused.actor_id) == ("permission.refused", "refused", cast[name].pk)
    assert not PlatformKey.objects.exists()


def test_last_day_of_a_key_counts_by_gmt(cast, monkeypatch):
    """Half an hour before midnight by GMT it is still that day, wherever whoever asks may be."""
    now = datetime(2027, 1, 1, 1, 30, tzinfo=timezone.get_fixed_timezone(120))
    monkeypatch.setattr("keys.platform.forms.timezone", SimpleNamespace(now=lambda: now))
    body = page(visitor(cast["noor"]).get(create_url(cast["noor"])))
    assert 'min="2026-12-31" max="2036-12-31"' in body
