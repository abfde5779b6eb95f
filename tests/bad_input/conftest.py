"""Somebody who may edit what is hers, her key, and numbers for addresses."""

import pytest

from accounts.models import Member
from keys.models import ClassicKey, PlatformKey
from tests.trees import make_platform_key
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
def platform_key(priya) -> PlatformKey:
    return make_platform_key(priya, description="Builds the robots", leaked_action="delete")


@pytest.fixture
def numbers(priya, key, platform_key) -> dict[str, int]:
    keys = {"key_id": key.pk, "platform_id": platform_key.pk}
    return {"member_id": priya.pk, **keys, "token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}
