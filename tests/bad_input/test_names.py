"""Odd names and addresses of people are harmless wherever others read them, or are refused."""

import csv
import io
import re
from datetime import timedelta
from itertools import cycle

import pytest
from django.core.exceptions import ValidationError
from django.core.mail.message import sanitize_address
from django.utils import timezone
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts import audit, events
from accounts.models import Account, Member, User
from accounts.names import NAME_LENGTH, canonical_email, clean_email, clean_name, shown_name
from accounts.origin import Origin
from keys.models import ClassicKey, PlatformKey
from tests.bad_input.sending import text_of
from tests.trees import grow, make_key, make_platform_key
from tests.visitors import body_of, routes, visitor
from tests.web.asking import NOBODYS, address_of

pytestmark = pytest.mark.django_db

NAMES = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:42 }}{% debug %}", "'; DROP TABLE x; --",
    "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\uff1d1+1",
    "Eve;=1+1;", 'Eve; "@SUM(1)', 'Eve,;""\uff0b1', 'a,b;"c"', "a\nb", "&lt;b&gt;", "%s %(a)s {0}", "x" * NAME_LENGTH,
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
        make_platform_key(member, name, description=name)
        audit.record(events.MEMBER_ADDED, actor=member, origin=Origin(None), details={"name": name})
    Account.objects.filter(pk=members[0].account_id).update(name="<i>\"'=1</i>")
    Member.objects.update(joined_at=timezone.now() - timedelta(days=40))  # and on the page of those who never came
    return list(Member.objects.filter(account=members[0].account_id).select_related("user", "account").order_by("path"))


def test_names_have_single_spaces_and_are_typed_as_they_are_seen():
    assert clean_name("  Anna   Lee ") == "Anna Lee"
    assert shown_name("ANNA  Jose\u0301") == shown_name("Anna Jos\u00e9")
    assert shown_name("Anna Lee") != shown_name("Annalee")


VIEWS_OF = {
    "accounts:user": ("", "?tab=manage"),
    "accounts:users": ("", "?view=hierarchy", "?view=picture"),
    "keys:classic-list": ("", "?view=my", "?view=all"),
}
FILES = (
    "/iam/apikeys/classic.csv", "/iam/apikeys/all.csv", "/iam/users.csv", "/iam/inactive.csv", "/iam/activity.csv",
)  # fmt: skip


@pytest.mark.sqlite_only
def test_names_are_escaped_on_every_page(named):
    """Every page with every person on it, as the owner; nothing of a name is markup, and nothing is worked out."""
    client, pages = visitor(named[0]), 0
    keys = ClassicKey.objects.order_by("holder__path").values_list("pk", flat=True)
    platform_keys = PlatformKey.objects.order_by("holder__path").values_list("pk", flat=True)
    nobodys = {"token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}
    numbers = [
        {"member_id": member.pk, "key_id": key, "platform_id": platform_key, **nobodys}
        for member, key, platform_key in zip(named, keys, platform_keys, strict=True)
    ]
    all_routes, turns = routes(), cycle(numbers)
    # On each page those whose names are markup, and of the others two in turn.
    markup = [found for found, name in zip(numbers, NAMES, strict=True) if "<" in name or "{{" in name]
    asked = [
        (route, found)
        for route, pattern in all_routes.items()
        for found in ([*markup, next(turns), next(turns)] if pattern.pattern.converters else numbers[:1])
    ]
    for route, found in asked:
        for query in VIEWS_OF.get(route, ("",)):
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


@pytest.mark.parametrize("path", FILES)
def test_names_are_harmless_in_files(path, named):
    response = visitor(named[0]).get(path)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    rows = list(csv.reader(io.StringIO(text_of(response), newline="")))
    assert len(rows) == 1 + len(NAMES) - ("inactive" in path)  # who looks is not inactive
    assert len({len(row) for row in rows}) == 1  # no comma, quote or line end made a cell more
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    for formula in (name for name in NAMES if name[0] in "=+-@\t\uff1d"):
        assert any(cell.startswith(f"'{formula}") for cell in cells), formula


@pytest.mark.parametrize("path", FILES)
def test_names_are_harmless_in_files_that_are_parted_by_semicolons(path, named):
    """As Excel does in most of Europe with every file, whatever its cells are parted by."""
    text = text_of(visitor(named[0]).get(path))
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=";") for cell in row]
    assert any(cell.startswith("'=1+1") for cell in cells)
    assert not [cell for cell in cells if cell.lstrip(' "').startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))]


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
@given(st.text('ab=?_"\\\\.%!<> utf8q40', min_size=1, max_size=30))
@example('"victim@other.example,"')
@example('"<victim@other.example>"')
@example("=?utf-8?q?victim?=")
@example("=?utf-8?q?a=0d=0ab?=")
@example("a=?utf-8?b?YQ==?=")
@settings(max_examples=500, deadline=None)
def test_mail_goes_to_the_address_that_is_stored(name):
    """Django decodes what looks like an encoded word, so that mail would go to another address of the same domain."""
    try:
        cleaned = clean_email(f"{name}@corp.example")
    except ValidationError:
        return
    assert sanitize_address(cleaned, "utf-8") == cleaned
    assert not set(cleaned) & set("<>, ")  # it stands beside names, and in lists
    assert cleaned.count("@") == 1


@pytest.mark.sqlite_only
def test_text_that_is_far_too_long_is_not_brought_into_its_one_form():
    """Which takes time with the square of a run of marks: minutes for what fits into a request."""
    marks = "a" + "\u0301\u0316" * 10_000
    assert len(canonical_email(marks)) == 2_000
    with pytest.raises(ValidationError):
        clean_email(marks)
    with pytest.raises(ValidationError, match="at most 300"):
        clean_name(marks)
