"""What every answer says of itself: policies, caching, cookies, errors of all kinds."""

import io
import logging
from collections import Counter
from itertools import product

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.test import Client

from accounts.models import Member
from console import demo
from console.logs import request_id
from tests.visitors import METHODS, body_of, routes, undone, visitor
from tests.web.asking import NOBODYS, SESSION, address_of, assert_headers, log_in

# What the protocol is told, whatever the database; what each database does is tried in tests/races and elsewhere.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_headers_of_every_route_method_and_visitor(cast, numbers):
    """All routes as somebody who may, who may not, who is suspended and as nobody; methods that none has as two.

    What there is not is asked for by those who are not turned away before it is looked for.
    """
    statuses: Counter[int] = Counter()
    visitors = {name: visitor(cast[name]) for name in ("marcus", "sam", "dmitri")}
    visitors["a stranger"], visitors["a forged form"] = visitor(), visitor(cast["priya"], csrf_checks=True)
    missing = {
        **dict.fromkeys(("member_id", "key_id", "platform_id"), 999_999), "token": "kti_" + "A" * 43, "uid": NOBODYS,
        "passkey": NOBODYS,
    }  # fmt: skip
    asked = [("GET", numbers), ("POST", numbers), ("GET", missing), ("POST", missing)]
    further = [(method, numbers) for method in METHODS if method not in ("GET", "POST")]
    in_all = [
        (name, what)
        for name in visitors
        for what in asked[: 4 if name in ("marcus", "sam") else 2] + further * (name in ("marcus", "a stranger"))
    ]
    for (name, (method, found)), route in product(in_all, routes()):
        client = visitors[name]
        with undone():
            cookies = client.cookies.copy()
            response = client.generic(method, address_of(route, found))
            client.cookies = cookies
        assert_headers(response, f"{method} {route} for {name}: {response.status_code}")
        body_of(response)
        statuses[response.status_code] += 1
    assert set(statuses) == {200, 302, 403, 404, 405}
    assert sum(statuses.values()) > 1_000
    for client, path in product(visitors.values(), ("/nowhere", "/iam", "/iam/apikeys/", "/iam/users/x", "/login/")):
        response = client.get(path)
        assert response.status_code == 404
        assert_headers(response, path)


def test_pages_are_in_no_frame(cast):
    """Said twice: browsers that do not know the policy's directive know this one."""
    assert visitor(cast["priya"]).get("/iam/apikeys")["X-Frame-Options"] == "DENY"
    assert visitor().get("/login")["X-Frame-Options"] == "DENY"


def _raise(error: Exception):
    def view(*_, **__):
        raise error

    return view


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, RuntimeError("on purpose")),
        (400, SuspiciousOperation("on purpose")),
        (503, OperationalError("on purpose")),
    ],
)
@pytest.mark.parametrize("place", ["accounts.views.users.queries.account_users", "accounts.signin.current_member"])
def test_headers_of_errors(status, error, place, cast, monkeypatch):
    """In a view, and in the middleware around all views."""
    monkeypatch.setattr(place, _raise(error))
    response = visitor(cast["priya"], raises=False).get("/iam/users")
    assert response.status_code == status
    assert_headers(response, place)
    page = response.content.decode()
    assert "on purpose" not in page
    assert "<h1>" in page
    assert "Traceback" not in page


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b", "[::1", "127.0.0.1:port"])
def test_unknown_host_is_400(host, cast):
    for path in ("/", "/login", "/iam/apikeys"):
        response = Client(raise_request_exception=False).get(path, HTTP_HOST=host)
        assert response.status_code == 400, path
        assert_headers(response, path)
        assert host not in response.content.decode() or not host


def test_unknown_host_is_400_where_https_is_asked_for(settings):
    """There the middleware that adds half of the headers is the one that stumbles over the host."""
    settings.SECURE_SSL_REDIRECT = True
    response = Client(raise_request_exception=False).get("/login", HTTP_HOST="evil.example")
    assert response.status_code == 400
    assert_headers(response, "an unknown host, by http")


def test_forwarded_host_is_not_read(cast):
    response = visitor(cast["priya"]).get("/", HTTP_X_FORWARDED_HOST="evil.example", HTTP_FORWARDED="host=evil.example")
    assert response.status_code == 302
    assert response["Location"] == "/iam/apikeys"


def test_https_is_asked_for_and_remembered(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 2 * 365 * 24 * 3600
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    client = Client()
    plain = client.get("/login")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/login")
    assert_headers(plain, "a redirect to https")
    secure = client.get("/login", secure=True)
    assert secure["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert_headers(secure, "a page by https")


def test_address_and_scheme_are_those_that_a_declared_proxy_reports(settings, cast):
    settings.KEYTREE_TRUSTED_PROXIES, settings.SECURE_SSL_REDIRECT = "192.0.2.1", True
    Member.objects.filter(pk=cast["priya"].pk).update(allowed_addresses="203.0.113.7")
    client, page = visitor(cast["priya"]), "/iam/apikeys"
    said = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.7"}
    assert client.get(page, REMOTE_ADDR="192.0.2.1", **said).status_code == 200
    assert client.get(page, REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_PROTO="https").status_code == 403
    assert client.get(page, REMOTE_ADDR="192.0.2.2", **said).status_code == 301


def test_static_files_may_be_kept_and_are_for_this_site_alone():
    for name in ("css/keytree.css", "js/keytree.js", "icons.svg", "favicon.svg"):
        response = Client().get(staticfiles_storage.url(name), HTTP_ORIGIN="https://evil.example")
        assert response.status_code == 200
        assert "immutable" in response["Cache-Control"]
        assert_headers(response, name, may_be_kept=True)
        assert not response.cookies
        body_of(response)
        again = Client().get(staticfiles_storage.url(name), HTTP_IF_MODIFIED_SINCE=response["Last-Modified"])
        assert (again.status_code, again["Cache-Control"]) == (304, response["Cache-Control"])


@pytest.mark.parametrize("path", ["nothing.css", "../console/settings.py", "css/", "%2e%2e/manage.py", "css/\x00"])
def test_static_files_that_are_not_there_are_404(path):
    response = Client().get(f"/static/{path}")
    assert response.status_code == 404
    assert_headers(response, path)


def test_429_has_the_headers(hashed, cast):
    for _ in range(6):
        response = log_in("priya", "wrong")
    assert response.status_code == 429
    assert_headers(response, "429")


def test_too_large_and_unreadable_bodies_have_the_headers(cast):
    """Also what is refused before anybody has read it, and what cannot be read at all."""
    form = "application/x-www-form-urlencoded"
    bodies = {413: (b"a=" + b"b" * 2**21, form), 400: (b"a=b", f"{form}; charset=utf-16")}
    for expected, (body, content_type) in bodies.items():
        for client in (visitor(cast["priya"], csrf_checks=True, raises=False), visitor(csrf_checks=True, raises=False)):
            response = client.generic("POST", "/theme", body, content_type)
            assert response.status_code == expected
            assert_headers(response, expected)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_form_in_utf_8_is_read_however_that_is_written(charset):
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    answer = Client().generic("POST", "/theme", b"theme=dark", kind)
    assert (answer.status_code, answer.cookies["keytree_theme"].value) == (302, "dark")


def test_body_as_large_as_any_may_be_is_read_and_one_byte_more_is_not(cast):
    client, form = visitor(cast["priya"]), "application/x-www-form-urlencoded"
    read, refused = (
        client.generic("POST", "/theme", b"theme=dark&x=".ljust(size, b"x"), form) for size in (2**20, 2**20 + 1)
    )
    assert (read.status_code, refused.status_code) == (302, 413)
    page = refused.content.decode()
    assert "Send less at a time" in page
    assert "Go back to the form" not in page


def test_lines_of_the_log_name_the_request():
    """Also those that are written when it has been answered, as Django's are."""
    for path in ("/login", "/nowhere"):
        assert Client().get(path)["X-Request-ID"] == request_id.get()


def test_what_strangers_can_send_at_will_is_no_fault_in_the_log(cast, caplog):
    stranger = Client(raise_request_exception=False)
    broken = "multipart/form-data; boundary=é"
    answers = [
        stranger.get("/login", HTTP_HOST="evil.example"),
        stranger.post("/login", {f"field-{number}": "" for number in range(2_000)}),
        stranger.post("/login", {f"file-{number}": io.BytesIO(b"x") for number in range(200)}),
        stranger.generic("POST", "/login", b"x", broken),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 400]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("is_demo", [True, False])
def test_pages_of_what_is_not_read_say_that_this_is_a_demo_where_it_is(is_demo, settings, cast, monkeypatch):
    settings.IS_DEMO = is_demo
    stranger = Client(raise_request_exception=False)
    answers = {
        "unknown host": stranger.get("/login", HTTP_HOST="evil.example"),
        "too many fields": stranger.post("/login", {f"field-{number}": "" for number in range(2_000)}),
        "too large": stranger.post("/login", {"username": "x" * 2**21}),
    }
    monkeypatch.setattr("accounts.views.users.queries.account_users", _raise(RuntimeError("on purpose")))
    answers["fault"] = visitor(cast["priya"], raises=False).get("/iam/users")
    monkeypatch.setattr("accounts.views.users.queries.account_users", _raise(OperationalError("on purpose")))
    answers["busy"] = visitor(cast["priya"], raises=False).get("/iam/users")
    assert [answer.status_code for answer in answers.values()] == [400, 400, 413, 500, 503]
    for name, answer in answers.items():
        assert ("Demo installation: everyone knows these passwords." in answer.content.decode()) is is_demo, name


def test_cookies_are_for_https_where_there_is_https(settings, cast, hashed):
    """``__Host-`` names are set with them; what they promise is what the browser then asks for."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client()
    page = client.get("/login", secure=True)
    assert page.cookies[django_settings.CSRF_COOKIE_NAME]["secure"]
    answer = client.post("/login", {"username": "priya@acme.example", "password": demo.PASSWORD}, secure=True)
    themed = client.post("/theme", {"theme": "dark"}, secure=True)
    folded = client.post("/navigation", {"folded": "insight"}, secure=True)
    assert folded.cookies["keytree_nav"].value == "insight"
    for cookie in (answer.cookies[SESSION], themed.cookies["keytree_theme"], folded.cookies["keytree_nav"]):
        assert cookie["secure"]
        assert cookie["httponly"]
