"""Copies the database into a file while it is in use, with the tool of each kind of database.

The key ring is not in the database, and so not in a copy. Sessions are left out, so that nobody can log in with those
in a copy.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
from django.db import DatabaseError, connection

from accounts.models import Session

_SESSIONS = Session._meta.db_table


class CopyError(Exception):
    """The copy failed; the message says why and what to do."""


def copy_database(path: Path) -> None:
    """Write a consistent copy of the database to ``path``, a new file that only its owner may read.

    It is written to ``path`` with ``.part`` appended and renamed at the end, so a file at ``path`` is always complete.
    Raises CopyError.
    """
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        raise CopyError(f"{path} exists already, and a backup is never overwritten. Choose another name.")
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CopyError(
            f"{part} exists: another backup is being written there, or one was interrupted. Remove it if none is."
        ) from None
    except OSError as error:
        raise CopyError(f"{part} cannot be written: {error.strerror}.") from None
    try:
        _fill(part, file)
        os.fsync(file)
        part.rename(path)
    finally:
        os.close(file)
        for name in (part.name, f"{part.name}-wal", f"{part.name}-shm", f"{part.name}-journal"):
            part.with_name(name).unlink(missing_ok=True)
    _keep_name(path.parent)


def _fill(part: Path, file: int) -> None:
    try:
        if connection.vendor == "sqlite":
            _refuse_missing_file()
            connection.ensure_connection()
            _copy_sqlite(part)
        else:
            connection.ensure_connection()
            _dump_postgresql(file)
    except OSError as error:
        raise CopyError(f"{part} cannot be written: {error.strerror}.") from None
    except (DatabaseError, sqlite3.Error) as error:
        raise CopyError(f"The database cannot be copied: {str(error).strip()}") from None


def _keep_name(folder: Path) -> None:
    """Sync the folder to disk as well: without its entry there the file would be lost in a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _refuse_missing_file() -> None:
    """Raise CopyError if there is no database: SQLite would create an empty one, and copy that."""
    if not Path(connection.settings_dict["NAME"]).is_file():
        raise CopyError(f"There is no database {connection.settings_dict['NAME']}.")


def _copy_sqlite(part: Path) -> None:
    """Copy with SQLite's backup, all pages under one read lock; writers can go on in the journal meanwhile.

    *Source:* SQLite documentation, "Online Backup API".
    """
    with closing(sqlite3.connect(part)) as copy:
        connection.connection.backup(copy)
        copy.execute("PRAGMA secure_delete=ON")
        with copy:
            copy.execute(f"DELETE FROM {_SESSIONS}")  # noqa: S608 - a table's name of ours
        # One file, without a journal beside it.
        copy.execute("PRAGMA journal_mode=DELETE")


def _dump_postgresql(file: int) -> None:
    """Copy with pg_dump, in its custom format, from one snapshot. *Source:* PostgreSQL documentation, "pg_dump"."""
    program = shutil.which("pg_dump")
    if program is None:
        raise CopyError(
            "pg_dump is not installed, or not in the path. On Debian and Ubuntu: apt-get install postgresql-client, of "
            "the server's version or newer."
        )
    command = [program, "--format=custom", "--no-password", f"--exclude-table-data={_SESSIONS}"]
    done = subprocess.run(  # noqa: S603 - pg_dump, with arguments of ours
        command, stdout=file, stderr=subprocess.PIPE, env=_environment(), text=True, check=False
    )
    if done.returncode:
        raise CopyError(f"pg_dump did not succeed. It says: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    """Return the environment that tells pg_dump our database; other users could read its arguments."""
    info = _connection_info()
    ours = {**info.get_parameters(), "password": info.password}
    # Contains the time limits of pages.
    ours.pop("options", None)
    names = {option.keyword.decode(): option.envvar.decode() for option in _options() if option.envvar}
    return {**os.environ, **{names[name]: value for name, value in ours.items() if name in names}}


def _connection_info() -> psycopg.ConnectionInfo:
    """Return the parameters of the open connection."""
    info: psycopg.ConnectionInfo = connection.connection.info
    return info


def _options() -> list[psycopg.pq.ConninfoOption]:
    """Return libpq's connection parameters, with the environment variable of each."""
    return psycopg.pq.Conninfo.get_defaults()
