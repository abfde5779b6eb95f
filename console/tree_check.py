"""Checks the stored tree against the parents, and rebuilds what is derived from them.

The database's constraints prevent a damaged tree. This is for data that was restored or written without them. The
parents are the truth; the paths, and the copies on key rows, are derived from them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Length

from accounts import hierarchy
from accounts.models import Account, Member
from accounts.models.member import CODE_LENGTH, MAX_DEPTH
from keys.models import ClassicKey, PlatformKey

_BATCH = 300  # rows in one UPDATE
_PLATFORM = "IBM Cloud API key"
_TOO_DEEP = f"it is below level {MAX_DEPTH}, the deepest that may be"


@dataclass(frozen=True)
class Finding:
    """Something wrong with a row, or with the account as a whole (then ``row`` is 0)."""

    kind: str
    row: int
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.row}: {self.what}" if self.row else self.what


class Unrepairable(Exception):
    """The parents themselves are damaged, so paths cannot be derived from them. Nothing was changed."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("The parents themselves are damaged.")
        self.findings = findings


@dataclass(frozen=True)
class Rebuilt:
    """How many rows a rebuild corrected."""

    members: int
    keys: int


def findings(account: Account) -> Iterator[Finding]:
    """Yield everything that is wrong with an account's tree and its copies. Reads each member once."""
    for member_id, what in hierarchy.damaged_members(account):
        yield Finding("member", member_id, what)
    lengths = Member.objects.annotate(length=Length("path")).filter(account=account)
    for member_id in lengths.filter(length__gt=CODE_LENGTH * MAX_DEPTH).values_list("pk", flat=True):
        yield Finding("member", member_id, _TOO_DEEP)
    for key in _damaged_keys(account).iterator(chunk_size=2_000):
        yield Finding("key", key.pk, _what_is_wrong(key))
    for other in _damaged_platform_keys(account).iterator(chunk_size=2_000):
        yield Finding(_PLATFORM, other.pk, _what_is_wrong(other))


def strays() -> Iterator[Finding]:
    """Yield members and keys of accounts that do not exist."""
    account = Account.objects.filter(pk=OuterRef("account_id"))
    for kind, rows in (("member", Member.objects), ("key", ClassicKey.objects), (_PLATFORM, PlatformKey.objects)):
        for row in rows.filter(~Exists(account)).values_list("pk", flat=True):
            yield Finding(kind, row, "its account does not exist")


def _damaged_keys(account: Account) -> "QuerySet[ClassicKey]":
    right = Member.objects.filter(
        pk=OuterRef("holder_id"),
        account=OuterRef("account_id"),
        path=OuterRef("holder_path"),
        sort_name=OuterRef("holder_sort_name"),
    )
    return ClassicKey.objects.filter(~Exists(right), account=account)


def _damaged_platform_keys(account: Account) -> "QuerySet[PlatformKey]":
    right = Member.objects.filter(pk=OuterRef("holder_id"), account=OuterRef("account_id"), user=OuterRef("user_id"))
    return PlatformKey.objects.filter(~Exists(right), account=account)


def _what_is_wrong(key: ClassicKey | PlatformKey) -> str:
    holder = Member.objects.filter(pk=key.holder_id).first()
    if holder is None:
        return "its holder does not exist"
    if holder.account_id != key.account_id:
        return "its holder is a member of another account"
    if isinstance(key, PlatformKey):
        return "its user is not the holder's"
    if holder.path != key.holder_path:
        return "its copy of the holder's path is not the holder's"
    return "its copy of the holder's name is not the holder's"


def rebuild(account: Account) -> Rebuilt:
    """Derive all paths of an account, and the copies on its keys, from the parents, with the account locked.

    Keeps IDs, parents and paths of all members in memory. Raises Unrepairable, with every member that prevents it.
    """
    with transaction.atomic():
        hierarchy.lock_account(account.pk)
        rows = Member.objects.filter(account=account).values_list("pk", "parent_id", "path")
        parents, stored = {}, {}
        for pk, parent_id, path in rows.iterator(chunk_size=10_000):
            parents[pk], stored[pk] = parent_id, path
        wrong = {pk: path for pk, path in _true_paths(parents).items() if path != stored[pk]}
        _write_paths(wrong, parents)
        return Rebuilt(members=len(wrong), keys=_rebuild_keys(account))


def _true_paths(parents: Mapping[int, int | None]) -> dict[int, str]:
    """Return each member's path, from the owner down. Raises Unrepairable for members that cannot be reached."""
    children = defaultdict(list)
    for pk, parent_id in parents.items():
        children[parent_id].append(pk)
    owners = children[None]
    if len(owners) != 1:
        what = "has no parent, and so do others: an account has one owner"
        raise Unrepairable([Finding("member", pk, what) for pk in owners] or [Finding("account", 0, "it has no owner")])
    paths, level = {owners[0]: hierarchy.code(owners[0])}, owners
    while level := [child for pk in level for child in children[pk]]:
        for pk in level:
            paths[pk] = paths[parents[pk] or 0] + hierarchy.code(pk)
    if obstacles := list(_obstacles(parents, paths)):
        raise Unrepairable(obstacles)
    return paths


def _obstacles(parents: Mapping[int, int | None], paths: Mapping[int, str]) -> Iterator[Finding]:
    """Yield the members that have no path, and those whose path would be too long."""
    for pk, parent_id in parents.items():
        if parent_id is not None and parent_id not in parents:
            yield Finding("member", pk, "its parent is not a member of this account")
        elif pk not in paths:
            yield Finding("member", pk, "its line of parents does not lead to the owner")
        elif len(paths[pk]) > CODE_LENGTH * MAX_DEPTH:
            yield Finding("member", pk, _TOO_DEEP)


def _write_paths(wrong: Mapping[int, str], parents: Mapping[int, int | None]) -> None:
    """Store the paths in three steps, because paths are unique and rows may hold each other's.

    First all rows but the owner's get a temporary path. It belongs to nobody, as "~" is not a digit, but ends with the
    parent's code and the member's own, as the check constraint demands. The owner, for whom no temporary path is valid,
    comes second: the right one is free by now. Then all others follow.
    """
    others = {pk: path for pk, path in wrong.items() if parents[pk] is not None}
    aside = {pk: "~" + hierarchy.code(parents[pk] or 0) + hierarchy.code(pk) for pk in others}
    owner = {pk: path for pk, path in wrong.items() if pk not in others}
    for paths in (aside, owner, others):
        rows = [Member(pk=pk, path=path) for pk, path in paths.items()]
        Member.objects.bulk_update(rows, ["path"], batch_size=_BATCH)


def _rebuild_keys(account: Account) -> int:
    """Correct the copies of path and name on keys. Keys whose holder is not in this account stay as they are."""
    holder = Member.objects.filter(pk=OuterRef("holder_id"))
    return (
        _damaged_keys(account)
        .filter(Q(holder__account=account))
        .update(
            holder_path=Subquery(holder.values("path")[:1]), holder_sort_name=Subquery(holder.values("sort_name")[:1])
        )
    )
