"""Commands that are stopped, whose reader has enough, or that run twice at once: no traceback, and nothing halfway."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.console.programs import ROOT, environment, manage, run


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of an installation whose database has no tables yet."""
    variables = {"KEYTREE_ENV": "demo", "KEYTREE_DATA_DIR": str(tmp_path)}
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        yield variables
        return
    name = f"keytree_empty_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        try:
            yield {**variables, "DATABASE_URL": urlsplit(server)._replace(path=f"/{name}").geturl()}
        finally:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_of_migrations_at_once_one_migrates_and_the_others_wait(empty_database: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: run(sys.executable, "manage.py", "migrate", **empty_database), range(3)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    assert sorted("No migrations to apply." in one.stdout for one in done) == [False, True, True]
    assert manage("check_data", **empty_database).returncode == 0


@pytest.mark.sqlite_only
def test_an_interrupted_command_says_so_and_no_more(tmp_path: Path) -> None:
    # A suite that runs in the background of a shell hands on to its processes that the signal is ignored.
    interrupt = "import os, signal; signal.signal(2, signal.default_int_handler); os.kill(os.getpid(), 2)"
    done = run(
        sys.executable, "manage.py", "shell", "--no-imports", "-c", interrupt,
        KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")  # as shells tell of SIGINT


@pytest.mark.sqlite_only
def test_a_reader_that_has_enough_is_no_mistake(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "manage.py", "generate_ring_key"],
        cwd=ROOT,
        env=environment(KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path)),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")  # as of SIGPIPE
