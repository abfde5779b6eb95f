"""The keys of a branch: how many there are, and the review of those that are to be revoked. No writes."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Coalesce

from accounts import hierarchy
from accounts.models import Member
from keys.models import ClassicKey
from keys.queries import KeyRow, Places, for_list, is_in_use, row

#: How many keys a review names: each is a field of its form, and a request may hold 500.
MOST_NAMED = 400
#: How many keys are revoked in one step: their numbers have to fit into the form.
MOST_REVOKED = 100_000


@dataclass(frozen=True, slots=True)
class ReviewedKey:
    """A key of a branch as its review names it, ready to print."""

    key: KeyRow
    place: str
    restrictions: str
    is_ticked: bool
    is_in_use: bool


@dataclass(frozen=True, slots=True)
class BranchReview:
    """The keys of a branch before they are revoked: those that are named, and the numbers of the others."""

    named: list[ReviewedKey]
    others: list[int]

    @property
    def count(self) -> int:
        """How many keys there are; ``MOST_REVOKED`` + 1 stands for more than that."""
        return len(self.named) + len(self.others)

    @property
    def in_use(self) -> int:
        """How many of those that are named were used within a day: calls are going to fail."""
        return sum(row.is_in_use for row in self.named)


def keys_in_branch(member: Member, *, named: int) -> tuple[int, list[str]]:
    """Return how many keys ``member`` and those below hold, and the first ``named`` holders' names; two queries."""
    keys = ClassicKey.objects.filter(hierarchy.branch(member, prefix="holder_"))
    name = Coalesce("holder__name_here", "holder__user__name")
    return keys.count(), list(keys.order_by("holder_path").values_list(name, flat=True)[:named])


def review(viewer: Member, member: Member, *, unticked: Collection[int] = (), ticks_none: bool = False) -> BranchReview:
    """Return the keys of ``member`` and of everybody below, for ``viewer`` to choose those that are revoked.

    All but the ``unticked`` are ticked, or none.

    In the order of the tree; of more than ``MOST_NAMED`` those are named that were used last. Two queries.
    """
    keys = ClassicKey.objects.filter(hierarchy.branch(member, prefix="holder_"))
    ids = list(keys.order_by().values_list("pk", flat=True)[: MOST_REVOKED + 1])
    by_use = (F("last_used_at").desc(nulls_last=True), "-pk")
    order = by_use if len(ids) > MOST_NAMED else ("holder_path",)
    places = Places()
    named = [
        _reviewed(key, viewer, places, is_ticked=not ticks_none and key.pk not in unticked)
        for key in for_list(keys).order_by(*order)[:MOST_NAMED]
    ]
    return BranchReview(named, sorted(set(ids) - {row.key.id for row in named}))


def _reviewed(key: ClassicKey, viewer: Member, places: Places, *, is_ticked: bool) -> ReviewedKey:
    shown, level = row(key, viewer, places), f"Level {key.holder.level - viewer.level + 1}"
    parent = None if shown.is_self else key.parent_name
    return ReviewedKey(
        key=shown,
        place=f"{level}, below {parent}" if parent else level,
        restrictions="Restricted" if key.allowed_addresses else "None",
        is_ticked=is_ticked,
        is_in_use=is_in_use(key),
    )
