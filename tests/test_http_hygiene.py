"""What holds for every answer and every request: headers, cookies, methods, forgery, sessions, time, throttle."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from types import SimpleNamespace
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from accounts import signin, throttle
from accounts.models import Account, AttemptCount, Event, Member, Session, User
from accounts.sessions import SessionStore
from console import demo
from keys.models import ClassicKey
from tests import matrix
from tests.conftest import ACME, BOREALIS
from tests.visitors import METHODS, body_of, noting_writes, routes, session_of, undone, visitor

# What the protocol is told, whatever the database; what each database does is tried in test_races.py and elsewhere.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

HASHERS = django_settings.PASSWORD_HASHERS  # before any test sets others
SESSION = django_settings.SESSION_COOKIE_NAME
#: A session that there is not.
NOBODYS = "00000000-0000-4000-8000-000000000000"
POSTS = [surface for surface in matrix.SURFACES if surface.method == "POST"]


@pytest.fixture
def numbers(cast) -> dict[str, int]:
    """The numbers that stand in addresses: Priya's, and her key's."""
    key_id = ClassicKey.objects.get(holder=cast["priya"]).pk
    return {"member_id": cast["priya"].pk, "key_id": key_id, "token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}


def address_of(route: str, numbers: dict[str, int]) -> str:
    return reverse(route, kwargs={name: numbers[name] for name in routes()[route].pattern.converters})


# --- Headers ----------------------------------------------------------------------------------------------------------

POLICY = {
    "default-src": "'none'", "style-src": "'self'", "script-src": "'self'", "img-src": "'self'", "font-src": "'self'",
    "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "object-src": "'none'",
    "frame-ancestors": "'none'",
}  # fmt: skip
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FEATURES = {"camera", "display-capture", "geolocation", "microphone", "payment", "usb", "midi", "fullscreen"}
NEVER = ("Server", "X-Powered-By", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "X-Debug")


def assert_headers(response: HttpResponse, where: object, *, may_be_kept: bool = False) -> None:
    """The headers that every answer has, whatever its status; only static files may be kept by anybody."""
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    assert policy == POLICY, where
    is_secret = ("invitation" in str(where) and "invite" not in str(where)) or re.search(
        "reset-password|/reset/", str(where)
    )
    for name, text in {**ALWAYS, **({"Referrer-Policy": "strict-origin"} if is_secret else {})}.items():
        assert response.headers.get(name) == text, f"{name} of {where}"
    features = dict(part.strip().split("=") for part in response["Permissions-Policy"].split(","))
    assert set(features) >= FEATURES, where
    assert set(features.values()) == {"()"}, where
    assert not [name for name in NEVER if name in response.headers], where
    assert re.fullmatch(r"[0-9a-f]{16}", response["X-Request-ID"]), where
    assert (response.headers.get("Cache-Control") == "no-store") is not may_be_kept, where
    for cookie in response.cookies.values():
        if cookie.value:
            assert cookie["httponly"], f"{cookie.key} of {where}"
            assert cookie["samesite"] == "Lax", f"{cookie.key} of {where}"
            assert not cookie["domain"], f"{cookie.key} of {where}"
            assert cookie["path"] == "/", f"{cookie.key} of {where}"


def test_headers_of_every_route_method_and_visitor(cast, numbers):
    """All routes as somebody who may, who may not, who is suspended and as nobody; methods that none has as two.

    What there is not is asked for by those who are not turned away before it is looked for.
    """
    statuses: Counter[int] = Counter()
    visitors = {name: visitor(cast[name]) for name in ("marcus", "sam", "dmitri")}
    visitors["a stranger"], visitors["a forged form"] = visitor(), visitor(cast["priya"], csrf_checks=True)
    missing = {"member_id": 999_999, "key_id": 999_999, "token": "kti_" + "A" * 43, "uid": NOBODYS, "passkey": NOBODYS}
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


def test_static_files_may_be_kept_and_are_for_this_site_alone():
    for name in ("css/keytree.css", "js/keytree.js", "icons.svg", "favicon.svg"):
        response = Client().get(staticfiles_storage.url(name), HTTP_ORIGIN="https://evil.example")
        assert response.status_code == 200
        assert "immutable" in response["Cache-Control"]
        assert_headers(response, name, may_be_kept=True)
        assert not response.cookies
        body_of(response)


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
        assert ("Demo installation: everybody knows these passwords." in answer.content.decode()) is is_demo, name


def test_cookies_are_for_https_where_there_is_https(settings, cast, hashed):
    """``__Host-`` names are set with them; what they promise is what the browser then asks for."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client()
    page = client.get("/login", secure=True)
    assert page.cookies[django_settings.CSRF_COOKIE_NAME]["secure"]
    answer = client.post("/login", {"username": "priya@acme.example", "password": demo.PASSWORD}, secure=True)
    themed = client.post("/theme", {"theme": "dark"}, secure=True)
    for cookie in (answer.cookies[SESSION], themed.cookies["keytree_theme"]):
        assert cookie["secure"]
        assert cookie["httponly"]


# --- Methods ----------------------------------------------------------------------------------------------------------

OVERRIDES = (
    {},
    {"HTTP_X_HTTP_METHOD_OVERRIDE": "POST"},
    {"HTTP_X_HTTP_METHOD": "DELETE", "HTTP_X_METHOD_OVERRIDE": "DELETE"},
    {"HTTP_PURPOSE": "prefetch", "HTTP_SEC_PURPOSE": "prefetch"},
    {"QUERY_STRING": "_method=POST&method=DELETE&theme=dark&account=7654321"},
)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "POST"])
def test_only_post_changes_anything(method, cast, numbers):
    """Every route, as the one person who may do all of it, with the form's fields in the body and in the address."""
    clients = [visitor(cast["priya"]), visitor()]
    Member.objects.filter(pk=cast["priya"].pk).update(user_managed_login=True)
    fields = "theme=dark&account=7654321&classic=10.0.0.0/8&platform=&password=not-easy-to-guess&username=a@b.example"
    posted = {surface.route for surface in POSTS}
    posted_by_strangers = {surface.route for surface in POSTS if surface.for_strangers}
    for client, route, override in product(clients, routes(), OVERRIDES):
        if override and route not in (posted if client is clients[0] else posted_by_strangers):
            continue  # nothing to be overridden into
        before = client.cookies.copy()
        with noting_writes() as written:
            response = client.generic(
                method, address_of(route, numbers), fields, "application/x-www-form-urlencoded", **override
            )
            body_of(response)
        where = f"{method} {route} {override}"
        assert written <= ({"accounts_auditchain", "accounts_event"} if response.status_code == 403 else set()), where
        assert response.status_code in (200, 302, 403, 404, 405), where
        assert {name: cookie.value for name, cookie in client.cookies.items() if name != "keytree_csrf"} == {
            name: cookie.value for name, cookie in before.items() if name != "keytree_csrf"
        }, where


def test_405_names_what_is_allowed(cast):
    client = visitor(cast["priya"])
    assert client.delete("/iam/apikeys")["Allow"] == "GET, HEAD"
    assert client.get("/logout")["Allow"] == "POST"


@pytest.mark.parametrize("who", ["priya", "dmitri", "nobody"])
def test_405_is_a_page_to_go_on_from(who, cast):
    """For people; programs that take no pages get none."""
    client = visitor(cast.get(who))
    for method, path in (("GET", "/theme"), ("POST", "/healthz"), *[("GET", "/account/switch")] * (who != "nobody")):
        answer = client.generic(method, path, HTTP_ACCEPT="text/html,application/xhtml+xml,*/*;q=0.8")
        assert answer.status_code == 405
        page = answer.content.decode()
        assert "Nothing was changed" in page
        assert '<a href="/">' in page
        assert ("Log out" in page) is (who != "nobody")
        assert_headers(answer, path)
        assert not client.generic(method, path, HTTP_ACCEPT="application/json").content
        assert not client.generic("PUT", path).content


def test_head_is_get_without_the_body(cast, numbers):
    client = visitor(cast["priya"])
    for route in routes():
        got, head = (client.generic(method, address_of(route, numbers)) for method in ("GET", "HEAD"))
        assert head.status_code == got.status_code, route
        assert not body_of(head), route
        body_of(got)


# --- Forged requests --------------------------------------------------------------------------------------------------


def token_for(client: Client) -> str:
    """The token that a form of the page has."""
    page = body_of(client.get("/login" if SESSION not in client.cookies else "/iam/activity")).decode()
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]


@pytest.mark.parametrize("surface", POSTS, ids=lambda surface: surface.route)
def test_every_form_needs_its_token(surface, cast, numbers):
    url = address_of(surface.route, numbers)
    signed_in = surface.route != "accounts:login"
    client = visitor(cast["priya"] if signed_in else None, csrf_checks=True)
    token, other = token_for(client), get_token(RequestFactory().get("/"))
    cookie = client.cookies[django_settings.CSRF_COOKIE_NAME].value
    for data, headers in (
        ({}, {}),
        ({"csrfmiddlewaretoken": ""}, {}),
        ({"csrfmiddlewaretoken": other}, {}),
        ({"csrfmiddlewaretoken": token[::-1]}, {}),
        ({"csrfmiddlewaretoken": "\u00e9" * 64}, {}),
        ({"csrfmiddlewaretoken": token}, {"HTTP_ORIGIN": "https://evil.example"}),
        ({"csrfmiddlewaretoken": token}, {"HTTP_ORIGIN": "null"}),
    ):
        with noting_writes() as written:
            response = client.post(url, {**surface.data, **data}, **headers)
        assert response.status_code == 403, (data, headers)
        assert not written
        assert "Go back, load the page again" in response.content.decode()
        assert_headers(response, url)
    without_cookie = visitor(cast["priya"] if signed_in else None, csrf_checks=True)
    assert without_cookie.post(url, {**surface.data, "csrfmiddlewaretoken": token}).status_code == 403
    assert client.cookies[django_settings.CSRF_COOKIE_NAME].value == cookie
    with undone():
        genuine = client.post(url, {**surface.data, "csrfmiddlewaretoken": token}, HTTP_ORIGIN="http://testserver")
    assert genuine.status_code in (200, 302, 403, 404)
    assert "Go back, load the page again" not in genuine.content.decode()


def test_signing_in_makes_a_new_token(cast, hashed):
    """One that somebody planted before is of no use afterwards."""
    client = Client(enforce_csrf_checks=True)
    token = token_for(client)
    before = client.cookies[django_settings.CSRF_COOKIE_NAME].value
    data = {"username": "priya@acme.example", "password": demo.PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post("/login", data).status_code == 302
    assert client.cookies[django_settings.CSRF_COOKIE_NAME].value != before
    assert client.post("/logout", {"csrfmiddlewaretoken": token}).status_code == 403


# --- Where one is sent ------------------------------------------------------------------------------------------------

ELSEWHERE = (
    "https://evil.example", "http://evil.example/iam/apikeys", "//evil.example", "///evil.example", "////evil.example",
    "\\\\evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example", "\t//evil.example", " //evil.example",
    "/\n/evil.example", "\x00//evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x",
    "http:evil.example", "https:/evil.example", "http:///evil.example", "//testserver@evil.example",
    "https://testserver@evil.example", "https://testserver.evil.example", "//[::1", "//evil.example\\@testserver",
    "\u2215\u2215evil.example", "\uff0f\uff0fevil.example", "%2f%2fevil.example", "mailto:a@b.example",
    "ftp://testserver/",
)  # fmt: skip
HERE = ("/iam/users?view=hierarchy", "/iam/activity?q=a%20b&outcome=refused", "/iam/apikeys/classic/3")


def is_of_this_site(location: str, page: str) -> bool:
    """As a browser reads it: backslashes are slashes, blanks and control characters are nothing."""
    read = re.sub(r"[\x00-\x20]", "", location).replace("\\", "/")
    return urlsplit(urljoin(f"http://testserver{page}", read))[:2] == ("http", "testserver")


@pytest.mark.parametrize("next_page", ELSEWHERE)
def test_next_never_leads_elsewhere(next_page, cast, hashed):
    data = {"username": "priya@acme.example", "password": demo.PASSWORD}
    client = Client(raise_request_exception=False)
    signed_in = client.post("/login?" + urlencode({"next": next_page}), data)
    again = client.get("/login?" + urlencode({"next": next_page}))
    themed = client.post("/theme", {"theme": "dark", "next": next_page})
    for response, page in ((signed_in, "/login"), (again, "/login"), (themed, "/theme")):
        assert response.status_code == 302
        assert is_of_this_site(response["Location"], page), response["Location"]


@pytest.mark.parametrize("next_page", HERE)
def test_next_leads_to_pages_of_this_site(next_page, cast, hashed):
    data = {"username": "priya@acme.example", "password": demo.PASSWORD}
    assert Client().post("/login?" + urlencode({"next": next_page}), data)["Location"] == next_page
    assert Client().post("/theme", {"theme": "dark", "next": next_page})["Location"] == next_page


@pytest.mark.parametrize("next_page", ["nowhere", "accounts:user", "x" * 5_000, "\ud800", "..", "?q=a", "#main", "é"])
def test_next_that_is_no_path_leads_to_the_start(next_page, cast, hashed):
    """Not even a 500: anybody may post it."""
    encoded = urlencode({"theme": "dark", "next": next_page.encode(errors="surrogatepass")})
    response = Client(raise_request_exception=False).generic(
        "POST", "/theme", encoded, "application/x-www-form-urlencoded"
    )
    assert response.status_code == 302
    data = {"username": "priya@acme.example", "password": demo.PASSWORD}
    url = "/login?" + urlencode({"next": next_page.encode(errors="surrogatepass")})
    assert Client(raise_request_exception=False).post(url, data)["Location"] == "/"


def test_nobody_is_led_to_what_is_no_page(cast, numbers, hashed):
    """Every address that answers no GET: neither by being sent to log in, nor by an old link, nor by the theme."""
    data = {"username": "priya@acme.example", "password": demo.PASSWORD}
    client = visitor(cast["priya"])
    is_none = [route for route in routes() if client.get(address_of(route, numbers)).status_code == 405]
    assert {"accounts:logout", "accounts:switch-account", "console:theme"} <= set(is_none)
    for route, query in product(is_none, ("", "?a=b")):
        url = address_of(route, numbers) + query
        for method in ("GET", "POST"):
            answer = visitor().generic(method, url)
            assert route == "console:theme" or answer["Location"] == "/login", (method, url)
        for asked in (url, url.replace("t", "%74")):
            assert Client().post("/login?" + urlencode({"next": asked}), data)["Location"] == "/", asked
            assert Client().post("/theme", {"theme": "dark", "next": asked})["Location"] == "/", asked


@pytest.mark.parametrize("path", ["/logout", "/account/switch"])
def test_leaving_a_session_that_is_over_ends_on_a_page(path, cast, clock, hashed):
    """The browser asks for where it is sent to by GET, also after it was sent there from a form."""
    client = visitor(cast["noor"])
    clock.go_on(minutes=31)
    login = client.post(path, {"account": BOREALIS}, follow=True)
    assert login.redirect_chain == [("/login", 302)]
    assert "Your session has ended" in login.content.decode()
    data = {"username": "noor@acme.example", "password": demo.PASSWORD}
    answer = client.post(login.request["PATH_INFO"] + "?" + login.request["QUERY_STRING"], data, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain[-1][0] == "/iam/apikeys"


def test_next_is_no_longer_than_the_server_reads(cast, hashed):
    """An address that grew by its own encoding would be answered with 414, which has no page."""
    data = {"username": "priya@acme.example", "password": demo.PASSWORD}
    for letters, is_kept in (("x" * 1_900, True), ("x" * 2_100, False), ("\u00e9" * 400, False)):
        asked = "/iam/users?q=" + quote(letters)
        sent = Client().get(asked)["Location"]
        assert sent == ("/login?next=" + quote(asked) if is_kept else "/login")
        signed_in = Client().post("/login?" + urlencode({"next": asked}), data)
        assert signed_in["Location"] == (asked if is_kept else "/")


def test_strangers_are_sent_to_log_in_and_come_back_to_where_they_were(cast, numbers):
    for surface in matrix.SURFACES:
        if surface.for_strangers or surface.method != "GET":
            continue
        url = address_of(surface.route, numbers) + surface.query.format(sibling=numbers["member_id"])
        response = Client().get(url)
        assert response.status_code == 302
        assert response["Location"] == f"/login?next={quote(url)}"


# --- Sessions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The passwords that a hash was computed for; the demo's is right, and nothing takes time."""
    tried: list[str] = []

    def check(self, password):
        tried.append(password)
        return password == demo.PASSWORD

    monkeypatch.setattr("accounts.models.User.check_password", check)
    monkeypatch.setattr("accounts.models.User.set_password", lambda _, password: tried.append(password))
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    return tried


@cache
def _somebody() -> Client:
    """One client for all who need no other: making its middleware takes as long as an answer."""
    return Client()


def log_in(name: str, password: str = demo.PASSWORD, *, client: Client | None = None, **environ: str) -> HttpResponse:
    email = name if "@" in name else f"{name}@acme.example"
    if client is None:
        client = _somebody()
        client.cookies.clear()
    return client.post("/login", {"username": email, "password": password}, **environ)


def is_signed_in(client: Client) -> bool:
    return client.get("/iam/activity").status_code == 200


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
    assert not Session.objects.filter(session_key=old).exists()
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
    Session.objects.filter(pk=over.cookies[SESSION].value).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert log_in("marcus").status_code == 302
    assert not Session.objects.filter(pk=over.cookies[SESSION].value).exists()
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


class Clock:
    """The time that everything here goes by; stands still until told to go on."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock(monkeypatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr("django.utils.timezone.now", made)
    return made


def test_session_that_somebody_else_ended_is_said_to_be_over(cast):
    client, stranger = visitor(cast["priya"]), Client()
    SessionStore(client.cookies[SESSION].value).delete()
    for asked in (lambda: client.get("/iam/activity"), lambda: stranger.get("/iam/activity")):
        answer = asked()
        assert answer["Location"] == "/login?next=/iam/activity"
    assert "Your session has ended. Log in again" in client.get("/login").content.decode()
    assert "Your session has ended" not in client.get("/login").content.decode()  # said once
    assert "Your session has ended" not in stranger.get("/login").content.decode()


def test_idle_session_ends_after_thirty_minutes(cast, clock):
    client = visitor(cast["priya"])
    clock.go_on(minutes=30)
    assert is_signed_in(client)
    clock.go_on(minutes=30, seconds=1)
    answer = client.get("/iam/activity")
    assert answer["Location"] == "/login?next=/iam/activity"
    assert "Your session has ended. Log in again to go on." in client.get(answer["Location"]).content.decode()
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


@pytest.fixture
def key_url(cast) -> str:
    return f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=cast['priya']).pk}"


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
    assert "This is not your password. Try again." in wrong.content.decode()
    assert not holds_value(wrong)
    assert client.cookies[SESSION].value == session_before
    right = client.post(url, {"password": demo.PASSWORD})
    if action == "download":  # after the proof the details are shown again, and the file is asked for once more
        assert not holds_value(right)
        assert right["Location"] == f"{key_url}?confirmed=download"
        right = client.post(url)
    assert holds_value(right)
    assert client.cookies[SESSION].value != session_before
    assert not Session.objects.filter(session_key=session_before).exists()
    events = [event.action for event in Event.objects.order_by("pk")[before:]]
    told = "classic_key.shown" if action == "show" else "classic_key.downloaded"
    assert events == ["user.sign_in_refused", "user.identity_proved", told]
    clock.go_on(minutes=5)
    assert holds_value(client.post(url))  # fresh again, from then on
    clock.go_on(seconds=1)
    assert not holds_value(client.post(url))


def holds_value(response: HttpResponse) -> bool:
    return bool(re.search(rb"\b[0-9a-f]{64}\b", body_of(response)))


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
    assert "The email or the password is not right." in wrong.content.decode()
    assert "Your user cannot sign in to any account." in right.content.decode()
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
    for surface in matrix.SURFACES:
        if surface.for_any_status:
            continue
        response = client.generic(surface.method, address_of(surface.route, numbers) + surface.query)
        assert response.status_code == 403, surface.name
        page = response.content.decode()
        assert Event.objects.filter(action="console.refused", outcome="refused").count() in {1, 2}  # one a minute
        assert "You are suspended in <b>1234567 - Acme Robotics</b>." in page, surface.name
        assert "priya" not in page.casefold(), surface.name
        assert 'href="/iam/' not in page, surface.name
    assert client.post("/logout").status_code == 302


def test_member_suspended_in_one_account_works_in_the_other(cast, hashed):
    Member.objects.filter(pk=cast["sam"].pk).update(status="suspended")
    client = Client()
    assert log_in("sam", client=client).status_code == 302
    assert "7654321 - Borealis Labs" in client.get("/iam/apikeys").content.decode()
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
    outside = log_in("priya", REMOTE_ADDR="17.5.7.8")
    assert outside.status_code == 200
    assert "You cannot sign in from this address." in outside.content.decode()
    client = Client(REMOTE_ADDR="10.1.2.3")
    assert log_in("priya", client=client).status_code == 302
    assert is_signed_in(client)
    for surface in matrix.SURFACES:
        if not surface.for_any_status:
            with noting_writes() as written:
                url = address_of(surface.route, numbers) + surface.query
                response = client.generic(surface.method, url, REMOTE_ADDR="17.5.7.8")
            assert response.status_code == 403, surface.name
            assert "You are calling from <code>17.5.7.8</code>" in response.content.decode()
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
    assert "7654321 - Borealis Labs" in client.get("/iam/apikeys").content.decode()
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
    kept = SimpleNamespace(
        idle=django_settings.KEYTREE_SESSION_IDLE_MINUTES, hours=django_settings.KEYTREE_SESSION_HOURS
    )
    assert (kept.idle, kept.hours) == (30, 12)
    assert connection.vendor in ("sqlite", "postgresql")
