"""Odd bodies, headers and cookies change nothing and are no error."""

from itertools import product

import pytest
from django.test import Client

from accounts.models import AttemptCount
from tests.bad_input.sending import ABOUT_OTHERS, FIELDS, post, state, text_of
from tests.visitors import body_of, undone, visitor
from tests.web.asking import address_of

pytestmark = pytest.mark.django_db

BODIES = {
    "20,000 fields": (b"&".join(b"a%d=1" % n for n in range(20_000)), "application/x-www-form-urlencoded"),
    "two megabytes": (b"classic=" + b"1" * 2**21, "application/x-www-form-urlencoded"),
    "two megabytes of nothing named": (b"x" * 2**21, "application/x-www-form-urlencoded"),
    "another character set": (b"classic=1.1.1.1", "application/x-www-form-urlencoded; charset=utf-16"),
    "an unknown character set": (b"classic=1.1.1.1", "application/x-www-form-urlencoded; charset=nonsense"),
    "parts without a boundary": (b"--x\r\n", "multipart/form-data"),
    "parts with a bad boundary": (b"--x\r\n", "multipart/form-data; boundary=\xc3\xa9"),
    "parts that never end": (
        b'--x\r\nContent-Disposition: form-data; name="classic"\r\n\r\n1.1',
        "multipart/form-data; boundary=x",
    ),
    "parts in bad base64": (
        b'--x\r\nContent-Disposition: form-data; name="classic"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--",
        "multipart/form-data; boundary=x",
    ),
    "5,000 parts": (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % n for n in range(5_000))
        + b"--x--",
        "multipart/form-data; boundary=x",
    ),
    "200 files": (
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="f%d"; filename="f"\r\n\r\n1\r\n' % n for n in range(200)
        )
        + b"--x--",
        "multipart/form-data; boundary=x",
    ),
    "a file for a field": (
        b'--x\r\nContent-Disposition: form-data; name="classic"; filename="../../a"\r\n\r\n1.1.1.1\r\n--x--',
        "multipart/form-data; boundary=x",
    ),
    "JSON": (b'{"classic": "1.1.1.1", "theme": "dark"}', "application/json"),
    "XML": (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "application/xml"),
    "no type at all": (b"classic=1.1.1.1", ""),
    "deep brackets": (b"a" + b"[a]" * 50_000 + b"=1", "application/x-www-form-urlencoded"),
}  # fmt: skip


CHECKED = ("accounts:login", "accounts:import", "accounts:status", "keys:restrictions")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", BODIES)
def test_body_of_any_make_changes_nothing_and_is_no_error(kind, priya, numbers, monkeypatch):
    monkeypatch.setattr("accounts.signin._REFUSAL_SECONDS", 0)
    body, content_type = BODIES[kind]
    before = state()
    for csrf_checks in (True, False):  # the check reads the body first, in earnest
        client = visitor(priya, csrf_checks=csrf_checks, raises=False)
        # Without a token none of them comes to its page; one of the four takes larger bodies.
        for route in CHECKED if csrf_checks else FIELDS:
            if route in (
                "accounts:remove",
                "keys:classic-delete",
                "accounts:logout",
                "keys:classic-show",
                "keys:classic-download",
            ) or (route.startswith("keys:platform-") and not FIELDS[route]):
                continue  # they read no field: see below
            response = post(client, address_of(route, numbers), body, content_type)
            assert response.status_code in (200, 302, 400, 403, 404, 413), (route, response.status_code)
            assert state() == before, route
            page = text_of(response)
            if response.status_code == 400:
                assert "Nothing was changed. Go back, reload the page" in page.replace("\n", " ")
            assert "root:" not in page


def test_body_too_large_is_refused_also_where_no_field_is_read(priya, numbers):
    """The token of the form is in it: without reading it, nothing is done."""
    before = state()
    client = visitor(priya, csrf_checks=True, raises=False)
    for route in ("keys:classic-delete", "accounts:logout", "keys:classic-show", "keys:classic-download"):
        for kind in ("20,000 fields", "two megabytes"):
            response = post(client, address_of(route, numbers), *BODIES[kind])
            assert response.status_code in (400, 403, 413)
            assert state() == before
    assert client.get("/iam/activity").status_code == 200


@pytest.mark.sqlite_only
def test_megabyte_in_a_field_makes_no_large_answer(priya, cast, numbers, monkeypatch):
    """Escaped, this one would be six times as large, and stand in some pages three times."""
    monkeypatch.setattr("accounts.signin._REFUSAL_SECONDS", 0)
    own, stranger, above, owner = (visitor(who, raises=False) for who in (priya, None, cast["marcus"], cast["olivia"]))
    clients = {"accounts:login": stranger, "accounts:reset": stranger, **dict.fromkeys(ABOUT_OTHERS, above)}
    for route, name in ((route, name) for route, names in FIELDS.items() for name in names):
        client = owner if route.startswith("accounts:settings") else clients.get(route, own)
        part = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + b'"' * 1_000_000
        AttemptCount.objects.all().delete()
        with undone():
            page = text_of(
                post(client, address_of(route, numbers), part + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
            )
        assert len(page) < 100_000, (route, name)


def test_text_too_long_for_its_field_is_shown_again_and_a_long_one_that_its_field_takes(cast):
    text = "priya@acme.example" * 500
    page = text_of(Client().post("/login", {"username": text, "password": "wrong"}))
    assert "Ensure this value has at most 500 characters" in page
    assert f'value="{text}"' in page
    many = " ".join(f"user{number}@acme.example" for number in range(1_001))
    page = text_of(visitor(cast["marcus"]).post("/iam/users/invite_users", {"addresses": many}))
    assert "These are 1,001 addresses." in page
    assert many in page


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "headers",
    [
        {"CONTENT_LENGTH": "abc"}, {"CONTENT_LENGTH": "-1"}, {"CONTENT_LENGTH": "9" * 100},
        {"CONTENT_LENGTH": "9" * 5_000}, {"CONTENT_LENGTH": "\xb2"},
        {"CONTENT_TYPE": "a/b; c" * 999},
        {"HTTP_COOKIE": "a" * 50_000}, {"HTTP_COOKIE": "=;=;;;\x01\xff"}, {"HTTP_COOKIE": "keytree_csrf=<script>"},
        {"HTTP_AUTHORIZATION": "Basic " + "A" * 9_000}, {"HTTP_AUTHORIZATION": "Bearer x"},
        {"HTTP_ACCEPT": "," * 9_000},
        {"HTTP_ACCEPT_LANGUAGE": "x" * 9_000}, {"HTTP_ACCEPT_ENCODING": "gzip;q=nan"},
        {"HTTP_IF_NONE_MATCH": '"' * 999},
        {"HTTP_IF_MODIFIED_SINCE": "Thu, 99 Foo 99999 99:99:99 GMT"}, {"HTTP_RANGE": "bytes=0-,-1,5-2"},
        {"HTTP_X_FORWARDED_FOR": "\xff" * 5_000}, {"HTTP_X_REQUEST_ID": "<script>\r\n"},
        {"HTTP_REFERER": "http://[::1"},
        {"HTTP_ORIGIN": "http://[::1"}, {"HTTP_ORIGIN": "x" * 9_000}, {"REMOTE_ADDR": "nonsense"}, {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_PROTO": "https"}, {"HTTP_COOKIE": 'keytree_theme="><script>alert(1)</script>'},
    ],
    ids=lambda headers: " ".join(f"{name}={text[:12]!r}" for name, text in headers.items()),
)  # fmt: skip
def test_header_of_any_make_is_no_error(headers, cast):
    for csrf_checks, path in product((False, True), ("/login", "/iam/apikeys", "/theme", "/static/favicon.svg")):
        client = visitor(cast["priya"], csrf_checks=csrf_checks, raises=False)
        for method in ("GET", "POST"):
            with undone():
                response = client.generic(method, path, **headers)
                page = body_of(response)
            assert response.status_code < 500, (path, method)
            assert b"<script>alert" not in page
            assert "<script>" not in str(response.headers)


@pytest.mark.parametrize(
    "text",
    [
        '"\\000aaaaaaaaaaaa"',
        '"\\377\\300aaaaaaaa"',
        "\x01\xff" * 9,
        "é" * 40,
        "a" * 50_000,
        '"',
        "A" * 32,
        "' OR 1=1 --",
    ],
)
def test_cookie_of_any_make_is_no_error_and_nobodys(text, cast):
    """In quotes a cookie holds what its header cannot: NUL above all, which PostgreSQL takes for no text."""
    client = Client(raise_request_exception=False)
    for name in ("keytree_session", "keytree_csrf", "keytree_theme", "messages"):
        for method, path in (("GET", "/iam/apikeys"), ("GET", "/login"), ("POST", "/login"), ("POST", "/theme")):
            response = client.generic(method, path, HTTP_COOKIE=f"{name}={text}")
            assert response.status_code < 500, (name, method, path)
            led_to = ("/login?next=/iam/apikeys", "/login?next=/iam/apikeys&ended=1" if "session" in name else "")
            assert path != "/iam/apikeys" or response["Location"] in led_to
