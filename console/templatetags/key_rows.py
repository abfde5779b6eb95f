"""The rows of the API keys page, built in Python: people look at it all day, and a template takes four times as long.

Nothing is escaped by itself here.
"""

from collections.abc import Iterable
from datetime import datetime
from html import escape

from django import template
from django.utils.safestring import SafeString

from console.templatetags.ui import actions_menu, ago, when
from keys.queries import KeyRow

register = template.Library()


@register.simple_tag
def key_rows(rows: Iterable[KeyRow], made_at: datetime) -> SafeString:
    """Return the rows of the list of API keys; ``made_at`` is when the list was made."""
    return SafeString("".join(_key_row(row, made_at) for row in rows))


def _key_row(row: KeyRow, made_at: datetime) -> str:
    is_self = ' <span class="tag tag--blue">self</span>' if row.is_self else ""
    refused = f' <span class="tag tag--red">{escape(row.why_refused)}</span>' if row.why_refused else ""
    return f"""
            <tr>
              <td><a href="{escape(row.user_url)}"><bdi>{escape(row.name)}</bdi></a>{is_self}{refused}</td>
              <td data-label="Description" class="break">{escape(row.description)}</td>
              <td data-label="Date created" class="nowrap">{when(row.created_at)}</td>
              <td data-label="Last used" class="nowrap">{ago(row.last_used_at, made_at)}</td>
              <td class="table__menu">{actions_menu(row.id, row.name, row.menu)}</td>
            </tr>
          """
