"""``check_tree``: damage of every kind is named, and what follows from the parents can be rebuilt."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import hierarchy
from accounts.models import Account, Member
from console import tree_check
from keys.models import ClassicKey, PlatformKey
from tests.damage import damage, unguarded
from tests.trees import chain, grow, make_account, make_key, make_platform_key

pytestmark = pytest.mark.django_db
CODE = hierarchy.code


def run(*arguments: str):
    out = StringIO()
    call_command("check_tree", *arguments, stdout=out)
    return out.getvalue()


def run_on_damage(*arguments: str):
    """Output and error of a run that must end with 1."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("check_tree", *arguments, stdout=out)
    assert error.value.returncode == 1
    return out.getvalue(), str(error.value)


def paths(account):
    return dict(Member.objects.filter(account=account).values_list("pk", "path"))


def test_a_sound_tree_passes(cast):
    assert run() == "2 accounts checked: nothing is wrong.\n"


def test_one_account_can_be_asked_for(cast):
    assert run("--account", "1234567") == "1 account checked: nothing is wrong.\n"
    with pytest.raises(CommandError, match="There is no account 9999999"):
        run("--account", "9999999")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (lambda m: {"path": CODE(m[0].pk) + CODE(m[2].pk)}, "its path does not follow its parent's"),
        (lambda _: {"path": "0000000"}, "its path does not follow its parent's"),
        (lambda m: {"parent": m[3]}, "its path does not follow its parent's"),
        (lambda _: {"parent_id": 88_888_888}, "its parent is not a member of this account"),
    ],
)
def test_a_damaged_member_is_named(values, what):
    members = grow([0, 1, 1])
    with unguarded():
        damage(members[1], **values(members))
        said, error = run_on_damage()

    assert f"Account {members[0].account}\n" in said
    assert f"  member {members[1].pk}: {what}\n" in said
    assert error.endswith("The tree is damaged.")


def test_a_second_owner_is_named():
    members = grow([0])
    with unguarded():
        damage(members[1], parent=None, path=CODE(members[1].pk))
        said, _ = run_on_damage()
    assert "the account has not exactly one owner" in said


def test_members_below_the_deepest_level_are_named(monkeypatch):
    members = grow([0, 1, 2])
    monkeypatch.setattr(tree_check, "MAX_DEPTH", 3)

    said, _ = run_on_damage()

    assert said.count("  member ") == 1
    assert f"  member {members[3].pk}: it is below level 256, the deepest that may be\n" in said


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (lambda m, _: {"holder_path": m[1].path}, "its copy of the holder's path is not the holder's"),
        (lambda *_: {"holder_sort_name": "another"}, "its copy of the holder's name is not the holder's"),
        (lambda *_: {"holder_id": 88_888_888}, "its holder does not exist"),
        (lambda _, other: {"holder": other}, "its holder is a member of another account"),
    ],
)
def test_a_damaged_key_is_named(values, what):
    members, (other,) = grow([0, 1]), grow([])
    key = make_key(members[2])
    with unguarded():
        ClassicKey.objects.filter(pk=key.pk).update(**values(members, other))
        said, error = run_on_damage()

    assert f"  key {key.pk}: {what}\n" in said
    assert error == "1 finding. The tree is damaged."


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (lambda _: {"holder_id": 88_888_888}, "its holder does not exist"),
        (lambda other: {"holder": other}, "its holder is a member of another account"),
        (lambda other: {"user": other.user}, "its user is not the holder's"),
    ],
)
def test_a_damaged_ibm_cloud_key_is_named(values, what):
    members, (other,) = grow([0, 1]), grow([])
    make_platform_key(members[1])
    key = make_platform_key(members[2])
    with unguarded():
        PlatformKey.objects.filter(pk=key.pk).update(**values(other))
        said, error = run_on_damage()

    assert f"  IBM Cloud API key {key.pk}: {what}\n" in said
    assert error == "1 finding. The tree is damaged."


def test_rows_of_no_account_are_named():
    members = grow([])
    key, platform_key = make_key(members[0]), make_platform_key(members[0])
    with unguarded():
        Account.objects.filter(pk=members[0].account_id)._raw_delete("default")
        said, error = run_on_damage()

    assert said.splitlines() == [
        "No account",
        f"  member {members[0].pk}: its account does not exist",
        f"  key {key.pk}: its account does not exist",
        f"  IBM Cloud API key {platform_key.pk}: its account does not exist",
    ]
    assert error == "3 findings. The tree is damaged."


def test_many_findings_are_counted():
    members = chain(make_account(), 30)
    with unguarded():
        for member in members[5:]:
            damage(member, path=f"long gone {member.pk}")
        said, error = run_on_damage()

    assert said.count("  member ") == 20
    assert "  and 5 more\n" in said
    assert error == "25 findings. The tree is damaged."


# --- Rebuilding ------------------------------------------------------------------------------------------------------


def test_a_sound_tree_is_rebuilt_to_itself(cast):
    before = paths(1234567), list(ClassicKey.objects.order_by("pk").values_list())
    assert run("--rebuild") == "2 accounts checked: nothing is wrong.\n"
    assert before == (paths(1234567), list(ClassicKey.objects.order_by("pk").values_list()))


def test_paths_and_copies_are_derived_from_the_parents():
    members, others = grow([0, 1, 1, 0]), grow([0])
    account = members[0].account
    keys = [make_key(member) for member in members]
    true_paths, other_paths = paths(account), paths(others[0].account)
    with unguarded():
        damage(members[0], path="not at all")
        damage(members[2], path=members[4].path + "0")
        damage(members[3], path=f"~{CODE(members[3].pk)}")
        ClassicKey.objects.filter(pk=keys[1].pk).update(holder_path="wrong", holder_sort_name="wrong")
        run_on_damage()

        said = run("--rebuild")

        assert said.splitlines() == [
            f"Account {account}: 3 members and 1 keys put right",
            "2 accounts checked: nothing is wrong.",
        ]
        assert paths(account) == true_paths
        assert paths(others[0].account) == other_paths
        for key in ClassicKey.objects.select_related("holder"):
            assert (key.holder_path, key.holder_sort_name) == (key.holder.path, key.holder.sort_name)
        connection.check_constraints()


def test_members_that_hold_each_others_path_are_put_right():
    """The unique index would refuse to write either of them first."""
    members = grow([0, 0, 1, 2])
    account = members[0].account
    true_paths = paths(account)
    with unguarded():
        damage(members[1], path="set aside")
        damage(members[2], path=members[1].path)
        damage(members[1], path=members[2].path)

        assert "2 members and 0 keys put right" in run("--rebuild")

        assert paths(account) == true_paths


def test_a_member_that_holds_the_owners_path_is_put_right():
    members = grow([0, 1])
    account = members[0].account
    true_paths = paths(account)
    with unguarded():
        damage(members[0], path="set aside")
        damage(members[2], path=members[0].path)
        run("--rebuild")
        assert paths(account) == true_paths


def test_an_owner_that_holds_a_members_path_is_put_right():
    members = grow([0, 0, 0, 0])
    account = members[0].account
    true_paths = paths(account)
    with unguarded():
        for member in members[1:]:
            damage(member, path=f"set aside {member.pk}")
        damage(members[0], path=members[1].path)
        run("--rebuild")
        assert paths(account) == true_paths


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_tree_with_any_paths_damaged_is_rebuilt(data):
    size = data.draw(st.integers(1, 12))
    members = grow([data.draw(st.integers(0, index)) for index in range(size)])
    account = members[0].account
    true_paths = paths(account)
    with unguarded():
        damaged = data.draw(st.lists(st.sampled_from(members), unique=True))
        shuffled = data.draw(st.permutations([member.path for member in damaged]))
        for member in damaged:
            damage(member, path=f"set aside {member.pk}")
        for member, path in zip(damaged, shuffled, strict=True):
            damage(member, path=path)

        tree_check.rebuild(account)

        assert paths(account) == true_paths
        assert list(tree_check.findings(account)) == []


def test_a_moved_parent_counts_and_its_branch_follows():
    """The parents are the truth: who writes one past the application moves the branch by rebuilding."""
    members = grow([0, 0, 1, 3])
    key = make_key(members[4])
    with unguarded():
        damage(members[3], parent=members[2])

        assert "2 members and 1 keys put right" in run("--rebuild")

        present = Member.objects.get(pk=members[4].pk)
        assert present.path == "".join(CODE(members[place].pk) for place in (0, 2, 3, 4))
        assert ClassicKey.objects.get(pk=key.pk).holder_path == present.path


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (lambda m: {"parent": m[3]}, ["1: its line of parents does not lead to the owner", "3: its line of parents"]),
        (lambda m: {"parent": m[1]}, ["1: its line of parents does not lead to the owner"]),
        (lambda _: {"parent_id": 88_888_888}, ["1: its parent is not a member of this account", "2: its line of"]),
        (lambda _: {"parent": None}, ["0: has no parent, and so do others", "1: has no parent, and so do others"]),
    ],
)
def test_damaged_parents_cannot_be_rebuilt_and_nothing_is_changed(values, what):
    members = grow([0, 1, 2])
    sound = grow([0])
    account = members[0].account
    with unguarded():
        damage(members[1], **values(members))
        damage(sound[1], path="damaged")
        before = paths(account)

        said, _ = run_on_damage("--rebuild")

        assert f"Account {account} cannot be rebuilt: its parents are damaged\n" in said
        for finding in what:
            number, _, sentence = finding.partition(": ")
            assert f"  member {members[int(number)].pk}: {sentence}" in said
        assert paths(account) == before
        # The next account is rebuilt all the same.
        assert Member.objects.get(pk=sound[1].pk).path == sound[1].path


def test_an_account_without_an_owner_cannot_be_rebuilt():
    members = grow([0])
    with unguarded():
        damage(members[0], parent=members[1])
        said, _ = run_on_damage("--rebuild")
    assert "  it has no owner\n" in said


def test_a_tree_that_would_be_too_deep_cannot_be_rebuilt(monkeypatch):
    members = grow([0, 1, 2])
    monkeypatch.setattr(tree_check, "MAX_DEPTH", 3)
    with pytest.raises(tree_check.Unrepairable) as refusal:
        tree_check.rebuild(members[0].account)
    assert [finding.row for finding in refusal.value.findings] == [members[3].pk]


def test_keys_without_a_holder_stay_and_are_named_after_the_rebuild():
    members, (other,) = grow([0]), grow([])
    stray, elsewhere = make_key(members[0]), make_key(members[1])
    with unguarded():
        ClassicKey.objects.filter(pk=stray.pk).update(holder_id=88_888_888)
        ClassicKey.objects.filter(pk=elsewhere.pk).update(holder=other)

        said, _ = run_on_damage("--rebuild")

        assert f"key {stray.pk}: its holder does not exist" in said
        assert f"key {elsewhere.pk}: its holder is a member of another account" in said


def test_an_account_in_use_is_left_and_said_so(monkeypatch):
    members = grow([0])

    def locked(account_id):
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(hierarchy, "lock_account", locked)
    with pytest.raises(CommandError, match=r"in use: canceling .* lock timeout\. Nothing of it was changed"):
        run("--rebuild", "--account", str(members[0].account_id))


def test_a_large_tree_is_read_once_and_rebuilt_in_few_statements(django_assert_max_num_queries):
    members = chain(make_account(), 250)
    account = members[0].account
    true_paths = paths(account)
    with unguarded():
        for member in members:
            damage(member, path=f"long lost {member.pk}")
        with django_assert_max_num_queries(14):
            tree_check.rebuild(account)
        assert paths(account) == true_paths


def test_commands_have_more_time_than_pages_and_only_while_they_need_it():
    from console.maintenance import unhurried

    if connection.vendor != "postgresql":
        with unhurried():
            return

    def limits():
        with connection.cursor() as cursor:
            names = ("statement_timeout", "idle_in_transaction_session_timeout")
            cursor.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}")
            return cursor.fetchone()

    before = limits()
    with unhurried():
        assert limits() == ("0", "5min")
    assert limits() == before == ("5s", "10s")
