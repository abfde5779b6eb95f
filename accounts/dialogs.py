"""Dialogs: pages of their own that lie over another page, into which script lifts them. No rule."""

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.links import link
from accounts.models import Member


class PageBehind(NamedTuple):
    """The page that a dialog lies over: its address, where *Cancel* leads, and its title."""

    url: str
    title: str


def page_of_user(member: Member) -> PageBehind:
    """Return the user's own page, over which what concerns them is asked."""
    return PageBehind(link("accounts:user", member.pk), f"Manage {member.name}")


def dialog(request: HttpRequest, template: str, title: str, behind: PageBehind, **context: object) -> HttpResponse:
    """Render the template of a dialog, ``dialog_page.html`` or one that extends it."""
    return render(
        request, template, {"title": title, "behind_title": behind.title, "dialog_back": behind.url} | context
    )
