"""What tests of races may ask for: people whom every thread can see, and passwords whose check takes little time."""

import time

import pytest

from accounts import signin
from accounts.models import Member
from console import demo
from keys import usage
from tests.trail import without_triggers


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def people(transactional_db, load_cast) -> dict[str, Member]:
    """The members of Acme Robotics by first name, as every thread can see them."""
    return load_cast()


@pytest.fixture
def collector(monkeypatch) -> usage.Collector:
    """This process's notes of calls, empty."""
    monkeypatch.setattr(usage, "collector", usage.Collector())
    return usage.collector


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The passwords that a hash was computed for, without the time that takes."""
    tried: list[str] = []

    def check(self, password):
        tried.append(password)
        time.sleep(0.005)  # long enough for another guess to come in between
        return password == demo.PASSWORD

    monkeypatch.setattr("accounts.models.User.check_password", check)
    monkeypatch.setattr("accounts.models.User.set_password", lambda _, password: tried.append(password))
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    return tried
