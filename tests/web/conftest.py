"""Numbers for addresses, a clock to set, and passwords whose check takes no time."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts import signin
from console import demo
from keys.models import ClassicKey
from tests.trees import make_platform_key
from tests.web.asking import NOBODYS


@pytest.fixture
def numbers(cast) -> dict[str, int]:
    """The numbers that stand in addresses: Priya's, and those of her keys."""
    key_id, platform_id = ClassicKey.objects.get(holder=cast["priya"]).pk, make_platform_key(cast["priya"]).pk
    keys = {"key_id": key_id, "platform_id": platform_id}
    return {"member_id": cast["priya"].pk, **keys, "token": "nobodys", "uid": NOBODYS, "passkey": NOBODYS}


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The passwords that a hash was computed for; the demo's is right, and nothing takes time."""
    tried: list[str] = []

    def check(self, password):
        tried.append(password)
        return password == demo.PASSWORD

    monkeypatch.setattr("accounts.models.User.check_password", check)
    monkeypatch.setattr("accounts.models.User.set_password", lambda _, password: tried.append(password))
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    return tried


class Clock:
    """The time that everything here goes by; stands still until told to go on."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock(monkeypatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr("django.utils.timezone.now", made)
    return made


@pytest.fixture
def key_url(cast) -> str:
    return f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=cast['priya']).pk}"
