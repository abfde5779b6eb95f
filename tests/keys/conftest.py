"""What tests of keys may ask for: a key of the demo accounts with its value, and nothing noted by tests before."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from accounts.models import Member
from accounts.origin import Origin
from keys import material, usage
from keys.models import ClassicKey, PlatformKey
from keys.platform.lifecycle import Description, create_platform_key
from keys.usage import Collector
from tests.keys.noting import HERE


@dataclass
class Clock:
    """A clock that moves when told to; starts at the beginning of a minute."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock by which the collector of this test notes."""
    return Clock()


@pytest.fixture(autouse=True)
def collector(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Collector:
    """This process's collector, empty; nothing is written but by ``flush``."""
    monkeypatch.setattr(usage, "collector", Collector(clock))
    return usage.collector


@pytest.fixture
def key_of(cast: dict[str, Member]) -> Callable[[str], ClassicKey]:
    """A function that returns the key of a member, as it is in the database now."""
    return lambda name: ClassicKey.objects.select_related("holder__user", "creator").get(holder=cast[name])


@pytest.fixture
def value_of(key_of: Callable[[str], ClassicKey]) -> Callable[[str], str]:
    """A function that returns the value of a member's key in plain."""
    return lambda name: material.take(key_of(name)).text


@pytest.fixture
def refuse(key_of: Callable[[str], ClassicKey]) -> Callable[..., None]:
    """A function that notes refusals of Priya's key."""

    def refuse(collector: Collector, times: int = 1, address: str | None = HERE, why: str = "wrong value") -> None:
        key = key_of("priya")
        for _ in range(times):
            collector.refused(
                key_id=key.pk, account_id=key.account_id, holder_id=key.holder_id, why=why, address=address
            )

    return refuse


@pytest.fixture
def platform_key_of(cast: dict[str, Member], origin: Origin) -> Callable[..., tuple[PlatformKey, str]]:
    """A function that creates an IBM Cloud API key of a member, and returns it with its value in plain."""

    def create(name: str, **more: bool) -> tuple[PlatformKey, str]:
        described = Description(f"Key of {name}")
        key, value = create_platform_key(description=described, by=cast[name], origin=origin, **more)
        return key, value.text

    return create
