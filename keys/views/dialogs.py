"""What the dialogs about keys of both kinds share: the page that they lie over, and that there is no such key."""

from django.http import Http404, HttpRequest
from django.urls import reverse

from accounts.dialogs import PageBehind, page_asked_for, page_of_user
from accounts.models import Member


class NoSuchKey(Http404):
    """There is no key at an address of one, or none that the viewer may know of."""


def page_of_list(view: str = "") -> PageBehind:
    """Return the API keys page, in the view that ``view`` names; without one, in the classic."""
    return PageBehind(reverse("keys:classic-list") + (f"?view={view}" if view else ""), "API keys")


def page_behind(request: HttpRequest, holder: Member, *, view: str = "") -> PageBehind:
    """Return the page that a dialog about a key of ``holder`` was opened from: a list in some state, or their own.

    Else the API keys page in that ``view``.
    """
    pages = (page_of_user(holder), PageBehind(reverse("keys:inactive"), "Inactive identities"), page_of_list())
    return page_asked_for(request, pages) or page_of_list(view)
