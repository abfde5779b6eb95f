"""Real servers for the journeys: gunicorn with the demo accounts, each on a port and a database of its own.

Making the database takes a second, copying it next to nothing: so there is one template a session, and a fresh copy for
every server. With TEST_DATABASE_URL set, the copies are PostgreSQL databases beside it; otherwise SQLite files.
"""

import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import django
import psycopg
from psycopg import sql

from tests import nursery

ROOT = nursery.ROOT
_POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "")
_WAIT = 30  # seconds for a server to start or stop, on a machine that is busy with other tests
_LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:([0-9]+)")

_MAKE_TEMPLATE = """
from django.core.management import call_command
from django.db import connections
call_command("migrate", verbosity=0)
call_command("load_demo")
call_command("collectstatic", verbosity=0, interactive=False)
connections.close_all()
"""


def _environment(data_dir: Path, database: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a demo installation in ``data_dir``; nothing that the suite sets for itself is left."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEYTREE_")}
    return {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "console.settings",
        "KEYTREE_ENV": "demo",
        "KEYTREE_DATA_DIR": str(data_dir),
        "WEB_CONCURRENCY": "1",
        "DATABASE_URL": _url(database) if _POSTGRESQL else "",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def _url(database: str) -> str:
    return urlsplit(_POSTGRESQL)._replace(path=f"/{database}").geturl()


def _administer(statement: str, *names: str) -> None:
    """Run a statement that makes or drops databases, if there are any to make."""
    if _POSTGRESQL:
        with psycopg.connect(_POSTGRESQL, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class _Shell:
    """Runs Python statements in processes of their own, with Django set up for one installation."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._output, self._env = folder / "shell.log", env
        self._process: BaseProcess | None = None

    def run(self, code: str) -> str:
        """Return what the statements print."""
        if self._process is None:
            self._connection, other = Pipe()
            self._process = nursery.start(_run_in_forks, other, env=self._env, output=self._output)
            other.close()
        self._connection.send(code)
        failed, out, err = self._connection.recv()
        assert not failed, err
        return out

    def end(self) -> None:
        """End the process."""
        if self._process:
            self._connection.close()
            self._process.join()
            self._process = None


def _run_in_forks(connection: Connection) -> None:
    """Set Django up once, and run what is sent in a fork each time, which finds the process as new."""
    django.setup()
    while True:
        try:
            code = connection.recv()
        except EOFError:
            return
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if (child := os.fork()) == 0:
                os._exit(_run(code, out, err))
            _, failed = os.waitpid(child, 0)
            for file in (out, err):
                file.seek(0)
            connection.send((failed, out.read().decode(), err.read().decode()))


def _run(code: str, out: IO[bytes], err: IO[bytes]) -> int:
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    try:
        exec(code, {"__name__": "__main__"})
    except BaseException:  # noqa: BLE001 - whatever it is, the caller is told
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


class Template:
    """The data folder and database that every server starts from a copy of."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.database = f"keytree_live_{name}"

    def make(self) -> "Template":
        """Migrate, load the demo accounts and collect the static files."""
        self.folder.mkdir(exist_ok=True)
        _administer("CREATE DATABASE {}", self.database)
        shell = _Shell(self.folder, _environment(self.folder, self.database, {}))
        shell.run(_MAKE_TEMPLATE)
        shell.end()
        return self

    @property
    def url(self) -> str:
        """Where the database is, on PostgreSQL."""
        return _url(self.database)

    def copy(self, folder: Path, database: str) -> None:
        """Give a server its own data folder and database."""
        # Static files are only read: one set serves all.
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("static"))
        (folder / "static").symlink_to(self.folder / "static")
        _administer("CREATE DATABASE {} TEMPLATE {}", database, self.database)

    def remove(self) -> None:
        """Drop the database; the folder is pytest's to clean up."""
        _administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)


class LiveServer:
    """A server started as ``make run`` starts it, which can be stopped and started again at the same address."""

    def __init__(self, template: Template, folder: Path, options: tuple[str, ...], settings: Mapping[str, str]) -> None:
        self.data_dir = folder
        self._template = template
        self.database = f"{template.database}_{os.getpid()}_{folder.parent.name}"
        template.copy(folder, self.database)
        self.env = _environment(folder, self.database, settings)
        self.options = options
        self._shell = _Shell(folder, self.env)
        self.port = 0
        self.process: BaseProcess | None = None

    @property
    def url(self) -> str:
        """The server's address without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the server has written since it was last started."""
        return (self.data_dir / "server.log").read_text()

    def start(self) -> "LiveServer":
        """Start the server and wait until it listens: from then on requests wait for it."""
        log = self.data_dir / "server.log"
        log.write_text("")
        command = ["gunicorn", "--config", "python:console.server", "console.wsgi", *self.options]
        if self.port:
            command += ["--bind", f"127.0.0.1:{self.port}"]  # PORT stays as it was: the names of cookies depend on it
        self.process = nursery.start(nursery.module, *command, env={**self.env, "PORT": "0"}, output=log)
        deadline = time.monotonic() + _WAIT
        while not (listening := _LISTENING.search(self.log)):
            assert self.process.is_alive(), self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        self.port = int(listening[1])
        return self

    def stop(self) -> None:
        """Stop the server as an operator does, and wait until it is gone."""
        if self.process:
            self.process.terminate()
            self.process.join(_WAIT)
            self.process.kill()
            self.process.join()
            self.process = None

    def remove(self) -> None:
        """Stop the server and drop its database."""
        self.stop()
        self._shell.end()
        _administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)

    def reset(self) -> None:
        """Give the running server the template's database and an empty mailbox again; on SQLite alone."""
        assert not _POSTGRESQL
        files = [folder / "keytree.sqlite3" for folder in (self._template.folder, self.data_dir)]
        with closing(sqlite3.connect(files[0])) as source, closing(sqlite3.connect(files[1], timeout=_WAIT)) as target:
            source.backup(target)
        for mail in (self.data_dir / "mail").glob("*"):
            mail.unlink()

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Keep the database out of reach for a while.

        On SQLite connections that are open already would still read the file: so before the server's first question.
        """
        file = self.data_dir / "keytree.sqlite3"
        hidden, database = file.with_name("away"), f"{self.database}_away"
        if _POSTGRESQL:
            self.end_database_sessions()
            _administer("ALTER DATABASE {} RENAME TO {}", self.database, database)
        else:
            file.rename(hidden)
            file.mkdir()
        try:
            yield
        finally:
            if _POSTGRESQL:
                _administer("ALTER DATABASE {} RENAME TO {}", database, self.database)
            else:
                file.rmdir()
                hidden.rename(file)

    def empty_database(self) -> None:
        """Make this server's PostgreSQL database anew, without a table."""
        _administer("DROP DATABASE {}", self.database)
        _administer("CREATE DATABASE {} TEMPLATE template0", self.database)

    def end_database_sessions(self) -> None:
        """End all sessions of this server's PostgreSQL database, as a restart of PostgreSQL does."""
        with psycopg.connect(_POSTGRESQL, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.database]
            )

    def run(self, code: str) -> str:
        """Run Python statements with this server's settings and database, and return what they print.

        Half a second the first time, next to nothing after that.
        """
        return self._shell.run(code)

    def credentials(self, email: str, account_id: int = 1234567) -> tuple[str, str]:
        """Return the API username of a demo member and the value of the key that they created."""
        said = self.run(
            "from accounts.origin import COMMAND_LINE\n"
            "from keys import lifecycle\n"
            "from keys.models import ClassicKey\n"
            f"key = ClassicKey.objects.get(holder__user__email={email!r}, account_id={account_id})\n"
            "print(key.holder.api_username)\n"
            "print(lifecycle.show_value(key=key, by=key.creator, origin=COMMAND_LINE).text)"
        )
        username, value = said.split()
        return username, value
