"""What the address of a list page asks for: search, order, page. Nothing in it can cause an error."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest

from accounts.listing import PER_PAGE, PER_PAGE_CHOICES, Cursor, Order, Page

_LONGEST_SEARCH = 200  # characters
_MOST_TERMS = 8
#: The parameters of lists, and how many characters of each are read. Each row's menu holds the address of the list, to
#: lead back to it: a long address would make the page many times as long.
_LONGEST = {
    "q": _LONGEST_SEARCH,
    "at": 1_000,
    "folded": 600,
    "open": 600,
    **dict.fromkeys(
        (
            "action", "after", "as_of", "branch", "from", "outcome", "per_page", "restriction", "root", "sort",
            "status", "tab", "to", "used", "user", "view",
        ),
        60,
    ),
}  # fmt: skip
#: What all values but those of a search are made of; any other letter becomes some twenty in the address of an address.
_PLAIN = re.compile(r"[\w.-]*", re.ASCII).fullmatch


def number_in(text: str, *, largest: int) -> int | None:
    """Return the number, from 0 to ``largest``, that an address gives in plain digits; none for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(largest))):
        return None
    number = int(text)
    return number if number <= largest else None


@dataclass(frozen=True)
class SortHeading:
    """A column heading that sorts: its label, where it leads, and how the list is sorted by it now."""

    id: str
    label: str
    url: str
    aria_sort: str  # "ascending", "descending" or ""


@dataclass(frozen=True)
class ListRequest:
    """The state of a list page. Each state has an address, so that it can be shared, printed and gone back to."""

    path: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, request: HttpRequest) -> "ListRequest":
        """Read the request's query. Of a parameter given twice the last counts; unknown ones are ignored."""
        given = {name: str(value)[: _LONGEST[name]] for name, value in request.GET.items() if name in _LONGEST}
        kept = {name: value for name, value in given.items() if name == "q" or _PLAIN(value)}
        return cls(request.path, {name: value.replace("\0", "") for name, value in kept.items()})

    @property
    def search(self) -> str:
        """What was typed into the search field."""
        return self.parameters.get("q", "").strip()

    @property
    def words(self) -> list[str]:
        """The words of the search as they were typed, composed as names are stored."""
        return unicodedata.normalize("NFC", self.search).split()[:_MOST_TERMS]

    @property
    def terms(self) -> list[str]:
        """The words of the search, case-folded like the texts that are searched."""
        return [word.casefold() for word in self.words]

    def search_condition(self, field: str) -> Q:
        """Return the condition "each word of the search stands in this (folded) column"."""
        condition = Q()
        for term in self.terms:
            condition &= Q(**{f"{field}__contains": term})
        return condition

    @property
    def per_page(self) -> int:
        """How many rows a page has."""
        asked = self.parameters.get("per_page", "")
        return int(asked) if asked in map(str, PER_PAGE_CHOICES) else PER_PAGE

    @property
    def cursor(self) -> Cursor | None:
        """Where in the list the page begins."""
        return Cursor.decode(self.parameters.get("at", ""))

    def choice(self, name: str, choices: Mapping[str, object] | list[str], default: str) -> str:
        """Return the parameter ``name`` if it is one of ``choices``, else ``default``."""
        asked = self.parameters.get(name, default)
        return asked if asked in choices else default

    def day(self, name: str) -> date | None:
        """Return the day that the parameter ``name`` gives as ``2026-03-14``; none for anything else."""
        asked = self.parameters.get(name, "")
        try:
            day = date.fromisoformat(asked)
        except ValueError:
            return None
        return day if day.isoformat() == asked else None  # Python reads weeks, and days without hyphens, too

    def order(self, orders: Mapping[str, str], default: str) -> Order:
        """Return the order that ``sort`` asks for: a name of ``orders`` (name to column), "-" before it reversed."""
        asked = self.parameters.get("sort", default)
        if asked.removeprefix("-") not in orders:
            asked = default
        return Order(orders[asked.removeprefix("-")], descending=asked.startswith("-"))

    def heading(self, label: str, name: str, field: str, order: Order, *, first: str = "") -> SortHeading:
        """Return the heading of a sortable column; a click on the current one turns the order round.

        ``first`` is "-" where the first click should sort downwards.
        """
        if order.field == field:
            sign, state = ("" if order.descending else "-"), ("descending" if order.descending else "ascending")
        else:
            sign, state = first, ""
        return SortHeading(f"sort-{name}", label, self.url(sort=f"{sign}{name}", at=None), state)

    def url(self, **changes: str | None) -> str:
        """Return the address of this list with some parameters changed, or left out where the change is none."""
        merged = {**self.parameters, **changes}
        kept = {name: value for name, value in merged.items() if value not in (None, "")}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def in_words(self, listed: str, **filters: str) -> str:
        """Return what is listed and how it is filtered, for paper, where the fields of the filter are not shown.

        *Account users, filtered: status “Suspended”, search “acme”.*

        Args:
            listed: what the list is without any filter.
            filters: by their names, with ``_`` for spaces, what was chosen; empty for what was not.
        """
        chosen = {**filters, "search": self.search}
        said = ", ".join(f"{name.replace('_', ' ')} “{text}”" for name, text in chosen.items() if text)
        return f"{listed}, filtered: {said}." if said else f"{listed}."

    def but(self, *names: str) -> list[tuple[str, str]]:
        """Return the parameters except ``names`` and the place in the list: what a form that changes those carries."""
        return [(name, value) for name, value in self.parameters.items() if name not in {*names, "at"}]

    def footer(self, page: Page, label: str = "Items per page:") -> dict[str, object]:
        """Return what the pagination component shows."""
        return {
            "label": label,
            "page": page,
            "first_number": f"{page.first_number:,}",
            "last_number": f"{page.last_number:,}",
            "total_text": page.total_text,
            "page_number": page.page_number,
            "pages_text": page.pages_text,
            "per_page": page.per_page,
            "per_page_choices": [(choice, choice) for choice in page.per_page_choices],
            "previous_url": page.previous and self.url(at=page.previous.encode()),
            "next_url": page.next and self.url(at=page.next.encode()),
            "hidden": self.but("per_page"),
        }
