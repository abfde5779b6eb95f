"""Inviting people through the console, and what came of it."""

import re

from django.core import mail
from django.test import Client

from accounts import outbox
from accounts.enums import Permission
from accounts.models import Event, Member
from tests.visitors import visitor

NEW = "tove@new.example"
PASSWORD = "several words in a row"


def invite(client: Client, addresses: str, *permissions: Permission):
    answer = client.post(
        "/iam/users/invite_users", {"addresses": addresses, "permissions": [int(each) for each in permissions]}
    )
    assert answer.status_code == 200
    return answer


def outcomes(answer) -> list[tuple[str, str]]:
    rows = re.findall(r"<tr>\s*<td(.*?)</tr>", answer.content.decode(), re.DOTALL)
    cells = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r">(.*?)</td>", row)] for row in rows]
    return [(address, result) for address, _, result in cells]


def invited(by: Member, email: str = NEW) -> str:
    """The path of the link that somebody was sent."""
    invite(visitor(by), email)
    outbox.send_due()
    text = mail.outbox[-1].body
    assert mail.outbox[-1].to == [email]
    return re.search(r"/invitations/\S+", text)[0]


def member(email: str) -> Member:
    return Member.objects.select_related("user", "account", "parent").get(user__email=email, account_id=1234567)


def actions_about(pk: int) -> list[str]:
    return list(Event.objects.filter(subject_id=pk).order_by("number").values_list("action", flat=True))
