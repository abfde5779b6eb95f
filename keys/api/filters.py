"""Object filters: which items of a list a caller wants, and in which order. Knows the grammar, not what there is.

What may be compared is a whitelist of columns; another name, and an operation that is not known, is a fault.
Both databases give the same result, because nothing is left to their ideas of letters and order:

* An item without a value matches ``is null`` and nothing else, ``!=`` and the like included.
* Texts are equal, greater and less by their code points. ``*=``, ``^=`` and ``$=`` (contains, begins, ends) and ``_=``
  (equal) ignore the case of letters, those beyond ASCII too: the vendor's own clients document them so.
* Dates and times equal what is as exact as they are written: see ``keys.api.moments``.
* Items without a value come first in order, last in reversed order; at last the primary key decides.

*Source:* SoftLayer API reference, "Object Filters"; the comments of softlayer-python's ``utils.query_filter`` and of
softlayer-ruby's ``ObjectFilter`` on case.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any, TypeVar

from django.db.models import BooleanField, Case, Exists, F, Model, OuterRef, Q, QuerySet, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual

from keys.api.calls import Value
from keys.api.faults import BadCall, Fault, shown
from keys.api.letters import ByCodePoint, Matches, Pattern
from keys.api.moments import moments

MOST_CHARACTERS = 1_000  # of one operation
MOST_LEVELS = 8
MOST_LEAVES = 200
#: Each may have to be made with every row there is, which for a text takes some milliseconds in a large account.
MOST_COMPARISONS = 20

Row = TypeVar("Row", bound=Model)

_SIGNS = ("!^=", "!$=", "!*=", "!_=", "!~", "!=", ">=", "<=", "^=", "$=", "*=", "_=", "~", ">", "<")
_NULLS = {"is null": True, "not null": False}
_PLACES = {"*=": (True, True), "^=": (False, True), "$=": (True, False), "_=": (False, False)}
_LESS_OR_MORE = {">": GreaterThan, ">=": GreaterThanOrEqual, "<": LessThan, "<=": LessThanOrEqual}
_WITHOUT_CASE = {"_=": "", "!_=": "!="}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
_MOST = 2**63
_MOST_OPTIONS = 10
_TRUTHS: Mapping[str | int | None, bool] = {"true": True, "1": True, 1: True, "false": False, "0": False, 0: False}
_NEVER = Q(pk__in=())
#: The primary key to sort by, as an expression that no index serves. For a part of a list, PostgreSQL would walk
#: through the keys of all accounts until it has met enough rows of this one.
BY_KEY = Coalesce("pk", "pk")


class Seconds:
    """The kind of a moment that clients see as whole seconds since 1970."""


@dataclass(frozen=True)
class Column:
    """What may be compared and sorted by.

    Attributes:
        field: of the rows, also through relations to one; or an expression over them, or a condition.
        kind: ``str``, ``int``, ``bool``, ``datetime`` or ``Seconds``: what it holds.
        canonical: where all texts are stored in one form, with their case folded, what brings a text into it. Every
            comparison then ignores case, and equality can use an index.
        order: what to sort by instead: a field or expression that both databases put into the same order.
        known: for which rows the caller may know the value, if not for all. To filters, the others have none.
        found_by: what rows with an equal text meet besides, where an index serves that and not the comparison.
    """

    field: str | Combinable | Q
    kind: type
    canonical: Callable[[str], str] | None = None
    order: str | Combinable | None = None
    known: Q | None = None
    found_by: Callable[[str], Q] | None = None

    @property
    def value(self) -> Any:
        """The expression that is compared."""
        if isinstance(self.field, Q):
            return Case(When(self.field, then=True), default=False, output_field=BooleanField())
        return F(self.field) if isinstance(self.field, str) else self.field

    @property
    def sorted_by(self) -> Any:
        """The expression that is sorted by."""
        if self.order is None:
            by = ByCodePoint(self.value) if self.kind is str else self.value
        else:
            by = F(self.order) if isinstance(self.order, str) else self.order
        return by if self.known is None else Case(When(self.known, then=by))

    def where(self, condition: Q) -> Q:
        """Return the condition, which nothing meets that has no value, for what the caller may know."""
        return condition if self.known is None else self.known & condition

    @property
    def is_null(self) -> Q:
        """The condition "has no value"."""
        value = self.value if self.known is None else Case(When(self.known, then=self.value))
        return Q(IsNull(value, rhs=True))

    @property
    def has_value(self) -> Q:
        """The condition "has a value"."""
        return self.where(Q(IsNull(self.value, rhs=False)))


@dataclass(frozen=True)
class Related:
    """A relation: an item matches if one of these rows belongs to it and matches. One cannot sort by what is behind it.

    An item that has none is like one that has a row without any values.

    Attributes:
        rows: those that the caller may know of.
        link: their field that holds what they belong to.
        columns: what may be compared of them.
        of: the field of the item that ``link`` equals.
    """

    rows: QuerySet[Any]
    link: str
    columns: "Columns"
    of: str = "pk"


Columns = Mapping[str, "Column | Related | Columns"]


@dataclass(frozen=True)
class _Condition:
    """A condition in SQL, and whether an item without any values meets it."""

    sql: Q = field(default_factory=Q)
    holds_for_nothing: bool = False

    def __and__(self, other: "_Condition") -> "_Condition":
        return _Condition(self.sql & other.sql, self.holds_for_nothing and other.holds_for_nothing)

    def __or__(self, other: "_Condition") -> "_Condition":
        return _Condition(self.sql | other.sql, self.holds_for_nothing or other.holds_for_nothing)


def _nothing_asked() -> _Condition:
    return _Condition(holds_for_nothing=True)


def narrowed(
    rows: QuerySet[Row], asked: Mapping[str, Value], columns: Columns, *, root: str | None = None
) -> QuerySet[Row]:
    """Return those of ``rows`` that a filter asks for, in the order that it asks for; at last by primary key.

    Args:
        rows: what there is without the filter, in any order.
        columns: what may be compared, by the names of properties; mappings stand for relations to one.
        root: the name below which the filter speaks of the rows, if their properties are not its root. An order beside
            it is ignored then, which some clients add without being asked.

    Raises BadCall for what is no filter, and Fault for what these rows cannot be asked.
    """
    named = _members(asked, "The object filter")
    if root is not None:
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

    def read(self, named: Mapping[str, Value], columns: Columns, level: int = 1, *, sorts: bool = True) -> _Condition:
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

    def _related(self, named: Mapping[str, Value], relation: Related, level: int) -> _Condition:
        there = self.read(named, relation.columns, level, sorts=False)
        if not there.sql:
            return _nothing_asked()
        belonging = relation.rows.filter(**{relation.link: OuterRef(relation.of)})
        sql = Q(Exists(belonging.filter(there.sql)))
        if there.holds_for_nothing:
            sql |= ~Q(Exists(belonging))
        return _Condition(sql, there.holds_for_nothing)

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

    def _property(self, name: str, leaf: Value, column: Column, *, sorts: bool) -> _Condition:
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
        comparison = _Comparison(name, column)
        if word == _ORDER:
            if not sorts:
                raise Fault(f"One cannot sort by “{shown(name)}” here: there may be several.")
            self._orders.append((_rank(options, name), self._order(column, options, name)))
            return _nothing_asked()
        if word in _OF_SEVERAL:
            values = _taken(options, "data", name)
            self._count(len(values), comparison.comparisons(word, values))
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


@dataclass(frozen=True)
class _Comparison:
    """Makes conditions on one property.

    Attributes:
        name: of the property, for faults.
    """

    name: str
    column: Column

    def literal(self, operation: Value) -> _Condition:
        """Return the condition of an operation in one text, or of a value that is to be equal."""
        if not isinstance(operation, str):
            return self.with_value("", operation)
        text = _clean(operation)
        is_null = _NULLS.get(" ".join(text.lower().split()))
        if is_null is not None:
            return _Condition(self.column.is_null if is_null else self.column.has_value, holds_for_nothing=is_null)
        sign = next((sign for sign in _SIGNS if text.startswith(sign)), "")
        if sign in {"~", "!~"}:
            raise Fault("Regular expressions are not supported. Use “*=” (contains), “^=” (begins) or “$=” (ends).")
        if not sign and text.startswith(("=", "!")):
            raise BadCall(f"“{shown(text)}” does not begin with a known operation. To compare such a text use “in”.")
        return self.with_value(sign, text.removeprefix(sign).strip())

    def with_value(self, sign: str, value: Value) -> _Condition:
        """Return the condition that a sign makes with a value; no sign for "equal"."""
        return _Condition(self.column.where(self._compared(sign, value)))

    def _compared(self, sign: str, value: Value) -> Q:
        if self.column.kind is str:
            return self._text(sign, self._as_text(value))
        if sign.lstrip("!") in {"*=", "^=", "$="}:
            raise Fault(f"“{sign}” is for texts, which “{shown(self.name)}” is not.")
        sign = _WITHOUT_CASE.get(sign, sign)
        if self.column.kind is bool:
            return self._truth(sign, value)
        return self._span(sign, *self._as_span(value))

    def with_date(self, sign: str, value: Value) -> _Condition:
        """Return the condition that a sign makes with a date."""
        if self.column.kind is not datetime:
            raise Fault(f"“{shown(self.name)}” is no date.")
        return self.with_value(sign, value)

    def comparisons(self, word: str, values: Sequence[Value]) -> int:
        """Return how many comparisons an operation with several values makes."""
        return 1 if word in _OF_EQUALITY and self.column.kind in {str, int} else len(values)

    def one_of(self, values: Sequence[Value]) -> _Condition:
        """Return the condition "equals one of these"."""
        given = [_clean(value) if isinstance(value, str) else value for value in values]
        if self.column.kind not in {str, int}:
            return reduce(or_, (self.with_value("", value) for value in given), _Condition(_NEVER))
        if self.column.kind is str:
            equal: list[Any] = [self._as_text(value) for value in given]
        else:
            equal = [least for least, above in map(self._as_span, given) if least < above]
        return _Condition(self.column.where(Q(In(self.column.value, equal))) if equal else _NEVER)

    def none_of(self, values: Sequence[Value]) -> _Condition:
        """Return the condition "has a value, and equals none of these"."""
        return _Condition(self.column.has_value & ~self.one_of(values).sql)

    def all_of(self, operations: Sequence[Value]) -> _Condition:
        """Return the condition that all of these operations make together."""
        return reduce(and_, map(self.literal, self._some(operations)))

    def any_of(self, operations: Sequence[Value]) -> _Condition:
        """Return the condition that any of these operations makes."""
        return reduce(or_, map(self.literal, self._some(operations)))

    def _some(self, operations: Sequence[Value]) -> Sequence[Value]:
        if not operations:
            raise BadCall(f"“{shown(self.name)}” is compared with nothing: give operations as “data”.")
        return operations

    def _as_text(self, value: Value) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadCall(f"“{shown(self.name)}” cannot be compared with that: give a text.")
        text = value if isinstance(value, str) else str(_number(value, self.name))
        return self.column.canonical(text) if self.column.canonical else unicodedata.normalize("NFC", text)

    def _text(self, sign: str, text: str) -> Q:
        value, is_folded = self.column.value, self.column.canonical is not None
        if sign == "" or (sign == "_=" and is_folded):
            return self._found(text) & Q(Exact(value, text))
        if sign == "!=":
            return ~Q(Exact(value, text))
        if sign in _LESS_OR_MORE:
            return Q(_LESS_OR_MORE[sign](ByCodePoint(value), text))
        opens, closes = _PLACES[sign.lstrip("!")]
        if not text and (opens or closes):
            raise BadCall(f"“{sign}” needs a text to look for in “{shown(self.name)}”.")
        pattern = Pattern(text, ignores_case=not is_folded, opens=opens, closes=closes)
        matches = Q(Matches(value, pattern, negated=sign.startswith("!")))
        # Of other letters, those that differ by case need not be the same to who made the index.
        return self._found(text) & matches if sign == "_=" and text.isascii() else matches

    def _found(self, text: str) -> Q:
        return self.column.found_by(text) if self.column.found_by else Q()

    def _truth(self, sign: str, value: Value) -> Q:
        known = value.lower() if isinstance(value, str) else value if isinstance(value, int) else None
        truth = _TRUTHS.get(known)
        if truth is None or sign not in {"", "!="}:
            raise BadCall(f"“{shown(self.name)}” is true or false: compare it with one of these, by “!=” or as equal.")
        return Q(Exact(self.column.value, truth is (sign == "")))

    def _as_span(self, value: Value) -> tuple[Any, Any]:
        """Return the least that equals ``value``, and the least that is greater: whole numbers, or moments."""
        if self.column.kind is datetime:
            if not isinstance(value, str):
                raise BadCall(f"“{shown(self.name)}” is a date: give a text such as 10/24/2026 0:0:0.")
            try:
                return moments(value)
            except ValueError:
                raise BadCall(f"“{shown(value)}” is no date such as 10/24/2026 0:0:0 or 2026-10-24T00:00:00.") from None
        number = _number(value, self.name)
        least, above = math.ceil(number), math.floor(number) + 1
        if self.column.kind is int:
            return least, above
        try:
            return datetime.fromtimestamp(least, UTC), datetime.fromtimestamp(above, UTC)
        except (ValueError, OverflowError, OSError):
            raise BadCall(f"“{shown(self.name)}” cannot be compared with seconds so long ago, or so far off.") from None

    def _span(self, sign: str, least: Any, above: Any) -> Q:
        value = self.column.value
        if sign in {">", ">="}:
            return Q(GreaterThanOrEqual(value, above if sign == ">" else least))
        if sign in {"<", "<="}:
            return Q(LessThan(value, least if sign == "<" else above))
        if least >= above:  # a fraction, which no whole number equals
            return _NEVER if sign == "" else Q(IsNull(value, rhs=False))
        if self.column.kind is int:
            return Q(Exact(value, least)) if sign == "" else ~Q(Exact(value, least))
        if sign == "":
            return Q(GreaterThanOrEqual(value, least)) & Q(LessThan(value, above))
        return Q(LessThan(value, least)) | Q(GreaterThanOrEqual(value, above))


_OF_SEVERAL: Mapping[str, Callable[[_Comparison, Sequence[Value]], _Condition]] = {
    "in": _Comparison.one_of,
    "not in": _Comparison.none_of,
    "and": _Comparison.all_of,
    "or": _Comparison.any_of,
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
    return values[0] if not isinstance(values[0], str) else _clean(values[0])


def _rank(options: Mapping[str, Sequence[Value]], name: str) -> int | Decimal:
    """Return the place of an order among others; the last one if it has none."""
    return _number(_one(options, "sortOrder", name), name) if "sortOrder" in options else _MOST


def _clean(text: str) -> str:
    """Return a text without space around it. Raises BadCall for what neither database could be asked."""
    if len(text) > MOST_CHARACTERS:
        raise BadCall(f"A text in the object filter is too long: at most {MOST_CHARACTERS:,} characters.")
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise BadCall("A text in the object filter holds what is no character.")
    return text.strip()


def _number(value: Value, name: str) -> int | Decimal:
    """Return a number that is given as such or as a text. Raises BadCall."""
    number: int | Decimal | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and math.isfinite(value):
        number = Decimal(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = Decimal(value.strip())
    if number is None or not -_MOST < number < _MOST:
        raise BadCall(f"“{shown(name)}” is a number, and cannot be compared with that.")
    return number
