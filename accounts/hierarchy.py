"""The invited-by tree: the only code that knows how it is stored.

A member's ``path`` is the fixed-width hexadecimal code of every primary key from the owner down to the member. So
"is an ancestor of" is "is a proper prefix of", needs no query, and a branch is one half-open range of an index. No
counter is kept: two people invited at once never collide, and nothing above them is written.

The reasons and the measurements against closure tables, recursive queries and the ready libraries are in
docs/architecture.md, "The tree".
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import accumulate

from django.db import connection
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat, Length, Substr

from accounts.enums import Relation
from accounts.models import Account, BranchFreeze, Member
from accounts.models.fields import PathField
from accounts.models.member import CODE_LENGTH, MAX_DEPTH
from accounts.signals import branch_moved
from accounts.transactions import large_write, one_transaction

#: Sorts after every digit of a code, so that ``path + _HIGH`` closes the range of a branch.
_HIGH = "g"


class TreeError(ValueError):
    """A place in the tree that cannot be: the message says why, in words for the person who asked."""


def code(member_id: int) -> str:
    """Return the code of a member's primary key; codes sort as the keys do."""
    return f"{member_id:0{CODE_LENGTH}x}"


def relation(viewer: Member, target: Member) -> Relation:
    """Return how ``viewer`` stands to ``target``. Takes no query: both rows are already here."""
    if viewer.account_id != target.account_id:
        return Relation.FOREIGN
    if viewer.pk == target.pk:
        return Relation.SELF
    if target.path.startswith(viewer.path):
        return Relation.ANCESTOR
    if viewer.path.startswith(target.path):
        return Relation.DESCENDANT
    return Relation.UNRELATED


def is_at_or_above(viewer: Member, target: Member) -> bool:
    """Whether ``viewer`` is ``target`` or one of their ancestors. Takes no query."""
    # What relation() says of these two, without telling the others apart: lists ask it for each row.
    is_here = viewer.account_id == target.account_id
    return is_here and (target.path.startswith(viewer.path) or viewer.pk == target.pk)


def branch(member: Member, *, prefix: str = "", including_self: bool = True) -> Q:
    """Return the condition "is in the branch of ``member``", for members or for rows that have a member's path.

    Args:
        member: the root of the branch.
        prefix: how the rows name it: "" for members, "holder_" for rows that carry a copy of the path and the account,
            "subject__" across a foreign key.
        including_self: whether ``member`` counts.

    The account is always part of the condition. For the whole tree there is no range of paths: it would only keep the
    database from using the index of the sort order.
    """
    account_prefix = prefix if prefix.endswith("__") else ""
    condition = Q(**{f"{account_prefix}account_id": member.account_id})
    if not member.is_owner:
        condition &= path_range(member.path, field=f"{prefix}path")
    if not including_self:
        condition &= ~Q(**{f"{prefix}path": member.path})
    return condition


def path_range(path: str, *, field: str = "path") -> Q:
    """Return the condition "in the branch at ``path``, its root included", for rows of one account."""
    return Q(**{f"{field}__gte": path, f"{field}__lt": path + _HIGH})


def branch_members(member: Member) -> QuerySet[Member]:
    """Return the descendants of ``member`` and the member, as a queryset."""
    return Member.objects.filter(branch(member))


def descendants_of(member: Member) -> QuerySet[Member]:
    """Return the members below ``member``, without it, as a queryset."""
    return Member.objects.filter(branch(member, including_self=False))


def descendants_of_outer() -> QuerySet[Member]:
    """Return the members below the row of a surrounding query over members: for counting in a subquery."""
    above = OuterRef("path")
    return Member.objects.filter(
        account_id=OuterRef("account_id"), path__gt=above, path__lt=Concat(above, Value(_HIGH))
    ).order_by()


def frozen(path: str = "path") -> Exists:
    """Return the expression "is in a frozen branch" for rows of an account whose field ``path`` is a member's path.

    An account has few frozen branches or none: they are read by the account's index, and each is compared.
    """
    beginning = Substr(OuterRef(path), 1, Length("member__path"), output_field=PathField())
    return Exists(BranchFreeze.objects.filter(account_id=OuterRef("account_id"), member__path=beginning))


def with_freeze(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with ``is_frozen`` filled in, in the same query."""
    return members.annotate(is_frozen=frozen())  # type: ignore[no-redef]  # the class says what it is where nobody asked


def freezes_over(member: Member) -> QuerySet[BranchFreeze]:
    """Return the freezes of the branches that ``member`` is in, the topmost first, with their members' users."""
    paths = [*ancestor_paths(member.path), member.path]
    found = BranchFreeze.objects.filter(account_id=member.account_id, member__path__in=paths)
    return found.select_related("member__user", "by__user").order_by(Length("member__path"))


def with_users_below(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with ``has_users_below`` filled in, in the same query."""
    below = Exists(Member.objects.filter(parent=OuterRef("pk")))
    return members.annotate(has_users_below=below)  # type: ignore[no-redef]  # as above


def ancestor_paths(path: str) -> list[str]:
    """Return the paths of the proper ancestors of the member at ``path``, the owner's first."""
    cuts = [path[start : start + CODE_LENGTH] for start in range(0, len(path) - CODE_LENGTH, CODE_LENGTH)]
    return list(accumulate(cuts))


def ancestor_ids(path: str) -> list[int]:
    """Return the primary keys of the proper ancestors of the member at ``path``, the owner's first."""
    return [int(ancestor[-CODE_LENGTH:], 16) for ancestor in ancestor_paths(path)]


def ancestors_of(member: Member) -> QuerySet[Member]:
    """Return the proper ancestors of ``member``, the owner first: one query, at most ``MAX_DEPTH`` rows."""
    paths = ancestor_paths(member.path)
    return Member.objects.filter(account_id=member.account_id, path__in=paths).order_by(Length("path"))


def reserve_ids(count: int) -> Sequence[int]:
    """Return ``count`` fresh primary keys for members, never given out before or again.

    Must be called inside the transaction that inserts them: a path holds its member's own key, so the key has to be
    known first. PostgreSQL hands them out from the table's sequence; on SQLite the transaction holds the only write
    lock, and the counter beside the table moves when rows with explicit keys go in.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('accounts_member', 'id')) FROM generate_series(1, %s)", [count]
            )
            return [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'accounts_member'")
        row = cursor.fetchone()
    last = row[0] if row else 0
    return range(last + 1, last + count + 1)


def place(member: Member, parent: Member | None) -> Member:
    """Give an unsaved ``member`` its key, parent and path below ``parent`` (none for the account's owner).

    To be called inside the transaction that saves it. Raises TreeError below the deepest level or in another account.
    """
    return place_all([member], parent)[0]


def place_all(members: Sequence[Member], parent: Member | None) -> Sequence[Member]:
    """Give unsaved ``members`` of one account their places below one parent; one query for all. See ``place``.

    The place is checked first: keys that were reserved are not given out again, and there are so many and no more.
    """
    if parent is not None and members:
        _check_place(parent, members[0].account_id, levels=1)
    return place_each(members, [parent] * len(members))


def place_each(members: Sequence[Member], parents: Iterable[Member | None]) -> Sequence[Member]:
    """Give unsaved ``members`` their places, each below a parent of its own; one query for all. See ``place``.

    A parent may be an earlier one of ``members``: ``parents`` is consumed one by one, after those before have their
    places.
    """
    for member, member_id, parent in zip(members, reserve_ids(len(members)), parents, strict=True):
        if parent is not None:
            _check_place(parent, member.account_id, levels=1)
        member.pk = member_id
        member.parent = parent
        member.path = (parent.path if parent else "") + code(member_id)
    return members


def _check_place(parent: Member, account_id: int, *, levels: int) -> None:
    """Raise TreeError unless ``levels`` more levels fit below ``parent``, a member of that account."""
    if parent.account_id != account_id:
        raise TreeError("The parent must be a member of the same account.")
    if parent.level + levels > MAX_DEPTH:
        raise TreeError(f"The user hierarchy has at most {MAX_DEPTH} levels, and this would need more.")


def lock_account(account_id: int) -> Account:
    """Return the account, locked until the end of the transaction, so that the tree is changed by one write at a time.

    Rows that merely refer to the account can be written meanwhile. Their foreign key is checked at the end, while the
    chain of events is locked, and waiting for this lock then could be a deadlock. On SQLite the transaction holds the
    only write lock already.
    """
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


@one_transaction
def move_branch(member: Member, new_parent: Member) -> Member:
    """Move ``member`` with everyone below under ``new_parent`` and return it as it then is.

    Locks the account, so that two opposite moves cannot make a cycle together, and reads both members anew under the
    lock. Sends ``branch_moved`` in the same transaction for rows that carry a copy of a path. Raises TreeError for the
    owner, a parent in the own branch or another account, and a tree deeper than it may be.
    """
    lock_account(member.account_id)
    member, new_parent = Member.objects.get(pk=member.pk), Member.objects.get(pk=new_parent.pk)
    if member.is_owner:
        raise TreeError("The owner of an account has no parent.")
    if is_at_or_above(member, new_parent):
        raise TreeError("A user cannot be placed below themselves.")
    longest = branch_members(member).aggregate(longest=Max(Length("path")))["longest"]
    _check_place(new_parent, member.account_id, levels=longest // CODE_LENGTH - member.level + 1)
    old_path, new_path = member.path, new_parent.path + code(member.pk)
    if old_path != new_path:
        Member.objects.filter(pk=member.pk).update(parent=new_parent, path=new_path)
        _follow(member.account_id, old_path, new_path)
    return Member.objects.get(pk=member.pk)


@one_transaction
def make_owner(member: Member) -> Member:
    """Put ``member`` at the top of its account, the former owner directly below, and return it as it then is.

    Everybody below ``member`` stays there; everybody else stays below the former owner. Writes every row of the
    account. Raises TreeError for the owner, and for a tree that would be deeper than it may be.
    """
    lock_account(member.account_id)
    member = Member.objects.get(pk=member.pk)
    if member.is_owner:
        raise TreeError("This user is the owner of the account already.")
    owner = Member.objects.get(account_id=member.account_id, parent=None)
    others = Member.objects.filter(account_id=member.account_id).exclude(path_range(member.path))
    longest = others.aggregate(longest=Max(Length("path")))["longest"]
    _check_place(member, member.account_id, levels=longest // CODE_LENGTH + 1 - member.level)
    top, below = code(member.pk), code(member.pk) + code(owner.pk)
    # In this order: there is never a moment with two owners, and the two rows are out of the ranges that follow.
    Member.objects.filter(pk=owner.pk).update(parent=member, path=below)
    Member.objects.filter(pk=member.pk).update(parent=None, path=top)
    _follow(member.account_id, member.path, top)
    _follow(member.account_id, owner.path, below)
    return Member.objects.get(pk=member.pk)


def _follow(account_id: int, old_path: str, new_path: str) -> None:
    """Give everybody in the branch that was at ``old_path`` their new paths, and signal those who keep copies."""
    with large_write():
        in_branch = Member.objects.filter(path_range(old_path), account_id=account_id)
        in_branch.update(path=moved_path(old_path, new_path))
        branch_moved.send(Member, account_id=account_id, old_path=old_path, new_path=new_path)


def move_seen(member: Member, new_parent: Member) -> str:
    """Return a text that stands for what a move of ``member`` under ``new_parent`` would change now.

    Another move above either of the two changes it: others would gain and lose sight of the keys then.
    """
    return hashlib.sha256(f"{member.path} {new_parent.path}".encode()).hexdigest()[:32]


def moved_path(old_path: str, new_path: str, field: str = "path") -> Concat:
    """Return the expression that gives each row of a moved branch its new path, for an UPDATE."""
    return Concat(Value(new_path), Substr(F(field), len(old_path) + 1))


def damaged_members(account: Account) -> Iterable[tuple[int, str]]:
    """Yield (primary key, what is wrong) for each member whose path disagrees with the chain of parents.

    The database refuses such rows. This goes by the parents alone, so that damage is found in data that was restored
    without constraints. Never loops, whatever it finds. Reads each member once.
    """
    parents, paths = {}, {}
    rows = Member.objects.filter(account=account).values_list("pk", "parent_id", "path")
    for pk, parent_id, path in rows.iterator(chunk_size=10_000):
        parents[pk], paths[pk] = parent_id, path
    for pk, path in paths.items():
        parent_id = parents[pk]
        if parent_id is not None and parent_id not in paths:
            yield pk, "its parent is not a member of this account"
        elif path != (paths[parent_id] if parent_id is not None else "") + code(pk):
            yield pk, "its path does not follow its parent's"
    if sum(parent_id is None for parent_id in parents.values()) != 1:
        yield 0, "the account has not exactly one owner"
