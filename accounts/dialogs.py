"""Dialogs: pages of their own that lie over another page, into which script lifts them. No rule."""

from collections.abc import Iterable
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.links import link, page, way_back
from accounts.models import Member

#: The routes of the lists from which a dialog about a user may be opened.
_LISTS = {"accounts:users": "Users", "keys:inactive": "Inactive identities"}


class PageBehind(NamedTuple):
    """The page behind a dialog: its URL, to which *Cancel* leads, and its title.

    ``way`` is the query that keeps that address in the dialog's own, where it is not always the same.
    """

    url: str
    title: str
    way: str = ""


def page_of_user(member: Member) -> PageBehind:
    """Return the user's own page, over which what concerns them is asked."""
    return PageBehind(link("accounts:user", member.pk), f"Manage {member.name}")


def page_asked_for(request: HttpRequest, pages: Iterable[PageBehind]) -> PageBehind | None:
    """Return the one of ``pages`` that ``next`` names, in the state that it names; none if it names none of them.

    ``next`` can be made up by anybody, so it counts only if it is one of these.
    """
    asked = request.GET.get("next", "")
    path = asked.partition("?")[0]
    return next((one._replace(url=asked, way=way_back(asked)) for one in pages if one.url == path), None)


def page_opened_from(request: HttpRequest, member: Member) -> PageBehind:
    """Return the list from which a dialog about a user was opened, as it was, or else the user's own page."""
    lists = (PageBehind(page(route), title) for route, title in _LISTS.items())
    return page_asked_for(request, lists) or page_of_user(member)


def list_behind(behind: PageBehind) -> str:
    """Return the URL of the list from which the dialog was opened, or else that of the list of users."""
    return behind.url if behind.way else page("accounts:users")


def dialog(request: HttpRequest, template: str, title: str, behind: PageBehind, **context: object) -> HttpResponse:
    """Render the template of a dialog, ``dialog_page.html`` or one that extends it."""
    shown = {"title": title, "behind_title": behind.title, "dialog_back": behind.url, "way": behind.way}
    return render(request, template, shown | context)
