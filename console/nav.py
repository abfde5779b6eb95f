"""The side navigation: the pages in it, and who may open each. Rendered once for all who see the same. No query."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.links import page
from accounts.models import Member
from accounts.policy import MemberAction, can, may_work


def changes_settings(member: Member) -> bool:
    """Whether the member may open the page of the account's settings."""
    return can(member, MemberAction.CHANGE_SETTINGS, member)


def sees_inactive(member: Member) -> bool:
    """Whether the member may open the report of inactive identities."""
    return can(member, MemberAction.VIEW_INACTIVE, member)


@dataclass(frozen=True)
class Entry:
    """One page in the navigation."""

    label: str
    url_name: str
    is_open_to: Callable[[Member], bool] = may_work


@dataclass(frozen=True)
class Link:
    """An entry as one viewer sees it on one page."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class Group:
    """A group of links that folds; without a label, its links are shown without a heading."""

    name: str
    label: str
    links: tuple[Link, ...]
    is_folded: bool


NAVIGATION: tuple[tuple[str, str, tuple[Entry, ...]], ...] = (
    ("identities", "Manage identities", (Entry("Users", "accounts:users"), Entry("API keys", "keys:classic-list"))),
    (
        "insight",
        "Gain insight",
        (Entry("Inactive identities", "keys:inactive", sees_inactive), Entry("Activity", "accounts:activity")),
    ),
    ("", "", (Entry("Settings", "accounts:settings", changes_settings),)),
)
#: The groups that fold.
GROUP_NAMES = frozenset(name for name, *_ in NAVIGATION if name)


def groups_for(viewer: Member, path: str, folded: Collection[str] = ()) -> tuple[Group, ...]:
    """Return the groups, with the entries that the viewer may open; the one that ``path`` belongs to is current.

    Those named in ``folded`` are folded.
    """
    groups = (
        Group(name, label, tuple(_link(entry, path) for entry in entries if entry.is_open_to(viewer)), name in folded)
        for name, label, entries in NAVIGATION
    )
    return tuple(group for group in groups if group.links)


def _link(entry: Entry, path: str) -> Link:
    url = page(entry.url_name)
    return Link(entry.label, url, is_current=path == url or path.startswith(url.rstrip("/") + "/"))


@lru_cache(maxsize=200)
def html(groups: tuple[Group, ...], *, is_behind: bool) -> SafeString:
    """Return the navigation; ``is_behind`` where a dialog covers it."""
    return render_to_string("console/_side_nav.html", {"groups": groups, "is_behind": is_behind})
