"""The Settings page as tests read it."""

import re

from accounts.models import Account
from tests.conftest import ACME


def acme() -> Account:
    return Account.objects.get(pk=ACME)


def text(answer) -> str:
    return answer.content.decode()


def switch(page: str, name: str) -> bool:
    return re.search(rf'role="switch" aria-checked="(\w+)" aria-label="{name}"', page)[1] == "true"
