"""The dark bar over every signed-in page, put together once for each viewer and theme.

It is a third of what a short page takes, and the same on all of a viewer's pages: nothing in it depends on the request
but what stands in ``Header``. Its menus send through a form beside it, which has the request's token.
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
    """All that the bar shows.

    Attributes:
        product: the console's name.
        theme: *light*, *dark* or *system*.
        works: whether the viewer may work in the console: else there is nothing to search and no page of their own.
        account: the present account as it is named; empty for nobody.
        other_accounts: of those that the viewer may switch to, number, name, and whether there is anything new there.
        name: the viewer's name; empty for nobody.
        email: the viewer's address.
        has_notifications: whether others did something to the viewer that they have not read, and may.
        profile_url: the viewer's own page; empty where there is none.
        is_behind: whether a dialog lies over it, and nothing in it can be used.
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
        """Value and label of the themes there are."""
        return THEMES


def html(header: Header) -> SafeString:
    """Return the bar."""
    return _html(header, get_script_prefix())


@lru_cache(maxsize=_KEPT)
def _html(header: Header, _prefix: str) -> SafeString:
    return render_to_string("console/_header.html", {"header": header})
