"""What journeys may ask for: a real server with the demo accounts, fresh for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.journeys.live import LiveServer, Template

StartLive = Callable[..., LiveServer]


@pytest.fixture(scope="session")
def live_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """The installation that every server is a copy of; made once a session."""
    template = Template(tmp_path_factory.mktemp("live-template"))
    try:
        yield template.make()
    finally:
        template.remove()


@pytest.fixture
def start_live(live_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartLive]:
    """A function that starts a server: options of gunicorn as arguments, settings of Keytree by name."""
    with ExitStack() as stack:

        def start(*options: str, **settings: str) -> LiveServer:
            server = LiveServer(live_template, tmp_path_factory.mktemp("live") / "data", options, settings)
            stack.callback(server.remove)
            return server.start()

        yield start


@pytest.fixture
def live(start_live: StartLive) -> LiveServer:
    """A running server with a fresh copy of the demo accounts: its ``url``, ``data_dir``, ``env`` and more."""
    return start_live()
