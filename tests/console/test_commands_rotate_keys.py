"""``rotate_keys`` and ``generate_ring_key``: from one master key to the next, nothing lost on the way."""

import base64
import re
import secrets
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.names import PLATFORM_USERNAME
from accounts.sealing import Ring, SealError, key_id_of
from keys import material, rotation, usage
from keys.models import ClassicKey
from keys.verification import verify
from tests.trees import grow, make_key, make_platform_key

pytestmark = pytest.mark.django_db


def entry(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


OLD, NEW, OLDEST = entry("old"), entry("new"), entry("oldest")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


def run_on_trouble() -> tuple[str, str]:
    """Output and error of a run that must end with 1."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("rotate_keys", stdout=out)
    assert error.value.returncode == 1
    return out.getvalue(), str(error.value)


@pytest.fixture
def keys(settings):
    """Seven keys under the old master key, with a new one standing first in the ring; the values by primary key."""
    settings.KEYTREE_KEY_RING = OLD
    members = grow([0, 0, 0, 0, 0, 0])
    values = {key.pk: material.take(key).text for key in map(make_key, members)}
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"
    return values


def assert_all_moved(values):
    """Every key opens with its value, is found by it, and needs the new master key alone."""
    for key in ClassicKey.objects.all():
        assert key.ring_key_id == key_id_of(bytes(key.sealed_value)) == "new"
        assert material.take(key).text == values[key.pk]
        assert material.matches(values[key.pk], bytes(key.digest), key.ring_key_id)


def test_every_key_moves_to_the_current_master_key(keys, settings):
    assert run() == "7 keys moved; none needs an old master key.\n"
    settings.KEYTREE_KEY_RING = NEW
    assert_all_moved(keys)


def test_a_second_run_finds_nothing_to_do(keys):
    run()
    before = list(ClassicKey.objects.order_by("pk").values_list())
    assert run() == "0 keys moved; none needs an old master key.\n"
    assert list(ClassicKey.objects.order_by("pk").values_list()) == before


def test_nothing_but_the_value_changes(keys):
    kept = ["pk", "uid", "holder_id", "holder_path", "creator_id", "created_at", "allowed_addresses", "last_used_at"]
    before = list(ClassicKey.objects.order_by("pk").values_list(*kept))
    run()
    assert list(ClassicKey.objects.order_by("pk").values_list(*kept)) == before


def test_keys_of_several_old_master_keys_move(settings):
    values = {}
    for ring in (OLDEST, f"{OLD},{OLDEST}", f"{NEW},{OLD}"):
        settings.KEYTREE_KEY_RING = ring
        values |= {key.pk: material.take(key).text for key in map(make_key, grow([0]))}
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD},{OLDEST}"
    assert rotation.keys_by_old_master_key() == {"old": 2, "oldest": 2}

    assert run() == "4 keys moved; none needs an old master key.\n"
    assert_all_moved(values)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_batches_of_any_size_reach_every_key(keys, monkeypatch, size):
    monkeypatch.setattr(rotation, "_BATCH", size)
    seen = []
    rotation.rotate(lambda done: seen.append(done.moved))
    assert seen[-1] == 7
    assert_all_moved(keys)


def test_without_keys_there_is_nothing_to_do(settings):
    assert run() == "0 keys moved; none needs an old master key.\n"


def test_ibm_cloud_keys_that_need_an_old_master_key_are_counted_and_wait_for_their_use(keys, settings, monkeypatch):
    """Their values are not stored, so nobody can make their digests anew: the command is done all the same."""
    monkeypatch.setattr(usage, "collector", usage.Collector())
    member = ClassicKey.objects.first().holder
    settings.KEYTREE_KEY_RING = OLDEST
    made = [make_platform_key(member)]
    settings.KEYTREE_KEY_RING = OLD
    made += [make_platform_key(member) for _ in range(2)]
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD},{OLDEST}"
    make_platform_key(member)
    waiting = "IBM Cloud API keys move when they are next used: {}.\n"
    assert run() == (
        "7 keys moved; none needs an old master key.\n" + waiting.format("2 still need old, 1 still need oldest")
    )
    assert_all_moved(keys)
    for key in made[:2]:
        assert verify(PLATFORM_USERNAME, key.value, "17.5.7.8").accepted
    usage.collector.flush()
    assert run() == "0 keys moved; none needs an old master key.\n" + waiting.format("1 still need old")
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"
    assert all(verify(PLATFORM_USERNAME, key.value, "17.5.7.8").accepted for key in made)


# --- Interrupted, and disturbed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_rotation_keeps_whole_batches_and_goes_on_from_there(keys, monkeypatch, interruption):
    monkeypatch.setattr(rotation, "_BATCH", 2)
    rewrap, calls = material.rewrap, []

    def interrupted(key):
        calls.append(key)
        if len(calls) == 6:
            raise interruption
        return rewrap(key)

    with monkeypatch.context() as patch:
        patch.setattr(material, "rewrap", interrupted)
        with pytest.raises(interruption):
            rotation.rotate()

    assert rotation.keys_by_old_master_key() == {"old": 3}
    for key in ClassicKey.objects.all():
        assert material.take(key).text == keys[key.pk]
    assert run() == "3 keys moved; none needs an old master key.\n"
    assert_all_moved(keys)


def test_a_key_deleted_meanwhile_is_left_alone(keys, monkeypatch):
    rewrap = material.rewrap
    last = max(keys)

    def deleting(key):
        ClassicKey.objects.filter(pk=last).delete()
        return rewrap(key)

    monkeypatch.setattr(material, "rewrap", deleting)

    assert run() == "6 keys moved; none needs an old master key.\n"
    assert not ClassicKey.objects.filter(pk=last).exists()
    assert_all_moved(keys)


def test_a_key_that_another_rotation_moved_meanwhile_is_not_moved_again(keys):
    first = ClassicKey.objects.order_by("pk").first()
    stale = ClassicKey.objects.get(pk=first.pk)
    assert material.rewrap(first)
    moved = bytes(ClassicKey.objects.get(pk=first.pk).sealed_value)

    assert not material.rewrap(stale)
    assert bytes(ClassicKey.objects.get(pk=first.pk).sealed_value) == moved


def test_keys_made_under_the_old_master_key_meanwhile_are_moved_too(keys, settings, monkeypatch):
    """By a process that was not restarted with the new ring yet."""
    settings.KEYTREE_KEY_RING = OLD
    late_members = grow([0])
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"
    rewrap, late = material.rewrap, []

    def making(key):
        if late_members:
            settings.KEYTREE_KEY_RING = OLD
            late.append(make_key(late_members.pop()))
            settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"
        return rewrap(key)

    monkeypatch.setattr(material, "rewrap", making)

    assert run() == "9 keys moved; none needs an old master key.\n"


def test_rows_that_could_not_be_had_are_told_with_what_to_do(keys, monkeypatch):
    monkeypatch.setattr(material, "rewrap", lambda _: False)

    said, error = run_on_trouble()

    assert said == "0 keys moved; 7 still need old.\n"
    assert "Restart every process with the present key ring" in error


# --- Keys that do not open -------------------------------------------------------------------------------------------


def test_keys_whose_master_key_is_missing_are_counted_and_named(keys, settings):
    settings.KEYTREE_KEY_RING = OLDEST
    lost = [make_key(member).pk for member in grow([0, 0])]
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"

    said, error = run_on_trouble()

    assert said.splitlines() == [
        "7 keys moved; 3 still need oldest.",
        f"Key oldest is not in the key ring. Keys: {', '.join(map(str, lost))}",
    ]
    assert error == "3 keys could not be opened and stay as they were."
    settings.KEYTREE_KEY_RING = f"{NEW},{OLDEST}"
    assert run() == "3 keys moved; none needs an old master key.\n"


def test_a_damaged_value_is_named_and_the_others_move(keys):
    damaged, *_ = keys
    blob = bytes(ClassicKey.objects.get(pk=damaged).sealed_value)
    ClassicKey.objects.filter(pk=damaged).update(sealed_value=blob[:-1] + bytes([blob[-1] ^ 1]))

    said, error = run_on_trouble()

    assert said.splitlines() == [
        "6 keys moved; 1 still need old.",
        f"A sealed value does not open: it was damaged or belongs elsewhere. Keys: {damaged}",
    ]
    assert error == "1 keys could not be opened and stay as they were."
    with pytest.raises(SealError):
        material.take(ClassicKey.objects.get(pk=damaged))


def test_a_key_whose_creator_has_left_is_named_with_what_follows(keys):
    """It goes on working, under the old master key."""
    orphan, *_ = keys
    ClassicKey.objects.filter(pk=orphan).update(creator=None)

    said, error = run_on_trouble()

    assert said.splitlines()[0] == "6 keys moved; 1 still need old."
    assert said.splitlines()[1].startswith("The creator has left, so that nobody can open the value")
    assert said.endswith(f"until it is deleted. Keys: {orphan}\n")
    assert error == "1 keys could not be opened and stay as they were."
    key = ClassicKey.objects.get(pk=orphan)
    assert material.matches(keys[orphan], bytes(key.digest), key.ring_key_id)


def test_a_ring_that_cannot_be_used_is_said_so(keys, settings):
    settings.KEYTREE_KEY_RING, settings.KEYTREE_KEY_RING_FILE = "", "/nowhere/ring"
    with pytest.raises(CommandError, match="The key ring's file cannot be read"):
        run()
    settings.KEYTREE_KEY_RING_FILE = ""
    with pytest.raises(CommandError, match="No key ring is set"):
        run()


# --- What is said ----------------------------------------------------------------------------------------------------


def test_progress_tells_how_many_keys_still_need_the_old_master_key(keys, monkeypatch):
    from console.management.commands import rotate_keys

    monkeypatch.setattr(rotation, "_BATCH", 3)
    monkeypatch.setattr(rotate_keys, "_SECONDS_BETWEEN_REPORTS", 0)
    lines = run().splitlines()
    assert lines[0] == "        3 keys moved; 4 still need old"
    assert lines[1] == "        6 keys moved; 1 still need old"
    assert lines[-1] == "7 keys moved; none needs an old master key."


def test_no_value_is_printed(keys, settings):
    settings.KEYTREE_KEY_RING = OLDEST
    make_key(grow([])[0])
    settings.KEYTREE_KEY_RING = f"{NEW},{OLD}"
    said = "".join(run_on_trouble())
    secret = [*keys.values(), *(ring.split(":")[1] for ring in (OLD, NEW, OLDEST))]
    assert not [value for value in secret if value in said]


# --- A fresh entry for the ring --------------------------------------------------------------------------------------


def ring_key(*arguments: str) -> str:
    out = StringIO()
    call_command("generate_ring_key", *arguments, stdout=out)
    return out.getvalue()


def test_an_entry_is_one_that_the_ring_takes():
    printed = ring_key("--id", "2026-a")
    assert printed.startswith("2026-a:")
    assert len(Ring.parse(f"{printed.strip()},{OLD}").keys["2026-a"]) == 32


def test_two_entries_are_never_the_same():
    assert ring_key("--id", "a") != ring_key("--id", "a")


def test_the_id_is_todays_date_unless_given(settings):
    settings.KEYTREE_KEY_RING = ""
    assert re.fullmatch(r"20[0-9]{6}:[A-Za-z0-9+/]{43}=\n", ring_key())


def test_a_second_key_of_a_day_gets_a_number(settings):
    first = ring_key().strip()
    settings.KEYTREE_KEY_RING = first
    second = ring_key().strip()
    settings.KEYTREE_KEY_RING = f"{second},{first}"
    day = first.split(":")[0]
    assert second.split(":")[0] == f"{day}-2"
    assert ring_key().split(":")[0] == f"{day}-3"


def test_an_id_that_the_ring_has_is_refused(settings):
    settings.KEYTREE_KEY_RING = OLD
    with pytest.raises(CommandError, match="Key old is in the key ring already"):
        ring_key("--id", "old")


@pytest.mark.parametrize("key_id", ["with space", "with:colon", "x" * 17, "ключ", "a,b"])
def test_an_id_that_cannot_be_is_refused(key_id):
    with pytest.raises(CommandError, match="1 to 16 letters, digits or dashes"):
        ring_key("--id", key_id)


def test_the_first_key_can_be_made_before_there_is_a_ring(settings):
    settings.KEYTREE_KEY_RING = settings.KEYTREE_KEY_RING_FILE = ""
    assert Ring.parse(ring_key().strip())
