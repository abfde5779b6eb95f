"""The tree against the plainest model of one, and its limits."""

from itertools import pairwise, product

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import hierarchy
from accounts.enums import Relation
from accounts.hierarchy import TreeError
from accounts.models import Member
from accounts.models.member import CODE_LENGTH, MAX_DEPTH, MAX_MEMBER_ID
from accounts.new_members import add_member
from accounts.signals import branch_moved
from keys.models import ClassicKey
from tests.damage import damage, unguarded
from tests.trees import Model, chain, grow, make_account, make_key, make_member, make_user

pytestmark = pytest.mark.django_db

trees = st.integers(0, 11).flatmap(lambda size: st.tuples(*(st.integers(0, index) for index in range(size))))
moves = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=6)
# The model is the same on both; a second database shows what its statements do otherwise.
examples = hypothesis_settings(
    max_examples=60 if connection.vendor == "sqlite" else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def present(members: list[Member]) -> list[Member]:
    """The members as the database has them now, in the same order."""
    rows = Member.objects.in_bulk([member.pk for member in members])
    return [rows[member.pk] for member in members]


def assert_like(model: Model, members: list[Member]) -> None:
    """Every question about every pair has the model's answer."""
    members = present(members)
    numbers = {member.pk: number for number, member in enumerate(members)}
    for viewer, target in product(range(len(members)), repeat=2):
        related = model.relation(viewer, target)
        assert hierarchy.relation(members[viewer], members[target]) is related
        is_at_or_above = related in {Relation.SELF, Relation.ANCESTOR}
        assert hierarchy.is_at_or_above(members[viewer], members[target]) is is_at_or_above
    for number, member in enumerate(members):
        assert [numbers[above.pk] for above in hierarchy.ancestors_of(member)] == model.ancestors(number)
        assert [numbers[pk] for pk in hierarchy.ancestor_ids(member.path)] == model.ancestors(number)
        below = {numbers[member.pk] for member in hierarchy.descendants_of(member)}
        assert below == model.descendants(number)
        assert {numbers[member.pk] for member in hierarchy.branch_members(member)} == below | {number}
        assert member.level == len(model.ancestors(number)) + 1
        parent = model.parents[number]
        assert member.is_owner is (parent is None)
        assert member.parent_id == (None if parent is None else members[parent].pk)
    assert list(hierarchy.damaged_members(members[0].account)) == []
    connection.check_constraints()


@examples
@given(parents=trees)
def test_relations_of_any_tree_are_those_of_the_model(parents):
    with transaction.atomic():
        assert_like(Model(parents), grow(parents))
        transaction.set_rollback(True)


@examples
@given(parents=trees, wishes=moves, with_keys=st.sets(st.integers(0, 11)))
def test_any_moves_leave_the_tree_of_the_model(parents, wishes, with_keys):
    with transaction.atomic():
        model, members = Model(parents), grow(parents)
        for number in with_keys & set(range(len(members))):
            make_key(members[number])
        for number, parent in wishes:
            if max(number, parent) >= len(members):
                continue
            if model.may_move(number, parent):
                moved = hierarchy.move_branch(members[number], members[parent])
                model.parents[number] = parent
                assert moved.parent_id == members[parent].pk
            else:
                with pytest.raises(TreeError):
                    hierarchy.move_branch(members[number], members[parent])
        assert_like(model, members)
        for key in ClassicKey.objects.filter(account=members[0].account).select_related("holder"):
            assert key.holder_path == key.holder.path
        transaction.set_rollback(True)


@given(first=st.integers(1, MAX_MEMBER_ID), second=st.integers(1, MAX_MEMBER_ID))
def test_codes_sort_as_the_numbers_do_and_have_one_width(first, second):
    codes = hierarchy.code(first), hierarchy.code(second)
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert (codes[0] < codes[1]) is (first < second)


def test_members_of_two_accounts_are_foreign_to_each_other():
    one, other = grow([0]), grow([0])

    assert hierarchy.relation(one[0], other[1]) is Relation.FOREIGN
    assert hierarchy.relation(other[1], one[0]) is Relation.FOREIGN
    assert not hierarchy.is_at_or_above(one[0], other[1])


def test_of_two_accounts_nobody_is_above_the_other_whatever_the_paths():
    (owner, *_), (_, user) = grow([0]), grow([0])
    user.path = owner.path + user.path[-CODE_LENGTH:]  # as no two accounts can have them

    assert not hierarchy.is_at_or_above(owner, user)
    assert hierarchy.relation(owner, user) is Relation.FOREIGN


def test_members_whose_place_was_read_at_two_moments_are_themselves():
    (*_, before) = grow([0, 1, 2])
    after = Member.objects.get(pk=before.pk)
    after.path = after.path[: 2 * CODE_LENGTH] + after.path[-CODE_LENGTH:]

    assert hierarchy.is_at_or_above(before, after)
    assert hierarchy.relation(before, after) is Relation.SELF


def test_an_owners_branch_ends_at_the_account():
    one, other = grow([0, 0]), grow([0])

    assert set(hierarchy.branch_members(one[0])) == set(one)
    assert set(hierarchy.branch_members(other[0])) == set(other)


def test_branch_of_rows_that_carry_a_copy_of_the_path():
    members = grow([0, 1, 0])
    keys = [make_key(member) for member in members]

    below_one = ClassicKey.objects.filter(hierarchy.branch(members[1], prefix="holder_"))
    without_one = ClassicKey.objects.filter(hierarchy.branch(members[1], prefix="holder_", including_self=False))

    assert set(below_one) == {keys[1], keys[2]}
    assert set(without_one) == {keys[2]}


def test_branch_across_a_foreign_key():
    members = grow([0, 1, 0])
    keys = [make_key(member) for member in members]

    assert set(ClassicKey.objects.filter(hierarchy.branch(members[1], prefix="holder__"))) == {keys[1], keys[2]}
    assert set(ClassicKey.objects.filter(hierarchy.branch(members[0], prefix="holder__"))) == set(keys)


def test_relation_takes_no_query(django_assert_num_queries):
    members = grow([0, 1])
    with django_assert_num_queries(0):
        hierarchy.relation(members[0], members[2])


def test_ancestors_take_one_query_however_deep(django_assert_num_queries):
    members = chain(make_account(), 40)
    with django_assert_num_queries(1):
        assert list(hierarchy.ancestors_of(members[-1])) == members[:-1]


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_a_member_below_the_deepest_level_is_refused_with_the_reason(origin):
    members = chain(make_account(), MAX_DEPTH)

    with pytest.raises(TreeError, match="at most 256 levels"):
        add_member(parent=members[-1], user=make_user(), origin=origin)

    assert Member.objects.filter(account=members[0].account).count() == MAX_DEPTH


def test_a_member_on_the_deepest_level_is_taken(origin):
    members = chain(make_account(), MAX_DEPTH - 1)

    added = add_member(parent=members[-1], user=make_user(), origin=origin)

    assert added.level == MAX_DEPTH
    connection.check_constraints()


@pytest.mark.parametrize(("depth", "fits"), [(MAX_DEPTH - 2, True), (MAX_DEPTH - 1, False)])
def test_a_branch_moves_only_where_its_deepest_member_fits(depth, fits):
    account = make_account()
    members = chain(account, depth)
    top = make_member(account, members[0])
    bottom = make_member(account, top)

    if fits:
        hierarchy.move_branch(top, members[-1])
        assert Member.objects.get(pk=bottom.pk).level == MAX_DEPTH
    else:
        with pytest.raises(TreeError, match="at most 256 levels"):
            hierarchy.move_branch(top, members[-1])
        assert present([top, bottom]) == [top, bottom]
        assert Member.objects.get(pk=bottom.pk).path == bottom.path


def test_the_whole_depth_can_move_within_its_limit():
    account = make_account()
    members = chain(account, MAX_DEPTH - 1)
    other = make_member(account, members[0])

    hierarchy.move_branch(members[1], other)

    assert Member.objects.get(pk=members[-1].pk).level == MAX_DEPTH
    assert list(hierarchy.damaged_members(account)) == []


@pytest.mark.parametrize(
    ("member", "parent", "why"),
    [
        (0, 1, "The owner of an account has no parent."),
        (1, 1, "A user cannot be placed below themselves."),
        (1, 2, "A user cannot be placed below themselves."),
        (1, 3, "A user cannot be placed below themselves."),
    ],
)
def test_moves_that_make_no_tree_are_refused_with_the_reason(member, parent, why):
    members = grow([0, 1, 2])

    with pytest.raises(TreeError) as refusal:
        hierarchy.move_branch(members[member], members[parent])

    assert str(refusal.value) == why
    assert_like(Model([0, 1, 2]), members)


def test_a_move_into_another_account_is_refused():
    one, other = grow([0]), grow([0])
    with pytest.raises(TreeError, match="same account"):
        hierarchy.move_branch(one[1], other[1])


def test_a_place_in_another_account_is_refused():
    one, other = grow([0]), grow([0])
    with pytest.raises(TreeError, match="same account"):
        hierarchy.place(Member(account=one[0].account), other[1])


def test_a_move_reads_the_tree_anew():
    """A stale row, from a page that was loaded before another move, must not bring back the old tree."""
    members = grow([0, 0, 1])
    stale = present(members)
    hierarchy.move_branch(members[1], members[2])

    hierarchy.move_branch(stale[3], stale[2])

    assert_like(Model([2, 0, 2]), members)


def test_a_move_tells_of_the_branch_and_a_move_to_the_same_parent_does_not():
    members = grow([0, 0, 1])
    told = []

    def listen(**said: object):
        told.append((said["account_id"], said["old_path"], said["new_path"]))

    branch_moved.connect(listen)
    try:
        hierarchy.move_branch(members[1], members[0])
        assert told == []
        moved = hierarchy.move_branch(members[1], members[2])
    finally:
        branch_moved.disconnect(listen)

    assert told == [(members[0].account_id, members[1].path, moved.path)]


def test_a_failing_listener_undoes_the_move():
    members = grow([0, 0, 1])

    def fail(**said: object):
        raise RuntimeError("The copies could not be moved.")

    branch_moved.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            hierarchy.move_branch(members[1], members[2])
    finally:
        branch_moved.disconnect(fail)

    assert_like(Model([0, 0, 1]), members)


def test_a_move_takes_as_many_queries_for_a_large_branch_as_for_a_small_one(django_assert_num_queries):
    account = make_account()
    members = chain(account, 60)
    other = make_member(account, members[0])
    small = make_member(account, members[0])
    make_key(members[-1])
    for branch in (small, members[1]):
        with django_assert_num_queries(11 if connection.vendor == "postgresql" else 10):
            hierarchy.move_branch(branch, other)


# --- Another owner ---------------------------------------------------------------------------------------------------


@examples
@given(parents=trees, member=st.integers(0, 11))
def test_another_owner_of_any_tree_is_as_in_the_model(parents, member):
    with transaction.atomic():
        members, model = grow(parents), Model(parents)
        keys = [make_key(each) for each in members]
        if member % len(members) == 0:
            with pytest.raises(TreeError, match="already"):
                hierarchy.make_owner(members[0])
        else:
            hierarchy.make_owner(members[member % len(members)])
            model.parents[member % len(members)], model.parents[0] = None, member % len(members)
        assert_like(model, members)
        paths = {each.pk: each.path for each in present(members)}
        assert {
            key.holder_id: key.holder_path for key in ClassicKey.objects.filter(pk__in=[k.pk for k in keys])
        } == paths
        transaction.set_rollback(True)


@pytest.mark.parametrize(("depth", "fits"), [(MAX_DEPTH - 1, True), (MAX_DEPTH, False)])
def test_another_owner_needs_a_level_for_everybody_else(depth, fits):
    account = make_account()
    members = chain(account, depth)
    other = make_member(account, members[0])

    if fits:
        hierarchy.make_owner(other)
        assert Member.objects.get(pk=members[-1].pk).level == MAX_DEPTH
    else:
        with pytest.raises(TreeError, match="at most 256 levels"):
            hierarchy.make_owner(other)
        assert Member.objects.get(pk=members[0].pk).is_owner
    assert list(hierarchy.damaged_members(account)) == []


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_reserved_ids_are_fresh_and_in_order():
    first = make_member(make_account(), None)

    ids = hierarchy.reserve_ids(5)

    assert len(set(ids)) == 5
    assert all(one < next_one for one, next_one in pairwise([first.pk, *ids]))


def test_the_id_of_a_removed_member_is_not_given_out_again():
    """A key or an event of the former member would else seem to belong to the new one."""
    account = make_account()
    owner = make_member(account, None)
    last = make_member(account, owner)
    gone = last.pk
    last.delete()

    assert make_member(account, owner).pk > gone


# --- Damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        (lambda members: {"parent": members[2]}, (1, "its path does not follow its parent's")),  # a cycle
        (lambda _: {"parent_id": 99_999_999}, (1, "its parent is not a member of this account")),
        (lambda _: {"parent": grow([])[0]}, (1, "its parent is not a member of this account")),
        (lambda members: {"path": members[3].path + "f"}, (1, "its path does not follow its parent's")),
        (lambda members: {"path": members[1].path.upper() + "g"}, (1, "its path does not follow its parent's")),
        (lambda members: {"parent": None, "path": hierarchy.code(members[1].pk)}, (None, "has not exactly one owner")),
    ],
)
def test_damage_past_the_constraints_is_named(values, finding):
    members = grow([0, 1, 1])
    number, what = finding

    with unguarded():
        damage(members[1], **values(members))
        found = list(hierarchy.damaged_members(members[0].account))

    row = members[number].pk if number is not None else 0
    assert [said for pk, said in found if pk == row and what in said]


def test_an_account_without_an_owner_is_damaged():
    members = grow([0])

    with unguarded():
        damage(members[0], parent=members[1])
        found = list(hierarchy.damaged_members(members[0].account))

    assert (0, "the account has not exactly one owner") in found


def test_a_sound_tree_has_no_damage_and_each_member_is_read_once(django_assert_num_queries):
    members = chain(make_account(), 50)
    with django_assert_num_queries(1):
        assert list(hierarchy.damaged_members(members[0].account)) == []
