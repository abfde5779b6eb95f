"""What tests of SoftLayer clients may ask for: people with their keys, both transports, slcli set up for somebody."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.clients import ADDRESSES, Cast, Slcli, cast_of
from tests.journeys.live import LiveServer


@pytest.fixture(scope="module")
def people(console: LiveServer) -> Cast:
    """The people at the module's server."""
    return cast_of(console)


# Plugins know no modules: a fixture here must not be called like one of ``tests.journeys.browser``.
@pytest.fixture
def restored(console: LiveServer, people: Cast) -> LiveServer:
    """The module's server with the demo as ``people`` describes it, whatever was done before."""
    console.reset()
    return console


@pytest.fixture(params=ADDRESSES)
def transport(request: pytest.FixtureRequest) -> str:
    """Each of the two; tests of what both have in common may name one."""
    return request.param


@pytest.fixture
def slcli(restored: LiveServer, people: Cast, transport: str, tmp_path: Path) -> Callable[[str], Slcli]:
    """A function that returns the command as somebody has set it up."""

    def slcli(name: str) -> Slcli:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Slcli(folder, restored.url + ADDRESSES[transport], people.logins[name])

    return slcli
