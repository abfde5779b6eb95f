"""What an object filter compares, and the conditions in SQL that its comparisons become.

Both databases give the same result, because nothing is left to their ideas of letters and order:

* An item without a value matches ``is null`` and nothing else, ``!=`` and the like included.
* Texts are equal, greater and less by their code points. ``*=``, ``^=`` and ``$=`` (contains, begins, ends) and ``_=``
  (equal) ignore the case of letters, those beyond ASCII too: the vendor's own clients document them so.
* Dates and times equal what is as exact as they are written: see ``keys.api.filter_dates``.

*Source:* SoftLayer API reference, "Object Filters"; the comments of softlayer-python's ``utils.query_filter`` and of
softlayer-ruby's ``ObjectFilter`` on case.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import BooleanField, Case, F, Q, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual

from keys.api.calls import Value
from keys.api.faults import BadCall, Fault, shown
from keys.api.filter_dates import moments
from keys.api.filter_texts import ByCodePoint, Matches, Pattern

MOST_CHARACTERS = 1_000  # of one operation
#: All numbers that are compared lie below this, and above its negative: no column holds others.
ABOVE_ALL = 2**63

#: The beginnings of operations, those that begin with another one first.
SIGNS = ("!^=", "!$=", "!*=", "!_=", "!~", "!=", ">=", "<=", "^=", "$=", "*=", "_=", "~", ">", "<")
NULLS = {"is null": True, "not null": False}
_PLACES = {"*=": (True, True), "^=": (False, True), "$=": (True, False), "_=": (False, False)}
_LESS_OR_MORE = {">": GreaterThan, ">=": GreaterThanOrEqual, "<": LessThan, "<=": LessThanOrEqual}
_WITHOUT_CASE = {"_=": "", "!_=": "!="}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
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
class Condition:
    """A condition in SQL, and whether an item without any values meets it."""

    sql: Q = field(default_factory=Q)
    holds_for_nothing: bool = False

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(self.sql & other.sql, self.holds_for_nothing and other.holds_for_nothing)

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(self.sql | other.sql, self.holds_for_nothing or other.holds_for_nothing)


@dataclass(frozen=True)
class Comparison:
    """Makes conditions on one property.

    Attributes:
        name: of the property, for faults.
    """

    name: str
    column: Column

    def literal(self, operation: Value) -> Condition:
        """Return the condition of an operation in one text, or of a value that is to be equal."""
        if not isinstance(operation, str):
            return self.with_value("", operation)
        text = clean(operation)
        is_null = NULLS.get(" ".join(text.lower().split()))
        if is_null is not None:
            return Condition(self.column.is_null if is_null else self.column.has_value, holds_for_nothing=is_null)
        sign = next((sign for sign in SIGNS if text.startswith(sign)), "")
        if sign in {"~", "!~"}:
            raise Fault("Regular expressions are not supported. Use “*=” (contains), “^=” (begins) or “$=” (ends).")
        if not sign and text.startswith(("=", "!")):
            raise BadCall(f"“{shown(text)}” does not begin with a known operation. To compare such a text use “in”.")
        return self.with_value(sign, text.removeprefix(sign).strip())

    def with_value(self, sign: str, value: Value) -> Condition:
        """Return the condition that a sign makes with a value; no sign for "equal"."""
        return Condition(self.column.where(self._compared(sign, value)))

    def _compared(self, sign: str, value: Value) -> Q:
        if self.column.kind is str:
            return self._text(sign, self._as_text(value))
        if sign.lstrip("!") in {"*=", "^=", "$="}:
            raise Fault(f"“{sign}” is for texts, which “{shown(self.name)}” is not.")
        sign = _WITHOUT_CASE.get(sign, sign)
        if self.column.kind is bool:
            return self._truth(sign, value)
        return self._span(sign, *self._as_span(value))

    def with_date(self, sign: str, value: Value) -> Condition:
        """Return the condition that a sign makes with a date."""
        if self.column.kind is not datetime:
            raise Fault(f"“{shown(self.name)}” is no date.")
        return self.with_value(sign, value)

    @property
    def looks_up(self) -> bool:
        """Whether a database finds one of many values in one comparison."""
        return self.column.kind in {str, int}

    def one_of(self, values: Sequence[Value]) -> Condition:
        """Return the condition "equals one of these"."""
        given = [clean(value) if isinstance(value, str) else value for value in values]
        if not self.looks_up:
            return reduce(or_, (self.with_value("", value) for value in given), Condition(_NEVER))
        if self.column.kind is str:
            equal: list[Any] = [self._as_text(value) for value in given]
        else:
            equal = [least for least, above in map(self._as_span, given) if least < above]
        return Condition(self.column.where(Q(In(self.column.value, equal))) if equal else _NEVER)

    def none_of(self, values: Sequence[Value]) -> Condition:
        """Return the condition "has a value, and equals none of these"."""
        return Condition(self.column.has_value & ~self.one_of(values).sql)

    def all_of(self, operations: Sequence[Value]) -> Condition:
        """Return the condition that all of these operations make together."""
        return reduce(and_, map(self.literal, self._some(operations)))

    def any_of(self, operations: Sequence[Value]) -> Condition:
        """Return the condition that any of these operations makes."""
        return reduce(or_, map(self.literal, self._some(operations)))

    def _some(self, operations: Sequence[Value]) -> Sequence[Value]:
        if not operations:
            raise BadCall(f"“{shown(self.name)}” is compared with nothing: give operations as “data”.")
        return operations

    def _as_text(self, value: Value) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadCall(f"“{shown(self.name)}” cannot be compared with that: give a text.")
        text = value if isinstance(value, str) else str(number_of(value, self.name))
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
        number = number_of(value, self.name)
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


def clean(text: str) -> str:
    """Return a text without space around it. Raises BadCall for what neither database could be asked."""
    if len(text) > MOST_CHARACTERS:
        raise BadCall(f"A text in the object filter is too long: at most {MOST_CHARACTERS:,} characters.")
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise BadCall("A text in the object filter holds what is no character.")
    return text.strip()


def number_of(value: Value, name: str) -> int | Decimal:
    """Return a number that is given as such or as a text. Raises BadCall."""
    number: int | Decimal | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and math.isfinite(value):
        number = Decimal(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = Decimal(value.strip())
    if number is None or not -ABOVE_ALL < number < ABOVE_ALL:
        raise BadCall(f"“{shown(name)}” is a number, and cannot be compared with that.")
    return number
