"""Whose IBM Cloud API key works: the rule against an oracle, its effect at once, and which values are looked for."""

import itertools
import random
import string
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts import memberships
from accounts.enums import MemberStatus
from accounts.models import Account, BranchFreeze, Member
from keys import lifecycle, material, verification
from keys.models import ClassicKey, KeptRestriction, PlatformKey
from keys.platform.lifecycle import delete_platform_key, report_leaked, switch_platform_key
from keys.platform.policy import PlatformAction
from keys.verification import PlatformVerdict, Reason, Unavailable, verify, verify_key
from tests.conftest import ACME
from tests.keys.calls import basic, call
from tests.rings import NEWER, put_first

HERE, ELSEWHERE = "17.5.7.8", "203.0.113.9"
#: A restriction, and the addresses that it lets pass.
RESTRICTIONS = {"": {HERE, ELSEWHERE, None}, "17.5.7.0/24": {HERE}, "203.0.113.0/24": {ELSEWHERE}}
#: How long from now a key expires, and whether that is over.
EXPIRIES = {None: False, timedelta(hours=1): False, timedelta(seconds=-1): True}

# --- The rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", MemberStatus.values)
@pytest.mark.parametrize("frozen", ["", "priya", "marcus", "noor", "sam"])
@pytest.mark.parametrize("kept", [False, True], ids=["restriction of the classic key", "restriction of the next one"])
def test_verify_any_combination_agrees_with_rule(cast, platform_key_of, status, frozen, kept):
    """As docs/rules.md has it, in one line. Marcus is above Priya, and Noor below."""
    key, value = platform_key_of("priya")
    Member.objects.filter(pk=key.holder_id).update(status=status)
    if frozen:
        BranchFreeze.objects.create(account_id=ACME, member=cast[frozen], at=timezone.now(), reason="An audit")
    if kept:
        ClassicKey.objects.filter(holder_id=key.holder_id).delete()
        KeptRestriction.objects.create(holder_id=key.holder_id, allowed_addresses="")
    table = KeptRestriction if kept else ClassicKey
    for of_user, of_account in itertools.product(RESTRICTIONS, RESTRICTIONS):
        table.objects.filter(holder_id=key.holder_id).update(allowed_addresses=of_user)
        Account.objects.filter(pk=ACME).update(allowed_addresses=of_account)
        for expiry, is_enabled in itertools.product(EXPIRIES, (True, False)):
            expires_at = None if expiry is None else timezone.now() + expiry
            PlatformKey.objects.filter(pk=key.pk).update(expires_at=expires_at, is_enabled=is_enabled)
            for address in (HERE, ELSEWHERE, None):
                expected = (
                    status in {"active", "invalid", "vpn_only"}
                    and frozen not in {"priya", "marcus"}
                    and is_enabled
                    and not EXPIRIES[expiry]
                    and address in RESTRICTIONS[of_user]
                    and address in RESTRICTIONS[of_account]
                )
                told = (of_user, of_account, expiry, is_enabled, address)
                assert verify("apikey", value, address).accepted is expected, told
                assert verify_key(key.token_id, address) == verify("apikey", value, address), told


def test_verify_accepted_is_a_call_of_the_user_in_the_account_of_the_key(cast, platform_key_of):
    key, value = platform_key_of("priya")
    verdict = verify("apikey", value, HERE)
    assert verdict == PlatformVerdict(
        None, key.pk, cast["priya"].pk, ACME, "1234567_priya@acme.example", "priya@acme.example", key.uuid.hex,
        "Key of priya",
    )  # fmt: skip
    assert verdict.facts == {"name": "Key of priya", "key": key.record_id}


def test_verify_member_without_a_classic_key_is_accepted_everywhere(cast, platform_key_of):
    assert not ClassicKey.objects.filter(holder=cast["noor"]).exists()
    _, value = platform_key_of("noor")
    assert verify("apikey", value, HERE).accepted
    assert verify("apikey", value, None).accepted


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_at": timedelta()}, Reason.EXPIRED),
        ({"is_enabled": False}, Reason.DISABLED),
        ({"expires_at": timedelta(), "is_enabled": False}, Reason.EXPIRED),
        ({"status": MemberStatus.SUSPENDED}, Reason.STATUS),
        ({"is_enabled": False, "status": MemberStatus.SUSPENDED}, Reason.DISABLED),
        ({"frozen": True}, Reason.FROZEN),
        ({"frozen": True, "status": MemberStatus.SUSPENDED}, Reason.STATUS),
        ({"of_user": "10.0.0.0/8"}, Reason.USER_ADDRESS),
        ({"of_user": "not an address"}, Reason.USER_ADDRESS),  # damaged in the database: closed
        ({"of_user": "10.0.0.0/8", "frozen": True}, Reason.FROZEN),
        ({"of_account": "10.0.0.0/8"}, Reason.ACCOUNT_ADDRESS),
        ({"of_user": "10.0.0.0/8", "of_account": "10.0.0.0/8"}, Reason.USER_ADDRESS),
    ],
)
def test_verify_refused_gives_reason_for_the_log(cast, platform_key_of, origin, change, reason):
    key, value = platform_key_of("priya")
    if "frozen" in change:
        memberships.freeze_branch(member=cast["marcus"], reason="An audit", by=cast["olivia"], origin=origin)
    Member.objects.filter(pk=key.holder_id).update(status=change.get("status", MemberStatus.ACTIVE))
    ClassicKey.objects.filter(holder_id=key.holder_id).update(allowed_addresses=change.get("of_user", ""))
    Account.objects.filter(pk=ACME).update(allowed_addresses=change.get("of_account", ""))
    of_key = {"is_enabled": change.get("is_enabled", True)}
    if "expires_at" in change:
        of_key["expires_at"] = timezone.now() + change["expires_at"]
    PlatformKey.objects.filter(pk=key.pk).update(**of_key)
    verdict = verify("apikey", value, HERE)
    assert (verdict.accepted, verdict.reason, verdict.key_id) == (False, reason, key.pk)


def test_verify_mapped_address_counts_as_ipv4(cast, platform_key_of):
    key, value = platform_key_of("priya")
    ClassicKey.objects.filter(holder_id=key.holder_id).update(allowed_addresses="17.5.7.0/24")
    assert verify("apikey", value, "::ffff:17.5.7.8").accepted
    assert not verify("apikey", value, "::ffff:17.5.8.8").accepted


def test_verify_expires_at_its_moment_and_not_before(cast, platform_key_of, monkeypatch):
    key, value = platform_key_of("priya")
    moment = timezone.now().replace(microsecond=250_000)
    PlatformKey.objects.filter(pk=key.pk).update(expires_at=moment)
    for difference, expected in ((-1, True), (0, False), (1, False)):
        now = moment + timedelta(microseconds=difference)
        monkeypatch.setattr(verification, "_now", lambda now=now: now.replace(tzinfo=None))
        assert verify("apikey", value, HERE).accepted is expected, difference


# --- Names and values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("username", ["apikey", "APIKEY", " ApiKey ", "ａｐｉｋｅｙ", "API\u212aEY"])
def test_verify_name_in_another_form_is_the_same_name(cast, platform_key_of, username):
    assert verify(username, platform_key_of("priya")[1], HERE).accepted


@pytest.mark.parametrize(
    "username", ["", "apikey2", "apikey\x00", "iamapikey", "1234567_apikey", "1234567_priya@acme.example"]
)
def test_verify_value_is_good_under_no_other_name(cast, platform_key_of, username):
    assert not verify(username, platform_key_of("priya")[1], HERE).accepted


def test_verify_value_of_a_classic_key_is_none_of_an_ibm_cloud_api_key(cast, platform_key_of, value_of):
    platform_key_of("priya")
    assert verify("apikey", value_of("priya"), HERE).reason is Reason.UNKNOWN


def test_verify_well_formed_value_that_is_nobodys(cast, platform_key_of):
    platform_key_of("priya")
    verdict = verify("apikey", material.new_platform_value().text, HERE)
    assert (verdict.reason, verdict.key_id, verdict.account_id, verdict.email) == (Reason.UNKNOWN, 0, 0, "")


def malformed(value: str, dice: random.Random) -> str:
    """A text that somebody could send for this value, and that is another one."""
    place = dice.randrange(len(value))
    other = dice.choice([*string.ascii_letters, *string.digits, "_", " ", "\x00", "\ud800", "é", "Ａ", "\u0661", "\n"])
    return dice.choice(
        [
            value[:place] + other + value[place + 1 :],
            value[:place] + other + value[place:],
            value[:place] + value[place + 1 :],
            value[:place],
            value[place:],
            value.swapcase(),
            value[::-1],
            value + dice.choice(["\n", "\r\n", " ", "\x00", value]),
            "".join(dice.choices(string.printable + "\ud800\u2028é", k=dice.choice([0, 1, 10, 53, 54, 1_000]))),
        ]
    )


def test_verify_malformed_value_is_refused_without_a_query(cast, platform_key_of, monkeypatch):
    """Of fifty thousand, most are the value of a key with one mistake in it: the checksum finds every one."""
    values = [platform_key_of(name)[1] for name in ("priya", "marcus", "noor")]
    monkeypatch.setattr(verification, "_find", lambda *_: pytest.fail("the database was asked"))
    dice = random.Random("apikey")
    tried = 0
    while tried < 50_000:
        presented = malformed(dice.choice(values), dice)
        if presented in values:
            continue
        tried += 1
        assert verify("apikey", presented, HERE) == verification._UNKNOWN, ascii(presented)


def test_verify_asks_once(cast, platform_key_of, monkeypatch):
    """With three master keys too, and whether there is such a key or not."""
    asked = []
    ask = verification._ask
    monkeypatch.setattr(verification, "_ask", lambda *arguments: asked.append(arguments) or ask(*arguments))
    for value in (platform_key_of("priya")[1], material.new_platform_value().text):
        asked.clear()
        verify("apikey", value, HERE)
        assert len(asked) == 1


# --- At once ----------------------------------------------------------------------------------------------------------


def test_verify_key_without_its_value_is_the_same_and_none_for_nobodys(cast, platform_key_of, origin, monkeypatch):
    key, value = platform_key_of("priya")
    asked = []
    ask = verification._ask
    monkeypatch.setattr(verification, "_ask", lambda *arguments: asked.append(arguments) or ask(*arguments))
    assert verify_key(key.token_id, HERE) == verify("apikey", value, HERE)
    assert len(asked) == 2
    assert verify_key(uuid4(), HERE) == verification._UNKNOWN
    delete_platform_key(key=key, by=cast["priya"], origin=origin)
    assert verify_key(key.token_id, HERE) == verification._UNKNOWN


def test_verify_changed_by_its_holder_takes_effect_at_once(cast, platform_key_of, origin):
    key, value = platform_key_of("priya")
    assert verify("apikey", value, HERE).accepted
    for action, expected in (
        (PlatformAction.DISABLE, False), (PlatformAction.ENABLE, True), (PlatformAction.LOCK, True),
        (PlatformAction.UNLOCK, True),
    ):  # fmt: skip
        switch_platform_key(key=key, action=action, by=cast["priya"], origin=origin)
        assert verify("apikey", value, HERE).accepted is expected, action
    delete_platform_key(key=key, by=cast["priya"], origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.UNKNOWN


def test_verify_changed_by_others_takes_effect_at_once(cast, platform_key_of, key_of, origin):
    _, value = platform_key_of("priya")
    marcus, priya = cast["marcus"], cast["priya"]
    lifecycle.restrict_classic_key(key=key_of("priya"), addresses_text="10.0.0.1", by=marcus, origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.USER_ADDRESS
    lifecycle.delete_classic_key(key=key_of("priya"), by=marcus, origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.USER_ADDRESS  # the restriction is kept for the next key
    lifecycle.create_classic_key(holder=priya, by=priya, origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.USER_ADDRESS
    lifecycle.restrict_classic_key(key=key_of("priya"), addresses_text="", by=marcus, origin=origin)
    assert verify("apikey", value, HERE).accepted
    memberships.freeze_branch(member=marcus, reason="An audit", by=cast["olivia"], origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.FROZEN
    memberships.thaw_branch(member=marcus, by=cast["olivia"], origin=origin)
    assert verify("apikey", value, HERE).accepted
    memberships.change_status(member=priya, status=MemberStatus.SUSPENDED, by=marcus, origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.STATUS
    memberships.remove_member(member=priya, by=cast["olivia"], origin=origin, hand_over=True)
    assert verify("apikey", value, HERE).reason is Reason.UNKNOWN


def test_verify_reported_as_leaked_is_refused_at_once(cast, platform_key_of, origin):
    _, value = platform_key_of("priya")
    report_leaked(value=value, source="a test", origin=origin)
    assert verify("apikey", value, HERE).reason is Reason.DISABLED


# --- /verify ----------------------------------------------------------------------------------------------------------

REFUSING = [
    lambda key: PlatformKey.objects.filter(pk=key.pk).update(is_enabled=False),
    lambda key: PlatformKey.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
    lambda key: PlatformKey.objects.filter(pk=key.pk).update(digest=bytes(32)),
    lambda key: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.SUSPENDED),
    lambda key: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.DISABLED_CLASSIC),
    lambda key: ClassicKey.objects.filter(holder_id=key.holder_id).update(allowed_addresses="10.0.0.0/8"),
    lambda key: Account.objects.filter(pk=key.account_id).update(allowed_addresses="10.0.0.0/8"),
    lambda key: key.delete(),
]


@pytest.mark.parametrize("change", REFUSING)
def test_every_refusal_looks_like_that_of_no_credentials(cast, platform_key_of, change):
    key, value = platform_key_of("priya")
    presented = {"Authorization": basic("apikey", value)}
    assert call(headers=presented).status == "204 No Content"
    change(key)
    assert call(headers=presented) == call()


def test_accepted_call_looks_like_one_with_the_classic_key(cast, platform_key_of, value_of):
    classic = basic("1234567_priya@acme.example", value_of("priya"))
    platform = basic("apikey", platform_key_of("priya")[1])
    for path in ("/verify", "/verify/envoy/orders"):
        assert call(path, headers={"Authorization": platform}) == call(path, headers={"Authorization": classic})


def test_database_away_is_no_yes_and_no_matter_for_what_cannot_be_a_value(cast, platform_key_of, monkeypatch):
    def away(*_):
        raise Unavailable from OperationalError("away")

    _, value = platform_key_of("priya")
    monkeypatch.setattr(verification, "_find", away)
    assert call(headers={"Authorization": basic("apikey", value)}).status == "503 Service Unavailable"
    assert call(headers={"Authorization": basic("apikey", value[:-1])}).status == "401 Unauthorized"


# --- The key ring -----------------------------------------------------------------------------------------------------


def test_verify_master_key_no_longer_current_still_accepts(cast, platform_key_of, settings):
    _, value = platform_key_of("priya")
    put_first(settings)
    assert verify("apikey", value, HERE).accepted
    assert verify("apikey", platform_key_of("marcus")[1], HERE).accepted


def test_verify_master_key_missing_finds_no_key(cast, platform_key_of, settings):
    _, value = platform_key_of("priya")
    settings.KEYTREE_KEY_RING = NEWER
    assert verify("apikey", value, HERE).reason is Reason.UNKNOWN


def test_verify_row_that_names_another_master_key_than_its_digests(cast, platform_key_of, settings):
    key, value = platform_key_of("priya")
    put_first(settings)
    for ring_key_id in ("2", "lost"):
        PlatformKey.objects.filter(pk=key.pk).update(ring_key_id=ring_key_id)
        assert verify("apikey", value, HERE).reason is Reason.UNKNOWN
