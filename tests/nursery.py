"""Python programs as forks of a process that has imported what they all need: a start takes a third of the work.

What is imported beforehand is other people's: it reads no settings, and a program finds its own modules unread, its
environment and its arguments as if it had been started for them.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 120  # seconds for a program to end

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "argon2", "crispy_forms.bootstrap", "crispy_forms.helper", "cryptography.hazmat.primitives.ciphers.aead",
        "django.contrib.auth.decorators",
        "django.contrib.messages.storage.fallback", "django.contrib.staticfiles.checks",
        "django.contrib.staticfiles.storage", "django.core.mail.backends.smtp",
        "django.core.management.commands.migrate", "django.core.wsgi", "django.db.backends.sqlite3.base",
        "django.forms", "django.middleware.clickjacking", "django.middleware.common", "django.middleware.csrf",
        "django.middleware.security", "django.shortcuts", "django.template.context_processors",
        "django.template.loader_tags", "django.template.loaders.cached", "django.test",
        "django.views.decorators.cache", "django.views.decorators.debug", "environs", "gunicorn.app.wsgiapp",
        "gunicorn.workers.gthread", "gunicorn.workers.sync", "psycopg", "pyotp", "segno", "webauthn",
        "whitenoise.middleware", "whitenoise.storage",
        # slcli, and what any of its commands needs.
        "SoftLayer.CLI.columns", "SoftLayer.CLI.core", "rich.json",
    ]
)  # fmt: skip


def start(call: Callable[..., object], *arguments: object, env: Mapping[str, str], output: Path) -> BaseProcess:
    """Start a function in a process that finds nothing but ``env`` in its environment, and prints into a file."""
    return _start(call, arguments, env, output, output)


def run(
    call: Callable[..., object], *arguments: object, env: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a function in such a process to its end, and return what a program would have said.

    It has no terminal, and reads as its input what is ``typed``.
    """
    with tempfile.TemporaryDirectory() as folder:
        read, output, errors = (Path(folder) / name for name in ("in", "out", "err"))
        read.write_text(typed)
        process = _start(_without_terminal, (read, call, *arguments), env, output, errors)
        process.join(_PATIENCE)
        status = process.exitcode
        process.kill()
        assert status is not None, "it does not end"
        return subprocess.CompletedProcess((), status, output.read_text(), errors.read_text())


def module(name: str, *arguments: str) -> None:
    """Be ``python -m name``."""
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def script(path: str, *arguments: str) -> None:
    """Be ``python path``."""
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


def _without_terminal(read: Path, call: Callable[..., object], *arguments: object) -> None:
    os.setsid()
    os.dup2(os.open(read, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, closefd=False)
    call(*arguments)


def _start(
    call: Callable[..., object], arguments: Sequence[object], env: Mapping[str, str], output: Path, errors: Path
) -> BaseProcess:
    process = _context.Process(target=_begin, args=(call, arguments, dict(env), output, errors))
    process.start()
    return process


def _begin(
    call: Callable[..., object], arguments: Sequence[object], env: dict[str, str], output: Path, errors: Path
) -> None:
    """Do what an interpreter does at its beginning and at its end."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(env)
    if "PYTHONWARNINGS" in env:
        warnings.simplefilter(env["PYTHONWARNINGS"])
    for stream, path in ((sys.stdout, output), (sys.stderr, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
        stream.reconfigure(line_buffering=True)
    try:
        call(*arguments)
    except Exception:  # noqa: BLE001 - nobody above would say it as an interpreter does
        traceback.print_exc()
        sys.exit(1)
    finally:
        atexit._run_exitfuncs()  # which processes of ``multiprocessing`` do not
