"""Object filters: which items of a list a caller wants, and in which order. Knows the grammar, not what there is.

What may be compared is a whitelist of columns; another name, and an operation that is not known, is a fault. What
comparisons mean is told in ``keys.api.filter_conditions``.

Items without a value come first in order, last in reversed order; at last the primary key decides.

*Source:* SoftLayer API reference, "Object Filters".
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import Any, TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from keys.api.calls import Value
from keys.api.faults import BadCall, Fault, shown
from keys.api.filter_conditions import ABOVE_ALL, Column, Comparison, Condition, clean, number_of

MOST_LEVELS = 8
MOST_LEAVES = 200
#: Each may have to be made with every row there is, which for a text takes some milliseconds in a large account.
MOST_COMPARISONS = 20
_MOST_OPTIONS = 10

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Related:
    """A relation: an item matches if one of these rows belongs to it and matches. One cannot sort by what is behind it.

    An item that has none is like one that has a row without any values.

    Attributes:
        rows: those that the caller may know of.
        link: their field that holds the primary key of what they belong to.
        columns: what may be compared of them.
    """

    rows: QuerySet[Any]
    link: str
    columns: "Columns"


Columns = Mapping[str, "Column | Related | Columns"]


def _nothing_asked() -> Condition:
    return Condition(holds_for_nothing=True)


def narrowed(rows: QuerySet[Row], asked: Mapping[str, Value], columns: Columns, *, root: str = "") -> QuerySet[Row]:
    """Return those of ``rows`` that a filter asks for, in the order that it asks for; at last by primary key.

    Args:
        rows: what there is without the filter, in any order.
        columns: what may be compared, by the names of properties; mappings stand for relations to one.
        root: the name below which the filter speaks of the rows; empty where it begins with their properties. An order
            beside the name is ignored, which some clients add without being asked.

    Raises BadCall for what is no filter, and Fault for what these rows cannot be asked.
    """
    named = _members(asked, "The object filter")
    if root:
        if strange := [name for name, below in named.items() if name != root and not _is_order(below)]:
            raise Fault(f"The object filter is to speak of “{root}”, and not of “{shown(strange[0])}”.")
        named = _members(named.get(root, {}), root)
    reader = _Reader(rows.model)
    condition = reader.read(named, columns)
    return rows.filter(condition.sql).order_by(*reader.orders(), "pk")


class _Reader:
    """Reads a filter and counts what it holds. Its recursion ends with the levels that are allowed."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._leaves = self._comparisons = 0
        self._orders: list[tuple[int | Decimal, Any]] = []

    def orders(self) -> Iterator[Any]:
        """Yield what to sort by, the most important first: the least number, then what was named first."""
        for _, order in sorted(self._orders, key=lambda ranked: ranked[0]):
            yield order

    def read(self, named: Mapping[str, Value], columns: Columns, level: int = 1, *, sorts: bool = True) -> Condition:
        """Return the condition that everything named holds.

        Args:
            named: properties and relations, with what is asked of them.
            sorts: whether the rows can be sorted by what is here.
        """
        if level > MOST_LEVELS:
            raise BadCall(f"The object filter is too deep: at most {MOST_LEVELS} levels.")
        found = _nothing_asked()
        for name, below in named.items():
            column = columns.get(name)
            if column is None:
                if level == 1 and name == "id" and _is_order(below):
                    continue  # added by a client that was not asked to
                raise Fault(f"“{shown(name)}” is no property that can be filtered by here.")
            if isinstance(column, Column):
                found &= self._property(name, below, column, sorts=sorts)
            elif isinstance(column, Related):
                found &= self._related(_members(below, name), column, level + 1)
            else:
                found &= self.read(_members(below, name), column, level + 1, sorts=sorts)
        return found

    def _related(self, named: Mapping[str, Value], relation: Related, level: int) -> Condition:
        there = self.read(named, relation.columns, level, sorts=False)
        if not there.sql:
            return _nothing_asked()
        belonging = relation.rows.filter(**{relation.link: OuterRef("pk")})
        sql = Q(Exists(belonging.filter(there.sql)))
        if there.holds_for_nothing:
            sql |= ~Q(Exists(belonging))
        return Condition(sql, there.holds_for_nothing)

    def _count(self, leaves: int, comparisons: int = 0) -> None:
        self._leaves += leaves
        self._comparisons += comparisons
        if self._leaves > MOST_LEAVES:
            raise BadCall(f"The object filter asks for too much: at most {MOST_LEAVES} values.")
        if self._comparisons > MOST_COMPARISONS:
            raise BadCall(
                f"The object filter asks for too much: at most {MOST_COMPARISONS} comparisons. “in” makes one, with "
                "many values."
            )

    def _property(self, name: str, leaf: Value, column: Column, *, sorts: bool) -> Condition:
        """Return the condition that an operation on a property makes; none if it sorts."""
        asked = _members(leaf, name)
        self._count(1)
        if not asked:
            return _nothing_asked()
        if unknown := [member for member in asked if member not in {"operation", "options"}]:
            raise Fault(f"“{shown(name)}” has no “{shown(unknown[0])}” that can be filtered by.")
        operation, options = asked.get("operation"), _options(asked.get("options"), name)
        word = _word(operation)
        if more := [option for option in options if option not in _OPTIONS.get(word, ())]:
            raise BadCall(f"The operation on “{shown(name)}” has no option “{shown(more[0])}”.")
        comparison = Comparison(name, column)
        if word == _ORDER:
            if not sorts:
                raise Fault(f"One cannot sort by “{shown(name)}” here: there may be several.")
            self._orders.append((_rank(options, name), self._order(column, options, name)))
            return _nothing_asked()
        if word in _OF_SEVERAL:
            values = _taken(options, "data", name)
            is_one = word in _OF_EQUALITY and comparison.looks_up
            self._count(len(values), 1 if is_one else len(values))
            return _OF_SEVERAL[word](comparison, values)
        if word in _OF_DATES:
            dates = _OF_DATES[word].items()
            self._count(0, len(dates))
            return reduce(and_, (comparison.with_date(sign, _one(options, option, name)) for option, sign in dates))
        self._count(0, 1)
        return comparison.literal(operation)

    def _order(self, column: Column, options: Mapping[str, Sequence[Value]], name: str) -> Any:
        direction = _word(_one(options, "sort", name)) if "sort" in options else "asc"
        by = column.sorted_by
        sure = {field.name for field in self._model._meta.concrete_fields if not field.null} | {"pk"}
        named = column.field if column.order is None else column.order
        is_never_null = column.known is None and isinstance(named, str) and named in sure
        # Said only where it matters: an index in PostgreSQL does not have this order.
        nulls = None if is_never_null else True
        if direction == "asc":
            return by.asc(nulls_first=nulls)
        if direction == "desc":
            return by.desc(nulls_last=nulls)
        raise BadCall(f"“{shown(name)}” is sorted by “ASC” or “DESC” alone.")


_OF_SEVERAL: Mapping[str, Callable[[Comparison, Sequence[Value]], Condition]] = {
    "in": Comparison.one_of,
    "not in": Comparison.none_of,
    "and": Comparison.all_of,
    "or": Comparison.any_of,
}
_OF_EQUALITY = {"in", "not in"}
#: Operations on dates: the options that hold dates, and how each is compared.
_OF_DATES = {
    "greaterthandate": {"date": ">"},
    "lessthandate": {"date": "<"},
    "isdate": {"date": ""},
    "betweendate": {"startDate": ">=", "endDate": "<="},
}
_ORDER = "orderby"
_OPTIONS: Mapping[str, Collection[str]] = {
    _ORDER: ("sort", "sortOrder"),
    **dict.fromkeys(_OF_SEVERAL, ("data",)),
    **_OF_DATES,
}


def _members(asked: Value, name: str) -> Mapping[str, Value]:
    """Return the members of a struct; none of an empty list, which is how PHP writes an empty struct."""
    if isinstance(asked, Mapping):
        return asked
    if isinstance(asked, Sequence) and not isinstance(asked, str) and not asked:
        return {}
    raise BadCall(f"{'' if ' ' in name else 'The object filter at '}“{shown(name)}” is to be a struct.")


def _is_order(leaf: Value) -> bool:
    return isinstance(leaf, Mapping) and _word(leaf.get("operation")) == _ORDER


def _word(value: Value) -> str:
    """Return a text in lower case; nothing for what is none."""
    return value.strip().lower() if isinstance(value, str) else ""


def _options(options: Value, name: str) -> Mapping[str, Sequence[Value]]:
    """Return the values of an operation's options by their names. Raises BadCall."""
    found: dict[str, Sequence[Value]] = {}
    if options is None:
        return found
    if not isinstance(options, Sequence) or isinstance(options, str) or len(options) > _MOST_OPTIONS:
        raise BadCall(f"The options of “{shown(name)}” are to be a list of at most {_MOST_OPTIONS} structs.")
    for option in options:
        if not (isinstance(option, Mapping) and isinstance(option.get("name"), str) and "value" in option):
            raise BadCall(f"Each option of “{shown(name)}” is to have a name and a value.")
        key, value = str(option["name"]), option["value"]
        if key in found:
            raise BadCall(f"“{shown(name)}” has the option “{shown(key)}” twice.")
        found[key] = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return found


def _taken(options: Mapping[str, Sequence[Value]], wanted: str, name: str) -> Sequence[Value]:
    if wanted not in options:
        raise BadCall(f"The operation on “{shown(name)}” needs the option “{wanted}”.")
    return options[wanted]


def _one(options: Mapping[str, Sequence[Value]], wanted: str, name: str) -> Value:
    values = _taken(options, wanted, name)
    if len(values) != 1:
        raise BadCall(f"The option “{wanted}” of “{shown(name)}” needs one value.")
    return values[0] if not isinstance(values[0], str) else clean(values[0])


def _rank(options: Mapping[str, Sequence[Value]], name: str) -> int | Decimal:
    """Return the place of an order among others; the last one if it has none."""
    return number_of(_one(options, "sortOrder", name), name) if "sortOrder" in options else ABOVE_ALL
