"""Branches that are revoked, frozen and moved while keys in them come and go: the tree stays whole."""

import time
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from django.test import Client

from accounts import hierarchy, memberships
from accounts.hierarchy import TreeError
from accounts.models import Event as AuditEvent
from accounts.models import Member
from accounts.policy import NotAllowed
from keys import events, lifecycle
from keys.lifecycle import KeyGone
from keys.models import ClassicKey
from keys.verification import verify
from tests.races.racing import actions_about, assert_sound, many_at_once
from tests.threads import at_once, errors
from tests.trees import grow, make_key
from tests.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)

# --- Revoking and freezing --------------------------------------------------------------------------------------------


def test_branch_revoked_twice_while_keys_below_are_made_and_deleted(people, origin):
    """Each key that was seen is deleted once, by one of three; the one that is made meanwhile stays."""
    marcus, priya, noor, berlin = (people[name] for name in ("marcus", "priya", "noor", "berlin"))
    for _ in range(10):
        seen = {(ClassicKey.objects.filter(holder=one).first() or make_key(one)).pk for one in (marcus, priya, berlin)}
        of_priya, revocations = ClassicKey.objects.get(holder=priya), AuditEvent.objects.filter(action=events.REVOKED)
        before = revocations.count()

        def revoke(by: Member, seen: set[int] = seen) -> Callable[[], Any]:
            about = {"member": marcus, "by": by, "reason": "A race", "origin": origin}
            return lambda: lifecycle.revoke_branch(chosen=seen, seen=seen, **about)

        ((one, other, made, deleted),) = at_once(
            revoke(marcus),
            revoke(people["olivia"]),
            lambda: lifecycle.create_classic_key(holder=noor, by=noor, origin=origin),
            lambda key=of_priya: lifecycle.delete_classic_key(key=key, by=priya, origin=origin),
        )

        assert not errors([one, other, made])
        assert deleted is None or type(deleted) is KeyGone
        assert one.deleted + other.deleted + (deleted is None) == 3
        assert revocations.count() - before == one.deleted + other.deleted
        assert list(ClassicKey.objects.filter(holder__in=[marcus, priya, noor, berlin])) == [made[0]]
        lifecycle.delete_classic_key(key=made[0], by=noor, origin=origin)
    assert_sound()


def test_key_made_while_the_branch_is_frozen_is_refused_until_it_is_thawed(people, collector, origin):
    """Whichever comes first: either it is not made, or it does not work."""
    noor, about = people["noor"], {"member": people["marcus"], "by": people["olivia"], "origin": origin}
    for _ in range(10):
        ((made, frozen),) = at_once(
            lambda: lifecycle.create_classic_key(holder=noor, by=noor, origin=origin),
            lambda: memberships.freeze_branch(reason="A race", **about),
        )
        assert frozen is True
        value = None if isinstance(made, NotAllowed) else made[1].text
        if value is not None:
            assert not verify(noor.api_username, value, "17.5.7.8").accepted
        memberships.thaw_branch(**about)
        if value is not None:
            assert verify(noor.api_username, value, "17.5.7.8").accepted
            lifecycle.delete_classic_key(key=made[0], by=noor, origin=origin)
    assert_sound()


def test_of_simultaneous_freezes_one_is_recorded_and_all_succeed(people, origin):
    about = {"member": people["marcus"], "by": people["olivia"], "origin": origin}
    once = [False] * 19 + [True]
    assert sorted(many_at_once(lambda: memberships.freeze_branch(reason="A race", **about), 20)) == once
    assert actions_about(people["marcus"])["member.branch_frozen"] == 1
    assert sorted(many_at_once(lambda: memberships.thaw_branch(**about), 20)) == once
    assert actions_about(people["marcus"])["member.branch_thawed"] == 1
    assert_sound()


# --- Moving -----------------------------------------------------------------------------------------------------------


def test_opposite_moves_with_keys_being_made_and_shown_keep_the_tree_whole(origin, transactional_db):
    """Two that would each go under the other, while keys below them come and go: 100 times."""
    owner, one, other, below_one, below_other = grow([0, 0, 1, 2])
    make_key(below_other)

    def move(member: Member, parent: Member) -> Callable[[], Any]:
        return lambda: hierarchy.move_branch(member, parent)

    def make_and_delete() -> Any:
        key, _ = lifecycle.create_classic_key(holder=below_one, by=below_one, origin=origin)
        return lifecycle.delete_classic_key(key=key, by=below_one, origin=origin)

    for _ in range(100):
        ((first, second, third),) = at_once(move(one, below_other), move(other, below_one), make_and_delete)
        assert [type(error) for error in errors([first, second])] == [TreeError]
        assert third is None
        assert list(hierarchy.damaged_members(owner.account)) == []
        for key in ClassicKey.objects.select_related("holder"):
            assert key.holder_path == key.holder.path
        hierarchy.move_branch(one, owner)
        hierarchy.move_branch(other, owner)
    assert_sound()


def test_whoever_is_moved_out_of_a_branch_is_out_of_sight_at_once(people, origin):
    """The manager reads the value's key page without a pause; after the move it is gone for them, and not before."""
    marcus, priya, sam = people["marcus"], people["priya"], people["sam"]
    url = f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=priya).pk}"
    cookies, over, looks, ended = visitor(marcus).cookies, Event(), [], []

    def look() -> None:
        client = Client(raise_request_exception=False)
        client.cookies = cookies.copy()
        while not over.is_set():
            began = time.monotonic()
            looks.append((began, client.get(url).status_code))

    def wait_for_looks() -> None:
        enough, give_up_at = len(looks) + 20, time.monotonic() + 60
        while len(looks) < enough and time.monotonic() < give_up_at:
            time.sleep(0.01)

    def move() -> None:
        try:
            wait_for_looks()
            hierarchy.move_branch(priya, sam)
            ended.append(time.monotonic())
            wait_for_looks()
        finally:
            over.set()

    (answers,) = at_once(look, look, move)
    assert not errors(answers)
    assert {status for began, status in looks if began > ended[0]} == {404}
    assert {status for _, status in looks} == {200, 404}
