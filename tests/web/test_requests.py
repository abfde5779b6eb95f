"""Which requests change anything: methods, forged ones, and where one is sent afterwards."""

import re
from itertools import product
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.conf import settings as django_settings
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory
from django.utils.http import urlencode

from accounts.models import Member
from console import demo
from tests.conftest import BOREALIS
from tests.surfaces import SURFACES
from tests.visitors import METHODS, body_of, noting_writes, routes, undone, visitor
from tests.web.asking import SESSION, address_of, assert_headers

# What the protocol is told, whatever the database; what each database does is tried in tests/races and elsewhere.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

POSTS = [surface for surface in SURFACES if surface.method == "POST"]

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
        if method == "GET":
            head = client.head(path, HTTP_ACCEPT="text/html")
            assert (head.status_code, head["Content-Type"]) == (405, answer["Content-Type"])
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
        assert "Go back, reload the page" in response.content.decode()
        assert_headers(response, url)
    without_cookie = visitor(cast["priya"] if signed_in else None, csrf_checks=True)
    assert without_cookie.post(url, {**surface.data, "csrfmiddlewaretoken": token}).status_code == 403
    assert client.cookies[django_settings.CSRF_COOKIE_NAME].value == cookie
    with undone():
        genuine = client.post(url, {**surface.data, "csrfmiddlewaretoken": token}, HTTP_ORIGIN="http://testserver")
    assert genuine.status_code in (200, 302, 403, 404)
    assert "Go back, reload the page" not in genuine.content.decode()


def test_signing_in_makes_a_new_token(cast, hashed):
    """One that somebody planted before is of no use afterwards."""
    client = Client(enforce_csrf_checks=True)
    token = token_for(client)
    before = client.cookies[django_settings.CSRF_COOKIE_NAME].value
    data = {"username": "priya@acme.example", "password": demo.PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post("/login", data).status_code == 302
    assert client.cookies[django_settings.CSRF_COOKIE_NAME].value != before
    assert client.post("/logout", {"csrfmiddlewaretoken": token}).status_code == 403


def test_login_page_of_another_tab_leads_on_whoever_has_logged_in_meanwhile(cast, hashed):
    """Its token is old by then; a stranger's form without the right one stays refused."""
    client = Client(enforce_csrf_checks=True)
    data = {"username": "priya@acme.example", "password": demo.PASSWORD, "csrfmiddlewaretoken": token_for(client)}
    assert client.post("/login", data).status_code == 302
    with noting_writes() as written:
        answer = client.post("/login?next=/iam/users", data)
    assert (answer.status_code, answer["Location"]) == (302, "/login?next=/iam/users")
    assert not written
    assert client.get(answer["Location"])["Location"] == "/iam/users"
    assert Client(enforce_csrf_checks=True).post("/login?next=/iam/users", data).status_code == 403


@pytest.mark.parametrize(
    ("path", "again"),
    [
        ("/iam/users/invite_users", "/iam/users/invite_users"),
        ("/login?next=/iam/users", "/login?next=/iam/users"),
        ("/logout", ""),
    ],
)
def test_page_that_is_out_of_date_leads_to_where_it_can_be_loaded_again(path, again):
    page = Client(enforce_csrf_checks=True).post(path, {}).content.decode()
    assert re.findall('<a href="([^"]+)">Reload the page</a>', page) == ([again] if again else [])


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
    assert login.redirect_chain == [("/login?ended=1", 302)]
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
    for surface in SURFACES:
        if surface.for_strangers or surface.method != "GET":
            continue
        url = address_of(surface.route, numbers) + surface.query.format(new_parent=numbers["member_id"])
        response = Client().get(url)
        assert response.status_code == 302
        assert response["Location"] == f"/login?next={quote(url)}"
