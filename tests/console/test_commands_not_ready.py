"""What the commands say on a machine where something is missing yet: the remedy, and no traceback."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts.sealing import Ring

ROOT = Path(__file__).parents[2]
ON_A_DATABASE = {
    "change_owner": ["--account=1234567", "--email=new@new.example"],
    "check_data": [],
    "check_tree": [],
    "create_account": ["--name=New", "--owner-email=new@new.example", "--owner-name=New Owner", "--password-stdin"],
    "generate_account": [],
    "housekeeping": [],
    "import_members": ["people.csv", "--account=1234567", "--by=new@new.example"],
    "lift_restriction": ["1234567"],
    "load_demo": [],
    "report_leaked_keys": ["/dev/null"],
    "reset_second_factor": ["--email=new@new.example"],
    "rotate_keys": [],
    "send_mail": [],
    "verify_audit": [],
    "work_on_import": ["1", "00000000-0000-4000-8000-000000000000"],
}
#: One reads the tree alone; a demo makes its ring itself; the last is started by what has one.
WITHOUT_A_RING = {"check_tree", "generate_account", "work_on_import"}


@pytest.mark.django_db
@pytest.mark.parametrize("command", ON_A_DATABASE)
def test_a_database_without_its_tables_is_refused_with_the_remedy(command, monkeypatch):
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [("a migration", False)])
    with pytest.raises(CommandError, match=r"not up to date\. Run: python manage\.py migrate"):
        call_command(command, *ON_A_DATABASE[command], stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize("command", sorted(ON_A_DATABASE.keys() - WITHOUT_A_RING))
def test_without_a_key_ring_the_remedy_is_named(command, settings):
    settings.KEYTREE_KEY_RING = settings.KEYTREE_KEY_RING_FILE = ""
    with pytest.raises(CommandError, match=r"No key ring is set\. .* python manage\.py generate_ring_key"):
        call_command(command, *ON_A_DATABASE[command], stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize("command", ON_A_DATABASE)
def test_a_database_that_fails_meanwhile_is_told_in_words(command):
    def full(*_):
        raise OperationalError("database or disk is full")

    with (
        connection.execute_wrapper(full),
        pytest.raises(CommandError, match=r"^The database failed: database or disk is full\. .* run the command again"),
    ):
        call_command(command, *ON_A_DATABASE[command], stdout=StringIO())


@pytest.mark.sqlite_only
def test_the_first_ring_key_is_made_on_a_machine_where_nothing_is_set_up(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTREE_", "DATABASE_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", "generate_ring_key", "--id", "first"],
        cwd=ROOT,
        env={**environment, "KEYTREE_ENV": "production", "KEYTREE_DATA_DIR": str(tmp_path / "nothing here")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Ring.parse(done.stdout.strip()).current == "first"
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())
