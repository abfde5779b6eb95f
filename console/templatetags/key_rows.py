"""The rows of the API keys page, built in Python: people look at it all day, and a template takes four times as long.

Nothing is escaped by itself here.
"""

from collections.abc import Iterable
from datetime import date, datetime
from html import escape

from django import template
from django.utils.safestring import SafeString

from accounts import formats
from console.templatetags.ui import actions_menu, ago, icon, when
from keys.platform.queries import PlatformKeyRow
from keys.queries import KeyRow

register = template.Library()


@register.simple_tag
def key_rows(rows: Iterable[KeyRow], made_at: datetime) -> SafeString:
    """Return the rows of the list of API keys; ``made_at`` is when the list was made."""
    return SafeString("".join(_key_row(row, made_at) for row in rows))


def _key_row(row: KeyRow, made_at: datetime) -> str:
    is_self = ' <span class="tag tag--blue">self</span>' if row.is_self else ""
    return f"""
            <tr>
              <td><a href="{escape(row.user_url)}"><bdi>{escape(row.name)}</bdi></a>{is_self}{_refused(row)}</td>
              <td data-label="Description" class="break">{escape(row.description)}</td>
              <td data-label="Date created" class="nowrap">{when(row.created_at)}</td>
              <td data-label="Last used" class="nowrap">{ago(row.last_used_at, made_at)}</td>
              <td class="table__menu">{actions_menu(row.id, row.name, row.menu)}</td>
            </tr>
          """


@register.simple_tag
def platform_key_rows(rows: Iterable[PlatformKeyRow], made_at: datetime, *, is_all: bool) -> SafeString:
    """Return the rows of a list of IBM Cloud API keys, with their owners where it is the list of all."""
    return SafeString("".join(_platform_key_row(row, made_at, is_all=is_all) for row in rows))


def _platform_key_row(row: PlatformKeyRow, made_at: datetime, *, is_all: bool) -> str:
    status = f"{icon('locked')} Locked" if row.is_locked else f"{icon('unlocked')} Unlocked"
    description = f"<bdi>{escape(row.description)}</bdi>" if row.description else ""
    return f"""
            <tr>
              <td data-label="Status">{status}</td>
              <td data-label="Name" class="break"><bdi>{escape(row.name)}</bdi>{key_tags(row)}</td>
              {_owner(row) if is_all else ""}
              <td data-label="Description" class="break">{description}</td>
              <td data-label="Date created" class="nowrap">{when(row.created_at)}</td>
              <td data-label="Expires" class="nowrap">{_last_day(row.last_day)}</td>
              <td data-label="Enabled">{_switch(row)}</td>
              <td data-label="Last used" class="nowrap">{ago(row.last_used_at, made_at)}</td>
              <td class="table__menu">{actions_menu(row.id, row.name, row.menu)}</td>
            </tr>
          """


@register.simple_tag
def key_tags(row: PlatformKeyRow) -> SafeString:
    """Return the red tags of an IBM Cloud API key."""
    words = [word for word, is_so in (("Leaked", row.is_leaked), ("Expired", row.is_expired)) if is_so]
    return SafeString("".join(f' <span class="tag tag--red">{word}</span>' for word in words))


def _owner(row: PlatformKeyRow) -> str:
    name = f"<bdi>{escape(row.owner)}</bdi>"
    linked = f'<a href="{escape(row.owner_url)}">{name}</a>' if row.owner_url else name
    is_own = ' <span class="tag tag--blue">self</span>' if row.is_own else ""
    return f'<td data-label="Owner" class="break">{linked}{is_own}{_refused(row)}</td>'


def _refused(row: KeyRow | PlatformKeyRow) -> str:
    return f' <span class="tag tag--red">{escape(row.why_refused)}</span>' if row.why_refused else ""


def _last_day(day: date | None) -> str:
    return "Never" if day is None else f'<time class="nowrap" datetime="{day.isoformat()}">{formats.day(day)}</time>'


def _switch(row: PlatformKeyRow) -> str:
    """Return the switch, which asks before it turns; the word alone where the viewer may not turn it."""
    word = "Yes" if row.is_enabled else "No"
    if not row.switch_url:
        return word
    return (
        f'<button type="submit" class="switch" role="switch" aria-checked="{"true" if row.is_enabled else "false"}" '
        f'aria-label="Enabled: {escape(row.name)}" form="switch-form" formaction="{escape(row.switch_url)}">'
        f'<span class="switch__track"></span> <span aria-hidden="true">{word}</span></button>'
    )
