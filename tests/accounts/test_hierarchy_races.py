"""Changes of the tree at the same moment, and at the end of real transactions, on whichever database the suite runs."""

from functools import partial
from itertools import cycle
from threading import Barrier

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from accounts import hierarchy
from accounts.hierarchy import TreeError
from accounts.memberships import remove_member
from accounts.models import Account, Member
from accounts.models.member import MAX_DEPTH
from accounts.new_members import add_member
from accounts.policy import NotAllowed
from accounts.transactions import one_transaction
from console.maintenance import unhurried
from keys import lifecycle
from keys.models import ClassicKey
from tests.threads import at_once, errors
from tests.trail import without_triggers
from tests.trees import chain, grow, make_account, make_key, make_member, make_user

# SQLite has one writer at a time: there is less to go wrong.
ROUNDS = 1_000 if connection.vendor == "postgresql" else 250


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


pytestmark = pytest.mark.django_db(transaction=True)


def assert_sound(account: Account) -> None:
    assert list(hierarchy.damaged_members(account)) == []
    for key in ClassicKey.objects.filter(account=account).select_related("holder"):
        assert key.holder_path == key.holder.path


def statements_that_put_back(account: Account) -> list[str]:
    """Statements that give everybody, and their keys, the place that they have now."""
    places = Member.objects.filter(account=account).values_list("pk", "parent_id", "path")
    below_others = ", ".join(f"({pk}, {parent}, '{path}')" for pk, parent, path in places if parent)
    everybody = ", ".join(f"({pk}, '{path}')" for pk, _, path in places)
    return [
        f"UPDATE accounts_member SET parent_id = column2, path = column3 FROM (VALUES {below_others}) AS was"
        " WHERE id = column1 AND path <> column3",
        f"UPDATE keys_classickey SET holder_path = column2 FROM (VALUES {everybody}) AS was"
        " WHERE holder_id = column1 AND holder_path <> column2",
    ]


def moved_at_once(account, targets, rounds):
    """What moves answered: in each round everybody has the place they have now, then one thread each moves them.

    ``targets`` are (member, new parent) for each thread, a list of them to take turns.
    """
    ready, statements = Barrier(len(targets)), statements_that_put_back(account)

    def put_back():
        # Without the moves that would do the same: a thousand ways back are not what is tried.
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def mover(place, turns):
        turns = cycle(turns)

        def call():
            try:
                if place == 0:
                    put_back()
            except BaseException:
                ready.abort()  # nobody waits for a round that does not come
                raise
            ready.wait(timeout=60)
            return hierarchy.move_branch(*next(turns))

        return call

    return at_once(*(mover(place, turns) for place, turns in enumerate(targets)), rounds=rounds)


def deadlocks() -> int:
    """How many there were in this database, until all other sessions had ended."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


@pytest.mark.postgresql_only
def test_of_two_writes_that_wait_for_each_other_the_one_that_is_ended_begins_again():
    _, *members = grow([0, 0])
    begun, met, before = [], Barrier(2), deadlocks()

    @one_transaction
    def lock_both(first: Member, second: Member) -> None:
        begun.append(first)
        Member.objects.select_for_update().get(pk=first.pk)
        if begun.count(first) == 1:
            met.wait(timeout=60)
        Member.objects.select_for_update().get(pk=second.pk)

    assert at_once(partial(lock_both, *members), partial(lock_both, *reversed(members))) == [[None, None]]
    assert (len(begun), deadlocks()) == (3, before + 1)


@pytest.mark.parametrize("times", [3, 4])
def test_who_meets_the_other_again_gives_way_again_but_not_forever(times):
    """As when it is back, and takes what the other waits for, before that one has gone on."""
    begun = []

    @one_transaction
    def unlucky() -> str:
        begun.append(connection.in_atomic_block)
        if len(begun) <= times:
            raise OperationalError from psycopg.errors.DeadlockDetected()
        return "done"

    if times == 3:
        assert unlucky() == "done"
    else:
        with pytest.raises(OperationalError):
            unlucky()
    assert begun == [True] * 4

    begun.clear()
    with transaction.atomic(), pytest.raises(OperationalError):
        unlucky()
    assert begun == [True]


def test_of_two_opposite_moves_one_is_refused_each_time():
    """Each right alone; both together would make a cycle that hangs on nothing."""
    owner, one, other, below_one, below_other = grow([0, 0, 1, 2])
    for member in (one, other, below_one, below_other):
        make_key(member)

    # Every second time from further down: the lines cross below the members that move.
    targets = [(one, other), (one, below_other)], [(other, one), (other, below_one)]
    before = deadlocks()
    answers = moved_at_once(owner.account, targets, ROUNDS)

    assert deadlocks() == before  # the account's lock sets the order: none waits for one who waits for it
    assert len(answers) == ROUNDS
    for answer in answers:
        (refusal,) = errors(answer)
        assert type(refusal) is TreeError
        assert str(refusal) == "A user cannot be placed below themselves."
    assert_sound(owner.account)


def test_of_three_moves_in_a_ring_one_is_refused_each_time():
    owner, *ring = grow([0, 0, 0])
    targets = [[(member, parent)] for member, parent in zip(ring, ring[1:] + ring[:1], strict=True)]

    answers = moved_at_once(owner.account, targets, 100)

    assert len(answers) == 100
    for answer in answers:
        assert [type(error) for error in errors(answer)] == [TreeError]
    assert_sound(owner.account)


def test_members_added_while_their_parents_branch_moves_are_below_it(origin):
    owner, parent, new_place, other_place = grow([0, 0, 0])
    users = [make_user() for _ in range(60)]
    places = [new_place, other_place] * 30

    def add():
        return add_member(parent=parent, user=users.pop(), origin=origin)

    def move():
        return hierarchy.move_branch(parent, places.pop())

    answers = at_once(add, move, rounds=60)

    assert not [error for answer in answers for error in errors(answer)]
    assert_sound(owner.account)
    present = Member.objects.get(pk=parent.pk)
    assert hierarchy.descendants_of(present).count() == 60


def test_members_added_at_once_below_one_parent_all_arrive(origin):
    owner, parent = grow([0])
    users = [make_user() for _ in range(80)]

    def add():
        return add_member(parent=parent, user=users.pop(), origin=origin)

    answers = at_once(add, add, add, add, rounds=20)

    added = [member for answer in answers for member in answer]
    assert not errors(added)
    assert len({member.pk for member in added}) == len({member.path for member in added}) == 80
    assert_sound(owner.account)


def test_a_member_and_a_move_cannot_pass_the_deepest_level_together(origin):
    """Each alone would fit; together one level would be too many."""
    account = make_account()
    links = chain(account, MAX_DEPTH - 1)
    top = make_member(account, links[0])

    def add():
        return add_member(parent=top, user=make_user(), origin=origin)

    def move():
        return hierarchy.move_branch(top, links[-1])

    ((added, moved),) = at_once(add, move)

    assert [type(error) for error in errors([added, moved])] == [TreeError]
    assert_sound(account)


def commit(member: Member, **values: object) -> None:
    with transaction.atomic():
        Member.objects.filter(pk=member.pk).update(**values)


def test_a_commit_with_a_cycle_is_refused():
    members = grow([0, 1])
    with pytest.raises(IntegrityError):
        commit(members[1], parent=members[2], path=members[2].path + hierarchy.code(members[1].pk))
    assert_sound(members[0].account)


def test_a_commit_with_a_parent_in_another_account_is_refused():
    members, others = grow([0]), grow([0])
    with pytest.raises(IntegrityError):
        commit(members[1], parent=others[1], path=others[1].path + hierarchy.code(members[1].pk))
    assert_sound(members[0].account)


def test_a_commit_that_leaves_keys_behind_is_refused():
    members = grow([0, 0])
    make_key(members[2])
    with pytest.raises(IntegrityError):
        commit(members[2], parent=members[1], path=members[1].path + hierarchy.code(members[2].pk))
    assert_sound(members[0].account)


def test_a_user_removed_while_their_key_is_made_leaves_no_key(origin):
    """Either the key is there first and goes with them, or its holder is gone and it is never made."""
    (owner,) = grow([])
    for _ in range(30):
        user = make_member(owner.account, owner)
        ((made, removed),) = at_once(
            partial(lifecycle.create_classic_key, holder=user, by=user, origin=origin),
            partial(remove_member, member=user, by=owner, origin=origin),
        )
        assert removed is None
        assert not isinstance(made, Exception) or isinstance(made, NotAllowed)
        assert not ClassicKey.objects.filter(account=owner.account).exists()
        assert not Member.objects.filter(pk=user.pk).exists()
    assert_sound(owner.account)


def test_a_user_removed_while_somebody_is_added_below_leaves_no_orphan(origin):
    (owner,) = grow([])
    before = deadlocks()
    for _ in range(30):
        user = make_member(owner.account, owner)
        make_member(owner.account, user)  # moves up
        ((added, removed),) = at_once(
            partial(add_member, parent=user, user=make_user(), origin=origin),
            partial(remove_member, member=user, by=owner, origin=origin, hand_over=True),
        )
        assert removed is None
        if isinstance(added, Member):
            assert Member.objects.get(pk=added.pk).parent_id == owner.pk
        else:
            assert isinstance(added, NotAllowed)
    assert deadlocks() == before  # both lock the account first
    assert_sound(owner.account)


@pytest.mark.postgresql_only
def test_move_of_a_large_branch_may_take_longer_than_a_page(monkeypatch):
    """But for no longer than its transaction, and never less long than whoever runs a command has allowed."""
    owner, one, other = grow([0, 0])
    found: list[str] = []

    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0]

    monkeypatch.setattr(hierarchy.branch_moved, "send", lambda *_args, **_named: found.append(limit()))
    hierarchy.move_branch(one, other)
    found.append(limit())
    with unhurried():
        hierarchy.move_branch(one, owner)
    assert found == ["1min", "5s", "0"]
