"""How gunicorn serves Keytree: ``gunicorn --config python:console.server console.wsgi``.

gunicorn reads the names of this module as its settings and calls the functions at the bottom. It listens where
KEYTREE_BIND and PORT say; what else may be set stands in README.md, "Settings".
"""

import ctypes
import errno
import gc
import logging
import logging.config
import os
import socket
import sys

import django
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from accounts.enums import MemberStatus

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

# --- Where it listens -------------------------------------------------------------------------------------------------
# What cannot be read is raised by the first look at the settings; gunicorn prints it without a traceback, and ends.
_address = settings.KEYTREE_BIND
if _address.startswith("unix:"):
    bind = _address
else:
    bind = f"[{_address}]:{settings.PORT}" if ":" in _address else f"{_address}:{settings.PORT}"
# No second door: gunicorn's own control channel would lie in the home of whoever starts it.
control_socket_disable = True
umask = 0o007  # of a unix socket: its owner and group may connect

# --- Who does the work ------------------------------------------------------------------------------------------------
# Threads, because a browser opens connections ahead of need and keeps them: each would hold a sync worker until the
# timeout kills it. Few, because Python runs one at a time, and each keeps its own database connection.
workers = settings.WEB_CONCURRENCY
worker_class = "console.worker.Worker"
threads = 4
timeout = 30  # seconds without a heartbeat until a worker counts as hung; requests have the database's limits
graceful_timeout = 20  # seconds that running requests are given after SIGTERM
keepalive = 75  # seconds; longer than nginx keeps an idle connection (60), so that nginx is who closes it
proc_name = "keytree"
if os.access("/dev/shm", os.W_OK):  # pragma: no branch  # noqa: S108 - memory, so that a busy disk cannot stop the heartbeat
    worker_tmp_dir = "/dev/shm"  # noqa: S108

# --- What it reads ----------------------------------------------------------------------------------------------------
# Proxies ask /verify with all that a call has, Envoy with its whole address: what they let through has to fit.
limit_request_line = 8190  # bytes; gunicorn takes no larger number
limit_request_fields = 256
limit_request_field_size = 8190  # bytes
# Whom to believe is decided in one place, accounts.addresses, by KEYTREE_TRUSTED_PROXIES. Left to itself gunicorn would
# take the scheme from loopback peers, and scheme and path from any peer on a unix socket.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"  # a name with an underscore could pass for the one with a hyphen

# --- What it writes ---------------------------------------------------------------------------------------------------
logging.config.dictConfig(settings.LOGGING)
logging.captureWarnings(capture=True)
loglevel = settings.KEYTREE_LOG_LEVEL.lower()
accesslog = None  # the proxy in front keeps one; Keytree's own events are in the activity log


class JsonLogger(Logger):  # type: ignore[misc]  # gunicorn comes without types
    """gunicorn's logger without handlers of its own: its records go where all others go, as JSON and redacted."""

    def setup(self, cfg: Config) -> None:
        """Undo what gunicorn sets up."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = JsonLogger
_M_MMAP_THRESHOLD = -3  # its number in <malloc.h>
_LARGE = 1024 * 1024  # bytes
_log = logging.getLogger(__name__)


# --- From start to end ------------------------------------------------------------------------------------------------
def on_starting(server: Arbiter) -> None:
    """Refuse what must not be served, then load the application once, for all workers to share."""
    django.setup()
    from console import checks  # noqa: PLC0415 - loads the models, so Django has to be set up

    inherited = "LISTEN_PID" in os.environ or "GUNICORN_FD" in os.environ
    if not inherited:
        _refuse_taken_addresses(server)
    checks.refuse_unsafe_start()
    # What gunicorn's preload_app does, but after the refusals. SIGHUP therefore renews workers, not code.
    server.app.wsgi()
    connection_created.connect(_note_connection)
    connections.close_all()  # a connection must not be shared with the workers
    gc.freeze()  # nor the memory be copied because the collector touched it
    _give_large_memory_back()


_opened: set[BaseDatabaseWrapper] = set()


def _note_connection(connection: BaseDatabaseWrapper, **_: object) -> None:
    _opened.add(connection)


def _give_large_memory_back() -> None:
    """Let the C library return large pieces of memory to the system, also in the workers, which are forked after this.

    Hashing a password takes 19 MiB for a moment. The GNU library learns from that to keep pieces of this size, and each
    thread keeps its own: four times 19 MiB in each worker. *Source:* mallopt(3), ``M_MMAP_THRESHOLD``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # pragma: no branch - other systems have none, and need none
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _refuse_taken_addresses(server: Arbiter) -> None:
    for address in server.cfg.address:
        if isinstance(address, str):
            continue  # a unix socket: gunicorn replaces a file that was left behind
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                sys.exit(_why_not(address[0], address[1], error))


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program. Set PORT to a free one, such as PORT={port + 1}."
    return f"Keytree cannot listen on port {port} of {host}: {error.strerror}. Set PORT or KEYTREE_BIND."


def when_ready(server: Arbiter) -> None:
    """Say where to go and, in the demo, as whom."""
    address = settings.KEYTREE_PUBLIC_URL or _local_address(server)
    _tell_mails(address)
    if settings.IS_DEMO:
        print(_welcome(address), flush=True)  # noqa: T201 - for the person at the terminal
        connections.close_all()  # the workers are forked after this, and open their own
    else:
        _log.info("serving %s", address)


def _tell_mails(address: str) -> None:
    """Let links in mails of a demo lead here; a public address comes first. The workers are forked after this."""
    from accounts import emails  # noqa: PLC0415 - loads the models, so Django has to be set up

    emails.site.listening_at = address


def _local_address(server: Arbiter) -> str:
    name = server.LISTENERS[0].getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host, port = name[:2]
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104 - any address, so a name of ours
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _welcome(address: str) -> str:
    from console import demo  # noqa: PLC0415 - loads the models, so Django has to be set up

    if not demo.is_loaded():
        their_own = "The database has accounts of its own: log in as one of their users. Ctrl-C stops it."
        return f"\nKeytree is running at {address}\n\n{their_own}\n"
    people: dict[str, str] = {}
    for _, account, members in demo.ACCOUNTS:
        for person in members:
            if person.signs_in:
                place = f"invited by {person.invited_by}" if person.invited_by else f"owner of {account}"
                status = "" if person.status == MemberStatus.ACTIVE else f", {person.status.label.lower()}"
                people.setdefault(person.email, f"{person.name}, {place}{status}")
    return "\n".join(
        [
            "",
            f"Keytree is running at {address}",
            "",
            f"Log in as any of these people; everybody's password is {demo.PASSWORD}",
            *(f"  {email:<24} {who}" for email, who in people.items()),
            "",
            "This is a demo: do not put real keys here. Ctrl-C stops it.",
            "",
        ]
    )


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Write what the worker still holds of *last used*, and close its database connections, as it ends."""
    from keys import usage  # noqa: PLC0415 - loads the models, so Django has to be set up

    usage.flush()
    connections.close_all()
    for wrapper in _opened:  # by threads: each has its own, and ends without a word
        if wrapper.connection is not None:
            wrapper.connection.close()
