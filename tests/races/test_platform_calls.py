"""Calls with IBM Cloud API keys while somebody takes their use away, and while their digests move."""

import pytest

from accounts import memberships
from accounts.enums import MemberStatus
from accounts.models import Event, Member
from accounts.origin import Origin
from keys import lifecycle, material
from keys.models import ClassicKey, PlatformKey
from keys.platform import events
from keys.platform.lifecycle import (
    Description,
    create_platform_key,
    delete_platform_key,
    report_leaked,
    switch_platform_key,
)
from keys.platform.policy import PlatformAction
from keys.usage import Collector, Moved
from keys.verification import verify
from tests.races.racing import assert_refused_after, assert_sound
from tests.rings import put_first
from tests.threads import at_once, errors

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = Origin("17.5.7.8", "race")


@pytest.fixture
def key_and_value(people) -> tuple[PlatformKey, str]:
    """A new key of Priya."""
    key, value = create_platform_key(description=Description("Deployment"), by=people["priya"], origin=ORIGIN)
    return key, value.text


def _owner(key: PlatformKey) -> Member:
    return Member.objects.get(account=key.account_id, parent=None)


def _disable(key: PlatformKey, value: str) -> None:
    switch_platform_key(key=key, action=PlatformAction.DISABLE, by=key.holder, origin=ORIGIN)


def _delete(key: PlatformKey, value: str) -> None:
    delete_platform_key(key=key, by=key.holder, origin=ORIGIN)


def _leak(key: PlatformKey, value: str) -> None:
    report_leaked(value=value, source="a race", origin=ORIGIN)


def _suspend(key: PlatformKey, value: str) -> None:
    memberships.change_status(member=key.holder, status=MemberStatus.SUSPENDED, by=_owner(key), origin=ORIGIN)


def _freeze(key: PlatformKey, value: str) -> None:
    memberships.freeze_branch(member=key.holder, reason="A race", by=_owner(key), origin=ORIGIN)


def _remove(key: PlatformKey, value: str) -> None:
    memberships.remove_member(member=key.holder, by=_owner(key), origin=ORIGIN, hand_over=True)


def _restrict(key: PlatformKey, value: str) -> None:
    classic = ClassicKey.objects.get(holder=key.holder)
    lifecycle.restrict_classic_key(key=classic, addresses_text="203.0.113.9", by=_owner(key), origin=ORIGIN)


@pytest.mark.parametrize("change", [_disable, _delete, _leak, _suspend, _freeze, _remove, _restrict])
def test_no_call_that_begins_after_a_change_is_accepted(key_and_value, collector, change):
    key, value = key_and_value
    assert_refused_after(lambda: change(key, value), lambda: verify("apikey", value, "17.5.7.8").accepted)
    assert_sound()


def test_refusals_noted_by_many_at_once_are_all_counted_and_one_event_a_minute(key_and_value, collector):
    key, value = key_and_value
    _disable(key, value)
    workers = [Collector(lambda: 1_800_000_000.0) for _ in range(5)]

    def call_and_write(worker: Collector) -> None:
        for _ in range(20):
            worker.refused(
                key_id=key.uuid.hex, account_id=key.account_id, holder_id=key.holder_id, why="disabled",
                address="17.5.7.8", action=events.CALL_REFUSED, facts={"name": key.name},
            )  # fmt: skip
        worker.flush(last=True)

    (answers,) = at_once(*[lambda worker=worker: call_and_write(worker) for worker in workers])

    assert not errors(answers)
    told = Event.objects.filter(action=events.CALL_REFUSED)
    assert sum(event.facts["count"] for event in told) == 100
    assert len({event.once for event in told}) == len(told) == 5
    assert_sound()


def test_digest_that_many_processes_move_at_once_moves_and_goes_on_working(key_and_value, collector, settings):
    """Also while another key is deleted: that is gone, whoever came first."""
    key, value = key_and_value
    gone, gone_value = create_platform_key(description=Description("Gone"), by=key.holder, origin=ORIGIN)
    put_first(settings)
    moves = {}
    for one, presented in ((key, value), (gone, gone_value.text)):
        (ring_key_id, new), (_, old) = material.platform_digests(presented)
        assert bytes(one.digest) == old
        moves[one.uuid.hex] = Moved(old, new, ring_key_id)

    def use() -> None:
        worker = Collector()
        for uuid, moved in moves.items():
            worker.accepted(uuid, None, moved)
        worker.flush()

    (answers,) = at_once(*[use] * 5, lambda: delete_platform_key(key=gone, by=key.holder, origin=ORIGIN))

    assert not errors(answers)
    key.refresh_from_db()
    assert (key.ring_key_id, bytes(key.digest)) == next(material.platform_digests(value))
    assert verify("apikey", value, None).accepted
    assert not PlatformKey.objects.filter(pk=gone.pk).exists()
    assert not verify("apikey", gone_value.text, None).accepted
