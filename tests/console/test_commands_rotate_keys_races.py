"""Rotation while keys are verified, created and deleted, by real threads."""

import base64
import secrets
import threading

import pytest

from keys import material, rotation
from keys.models import ClassicKey
from tests.threads import at_once, errors
from tests.trail import without_triggers
from tests.trees import grow, make_key

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = (f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}" for name in ("old", "new"))
KEYS = 120


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def values(settings, monkeypatch):
    """Values by primary key of keys under the old master key; the new one stands first in the ring."""
    settings.KEYTREE_KEY_RING = OLD
    values = {key.pk: material.take(key).text for key in map(make_key, grow([0] * (KEYS - 1)))}
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"
    monkeypatch.setattr(rotation, "_BATCH", 7)
    return values


def verify(pk, value):
    """What a call is decided by: one row, read in one query, and the value presented. None when the key is gone."""
    row = ClassicKey.objects.filter(pk=pk).values_list("digest", "ring_key_id").first()
    return row and material.matches(value, bytes(row[0]), row[1])


def test_no_call_is_refused_while_keys_move(values):
    over = threading.Event()

    def call():
        refused, calls = [], 0
        while not over.is_set() or not calls:
            for pk, value in values.items():
                calls += 1
                if verify(pk, value) is not True:
                    refused.append(pk)
        return calls, refused

    def rotate():
        try:
            return rotation.rotate().moved
        finally:
            over.set()

    ((moved, *callers),) = at_once(rotate, call, call)

    assert moved == KEYS
    assert not errors(callers)
    for calls, refused in callers:
        assert calls >= KEYS
        assert refused == []
    assert rotation.keys_by_old_master_key() == {}


def test_two_rotations_at_once_share_the_work(values):
    ((one, other),) = at_once(rotation.rotate, rotation.rotate)

    assert not errors([one, other])
    assert one.moved + other.moved == KEYS
    assert not one.unopened
    assert not other.unopened
    assert all(verify(pk, value) for pk, value in values.items())


def test_deletions_go_through_while_keys_move(values):
    doomed = list(values)[::2]

    def delete():
        for pk in doomed:
            ClassicKey.objects.filter(pk=pk).delete()

    ((done, deleted),) = at_once(rotation.rotate, delete)

    assert not errors([done, deleted])
    assert not done.unopened
    assert ClassicKey.objects.count() == KEYS - len(doomed)
    assert not ClassicKey.objects.filter(pk__in=doomed).exists()
    assert all(verify(pk, value) for pk, value in values.items() if pk not in doomed)
    assert rotation.keys_by_old_master_key() == {}


def test_last_uses_are_noted_while_keys_move(values):
    """A worker notes many in one statement, in any order: the two must not wait for each other in a circle."""

    def note():
        for _ in range(40):
            ClassicKey.objects.filter(pk__in=list(values)[::-1]).update(last_used_from="192.0.2.1")

    ((done, noted),) = at_once(rotation.rotate, note)
    rotation.rotate()

    assert not errors([done, noted])
    assert rotation.keys_by_old_master_key() == {}
    assert ClassicKey.objects.filter(last_used_from="192.0.2.1").count() == KEYS
    assert all(verify(pk, value) for pk, value in values.items())
