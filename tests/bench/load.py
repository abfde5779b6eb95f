"""Servers and the load they are put under: gunicorn on a free port of loopback, ``wrk`` or a small substitute.

Run as a program this is the substitute: ``python -m tests.bench.load <host> <port> <path> <seconds> <connections>``
prints the requests answered in a second. It takes more of the machine than ``wrk`` does, so that ratios come out nearer
to 1 than they are.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.child import ROOT

CONNECTIONS = 4
_WRK = shutil.which("wrk")
_SCRIPT = Path(__file__).with_name("authorizations.lua")
_START_SECONDS = 30
#: As gunicorn says it, and Keytree.
_LISTENING = re.compile(r"(?:Listening at:|running at) (http://127\.0\.0\.1:[0-9]+)")

#: How the load is made, in words.
TOOL = f"wrk, {CONNECTIONS} connections" if _WRK else "a load generator in Python (wrk is not installed)"


class LoadFailed(Exception):
    """A server did not start, or did not answer as it should."""


@dataclass(frozen=True)
class Server:
    """A gunicorn that was started."""

    process: subprocess.Popen[str]
    url: str

    def workers_memory(self) -> int:
        """Return what the workers hold in memory, in bytes. Raises LoadFailed where there is no /proc to say."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            statuses = [Path(f"/proc/{pid}/status").read_text() for pid in children.read_text().split()]
        except OSError as error:
            raise LoadFailed("this system does not tell the memory of processes") from error
        return sum(int(re.search(r"VmRSS:\s+([0-9]+) kB", status)[1]) * 1024 for status in statuses)


@contextmanager
def serving(
    application: str, environment: Mapping[str, str], *, workers: int = 2, config: str = "",
    python: str = sys.executable,
) -> Iterator[Server]:  # fmt: skip
    """Serve a WSGI application by gunicorn with sync workers. Raises LoadFailed.

    Everything else is as gunicorn comes, or as ``config`` says: what an application is served with by itself. But for
    threads: workers that have some keep connections, and one of two gets all of the load now and then.
    """
    command = [python, "-m", "gunicorn", "--bind=127.0.0.1:0", f"--workers={workers}"]
    command += ["--worker-class=sync", "--threads=1"]
    command += ["--no-control-socket", *([f"--config={config}"] if config else []), application]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(iter(process.stdout.readline, "")))
    reader.start()
    try:
        yield Server(process, _address(process, said))
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)
        reader.join()
        process.stdout.close()


def _address(process: "subprocess.Popen[str]", said: list[str]) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := _LISTENING.search("".join(said)):
            return found[1]
        time.sleep(0.05)
    raise LoadFailed(f"gunicorn did not start: {''.join(said[-3:]).strip()}")


def requests_per_second(url: str, authorizations: Path, seconds: int) -> float:
    """Return how many requests a second are answered, each with the next of the Authorization headers in the file.

    Raises LoadFailed unless all are answered well.
    """
    parts = urlsplit(url)
    if _WRK:
        command = [
            _WRK,
            "--threads=1",
            f"--connections={CONNECTIONS}",
            f"--duration={seconds}s",
            f"--script={_SCRIPT}",
            url,
        ]
    else:
        command = [sys.executable, "-m", "tests.bench.load", parts.hostname, str(parts.port), parts.path]
        command += [str(seconds), str(CONNECTIONS)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "BENCH_AUTHORIZATIONS": str(authorizations)},
        capture_output=True, text=True, timeout=seconds + 30, check=False,
    )  # fmt: skip
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    bad = re.search(r"Non-2xx or 3xx responses: [0-9]+|Socket errors: .*", done.stdout)
    if done.returncode or bad or not rate:
        raise LoadFailed(f"{parts.path}: {bad[0] if bad else (done.stderr or done.stdout).strip()[-200:]}")
    return float(rate[1])


def _python_load(host: str, port: int, path: str, seconds: float, connections: int) -> None:
    import http.client

    lines = Path(os.environ["BENCH_AUTHORIZATIONS"]).read_text().splitlines()
    answered, bad, lock = 0, 0, threading.Lock()
    started = time.monotonic()

    def ask(start: int) -> None:
        nonlocal answered, bad
        for line in cycle(lines[start:] + lines[:start]):
            if time.monotonic() - started > seconds:
                return
            connection = http.client.HTTPConnection(host, port, timeout=10)
            connection.request("GET", path, headers={"Authorization": line})
            status = connection.getresponse().status
            connection.close()
            with lock:
                answered, bad = answered + 1, bad + (status // 100 != 2)

    threads = [threading.Thread(target=ask, args=(n * len(lines) // connections,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bad:
        sys.stdout.write(f"Non-2xx or 3xx responses: {bad}\n")
    sys.stdout.write(f"Requests/sec: {answered / (time.monotonic() - started):.1f}\n")


if __name__ == "__main__":
    _python_load(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
