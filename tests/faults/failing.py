"""Faults at chosen statements, and what is stored before and after them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.apps import apps
from django.db import connection

from accounts.models import AttemptCount

#: More statements than any write has: one that never came to its end would be tried for ever.
MOST_STATEMENTS = 100


class Broken(Exception):
    """Of no kind that anything in the program expects."""


@contextmanager
def failing(number: int, kind: type[Exception]) -> Iterator[list[str]]:
    """Let the statement of that number fail inside the block; afterwards the list holds it, if there was one."""
    numbers, failed = count(1), []

    def execute(execute, sql, params, many, context):
        if next(numbers) == number:
            failed.append(sql)
            raise kind("the fault")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield failed


def stored() -> Mapping[str, Any]:
    """Every row of both apps by table; without the counts of attempts, which are raised first and on purpose."""
    models = [model for app in ("accounts", "keys") for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        return {model.__name__: rows_of(model, cursor) for model in models if model is not AttemptCount}


def rows_of(model: Any, cursor: Any) -> list[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY 1")
    return cursor.fetchall()
