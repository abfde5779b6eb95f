"""What tests of logging in may ask for, a clock, and refusals that take no time; and the owner's browser."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import signin
from tests.visitors import visitor


@pytest.fixture
def olivia(cast) -> Client:
    """The browser of the owner, who has just logged in."""
    return visitor(cast["olivia"])


@pytest.fixture
def _no_waiting(monkeypatch) -> None:
    """A refusal takes no time."""
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)


@pytest.fixture
def clock(monkeypatch):
    """A function that lets time go on; it stands still otherwise."""
    now = [timezone.now()]
    monkeypatch.setattr("django.utils.timezone.now", lambda: now[0])

    def go_on(**time: float) -> datetime:
        now[0] += timedelta(**time)
        return now[0]

    return go_on
