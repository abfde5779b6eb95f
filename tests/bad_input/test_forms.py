"""Odd values in every field: a message that says what to do, the form as typed, nothing changed."""

import re
import time
from html import unescape
from urllib.parse import urlencode

import pytest
from django.db import connection

from accounts.hashers import CommonCoreValidator
from accounts.models import Account, AttemptCount, Member
from keys.models import ClassicKey
from tests.bad_input.sending import ABOUT_OTHERS, FIELDS, NASTY, STATE, each_nasty, encoded, post, state, text_of
from tests.conftest import ACME
from tests.surfaces import SURFACES
from tests.visitors import noting_writes, session_of, undone, visitor
from tests.web.asking import address_of

pytestmark = pytest.mark.django_db


def test_every_form_is_tried_here():
    assert set(FIELDS) == {surface.route for surface in SURFACES if surface.method == "POST"}


@each_nasty
def test_field_of_any_make_changes_nothing_and_is_no_error(nasty, priya, cast, numbers, monkeypatch):
    """Every field of every form with every text; where a proof of identity is due, it is asked for again."""
    monkeypatch.setattr("accounts.signin._REFUSAL_SECONDS", 0)
    signed_in, stranger = visitor(priya, raises=False), visitor(raises=False)
    above, owner = visitor(cast["marcus"], raises=False), visitor(cast["olivia"], raises=False)
    for client in (signed_in, above):
        session = session_of(client)
        session["proved_at"] = 0
        session.save()
    good = {"username": b"priya@acme.example", "platform": b"127.0.0.0/8", "classic": b"17.5.7.0/24", "theme": b"dark"}
    before = state()
    turn = list(NASTY).index(nasty)
    for route, names in FIELDS.items():
        for name in names:
            if (nasty, name) in CLEARS:
                continue
            if connection.vendor == "postgresql" and name in ("password", "current"):
                continue  # it is hashed, and comes to no database
            if (route, name) in PROOFS and (PROOFS.index((route, name)) + turn) % 3:
                continue
            others = {other: good[other] for other in names if other != name and other in good}
            AttemptCount.objects.all().delete()
            client = {"accounts:login": stranger, **dict.fromkeys(ABOUT_OTHERS, above)}.get(route, signed_in)
            client = owner if route.startswith("accounts:settings") else client
            with undone(), noting_writes() as written:
                response = post(client, address_of(route, numbers), encoded({**others, name: NASTY[nasty]}))
                is_a_good_password = route == "accounts:vpn-password" and response.status_code == 302
                is_a_pattern = route == "accounts:settings-domains" and response.status_code == 302
                is_unchanged = is_a_good_password or is_a_pattern or not written & STATE
                after = before if is_unchanged else state()
            page = text_of(response)
            assert response.status_code in (200, 302, 400, 404), (route, name)
            assert "<script>alert" not in page
            assert not re.search(r"\b[0-9a-f]{64}\b", page), (route, name)
            assert after == before, (route, name)
            assert is_a_good_password <= (len(NASTY[nasty].decode(errors="replace")) >= 12)
            assert "evil" not in str(response.cookies).casefold()
            if response.status_code == 200:
                # Whatever is printable is a reason; then the proof is asked for.
                is_a_reason = (route, name) == ("accounts:freeze", "reason") and "Confirm that it is you" in page
                assert is_a_reason or has_an_error(page), (route, name)
    assert session_of(signed_in)["account_id"] == priya.account_id


#: Where a proof of identity is asked for: one form and one check for all of them, so they take turns.
PROOFS = [
    (route, "password")
    for route in (
        "keys:classic-create", "keys:classic-show", "keys:classic-download", "accounts:freeze", "accounts:thaw",
        "accounts:end-all-sessions", "accounts:end-user-sessions", "accounts:passcode", "accounts:remove-passcode",
        "accounts:recovery-codes", "accounts:add-passkey", "accounts:remove-passkey",
    )
]  # fmt: skip

#: Empty is a meaning of its own there: every address is allowed.
CLEARS = {(nasty, name) for nasty in ("empty", "blank") for name in ("platform", "classic")} | {
    (nasty, "confirm_lockout") for nasty in NASTY
}


def has_an_error(page: str) -> bool:
    """Whether a page has a field's error, tied to its field; or the form's own, announced at once."""
    for found in re.finditer(r'<ul class="field__error" id="(\w+)_error">', page):
        field = re.search(rf'<(?:input|textarea|select)[^>]* id="{found[1]}"[^>]*>', page)
        # A field of several parts is a group, which its error is tied to.
        field = field or re.search(rf'<fieldset[^>]* id="div_{found[1]}"[^>]*>.*?</fieldset>', page, re.DOTALL)
        assert field, found[1]
        assert 'aria-invalid="true"' in field[0]
        assert re.search(rf'aria-describedby="[^"]*\b{found[1]}_error\b', field[0])
        return True
    return 'role="alert"' in page


def errors_in(page: str) -> list[str]:
    lists = re.findall(r'<ul class="field__error"[^>]*>(.*?)</ul>', page, re.DOTALL)
    return [
        unescape(re.sub(r"<[^>]*>", "", item).strip())
        for one in lists
        for item in re.findall(r"<li>(.*?)</li>", one, re.DOTALL)
    ]


def typed_in(page: str, name: str) -> str:
    return unescape(re.search(rf'<textarea name="{name}"[^>]*>\s?(.*?)</textarea>', page, re.DOTALL)[1])


BAD_ADDRESSES = "17.5.7.8, nonsense, 300.1.1.1 , 10.0.0.0/33, 9.9.9.9 - 1.1.1.1, <b>bold"
ERRORS = (
    "“nonsense” is not an IP address: write one like 17.5.7.8 or 2001:db8::1.",
    "“300.1.1.1” is not an IP address: write one like 17.5.7.8 or 2001:db8::1.",
    "“10.0.0.0/33” has no valid prefix length: after the / write a plain number from 0 to 32, such as /24; masks and "
    "leading zeros are not accepted.",
    "“9.9.9.9 - 1.1.1.1” runs backwards: write 1.1.1.1 - 9.9.9.9.",
    "“<b>bold” is not an IP address: write one like 17.5.7.8 or 2001:db8::1.",
)


def test_bad_addresses_of_a_key_are_named_one_by_one_and_kept_as_typed(priya, key):
    client, before = visitor(priya), state()
    with noting_writes() as written:
        response = client.post(f"/iam/apikeys/classic/{key.pk}/restriction", {"classic": BAD_ADDRESSES})
    page = text_of(response)
    assert response.status_code == 200
    assert tuple(errors_in(page)) == ERRORS
    assert typed_in(page, "classic") == BAD_ADDRESSES
    assert has_an_error(page)
    assert (state(), written) == (before, set())


@pytest.mark.parametrize("bad", ["platform", "classic"])
def test_of_two_restrictions_neither_is_saved_while_one_is_bad(bad, priya):
    client, before = visitor(priya), state()
    typed = {"platform": "127.0.0.1", "classic": "17.5.7.8", bad: BAD_ADDRESSES}
    with noting_writes() as written:
        response = client.post(f"/iam/users/{priya.pk}/restrictions", typed)
    page = text_of(response)
    assert response.status_code == 200
    assert tuple(errors_in(page)) == ERRORS
    assert {name: typed_in(page, name) for name in typed} == typed
    assert (state(), written) == (before, set())


def test_restriction_that_locks_oneself_out_is_asked_about_first(priya):
    client, url, before = visitor(priya), f"/iam/users/{priya.pk}/restrictions", state()
    typed = {"platform": "10.0.0.0/8", "classic": "17.5.7.0/24"}
    for answer in ({}, {"confirm_lockout": ""}, {"confirm_lockout": "false"}, {"confirm_lockout": "0"}):
        response = client.post(url, {**typed, **answer})
        page = text_of(response)
        assert response.status_code == 200
        assert "You are connecting from 127.0.0.1, which this restriction does not allow" in page
        assert typed_in(page, "platform") == "10.0.0.0/8"
        assert state() == before
    assert client.post(url, {**typed, "confirm_lockout": "on"}).status_code == 302
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "10.0.0.0/8"


def test_restriction_of_the_account_is_named_and_asked_about_like_that_of_a_user(cast):
    client, url, before = visitor(cast["olivia"]), "/iam/settings/addresses", state()
    page = text_of(client.post(url, {"addresses": BAD_ADDRESSES}))
    assert tuple(errors_in(page)) == ERRORS
    assert typed_in(page, "addresses") == BAD_ADDRESSES
    for answer in ({}, {"confirm_lockout": "false"}, {"is_confirmed": "on"}):
        page = text_of(client.post(url, {"is_on": "true", "addresses": "10.0.0.0/8", **answer}))
        assert "You are connecting from 127.0.0.1, which this restriction does not allow" in page
        assert has_an_error(page)
    assert state() == before
    assert client.post(url, {"addresses": "10.0.0.0/8", "confirm_lockout": "on"}).status_code == 302
    assert Account.objects.get(pk=ACME).allowed_addresses == "10.0.0.0/8"


@pytest.mark.parametrize("sent", [{}, {"platform": "127.0.0.1"}, {"classic": "17.5.7.8"}], ids=str)
def test_restriction_that_was_not_sent_stays(sent, priya, key):
    """A page from before there was a key sends one field: what it did not show must not be lifted by it."""
    visitor(priya, raises=False).post(f"/iam/users/{priya.pk}/restrictions", sent)
    kept = Member.objects.get(pk=priya.pk).allowed_addresses, ClassicKey.objects.get(pk=key.pk).allowed_addresses
    assert kept[0] == sent.get("platform", "127.0.0.0/8")
    assert kept[1] == sent.get("classic", "17.5.7.0/24")


def test_restriction_of_a_key_that_was_not_sent_stays(priya, key):
    visitor(priya, raises=False).post(f"/iam/apikeys/classic/{key.pk}/restriction", {})
    assert ClassicKey.objects.get(pk=key.pk).allowed_addresses == "17.5.7.0/24"


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("", "This field is required."),
        ("sh0rt", "This password is too short. It must contain at least 12 characters."),
        ("x" * 4_097, "Ensure this value has at most 4096 characters (it has 4097)."),
        ("password1234", "This password is too common."),
        ("Dragon-2026-!!", "This password is too common. Use several words that do not belong together."),
        ("12341234123412341234", "This password is too common. Use several words that do not belong together."),
        ("sunshinemonkey!", "This password is too common. Use several words that do not belong together."),
        ("aaaaaaaaaaaaaaaaaaab", "This password is too common. Use several words that do not belong together."),
        ("PriyaRamanKeytree", "Do not use your name, your email address or the word Keytree in the password."),
        ("a\0bcdefghijklmn", "Null characters are not allowed."),
    ],
)
def test_bad_vpn_password_is_named_and_not_shown_again(password, error, priya):
    before = state()
    response = visitor(priya).post(f"/iam/users/{priya.pk}/vpn_password", {"password": password})
    page = text_of(response)
    assert response.status_code == 200
    assert error in errors_in(page)
    assert has_an_error(page)
    assert not re.search(r'<input type="password"[^>]* value=', page)
    assert not password or password not in page
    assert state() == before


def test_no_password_takes_long_to_judge():
    """Nor keeps everybody else of its process waiting: five times this is what one took whose end was looked for."""
    validator = CommonCoreValidator()
    before = time.thread_time()
    validator.validate("a" + "1b" + "1" * 4_092 + "c")
    assert time.thread_time() - before < 0.08


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ({}, ["This field is required.", "This field is required."]),
        ({"username": "priya@acme.example"}, ["This field is required."]),
        ({"username": "x" * 501, "password": "y"}, ["Ensure this value has at most 500 characters (it has 501)."]),
        ({"username": "a", "password": "y" * 4_097}, ["Ensure this value has at most 4096 characters (it has 4097)."]),
    ],
)
def test_bad_sign_in_is_named_and_the_email_kept(typed, errors, cast):
    client = visitor()
    with noting_writes() as written:
        response = client.post("/login", typed)
    page = text_of(response)
    assert response.status_code == 200
    assert errors_in(page) == errors
    assert not re.search(r'<input type="password"[^>]* value=', page)
    assert f'value="{typed.get("username", "")}"' in page or not typed.get("username")
    assert not written  # what is no attempt is not counted as one


def test_refused_sign_in_keeps_the_email_as_typed(cast):
    page = text_of(visitor().post("/login", {"username": " Priya@ACME.example<", "password": "wrong"}))
    assert 'value=" Priya@ACME.example&lt;"' in page
    assert "The email or the password is wrong. Check both and try again." in page


def test_owner_and_value_named_by_the_caller_are_ignored(cast):
    """Whose key it is, who made it and what it is: none of it comes from the request."""
    wished = "0" * 64
    named = {
        "holder": cast["olivia"].pk, "holder_id": cast["olivia"].pk, "member_id": cast["olivia"].pk, "creator": 1,
        "by": 1,
        "account_id": 7654321, "value": wished, "key": wished, "digest": wished, "sealed_value": wished,
        "uid": "0" * 32,
        "allowed_addresses": "1.1.1.1", "status": "active", "permissions": 31, "next": "//evil.example",
    }  # fmt: skip
    client = visitor(cast["noor"])
    query = urlencode({name: value for name, value in named.items() if value != wished})
    response = client.post(f"/iam/users/{cast['noor'].pk}/classic_key?{query}", named)
    assert response.status_code == 200
    assert wished not in text_of(response)
    made = ClassicKey.objects.get(holder=cast["noor"])
    assert (made.creator_id, made.account_id, made.allowed_addresses) == (cast["noor"].pk, cast["noor"].account_id, "")
    assert made.uid != "0" * 32
    before = state()
    client.post(f"/iam/users/{cast['noor'].pk}/vpn_password?" + urlencode(named), {**named, "password": "short"})
    client.post(f"/iam/users/{cast['noor'].pk}/restrictions", named)
    assert state() == before
