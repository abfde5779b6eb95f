"""``check_data``: every kind of damage is named, a ring that is not the data's own first of all."""

import base64
import secrets
import sqlite3
from contextlib import closing
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Event
from keys import material
from keys.models import ClassicKey
from keys.value_check import newest_value_opens
from tests.console.programs import manage
from tests.damage import damage, unguarded
from tests.trail import without_triggers
from tests.trees import grow, make_key, make_platform_key

pytestmark = pytest.mark.django_db


def entry(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def run() -> str:
    out = StringIO()
    call_command("check_data", stdout=out)
    return out.getvalue()


def run_on_damage() -> tuple[str, str]:
    """Output and error of a run that must end with 1."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("check_data", stdout=out)
    assert error.value.returncode == 1
    return out.getvalue(), str(error.value)


def test_sound_data_passes(cast):
    assert run() == (
        "Values: whole\n  6 open with the key ring\nTrees: whole\nTrails: whole\nEverything that is stored is sound.\n"
    )


@pytest.mark.postgresql_only
@pytest.mark.parametrize(
    "write",
    [
        "DELETE FROM accounts_member_text WHERE member_id = %s",
        "UPDATE accounts_member_text SET search_text = 'somebody else' WHERE member_id = %s",
        "UPDATE accounts_member_text SET account_id = 7654321 WHERE member_id = %s",
    ],
)
def test_texts_for_searches_that_are_not_the_members_own_are_named(cast, write):
    with connection.cursor() as cursor:
        cursor.execute(write, [cast["noor"].pk])
    said, error = run_on_damage()
    assert f"Texts for searches: damaged\n  member {cast['noor'].pk}: searches look through another text" in said
    assert error.startswith("1 finding.")


def test_an_empty_database_passes(db):
    assert run().startswith("Values: whole\n  0 open with the key ring\n")


@pytest.mark.parametrize("key_id", ["1", "other"])
def test_a_wrong_ring_is_named(cast, settings, key_id):
    """Another key under the same id, which every demo's ring has, or the id missing."""
    settings.KEYTREE_KEY_RING = entry(key_id)
    said, error = run_on_damage()
    assert said.startswith(
        "Values: damaged\n"
        "  master key 1: none of the 6 values stored under it opens: the ring lacks it, or has another key under its id"
        "\n  0 open with the key ring\nTrees: whole\nTrails: damaged\n"
    )
    assert error == "3 findings. Something that is stored is damaged."
    assert not newest_value_opens()


def test_master_keys_that_ibm_cloud_keys_need_and_the_ring_lacks_are_named(settings):
    """Until it is used, such a key needs the master key that it was made with: no check may call that one done with."""
    first, old, new = entry("first"), entry("old"), entry("new")
    members = grow([0, 0])
    for ring in (first, old, new):
        settings.KEYTREE_KEY_RING = ring
        for member in members:
            make_platform_key(member)
    settings.KEYTREE_KEY_RING = f"{new},{old}"
    said, error = run_on_damage()
    assert (
        "Digests of IBM Cloud API keys: damaged\n"
        "  master key first: the ring lacks it; calls with 3 IBM Cloud API keys are refused\n"
        "  6 have a master key of the key ring\n"
    ) in said
    assert error.startswith("2 findings.")  # one being an account without an event
    assert newest_value_opens()
    settings.KEYTREE_KEY_RING = f"{new},{old},{first}"
    said, _ = run_on_damage()
    assert "keys: whole\n  9 have a master key of the key ring\n" in said
    settings.KEYTREE_KEY_RING = entry("another")
    assert not newest_value_opens()


def test_each_damaged_value_is_named(cast):
    first, second, third, *_ = ClassicKey.objects.order_by("pk")
    ClassicKey.objects.filter(pk=first.pk).update(sealed_value=bytes(second.sealed_value))
    ClassicKey.objects.filter(pk=third.pk).update(digest=secrets.token_bytes(32))
    said, error = run_on_damage()
    assert f"  key {first.pk}: A sealed value does not open: it was damaged or belongs elsewhere.\n" in said
    assert f"  key {third.pk}: its digest was not made from its value\n" in said
    assert "  4 open with the key ring\n" in said
    assert error == "2 findings. Something that is stored is damaged."


def test_a_value_whose_creator_has_left_is_no_damage(cast):
    newest = ClassicKey.objects.order_by("-pk").first()
    ClassicKey.objects.filter(pk=newest.pk).update(creator=None)
    said = run()
    assert "  5 open with the key ring\n  1 open for nobody, as their creators have left;" in said
    assert newest_value_opens()


def test_a_newest_value_that_is_found_by_another_does_not_count_as_opening(cast):
    newest = ClassicKey.objects.order_by("-pk").first()
    ClassicKey.objects.filter(pk=newest.pk).update(digest=secrets.token_bytes(32))
    assert not newest_value_opens()


def test_the_newest_of_no_values_opens(db):
    assert newest_value_opens()


def test_a_damaged_tree_is_named(cast):
    with unguarded():
        damage(cast["noor"], path="0000000")
        said, _ = run_on_damage()
    assert f"Trees: damaged\n  account 1234567: member {cast['noor'].pk}: its path does not follow" in said


def test_a_broken_trail_is_named(cast):
    with without_triggers():
        Event.objects.filter(account_id=1234567, number=3).update(action="nothing")
    said, _ = run_on_damage()
    assert "Trails: damaged\n  account 1234567: broken at event 3: it was changed after it was written\n" in said


def test_of_many_findings_the_first_are_named_and_the_rest_counted(settings):
    keys = [make_key(member) for member in grow([0] * 29)]
    ClassicKey.objects.exclude(pk=keys[0].pk).update(sealed_value=b"damaged")
    said, error = run_on_damage()
    assert said.count("  key ") == 20
    assert "  and 9 more\n" in said
    assert error == "30 findings. Something that is stored is damaged."  # one being an account without an event
    assert material.take(keys[0]).text not in said


@pytest.mark.sqlite_only
def test_a_damaged_file_is_named(tmp_path):
    """Such as after a copy over one whose journal stayed beside it. The file is its owner's alone from the start."""
    demo = {"KEYTREE_ENV": "demo", "KEYTREE_DATA_DIR": str(tmp_path)}
    file = tmp_path / "keytree.sqlite3"
    assert manage("migrate", "--verbosity", "0", **demo).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert manage("load_demo", **demo).returncode == 0
    assert manage("check_data", **demo).returncode == 0
    with closing(sqlite3.connect(file)) as session:  # an index that says of itself what it does not hold
        session.execute("PRAGMA writable_schema = ON")
        changed = """replace(sql, '"sort_name"', '"search_text"')"""
        session.execute(f"UPDATE sqlite_schema SET sql = {changed} WHERE name = 'member_by_name_idx'")
        session.commit()
    done = manage("check_data", **demo)
    assert done.returncode == 1
    assert "member_by_name_idx" in done.stdout
    assert "Something that is stored is damaged" in done.stderr
