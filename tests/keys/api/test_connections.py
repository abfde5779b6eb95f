"""The connection to the database through requests: one that is old, or lost, does not outlive its request."""

import pytest
from django.db import connection, connections

from tests.trail import without_triggers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def cast(transactional_db, load_cast):
    """As everywhere, but so that other connections see them."""
    return load_cast()


def lose() -> None:
    """End the connection from the other end; a file has none, so that there it is the driver that closes it."""
    if connection.vendor == "sqlite":
        connection.connection.close()
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()


def test_connection_that_has_served_its_time_goes_with_its_request(ways):
    for way in ways:
        assert way().status == 200
        kept = connection.connection
        assert way().status == 200
        assert connection.connection is kept
        connection.close_at = 0
        assert way().status == 200  # on another one
        assert connection.connection not in (kept, None)


def test_connection_that_was_lost_meanwhile_is_another_one(ways):
    for way in ways:
        assert "Retry-After" not in way().headers
        lose()
        assert "Retry-After" not in way().headers


@pytest.mark.postgresql_only
def test_connection_that_is_lost_in_a_call_fails_that_call_alone(wire, ways):
    def records():
        lose()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        yield {}

    for way in ways:
        wire.gives, wire.total = records(), 1
        assert way().headers["Retry-After"] == "5"
        wire.gives, wire.total = None, None
        assert "Retry-After" not in way().headers
