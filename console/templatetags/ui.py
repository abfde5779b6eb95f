"""Template tags of the interface: icons, times, notifications. Presentation only, no queries.

A builtin of every template. In table rows use none of these: a page works out the sprite's address once
(``{% icon_href as sprite %}``) and prepares its times before the loop.
"""

from datetime import datetime
from functools import cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import formats

register = template.Library()


@register.simple_tag
def icon_href() -> str:
    """Return the address of the icon sprite."""
    return _sprite()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return an icon that assistive technology skips: what it says must be said by text too."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>', _sprite(), name
    )


@register.filter
def when(moment: datetime | None) -> SafeString:
    """Return a ``<time>`` that reads ``14-03-2025 04:54 GMT``; nothing for no moment."""
    if moment is None:
        return SafeString("")
    return format_html(
        '<time datetime="{}"><span class="nowrap">{}</span> <span class="nowrap">{}</span></time>',
        formats.iso(moment),
        *formats.date_and_time(moment),
    )


@register.filter
def first_line(text: object) -> str:
    """Return the title of a message: what precedes its first line break."""
    return str(text).partition("\n")[0]


@register.filter
def after_first_line(text: object) -> str:
    """Return the text below a message's title; empty for a message of one line."""
    return str(text).partition("\n")[2]


@cache
def _sprite() -> str:
    """A page has some twenty icons, and the address stays the same as long as the process runs."""
    return static("icons.svg")
