"""What people and programs send that is wrong: an answer that says what to do, nothing changed, and never a 500."""

import base64
import csv
import io
import json
import re
import time
from datetime import timedelta
from html import unescape
from itertools import cycle, product
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import audit, events, queries
from accounts.hashers import CommonCoreValidator
from accounts.list_request import ListRequest
from accounts.listing import Cursor
from accounts.models import Account, AttemptCount, Event, Member, Session, User
from accounts.names import NAME_LENGTH, canonical_email, clean_email, clean_name
from accounts.origin import Origin
from keys import queries as key_queries
from keys.models import ClassicKey
from tests import matrix
from tests.conftest import ACME
from tests.test_http_hygiene import NOBODYS, address_of
from tests.trees import grow, make_key
from tests.visitors import body_of, noting_writes, routes, session_of, undone, visitor

pytestmark = pytest.mark.django_db

#: As bytes: what they are is decided by whoever reads them.
NASTY = {
    "huge": b"x" * 200_000,
    "NUL": b"a\x00b",
    "a lone surrogate": "a\ud800b".encode(errors="surrogatepass"),
    "bad UTF-8": b"\xff\xfe\xc0\x80",
    "overlong UTF-8": b"\xc0\xbc\xc0\xaf",
    "control characters": b"\x01\x02\x1b[31m\x7f\x85",
    "line ends": b"a\r\nSet-Cookie: b=c\r\n\r\n<h1>",
    "bidi": "\u202e\u2066evil\u2069".encode(),
    "no character": "\ufdd0\U0010ffff".encode(),
    "combining": ("a" + "\u0301" * 3_000).encode(),
    "script": b"\"'><script>alert(1)</script>",
    "template": b"{{ 7|add:42 }}{% debug %}{#",
    "SQL": b"'; DROP TABLE accounts_member; -- \\' OR 1=1",
    "wildcards": b"%_%\\%*?[a-z]",
    "format": b"%s%n%x{0.__class__}",
    "formula": b"=cmd|' /C calc'!A0",
    "a giant number": b"9" * 5_000,
    "a number too large": str(2**63).encode(),
    "a negative number": b"-1",
    "other digits": "\u0661\u0662\u0663".encode(),
    "an infinite number": b"1e999",
    "JSON": b'{"$gt": ""}',
    "path": b"../../../../etc/passwd\x00.png",
    "blank": b" \t\n\x0b\x0c\xc2\xa0",
    "empty": b"",
}


#: What databases take in different ways; the rest is the same to both, before it reaches them.
_TO_DATABASES = {
    "NUL", "a lone surrogate", "bad UTF-8", "no character", "wildcards", "a giant number", "a number too large",
    "a negative number", "other digits", "blank",
}  # fmt: skip
assert set(NASTY) >= _TO_DATABASES
each_nasty = pytest.mark.parametrize(
    "nasty", [pytest.param(name, marks=() if name in _TO_DATABASES else pytest.mark.sqlite_only) for name in NASTY]
)


@pytest.fixture
def priya(cast) -> Member:
    """She may edit her own restrictions; her key has one, and so has her sign-in."""
    Member.objects.filter(pk=cast["priya"].pk).update(user_managed_login=True, allowed_addresses="127.0.0.0/8")
    ClassicKey.objects.filter(holder=cast["priya"]).update(allowed_addresses="17.5.7.0/24")
    return Member.objects.select_related("user", "account").get(pk=cast["priya"].pk)


@pytest.fixture
def key(priya) -> ClassicKey:
    return ClassicKey.objects.get(holder=priya)


#: The tables of what people change.
STATE = {model._meta.db_table for model in (Account, User, Member, ClassicKey)}


def state() -> dict[str, list[tuple[object, ...]]]:
    """Everything that people change, as it is now: not what is counted of attempts, nor the trail."""
    return {
        model.__name__: list(model.objects.order_by("pk").values_list())
        for model in (Account, User, Member, ClassicKey)
    }


def post(
    client: Client, url: str, body: bytes, content_type: str = "application/x-www-form-urlencoded"
) -> HttpResponse:
    return client.generic("POST", url, body, content_type)


def encoded(fields: dict[str, bytes]) -> bytes:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()


def text_of(response: HttpResponse) -> str:
    return body_of(response).decode()


# --- Addresses of pages -----------------------------------------------------------------------------------------------

#: What each list reads of its address, and one thing that it does not.
LISTS = {
    "/iam/apikeys": ("q", "sort", "view", "per_page", "at", "used", "restriction", "branch", "nonsense"),
    "/iam/apikeys/classic.csv": ("q", "sort", "branch"),
    "/iam/inactive": ("sort", "per_page", "at", "tab", "as_of"),
    "/iam/inactive?tab=keys": ("sort", "at", "as_of"),
    "/iam/inactive.csv": ("tab", "as_of"),
    "/iam/users": ("q", "sort", "view", "per_page", "at", "status"),
    "/iam/users?view=hierarchy": ("q", "per_page", "at", "status", "folded"),
    "/iam/users.csv": ("q", "sort", "view", "status", "folded"),
    "/iam/users?view=picture": ("root", "after"),
    "/iam/activity": ("q", "per_page", "at", "action", "outcome"),
    "/iam/activity.csv": ("q", "action", "outcome"),
}


@each_nasty
def test_parameter_of_a_list_is_understood_or_ignored(nasty, cast):
    """Every parameter there is, on every list: a page, and nothing of what was sent stands in it as it came.

    All at once, but for the words searched for: they leave no row that the others could be about.
    """
    client = visitor(cast["olivia"], raises=False)
    value = quote(NASTY[nasty][:4_000], safe="")
    asked = [
        (address, together)
        for address, names in LISTS.items()
        for together in (("q",) if "q" in names else (), tuple(name for name in names if name != "q"))
        if together
    ]
    for address, names in [*asked, (f"/iam/users/{cast['priya'].pk}", ("tab",))]:
        glue = "&" if "?" in address else "?"
        with noting_writes() as written:
            response = client.get(f"{address}{glue}" + "&".join(f"{name}={value}" for name in names))
            page = text_of(response)
        assert response.status_code == 200, (address, names)
        assert not written
        assert "<script>alert" not in page
        assert "{{" in page or ">49<" not in page
        assert "\x00" not in page


@pytest.mark.sqlite_only
@pytest.mark.parametrize("nasty", NASTY)
def test_search_is_shown_as_it_was_typed(nasty, cast):
    """Cut to two hundred characters, without NUL, and escaped."""
    client = visitor(cast["olivia"])
    for address in ("/iam/apikeys", "/iam/users", "/iam/activity"):
        page = text_of(client.get(f"{address}?q={quote(NASTY[nasty][:4_000], safe='')}"))
        shown = unescape(re.search(r'<input id="q" [^>]*value="([^"]*)"', page)[1])
        typed = NASTY[nasty][:4_000].decode(errors="replace").replace("\0", "").strip()[:200]
        assert shown.replace("\r\n", "\n") == typed.replace("\r\n", "\n")


def test_many_parameters_are_not_read(cast):
    client = visitor(cast["olivia"], raises=False)
    for address in LISTS:
        glue = "&" if "?" in address else "?"
        response = client.get(f"{address}{glue}" + "&".join(f"a{n}=1" for n in range(20_000)))
        assert response.status_code == 400
        assert "nothing was changed" in text_of(response)
        assert client.get(f"{address}{glue}" + "&".join(f"a{n}=1" for n in range(400))).status_code == 200


def test_a_parameter_given_twice_counts_once(cast):
    client = visitor(cast["olivia"])
    page = text_of(client.get("/iam/users?q=priya&q=marcus&status=active&status=x"))
    assert "Marcus Lindqvist" in page
    assert "Priya Raman" not in page


#: Those that are numbers to us: the database is asked for them.
_ASKED_FOR = {"0", "00", "%D9%A1", str(2**31), str(2**63 - 1), str(2**63), str(2**64), "9" * 30}
NUMBERS = (
    "0", "00", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "1%00", "%D9%A1", "1_0", str(2**31), str(2**63 - 1),
    str(2**63), str(2**64), "9" * 30, "9" * 4_299, "9" * 4_301, "9" * 50_000, "NaN", "None", "..", "1/../2", "1;2",
    "%ff",
)  # fmt: skip


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=() if number in _ASKED_FOR else pytest.mark.sqlite_only, id=number[:12])
        for number in NUMBERS
    ],
)
def test_number_that_is_nobodys_is_404(number, cast):
    client = visitor(cast["olivia"], raises=False)
    for path in (
        "/iam/apikeys/classic/{}", "/iam/apikeys/classic/{}/show", "/iam/apikeys/classic/{}/download",
        "/iam/apikeys/classic/{}/delete", "/iam/apikeys/classic/{}/restriction", "/iam/users/{}",
        "/iam/users/{}/vpn_password", "/iam/users/{}/resend_invite", "/iam/users/{}/cancel_invite",
        "/iam/users/{}/restrictions", "/iam/users/{}/classic_key",
    ):  # fmt: skip
        for method in ("GET", "POST"):
            with noting_writes() as written:
                response = client.generic(method, path.format(number))
            assert response.status_code in (404, 405), (path, method)
            assert not written


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "path",
    [
        "/%00", "/%ff%fe", "/iam/%ed%a0%80", "/" + "a" * 100_000, "/iam//users", "/iam/users/", "/iam/./users",
        "/%2e%2e/",
        "/iam/users%0d%0aX: y", "/static/%00", "/static/" + "a/" * 5_000, "/login%3fnext=x", "/;a=b", "/iam/apikeys;x",
        "/\\", "/{{7*7}}", "/<script>alert(1)</script>", "/iam/users?" + "%" * 300, "/iam/users?&&==&=&;;",
    ],
    ids=lambda path: path[:24],
)  # fmt: skip
def test_path_of_any_make_is_no_error(path, cast):
    for client in (visitor(raises=False), visitor(cast["priya"], raises=False)):
        response = client.get(path)
        assert response.status_code in (200, 302, 404), path
        assert "<script>alert" not in text_of(response)


# --- Cursors ----------------------------------------------------------------------------------------------------------


def packed(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


VALUES = (
    None, True, 0, -1, 1.5, 2**63, 10**400, "", "a", "a\0b", "\ud800", "x" * 900, [], [[]], {}, {"at": None},
    {"at": ""},
    {"at": 5}, {"at": "x"}, {"at": "2025-01-01"}, {"at": "2025-01-01T00:00:00"}, {"at": "2025-01-01T00:00:00+00:00"},
    {"at": "0001-01-01T00:00:00+14:00"}, {"at": "9999-12-31T23:59:59-14:00"}, {"at": "2025-01-01T00:00:00+23:59"},
    {"at": "2025-W01-1T00:00+00:00"}, {"at": "10000-01-01T00:00:00+00:00"}, {"at": {"at": 1}}, float("inf"),
    float("nan"),
)  # fmt: skip
CURSORS = (
    *(packed([value, 1, 1, backwards]) for value, backwards in product(VALUES, (False, True))),
    *(packed(["a", pk, number, False]) for pk, number in product((None, -1, 2**63, 1.0, True, "1", []), (1, -1, "1",
    None))),
    packed([]), packed([1]), packed(["a", 1, 1]), packed(["a", 1, 1, False, 5]), packed({}), packed("abcd"),
    packed(None),
    packed({"0": "a", "1": 1, "2": 1, "3": False}), "", "=", "====", "a", "!!!", "\u00e9", "\u0661", "a" * 100_000,
    base64.b64encode(b"[" * 700).decode(), base64.b64encode(b"\xff\xfe").decode(),
    base64.b64encode(b"[1e999,1,1,0]").decode(),
    base64.b64encode(b"[" + b"9" * 700 + b",1,1,false]").decode(), "../../etc/passwd", "%00", "W10", "bnVsbA",
)  # fmt: skip


PAGED = (
    "/iam/apikeys?", "/iam/users?", "/iam/apikeys?sort=created_by&", "/iam/users?view=hierarchy&",
    "/iam/inactive?tab=keys&", "/iam/activity?",
)  # fmt: skip


def test_cursor_of_any_make_is_a_page(cast):
    """What reads as a cursor comes to the database, of every list; of what does not, the lists take turns."""
    client = visitor(cast["olivia"], raises=False)
    cursors, turns = list(dict.fromkeys(CURSORS)), cycle(PAGED)
    asked = list(product(filter(Cursor.decode, cursors), PAGED))
    assert len(asked) > 80
    if connection.vendor == "sqlite":
        asked += [(cursor, next(turns)) for cursor in cursors if not Cursor.decode(cursor)]
        assert len(asked) > 160
    for cursor, address in asked:
        response = client.get(f"{address}at={quote(cursor)}")
        assert response.status_code == 200, (address, cursor[:200], base64_text(cursor))


def base64_text(cursor: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(cursor[:200] + "===")
    except ValueError:
        return b""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.builds(lambda at: {"at": at.isoformat()}, st.datetimes(timezones=st.timezones() | st.none())),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    content=_JSON | st.tuples(_JSON, st.integers(0, 2**64), st.integers(0, 2**64), st.booleans()),
    order=st.sampled_from(["created", "-created", "created_by", "-created_by"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_cursor_is_none_or_leads_to_rows_of_the_list(cast, content, order):
    asked = ListRequest("/", {"at": packed(content), "sort": order})
    viewer = cast["marcus"]
    listing = key_queries.keys_below(viewer, asked)
    page = listing.page(per_page=10, cursor=asked.cursor)
    assert {key.holder.path[: len(viewer.path)] for key in page.rows} <= {viewer.path}
    users = queries.account_users(viewer, asked).page(per_page=10, cursor=asked.cursor)
    assert {user.account_id for user in users.rows} <= {viewer.account_id}


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
@settings(max_examples=300, deadline=None)
def test_random_text_is_no_cursor(text):
    found = Cursor.decode(text)
    assert found is None or Cursor.decode(found.encode()) == found


# --- Forms ------------------------------------------------------------------------------------------------------------

#: Fields of each form, by route.
FIELDS = {
    "accounts:login": ("username", "password"),
    "console:theme": ("theme", "next"),
    "accounts:switch-account": ("account",),
    "accounts:vpn-password": ("password",),
    "keys:classic-restrict": ("classic",),
    "keys:restrictions": ("platform", "classic", "confirm_lockout"),
    "keys:classic-create": ("password",),
    "keys:revoke-branch": ("named", "others", "key", "reason", "name"),
    "keys:classic-show": ("password",),
    "keys:classic-download": ("password",),
    "keys:classic-delete": (),
    "accounts:logout": (),
    "accounts:status": ("status",),
    "accounts:parent": ("parent",),
    "accounts:user-managed-login": ("is_on",),
    # Boxes alone: whatever is sent for one has ticked it.
    "accounts:permissions": (),
    "accounts:remove": (),
    "accounts:freeze": ("reason", "password"),
    "accounts:thaw": ("password",),
    "accounts:invite": ("addresses", "permissions"),
    "accounts:import": ("act", "file_id"),
    "accounts:add-vpn-user": ("name", "email", "api_username", "password"),
    "accounts:resend-invite": (),
    "accounts:cancel-invite": (),
    "accounts:accept-invitation": (),
    "accounts:end-session": (),
    "accounts:end-all-sessions": ("password",),
    "accounts:end-user-sessions": ("password",),
    "accounts:login-code": ("code",),
    "accounts:reset": ("email",),
    "accounts:reset-password": ("password",),
    "accounts:change-password": ("current", "password"),
    "accounts:passcode": ("password",),
    "accounts:remove-passcode": ("password",),
    "accounts:recovery-codes": ("password",),
    "accounts:add-passkey": ("password",),
    "accounts:remove-passkey": ("password",),
    "accounts:login-passkey": ("credential",),
    "accounts:settings-user-list": ("is_on",),
    "accounts:settings-second-factor": ("is_on",),
    "accounts:settings-addresses": ("addresses",),
    "accounts:settings-domains": ("domains",),
    "accounts:settings-remove-domain": ("pattern",),
    "accounts:settings-login-session": ("hours", "idle_hours", "idle_minutes", "concurrent", "most"),
}


def test_every_form_is_tried_here():
    assert set(FIELDS) == {surface.route for surface in matrix.SURFACES if surface.method == "POST"}


@pytest.fixture
def numbers(priya, key) -> dict[str, int]:
    return {"member_id": priya.pk, "key_id": key.pk, "token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}


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

#: What nobody does to themselves.
ABOUT_OTHERS = (
    "accounts:status", "accounts:parent", "accounts:user-managed-login", "accounts:invite", "accounts:add-vpn-user",
    "accounts:end-user-sessions", "accounts:freeze", "accounts:thaw", "accounts:import",
)  # fmt: skip

#: Empty is a meaning of its own there: every address is allowed.
CLEARS = {(nasty, name) for nasty in ("empty", "blank") for name in ("platform", "classic")} | {
    (nasty, "confirm_lockout") for nasty in NASTY
}


def has_an_error(page: str) -> bool:
    """Whether a page has a field's error, tied to its field; or the form's own, announced at once."""
    for found in re.finditer(r'<ul class="field__error" id="(\w+)_error">', page):
        field = re.search(rf'<(?:input|textarea|select)[^>]* id="{found[1]}"[^>]*>', page)
        assert field, found[1]
        assert 'aria-invalid="true"' in field[0]
        assert f"{found[1]}_error" in field[0]
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
        assert "You are calling from 127.0.0.1, which this restriction does not allow" in page
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
        assert "You are calling from 127.0.0.1, which this restriction does not allow" in page
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
        ("PriyaRamanKeytree", "Do not build the password from your name, your email address or the word Keytree."),
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
    assert "The email or the password is not right. Check both and try again." in page


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


# --- Bodies -----------------------------------------------------------------------------------------------------------

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
            ):
                continue  # they read no field: see below
            response = post(client, address_of(route, numbers), body, content_type)
            assert response.status_code in (200, 302, 400, 403, 404, 413), (route, response.status_code)
            assert state() == before, route
            page = text_of(response)
            if response.status_code == 400:
                assert "nothing was changed. Go back, load the page again" in page.replace("\n", " ")
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
@pytest.mark.parametrize(
    "headers",
    [
        {"CONTENT_LENGTH": "abc"}, {"CONTENT_LENGTH": "-1"}, {"CONTENT_LENGTH": "9" * 100},
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
            assert path != "/iam/apikeys" or response["Location"] == "/login?next=/iam/apikeys"


# --- Names that reach other people's pages ----------------------------------------------------------------------------

NAMES = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:42 }}{% debug %}", "'; DROP TABLE x; --",
    "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", 'a,b;"c"', "a\nb", "&lt;b&gt;", "%s %(a)s {0}",
    "x" * NAME_LENGTH,
    "\u202egnp.exe", "O'Brien & Sons", "日本語 العربية 🗝", "https://evil.example/", "</title></style></textarea>", "*",
    " ",
)  # fmt: skip


@pytest.fixture
def named() -> list[Member]:
    """A chain of people with such names, each with a key and an event: everybody is on the owner's pages."""
    members = grow(list(range(len(NAMES) - 1)))
    for member, name in zip(members, NAMES, strict=True):
        User.objects.filter(pk=member.user_id).update(name=name)
        member.user.name = name
        make_key(member)
        audit.record(events.MEMBER_ADDED, actor=member, origin=Origin(None), details={"name": name})
    Account.objects.filter(pk=members[0].account_id).update(name="<i>\"'=1</i>")
    Member.objects.update(joined_at=timezone.now() - timedelta(days=40))  # and on the page of those who never came
    return list(Member.objects.filter(account=members[0].account_id).select_related("user", "account").order_by("path"))


VIEWS_OF = {"accounts:user": ("", "?tab=manage"), "accounts:users": ("", "?view=hierarchy", "?view=picture")}


@pytest.mark.sqlite_only
def test_names_are_escaped_on_every_page(named):
    """Every page with every person on it, as the owner; nothing of a name is markup, and nothing is worked out."""
    client, pages = visitor(named[0]), 0
    keys = ClassicKey.objects.order_by("holder__path").values_list("pk", flat=True)
    nobodys = {"token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}
    numbers = [{"member_id": member.pk, "key_id": key, **nobodys} for member, key in zip(named, keys, strict=True)]
    all_routes, turns = routes(), cycle(numbers)
    # On each page those whose names are markup, and of the others two in turn.
    markup = [found for found, name in zip(numbers, NAMES, strict=True) if "<" in name or "{{" in name]
    asked = [
        (route, found)
        for route, pattern in all_routes.items()
        for found in ([*markup, next(turns), next(turns)] if pattern.pattern.converters else numbers[:1])
    ]
    for route, found in asked:
        for query in {
            "accounts:user": ("", "?tab=manage"),
            "accounts:users": ("", "?view=hierarchy", "?view=picture"),
        }.get(route, ("",)):
            response = client.get(address_of(route, found) + query)
            if response.status_code != 200 or "text/html" not in response["Content-Type"]:
                body_of(response)
                continue
            pages += 1
            page = text_of(response)
            for raw in ("<script>alert", "<img src=x", "</title></style>", "<i>\"'", ">49<", 'a" onerror'):
                assert raw not in page, (route, raw)
            assert not set(re.findall(r"<(\w+)", page)) & {"img", "iframe", "object", "embed", "style"}
            assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', page)), route
    assert pages > 80


@pytest.mark.parametrize(
    "path", ["/iam/apikeys/classic.csv", "/iam/users.csv", "/iam/inactive.csv", "/iam/activity.csv"]
)
def test_names_are_harmless_in_files(path, named):
    response = visitor(named[0]).get(path)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    rows = list(csv.reader(io.StringIO(text_of(response), newline="")))
    assert len(rows) == 1 + len(NAMES) - ("inactive" in path)  # who looks is not inactive
    assert len({len(row) for row in rows}) == 1  # no comma, quote or line end made a cell more
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    for formula in (name for name in NAMES if name[0] in "=+-@\t"):
        assert any(cell.startswith(f"'{formula}") for cell in cells), formula


def test_emails_are_harmless_in_files():
    """An address may begin with what a spreadsheet takes for a formula."""
    owner = grow([])[0]
    User.objects.filter(pk=owner.user_id).update(email="=1+1@acme.example")
    Member.objects.filter(pk=owner.pk).update(api_username="-1_=1+1@acme.example")
    make_key(Member.objects.get(pk=owner.pk))
    owner = Member.objects.select_related("user", "account").get(pk=owner.pk)
    (row,) = csv.DictReader(io.StringIO(text_of(visitor(owner).get("/iam/apikeys/classic.csv"))))
    assert row["Email"] == "'=1+1@acme.example"
    assert row["API username"] == "'-1_=1+1@acme.example"


@given(st.text(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_name_is_refused_or_fit_for_every_page(name):
    try:
        cleaned = clean_name(name)
    except ValidationError as error:
        assert error.messages[0].startswith("Enter a name")
        return
    assert 0 < len(cleaned) <= NAME_LENGTH
    assert cleaned == clean_name(cleaned)
    assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]", cleaned)


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_email_is_refused_or_stays_what_it_is(email):
    canonical_email(email)  # takes any text
    try:
        cleaned = clean_email(email)
    except ValidationError:
        return
    assert cleaned == canonical_email(cleaned) == clean_email(cleaned)
    assert "\n" not in cleaned


@pytest.mark.sqlite_only
def test_text_that_is_far_too_long_is_not_brought_into_its_one_form():
    """Which takes time with the square of a run of marks: minutes for what fits into a request."""
    marks = "a" + "\u0301\u0316" * 10_000
    assert len(canonical_email(marks)) == 2_000
    with pytest.raises(ValidationError):
        clean_email(marks)
    with pytest.raises(ValidationError, match="at most 300"):
        clean_name(marks)


def test_nothing_above_left_anything_behind(cast):
    """The last of them: what all those requests could have written is counted in tables that they may write to."""
    client = visitor(cast["priya"], raises=False)
    before = (Event.objects.count(), Session.objects.count())
    for nasty in NASTY.values():
        client.get("/iam/users?q=" + quote(nasty[:2_000], safe=""))
        client.get("/iam/apikeys/classic/" + quote(nasty[:2_000], safe=""))
    assert (Event.objects.count(), Session.objects.count()) == before
    assert django_settings.DATA_UPLOAD_MAX_NUMBER_FIELDS == 500
    assert connection.in_atomic_block
