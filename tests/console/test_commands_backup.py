"""``backup``: what it refuses, with the remedy, and that nothing is left behind when it does."""

import os
import stat
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from console import database_copy

pytestmark = pytest.mark.django_db
FILLS = "_copy_sqlite" if connection.vendor == "sqlite" else "_dump_postgresql"


def refused(path) -> str:
    """What a backup that must end with 1 says."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("backup", str(path), stdout=out)
    assert (error.value.returncode, out.getvalue()) == (1, "")
    return str(error.value)


@pytest.mark.parametrize("name", ["backup", "backup.part"])
def test_a_file_that_exists_is_not_overwritten(name, tmp_path):
    (tmp_path / name).write_text("kept")
    assert f"{tmp_path / name} exists" in refused(tmp_path / "backup")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "kept")]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    assert refused(tmp_path / "none" / "backup").endswith("backup.part cannot be written: No such file or directory.")
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file" / "backup").endswith("backup.part cannot be written: Not a directory.")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(28, "No space left on device"), "cannot be written: No space left on device."),
        (database_copy.sqlite3.OperationalError("disk I/O error"), "The database cannot be copied: disk I/O error"),
        (database_copy.DatabaseError("connection refused"), "The database cannot be copied: connection refused"),
    ],
)
def test_a_backup_that_breaks_off_leaves_no_file(fault, said, tmp_path, monkeypatch):
    def fill(*_):
        (tmp_path / "backup.part-journal").touch()
        raise fault

    monkeypatch.setattr(database_copy, FILLS, fill)
    assert refused(tmp_path / "backup").endswith(said)
    assert not list(tmp_path.iterdir())


def test_a_backup_that_is_interrupted_leaves_no_file(tmp_path, monkeypatch):
    def fill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(database_copy, FILLS, fill)
    with pytest.raises(KeyboardInterrupt):
        call_command("backup", str(tmp_path / "backup"))
    assert not list(tmp_path.iterdir())


def test_a_file_has_its_name_and_mode_from_the_beginning(tmp_path, monkeypatch):
    """Nobody else can open what is being written, and nobody takes it for a backup."""
    seen = {}
    monkeypatch.setattr(database_copy, FILLS, lambda *_: seen.update({p.name: p.stat() for p in tmp_path.iterdir()}))
    mask = os.umask(0)
    try:
        call_command("backup", str(tmp_path / "backup"), stdout=StringIO())
    finally:
        os.umask(mask)
    assert [(name, stat.S_IMODE(status.st_mode)) for name, status in seen.items()] == [("backup.part", 0o600)]
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir()] == [("backup", 0o600)]


@pytest.mark.sqlite_only
def test_a_database_that_is_not_there_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "missing.sqlite3"))
    assert refused(tmp_path / "backup") == f"There is no database {tmp_path / 'missing.sqlite3'}."
    assert not list(tmp_path.iterdir())


@pytest.mark.postgresql_only
def test_without_pg_dump_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pg_dump is not installed" in refused(tmp_path / "backup")


@pytest.fixture
def pg_dump(tmp_path, monkeypatch):
    """A program that says what it was called with and what is in its environment, and fails when told to."""
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\necho ---\nenv\n[ -z "$FAIL" ] || { echo "no such role" >&2; exit 1; }\n')
    program.chmod(0o700)
    monkeypatch.setattr(database_copy.shutil, "which", lambda _: str(program))


@pytest.mark.postgresql_only
def test_the_password_is_no_argument_of_pg_dump(pg_dump, tmp_path, monkeypatch):
    class Info:
        password = "the-password"

        @staticmethod
        def get_parameters() -> dict[str, str]:
            return {"user": "somebody", "host": "db.example.com", "sslmode": "verify-full", "options": "-c a=1"}

    monkeypatch.setattr(database_copy, "_connection_info", Info)
    call_command("backup", str(tmp_path / "backup"), stdout=StringIO())
    arguments, _, environment = (tmp_path / "backup").read_text().partition("---\n")
    assert arguments == "--format=custom --no-password --exclude-table-data=accounts_session\n"
    given = dict(line.partition("=")[::2] for line in environment.splitlines())
    expected = {
        "PGUSER": "somebody",
        "PGHOST": "db.example.com",
        "PGSSLMODE": "verify-full",
        "PGPASSWORD": Info.password,
    }
    assert {name: given[name] for name in expected} == expected
    assert "PGOPTIONS" not in given


@pytest.mark.postgresql_only
def test_what_pg_dump_complains_of_is_handed_on(pg_dump, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIL", "yes")
    assert refused(tmp_path / "backup") == "pg_dump did not succeed. It says: no such role"
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
