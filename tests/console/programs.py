"""Starts Keytree's own programs for tests: the command line and the server, each in an environment of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from tests import nursery

ROOT = nursery.ROOT
SERVER = [sys.executable, "-m", "gunicorn", "--config", "python:console.server", "console.wsgi"]
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
_START_SECONDS = 60


def environment(**variables: str) -> dict[str, str]:
    """What a program gets: nothing of Keytree's or of make's from outside, and warnings as errors."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**kept, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", **variables}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the project to its end and return what it said."""
    return subprocess.run(
        command, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=120, check=False
    )


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py``."""
    return nursery.run(nursery.script, "manage.py", *arguments, env=environment(**variables))


def settings_module(**variables: str) -> subprocess.CompletedProcess[str]:
    """Only read the settings."""
    return nursery.run(import_module, "console.settings", env=environment(**variables))


@dataclass
class Server:
    """A server that was started: its process, its address, what it has printed so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def output(self) -> str:
        """Everything printed so far, standard error included."""
        return "".join(self.lines)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        host, port = re.search(r"//(.+):(\d+)/", self.url).groups()
        return host, int(port)

    def stop(self) -> int:
        """Ask the server to end, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextmanager
def serving(command: Sequence[str] = tuple(SERVER), pass_fds: Sequence[int] = (), **variables: str) -> Iterator[Server]:
    """Start a server, a demo on a free port if not told else, wait until it says where it is, and end it afterwards."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**{"KEYTREE_ENV": "demo", "PORT": "0", **variables}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=pass_fds,
    )
    server = Server(process)
    reader = threading.Thread(target=lambda: server.lines.extend(iter(process.stdout.readline, "")))
    reader.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.url:
            if found := re.search(r"Keytree is running at (\S+)|\"serving ([^\"]+)\"", server.output):
                server.url = found[1] or found[2]
            assert process.poll() is None, server.output
            assert time.monotonic() < deadline, server.output
            time.sleep(0.05)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)
        reader.join()
        process.stdout.close()


def prepare_demo(data_dir: Path) -> dict[str, str]:
    """Do what `make run` does before it serves, and return the variables to serve with."""
    variables = {"KEYTREE_ENV": "demo", "KEYTREE_DATA_DIR": str(data_dir)}
    for command in (["migrate"], ["load_demo"], ["collectstatic", "--no-input"]):
        done = manage(*command, "--verbosity", "0", **variables)
        assert done.returncode == 0, done.stderr
    return variables


def documented_environment(folder: Path) -> dict[str, str]:
    """Return the environment that docs/operations.md gives for a production, with its files in ``folder``.

    Its secrets are made as it says, by the commands in it. The database is SQLite: add DATABASE_URL for another.
    """
    text = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(r"^```sh\n(KEYTREE_PUBLIC_URL=.+?)^```", text, re.MULTILINE | re.DOTALL)[1]
    variables = dict(line.split("=", 1) for line in block.splitlines())
    ring = folder / "key_ring"
    ring.touch(0o600)
    ring.write_text(manage(*re.search(r"manage.py (\w+) > /etc/keytree/key_ring", text).groups()).stdout)
    secret = re.search(r"python3 -c '(.+)'", variables["KEYTREE_SECRET_KEY"])[1]
    del variables["DATABASE_URL"]
    return variables | {
        "KEYTREE_SECRET_KEY": run(sys.executable, "-c", secret).stdout.strip(),
        "KEYTREE_KEY_RING_FILE": str(ring),
        "KEYTREE_DATA_DIR": str(folder),
        "PORT": "0",
    }
