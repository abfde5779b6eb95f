"""What our commands share: clear words when the installation is not ready, and time for long statements. No rule."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Member
from accounts.names import clean_email
from accounts.sealing import RingError, configured_ring


class MaintenanceCommand(BaseCommand):
    """A command on an installed database: refuses to begin, with the remedy, before there is one."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        """Raise CommandError where Django would only mention it, and the command then fail at a missing table."""
        require_database()
        if unapplied_migrations():
            raise CommandError("The database is not up to date. Run: python manage.py migrate")


def unapplied_migrations() -> Sequence[Migration]:
    """Return the migrations that the database lacks, in their order. Raises the database's errors."""
    executor = MigrationExecutor(connection)
    return [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def member_at(email: str, *, account_id: int) -> Member:
    """Return the member of the account whose address that is, with user and account. Raises CommandError for nobody."""
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
    """Raise CommandError, with the remedy, unless the database can be reached."""
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
    """Yield what SQLite finds wrong with its file, such as after a copy over one whose journal was left beside it."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        yield from (said for (said,) in cursor.fetchall() if said != "ok")


def first_line(error: Exception) -> str:
    """Return the first line of what ``error`` says, without a full stop; its kind if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def require_ring() -> None:
    """Raise CommandError, with the remedy, unless there is a key ring to write and to verify the audit trail with."""
    try:
        configured_ring()
    except RingError as error:
        raise CommandError(
            f"{error} Set KEYTREE_KEY_RING_FILE to a file of mode 0600 with an entry that this makes: python manage.py "
            "generate_ring_key"
        ) from None


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
