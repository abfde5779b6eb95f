"""Statements that are made once in a process and asked again with other values.

Django makes the text of a query anew each time, which for those of every request takes several times as long as asking
it. There is no public way to keep it: what is relied on is how ``QuerySet`` and ``SQLCompiler`` work together, in this
module alone.
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import F, Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.lookups import In

Row = TypeVar("Row", bound=Model)

#: The numbers, or their digits, that stand for values while a statement is made, from here downwards: every column can
#: hold them, and no query has one of its own.
_PLACEHOLDER = 2**31 - 1
_LARGEST = 2**63 - 1


class Prepared(Generic[Row]):
    """A query whose values are numbers, or text: ``Prepared(lambda pk: Member.objects.filter(pk=pk))``.

    Whatever else it depends on must be the same for the life of the process.

    Args:
        make: makes the query; each of its arguments is a value, which may stand in it several times.
        of: what its values are, ``int`` or ``str``.
    """

    def __init__(self, make: Callable[..., QuerySet[Row]], *, of: type[int] | type[str] = int) -> None:
        self._make = make
        count = len(inspect.signature(make).parameters)
        self._placeholders = [of(_PLACEHOLDER - number) for number in range(count)]

    def __call__(self, *values: int | str) -> list[Row]:
        """Return the rows for these values: one query, none for a number that no column holds."""
        if any(isinstance(value, int) and abs(value) > _LARGEST for value in values):
            return []
        places = dict(zip(self._placeholders, values, strict=True))
        asked = [places.get(each, each) if isinstance(each, int | str) else each for each in self._made.parameters]
        return self._made.rows(self._made.statement, asked)

    def first(self, *values: int | str) -> Row | None:
        """Return the first of the rows for these values, if any."""
        return next(iter(self(*values)), None)

    @cached_property
    def _made(self) -> "_Made[Row]":
        return _Made.of(self._make(*self._placeholders))


class AnsweredFirst(In):
    """``IN (subquery)`` that is answered before anything is joined.

    PostgreSQL's planner leaves joins of more than eight tables in the order they are written: it would join the people
    to all rows, and then look for the few that were chosen.
    """

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Make it an array, which PostgreSQL takes for a value."""
        column, column_values = self.process_lhs(compiler, connection)
        subquery, values = self.process_rhs(compiler, connection)
        return f"{column} = ANY (ARRAY{subquery})", [*column_values, *values]


class Completed(Generic[Row]):
    """Rows with what showing them needs, of keys that another statement chooses: ``Completed(Member, with_people)``.

    Args:
        model: what the rows are.
        complete: adds joins and columns to a queryset; the same for the life of the process.
    """

    _CHOICE = "the statement that chooses"

    def __init__(self, model: type[Row], complete: Callable[[QuerySet[Row]], QuerySet[Row]]) -> None:
        self._model = model
        self._complete = complete

    def __call__(self, choice: str, values: Sequence[Any]) -> list[Row]:
        """Return, in no order, the rows whose keys the statement ``choice`` gives for these values; one query."""
        before, after = self._made.statement.split(self._CHOICE)
        place = self._made.parameters.index(_PLACEHOLDER)
        own = self._made.parameters
        return self._made.rows(before + choice + after, [*own[:place], *values, *own[place + 1 :]])

    @cached_property
    def _made(self) -> "_Made[Row]":
        chosen = AnsweredFirst(F("pk"), RawSQL(self._CHOICE, [_PLACEHOLDER]))  # noqa: S611 - a mark, never asked
        return _Made.of(self._complete(self._model._default_manager.filter(chosen)))


@dataclass(frozen=True)
class _Made(Generic[Row]):
    """A query whose text is made, and all that reading its answers takes."""

    queryset: QuerySet[Row]
    compiler: Any
    statement: str
    parameters: Sequence[Any]
    converters: Mapping[int, Any]

    @classmethod
    def of(cls, queryset: QuerySet[Row]) -> "_Made[Row]":
        compiler = queryset.query.get_compiler(using=queryset.db)
        statement, parameters = compiler.as_sql()
        # How what the database gives is read: found out again for each answer, that is a third of the work.
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])
        return cls(queryset, compiler, statement, parameters, converters)

    def rows(self, statement: str, parameters: Sequence[Any]) -> list[Row]:
        """Return the answer to ``statement``, which asks for what this one does."""
        answered = copy.copy(self.compiler)
        answered.connection = connections[self.queryset.db]  # each thread has its own
        answered.as_sql = lambda *_, **__: (statement, tuple(parameters))
        answered.get_converters = lambda _: self.converters
        query = copy.copy(self.queryset.query)
        query.get_compiler = lambda *_, **__: answered  # type: ignore[method-assign]  # of this copy alone
        return list(QuerySet(self.queryset.model, query=query, using=self.queryset.db))
