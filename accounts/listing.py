"""Pages of long lists of one branch of the tree: filtered, sorted and paged by keyset, at the same cost at any size.

The rows carry a copy of the path in the index of each sort order. Neither database finds the cheaper of the two ways
by itself, so it is chosen here, and the other index is made unusable by wrapping its column in an expression:

* *range and sort*: read the branch's range of the path index, sort it. Cheap for small branches.
* *walk*: follow the sort order's index and skip what is outside the branch. Cheap for large ones.

The measurements are in docs/architecture.md, "Lists".
"""

import base64
import json
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from heapq import nlargest, nsmallest
from typing import Any, Generic, TypeVar, cast

from django.db import connection
from django.db.models import DateTimeField, F, Model, PositiveIntegerField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from accounts.hierarchy import path_range
from accounts.prepared import AnsweredFirst, Completed, Statement, Value

Row = TypeVar("Row", bound=Model)
#: A statement that gives the keys of rows, and its values.
Choice = tuple[str, Sequence[Any]]

PER_PAGE_CHOICES = (10, 25, 50, 100)
PER_PAGE = 25
#: Totals are exact up to here; beyond, counting would cost more than the page.
COUNTED = 10_000
#: Branches up to this many rows are sorted: that takes two milliseconds at most, wherever their rows are in the order.
_SORTED = COUNTED
#: The same if the index of paths lacks the sort column, so that the rows themselves have to be read.
_READ = 2_000
#: A walk gives up after this many entries: the branch's rows are elsewhere in the order, so it is sorted after all.
_WALKED = 5_000


def in_large_branch(rows: QuerySet[Row], path: str, path_field: str) -> QuerySet[Row]:
    """Return those of ``rows`` in the branch at ``path``, found by any index but that of paths.

    PostgreSQL knows from its statistics that the branch is large, and would misjudge an expression.
    """
    if connection.vendor == "postgresql":
        return rows.filter(path_range(path, field=path_field))
    walled: QuerySet[Any] = rows.alias(walled_path=Coalesce(path_field, path_field))
    return walled.filter(path_range(path, field="walled_path"))


@lru_cache(maxsize=64)
def _completed(model: type[Row], complete: Callable[[QuerySet[Row]], QuerySet[Row]]) -> Completed[Row]:
    return Completed(model, complete)


def _keys_of(rows: QuerySet[Any], count: int) -> Choice:
    return rows.values("pk")[:count].query.sql_with_params()


def kept(make: "Callable[..., Listing[Row]]", *shape: Hashable, values: Sequence[Value]) -> "Listing[Row]":
    """Return the list ``make(*shape, *values)``, the texts of whose statements are built once per process.

    The list that is made may be given another order, or completed otherwise. Where it is made one of other rows or of
    another branch, its texts are built as for any other.

    Args:
        make: a function of the program, which makes a list that is not filtered.
        shape: arguments that the texts depend on.
        values: arguments that they do not depend on, such as an account and paths; their number is part of the shape.
    """
    made = make(*shape, *values)
    return replace(made, recipe=_Recipe(make, shape, tuple(values), made.rows, made.branch_path))


@dataclass(frozen=True)
class Order:
    """A sort order that an index serves: a column, then the primary key in the same direction."""

    field: str
    descending: bool = False

    def names(self, *, backwards: bool = False) -> tuple[str, str]:
        """Return the arguments of ``order_by``."""
        sign = "-" if self.descending != backwards else ""
        return f"{sign}{self.field}", f"{sign}pk"


@dataclass(frozen=True)
class Cursor:
    """A place between two rows: the row it is next to, which way to read, and the number of the first row to read."""

    value: Any
    pk: int
    number: int
    backwards: bool = False

    def encode(self) -> str:
        """Return the cursor for an address."""
        value = {"at": self.value.isoformat()} if isinstance(self.value, datetime) else self.value
        packed = json.dumps([value, self.pk, self.number, self.backwards], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor | None":
        """Read a cursor from an address; none for anything that ``encode`` did not make."""
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            value, pk, number, backwards = json.loads(packed)
            if isinstance(value, dict):
                value = datetime.fromisoformat(value["at"]).astimezone(UTC)
            str(value).encode()  # a lone surrogate is no text
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        fits = isinstance(value, datetime) or (isinstance(value, str) and "\0" not in value)
        numbers = [pk, number] if fits else [value, pk, number]
        if not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            return None
        return cls(value, pk, number, bool(backwards))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list. ``pinned`` rows, which the caller shows above ``rows``, count as the page's first."""

    rows: Sequence[Row]
    pinned: int
    total: int
    total_is_bound: bool
    first_number: int
    per_page: int
    next: Cursor | None
    previous: Cursor | None

    @property
    def last_number(self) -> int:
        """The number of the page's last row."""
        return self.first_number + self.pinned + len(self.rows) - 1

    @property
    def page_number(self) -> int:
        """The number of the page, counted from 1; on the last page the number of pages, if that is known."""
        is_last = self.next is None and not self.total_is_bound
        return self._pages if is_last else (self.first_number - 1) // self.per_page + 1

    @property
    def pages_text(self) -> str:
        """How many pages there are, as the footer says it; empty where that is not known."""
        return "" if self.total_is_bound else f"of {self._pages}"

    @property
    def _pages(self) -> int:
        return max(1, -(-self.total // self.per_page))

    @property
    def per_page_choices(self) -> Sequence[int]:
        """How many rows a page may have."""
        return PER_PAGE_CHOICES

    @property
    def total_text(self) -> str:
        """The total as the footer says it."""
        if self.total_is_bound:
            return f"of more than {self.total:,} items"
        return f"of {self.total:,} item{'' if self.total == 1 else 's'}"


@dataclass(frozen=True)
class _Recipe:
    """What a list was made by; see ``kept``."""

    make: "Callable[..., Listing[Any]]"
    shape: tuple[Hashable, ...]
    values: tuple[Value, ...]
    rows: Callable[[], QuerySet[Any]]
    branch_path: str | None


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """A list of rows in one branch.

    Attributes:
        model: what the rows are.
        rows: selects everything that the filters leave, of one account; neither branch nor order applied.
        order: how it is sorted.
        branch_path: the path of the branch's root; none for the whole account.
        path_field: the rows' column with the copy of the path.
        complete: adds to a queryset what showing a row needs (joins): applied to the rows of one page only. A function
            of the program, which adds the same each time.
        is_filtered: whether ``rows`` are filtered by something that no index of the list knows.
        among: selects what ``rows`` are filtered from, together with those shown apart; an index can count these.
        apart: how many of ``among`` are never in ``rows``, because the caller shows them apart.
        sorted_in_branch: the columns that the index of paths has beside the path.
        by_index: ``rows`` once more, found by indexes without reading the branch (see accounts.text_index), for large
            branches; a row may occur twice.
        recipe: from ``kept``, if the texts of its statements are.
    """

    model: type[Row]
    rows: Callable[[], QuerySet[Row]]
    order: Order
    branch_path: str | None
    path_field: str
    complete: Callable[[QuerySet[Row]], QuerySet[Row]]
    is_filtered: bool = False
    among: Callable[[], QuerySet[Row]] | None = None
    apart: int = 0
    sorted_in_branch: Collection[str] = ()
    by_index: Sequence[QuerySet[Row]] = ()
    recipe: _Recipe | None = None

    def page(self, *, per_page: int, cursor: Cursor | None = None, pinned: int = 0) -> Page[Row]:
        """Return the page at ``cursor``, else the first, in two queries (three where a walk gave up, or rows are gone).

        Args:
            per_page: rows on a page.
            cursor: from ``Page.next`` or ``Page.previous``; one that fits no row leads to the nearest, and one behind
                which nothing is left to the last page, or the first.
            pinned: rows that the caller shows above the first page's own, which count as the list's first.
        """
        found = self._found()
        total = self._bounded_count() if found is None else len(found)
        if cursor is not None and not self._fits(cursor):
            cursor = None
        if cursor is not None and cursor.backwards and cursor.number <= per_page + 1:
            cursor = None  # the page before the second is the first, pinned rows included
        counted = min(total, COUNTED) + pinned
        place = None if cursor is None else self._place(cursor, total, counted, per_page, found=found)
        if place is None:
            wanted = per_page - pinned
            rows = self._read(total, None, wanted + 1, found=found)
            place = rows[:wanted], 1, False, len(rows) > wanted
        else:
            pinned = 0
        rows, first, has_previous, has_next = place
        number_after = first + pinned + len(rows)
        return Page(
            rows=rows,
            pinned=pinned,
            total=counted,
            total_is_bound=total > COUNTED,
            first_number=first,
            per_page=per_page,
            next=self._cursor(rows[-1], number_after) if has_next else None,
            previous=replace(self._cursor(rows[0], first), backwards=True) if has_previous and rows else None,
        )

    def _place(
        self, cursor: Cursor, total: int, counted: int, per_page: int, *, found: Sequence[tuple[Any, int]] | None
    ) -> tuple[list[Row], int, bool, bool] | None:
        """Return the rows at the cursor, the number of the first, and whether there are others before and behind.

        None where that is the first page by now. Rows may have gone since the address was made, and the numbers in it
        are of then: on the last page they are counted from the end.
        """
        rows = self._read(total, cursor, per_page + 1, found=found)
        has_more, rows = len(rows) > per_page, rows[:per_page]
        if cursor.backwards:
            rows.reverse()
            return (rows, cursor.number - len(rows), True, True) if has_more else None
        if has_more:
            return rows, cursor.number, True, True
        first, is_counted = cursor.number, total <= COUNTED
        if not rows:
            if counted <= per_page:
                return None
            # No rows follow the cursor any more: show the last page, whose rows are the first in the opposite order.
            other_way = replace(self, order=replace(self.order, descending=not self.order.descending))
            count = (counted - 1) % per_page + 1 if is_counted else per_page
            rows = other_way._read(total, None, count, found=found)
            rows.reverse()
            first = max(first - len(rows), 1)
        return rows, counted - len(rows) + 1 if is_counted else first, True, False

    def everything(self, chunk: int = 2_000) -> Any:
        """Yield every row in order, reading ``chunk`` at a time: for files, whose memory must not grow."""
        cursor, found = None, self._found()
        total = self._bounded_count() if found is None else len(found)
        while True:
            rows = self._read(total, cursor, chunk, found=found, walk_on=True)
            yield from rows
            if len(rows) < chunk:
                return
            cursor = self._cursor(rows[-1], 0)

    def count(self) -> int:
        """Return how many rows there are, however many; one query, which reads an entry of an index for each.

        Of a filtered list it reads the rows.
        """
        return self._branch(self.rows()).count()

    def _fits(self, cursor: Cursor) -> bool:
        """Whether the cursor's value is of the order's type: the address may be of another order, or made up."""
        field = self.model._meta.get_field(self.order.field)
        expected = {DateTimeField: datetime, PositiveIntegerField: int}.get(type(field), str)
        return isinstance(cursor.value, expected)

    def _cursor(self, row: Row, number: int) -> Cursor:
        return Cursor(getattr(row, self.order.field), row.pk, number)

    def _branch(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        if self.branch_path is None:
            return rows
        return rows.filter(path_range(self.branch_path, field=self.path_field))

    def _bounded_count(self) -> int:
        """Count the rows of the branch, COUNTED + 1 at most, from an index alone."""
        # Not ``count()``: the ORM takes longer to put a query of its own around this one than a database to answer it.
        entries, values = self._choose(Listing._entries, None, COUNTED + 1 + self.apart)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM ({entries}) AS entries", values)  # noqa: S608 - the ORM's own text
            return max(int(cursor.fetchone()[0]) - self.apart, 0)

    def _choose(self, way: Callable[..., Choice], cursor: Cursor | None, *counts: int) -> Choice:
        """Return the statement that chooses so many rows, or entries, in this way from the cursor on."""
        if (recipe := self._own_recipe()) is None:
            return way(self, cursor, *counts)
        values = recipe.values if cursor is None else (*recipe.values, cursor.value, cursor.pk)
        statement = _statement(
            recipe.make, *recipe.shape, order=self.order, way=way,
            backwards=cursor and cursor.backwards, counts=counts, kinds=tuple(map(type, values)),
        )  # fmt: skip
        return statement(*values)

    def _own_recipe(self) -> _Recipe | None:
        """Return the recipe that this list was made by; none for one that was made of it, of other rows."""
        recipe = self.recipe
        is_own = recipe is not None and (recipe.rows, recipe.branch_path) == (self.rows, self.branch_path)
        return recipe if is_own else None

    def _entries(self, _: Cursor | None, count: int) -> Choice:
        """Choose the branch's entries of an index, those apart included.

        To look for those among so many would take as long again. In the order of the index: PostgreSQL would else read
        the table from its beginning, past whatever other accounts there are. Of each a number: getting at a column
        takes longer than counting.
        """
        return self._entries_of((self.among if self.apart and self.among is not None else self.rows)(), count)

    def _entries_of(self, rows: QuerySet[Row], count: int) -> Choice:
        column = self.order.field if self.branch_path is None else self.path_field
        entries = self._branch(rows).order_by(column).annotate(entry=RawSQL("1", ())).values("entry")
        return entries[:count].query.sql_with_params()

    def _found(self) -> Sequence[tuple[Any, int]] | None:
        """Return (sort value, key) of the rows that a filter leaves, in no order, COUNTED + 1 at most.

        So they are found once, for the count and for the page. None without a filter: then indexes count and sort.
        """
        if not self.is_filtered:
            return None
        if self.among is None or not self.by_index:
            return list(self._branch(self.rows()).order_by().values_list(self.order.field, "pk")[: COUNTED + 1])
        found = self.model._default_manager.filter(AnsweredFirst(F("pk"), self._read_or_by_index(self.among())))
        return list(found.order_by().values_list(self.order.field, "pk"))

    def _read_or_by_index(self, among: QuerySet[Row]) -> RawSQL:
        """Return the keys of the rows that a filter leaves: a branch of up to _SORTED rows is read, a larger not.

        Both ways are in one statement, so that a search takes no more queries than a plain page. A limit of 0 keeps the
        database from running the unwanted way.
        """
        size, size_values = self._entries_of(among, COUNTED + 1)
        ways: list[str] = []
        values = [*size_values]
        read = self._branch(self.rows()).order_by().values("pk")
        others = [
            rows if self.branch_path is None else in_large_branch(rows, self.branch_path, self.path_field)
            for rows in self.by_index
        ]
        for way, condition in ((read, "<="), *((rows.order_by().values("pk"), ">") for rows in others)):
            statement, its_values = way.query.sql_with_params()
            limit = f"SELECT CASE WHEN n {condition} {_SORTED} THEN {COUNTED + 1} ELSE 0 END FROM size"  # noqa: S608
            ways.append(f"SELECT * FROM ({statement} LIMIT ({limit})) AS way{len(ways)}")  # noqa: S608
            values += its_values
        union = " UNION ALL ".join(ways)
        return RawSQL(  # noqa: S611 - the ORM's own text, and numbers
            f"WITH size AS (SELECT COUNT(*) AS n FROM ({size}) AS entries) {union}",  # noqa: S608
            values,
        )

    def _read(
        self,
        total: int,
        cursor: Cursor | None,
        count: int,
        *,
        found: Sequence[tuple[Any, int]] | None,
        walk_on: bool = False,
    ) -> list[Row]:
        """Return up to ``count`` rows from the cursor on, in reading order, choosing the cheaper way.

        Args:
            total: how many rows there are, COUNTED + 1 standing for more.
            cursor: where to begin.
            count: how many to read.
            found: from ``_found``.
            walk_on: walk as far as it takes, for a caller who reads to the end anyway.
        """
        if found is not None and total <= COUNTED:
            keys = self._next_of(found, cursor, count)
            return self._load((f"VALUES {', '.join(['(%s)'] * len(keys))}", keys), cursor) if keys else []
        if self.branch_path is None:
            return self._load(self._choose(Listing._whole, cursor, count), cursor)
        is_in_index = self.order.field in self.sorted_in_branch
        if total > (_SORTED if is_in_index or walk_on else _READ):
            if walk_on:
                return self._load(self._choose(Listing._walk, cursor, count), cursor)
            rows = self._load(self._choose(Listing._short_walk, cursor, count, _WALKED), cursor)
            if len(rows) == count:
                return rows
        return self._load(self._choose(Listing._range_and_sort, cursor, count), cursor)

    def _next_of(self, found: Sequence[tuple[Any, int]], cursor: Cursor | None, count: int) -> list[int]:
        """Return the keys of the first ``count`` from the cursor on in reading order."""
        downwards = self.order.descending != (cursor is not None and cursor.backwards)
        if cursor is not None:
            here = (cursor.value, cursor.pk)
            found = [place for place in found if (place < here if downwards else place > here)]
        return [pk for _, pk in (nlargest if downwards else nsmallest)(count, found)]

    def _load(self, choice: Choice, cursor: Cursor | None) -> list[Row]:
        """Read the chosen rows by their keys, so that joins are made for one page and not for all that was sorted."""
        # A list whose texts are kept is not filtered: each way takes the same index whatever the values.
        rows = _completed(self.model, self.complete)(*choice, is_planned_once=self._own_recipe() is not None)
        backwards = cursor is not None and cursor.backwards
        rows.sort(key=lambda row: (getattr(row, self.order.field), row.pk), reverse=self.order.descending != backwards)
        return rows

    def _in_order(self, cursor: Cursor | None) -> QuerySet[Any]:
        """Return the rows from the cursor on in reading order, whatever branch they are in."""
        backwards = cursor is not None and cursor.backwards
        rows = self.rows().filter(self._beyond(cursor, self.order.field))
        return rows.order_by(*self.order.names(backwards=backwards))

    def _whole(self, cursor: Cursor | None, count: int) -> Choice:
        return _keys_of(self._in_order(cursor), count)

    def _walk(self, cursor: Cursor | None, count: int) -> Choice:
        rows: QuerySet[Any] = self._in_order(cursor).alias(walked_path=Coalesce(self.path_field, self.path_field))
        return _keys_of(rows.filter(path_range(self.branch_path or "", field="walked_path")), count)

    def _short_walk(self, cursor: Cursor | None, count: int, walked: int) -> Choice:
        """Choose up to ``count`` rows of the branch among the next ``walked`` entries of the order.

        The ORM does not select from a subquery. Both databases read the inner one as it is asked for, and stop.
        """
        entries = self._in_order(cursor).values("pk", self.path_field)[:walked]
        statement, values = entries.query.sql_with_params()
        path = connection.ops.quote_name(self.path_field)
        bounds = [bound for _, bound in cast("list[tuple[str, str]]", path_range(self.branch_path or "").children)]
        walk = f"SELECT pk FROM ({statement}) AS walked"  # noqa: S608 - the ORM's own text, and a column's name
        return f"{walk} WHERE {path} >= %s AND {path} < %s LIMIT {count:d}", [*values, *bounds]

    def _range_and_sort(self, cursor: Cursor | None, count: int) -> Choice:
        backwards = cursor is not None and cursor.backwards
        rows = self._branch(self.rows()).alias(sorted_by=Coalesce(self.order.field, self.order.field))
        rows = rows.filter(self._beyond(cursor, "sorted_by"))
        return _keys_of(rows.order_by(*replace(self.order, field="sorted_by").names(backwards=backwards)), count)

    def _beyond(self, cursor: Cursor | None, field: str) -> Q:
        """Return the condition "after the cursor's row in reading order"; its first part is what an index can use."""
        if cursor is None:
            return Q()
        sign = "lt" if self.order.descending != cursor.backwards else "gt"
        return Q(**{f"{field}__{sign}e": cursor.value}) & (
            Q(**{f"{field}__{sign}": cursor.value}) | Q(**{f"pk__{sign}": cursor.pk})
        )


@lru_cache(maxsize=200)
def _statement(
    make: Callable[..., Listing[Any]],
    *shape: Hashable,
    order: Order,
    way: Callable[..., Choice],
    backwards: bool | None,
    counts: Sequence[int],
    kinds: Sequence[type[Value]],
) -> Statement:
    """Return the statement by which a way chooses rows, ``backwards`` or not from a cursor on, if there is one."""

    def choose(*values: Any) -> Choice:
        if backwards is None:
            return way(replace(make(*shape, *values), order=order), None, *counts)
        *given, value, pk = values
        cursor = Cursor(value, pk, number=0, backwards=backwards)
        return way(replace(make(*shape, *given), order=order), cursor, *counts)

    return Statement(choose, kinds)
