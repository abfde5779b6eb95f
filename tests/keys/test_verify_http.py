"""``/verify`` as a server calls it: the credentials, the two answers, the client's address, what is not looked at."""

import base64
import random
import re
from urllib.parse import unquote

import pytest
from django.db import DatabaseError, OperationalError

from accounts.models import Event, Member, User
from keys import usage, verification, wsgi
from keys.models import ClassicKey
from keys.views import verify as view
from tests.keys.calls import REFUSING, Answer, basic, call, forgeries

NAME = "1234567_priya@acme.example"
REFUSED = Answer(
    "401 Unauthorized",
    (
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", "0"),
        ("WWW-Authenticate", 'Basic realm="Keytree", charset="UTF-8"'),
    ),
    b"",
)


@pytest.fixture
def good(value_of) -> dict[str, str]:
    """The header that lets Priya's calls pass."""
    return {"Authorization": basic(NAME, value_of("priya"))}


def is_accepted(answer: Answer) -> bool:
    """Whether the answer is one of the two there are, and which."""
    assert answer == REFUSED or answer.status == "204 No Content"
    return answer != REFUSED


# --- The two answers --------------------------------------------------------------------------------------------------


def test_accepted_says_whose_call_it_is(good):
    assert call(headers=good) == Answer(
        "204 No Content",
        (
            ("X-Keytree-Account", "1234567"),
            ("X-Keytree-Username", "1234567_priya@acme.example"),
            ("X-Keytree-User", "priya@acme.example"),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
        ),
        b"",
    )


@pytest.mark.django_db
def test_answers_by_https_keep_browsers_to_it(settings):
    """As pages do, and like them not over plain http, where anybody could have written the header."""
    settings.IS_HTTPS, settings.SECURE_HSTS_SECONDS = True, 63_072_000
    settings.KEYTREE_TRUSTED_PROXIES = "127.0.0.2"
    kept = "max-age=63072000; includeSubDomains; preload"
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "17.5.7.8"}
    name = "Strict-Transport-Security"
    assert call(headers=forwarded, peer="127.0.0.2").header(name) == kept
    assert call(headers=forwarded, peer="127.0.0.3").header(name) is None
    assert call(**{"wsgi.url_scheme": "https"}).header(name) == kept
    assert call().header(name) is None


@pytest.mark.django_db
def test_refused_without_credentials_asks_for_them():
    assert call() == REFUSED


@pytest.mark.parametrize("change", REFUSING)
def test_refused_for_any_reason_looks_the_same(good, key_of, change):
    assert is_accepted(call(headers=good))
    change(key_of("priya"))
    assert call(headers=good) == REFUSED


@pytest.mark.parametrize(
    ("username", "password"),
    [(NAME, "wrong"), (NAME, ""), ("", ""), ("1234567_nobody@acme.example", "wrong"), ("apikey", "0" * 64)],
)
def test_refused_pair_looks_the_same(cast, username, password):
    assert call(headers={"Authorization": basic(username, password)}) == REFUSED


def test_answers_do_not_share_their_headers(cast):
    """A server may change the list it is given."""
    given: list[list] = []

    def start_response(_status, headers):
        given.append(headers)

    for _ in range(2):
        view.VerifyApplication(call)({"PATH_INFO": "/verify"}, start_response)
        given[-1].append(("X-Added", "by the server"))
    assert given[0] == given[1] == [*REFUSED.headers, ("X-Added", "by the server")]


# --- The Basic header -------------------------------------------------------------------------------------------------


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


ODD_HEADERS = [
    "", " ", "Basic", "Basic ", "Basic  ", "basic :", "Basic =", "Basic ====", "Basic !!!!", "Basic YQ", "Basic YQ=",
    "Basic YTpi YTpi", "Basic YTpi, Basic YTpi", "Basic\tYTpi", "BasicYTpi", "Bearer YTpi", "Digest YTpi", "Negotiate",
    "Basic é", "Basic \ud800", "Basic \x00\x00", "Basic YTpi\x00", "Basic YTpi\n", "Basic Y\nT\np\ni",
    "Basic " + encoded("no colon"), "Basic " + encoded(b"\xff\xfe:\xff"), "Basic " + encoded(b"a\x00b:c\x00d"),
    "Basic " + encoded(b"\xed\xa0\x80:x"), "Basic " + encoded("a\r\nSet-Cookie: b=c:d"), "Basic " + encoded(":"),
    "Basic " + encoded("::::"), "Basic " + encoded("x" * 7_000), "Basic " + "A" * 10**6, "A" * 10**6 + " YTpi",
    "Basic " + encoded("%s%n%x:%s"), "Basic " + encoded("' OR 1=1 --:x"), "Basic " + encoded("\u202eelpmaxe:x"),
    "Basic " + encoded("𝟙234567_priya@acme.example:x"), "Basic " + encoded("a" * 266 + ":x"), ",Basic YTpi",
    "=?utf-8?q?Basic?=",
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("header", ODD_HEADERS)
def test_odd_header_is_refused_like_any(header):
    assert call(headers={"Authorization": header}) == REFUSED


@pytest.mark.parametrize("form", ["basic {}", "BASIC {}", "Basic   {}", "Basic {} "])
def test_header_in_any_form_that_the_rfc_allows_is_read(good, form):
    token = good["Authorization"].removeprefix("Basic ")
    assert is_accepted(call(headers={"Authorization": form.format(token)}))


@pytest.mark.parametrize("form", ["{}=", "{},", "={}", "{}\r\n", "{} {}", "-{}", "{}AAAA"])
def test_header_with_more_than_the_credentials_is_refused(good, form):
    token = good["Authorization"].removeprefix("Basic ")
    assert call(headers={"Authorization": "Basic " + form.format(token, token)}) == REFUSED


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_accents_of_a_name_are_read_however_they_are_sent(key_of, value_of, encoding):
    name = "1234567_jos\u00e9.\u00c3\u00a9@acme.example"
    Member.objects.filter(pk=key_of("priya").holder_id).update(api_username=name.lower())
    for username in (name, name.upper()):
        sent = encoded(f"{username}:{value_of('priya')}".encode(encoding))
        assert is_accepted(call(headers={"Authorization": f"Basic {sent}"}))


def test_header_in_url_safe_base64_is_another_alphabet():
    assert (
        wsgi.credentials("Basic " + encoded("a:\u00ff\u00fe\u00ff>>>???").replace("/", "_").replace("+", "-")) is None
    )


def test_value_with_colons_is_whole():
    assert wsgi.credentials("Basic " + encoded("name:a:b::c")) == ("name", "a:b::c")


def test_header_of_8_kib_is_the_longest():
    token = encoded("n:" + "x" * 6_136)
    assert wsgi.credentials(f"Basic {token}") == ("n", "x" * 6_136)
    assert wsgi.credentials("Basic " + " " * (8_193 - len(token)) + token) is None


def is_utf8(sent: bytes) -> bool:
    try:
        sent.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_random_headers_are_read_exactly_or_not_at_all():
    chance = random.Random(20)  # the same headers each time
    alphabet = "ABCYTpi019+/=-_ :,\t\n\x00é\udcff"
    for _ in range(50_000):
        kind = chance.randrange(3)
        if kind == 0:
            header = "Basic " + "".join(chance.choices(alphabet, k=chance.randrange(40)))
        elif kind == 1:
            header = "Basic " + encoded(chance.randbytes(chance.randrange(40)))
        else:
            token = list("Basic " + encoded(f"{chance.randbytes(3).hex()}:{chance.randbytes(9).hex()}"))
            token[chance.randrange(len(token))] = chance.choice(alphabet)
            header = "".join(token)
        found = wsgi.credentials(header)
        if found is not None:
            username, password = found
            token = header.split(" ", 1)[1].strip(" ")
            assert re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?", token)
            sent, read = base64.b64decode(token), f"{username}:{password}"
            assert sent == read.encode() or (sent == read.encode("latin-1") and not is_utf8(sent))
            assert ":" not in username


@pytest.mark.parametrize("query", ["user={n}&password={v}", "Authorization=Basic%20{t}", "{t}", "apikey={v}"])
def test_credentials_in_the_query_are_not_read(good, value_of, query):
    token = good["Authorization"].removeprefix("Basic ")
    assert call(query=query.format(n=NAME, v=value_of("priya"), t=token)) == REFUSED


@pytest.mark.parametrize("name", ["Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "Cookie"])
def test_credentials_in_another_header_are_not_read(good, name):
    assert call(headers={name: good["Authorization"]}) == REFUSED


# --- Headers of the answer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("priya+ci@acme.example", "priya+ci@acme.example"),
        ("o'brien{x}|y~z@acme.example", "o'brien{x}|y~z@acme.example"),
        ("müller@exämple.test", "m%C3%BCller@ex%C3%A4mple.test"),
        ("100%@acme.example", "100%25@acme.example"),
        ('"a b"@acme.example', "%22a%20b%22@acme.example"),
        ("x\r\nset-cookie: a=b@acme.example", "x%0D%0Aset-cookie%3A%20a=b@acme.example"),
        ("x\x00\x7f\u2028@acme.example", "x%00%7F%E2%80%A8@acme.example"),
    ],
)
def test_name_in_a_header_is_one_line_and_reads_back(good, cast, name, shown, monkeypatch):
    User.objects.filter(pk=cast["priya"].user_id).update(email="someone@acme.example")
    if name.isprintable():
        Member.objects.filter(pk=cast["priya"].pk).update(api_username=name)
        value = good["Authorization"]
        password = base64.b64decode(value.removeprefix("Basic ")).decode().rpartition(":")[2]
        assert call(headers={"Authorization": basic(name, password)}).header("X-Keytree-Username") == shown
    assert view._header_text(name) == shown
    assert shown.isascii()
    assert shown.isprintable()
    assert unquote(shown) == name


# --- Where it is answered ---------------------------------------------------------------------------------------------


PATHS = [
    "/verify", "/verify/", "/verify/a/b", "/verify//login", "/verify/../login", "/verify/%2e%2e/login",
    "/verify%2flogin", "/verify/;x=y", "/verify/%00", "/verify/%ff%fe", "/verify/static/app.css", "/verify/healthz",
    "/verify/envoyx",
]  # fmt: skip


def test_path_and_everything_below_it_are_answered_here(good):
    for path in PATHS:
        assert call(path) == REFUSED, path
        assert is_accepted(call(path, headers=good, query="next=/")), path


def test_path_for_envoy_says_yes_by_200(good):
    for path in ("/verify/envoy", "/verify/envoy/", "/verify/envoy/a/b", "/verify/envoy//login"):
        yes = call(path, headers=good)
        assert yes.status == "200 OK"
        assert (yes.header("X-Keytree-User"), yes.header("Content-Length"), yes.body) == (
            "priya@acme.example", "0", b"",
        )  # fmt: skip
        assert call(path) == REFUSED
        assert call(path, headers={"Authorization": basic(NAME, "wrong")}) == REFUSED


@pytest.mark.parametrize(
    "path", ["/", "", "/verifyx", "/Verify", "/verif", "/a/verify", "//verify", "/verify%00", "/verify;x"]
)
def test_other_paths_are_djangos(path):
    assert call(path).header("X-Answered-By") == "Django"


@pytest.mark.parametrize("script_name", ["/verify", "/veri", "/v"])
def test_script_name_that_a_client_sent_does_not_lead_to_a_page(script_name):
    """A server cuts it off the path; what is left could be the login page, whose 200 a proxy takes for a yes."""
    rest = "/verify/login".removeprefix(script_name)
    assert call(rest, SCRIPT_NAME=script_name) == REFUSED


def test_mounted_below_a_script_name_it_is_answered_too(good):
    assert is_accepted(call("/verify/x", headers=good, SCRIPT_NAME="/keytree"))


def test_method_and_body_are_not_looked_at(good):
    body = {"CONTENT_LENGTH": "1048576", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"):
        assert is_accepted(call(method=method, headers=good, **body)), method
        assert call(method=method, headers={"Transfer-Encoding": "chunked"}) == REFUSED, method


# --- The client's address ---------------------------------------------------------------------------------------------

OFFICE, STRANGER, PROXY = "17.5.7.8", "203.0.113.9", "10.0.0.1"


@pytest.fixture
def office_only(key_of, good):
    """The header of a key that works from the office alone."""
    ClassicKey.objects.filter(pk=key_of("priya").pk).update(allowed_addresses="17.5.7.0/24")
    return good


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
def test_address_forged_by_a_stranger_does_not_help(office_only, settings, trusted):
    settings.KEYTREE_TRUSTED_PROXIES = trusted
    assert is_accepted(call(headers=office_only, peer=OFFICE))
    for forgery in forgeries(OFFICE, PROXY):
        assert call(headers={**office_only, **forgery}, peer=STRANGER) == REFUSED, forgery


def test_address_forged_through_a_declared_proxy_does_not_help(office_only, settings):
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    for forgery in forgeries(OFFICE, PROXY):
        # The proxy adds the stranger's address to what was sent, as proxies do that do not replace it.
        sent = forgery.get("X-Forwarded-For")
        forwarded = {"X-Forwarded-For": f"{sent},{STRANGER}" if sent else STRANGER}
        assert call(headers={**office_only, **forgery, **forwarded}, peer=PROXY) == REFUSED, forgery


@pytest.mark.parametrize(
    ("forwarded", "accepted"),
    [
        (OFFICE, True), (f"::ffff:{OFFICE}", True), (f"{STRANGER}, {OFFICE}", True), (f"{OFFICE}, 10.9.9.9", True),
        (STRANGER, False), (f"{OFFICE}, {STRANGER}", False), (None, False), ("", False), ("unknown", False),
        (f"{OFFICE}, unknown", False), (f"{OFFICE}\x00", False), (f"{OFFICE}, " * 60 + OFFICE, False),
    ],
)  # fmt: skip
def test_address_is_the_one_that_a_declared_proxy_names(office_only, settings, forwarded, accepted):
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    headers = {**office_only, **({} if forwarded is None else {"X-Forwarded-For": forwarded})}
    assert is_accepted(call(headers=headers, peer=PROXY)) is accepted


def test_address_of_a_unix_socket_is_unknown_unless_declared(office_only, settings):
    assert call(headers={**office_only, "X-Forwarded-For": OFFICE}, peer="") == REFUSED
    settings.KEYTREE_TRUSTED_PROXIES = "unix"
    assert is_accepted(call(headers={**office_only, "X-Forwarded-For": OFFICE}, peer=""))


def test_address_is_what_last_used_and_the_activity_log_say(good, key_of, settings):
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    call(headers={**good, "X-Forwarded-For": f"::ffff:{OFFICE}"}, peer=PROXY)
    call(headers={"Authorization": basic(NAME, "wrong"), "X-Forwarded-For": STRANGER}, peer=PROXY)
    usage.flush()
    assert key_of("priya").last_used_from == OFFICE
    assert Event.objects.get(outcome="refused").address == STRANGER


# --- The way here -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "scheme", "accepted"),
    [
        (STRANGER, "http", False),
        (STRANGER, "https", True),
        ("127.0.0.1", "http", True),
        ("127.8.9.10", "http", True),
        ("::1", "http", True),
        ("::ffff:127.0.0.1", "http", True),
        ("", "http", True),  # a unix socket
        (PROXY, "http", True),  # declared
        ("10.250.0.1", "http", True),
        ("11.0.0.1", "http", False),
    ],
)
def test_plain_http_over_a_network_is_refused_where_keytree_is_public_by_https(good, settings, peer, scheme, accepted):
    settings.IS_HTTPS, settings.KEYTREE_TRUSTED_PROXIES = True, "10.0.0.0/8"
    headers = {**good, "X-Forwarded-Proto": "https"}  # which is not for a stranger to say
    assert is_accepted(call(headers=headers, peer=peer, **{"wsgi.url_scheme": scheme})) is accepted


def test_plain_http_is_for_demos(good, settings):
    assert settings.IS_HTTPS is False
    assert is_accepted(call(headers=good, peer=STRANGER))


# --- Last used and refusals -------------------------------------------------------------------------------------------


def test_thousand_refused_calls_are_one_event_and_later_their_count(cast, clock):
    for _ in range(1_000):
        call(headers={"Authorization": basic(NAME, "wrong")})
        clock.now += 0.05
        usage.collector.flush()
    clock.now += 60
    usage.collector.flush()
    counts = [event.facts["count"] for event in Event.objects.filter(outcome="refused").order_by("number")]
    assert counts == [1, 999]


def test_unknown_name_leaves_no_trace(cast):
    events = Event.objects.count()
    call(headers={"Authorization": basic("1234567_nobody@acme.example", "wrong")})
    usage.flush()
    assert Event.objects.count() == events


def test_accepted_call_writes_nothing_on_its_way(good, django_assert_num_queries):
    with django_assert_num_queries(0):  # the one question goes beneath Django's count
        assert is_accepted(call(headers=good))


# --- When something is wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OperationalError("away"), DatabaseError("file is not a database")])
def test_database_away_is_503_and_never_a_yes(good, monkeypatch, caplog, error):
    def away(*_: object):
        raise error

    monkeypatch.setattr(verification, "_ask", away)
    answer = call(headers=good)
    assert (answer.status, answer.body) == ("503 Service Unavailable", b"")
    assert (answer.header("Retry-After"), answer.header("Cache-Control")) == ("5", "no-store")
    assert caplog.messages == [f"verification unavailable: {type(error).__name__}"]


def test_error_while_deciding_is_a_no(good, monkeypatch, caplog):
    def broken(*_: object):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(view, "verify", broken)
    assert call(headers=good) == REFUSED
    assert caplog.messages == ["verification failed"]


def test_key_ring_unusable_is_a_no_for_everybody(good, settings):
    settings.KEYTREE_KEY_RING_FILE = "/nonexistent"
    assert call(headers=good) == REFUSED
    assert call(headers={"Authorization": basic("nobody", "x")}) == REFUSED


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("müller@exämple.test", "m%C3%BCller@ex%C3%A4mple.test"),
        ("100%@acme.example", "100%25@acme.example"),
        ('"a b"@acme.example', "%22a%20b%22@acme.example"),
    ],
)
def test_address_in_a_header_is_written_like_a_name(good, cast, email, shown):
    User.objects.filter(pk=cast["priya"].user_id).update(email=email)
    assert call(headers=good).header("X-Keytree-User") == shown
    assert call("/verify/envoy", headers=good).header("X-Keytree-User") == shown
