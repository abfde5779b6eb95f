"""Addresses of pages, reversed once: lists print hundreds of them, and Django searches all routes each time."""

from collections.abc import Callable
from functools import cache
from urllib.parse import urlencode

from django.urls import get_script_prefix, reverse

_ANY = 1_234_567_890


def link(route: str, number: int) -> str:
    """Return the address of a route whose one argument is a number, as ``reverse`` does."""
    return links(route)(number)


def links(route: str) -> Callable[[int], str]:
    """Return ``link`` for one route: for lists, since where the installation lies takes longer to ask than the rest."""
    before, after = _around(route, get_script_prefix())
    return lambda number: f"{before}{number}{after}"


def page(route: str) -> str:
    """Return the address of a route without arguments, as ``reverse`` does."""
    return _page(route, get_script_prefix())


def way_back(url: str) -> str:
    """Return the query string with which a dialog leads back to ``url``, the page from which it was opened."""
    return f"?{urlencode({'next': url})}"


@cache
def _page(route: str, _prefix: str) -> str:
    return reverse(route)


@cache
def _around(route: str, _prefix: str) -> tuple[str, str]:
    before, _, after = reverse(route, args=[_ANY]).partition(str(_ANY))
    return before, after
