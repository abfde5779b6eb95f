"""What tests of the interface for IBM Cloud's clients may ask for: its application, and people who call it."""

from collections.abc import Callable

import pytest

from accounts.models import Member
from keys.models import PlatformKey
from tests.keys.iam.asking import Iam


@pytest.fixture
def iam() -> Iam:
    """The application, called by nobody."""
    return Iam()


@pytest.fixture
def as_user(cast: dict[str, Member], platform_key_of: Callable[..., tuple[PlatformKey, str]]) -> Callable[[str], Iam]:
    """A function that lets somebody create a key, and returns the application as they call it with a token."""

    def calling(name: str) -> Iam:
        key, value = platform_key_of(name)
        return Iam.of(key, value)

    return calling


@pytest.fixture
def priya(as_user: Callable[[str], Iam]) -> Iam:
    """The application as it is called by somebody who looks after nobody."""
    return as_user("priya")
