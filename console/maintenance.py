"""What maintenance commands share: lifting the console's time limit on statements. No rule, no output."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def no_statement_limit() -> Iterator[None]:
    """Let statements of this connection run as long as they need, until the block ends; nothing to do on SQLite.

    The limit is for pages, where a statement that hangs must not hang the console. Reading or counting every row of a
    large installation is meant to take longer. The limit on waiting for locks stays: a command must not stand in the
    console's way.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        # After an error the transaction may be aborted, or the connection gone: the limit then goes with it.
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")
