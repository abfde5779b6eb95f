"""Odd addresses: parameters, numbers, paths and cursors find a page, or nothing, and are no error."""

import base64
import json
import re
from html import unescape
from itertools import cycle, product
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import queries
from accounts.list_request import ListRequest
from accounts.listing import Cursor
from accounts.models import Event, Session
from keys import queries as key_queries
from tests.bad_input.sending import NASTY, each_nasty, text_of
from tests.trees import make_platform_key
from tests.visitors import noting_writes, visitor

pytestmark = pytest.mark.django_db

# --- Addresses of pages -----------------------------------------------------------------------------------------------

#: What each list reads of its address, and one thing that it does not.
LISTS = {
    "/iam/apikeys": ("q", "sort", "view", "per_page", "at", "used", "restriction", "branch", "nonsense"),
    "/iam/apikeys/classic.csv": ("q", "sort", "branch"),
    "/iam/apikeys?view=my": ("q", "sort", "per_page", "at"),
    "/iam/apikeys?view=all": ("q", "sort", "per_page", "at"),
    "/iam/apikeys/my.csv": ("q", "sort"),
    "/iam/apikeys/all.csv": ("q", "sort"),
    "/iam/inactive": ("q", "status", "sort", "per_page", "at", "tab", "as_of"),
    "/iam/inactive?tab=keys": ("q", "restriction", "sort", "at", "as_of"),
    "/iam/inactive.csv": ("q", "status", "restriction", "tab", "as_of"),
    "/iam/users": ("q", "sort", "view", "per_page", "at", "status"),
    "/iam/users?view=hierarchy": ("q", "per_page", "at", "status", "folded", "open"),
    "/iam/users.csv": ("q", "sort", "view", "status", "folded", "open"),
    "/iam/users?view=picture": ("root", "after"),
    "/iam/activity": ("q", "per_page", "at", "action", "outcome", "from", "to", "user"),
    "/iam/activity.csv": ("q", "action", "outcome", "from", "to", "user"),
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
    make_platform_key(cast["olivia"])
    client = visitor(cast["olivia"])
    for address in ("/iam/apikeys?", "/iam/apikeys?view=all&", "/iam/users?", "/iam/activity?"):
        page = text_of(client.get(f"{address}q={quote(NASTY[nasty][:4_000], safe='')}"))
        shown = unescape(re.search(r'<input id="q" [^>]*value="([^"]*)"', page)[1])
        typed = NASTY[nasty][:4_000].decode(errors="replace").replace("\0", "").strip()[:200]
        assert shown.replace("\r\n", "\n") == typed.replace("\r\n", "\n")


def test_many_parameters_are_not_read(cast):
    client = visitor(cast["olivia"], raises=False)
    for address in LISTS:
        glue = "&" if "?" in address else "?"
        response = client.get(f"{address}{glue}" + "&".join(f"a{n}=1" for n in range(20_000)))
        assert response.status_code == 400
        assert "Nothing was changed" in text_of(response)
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
    "/iam/apikeys?", "/iam/users?", "/iam/apikeys?sort=created_by&", "/iam/apikeys?view=all&",
    "/iam/users?view=hierarchy&", "/iam/inactive?tab=keys&", "/iam/activity?",
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
    listing = key_queries.keys_below(viewer, asked, own=key_queries.own_key(viewer))
    page = listing.page(per_page=10, cursor=asked.cursor)
    assert {key.holder.path[: len(viewer.path)] for key in page.rows} <= {viewer.path}
    users = queries.account_users(viewer, asked).page(per_page=10, cursor=asked.cursor)
    assert {user.account_id for user in users.rows} <= {viewer.account_id}


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
@settings(max_examples=300, deadline=None)
def test_random_text_is_no_cursor(text):
    found = Cursor.decode(text)
    assert found is None or Cursor.decode(found.encode()) == found


def test_nothing_above_left_anything_behind(cast):
    """What all those requests could have written is counted in tables that they may write to."""
    client = visitor(cast["priya"], raises=False)
    before = (Event.objects.count(), Session.objects.count())
    for nasty in NASTY.values():
        client.get("/iam/users?q=" + quote(nasty[:2_000], safe=""))
        client.get("/iam/apikeys/classic/" + quote(nasty[:2_000], safe=""))
    assert (Event.objects.count(), Session.objects.count()) == before
    assert django_settings.DATA_UPLOAD_MAX_NUMBER_FIELDS == 500
    assert connection.in_atomic_block
