"""The thread that writes what was noted of calls, and what a process that ends leaves behind."""

import threading

import pytest
from django.db import OperationalError

from accounts import sealing
from accounts.models import Member
from keys import usage
from tests.conftest import ACME
from tests.keys.noting import HERE, refuse_key, told


class Stop(Exception):
    """Ends the writer's loop in a test."""


@pytest.fixture
def threads(monkeypatch, collector):
    """The writers that were started; they only report here that they run."""
    started: list[threading.Thread] = []
    monkeypatch.setattr(collector, "_write_always", lambda: started.append(threading.current_thread()))
    monkeypatch.setattr(usage.atexit, "register", str)  # none at the end of the suite
    return started


def test_without_background_nothing_starts(threads, collector):
    collector.accepted(1, HERE)
    assert collector._writer is None


@pytest.mark.parametrize("outcome", ["accepted", "refused"])
def test_writer_starts_with_the_first_thing_noted(threads, collector, outcome):
    usage.run_in_background()
    assert collector._writer is None
    if outcome == "accepted":
        collector.accepted(1, HERE)
    else:
        collector.refused(key_id=1, account_id=ACME, holder_id=1, why="wrong value", address=HERE)
    collector._writer.join()
    assert threads == [collector._writer]
    assert collector._writer.daemon
    assert collector._noted.is_set()


def test_writer_is_one_for_all_that_is_noted(collector, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(collector, "_write_always", done.wait)
    monkeypatch.setattr(usage.atexit, "register", str)
    usage.run_in_background()
    collector.accepted(1, HERE)
    writer = collector._writer
    collector.accepted(2, HERE)
    assert collector._writer is writer
    done.set()
    writer.join()


def test_writer_that_is_gone_is_replaced(threads, collector):
    # As in a worker that was forked from a process whose writer ran: threads do not survive that.
    usage.run_in_background()
    for key_id in (1, 2):
        collector.accepted(key_id, HERE)
        collector._writer.join()
    assert len(set(threads)) == 2


def test_writer_is_registered_to_write_at_the_end_of_the_process(cast, key_of, refuse, collector, monkeypatch):
    at_exit: list = []
    monkeypatch.setattr(usage.atexit, "register", at_exit.append)
    monkeypatch.setattr(collector, "_write_always", lambda: None)
    monkeypatch.setattr(usage.connection, "close", lambda: at_exit.append("closed"))
    refuse(collector)
    collector.flush()
    refuse(collector, 2)  # in the same minute
    usage.run_in_background()
    collector.accepted(key_of("priya").pk, HERE)
    at_exit[0]()
    assert key_of("priya").last_used_from == HERE
    assert [facts["count"] for _, facts in told()] == [1, 2]
    assert at_exit[1:] == ["closed"]


@pytest.fixture
def turns(monkeypatch, collector):
    """A function that lets the writer take so many turns in this thread, and returns what it did."""

    def turns(times: int, *, idle: bool = False) -> list[object]:
        done: list[object] = []

        def sleep(seconds: float) -> None:
            if done.count(("slept", usage._EVERY)) == times:
                raise Stop
            done.append(("slept", seconds))

        def wait(timeout: float | None = None) -> bool:
            done.append(("waited", timeout))
            return not idle

        monkeypatch.setattr(usage.time, "sleep", sleep)
        monkeypatch.setattr(collector._noted, "wait", wait)
        monkeypatch.setattr(usage.connection, "close", lambda: done.append("closed"))
        monkeypatch.setattr(collector, "flush", lambda **_: done.append("flushed"))
        with pytest.raises(Stop):
            collector._write_always()
        return done

    return turns


def test_writer_waits_a_second_before_it_writes(turns, collector):
    collector.accepted(1, HERE)
    assert turns(2) == [("slept", 1.0), "flushed", ("slept", 1.0), "flushed"]


def test_writer_goes_on_while_there_are_digests_to_move(turns, collector):
    collector.accepted("0" * 32, HERE, usage.Moved(b"old", b"new", "2"))
    collector._used.clear()  # as after a turn that moved but the first so many
    assert turns(2) == [("slept", 1.0), "flushed", ("slept", 1.0), "flushed"]


def test_writer_with_nothing_to_write_waits(turns):
    assert turns(1) == [("waited", usage._IDLE), ("slept", 1.0), "flushed", ("waited", usage._IDLE)]


def test_writer_idle_gives_back_its_connection(turns):
    assert turns(1, idle=True)[:4] == [("waited", usage._IDLE), "closed", ("waited", None), ("slept", 1.0)]


@pytest.mark.parametrize("error", [OperationalError, sealing.SealError])
def test_writer_survives_a_database_that_is_away(collector, monkeypatch, caplog, error):
    closed = []

    def away(**_: object):
        raise error("connection to postgresql://keytree:secret@db failed")

    monkeypatch.setattr(collector, "flush", away)
    monkeypatch.setattr(usage.connection, "close", lambda: closed.append(1))
    collector._write_and_log(last=False)
    assert closed == [1]
    assert caplog.messages == [f"last used and refused calls could not be written: {error.__name__}"]


def test_noting_from_many_threads_loses_nothing(cast, collector):
    holder = Member.objects.get(pk=cast["priya"].pk)

    def call() -> None:
        for number in range(500):
            refuse_key(collector, number % 5, holder)
            collector.accepted(number, HERE)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    while any(caller.is_alive() for caller in callers):
        collector.flush()
    collector.flush(last=True)
    assert sum(facts["count"] for _, facts in told()) == 8 * 500
