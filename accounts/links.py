"""Addresses that are asked for again and again: lists print hundreds, and Django asks all routes for each."""

from functools import cache

from django.urls import get_script_prefix, reverse

_ANY = 1_234_567_890


def link(route: str, number: int) -> str:
    """Return the address of a route whose one argument is a number: what ``reverse`` returns, but once for all."""
    before, after = _around(route, get_script_prefix())
    return f"{before}{number}{after}"


def page(route: str) -> str:
    """Return the address of a route without arguments: what ``reverse`` returns, but once for all."""
    return _page(route, get_script_prefix())


@cache
def _page(route: str, _prefix: str) -> str:
    return reverse(route)


@cache
def _around(route: str, _prefix: str) -> tuple[str, str]:
    before, _, after = reverse(route, args=[_ANY]).partition(str(_ANY))
    return before, after
