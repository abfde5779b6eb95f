"""What the database refuses whoever writes: the rules of the tree and of people that hold past all code."""

from contextlib import contextmanager

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts import hierarchy
from accounts.models import Account, Member, User
from accounts.models.member import CODE_LENGTH, MAX_DEPTH, MAX_MEMBER_ID
from accounts.new_members import create_account
from keys import material
from keys.models import ClassicKey
from tests.trees import chain, grow, make_account, make_key, make_member, make_user

pytestmark = pytest.mark.django_db


@contextmanager
def refused(error: type[DatabaseError] = IntegrityError):
    """The block, or the check of the foreign keys at its end, fails; what it wrote is undone."""
    with pytest.raises(error), transaction.atomic():  # noqa: PT012 - either statement may be what fails
        yield
        connection.check_constraints()


def update(member: Member, **values: object) -> None:
    """Write past the application's rules, as SQL by hand would."""
    columns = {name: getattr(value, "pk", value) for name, value in values.items()}
    assignments = ", ".join(f"{name} = %s" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE accounts_member SET {assignments} WHERE id = %s", [*columns.values(), member.pk])


def execute(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


# --- The tree --------------------------------------------------------------------------------------------------------


def test_a_parent_changed_without_the_path_is_refused():
    members = grow([0, 0, 1])
    with refused():
        update(members[3], parent_id=members[2])


def test_a_path_changed_without_the_parent_is_refused():
    members = grow([0, 0, 1])
    with refused():
        update(members[3], path=members[2].path + hierarchy.code(members[3].pk))


def test_a_path_that_does_not_end_with_the_members_own_code_is_refused():
    members = grow([0, 0])
    with refused():
        update(members[2], path=members[1].path)
    with refused():
        update(members[2], path=members[0].path + hierarchy.code(members[2].pk + 1000))


def test_a_path_below_nobody_is_refused_at_the_end_of_the_transaction():
    """Its last two codes are right, but no member has what stands before them as a path."""
    members = grow([0, 1])
    with refused():
        update(members[2], path=hierarchy.code(77) + hierarchy.code(members[1].pk) + hierarchy.code(members[2].pk))


def test_a_move_that_leaves_the_branch_behind_is_refused():
    members = grow([0, 0, 1, 3])
    with refused():
        update(members[3], parent_id=members[2], path=members[2].path + hierarchy.code(members[3].pk))


@pytest.mark.parametrize("below", [1, 2, 3])
def test_a_cycle_is_refused_even_with_paths_made_to_fit(below):
    """Each row alone would pass its check; the foreign key over the paths finds none that leads to the owner."""
    members = grow([0, 1, 2])
    parent_path = members[below].path
    with refused():
        update(members[1], parent_id=members[below], path=parent_path + hierarchy.code(members[1].pk))


def test_a_parent_in_another_account_is_refused():
    members, others = grow([0]), grow([0])
    with refused():
        update(members[1], parent_id=others[1])
    with refused():
        update(members[1], parent_id=others[1], path=others[1].path + hierarchy.code(members[1].pk))


def test_a_change_of_account_is_refused():
    members, others = grow([0]), grow([0])
    with refused():
        update(members[1], account_id=others[0].account_id)


def test_a_parent_that_does_not_exist_is_refused():
    members = grow([0])
    missing = MAX_MEMBER_ID - 1
    with refused():
        update(
            members[1],
            parent_id=missing,
            path=members[0].path + hierarchy.code(missing) + hierarchy.code(members[1].pk),
        )


def test_a_second_owner_is_refused():
    members = grow([0])
    with refused():
        update(members[1], parent_id=None, path=hierarchy.code(members[1].pk))
    with refused():
        make_member(members[0].account, None)


def test_an_owner_below_somebody_is_refused():
    members = grow([0])
    with refused():
        update(members[0], parent_id=members[1], path=members[1].path + hierarchy.code(members[0].pk))


def test_removing_a_member_with_members_below_is_refused():
    members = grow([0, 1])
    with refused():
        execute("DELETE FROM accounts_member WHERE id = %s", members[1].pk)


def test_a_tree_deeper_than_it_may_be_is_refused():
    members = chain(make_account(), MAX_DEPTH)
    last, (extra,) = members[-1], hierarchy.reserve_ids(1)
    member = make_member(last.account, members[0])
    with refused(DatabaseError):  # PostgreSQL already finds the text too long for its column
        execute("UPDATE accounts_member SET id = %s WHERE id = %s", extra + 1, member.pk)
        path = last.path + hierarchy.code(extra + 1)
        assert len(path) == CODE_LENGTH * (MAX_DEPTH + 1)
        execute("UPDATE accounts_member SET parent_id = %s, path = %s WHERE id = %s", last.pk, path, extra + 1)


def test_a_member_whose_key_does_not_fit_a_code_is_refused():
    owner = make_member(make_account(), None)
    with refused():
        execute("UPDATE accounts_member SET id = %s, path = %s WHERE id = %s", 16**7, "10000000", owner.pk)


def test_two_branches_may_change_places_in_one_transaction():
    """The check comes at its end, so that an honest move is not refused halfway."""
    members = grow([0, 0, 1, 2])
    with transaction.atomic():
        update(members[3], parent_id=members[2], path=members[2].path + hierarchy.code(members[3].pk))
        update(members[4], parent_id=members[1], path=members[1].path + hierarchy.code(members[4].pk))
        connection.check_constraints()
    assert list(hierarchy.damaged_members(members[0].account)) == []


# --- People ----------------------------------------------------------------------------------------------------------

SAME_ADDRESS = [
    "member@same.example",
    "MEMBER@same.example",
    "Member@SAME.example",
    "  member@same.example ",
    "\uff4dember@same.example",  # a full-width m
    "member@\uff53ame.example",
    "me\uff2dber@same.example",  # a full-width capital
    "member@same.exampl\u2147",  # an italic e, for mathematics
    "member@\u017fame.example",  # a long s
]


@pytest.mark.parametrize("address", SAME_ADDRESS)
def test_an_address_in_another_case_or_form_is_taken(address):
    User.objects.create(email=SAME_ADDRESS[0], name="First", password="!")
    with refused():
        User.objects.create(email=address, name="Second", password="!")
    with refused():
        User.objects.bulk_create([User(email=address, name="Second", password="!")])
    assert User.objects.get(email=address).name == "First"


@pytest.mark.parametrize("address", SAME_ADDRESS)
def test_an_address_cannot_be_changed_to_one_that_is_taken(address):
    User.objects.create(email=SAME_ADDRESS[0], name="First", password="!")
    second = make_user()
    with refused():
        User.objects.filter(pk=second.pk).update(email=address)


def test_an_address_with_capitals_is_refused_from_other_programs_too():
    user = make_user()
    with refused():
        execute("UPDATE accounts_user SET email = %s WHERE id = %s", "Someone@tree.example", user.pk)


def test_a_user_is_a_member_of_an_account_once(origin):
    members = grow([0])
    with refused():
        update(members[1], user_id=members[0].user_id)
    owner = create_account(name="Second account", owner=members[1].user, origin=origin)
    assert owner.user_id == members[1].user_id


def test_an_api_username_is_unique_across_accounts():
    members, others = grow([0]), grow([0])
    with refused():
        update(members[1], api_username=others[1].api_username)


@pytest.mark.parametrize("account_id", [999_999, 0, 2**31 - 1 + 1])
def test_an_account_id_out_of_range_is_refused(account_id):
    with refused(DatabaseError):  # PostgreSQL's column is too small for the last one
        Account.objects.create(pk=account_id, name="Out of range")


def test_an_account_with_members_cannot_be_removed():
    members = grow([])
    with refused():
        execute("DELETE FROM accounts_account WHERE id = %s", members[0].account_id)


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_a_second_key_of_a_member_is_refused():
    holder = grow([])[0]
    make_key(holder)
    with refused():
        make_key(holder)


def test_a_key_with_another_members_path_is_refused():
    members = grow([0])
    key = make_key(members[1])
    with refused():
        execute("UPDATE keys_classickey SET holder_path = %s WHERE id = %s", members[0].path, key.pk)


def test_a_key_whose_holder_moved_alone_is_refused():
    members = grow([0, 0])
    make_key(members[2])
    with refused():
        update(members[2], parent_id=members[1], path=members[1].path + hierarchy.code(members[2].pk))


def test_a_key_in_another_account_is_refused():
    members, others = grow([]), grow([])
    key = make_key(members[0])
    with refused():
        execute("UPDATE keys_classickey SET account_id = %s WHERE id = %s", others[0].account_id, key.pk)


def test_a_key_with_a_value_that_another_has_is_refused():
    members = grow([0])
    first, second = make_key(members[0]), make_key(members[1])
    with refused():
        ClassicKey.objects.filter(pk=second.pk).update(digest=first.digest)


def test_removing_a_member_with_a_key_is_refused():
    holder = grow([0])[1]
    make_key(holder)
    with refused():
        execute("DELETE FROM accounts_member WHERE id = %s", holder.pk)


# --- Events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_event SET action = 'nothing'",
        "DELETE FROM accounts_event",
        pytest.param("REPLACE INTO accounts_event SELECT * FROM accounts_event", marks=pytest.mark.sqlite_only),
    ],
)
def test_events_can_be_neither_changed_nor_removed(statement, origin):
    create_account(name="With a trail", owner=make_user(), origin=origin)
    with refused(DatabaseError):
        execute(statement)


@pytest.mark.postgresql_only  # SQLite has no such statement
def test_events_cannot_be_emptied_at_once(origin):
    create_account(name="With a trail", owner=make_user(), origin=origin)
    with refused(DatabaseError):
        execute("TRUNCATE accounts_event")


def test_an_account_and_its_owner_pass_every_check(origin):
    owner = create_account(name="Sound", owner=make_user(), origin=origin)
    connection.check_constraints()
    assert Account.objects.get(pk=owner.account_id).members.get() == owner
    assert material.take(make_key(owner)).text
