"""What our commands share: clear messages when an installation is not ready, findings, time for long statements."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Member
from accounts.names import clean_email
from accounts.sealing import RingError, configured_ring

#: The number of this program's advisory lock in a PostgreSQL database: any number, as long as it stays the same.
_LOCK = int.from_bytes(b"keytree")
#: How many findings are printed under a heading; the rest is counted.
_SHOWN = 20


class MaintenanceCommand(BaseCommand):
    """A command that needs a migrated database: without one it refuses to start and says what to do."""

    requires_migrations_checks = True

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run; raise CommandError where the database fails meanwhile: gone, full, or locked for too long."""
        try:
            return super().execute(*args, **options)
        except OperationalError as error:
            raise CommandError(
                f"The database failed: {first_line(error)}. Nothing is left half done: run the command again."
            ) from error

    def check_migrations(self) -> None:
        """Raise CommandError if migrations are missing: Django only prints a notice."""
        require_database()
        if unapplied_migrations():
            raise CommandError("The database is not up to date. Run: python manage.py migrate")

    def print_findings(self, findings: Iterable[object], *, heading: str, if_none: str = "") -> int:
        """Print the first findings under the heading, or ``if_none`` without any; return how many there are."""
        remaining = iter(findings)
        shown = list(islice(remaining, _SHOWN))
        more = sum(1 for _ in remaining)
        if said := heading if shown else if_none:
            self.stdout.write(said)
        for finding in shown:
            self.stdout.write(f"  {finding}")
        if more:
            self.stdout.write(f"  and {more:,} more")
        return len(shown) + more


def unapplied_migrations() -> Sequence[Migration]:
    """Return the migrations that are not applied yet, in order. Raises DatabaseError and errors of the migrations."""
    executor = MigrationExecutor(connection)
    return [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def member_at(email: str, *, account_id: int) -> Member:
    """Return the account's member with this e-mail address, or raise CommandError."""
    try:
        wanted = clean_email(email)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    members = Member.objects.filter(account_id=account_id, user__email=wanted)
    member = members.select_related("user", "account").first()
    if member is None:
        raise CommandError(f"There is no user with this address in an account {account_id}.")
    return member


def require_database() -> None:
    """Raise CommandError, saying what to do, unless the database can be reached."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        remedy = "Check DATABASE_URL, and that the server runs."
        if connection.vendor == "sqlite":
            remedy = (
                f"Check that {connection.settings_dict['NAME']} and its folder can be written, or set DATABASE_URL."
            )
        raise CommandError(f"The database cannot be reached: {first_line(error)}. {remedy}") from None


def file_damage() -> Iterator[str]:
    """Yield what SQLite finds wrong with its file, for instance after another was copied over it."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        yield from (said for (said,) in cursor.fetchall() if said != "ok")


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message, without a full stop; its class name if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def require_ring() -> None:
    """Raise CommandError, saying what to do, unless there is a key ring; the audit trail needs it."""
    try:
        configured_ring()
    except RingError as error:
        raise CommandError(
            f"{error} Set KEYTREE_KEY_RING_FILE to a file of mode 0600 with an entry that this makes: python manage.py "
            "generate_ring_key"
        ) from None


@contextmanager
def unhurried() -> Iterator[None]:
    """Give statements, and pauses between those of a transaction, more time than pages have; does nothing on SQLite.

    PostgreSQL's limits protect pages from a statement that hangs and from a lock that nobody gives back. But reading
    every row of a large installation takes longer, and so may making thousands of rows on a busy machine. The limit on
    waiting for locks stays, so that a command does not hold up the console.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '5min'")
    try:
        yield
    finally:
        # After an error the transaction may be aborted or the connection closed; either restores the limits by itself.
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout; RESET idle_in_transaction_session_timeout")


@contextmanager
def alone_in_database() -> Iterator[None]:
    """Wait until no other process is in a block of this kind on this database, and let none in until this one ends.

    A process that ends in any way gives up its lock.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            cursor.execute("RESET lock_timeout")
        try:
            yield
        finally:
            # After an error the connection may be gone, and the lock with it.
            if not connection.needs_rollback and connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
        return
    # The folder's own lock: a file of SQLite's has locks that opening it a second time would undo.
    folder = os.open(Path(connection.settings_dict["NAME"]).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
