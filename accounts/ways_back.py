"""Where people are led after signing in, or back to after a choice: a page of this site that can be opened."""

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
    """Let a view take POST alone, and mark its address as one that is no page to be led to."""
    decorated: View = require_POST(view)
    decorated.is_no_page = True  # type: ignore[attr-defined]
    return decorated


def page_of_ours(request: HttpRequest, asked: str) -> str:
    """Return ``asked`` if it is an address of this site and may be a page, else the start page: anybody may send it."""
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if is_ours and asked.startswith("/") and _may_be_opened(asked) else "/"


def after_signing_in(request: HttpRequest) -> str:
    """Return what a request that needs a signed-in person is to come back to; empty where it is no page."""
    asked = request.get_full_path()
    return asked if _may_be_opened(asked) else ""


def _may_be_opened(address: str) -> bool:
    """Whether a browser may be led there. What there is not counts as well: the page that says so is an answer."""
    if len(quote(address)) > _LONGEST:
        return False
    try:
        return not getattr(resolve(unquote(urlsplit(address).path)).func, "is_no_page", False)
    except Resolver404:
        return True
