"""What journeys may ask for: a real server with the demo accounts, fresh for each test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from tests.journeys.live import LiveServer, Template

StartLive = Callable[..., LiveServer]


@pytest.fixture(scope="session")
def live_template(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Iterator[Template]:
    """The installation that every server is a copy of; made by the first of the suite's processes to need one."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    template, users = Template(shared / "live-template", testrun_uid[:12]), shared / "live-template-users"
    with _alone(shared):
        if not users.exists():
            template.make()
            users.mkdir()
        (users / own.name).touch()
    try:
        yield template
    finally:
        with _alone(shared):
            (users / own.name).unlink()
            if not any(users.iterdir()):
                users.rmdir()
                template.remove()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep the suite's other processes out of the block."""
    with (folder / "live-template.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


@pytest.fixture
def start_live(live_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartLive]:
    """A function that starts a server: options of gunicorn as arguments, settings of Keytree by name."""
    with ExitStack() as stack:

        def start(*options: str, **settings: str) -> LiveServer:
            server = LiveServer(live_template, tmp_path_factory.mktemp("live") / "data", options, settings)
            stack.callback(server.remove)
            return server.start()

        yield start


@pytest.fixture(scope="module")
def start_shared(live_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartLive]:
    """A function that starts a server for all tests of a module: settings of Keytree by name."""
    with ExitStack() as stack:

        def start(**settings: str) -> LiveServer:
            server = LiveServer(live_template, tmp_path_factory.mktemp("live") / "data", (), settings)
            stack.callback(server.remove)
            return server.start()

        yield start


@pytest.fixture
def live(start_live: StartLive) -> LiveServer:
    """A running server with a fresh copy of the demo accounts: its ``url``, ``data_dir``, ``env`` and more."""
    return start_live()


@pytest.fixture(scope="module")
def console(start_shared) -> LiveServer:
    """One server for the tests that do not get in each other's way."""
    return start_shared()


@pytest.fixture(scope="module")
def console_with_ids(console: LiveServer) -> dict[str, int]:
    """The ids of Acme's members by first name."""
    said = console.run(
        "from accounts.models import Member\n"
        "for member in Member.objects.filter(account_id=1234567).select_related('user'):\n"
        "    print(member.user.email.partition('@')[0], member.pk)"
    )
    return {name: int(pk) for name, pk in (line.split() for line in said.splitlines())}
