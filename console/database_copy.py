"""Copies the database into a file while it is being used: each kind of database by its own means, whole or not at all.

The key ring is not in the database, so it is in no copy. Open sessions are left out: whoever finds the copy must not be
signed in by it.
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
    """There is no copy; the message says why and what to do."""


def copy_database(path: Path) -> None:
    """Write the database as it is at one moment to ``path``, a new file that its owner alone may read.

    A copy that is being written has ``.part`` after its name, so that what has the name itself is whole and on disk.
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
    """Write the folder to disk as well: a file is found again after a power cut only by its name there."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _refuse_missing_file() -> None:
    """SQLite makes a database that is not there: a copy of nothing would look like one of something."""
    if not Path(connection.settings_dict["NAME"]).is_file():
        raise CopyError(f"There is no database {connection.settings_dict['NAME']}.")


def _copy_sqlite(part: Path) -> None:
    """Copy by SQLite's own backup, all pages under one read lock: writers go on meanwhile, into the journal.

    *Source:* SQLite documentation, "Online Backup API".
    """
    with closing(sqlite3.connect(part)) as copy:
        connection.connection.backup(copy)
        copy.execute("PRAGMA secure_delete=ON")
        with copy:
            copy.execute(f"DELETE FROM {_SESSIONS}")  # noqa: S608 - a table's name of ours
        # In one file again, without a journal beside it.
        copy.execute("PRAGMA journal_mode=DELETE")


def _dump_postgresql(file: int) -> None:
    """Copy by pg_dump, in its custom format, from one snapshot. *Source:* PostgreSQL documentation, "pg_dump"."""
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
    """Return the environment that leads pg_dump to our database: its arguments could be read by other users."""
    info = _connection_info()
    ours = {**info.get_parameters(), "password": info.password}
    # Limits that are meant for pages.
    ours.pop("options", None)
    names = {option.keyword.decode(): option.envvar.decode() for option in _options() if option.envvar}
    return {**os.environ, **{names[name]: value for name, value in ours.items() if name in names}}


def _connection_info() -> psycopg.ConnectionInfo:
    """Return what the open connection was made with."""
    info: psycopg.ConnectionInfo = connection.connection.info
    return info


def _options() -> list[psycopg.pq.ConninfoOption]:
    """Return what libpq can be told about a connection, with the environment variable for each."""
    return psycopg.pq.Conninfo.get_defaults()
