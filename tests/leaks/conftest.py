"""What tests of leaks may ask for: the log of all that happens, everybody, and their keys with known values."""

import io
import logging
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Member
from keys import material, usage
from keys.models import ClassicKey
from tests.conftest import BOREALIS
from tests.leaks.search import Seeker
from tests.trees import make_platform_key
from tests.visitors import visitor


class Log(logging.Handler):
    """Keeps every record as it was made, before any filter, and what the real handler printed, after its filter."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.made: list[str] = []
        self.printed = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.made.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text or ''}")


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of all that happens in a test, at its most talkative, SQL included."""
    kept, root = Log(), logging.getLogger()
    (real,) = [handler for handler in root.handlers if type(handler.formatter).__module__ == "console.logs"]
    levels = {name: logging.getLogger(name).level for name in ("", "django", "django.db.backends", "keys", "accounts")}
    stream = real.setStream(kept.printed)
    root.handlers.insert(0, kept)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    connection.force_debug_cursor = True  # with it, Django logs each statement with what goes into it
    yield kept
    connection.force_debug_cursor = False
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    root.handlers.remove(kept)
    real.setStream(stream)


@pytest.fixture
def collector(monkeypatch) -> usage.Collector:
    """This process's notes of calls, empty."""
    monkeypatch.setattr(usage, "collector", usage.Collector())
    return usage.collector


@pytest.fixture
def known(cast, collector) -> dict[int, str]:
    """The values of all the demo's keys, by key."""
    return {key.pk: material.take(key).text for key in ClassicKey.objects.all()}


@pytest.fixture
def known_platform(cast, collector) -> dict[int, str]:
    """The values of some IBM Cloud API keys, by key."""
    keys = [make_platform_key(cast[name]) for name in ("olivia", "marcus", "noor")]
    return {key.pk: key.value for key in keys}


@pytest.fixture
def seeker(known, known_platform) -> Seeker:
    return Seeker([*known.values(), *known_platform.values()])


@pytest.fixture
def people(cast) -> dict[str, Client]:
    """Everybody who can sign in, and a stranger; Sam once more in the account that is his."""
    found = {name: visitor(cast[name]) for name in ("olivia", "marcus", "priya", "noor", "sam", "dmitri")}
    found["sam of borealis"] = visitor(Member.objects.select_related("user").get(account=BOREALIS, parent=None))
    found["a stranger"] = visitor()
    return found
