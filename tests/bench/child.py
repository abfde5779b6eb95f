"""Processes with an application and settings of their own, which take turns at being measured.

A child sets Django up, loads one module and calls its functions as it is asked to: ``python -m tests.bench.child
<module>``. Questions come by standard input and answers go to standard output, as lines of JSON.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


class ChildFailed(Exception):
    """A child ended, or its function raised."""


def environment(**variables: str) -> dict[str, str]:
    """Return what a process is given: nothing of Keytree's or of make's from outside."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **variables}


class Child:
    """A child process. Calling it calls a function of its module, there."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.child", module],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, function: str, **arguments: Any) -> Any:
        """Return what the function returns. Raises ChildFailed."""
        try:
            self._process.stdin.write(json.dumps([function, arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ChildFailed(f"{self._module} ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ChildFailed(f"{self._module}.{function}: {answer['error']}")
        return answer["result"]

    def settle(self, *others: int | None) -> None:
        """Keep the process on one processor, with the ``others``, by their numbers, where this can be had."""
        for process in (self._process.pid, *filter(None, others)):
            with suppress(AttributeError, OSError):  # not on this system; somebody else's process
                os.sched_setaffinity(process, {0})

    def close(self) -> None:
        """Let the process end."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def main(name: str) -> None:
    """Answer until there are no more questions."""
    import django

    # What the application prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    django.setup()
    module = importlib.import_module(name)
    gc.freeze()  # as console.server does
    for line in sys.stdin:
        function, arguments = json.loads(line)
        try:
            answer = {"result": getattr(module, function)(**arguments)}
        except Exception as error:  # noqa: BLE001 - told to who asked, who goes on without this figure
            answer = {"error": f"{type(error).__name__}: {error}".partition("\n")[0][:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
