"""Queries whose text is built once per process and that are run again with other values.

Django builds the text of a query each time it runs, which for the queries of every request takes several times as long
as running them, and to make models of the results. There is no public way to keep the text. This module, and no other,
relies on how ``QuerySet`` and ``SQLCompiler`` work together.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import itemgetter
from typing import Any, Generic, TypeVar

from django.db import DatabaseError, connection, connections
from django.db.models import F, Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.expressions import RawSQL
from django.db.models.lookups import In

from accounts import plans

Row = TypeVar("Row", bound=Model)
Answer = TypeVar("Answer")

#: Placeholders for values while the text is built: numbers from here downwards, or their digits, and days from here on.
#: Every column can hold them, and no query contains them otherwise.
_PLACEHOLDER = 2**31 - 1
_DAY = datetime(9000, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1
#: For each connection, which keeps them in PostgreSQL's memory: some hundred kilobytes each.
_MOST_PLANS = 100

Value = int | str | datetime
#: A function from the values that are given to a parameter of the statement.
_Parameter = Callable[[Sequence[Any]], Any]


class Prepared(Generic[Answer]):
    """A query whose values are given later: ``Prepared(lambda pk: Member.objects.filter(pk=pk))``.

    Whatever else it depends on must be the same for the life of the process.

    Args:
        make: builds the query; each of its arguments is a value, which may be used several times. A text may be part of
            a longer one, and of a moment the day in UTC may be used; a number is used as it is.
        of: the type of the values, ``int``, ``str`` or ``datetime``: one for all, or one for each.
        is_planned_once: whether PostgreSQL may keep its plan. Not where the best one depends on the values.
    """

    def __init__(
        self,
        make: Callable[..., QuerySet[Any, Answer]],
        *,
        of: type[Value] | Sequence[type[Value]] = int,
        is_planned_once: bool = True,
    ) -> None:
        self._make, self._is_planned_once = make, is_planned_once
        kinds = [of] * len(inspect.signature(make).parameters) if isinstance(of, type) else of
        self._placeholders = _placeholders(kinds)

    def __call__(self, *values: Value) -> list[Answer]:
        """Return the rows for these values: one query, or none for a number that no column can hold.

        Raises TypeError for another number of values than ``make`` takes.
        """
        if len(values) != len(self._placeholders):
            raise TypeError(f"There are {len(self._placeholders)} values to give, not {len(values)}.")
        if any(isinstance(value, int) and abs(value) > _LARGEST for value in values):
            return []
        parameters = [parameter(values) for parameter in self._parameters]
        return self._made.rows(self._made.statement, parameters, is_planned_once=self._is_planned_once)

    def first(self, *values: Value) -> Answer | None:
        """Return the first of the rows for these values, if any."""
        return next(iter(self(*values)), None)

    @cached_property
    def _made(self) -> "_Made[Answer]":
        return _Made.of(self._make(*self._placeholders))

    @cached_property
    def _parameters(self) -> list[_Parameter]:
        return _parameters(self._made.parameters, self._placeholders, connections[self._made.using].ops)


class Statement:
    """The text of a statement, built once, with its parameters for values that are given later.

    Args:
        make: builds text and parameters; each of its arguments is a value, as in ``Prepared``.
        of: the type of each value.
    """

    def __init__(self, make: Callable[..., tuple[str, Sequence[Any]]], of: Sequence[type[Value]]) -> None:
        placeholders = _placeholders(of)
        self._text, made = make(*placeholders)
        self._parameters = _parameters(made, placeholders, connection.ops)

    def __call__(self, *values: Value) -> tuple[str, list[Any]]:
        """Return the text, and its parameters for these values."""
        return self._text, [parameter(values) for parameter in self._parameters]


def _parameters(made: Sequence[Any], placeholders: Sequence[Value], operations: Any) -> list[_Parameter]:
    """Return functions from values to the parameters that are ``made`` of the placeholders."""
    return [_parameter(each, placeholders, operations) for each in made]


def _parameter(made: Any, placeholders: Sequence[Value], operations: Any) -> _Parameter:
    """Return the function that gives what stands for a placeholder, or the parameter as it was made if none does."""
    moment, day = operations.adapt_datetimefield_value, operations.adapt_datefield_value
    for number, placeholder in enumerate(placeholders):
        if isinstance(placeholder, datetime):
            if made == moment(placeholder):
                return _given(number, lambda at: moment(at.astimezone(UTC)))
            if made == day(placeholder.date()):
                return _given(number, lambda at: day(at.astimezone(UTC).date()))
        elif isinstance(placeholder, str):
            if isinstance(made, str) and placeholder in made:
                return _given(number, "{0}".join(map(_escaped, made.split(placeholder))).format)
        elif made == placeholder:
            return itemgetter(number)
    return lambda _: made


def _placeholders(kinds: Sequence[type[Value]]) -> list[Value]:
    return [_placeholder(kind, number) for number, kind in enumerate(kinds)]


def _placeholder(kind: type[Value], number: int) -> Value:
    if kind is datetime:
        return _DAY + timedelta(days=number)
    return str(_PLACEHOLDER - number) if kind is str else _PLACEHOLDER - number


def _given(number: int, work: Callable[[Any], Any]) -> _Parameter:
    """Return the function that gives one of the values, worked into what the database takes."""
    return lambda values: work(values[number])


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


class AnsweredFirst(In):
    """``IN (subquery)`` that is evaluated before anything is joined.

    PostgreSQL's planner keeps joins of more than eight tables in the order in which they are written: it would join
    people to all rows before selecting the few that were chosen.
    """

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Write the subquery as an array, which PostgreSQL evaluates first."""
        column, column_values = self.process_lhs(compiler, connection)
        subquery, values = self.process_rhs(compiler, connection)
        return f"{column} = ANY (ARRAY{subquery})", [*column_values, *values]


class Completed(Generic[Row]):
    """Loads rows with what showing them needs, by keys that another statement selects.

    ``Completed(Member, with_people)``, for example.

    Args:
        model: what the rows are.
        complete: adds joins and columns to a queryset; the same for the life of the process.
    """

    _CHOICE = "the statement that chooses"

    def __init__(self, model: type[Row], complete: Callable[[QuerySet[Row]], QuerySet[Row]]) -> None:
        self._model = model
        self._complete = complete

    def __call__(self, choice: str, values: Sequence[Any], *, is_planned_once: bool = False) -> list[Row]:
        """Return the rows whose keys the statement ``choice`` selects with these values, in no order; one query.

        With ``is_planned_once``, PostgreSQL may keep the plan for all choices with this text.
        """
        before, after = self._made.statement.split(self._CHOICE)
        place = self._made.parameters.index(_PLACEHOLDER)
        own = self._made.parameters
        parameters = [*own[:place], *values, *own[place + 1 :]]
        return self._made.rows(before + choice + after, parameters, is_planned_once=is_planned_once)

    @cached_property
    def _made(self) -> "_Made[Row]":
        chosen = AnsweredFirst(F("pk"), RawSQL(self._CHOICE, [_PLACEHOLDER]))  # noqa: S611 - a mark, never asked
        return _Made.of(self._complete(self._model._default_manager.filter(chosen)))


@dataclass(frozen=True)
class _Made(Generic[Answer]):
    """A query whose text is built, with everything that is needed to read its results.

    Attributes:
        using: the name of its connection; each thread has one of its own.
        table: what it selects from.
        statement: its text.
        parameters: what the query was built with.
        converters: the functions that convert values from the database, with the column, by its place.
        answer: makes an answer of the values of a row.
    """

    using: str
    table: str
    statement: str
    parameters: Sequence[Any]
    converters: Mapping[int, tuple[Sequence[Callable[..., Any]], Any]]
    answer: Callable[[Sequence[Any]], Answer]

    @classmethod
    def of(cls, queryset: QuerySet[Any, Answer]) -> "_Made[Answer]":
        compiler: Any = queryset.query.get_compiler(using=queryset.db)
        statement, parameters = compiler.as_sql()
        converters = _quicker(compiler.get_converters([column for column, *_ in compiler.select]), compiler.connection)
        table = queryset.model._meta.db_table
        return cls(queryset.db, table, statement, parameters, converters, _answer(queryset, compiler))

    def rows(self, statement: str, parameters: Sequence[Any], *, is_planned_once: bool) -> list[Answer]:
        """Run ``statement``, which selects the same columns as this query, and return the result."""
        asked = connections[self.using]
        with asked.cursor() as cursor:
            if is_planned_once and asked.vendor == "postgresql":
                self._execute_kept(cursor, statement, tuple(parameters))
            else:
                cursor.execute(statement, tuple(parameters))
            found = [list(row) for row in cursor.fetchall()]
        for place, (converters, column) in self.converters.items():
            for row in found:
                for converter in converters:
                    row[place] = converter(row[place], column, asked)
        return [self.answer(row) for row in found]

    def _execute_kept(self, cursor: Any, statement: str, parameters: Sequence[Any]) -> None:
        asked = connections[self.using]
        driver = asked.connection
        with asked.wrap_database_errors:
            name = plans.kept(driver, statement, about=self.table, at_most=_MOST_PLANS)
        kept = f"EXECUTE {name} ({', '.join(['%s'] * len(parameters))})" if name else statement
        try:
            cursor.execute(kept, parameters)
        except DatabaseError as error:
            if not plans.forget_lost(driver, error) or asked.in_atomic_block:
                raise
            cursor.execute(statement, parameters)


def _quicker(converters: Mapping[int, Any], asked: Any) -> Mapping[int, Any]:
    """Return the converters, with one of ours for the moments that SQLite keeps without their zone, which is UTC.

    Django's looks at settings for each value, and takes five times as long: there are two in each row of a list.
    """
    if asked.vendor != "sqlite":
        return converters
    djangos = asked.ops.convert_datetimefield_value
    return {
        place: ([_moment if each == djangos else each for each in functions], column)
        for place, (functions, column) in converters.items()
    }


def _moment(kept: datetime | str | None, *_: Any) -> datetime | None:
    """Return a moment, which the driver gives for a column, and as text for an expression."""
    if isinstance(kept, str):
        kept = datetime.fromisoformat(kept)
    return None if kept is None else kept.replace(tzinfo=UTC)


def _answer(queryset: QuerySet[Any, Any], compiler: Any) -> Callable[[Sequence[Any]], Any]:
    """Return a function that makes of a row what the queryset makes: a model, or a dict where it has ``values``."""
    if names := queryset.query.selected:
        return lambda row: dict(zip(names, row, strict=False))  # what follows is there to sort by
    return _model(compiler.klass_info, compiler.select, compiler.annotation_col_map, queryset.db)


def _model(
    kind: Mapping[str, Any], columns: Sequence[Any], annotations: Mapping[str, int], using: str
) -> Callable[[Sequence[Any]], Any]:
    """Return a function that makes a model of a row, and the models that it is joined to; None where it has no key.

    It fills in what was read and calls no ``__init__``, which takes most of the time that making a model takes, and
    sends signals that nothing here listens to.
    """
    model, places = kind["model"], kind["select_fields"]
    own = slice(places[0], places[-1] + 1)
    names = [column.target.attname for column, *_ in columns[own]]
    key = places[0] + names.index(model._meta.pk.attname)
    others = [
        (other["local_setter"], other["remote_setter"], _model(other, columns, {}, using))
        for other in kind.get("related_klass_infos", ())
    ]

    def make(row: Sequence[Any]) -> Any:
        if row[key] is None:
            return None
        made = model.__new__(model)
        made._state = state = ModelState()
        state.adding, state.db = False, using
        values = vars(made)
        values.update(zip(names, row[own], strict=True))
        for name, place in annotations.items():
            values[name] = row[place]
        for set_other, set_back, make_other in others:
            set_other(made, other := make_other(row))
            if other is not None:
                set_back(other, made)
        return made

    return make
