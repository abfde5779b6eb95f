"""``generate_account`` and the generator behind it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction

from accounts import addresses, audit, hierarchy
from accounts.enums import MemberStatus
from accounts.models import Account, Event, Member, User
from accounts.models.member import MAX_DEPTH
from accounts.names import EMAIL_BYTES, NAME_LENGTH, clean_email, clean_name
from console import demo, generator
from console.generator import names, rows, shapes
from console.generator.people import People
from console.generator.shapes import Shape
from keys import material
from keys.models import ClassicKey, PlatformKey

pytestmark = pytest.mark.django_db
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


def generate(**arguments: object):
    return generator.generate(**{"members": 300, "until": UNTIL, "password_for_all": True, **arguments})


def members_of(account):
    return Member.objects.filter(account=account).select_related("user").order_by("pk")


def told(account):
    """Everything drawn for an account: what must come out the same again."""
    numbers = {member.pk: number for number, member in enumerate(members_of(account))}
    people = [
        (
            member.user.name, member.user.email, member.status, member.permissions, member.user_managed_login,
            member.joined_at, member.allowed_addresses, numbers.get(member.parent_id),
        )
        for member in members_of(account)
    ]  # fmt: skip
    keys = [
        (numbers[key.holder_id], numbers[key.creator_id], key.created_at, key.allowed_addresses, key.last_used_at,
         key.last_used_from)
        for key in ClassicKey.objects.filter(account=account).order_by("holder_id")
    ]  # fmt: skip
    return people, keys


# --- The account as a whole ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", list(Shape))
def test_a_generated_account_is_sound_and_of_the_size_asked_for(shape):
    account = generate(shape=shape)

    assert members_of(account).count() == 300
    assert list(hierarchy.damaged_members(account)) == []
    connection.check_constraints()
    assert account.is_demo
    assert list(audit.breaks(account.pk)) == []


@pytest.mark.sqlite_only
def test_the_same_arguments_give_the_same_account_and_fresh_keys():
    def drawn():
        with transaction.atomic():
            account = generate(account_id=2_000_000)
            values = {material.take(key).text for key in ClassicKey.objects.filter(account=account)}
            said = told(account)
            transaction.set_rollback(True)
        return said, values

    first, first_values = drawn()
    again, values = drawn()

    assert again == first
    assert len(values) == len(first_values) > 100
    assert not values & first_values


@pytest.mark.sqlite_only
def test_another_seed_gives_other_people():
    assert told(generate(seed=1))[0][1:] != told(generate(seed=2))[0][1:]


def test_another_share_of_keys_gives_the_same_people_and_more_keys():
    few, many = generate(keys_share=0.3), generate(keys_share=0.9)
    few_people, few_keys = told(few)
    many_people, many_keys = told(many)

    def without_account(people):
        return [(person[0], person[1].split("@")[0], *person[2:]) for person in people]

    assert without_account(few_people) == without_account(many_people)
    assert set(few_keys) < set(many_keys)


def test_accounts_of_the_same_seed_stand_beside_each_other():
    first, second = generate(members=50), generate(members=50)
    assert first.pk != second.pk


def test_rows_go_in_by_batches_with_parents_before_children(monkeypatch):
    monkeypatch.setattr(rows, "_BATCH", 7)
    seen = []

    account = generate(members=40, shape=Shape.CHAIN, progress=seen.append)

    assert seen == [8, 15, 22, 29, 36, 40]
    assert list(hierarchy.damaged_members(account)) == []
    assert account.members.count() == 40


@pytest.mark.sqlite_only
def test_the_size_of_a_batch_changes_nothing(monkeypatch):
    first = told(generate(account_id=2_000_000, name="Same"))
    monkeypatch.setattr(rows, "_BATCH", 17)
    second = told(generate(account_id=2_000_001, name="Same"))

    assert [person[0] for person in first[0]] == [person[0] for person in second[0]]
    assert first[1] == second[1]


def test_an_account_of_its_owner_alone():
    account = generate(members=1, keys_share=0)
    assert account.members.get().is_owner
    assert not ClassicKey.objects.filter(account=account).exists()


def test_the_trail_says_that_the_account_was_created_and_no_more():
    account = generate()
    assert list(Event.objects.filter(account_id=account.pk).values_list("action", flat=True)) == ["account.created"]


def test_other_accounts_are_left_alone(cast):
    before = list(Member.objects.order_by("pk").values_list()), list(ClassicKey.objects.order_by("pk").values_list())
    users = list(User.objects.order_by("pk").values_list())

    account = generate()

    assert before == (
        list(Member.objects.exclude(account=account).order_by("pk").values_list()),
        list(ClassicKey.objects.exclude(account=account).order_by("pk").values_list()),
    )
    assert users == list(User.objects.exclude(memberships__account=account).order_by("pk").values_list())


def test_nothing_is_generated_outside_a_demo(settings):
    settings.IS_DEMO = False
    with pytest.raises(generator.NotADemo):
        generate()
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"members": 0},
        {"members": -5},
        {"keys_share": 1.1},
        {"keys_share": -0.1},
        {"platform_keys_share": 1.1},
        {"shape": "bush"},
        {"keys_share": float("nan")},
    ],
)
def test_what_cannot_be_generated_is_refused(arguments):
    with pytest.raises(ValueError):  # noqa: PT011 - which it is, the test of the command says
        generate(**arguments)
    assert not Account.objects.exists()


def test_a_taken_account_id_and_a_bad_name_are_refused(cast):
    with pytest.raises(IntegrityError):
        generate(account_id=1234567)
    with pytest.raises(ValidationError):
        generate(name="With\ncontrol characters")


# --- People ----------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_names_and_addresses_are_as_forms_would_take_them():
    for member in members_of(generate(members=2_000)):
        assert clean_name(member.user.name) == member.user.name
        assert clean_email(member.user.email) == member.user.email


def test_copies_of_names_are_those_that_are_made_by_hand():
    from accounts.names import sort_name
    from accounts.new_members import default_api_username, search_text

    account = generate()
    for member in members_of(account):
        assert member.sort_name == sort_name(member.user.name)
        assert member.search_text == search_text(member.user.name, member.user.email)
        assert member.api_username == default_api_username(account.pk, member.user.email)
    for key in ClassicKey.objects.filter(account=account).select_related("holder"):
        assert (key.holder_path, key.holder_sort_name) == (key.holder.path, key.holder.sort_name)


def test_everybody_who_can_sign_in_has_the_password_and_nobody_else(client):
    account = generate(password="a long enough secret")
    by_status = {}
    for member in members_of(account):
        by_status.setdefault(member.status, member)

    assert set(by_status) >= {MemberStatus.ACTIVE, MemberStatus.SUSPENDED, MemberStatus.PENDING, MemberStatus.VPN_ONLY}
    signs_in = {MemberStatus.ACTIVE, MemberStatus.DISABLED_CLASSIC, MemberStatus.SUSPENDED}
    for status, member in by_status.items():
        assert member.user.check_password("a long enough secret") is (status in signs_in)
    assert members_of(account)[0].user.email.startswith("owner@")


def test_the_owner_alone_can_have_the_password():
    account = generate(members=40, password_for_all=False)
    owner, *others = members_of(account)
    assert owner.user.check_password(demo.PASSWORD)
    assert not any(member.user.has_usable_password() for member in others)


@pytest.mark.sqlite_only
def test_statuses_permissions_and_restrictions_are_mixed():
    account = generate(members=2_000)
    members = list(members_of(account))
    statuses = Counter(member.status for member in members)

    assert set(statuses) == set(MemberStatus.values)
    assert statuses[MemberStatus.ACTIVE] > len(members) / 2
    assert {member.user_managed_login for member in members} == {True, False}
    assert len({member.permissions for member in members}) >= 4
    restricted = [member.allowed_addresses for member in members if member.allowed_addresses]
    assert 0.03 < len(restricted) / len(members) < 0.1
    assert all(str(addresses.parse(text)) == text for text in restricted)


@pytest.mark.sqlite_only
def test_those_who_invited_somebody_could():
    account = generate(members=1_000)
    inviters = {member.parent_id for member in members_of(account)}
    never_joined = {MemberStatus.PENDING, MemberStatus.PROCESSING, MemberStatus.VPN_ONLY}
    for member in members_of(account):
        if member.pk in inviters:
            assert member.status not in never_joined


@pytest.mark.sqlite_only
def test_times_spread_over_years_and_nobody_joins_before_their_parent():
    account = generate(members=2_000)
    joined = {member.pk: member.joined_at for member in members_of(account)}

    for member in members_of(account):
        if member.status in {MemberStatus.PENDING, MemberStatus.PROCESSING}:
            assert member.joined_at is None
        else:
            assert member.user.created_at == member.joined_at <= UNTIL
            assert member.parent_id is None or joined[member.parent_id] <= member.joined_at
    assert len({moment.year for moment in joined.values() if moment}) == 7
    account.refresh_from_db()
    assert account.created_at == min(moment for moment in joined.values() if moment)


def test_names_come_in_many_scripts_and_in_all_lengths():
    from random import Random

    rng = Random(3)
    drawn = [names.person(rng).written for _ in range(30_000)]
    letters = set("".join(drawn))

    for sample in "łğễΞжґעژशশத王龘𠮷さ김ทგՀአ":
        assert sample in letters, sample
    assert any(ord(letter) > 0xFFFF for letter in letters)
    assert max(map(len, drawn)) == NAME_LENGTH
    assert any(len(name) == NAME_LENGTH and " " not in name for name in drawn)
    assert any(100 < len(name) < NAME_LENGTH and " " in name for name in drawn)
    assert any("-" in name for name in drawn)
    assert any("'" in name for name in drawn)
    assert any(" " not in name and name.isascii() for name in drawn)


@pytest.mark.parametrize("language", names.LANGUAGES, ids=lambda language: language.family.split()[0])
def test_every_word_has_plain_letters_for_an_address(language):
    for words in (language.given, language.family):
        for written, plain in names._words(words):
            assert written
            assert plain.isascii()
            assert plain.isalnum()
            assert plain == plain.lower()


def test_some_addresses_are_as_long_as_they_may_be():
    people = People(Account(pk=2_147_483_647, name="A" * 300), shapes.parents_of(Shape.STAR, 2_000, 1), seed=1,
                    keys_share=0, platform_keys_share=0, until=UNTIL)  # fmt: skip
    drawn = [people.facts(index).email for index in range(1, 2_000)]

    assert len(set(drawn)) == len(drawn)
    longest = max(drawn, key=len)
    assert EMAIL_BYTES - 1 <= len(longest) <= EMAIL_BYTES
    assert all(len(email.split("@")[0]) <= 64 for email in drawn)
    for email in drawn:
        validate_email(email)


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_values_are_real_and_open_in_their_own_row():
    account = generate(members=60, keys_share=1)
    keys = list(ClassicKey.objects.filter(account=account))
    assert keys
    for key in keys:
        value = material.take(key).text
        assert len(value) == 64
        assert material.matches(value, bytes(key.digest), key.ring_key_id)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("share", "low", "high"), [(0, 0, 0), (0.25, 0.2, 0.3), (1, 1, 1)])
def test_the_share_counts_among_those_who_may_have_a_key(share, low, high):
    account = generate(members=2_000, keys_share=share)
    may = members_of(account).exclude(status__in=[MemberStatus.PENDING, MemberStatus.PROCESSING])
    keys = ClassicKey.objects.filter(account=account)

    assert low <= keys.count() / may.count() <= high
    assert not keys.exclude(holder__in=may).exists()


@pytest.mark.sqlite_only
def test_keys_are_made_by_their_holders_and_those_of_vpn_only_members_by_their_parents():
    account = generate(members=1_000, keys_share=1)
    for key in ClassicKey.objects.filter(account=account).select_related("holder"):
        vpn_only = key.holder.status == MemberStatus.VPN_ONLY
        assert key.creator_id == (key.holder.parent_id if vpn_only else key.holder_id)


@pytest.mark.sqlite_only
def test_keys_were_used_just_now_long_ago_and_never():
    account = generate(members=2_000, keys_share=1)
    keys = list(ClassicKey.objects.filter(account=account).select_related("holder"))
    used = [key for key in keys if key.last_used_at]

    for key in keys:
        assert key.holder.joined_at <= key.created_at <= UNTIL
        assert bool(key.last_used_at) is bool(key.last_used_from)
    assert all(key.created_at <= key.last_used_at <= UNTIL for key in used)
    assert 0.1 < 1 - len(used) / len(keys) < 0.2
    assert any(key.last_used_at < UNTIL - timedelta(days=90) for key in used)
    assert sum(key.last_used_at > UNTIL - timedelta(days=7) for key in used) > len(used) / 2


@pytest.mark.sqlite_only
def test_a_restricted_key_was_last_used_from_where_it_may_be():
    account = generate(members=2_000, keys_share=1)
    restricted = ClassicKey.objects.filter(account=account).exclude(allowed_addresses="")

    assert restricted.exists()
    for key in restricted:
        assert str(addresses.parse(key.allowed_addresses)) == key.allowed_addresses
        if key.last_used_from:
            assert addresses.stored(key.allowed_addresses).covers(key.last_used_from)


# --- Shapes ----------------------------------------------------------------------------------------------------------


def levels(parents):
    found = [1]
    for parent in parents[1:]:
        found.append(found[parent] + 1)
    return found


@pytest.mark.sqlite_only
@pytest.mark.parametrize("shape", list(Shape))
@pytest.mark.parametrize("members", [1, 2, 3, 256, 257, 5_000])
def test_parents_come_before_children_and_no_tree_is_too_deep(shape, members):
    parents = shapes.parents_of(shape, members, seed=5)

    assert len(parents) == members
    assert parents[0] == -1
    assert all(0 <= parent < index for index, parent in enumerate(parents) if index)
    assert max(levels(parents)) <= MAX_DEPTH
    assert parents == shapes.parents_of(shape, members, seed=5)


def test_a_chain_is_as_deep_as_may_be_and_then_begins_again_below_the_owner():
    parents = shapes.parents_of(Shape.CHAIN, 1 + 2 * (MAX_DEPTH - 1) + 3, seed=1)
    children = Counter(parents)

    assert children[0] == 3
    assert all(count == 1 for parent, count in children.items() if parent > 0)
    assert Counter(levels(parents))[MAX_DEPTH] == 2


def test_a_star_has_everybody_below_the_owner():
    assert set(shapes.parents_of(Shape.STAR, 100, seed=1)[1:]) == {0}


def test_a_random_tree_that_would_get_too_deep_goes_on_further_up(monkeypatch):
    monkeypatch.setattr(shapes, "MAX_DEPTH", 3)
    assert max(levels(shapes.parents_of(Shape.RANDOM, 500, seed=1))) == 3


def test_of_a_company_few_invite_and_some_very_many():
    parents = shapes.parents_of(Shape.REALISTIC, 20_000, seed=1)
    invited = Counter(parents)

    assert max(levels(parents)) <= 12
    assert len(invited) < 20_000 / 6
    assert max(invited.values()) > 400
    assert sum(count <= 3 for count in invited.values()) > len(invited) / 3


# --- The command -----------------------------------------------------------------------------------------------------


def run(*arguments: str):
    out = StringIO()
    call_command("generate_account", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_figures_and_who_to_sign_in_as(client):
    said = run("--members", "60", "--keys", "1", "--name", "Zoë & Söhne", "--account-id", "4000001", "--seed", "9")

    account = Account.objects.get()
    assert (account.pk, account.name) == (4000001, "Zoë & Söhne")
    lines = said.splitlines()
    assert lines[0] == "Account 4000001 - Zoë & Söhne"
    assert lines[1].startswith("       60 members on ")
    assert f"{ClassicKey.objects.count():>9,} classic infrastructure API keys" == lines[2]
    assert f"{PlatformKey.objects.count():>9,} IBM Cloud API keys" == lines[3]
    assert lines[4].split()[1] == "seconds,"
    assert lines[5] == "The owner logs in as owner@zoesohne-4000001.example"
    answer = client.post("/login", {"username": "owner@zoesohne-4000001.example", "password": demo.PASSWORD})
    assert answer.status_code == 302


def test_the_command_reports_while_it_works(monkeypatch):
    from console.management.commands import generate_account

    monkeypatch.setattr(rows, "_BATCH", 20)
    monkeypatch.setattr(generate_account, "_SECONDS_BETWEEN_REPORTS", 0)
    said = run("--members", "50", "--shape", "star", "--sign-in", "owner")
    assert "       21 of 50 members\n       41 of 50 members\n       50 of 50 members\n" in said


def test_the_command_reports_seldom():
    assert " of 50 members" not in run("--members", "50")


def test_an_account_without_an_owner_cannot_be_generated(cast):
    with pytest.raises(ValueError, match="at least one member"):
        generator.generate(members=0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--keys", "2"], "from 0 to 1"),
        (["--platform-keys", "nan"], "from 0 to 1"),
        (["--account-id", "1234567"], "Account ID 1234567 is taken"),
        (["--name", "a\x00b"], "without control characters"),
    ],
)
def test_the_command_says_what_it_cannot_generate(cast, arguments, why):
    with pytest.raises(CommandError, match=why):
        run("--members", "5", *arguments)
    assert Account.objects.count() == 2


def test_the_command_refuses_outside_a_demo(settings):
    settings.IS_DEMO = False
    with pytest.raises(CommandError, match="KEYTREE_ENV=demo"):
        run()
