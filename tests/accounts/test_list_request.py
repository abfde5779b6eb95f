"""What the address of a list asks for, part by part; whatever else stands in it is nothing, and no error."""

from dataclasses import replace
from datetime import date

import pytest
from django.db.models import Q
from django.test import RequestFactory

from accounts.list_request import ListRequest, number_in
from accounts.listing import Cursor, Order, Page

pytestmark = pytest.mark.sqlite_only

ORDERS = {"user": "sort_name", "created": "created_at"}


def asked(query: str) -> ListRequest:
    return ListRequest.of(RequestFactory().get(f"/list?{query}"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("10", 10), ("07", 7),
        ("11", None), ("", None), ("007", None), ("-1", None), ("+1", None), ("1_0", None), (" 1", None),
        ("²", None), ("٣", None), ("1" * 5_000, None),
    ],
)  # fmt: skip
def test_number_is_of_plain_digits_and_not_too_large(text, number):
    assert number_in(text, largest=10) == number


def test_parameters_are_the_known_ones_of_bounded_length_and_the_last_of_each():
    longest = {"q": 200, "at": 1_000, "folded": 600, "open": 600, "sort": 60, "user": 60}
    query = "&".join(f"{name}={'x' * 2_000}" for name in [*longest, "unknown"])
    assert {name: len(value) for name, value in asked(query).parameters.items()} == longest
    assert asked("q=a&q=b%00c").parameters == {"q": "bc"}
    assert asked("q=%C3%A9&at=%C3%A9&open=%22&user=1%002&sort=-user").parameters == {"q": "é", "sort": "-user"}


def test_search_is_of_words_that_are_compared_as_they_are_stored():
    request = asked("q=++Zoe%CC%88+STRASSE+Stra%C3%9Fe++")
    assert request.search == "Zoe\u0308 STRASSE Straße"
    assert request.words == ["Zoë", "STRASSE", "Straße"]
    assert request.terms == ["zoë", "strasse", "strasse"]
    assert asked("q=" + "+".join("abcdefghij")).words == list("abcdefgh")
    assert asked("q=a+b").search_condition("name") == Q(name__contains="a") & Q(name__contains="b")
    assert asked("q=").search_condition("name") == Q()


@pytest.mark.parametrize(("text", "rows"), [("10", 10), ("100", 100), ("11", 25), ("010", 25), ("x", 25), ("", 25)])
def test_rows_on_a_page_are_one_of_the_choices(text, rows):
    assert asked(f"per_page={text}").per_page == rows


def test_place_in_the_list_is_that_of_the_address():
    assert asked(f"at={Cursor('a', 1, 26).encode()}").cursor == Cursor("a", 1, 26)
    assert asked("at=x").cursor is asked("").cursor is None


def test_choice_is_one_there_is():
    assert [asked(query).choice("tab", ["a", "b"], "a") for query in ("tab=b", "tab=c", "")] == ["b", "a", "a"]


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026-03-14", date(2026, 3, 14)), ("20260314", None), ("2026-W11-6", None), ("2026-02-30", None), ("", None)],
)
def test_day_is_written_in_one_way(text, day):
    assert asked(f"from={text}").day("from") == day


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", Order("sort_name")),
        ("sort=created", Order("created_at")),
        ("sort=-created", Order("created_at", descending=True)),
        ("sort=--created", Order("sort_name")),
        ("sort=created_at", Order("sort_name")),
    ],
)
def test_order_is_one_of_those_of_the_list(query, order):
    assert asked(query).order(ORDERS, "user") == order


def test_heading_turns_its_own_order_round_and_begins_at_the_first_page():
    request = asked("q=a&at=x&sort=user")
    for order, first, url, state in (
        (Order("sort_name"), "", "/list?q=a&sort=-user", "ascending"),
        (Order("sort_name", descending=True), "", "/list?q=a&sort=user", "descending"),
        (Order("created_at"), "", "/list?q=a&sort=user", ""),
        (Order("created_at"), "-", "/list?q=a&sort=-user", ""),
    ):
        heading = request.heading("User", "user", "sort_name", order, first=first)
        assert (heading.id, heading.label, heading.url, heading.aria_sort) == ("sort-user", "User", url, state)


def test_address_of_the_list_leaves_out_what_is_empty():
    request = asked("q=a&status=&tab=b")
    assert request.url() == "/list?q=a&tab=b"
    assert request.url(q="", tab=None) == "/list"
    assert request.url(view="c d") == "/list?q=a&tab=b&view=c+d"


def test_form_carries_what_it_does_not_change():
    assert asked("q=a&tab=b&at=x&view=c").but("q", "view") == [("tab", "b")]


def test_footer_says_where_one_is_and_leads_on():
    page = Page(
        rows=[None] * 10, pinned=0, total=1_234, total_is_bound=False, first_number=1_001, per_page=10,
        next=Cursor("b", 2, 1_011), previous=Cursor("a", 1, 1_001, backwards=True),
    )  # fmt: skip
    footer = asked("q=a&per_page=10&at=x").footer(page)
    assert (footer["first_number"], footer["last_number"]) == ("1,001", "1,010")
    assert (footer["page_number"], footer["pages_text"], footer["total_text"]) == (101, "of 124", "of 1,234 items")
    assert footer["next_url"] == f"/list?q=a&per_page=10&at={page.next.encode()}"
    assert footer["previous_url"] == f"/list?q=a&per_page=10&at={page.previous.encode()}"
    assert footer["hidden"] == [("q", "a")]
    assert asked("").footer(replace(page, next=None))["next_url"] is None
    assert asked("").footer(replace(page, previous=None))["previous_url"] is None
