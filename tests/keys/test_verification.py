"""Whose key works: the rule against an oracle, its effect at once, and what it is when the database is away."""

import itertools
import re

import pytest
from django.db import OperationalError, connection, transaction

from accounts import memberships, sealing
from accounts.enums import MemberStatus
from accounts.models import Account, Member
from keys import lifecycle, material, usage, verification
from keys.models import ClassicKey
from keys.verification import Reason, Unavailable, verify
from tests.conftest import ACME
from tests.rings import NEWER, put_first
from tests.trail import without_triggers

# --- The rule ---------------------------------------------------------------------------------------------------------

HERE, ELSEWHERE = "17.5.7.8", "203.0.113.9"
#: A restriction, and the addresses that it lets pass.
RESTRICTIONS = {
    "": {HERE, ELSEWHERE, None},
    "17.5.7.0/24": {HERE},
    "203.0.113.0 - 203.0.113.255, 2001:db8::1": {ELSEWHERE},
}


def oracle(status: str, is_genuine: bool, key_allows: bool, account_allows: bool) -> bool:
    """The rule as docs/rules.md has it, in one line."""
    return is_genuine and key_allows and account_allows and status in {"active", "invalid", "vpn_only"}


@pytest.mark.parametrize("status", MemberStatus.values)
def test_verify_any_combination_agrees_with_rule(cast, key_of, value_of, status):
    key, value = key_of("priya"), value_of("priya")
    Member.objects.filter(pk=key.holder_id).update(status=status)
    for of_key, of_account in itertools.product(RESTRICTIONS, RESTRICTIONS):
        ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses=of_key)
        Account.objects.filter(pk=ACME).update(allowed_addresses=of_account)
        for address, presented in itertools.product((HERE, ELSEWHERE, None), (value, value[:-1] + "x", "")):
            verdict = verify("1234567_priya@acme.example", presented, address)
            expected = oracle(
                status, presented == value, address in RESTRICTIONS[of_key], address in RESTRICTIONS[of_account]
            )
            assert verdict.accepted is expected, (of_key, of_account, address, presented)


def test_verify_accepted_names_whose_key_it_is(cast, key_of, value_of):
    key = key_of("priya")
    verdict = verify("1234567_priya@acme.example", value_of("priya"), HERE)
    assert (verdict.accepted, verdict.reason) == (True, None)
    assert (verdict.key_id, verdict.member_id, verdict.account_id) == (key.pk, cast["priya"].pk, ACME)
    assert (verdict.api_username, verdict.email) == ("1234567_priya@acme.example", "priya@acme.example")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"presented": "0" * 64}, Reason.WRONG_VALUE),
        ({"status": MemberStatus.SUSPENDED}, Reason.STATUS),
        ({"of_key": "10.0.0.0/8"}, Reason.KEY_ADDRESS),
        ({"of_account": "10.0.0.0/8"}, Reason.ACCOUNT_ADDRESS),
        ({"of_key": "10.0.0.0/8", "of_account": "10.0.0.0/8"}, Reason.KEY_ADDRESS),
        ({"of_key": "not an address"}, Reason.KEY_ADDRESS),  # damaged in the database: closed
        ({"presented": "0" * 64, "status": MemberStatus.SUSPENDED, "of_key": "10.0.0.0/8"}, Reason.WRONG_VALUE),
    ],
)
def test_verify_refused_gives_reason_for_the_log(cast, key_of, value_of, change, reason):
    key = key_of("priya")
    Member.objects.filter(pk=key.holder_id).update(status=change.get("status", MemberStatus.ACTIVE))
    ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses=change.get("of_key", ""))
    Account.objects.filter(pk=ACME).update(allowed_addresses=change.get("of_account", ""))
    verdict = verify("1234567_priya@acme.example", change.get("presented", value_of("priya")), HERE)
    assert (verdict.accepted, verdict.reason, verdict.key_id) == (False, reason, key.pk)


def test_verify_mapped_address_counts_as_ipv4(cast, key_of, value_of):
    ClassicKey.objects.filter(pk=key_of("priya").pk).update(allowed_addresses="17.5.7.0/24")
    assert verify("1234567_priya@acme.example", value_of("priya"), "::ffff:17.5.7.8").accepted
    assert not verify("1234567_priya@acme.example", value_of("priya"), "::ffff:17.5.8.8").accepted


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "username",
    ["1234567_PRIYA@Acme.Example", " 1234567_priya@acme.example ", "１２３４５６７_ｐｒｉｙａ@acme.example"],
)
def test_verify_name_in_another_form_is_the_same_name(cast, value_of, username):
    assert verify(username, value_of("priya"), HERE).accepted


@pytest.mark.parametrize(
    "username",
    [
        "", "priya@acme.example", "1234567_nobody@acme.example", "7654321_priya@acme.example",
        "7654321_sam@acme.example",  # a member, without a key in this account
        "1234567_noor@acme.example",  # a member without a key
        "1234567_priya@acme.example\x00", "1234567_priya@acme.example\r\n1", "\ud800", "\u202e", "%", "_" * 265,
        "é" * 10**6, "1234567_priya@acme.example' OR '1'='1", "apikey",
    ],
)  # fmt: skip
def test_verify_unknown_name_is_nobodys(cast, value_of, username):
    verdict = verify(username, value_of("priya"), HERE)
    assert (verdict.reason, verdict.key_id, verdict.account_id, verdict.email) == (Reason.UNKNOWN, 0, 0, "")


@pytest.mark.parametrize("secret", ["", "\ud800", "\x00", "é", "x" * 10**6])
def test_verify_any_text_as_value_is_only_wrong(cast, secret):
    assert verify("1234567_priya@acme.example", secret, HERE).reason is Reason.WRONG_VALUE


@pytest.mark.parametrize("username", ["1234567_priya@acme.example", "1234567_nobody@acme.example"])
def test_verify_unknown_name_costs_the_same_digest(cast, monkeypatch, username):
    digests = []
    monkeypatch.setattr(material, "matches", lambda *arguments: digests.append(arguments) or False)
    verify(username, "0" * 64, HERE)
    assert len(digests) == 1


# --- At once ----------------------------------------------------------------------------------------------------------


def test_verify_changed_by_its_owners_takes_effect_at_once(cast, key_of, value_of, origin):
    username, value, marcus = "1234567_priya@acme.example", value_of("priya"), cast["marcus"]
    assert verify(username, value, HERE).accepted

    lifecycle.restrict_classic_key(key=key_of("priya"), addresses_text="10.0.0.1", by=marcus, origin=origin)
    assert verify(username, value, HERE).reason is Reason.KEY_ADDRESS
    lifecycle.restrict_classic_key(key=key_of("priya"), addresses_text="", by=marcus, origin=origin)
    assert verify(username, value, HERE).accepted

    lifecycle.delete_classic_key(key=key_of("priya"), by=marcus, origin=origin)
    assert verify(username, value, HERE).reason is Reason.UNKNOWN
    _, fresh = lifecycle.create_classic_key(holder=cast["priya"], by=cast["priya"], origin=origin)
    assert verify(username, value, HERE).reason is Reason.WRONG_VALUE
    assert verify(username, fresh.text, HERE).accepted


def test_verify_sees_what_another_statement_changed_meanwhile(cast, key_of, value_of):
    # A statement that was not read to its end would still see the old row on SQLite.
    for status in (MemberStatus.SUSPENDED, MemberStatus.ACTIVE, MemberStatus.DISABLED_CLASSIC, MemberStatus.INVALID):
        Member.objects.filter(pk=key_of("priya").holder_id).update(status=status)
        expected = status in {MemberStatus.ACTIVE, MemberStatus.INVALID}
        assert verify("1234567_priya@acme.example", value_of("priya"), HERE).accepted is expected


def test_verify_key_moved_to_another_name_follows_it(cast, value_of):
    Member.objects.filter(pk=cast["priya"].pk).update(api_username="deploy-bot")
    assert verify("1234567_priya@acme.example", value_of("priya"), HERE).reason is Reason.UNKNOWN
    assert verify("Deploy-Bot", value_of("priya"), HERE).api_username == "deploy-bot"


# --- The key ring -----------------------------------------------------------------------------------------------------


def test_verify_master_key_missing_is_refused_and_told_to_the_log(cast, value_of, settings):
    value = value_of("priya")
    settings.KEYTREE_KEY_RING = NEWER
    assert verify("1234567_priya@acme.example", value, HERE).reason is Reason.NO_MASTER_KEY


def test_verify_master_key_no_longer_current_still_accepts(cast, value_of, settings):
    value = value_of("priya")
    put_first(settings)
    assert verify("1234567_priya@acme.example", value, HERE).accepted


# --- What is noted ----------------------------------------------------------------------------------------------------


@pytest.fixture
def noted(monkeypatch) -> list[tuple]:
    notes: list[tuple] = []
    monkeypatch.setattr(usage.collector, "accepted", lambda *said: notes.append(("accepted", *said)))
    monkeypatch.setattr(usage.collector, "refused", lambda **said: notes.append(("refused", *said.values())))
    return notes


def test_verify_notes_known_keys_alone(cast, key_of, value_of, noted):
    key = key_of("priya")
    verify("1234567_priya@acme.example", value_of("priya"), HERE)
    verify("1234567_priya@acme.example", "wrong", None)
    verify("1234567_nobody@acme.example", "wrong", HERE)
    refused = ("refused", key.pk, key.account_id, key.holder_id, "wrong value", None)
    assert noted == [("accepted", key.pk, HERE), refused]


# --- The statement ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "found_by", "values"),
    [
        (verification._classic, "api_username", ["1234567_priya@acme.example"]),
        (lambda: verification._platform(1), "digest", [bytes(32)]),
        (lambda: verification._platform(3), "digest", [bytes(32)] * 3),
    ],
    ids=["classic", "platform", "platform with three master keys"],
)
def test_statement_finds_its_row_by_unique_indexes(cast, question, found_by, values):
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of tables this small it would rather read all.
            cursor.execute("SET LOCAL enable_seqscan = off")
        prefix = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        asked = question()
        cursor.execute(f"{prefix} {asked.statement}", [*asked.constants, *values])
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert found_by in plan
    by_index = re.compile("(Bitmap )?(Index|Heap) Scan")
    assert "SCAN" not in by_index.sub("", plan).upper(), plan


# --- The database away; with a real one, see tests/journeys/test_verification.py --------------------------------------


class Connection:
    """Stands for Django's connection: fails the first so many times."""

    vendor = "sqlite"

    def __init__(self, failures: int, in_atomic_block: bool = False) -> None:
        self.failures, self.in_atomic_block = failures, in_atomic_block
        self.asked = self.closed = 0

    def ensure_connection(self) -> None:
        self.asked += 1
        if self.asked <= self.failures:
            raise OperationalError("the server closed the connection unexpectedly")
        connection.ensure_connection()

    def close(self) -> None:
        self.closed += 1

    def __getattr__(self, name: str):
        return getattr(connection, name)


@pytest.fixture
def use_connection(monkeypatch):
    def use(**how: int) -> Connection:
        fake = Connection(**how)
        fake.vendor = connection.vendor
        monkeypatch.setattr(verification, "connections", {"default": fake})
        return fake

    return use


def test_verify_connection_lost_asks_once_more(cast, value_of, use_connection):
    value, fake = value_of("priya"), use_connection(failures=1)
    assert verify("1234567_priya@acme.example", value, HERE).accepted
    assert (fake.asked, fake.closed) == (2, 1)


def test_verify_database_away_gives_no_verdict(cast, value_of, use_connection):
    value, fake = value_of("priya"), use_connection(failures=99)
    with pytest.raises(Unavailable):
        verify("1234567_priya@acme.example", value, HERE)
    assert (fake.asked, fake.closed) == (2, 1)


def test_verify_in_a_transaction_never_asks_on_another_connection(cast, value_of, use_connection):
    value, fake = value_of("priya"), use_connection(failures=1, in_atomic_block=True)
    with pytest.raises(Unavailable):
        verify("1234567_priya@acme.example", value, HERE)
    assert (fake.asked, fake.closed) == (1, 0)


@pytest.fixture(scope="module")
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after a test with transactions of its own, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.mark.postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_classic", [True, False], ids=["classic", "platform"])
def test_statement_that_its_connection_lost_is_prepared_anew(
    events_can_go, cast, value_of, platform_key_of, is_classic
):
    """As after a pooler gave the connection to somebody else: one more connection, and no call is refused."""
    username, value = cast["olivia"].api_username, value_of("olivia")
    if not is_classic:
        username, value = "apikey", platform_key_of("olivia")[1]
    assert verify(username, value, "10.0.0.1").accepted
    before = connection.connection
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert verify(username, value, "10.0.0.1").accepted
    assert connection.connection is not before
    assert verify(username, value, "10.0.0.1").accepted


def test_verify_names_the_status_before_the_freeze_and_the_freeze_before_the_addresses(cast, key_of, value_of, origin):
    """What somebody above has to change first: thawing helps nobody who is suspended."""
    key = key_of("priya")
    memberships.freeze_branch(member=cast["priya"], reason="An audit", by=cast["olivia"], origin=origin)
    ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses="10.0.0.0/8")
    assert verify("1234567_priya@acme.example", value_of("priya"), HERE).reason is Reason.FROZEN
    Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.SUSPENDED)
    assert verify("1234567_priya@acme.example", value_of("priya"), HERE).reason is Reason.STATUS
    assert verify("1234567_priya@acme.example", "0" * 64, HERE).reason is Reason.WRONG_VALUE


def test_verify_longest_name_that_there_can_be_is_found(cast, value_of):
    longest = Member._meta.get_field("api_username").max_length
    name = f"1234567_{'a' * (longest - 21)}@acme.example"
    assert len(name) == longest
    Member.objects.filter(pk=cast["priya"].pk).update(api_username=name)
    assert verify(name, value_of("priya"), HERE).accepted


@pytest.mark.parametrize("field", ["uid", "holder_id", "account_id", "creator_id"])
def test_value_opens_in_its_own_row_alone(cast, key_of, field):
    """Whoever can write rows, and has no ring, gets no value by giving one to another user."""
    key, other = key_of("priya"), key_of("sam")
    assert len(material.take(key).text) == 64
    setattr(key, field, 7654321 if field == "account_id" else getattr(other, field))
    with pytest.raises(sealing.SealError):
        material.take(key)
