"""``manage.py migrate`` without the time limit on statements: building an index may take longer."""

import os
from contextlib import suppress
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import ProgrammingError, connection
from django.db.migrations.exceptions import MigrationSchemaMissing

from console.maintenance import alone_in_database, first_line, require_database, unhurried

#: Source: PostgreSQL documentation, "Error Codes".
_INSUFFICIENT_PRIVILEGE = "42501"


class Command(migrate.Command):
    """Django's command."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, however long a statement takes.

        Two at once would both apply what they find missing, and one fail halfway: the second waits, and finds no more.

        Raises CommandError when there is no database to reach, and for a role that may not change its tables.
        """
        if connection.vendor == "sqlite":
            _make_private(str(connection.settings_dict["NAME"]))
        require_database()
        try:
            with unhurried(), alone_in_database():
                super().handle(*args, **options)
        except (ProgrammingError, MigrationSchemaMissing) as error:
            if not _is_forbidden(error):
                raise
            raise CommandError(
                f"This role may not change the tables: {first_line(error.__context__ or error)}. Migrate with a "
                "DATABASE_URL of their owner: docs/operations.md, Setting up."
            ) from None


def _make_private(name: str) -> None:
    """Create the file of a new SQLite database, readable only by its owner; SQLite's own would not be."""
    with suppress(OSError):  # there already; or no place for it, which is told better afterwards
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _is_forbidden(error: Exception) -> bool:
    """Whether PostgreSQL refused because the role lacks a privilege, also if Django wrapped that error."""
    sqlstate = getattr(error.__cause__, "sqlstate", None) or getattr(error.__context__, "sqlstate", None)
    return sqlstate == _INSUFFICIENT_PRIVILEGE or "permission denied" in str(error)
