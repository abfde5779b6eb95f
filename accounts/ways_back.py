"""Where people are redirected after signing in or after a choice: only to pages of this site that can be opened."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

View = TypeVar("View", bound=Callable[..., HttpResponse])

#: Characters of an address as it stands in ``next``. Far longer ones are refused by the server itself.
_LONGEST = 2_000


def post_only(view: View) -> View:
    """Let a view accept only POST, and mark its address as one that nobody is redirected to."""
    decorated: View = require_POST(view)
    decorated.is_no_page = True  # type: ignore[attr-defined]
    return decorated


def page_of_ours(request: HttpRequest, asked: str) -> str:
    """Return ``asked`` if it is a page of this site, else the start page; anybody can make it up."""
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if is_ours and asked.startswith("/") and _may_be_opened(asked) else "/"


def after_signing_in(request: HttpRequest) -> str:
    """Return where to come back to after signing in; empty if what was requested is no page."""
    asked = request.get_full_path()
    return asked if _may_be_opened(asked) else ""


def _may_be_opened(address: str) -> bool:
    """Whether a browser may be redirected there; an address where nothing is gets the page that says so."""
    if len(quote(address)) > _LONGEST:
        return False
    try:
        return not getattr(resolve(unquote(urlsplit(address).path)).func, "is_no_page", False)
    except Resolver404:
        return True
