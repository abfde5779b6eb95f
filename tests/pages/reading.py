"""Pages as the server sends them: what they say, and where they put the focus."""

import re
from html import unescape

from accounts.models import Member
from keys.models import ClassicKey

KEYS, USERS, HIERARCHY = "/iam/apikeys", "/iam/users", "/iam/users?view=hierarchy"
CREATE = "Create a classic infrastructure key"


def page(answer) -> str:
    """The page of an answer, as it reads: without the escapes."""
    assert answer.status_code in {200, 403, 404}
    return unescape(answer.content.decode())


def focused(body: str) -> list[str]:
    """The opening tags of what has the focus when the page is shown: there should be one at most."""
    return re.findall(r"<[^>]*\sautofocus[\s>][^>]*", body)


def current(body: str) -> list[str]:
    """The entries of the navigation that are marked as the page."""
    return re.findall(r'aria-current="page">([^<]+)</a></li>', body.partition("<main")[0])


def key_of(member: Member) -> ClassicKey:
    return ClassicKey.objects.get(holder=member)


def key_url(member: Member) -> str:
    return f"{KEYS}/classic/{key_of(member).pk}"


def row_of(body: str, member: Member) -> str:
    before, _, after = body.partition(f'href="/iam/users/{member.pk}"')
    return before.rpartition("<tr>")[2] + after.partition("</tr>")[0]
