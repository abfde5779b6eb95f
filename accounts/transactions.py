"""How a write runs: in one transaction, which is repeated if the database aborted it because of another."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction

#: What a statement about a large branch may take.
_LONG = "60s"
#: How much of SQLite's database is kept in memory meanwhile: KiB, which SQLite tells from pages by the sign.
_ROOMY = -32 * 1024

P = ParamSpec("P")
R = TypeVar("R")

#: Deadlock detected, serialisation failure, and a foreign key that fails at the end because what it names moved after
#: it was read: a branch of the tree, with its paths. Source: PostgreSQL documentation, "Error Codes".
_GIVE_WAY = frozenset({"40P01", "40001", "23503"})
_CANCELLED = "57014"
#: Seconds after which a write is tried again, each time. Whoever is back before the other one has gone on takes once
#: more what that one waits for, and meets it in the same deadlock.
_PAUSES = (0.02, 0.05, 0.1)
#: Of SQLite's machine, between two looks at the clock: less than a millisecond, unless texts are long.
_STEPS = 1_000


def one_transaction(write: Callable[P, R]) -> Callable[P, R]:
    """Run ``write`` in one transaction: everything it does, its audit event included, or nothing.

    Writes lock their rows first and the account's audit chain last, but together with a third one two of them can still
    deadlock. The database then aborts one, which is repeated, unless it is part of a larger transaction: that one would
    have to be repeated as a whole.
    """

    @functools.wraps(write)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        pauses = iter(() if connection.in_atomic_block else _PAUSES)
        while True:
            try:
                with transaction.atomic():
                    return write(*args, **kwargs)
            except (OperationalError, IntegrityError) as error:
                gives_way = getattr(error.__cause__, "sqlstate", None) in _GIVE_WAY
                if not gives_way or (pause := next(pauses, None)) is None:
                    raise
            time.sleep(pause)

    return wrapped


@contextmanager
def waiting_at_most(milliseconds: int) -> Iterator[None]:
    """Limit how long a write waits for SQLite's only write lock; does nothing on PostgreSQL.

    After that it raises OperationalError, as it otherwise does after the timeout of the settings.
    """
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds:d}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            usual = int(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
            cursor.execute(f"PRAGMA busy_timeout = {usual:d}")


class TakesTooLong(Exception):
    """What was read would have taken too long, and was broken off."""


@contextmanager
def reading_at_most(seconds: float) -> Iterator[None]:
    """Break off what is read from SQLite in this block after so long; PostgreSQL's own limit is in the settings.

    Raises TakesTooLong where either of them is reached.
    """
    connection.ensure_connection()
    driver, is_sqlite, until = connection.connection, connection.vendor == "sqlite", time.monotonic() + seconds
    if is_sqlite:
        driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _CANCELLED or (is_sqlite and "interrupted" in str(error)):
            raise TakesTooLong from error
        raise
    finally:
        if is_sqlite:
            driver.set_progress_handler(None, 0)


@contextmanager
def large_write() -> Iterator[None]:
    """Let a write of very many rows, in the present transaction, take the time and the memory that it needs.

    On PostgreSQL, its statements may take up to a minute, if no more is allowed already: the limit for pages is meant
    for statements that hang. On SQLite, more of the database is kept in memory: these rows are all over the indexes,
    and what has no place is written to disk and read again.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true) WHERE current_setting('statement_timeout') <> '0'",
                [_LONG],
            )
        yield
        return
    connection.ensure_connection()
    driver = connection.connection  # itself: Django refuses statements after one that failed
    usual = driver.execute("PRAGMA cache_size").fetchone()[0]
    driver.execute(f"PRAGMA cache_size = {_ROOMY:d}")
    try:
        yield
    finally:
        if connection.connection is driver:
            driver.execute(f"PRAGMA cache_size = {usual:d}")
