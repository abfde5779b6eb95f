"""What is noted of calls with IBM Cloud API keys: last used, refusals with the key's name, and digests that move."""

from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import OperationalError
from django.db.models import F

from accounts import audit
from accounts.enums import MemberStatus
from accounts.models import Event, Member
from keys import material, usage
from keys.models import PlatformKey
from keys.platform import events
from keys.platform.lifecycle import delete_platform_key, switch_platform_key
from keys.platform.policy import PlatformAction
from keys.usage import Collector, Moved
from keys.verification import Reason, verify
from tests.conftest import ACME
from tests.keys.noting import HERE, told
from tests.rings import NEWER, put_first

ELSEWHERE = "203.0.113.9"


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def told_of_platform_keys() -> list[tuple[str, dict]]:
    """The refusals of IBM Cloud API keys in the activity log: address and facts, oldest first."""
    found = Event.objects.filter(action=events.CALL_REFUSED).order_by("number")
    return [(event.address, event.facts) for event in found]


# --- Last used --------------------------------------------------------------------------------------------------------


def last_used(key) -> tuple[datetime | None, str]:
    key.refresh_from_db()
    assert key.last_used_day == (key.last_used_at and key.last_used_at.date())
    return key.last_used_at, key.last_used_from


def test_accepted_call_is_written_by_flush_alone_and_once_a_minute(
    platform_key_of, collector, clock, django_assert_num_queries
):
    key, value = platform_key_of("priya")
    verify("apikey", value, HERE)
    assert last_used(key) == (None, "")
    first = clock.now
    for seconds in range(60):
        clock.now = first + seconds
        verify("apikey", value, HERE if seconds == 0 else ELSEWHERE)
        with django_assert_num_queries(1 if seconds == 0 else 0):
            collector.flush()
    assert last_used(key) == (at(first), HERE)
    clock.now = first + 60
    verify("apikey", value, None)
    collector.flush()
    assert last_used(key) == (at(first + 60), "")


def test_accepted_by_two_workers_keeps_to_the_minute_and_the_later_time(platform_key_of, clock):
    (key, _), first = platform_key_of("priya"), clock.now
    one, other = Collector(clock), Collector(clock)
    one.accepted(key.uuid.hex, HERE)
    clock.now = first + 90
    other.accepted(key.uuid.hex, ELSEWHERE)
    other.flush()
    one.flush()  # late, and older: must not win
    assert last_used(key) == (at(first + 90), ELSEWHERE)
    clock.now = first + 149
    one.accepted(key.uuid.hex, HERE)
    one.flush()  # by its own count a minute is over, by the database's not
    assert last_used(key) == (at(first + 90), ELSEWHERE)


def test_flush_writes_all_keys_in_one_statement_for_each_kind(
    platform_key_of, key_of, collector, clock, django_assert_num_queries
):
    """Each kind is written in its own table, though numbers in both are the same."""
    classic = [key_of(name) for name in ("priya", "sam")]
    platform = [platform_key_of(name)[0] for name in ("priya", "marcus", "priya")]
    PlatformKey.objects.update(id=F("id") + 10_000)
    for key, other in zip(platform, [*classic, key_of("olivia")], strict=True):
        PlatformKey.objects.filter(uuid=key.uuid).update(id=other.pk)
        key.pk = other.pk
    for number, key in enumerate(platform):
        collector.accepted(key.uuid.hex, f"10.0.0.{number}")
    for number, key in enumerate(classic):
        collector.accepted(key.pk, f"10.0.1.{number}")
    collector.accepted("0" * 32, HERE)  # deleted meanwhile
    with django_assert_num_queries(2):
        collector.flush()
    with django_assert_num_queries(0):
        collector.flush()
    assert [last_used(key) for key in platform] == [(at(clock.now), f"10.0.0.{number}") for number in range(3)]
    assert [last_used(key) for key in classic] == [(at(clock.now), f"10.0.1.{number}") for number in range(2)]
    assert last_used(key_of("olivia")) == (None, "")


@pytest.mark.parametrize("failing", ["_CLASSIC", "_PLATFORM"])
def test_flush_that_fails_for_one_kind_keeps_what_it_had(platform_key_of, key_of, collector, monkeypatch, failing):
    (key, _), classic = platform_key_of("priya"), key_of("priya")
    write = usage._write_kind

    def away(used, kind):
        if kind is getattr(usage, failing):
            raise OperationalError("away")
        return write(used, kind)

    collector.accepted(key.uuid.hex, HERE)
    collector.accepted(classic.pk, HERE)
    with monkeypatch.context() as patch:
        patch.setattr(usage, "_write_kind", away)
        with pytest.raises(OperationalError):
            collector.flush()
    collector.flush()
    assert last_used(key)[1] == last_used(classic)[1] == HERE


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_refused_call_is_an_event_of_the_holder_with_the_keys_name(cast, platform_key_of, collector, origin):
    key, value = platform_key_of("priya")
    switch_platform_key(key=key, action=PlatformAction.DISABLE, by=cast["priya"], origin=origin)
    for _ in range(3):
        assert not verify("apikey", value, HERE).accepted
    collector.flush()
    event = Event.objects.get(action=events.CALL_REFUSED)
    assert (event.subject_id, event.account_id) == (cast["priya"].pk, ACME)
    assert (event.outcome, event.address, event.actor_id) == (audit.REFUSED, HERE, None)
    assert event.facts == {
        "name": "Key of priya", "key": key.record_id, "why": "the key is disabled", "count": 3,
    }  # fmt: skip
    assert event in audit.visible_events(cast["priya"])
    assert list(audit.breaks(event.account_id)) == []
    assert value not in str(event.__dict__)


def test_refused_calls_are_one_event_for_each_key_address_and_minute(platform_key_of, collector, clock):
    first, second = platform_key_of("priya"), platform_key_of("priya")
    PlatformKey.objects.update(is_enabled=False)
    for _, value in (first, second):
        for address in (HERE, ELSEWHERE, None):
            verify("apikey", value, address)
            verify("apikey", value, address)
    for _ in range(3):
        collector.flush()
        clock.now += 1
    assert sorted((facts["key"], address, facts["count"]) for address, facts in told_of_platform_keys()) == sorted(
        (key.record_id, address, 2) for key, _ in (first, second) for address in (HERE, ELSEWHERE, "")
    )
    verify("apikey", first[1], HERE)
    collector.flush()
    assert len(told_of_platform_keys()) == 6
    clock.now += 60
    collector.flush()
    assert len(told_of_platform_keys()) == 7


def test_refused_by_two_workers_is_one_event_a_minute_and_none_is_lost(platform_key_of, clock, monkeypatch):
    _, value = platform_key_of("priya")
    PlatformKey.objects.update(is_enabled=False)
    workers = [Collector(clock) for _ in range(2)]
    for worker in workers:
        monkeypatch.setattr(usage, "collector", worker)
        verify("apikey", value, HERE)
    for minute in range(1, 3):
        for worker in workers:
            worker.flush()
        assert len(told_of_platform_keys()) == minute
        clock.now += 60


def test_refused_kinds_are_told_apart(cast, platform_key_of, key_of, value_of, collector):
    """The classic key and the IBM Cloud API key of one user, refused in the same minute from the same address."""
    _, value = platform_key_of("priya")
    Member.objects.filter(pk=cast["priya"].pk).update(status=MemberStatus.SUSPENDED)
    verify("apikey", value, HERE)
    verify("1234567_priya@acme.example", "0" * 64, HERE)
    collector.flush()
    assert [facts["why"] for _, facts in told_of_platform_keys()] == [Reason.STATUS]
    assert told() == [(HERE, {"why": "wrong value", "count": 1})]


def test_refused_key_that_was_deleted_meanwhile_is_told_by_its_name(cast, platform_key_of, collector, origin):
    key, value = platform_key_of("priya")
    PlatformKey.objects.update(is_enabled=False)
    verify("apikey", value, HERE)
    delete_platform_key(key=key, by=cast["priya"], origin=origin)
    collector.flush()
    assert [facts["name"] for _, facts in told_of_platform_keys()] == ["Key of priya"]


def test_unknown_and_malformed_values_leave_no_event(cast, platform_key_of, collector, django_assert_num_queries):
    _, value = platform_key_of("priya")
    for presented in (material.new_platform_value().text, value[:-1], ""):
        verify("apikey", presented, HERE)
    with django_assert_num_queries(0):
        collector.flush()


# --- Digests that move to the current master key ----------------------------------------------------------------------

NEWEST = "3:" + "B" * 42 + "A="


@pytest.fixture
def turn_ring(settings):
    """A function that puts a master key before those of the ring."""
    return partial(put_first, settings)


def test_use_moves_the_digest_to_the_current_master_key_and_not_in_the_callers_way(
    platform_key_of, collector, turn_ring, django_assert_num_queries, settings
):
    key, value = platform_key_of("priya")
    before = bytes(key.digest)
    turn_ring(NEWER)
    assert verify("apikey", value, HERE).accepted
    key.refresh_from_db()
    assert (bytes(key.digest), key.ring_key_id) == (before, "1")
    collector.flush()
    key.refresh_from_db()
    assert key.ring_key_id == "2"
    assert (key.ring_key_id, bytes(key.digest)) == next(material.platform_digests(value))
    settings.KEYTREE_KEY_RING = NEWER  # the former one is gone
    assert verify("apikey", value, HERE).accepted
    with django_assert_num_queries(0):
        collector.flush()


def test_refused_call_moves_nothing(platform_key_of, collector, turn_ring):
    key, value = platform_key_of("priya")
    PlatformKey.objects.update(is_enabled=False)
    turn_ring(NEWER)
    assert not verify("apikey", value, HERE).accepted
    collector.flush()
    key.refresh_from_db()
    assert key.ring_key_id == "1"


def test_move_that_another_process_made_is_not_undone(platform_key_of, collector, turn_ring):
    """A process that has not heard of the newest master key yet notes the move to the one before."""
    key, value = platform_key_of("priya")
    turn_ring(NEWER)
    verify("apikey", value, HERE)
    turn_ring(NEWEST)
    newest = next(material.platform_digests(value))
    other = Collector()
    other.accepted(key.uuid.hex, HERE, Moved(bytes(key.digest), newest[1], newest[0]))
    other.flush()
    collector.flush()
    key.refresh_from_db()
    assert key.ring_key_id == "3"
    assert verify("apikey", value, HERE).accepted


def test_move_of_a_deleted_key_brings_nothing_back(platform_key_of, collector, turn_ring, cast, origin):
    key, value = platform_key_of("priya")
    turn_ring(NEWER)
    verify("apikey", value, HERE)
    delete_platform_key(key=key, by=cast["priya"], origin=origin)
    collector.flush()
    assert not PlatformKey.objects.exists()


def test_move_that_fails_is_tried_again(platform_key_of, collector, turn_ring, monkeypatch):
    key, value = platform_key_of("priya")
    turn_ring(NEWER)
    verify("apikey", value, HERE)
    with monkeypatch.context() as patch:
        patch.setattr(usage.PlatformKey.objects, "filter", lambda **_: (_ for _ in ()).throw(OperationalError("away")))
        with pytest.raises(OperationalError):
            collector.flush()
    collector.flush()
    key.refresh_from_db()
    assert key.ring_key_id == "2"


def test_moves_go_some_at_a_time_and_all_at_the_end(cast, platform_key_of, collector, turn_ring, monkeypatch):
    monkeypatch.setattr(usage, "_MOST_MOVED", 2)
    values = [platform_key_of("priya")[1] for _ in range(7)]
    turn_ring(NEWER)
    for value in values:
        verify("apikey", value, HERE)
    for is_last, expected in ((False, 2), (False, 4), (True, 7)):
        collector.flush(last=is_last)
        assert PlatformKey.objects.filter(ring_key_id="2").count() == expected


def test_collector_keeps_no_value(platform_key_of, collector, turn_ring):
    _, value = platform_key_of("priya")
    turn_ring(NEWER)
    verify("apikey", value, HERE)
    PlatformKey.objects.update(is_enabled=False)
    verify("apikey", value, HERE)
    kept = [collector._used, collector._next_use, collector._moved, collector._refused, collector._held]
    assert all(kept[:4])
    assert value not in repr(kept)
    assert value.encode() not in b"".join(
        digest for moved in collector._moved.values() for digest in (moved.old, moved.new)
    )
