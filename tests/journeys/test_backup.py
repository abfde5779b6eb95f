"""``backup`` while people write, restored into an empty place: whole, and opened by the ring and by no other."""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import nursery
from tests.journeys.live import LiveServer, Template
from tests.journeys.writers import Writers, ask, assert_stored, session_of, sign_in
from tests.leaks.search import Seeker

_POSTGRESQL = bool(os.environ.get("TEST_DATABASE_URL"))
pytestmark = pytest.mark.skipif(_POSTGRESQL and not shutil.which("pg_dump"), reason="needs pg_dump and pg_restore")


@pytest.fixture
def empty_place(live_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An installation that was not started, to restore into."""
    place = LiveServer(live_template, tmp_path_factory.mktemp("restored") / "data", (), {})
    yield place
    place.remove()


def manage(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return nursery.run(nursery.script, "manage.py", *arguments, env=env)


def restore(backup: Path, into: LiveServer) -> None:
    """Put a backup in the place of an installation's database, as docs/operations.md says."""
    if _POSTGRESQL:
        into.empty_database()
        command = ["pg_restore", "--no-owner", f"--dbname={into.env['DATABASE_URL']}", str(backup)]
        subprocess.run(command, check=True)
    else:
        backup.rename(into.data_dir / "keytree.sqlite3")


def readable(backup: Path) -> bytes:
    """All that is in a backup: that of PostgreSQL is packed."""
    if not _POSTGRESQL:
        return backup.read_bytes()
    return subprocess.run(["pg_restore", "--file=-", str(backup)], capture_output=True, check=True).stdout


def test_backup_of_a_server_under_writes_restored_into_an_empty_place_is_whole(start_live, empty_place, tmp_path):
    server = start_live(WEB_CONCURRENCY="2", KEYTREE_TRUSTED_PROXIES="127.0.0.1")
    session = session_of(sign_in(server.port, "olivia"))
    writers, file = Writers(server), tmp_path / "keytree.backup"
    with writers.at_work():
        writers.wait_for(10)
        before = dict(writers.acknowledged)
        done = manage("backup", str(file), env=server.env)
        after = dict(writers.acknowledged)
        writers.wait_for(5)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"copied to {file}" in done.stdout
    assert "The key ring is not in it." in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    ring = (server.data_dir / "key_ring").read_text().strip().partition(":")[2]
    content = readable(file)
    assert b"olivia@acme.example" in content
    assert session.encode() not in content
    assert not Seeker(
        [*writers.values.values(), *writers.platform_values.values(), base64.b64decode(ring).hex()]
    ).finds(content)

    restore(file, empty_place)
    shutil.copy(server.data_dir / "key_ring", empty_place.data_dir / "key_ring")
    told = assert_stored(writers, empty_place.run, is_copy=True)
    assert before.keys() <= told  # acknowledged before the backup began
    assert len(after) > len(before)  # and people were writing meanwhile
    checked = manage("check_data", env=empty_place.env)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("Everything that is stored is sound.\n")
    empty_place.start()
    assert ask(empty_place.port, "/readyz").status == 200
    assert sign_in(empty_place.port, "olivia").status == 302
