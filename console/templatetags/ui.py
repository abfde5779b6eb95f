"""Template tags of the interface, for every template without ``{% load %}``: icons, menus, times. They make no queries.

Long tables use some of them in each row. Those build their HTML from escaped parts themselves, which takes a third of
the time of ``format_html``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from html import escape
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.template.defaulttags import CsrfTokenNode
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import formats, links, page_account
from accounts.actions_menu import MenuItem
from console import nav
from console.header import html as header_html

register = template.Library()


@register.simple_tag
def page_url(route: str) -> str:
    """Return the address of a route without arguments, as ``url`` does, but found only once."""
    return links.page(route)


@register.simple_tag
def icon_href() -> str:
    """Return the URL of the icon sprite."""
    return _sprite()


@register.simple_tag(takes_context=True)
def csrf_token(context: template.Context) -> SafeString:
    """Return the hidden fields of every posted form: Django's CSRF token, and the account that the page belongs to.

    Replaces Django's own tag, so that no form can lack the account. In included templates only the request is known.
    """
    request = context.get("request") or getattr(context, "request", None)
    member = getattr(request, "member", None)
    account = (
        format_html('<input type="hidden" name="{}" value="{}">', page_account.FIELD, member.account_id)
        if member
        else SafeString("")
    )
    return SafeString(CsrfTokenNode().render(context) + account)


@register.simple_tag(takes_context=True)
def header(context: template.Context, *, is_behind: bool = False) -> SafeString:
    """Return the bar at the top of the page; ``is_behind`` where a dialog covers it."""
    return header_html(context["shell"].header(is_behind=is_behind))


@register.simple_tag(takes_context=True)
def side_nav(context: template.Context, at: str | None = None, *, is_behind: bool = False) -> SafeString:
    """Return the side navigation, if there is any, of this page or of the one at the URL ``at``."""
    shell = context["shell"]
    groups = shell.nav if at is None else shell.nav_at(urlsplit(at).path)
    return nav.html(groups, is_behind=is_behind) if groups else SafeString("")


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return an icon. Assistive technology skips it, so there must be a text that says the same."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>', _sprite(), name
    )


@register.simple_tag
def is_demo() -> bool:
    """Return whether this is a demo installation, for pages without ``shell``."""
    return settings.IS_DEMO


@register.simple_tag
def actions_menu(of: str | int, name: str, items: Sequence[MenuItem], label: str = "") -> SafeString:
    """Return a menu with the button that opens it; nothing if it has no entries.

    ``of`` is unique among the menus of the page, ``name`` is what the actions are for, and ``label`` is the text of the
    button, which otherwise shows dots.
    """
    if not items:
        return SafeString("")
    identifier = escape(f"actions-{of}")
    if label:
        kind, says, shows, heads = "button button--ghost", "", f"{escape(label)} {icon('chevron-down')}", ""
    else:
        kind, says, shows = "menu-button", f' aria-label="Actions for {escape(name)}"', icon("overflow-menu")
        heads = f' data-of="{escape(name)}"'  # where the menu covers what it is about
    button = f'<button class="{kind}" type="button" popovertarget="{identifier}"{says}>{shows}</button>'
    menu = f'<ul class="menu" id="{identifier}" popover data-menu{heads}>{"".join(map(_entry, items))}</ul>'
    return SafeString(button + menu)


def _entry(item: MenuItem) -> str:
    of_danger = " menu__entry--danger" if item.is_danger else ""
    of_dialog = " data-dialog" if item.is_dialog else ""
    label = f'<a class="menu__entry{of_danger}" href="{escape(item.url)}"{of_dialog}>{escape(item.label)}</a>'
    return f"<li>{label}</li>"


@register.simple_tag
def options(choices: Iterable[tuple[object, object]], chosen: object) -> SafeString:
    """Return the options of a select, of which one is chosen; ``choices`` are pairs of value and text.

    Every list has some of these selects, and a loop of a template takes eight times as long.
    """
    return SafeString(
        "".join(
            f'<option value="{escape(str(value))}"{" selected" if value == chosen else ""}>{escape(str(text))}</option>'
            for value, text in choices
        )
    )


@register.filter
def when(moment: datetime | None, precision: str = "") -> SafeString:
    """Return a ``<time>`` such as ``14-03-2025 04:54 GMT``, with seconds for ``"seconds"``; empty for None."""
    if moment is None:
        return SafeString("")
    machine = formats.iso(moment)
    date, time = formats.printed(machine, seconds=precision == "seconds")
    parts = f'<span class="nowrap">{date}</span> <span class="nowrap">{time}</span>'
    return SafeString(f'<time datetime="{machine}">{parts}</time>')  # digits alone: nothing to escape


@register.filter
def ago(moment: datetime | None, now: datetime) -> SafeString:
    """Return a ``<time>`` such as ``2 hours ago``, counted from ``now``; the pointer is told when. *Never* for None."""
    if moment is None:
        return SafeString("Never")
    machine = formats.iso(moment)
    at = f'datetime="{machine}" title="{" ".join(formats.printed(machine))}"'
    return SafeString(f"<time {at}>{formats.ago(moment, now)}</time>")


@register.filter
def address(text: str) -> SafeString:
    """Return an IP address that wraps after colons."""
    return SafeString(escape(text).replace(":", ":<wbr>"))


@register.filter
def first_line(text: object) -> str:
    """Return the title of a message, its first line."""
    return str(text).partition("\n")[0]


@register.filter
def after_first_line(text: object) -> str:
    """Return the text of a message, its lines after the first."""
    return str(text).partition("\n")[2]


@cache
def _sprite() -> str:
    """Return the URL of the sprite; cached, as a page has some twenty icons."""
    return static("icons.svg")
