"""Statements that are made once in a process and asked again with other values.

Django makes the text of a query anew each time, which for those of every request takes several times as long as asking
it. There is no public way to keep it: what is relied on is how ``QuerySet`` and ``SQLCompiler`` work together, in this
module alone.
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet

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
        queryset, compiler, statement, parameters, converters = self._made
        answered = copy.copy(compiler)
        answered.connection = connections[queryset.db]  # each thread has its own
        places = dict(zip(self._placeholders, values, strict=True))
        asked = tuple(places.get(each, each) if isinstance(each, int | str) else each for each in parameters)
        answered.as_sql = lambda *_, **__: (statement, asked)
        answered.get_converters = lambda _: converters
        query = copy.copy(queryset.query)
        query.get_compiler = lambda *_, **__: answered  # type: ignore[method-assign]  # of this copy alone
        return list(QuerySet(queryset.model, query=query, using=queryset.db))

    def first(self, *values: int | str) -> Row | None:
        """Return the first of the rows for these values, if any."""
        return next(iter(self(*values)), None)

    @cached_property
    def _made(self) -> tuple[QuerySet[Row], Any, str, Sequence[Any], Mapping[int, Any]]:
        queryset = self._make(*self._placeholders)
        compiler = queryset.query.get_compiler(using=queryset.db)
        statement, parameters = compiler.as_sql()
        # How what the database gives is read: found out again for each answer, that is a third of the work.
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])
        return queryset, compiler, statement, parameters, converters
