"""Python programs as forks of a process that has imported what they all need: a start takes a third of the work.

What is imported beforehand is other people's: it reads no settings, and a program finds its own modules unread, its
environment and its arguments as if it had been started for them.
"""

import atexit
import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "argon2", "crispy_forms.bootstrap", "crispy_forms.helper", "cryptography.hazmat.primitives.ciphers.aead",
        "cryptography.hazmat.primitives.kdf.hkdf", "django.contrib.auth.decorators",
        "django.contrib.messages.storage.fallback", "django.contrib.staticfiles.checks",
        "django.contrib.staticfiles.storage", "django.core.mail.backends.smtp",
        "django.core.management.commands.migrate", "django.core.wsgi", "django.db.backends.sqlite3.base",
        "django.forms", "django.middleware.clickjacking", "django.middleware.common", "django.middleware.csrf",
        "django.middleware.security", "django.shortcuts", "django.template.context_processors",
        "django.template.loader_tags", "django.template.loaders.cached", "django.test",
        "django.views.decorators.cache", "django.views.decorators.debug", "environs", "gunicorn.app.wsgiapp",
        "gunicorn.workers.gthread", "gunicorn.workers.sync", "psycopg", "pyotp", "segno", "webauthn",
        "whitenoise.middleware", "whitenoise.storage",
    ]
)  # fmt: skip


def start(module: str, arguments: Sequence[str], *, env: Mapping[str, str], output: Path) -> BaseProcess:
    """Start ``python -m module``, which finds nothing but ``env`` in its environment and prints into a file."""
    return start_call(_run_module, module, [*arguments], env=env, output=output)


def start_call(call: Callable[..., object], *arguments: object, env: Mapping[str, str], output: Path) -> BaseProcess:
    """Start a function in a process of its own, as ``start`` starts a module."""
    process = _context.Process(target=_begin, args=(dict(env), output, call, arguments))
    process.start()
    return process


def _begin(env: dict[str, str], output: Path, call: Callable[..., object], arguments: Sequence[object]) -> None:
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(env)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
        stream.reconfigure(line_buffering=True)
    try:
        call(*arguments)
    finally:
        atexit._run_exitfuncs()  # which processes of ``multiprocessing`` do not


def _run_module(module: str, arguments: list[str]) -> None:
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
