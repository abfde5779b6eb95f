"""The IBM Cloud API keys that ``generate_account`` makes: of every kind, and as the program would have made them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.enums import MemberStatus
from accounts.models import Member
from accounts.names import clean_name
from accounts.origin import COMMAND_LINE
from console import generator, tree_check
from console.generator import rows
from keys.models import DESCRIPTION_LENGTH, MOST_PLATFORM_KEYS, ClassicKey, LeakedAction, PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description

pytestmark = pytest.mark.django_db
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


def generate(**arguments: object):
    return generator.generate(**{"members": 300, "until": UNTIL, **arguments})


def told(account):
    """Everything drawn for an account's keys: what must come out the same again."""
    numbers = {pk: number for number, pk in enumerate(account.members.order_by("pk").values_list("pk", flat=True))}
    drawn = ("id", "uuid", "token_id", "account_id", "holder_id", "user_id", "digest")
    keys = PlatformKey.objects.filter(account=account).order_by("pk").values()
    return [(numbers[key["holder_id"]], *(fact for name, fact in key.items() if name not in drawn)) for key in keys]


def people_of(account):
    return list(account.members.order_by("pk").values_list("user__name", "status", "permissions", "joined_at"))


@pytest.mark.sqlite_only
def test_the_same_arguments_give_the_same_keys_with_fresh_values(monkeypatch):
    def drawn():
        with transaction.atomic():
            account = generate(account_id=2_000_000)
            digests = {bytes(key.digest) for key in PlatformKey.objects.filter(account=account)}
            said = told(account)
            transaction.set_rollback(True)
        return said, digests

    first, first_digests = drawn()
    monkeypatch.setattr(rows, "_BATCH", 17)
    again, digests = drawn()
    assert again == first
    assert len(digests) == len(first_digests) > 50
    assert not digests & first_digests


def test_another_share_gives_the_same_people_and_classic_keys_and_more_keys():
    """And so does none at all: the numbers that they are drawn by are their own."""
    few, many, none = (generate(platform_keys_share=share) for share in (0.2, 0.8, 0))
    assert set(told(few)) < set(told(many))
    assert not told(none)
    assert people_of(few) == people_of(many) == people_of(none)
    of_classic = [
        list(ClassicKey.objects.filter(account=account).order_by("pk").values_list("created_at", "last_used_from"))
        for account in (few, many, none)
    ]
    assert of_classic[0] == of_classic[1] == of_classic[2]


@pytest.mark.sqlite_only
def test_the_share_counts_among_those_who_may_have_keys():
    account = generate(members=2_000)
    never = [MemberStatus.PENDING, MemberStatus.PROCESSING, MemberStatus.VPN_ONLY]
    may = account.members.exclude(status__in=never)
    holders = PlatformKey.objects.filter(account=account).values("holder_id").distinct()
    assert 0.2 < holders.count() / may.count() < 0.3
    assert not holders.exclude(holder__in=may).exists()
    everybody = generate(platform_keys_share=1)
    assert all(member.platform_keys.exists() for member in everybody.members.exclude(status__in=never))


def test_keys_are_as_the_program_would_have_made_them():
    account = generate(platform_keys_share=1)
    keys = list(PlatformKey.objects.filter(account=account).select_related("holder__user"))
    places = Counter(key.user_id for key in keys)
    assert 1 <= min(places.values()) < max(places.values()) <= MOST_PLATFORM_KEYS
    for key in keys:
        again = PlatformKey()
        Description.of(key).put(again)
        assert (again.sort_name, again.search_text) == (key.sort_name, key.search_text)
        assert clean_name(key.name) == key.name
        assert len(key.description) <= DESCRIPTION_LENGTH
        assert (key.slot, len(key.digest), key.ring_key_id) == (min(key.slot, places[key.user_id]), 32, "1")
    assert list(tree_check.findings(account)) == []
    connection.check_constraints()


@pytest.mark.sqlite_only
def test_keys_are_of_every_kind():
    keys = list(PlatformKey.objects.filter(account=generate(members=3_000)).select_related("holder"))
    share = {
        "locked": sum(key.is_locked for key in keys),
        "disabled": sum(not key.is_enabled for key in keys),
        "leaked": sum(key.leaked_at is not None for key in keys),
        "expiring": sum(key.expires_at is not None and key.expires_at > UNTIL for key in keys),
        "expired": sum(key.expires_at is not None and key.expires_at <= UNTIL for key in keys),
        "never used": sum(key.last_used_at is None for key in keys),
        "described": sum(bool(key.description) for key in keys),
    }
    assert all(0.005 < count / len(keys) < 0.5 for count in share.values()), share
    assert {key.leaked_action for key in keys} == set(LeakedAction)
    assert len({key.name for key in keys}) > 100
    assert max(len(key.description) for key in keys) == DESCRIPTION_LENGTH


@pytest.mark.sqlite_only
def test_times_of_keys_follow_each_other():
    for key in PlatformKey.objects.filter(account=generate(members=2_000)).select_related("holder"):
        assert key.holder.joined_at <= key.created_at <= UNTIL
        assert key.expires_at is None or key.created_at < key.expires_at
        end = min(UNTIL, key.expires_at or UNTIL)
        assert key.last_used_at is None or key.created_at <= key.last_used_at <= end
        assert bool(key.last_used_at) is bool(key.last_used_from)
        assert key.leaked_at is None or key.created_at <= key.leaked_at <= end
        assert key.leaked_at is None or key.leaked_action != LeakedAction.DELETE
        assert key.leaked_at is None or key.leaked_action == LeakedAction.NOTHING or not key.is_enabled
        assert (key.expiry_told_at is not None) is (
            key.expires_at is not None and key.expires_at <= UNTIL + timedelta(days=7)
        )


def test_housekeeping_finds_nothing_to_do_at_first():
    """Nobody is told anew of what is about to expire, and nothing is kept that should have gone."""
    generate(members=1_000, platform_keys_share=1)
    about = {"now": UNTIL, "origin": COMMAND_LINE}
    assert (lifecycle.tell_expiring(**about), lifecycle.delete_expired(**about)) == (0, 0)


def test_the_command_takes_the_share(db):
    out = StringIO()
    call_command("generate_account", "--members=40", "--platform-keys=1", "--keys=0", stdout=out)
    assert not ClassicKey.objects.exists()
    assert f"{PlatformKey.objects.count():>9,} IBM Cloud API keys\n" in out.getvalue()
    owner = Member.objects.get(parent=None)
    assert owner.platform_keys.exists()
    assert PlatformKey.objects.filter(created_at__lte=timezone.now()).count() == PlatformKey.objects.count()
