"""The audit trail's triggers, taken away for a while: to alter events, and to empty the tables after a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from django.db import connection

_TRIGGERS = import_module("accounts.migrations.0002_audit_insert_only").Migration.operations[0]
_LETTING_GO = import_module("accounts.migrations.0010_trimmed_trail").Migration.operations[-1]


class _Statements:
    """Takes a schema editor's place: one would want foreign keys off, which a test's transaction cannot do."""

    connection = connection

    @staticmethod
    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)


def remove_triggers() -> None:
    _TRIGGERS.reverse_code(None, _Statements)


def restore_triggers() -> None:
    _TRIGGERS.code(None, _Statements)
    _LETTING_GO.code(None, _Statements)


@contextmanager
def without_triggers() -> Iterator[None]:
    """Let events be changed and removed inside the block."""
    remove_triggers()
    try:
        yield
    finally:
        restore_triggers()
