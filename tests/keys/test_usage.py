"""What is noted of calls and when it is written: last used, and refusals."""

import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError

from accounts import audit, formats
from accounts.models import Event, Member
from keys import events, usage
from keys.models import ClassicKey
from keys.usage import Collector
from tests.conftest import ACME, BOREALIS
from tests.keys.noting import HERE, refuse_key, told

ELSEWHERE = "203.0.113.9"


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# --- Last used --------------------------------------------------------------------------------------------------------


@pytest.fixture
def last_used(key_of):
    """A function that returns when and from where Priya's key was last used."""

    def last_used() -> tuple[datetime | None, str]:
        key = key_of("priya")
        return key.last_used_at, key.last_used_from

    return last_used


def test_accepted_is_written_by_flush_alone(key_of, last_used, collector, clock):
    collector.accepted(key_of("priya").pk, HERE)
    assert last_used() == (None, "")
    collector.flush()
    assert last_used() == (at(clock.now), HERE)


def test_accepted_again_within_a_minute_is_not_written(key_of, last_used, collector, clock, django_assert_num_queries):
    key_id, first = key_of("priya").pk, clock.now
    for seconds in range(60):
        clock.now = first + seconds
        collector.accepted(key_id, HERE if seconds == 0 else ELSEWHERE)
        with django_assert_num_queries(1 if seconds == 0 else 0):
            collector.flush()
    assert last_used() == (at(first), HERE)
    clock.now = first + 60
    collector.accepted(key_id, ELSEWHERE)
    collector.flush()
    assert last_used() == (at(first + 60), ELSEWHERE)


def test_accepted_by_two_workers_keeps_to_the_minute_and_the_later_time(key_of, last_used, clock):
    key_id, first = key_of("priya").pk, clock.now
    one, other = Collector(clock), Collector(clock)
    one.accepted(key_id, HERE)
    clock.now = first + 90
    other.accepted(key_id, ELSEWHERE)
    other.flush()
    one.flush()  # late, and older: must not win
    assert last_used() == (at(first + 90), ELSEWHERE)
    clock.now = first + 149
    one.accepted(key_id, HERE)
    one.flush()  # by its own count a minute is over, by the database's not
    assert last_used() == (at(first + 90), ELSEWHERE)


def test_accepted_from_unknown_address_says_no_address(key_of, last_used, collector, clock):
    collector.accepted(key_of("priya").pk, None)
    collector.flush()
    assert last_used() == (at(clock.now), "")


def test_flush_writes_all_keys_in_one_statement(cast, collector, clock, django_assert_num_queries):
    keys = list(ClassicKey.objects.order_by("id"))
    for number, key in enumerate(keys):
        clock.now += number
        collector.accepted(key.pk, f"10.0.0.{number}")
    collector.accepted(999_999, HERE)  # deleted meanwhile
    with django_assert_num_queries(1):
        collector.flush()
    with django_assert_num_queries(0):
        collector.flush()
    found = ClassicKey.objects.order_by("id").values_list("last_used_from", flat=True)
    assert list(found) == [f"10.0.0.{number}" for number in range(len(keys))]


def test_flush_that_fails_keeps_what_it_had(key_of, last_used, collector, clock, monkeypatch):
    key_id, is_late = key_of("priya").pk, False

    def away(used):
        if is_late:  # a minute later, the key is used while the statement waits
            clock.now += 60
            collector.accepted(key_id, ELSEWHERE)
        raise OperationalError("away")

    for is_late in (False, True):
        collector.accepted(key_id, HERE)
        with monkeypatch.context() as patch:
            patch.setattr(usage, "_write_last_used", away)
            with pytest.raises(OperationalError):
                collector.flush()
        collector.flush()
        assert last_used() == (at(clock.now), ELSEWHERE if is_late else HERE)
        clock.now += 60


def test_flush_keeps_rows_that_were_locked(key_of, last_used, collector, monkeypatch):
    key_id = key_of("priya").pk
    collector.accepted(key_id, HERE)
    with monkeypatch.context() as patch:
        patch.setattr(usage, "_write_last_used", list)  # all are tried again
        collector.flush()
    assert last_used() == (None, "")
    collector.flush()
    assert last_used()[1] == HERE


def test_keys_used_without_end_take_bounded_memory(collector, monkeypatch):
    monkeypatch.setattr(usage, "_MOST_USED", 100)
    for key_id in range(1_000):
        collector.accepted(key_id, HERE)
    assert len(collector._next_use) <= 100


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_refused_is_an_event_for_those_who_look_after_the_holder(cast, refuse, collector):
    refuse(collector)
    assert told() == []
    collector.flush()
    event = Event.objects.get(action=events.CALL_REFUSED)
    assert (event.subject_id, event.account_id) == (cast["priya"].pk, cast["priya"].account_id)
    assert (event.outcome, event.address, event.actor_id) == (audit.REFUSED, HERE, None)
    assert event.facts == {"why": "wrong value", "count": 1}
    assert event in audit.visible_events(cast["marcus"])
    assert event not in audit.visible_events(cast["sam"])
    assert list(audit.breaks(event.account_id)) == []


def test_refused_a_thousand_times_is_one_event_and_one_when_the_minute_is_over(
    refuse, collector, clock, django_assert_num_queries
):
    refuse(collector)
    collector.flush()
    for _ in range(9):
        refuse(collector, 111)
        clock.now += 1
        with django_assert_num_queries(0):
            collector.flush()
    assert [facts["count"] for _, facts in told()] == [1]
    clock.now += 60
    collector.flush()
    assert [facts["count"] for _, facts in told()] == [1, 999]
    for _ in range(3):
        clock.now += 60
        collector.flush()
    assert len(told()) == 2
    assert collector._refused == {}


def test_refused_by_many_workers_is_one_event_a_minute_and_none_is_lost(refuse, clock):
    workers = [Collector(clock) for _ in range(3)]
    for worker in workers:
        refuse(worker, 10)
    for minute in range(1, 5):
        for worker in workers:
            worker.flush()
        assert len(told()) == min(minute, 3)
        clock.now += 60
    assert sum(facts["count"] for _, facts in told()) == 30


def test_refused_at_the_end_of_the_process_is_written_out(refuse, clock):
    workers = [Collector(clock) for _ in range(3)]
    for worker in workers:
        refuse(worker, 10)
        worker.flush()
        refuse(worker, 5)
    for worker in workers:
        worker.flush(last=True)
        worker.flush(last=True)
    assert sum(facts["count"] for _, facts in told()) == 45
    assert all(facts["count"] for _, facts in told())
    marks = Event.objects.filter(action=events.CALL_REFUSED).values_list("once", flat=True)
    assert len(set(marks)) == len(marks) == len(told())


def test_refused_from_several_addresses_has_an_event_for_each(refuse, collector):
    refuse(collector, 2, HERE)
    refuse(collector, 3, ELSEWHERE, why="the key's address restriction")
    refuse(collector, 4, None)
    collector.flush()
    assert told() == [
        (HERE, {"why": "wrong value", "count": 2}),
        (ELSEWHERE, {"why": "the key's address restriction", "count": 3}),
        ("", {"why": "wrong value", "count": 4}),
    ]


def test_refused_for_several_reasons_is_told_with_each_and_with_when(refuse, collector, clock):
    refuse(collector)
    collector.flush()
    clock.now += 5
    first = clock.now
    refuse(collector, 5, why="the key's address restriction")
    clock.now += 20
    refuse(collector, 2)
    collector.flush()
    clock.now += 60
    collector.flush()
    refuse(collector)
    clock.now += 60
    collector.flush()
    moments = [formats.iso(at(seconds)) for seconds in (first, first + 20, first + 80)]
    assert [facts for _, facts in told()] == [
        {"why": "wrong value", "count": 1},
        {
            "why": "the key's address restriction (5), wrong value (2)", "count": 7,
            "first": moments[0], "last": moments[1],
        },
        {"why": "wrong value", "count": 1, "first": moments[2], "last": moments[2]},
    ]  # fmt: skip


@pytest.mark.sqlite_only
def test_refused_from_addresses_without_end_are_counted_together(refuse, collector, clock):
    for number in range(1_000):
        refuse(collector, 1, f"2001:db8::{number:x}")
    refuse(collector, 6, "2001:db8::0")  # known by name
    for _ in range(5):
        collector.flush()
        clock.now += 1
    assert len(told()) == usage._MOST_ADDRESSES + 1
    assert told()[0][1]["count"] == 7
    assert told()[-1] == ("", {"why": "wrong value", "count": 980, "from": "further addresses"})


def test_refused_further_address_is_told_by_name_when_there_is_room_again(refuse, collector, clock):
    for number in range(usage._MOST_ADDRESSES):
        refuse(collector, 1, f"2001:db8::{number:x}")
    collector.flush()
    clock.now += 61
    collector.flush()
    refuse(collector, 1, HERE)
    collector.flush()
    assert told()[-1][0] == HERE


def test_refused_keys_without_end_are_dropped_and_logged(cast, collector, monkeypatch, caplog):
    monkeypatch.setattr(usage, "_MOST_KEYS", 10)
    for key_id in range(25):
        refuse_key(collector, key_id, cast["priya"])
    with caplog.at_level(logging.WARNING):
        collector.flush()
        collector.flush()
    assert len(told()) == 10
    assert [record.getMessage() for record in caplog.records] == [
        "15 refused calls are in no activity log: too many keys were tried at once"
    ]


def test_refused_keys_of_one_account_without_end_leave_room_for_those_of_others(cast, collector, monkeypatch, caplog):
    """Whoever knows the users of an account could else keep calls with other accounts' keys out of the activity."""
    monkeypatch.setattr(usage, "_MOST_KEYS", 10)
    elsewhere = Member.objects.filter(account_id=BOREALIS).first()
    for key_id in range(25):
        refuse_key(collector, key_id, cast["priya"])
    for key_id in range(100, 108):
        refuse_key(collector, key_id, elsewhere)
    with caplog.at_level(logging.WARNING):
        collector.flush()
    noted = Event.objects.filter(action=events.CALL_REFUSED).values_list("account_id", flat=True)
    assert Counter(noted) == {ACME: 5, BOREALIS: 5}
    assert "23 refused calls are in no activity log" in caplog.text


def test_refusals_that_wait_longest_are_written_first(cast, collector, clock, monkeypatch):
    """Of keys that are tried again and again there is something to write every minute."""
    monkeypatch.setattr(usage, "_MOST_EVENTS", 4)
    for minute in range(3):
        for key_id in range(4):
            refuse_key(collector, key_id, cast["priya"])
        if not minute:
            clock.now += 1
            refuse_key(collector, 4, cast["noor"])
        collector.flush()
        clock.now += 60
    assert Event.objects.filter(action=events.CALL_REFUSED, subject_id=cast["noor"].pk).exists()


def test_flush_writes_some_events_and_leaves_the_rest_for_the_next(cast, collector, monkeypatch):
    monkeypatch.setattr(usage, "_MOST_EVENTS", 4)
    for key_id in range(14):
        refuse_key(collector, key_id, cast["priya"])
    for is_last, expected in ((False, 4), (False, 8), (True, 14), (False, 14)):
        collector.flush(last=is_last)
        assert len(told()) == expected


def test_refused_while_the_event_of_earlier_ones_is_written_is_told_with_the_next(
    refuse, collector, clock, monkeypatch
):
    def write_and_be_called(*event: Any) -> bool:
        refuse(collector, 3)
        clock.now += 20
        refuse(collector, 2)
        return write(*event)

    write, start = usage._write_event, clock.now
    refuse(collector, 4)
    with monkeypatch.context() as patch:
        patch.setattr(usage, "_write_event", write_and_be_called)
        collector.flush()
    clock.now += 60
    collector.flush()
    moments = {"first": formats.iso(at(start)), "last": formats.iso(at(start + 20))}
    assert [facts for _, facts in told()] == [
        {"why": "wrong value", "count": 4},
        {"why": "wrong value", "count": 5, **moments},
    ]


def test_refused_event_that_fails_is_written_by_the_next_flush(refuse, collector, monkeypatch):
    def away(*_: object, **__: object):
        raise OperationalError("away")

    refuse(collector, 7)
    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", away)
        with pytest.raises(OperationalError):
            collector.flush()
    collector.flush()
    assert [facts["count"] for _, facts in told()] == [7]


def test_refused_key_of_a_member_removed_meanwhile_is_forgotten(cast, collector, clock):
    collector.refused(key_id=1, account_id=ACME, holder_id=999_999, why="wrong value", address=HERE)
    collector.flush()
    clock.now += 60
    collector.flush()
    assert told() == []
    assert collector._refused == {}


def test_flush_of_the_module_writes_out_what_this_process_noted(cast, refuse, collector, key_of):
    refuse(collector)
    collector.flush()
    refuse(collector, 2)  # in the same minute
    collector.accepted(key_of("priya").pk, HERE)
    usage.flush()
    assert [facts["count"] for _, facts in told()] == [1, 2]
    assert key_of("priya").last_used_from == HERE
