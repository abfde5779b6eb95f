"""Somebody who may edit what is hers, her key, and numbers for addresses."""

import pytest

from accounts.models import Member
from keys.models import ClassicKey
from tests.web.asking import NOBODYS


@pytest.fixture
def priya(cast) -> Member:
    """She may edit her own restrictions; her key has one, and so has her sign-in."""
    Member.objects.filter(pk=cast["priya"].pk).update(user_managed_login=True, allowed_addresses="127.0.0.0/8")
    ClassicKey.objects.filter(holder=cast["priya"]).update(allowed_addresses="17.5.7.0/24")
    return Member.objects.select_related("user", "account").get(pk=cast["priya"].pk)


@pytest.fixture
def key(priya) -> ClassicKey:
    return ClassicKey.objects.get(holder=priya)


@pytest.fixture
def numbers(priya, key) -> dict[str, int]:
    return {"member_id": priya.pk, "key_id": key.pk, "token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}
