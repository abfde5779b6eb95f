"""Which keys are unused or unrestricted: filters for the list of keys, and how many there are. No writes.

Each filter is a few alternatives that exclude each other, each with an index of its own, so that a large branch need
not be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from operator import add
from typing import Any

from django.db.models import Case, Q, QuerySet, When
from django.db.models.functions import Coalesce, Length
from django.db.models.lookups import LessThanOrEqual
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from accounts import hierarchy
from accounts.inactivity import UNUSED_AFTER
from accounts.list_request import ListRequest
from accounts.listing import COUNTED, in_large_branch
from accounts.models import Member
from accounts.prepared import Prepared
from accounts.queries import BoundedCount
from keys.models import ClassicKey

UNUSED, NEVER = "30days", "never"
USES = {UNUSED: "Unused 30 days", NEVER: "Never used"}
UNRESTRICTED, RESTRICTED = "none", "some"
RESTRICTIONS = {UNRESTRICTED: "Not restricted", RESTRICTED: "Restricted"}


@dataclass(frozen=True)
class Filter:
    """What the address of a list of keys asks for besides a search."""

    use: str = ""
    restriction: str = ""
    before: datetime | None = None  # unused since then; by default 30 days before now

    @classmethod
    def of(cls, asked: ListRequest) -> "Filter":
        """Read the address; anything that is not offered counts as no filter."""
        return cls(asked.choice("used", USES, ""), asked.choice("restriction", RESTRICTIONS, ""))

    def __bool__(self) -> bool:
        return bool(self.use or self.restriction)

    def alternatives(self, day: str = "last_used_day", length: str = "length_of_addresses") -> list[Q]:
        """Return conditions, of which each key that fits the filter fulfils exactly one.

        Args:
            day: the column or expression for the day of the last use.
            length: that for the length of the restriction.
        """
        restricted = {UNRESTRICTED: Q(**{length: 0}), RESTRICTED: Q(**{f"{length}__gt": 0})}.get(self.restriction, Q())
        never = Q(**{f"{day}__isnull": True})
        if self.use == UNUSED:
            before = self._before
            # The index holds the day; the moment decides.
            used = Q(**{f"{day}__lte": before.astimezone(UTC).date()}, last_used_at__lt=before)
            return [used & restricted, never & Q(created_at__lt=before) & restricted]
        return [never & restricted if self.use == NEVER else restricted]

    def fits(self, key: ClassicKey) -> bool:
        """Whether a loaded key fits."""
        is_used = {
            UNUSED: (key.last_used_at or key.created_at) < self._before,
            NEVER: key.last_used_at is None,
        }.get(self.use, True)
        is_restricted = bool(key.allowed_addresses)
        return is_used and (not self.restriction or is_restricted is (self.restriction == RESTRICTED))

    @property
    def _before(self) -> datetime:
        return self.before or timezone.now() - UNUSED_AFTER


def narrowed(keys: QuerySet[ClassicKey], chosen: Filter) -> tuple[QuerySet[ClassicKey], list[QuerySet[ClassicKey]]]:
    """Return those of ``keys`` that fit the filter, in two ways.

    First as one queryset, on expressions that no index serves, for reading a branch or following an order; then in
    parts, each of which an index finds in a large account.
    """
    measured: QuerySet[Any] = keys.alias(
        length_of_addresses=Length("allowed_addresses"),
        walled_length=Length(Coalesce("allowed_addresses", "allowed_addresses")),
        walled_day=Coalesce("last_used_day", "last_used_day"),
    )
    whole = Q()
    for condition in chosen.alternatives("walled_day", "walled_length"):
        whole |= condition
    return measured.filter(whole), [measured.filter(condition) for condition in chosen.alternatives()]


@dataclass(frozen=True)
class Figure:
    """A number of keys, as a card says it, and the list that shows them."""

    label: str
    count: int
    url: str

    @property
    def text(self) -> str:
        """The number in words; beyond what is counted it says more than that."""
        if self.count > COUNTED:
            return f"More than {COUNTED:,} keys"
        return f"{self.count:,} key{'' if self.count == 1 else 's'}"


_FIGURES = (
    ("unused", "Not used for 30 days", Filter(use=UNUSED), {"used": UNUSED}),
    ("never", "Never used", Filter(use=NEVER), {"used": NEVER}),
    ("open", "Without address restriction", Filter(restriction=UNRESTRICTED), {"restriction": UNRESTRICTED}),
)


def figures(member: Member, *, viewer: Member) -> Sequence[Figure]:
    """Return how many keys of ``member`` and of everybody below are unused, or may be used from everywhere.

    The caller has asked whether ``viewer`` may know of them. One query, of bounded cost: a branch of up to COUNTED keys
    is read; for a larger one each number is counted from an index, up to COUNTED.
    """
    about = member.account_id, member.pk, timezone.now() - UNUSED_AFTER
    (row,) = _counts_of_account(*about) if member.is_owner else _counts_of_branch(*about, member.path)
    where = {} if member.pk == viewer.pk else {"branch": str(member.pk)}
    address = reverse("keys:classic-list")
    return [
        Figure(label, row[name], f"{address}?{urlencode({**asked, **where})}") for name, label, _, asked in _FIGURES
    ]


def _counts(account_id: int, pk: int, before: datetime, path: str | None = None) -> QuerySet[Member, Any]:
    """Return a query for the figures of an account's keys, or of those in the branch at ``path``, as one row."""
    branch = large = ClassicKey.objects.filter(account_id=account_id)
    if path is not None:
        branch, large = (
            branch.filter(hierarchy.path_range(path, field="holder_path")),
            in_large_branch(large, path, "holder_path"),
        )
    size = _bounded(branch.order_by("holder_path"))
    counts: dict[str, Any] = {}
    for name, _, chosen, _ in _FIGURES:
        then = replace(chosen, before=before)
        read, _ = narrowed(branch, then)
        _, parts = narrowed(large, then)
        found = reduce(add, [_bounded(part.order_by()) for part in parts])
        counts[name] = Case(When(LessThanOrEqual(size, COUNTED), then=_bounded(read.order_by())), default=found)
    return Member.objects.filter(pk=pk).order_by().values(**counts)


_counts_of_account = Prepared(_counts, of=(int, int, datetime), is_planned_once=False)
_counts_of_branch = Prepared(_counts, of=(int, int, datetime, str), is_planned_once=False)


def _bounded(keys: QuerySet[ClassicKey]) -> BoundedCount:
    return BoundedCount(keys.values("pk")[: COUNTED + 1])
