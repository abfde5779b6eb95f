"""What tests of the interface may ask for: its application without methods, and every way to call it."""

from collections.abc import Callable

import pytest

from accounts.models import Member
from tests.keys.api.calling import PATHS, PRIYA, Reply, Wire, document, headed
from tests.keys.calls import basic


@pytest.fixture
def wire(cast: dict[str, Member]) -> Wire:
    """The application; what a method answers is for the test to say."""
    return Wire()


@pytest.fixture
def ways(wire: Wire, value_of: Callable[[str], str]) -> list[Callable[..., Reply]]:
    """The same call in every way in which a key can come with it: each a function of what else the request has."""
    value = value_of("priya")
    header, call = {"Authorization": basic(PRIYA, value)}, document("getObject", headed(PRIYA, value))
    without = document("getObject", {"headers": {}})

    def rest(headers=None, **environ):
        return wire.send("GET", PATHS[0], headers={**header, **(headers or {})}, **environ)

    def xmlrpc(headers=None, **environ):
        return wire.send("POST", PATHS[1], call, headers=headers, **environ)

    def xmlrpc_with_header(headers=None, **environ):
        return wire.send("POST", PATHS[1], without, headers={**header, **(headers or {})}, **environ)

    return [rest, xmlrpc, xmlrpc_with_header]
