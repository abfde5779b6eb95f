"""The dark bar at the top of every signed-in page, rendered once and cached for each distinct ``Header``.

Rendering it takes a third of the time of a short page, and it is the same on all of a viewer's pages: it depends on
nothing but the fields of ``Header``. Its menus submit a form outside it, which carries the request's CSRF token.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.template.loader import render_to_string
from django.urls import get_script_prefix
from django.utils.safestring import SafeString

from console.theme import THEMES

_KEPT = 500


@dataclass(frozen=True)
class Header:
    """Everything that the bar shows.

    Attributes:
        product: the console's name.
        theme: *light*, *dark* or *system*.
        works: whether the viewer may work in the console; otherwise there is no search and no link to their own page.
        account: the current account, as it is shown; empty without a viewer.
        other_accounts: ID, name and whether there are new notifications, of each account that the viewer can switch to.
        name: the viewer's name; empty without a viewer.
        email: the viewer's e-mail address.
        has_notifications: whether the viewer has unread notifications that they may read.
        profile_url: the viewer's own page; empty if they may not open it.
        is_behind: whether a dialog covers it, so that nothing in it can be used.
    """

    product: str
    theme: str
    works: bool
    account: str
    other_accounts: tuple[tuple[int, str, bool], ...]
    name: str
    email: str
    has_notifications: bool
    profile_url: str
    is_behind: bool

    @property
    def themes(self) -> tuple[tuple[str, str], ...]:
        """Value and label of each theme."""
        return THEMES


def html(header: Header) -> SafeString:
    """Return the bar."""
    return _html(header, get_script_prefix())


@lru_cache(maxsize=_KEPT)
def _html(header: Header, _prefix: str) -> SafeString:
    return render_to_string("console/_header.html", {"header": header})
