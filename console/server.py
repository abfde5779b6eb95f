"""How gunicorn serves Keytree: ``gunicorn --config python:console.server console.wsgi``.

gunicorn reads the names in this module as its settings, and calls the functions at the bottom as its hooks. The
settings that an installation may change are listed in README.md, "Settings".
"""

import ctypes
import errno
import gc
import logging
import logging.config
import os
import socket
import sys
from pathlib import Path

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
# A wrong setting raises on the first access to the settings; gunicorn prints the message without a traceback and ends.
_address = settings.KEYTREE_BIND
if _address.startswith("unix:"):
    bind = _address
else:
    _address = _address.strip("[]")
    bind = f"[{_address}]:{settings.PORT}" if ":" in _address else f"{_address}:{settings.PORT}"
# gunicorn's control socket would lie in the home folder of whoever starts it: one way in too many.
control_socket_disable = True
umask = 0o007  # of a unix socket: its owner and group may connect

# --- Who does the work ------------------------------------------------------------------------------------------------
# Threads, because browsers open connections in advance and keep them: each would block a sync worker until its timeout.
# Few, because Python runs one at a time, and each keeps a database connection of its own.
workers = settings.WEB_CONCURRENCY
worker_class = "console.worker.Worker"
threads = 4
timeout = 30  # seconds without a heartbeat after which a worker is killed; requests are limited by the database
graceful_timeout = 20  # seconds that running requests may take after SIGTERM
keepalive = 75  # seconds; longer than nginx keeps an idle connection (60), so that it is nginx that closes it
proc_name = "keytree"
if os.access("/dev/shm", os.W_OK):  # pragma: no branch  # noqa: S108 - memory, so that a busy disk cannot stop the heartbeat
    worker_tmp_dir = "/dev/shm"  # noqa: S108

# --- What it reads ----------------------------------------------------------------------------------------------------
# Proxies pass all headers of a call on to /verify, and Envoy its whole URL: whatever they accept has to fit.
limit_request_line = 8190  # bytes; gunicorn takes no larger number
limit_request_fields = 256
limit_request_field_size = 8190  # bytes
# Which proxies to trust is decided in accounts.addresses alone, by KEYTREE_TRUSTED_PROXIES. By default gunicorn would
# believe loopback peers about the scheme, and any peer on a unix socket about scheme and path.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"  # a header name with an underscore could pass for the one with a hyphen

# --- What it writes ---------------------------------------------------------------------------------------------------
logging.config.dictConfig(settings.LOGGING)
logging.captureWarnings(capture=True)
loglevel = settings.KEYTREE_LOG_LEVEL.lower()
accesslog = None  # the proxy keeps one; what happens in Keytree is in the activity log


class JsonLogger(Logger):  # type: ignore[misc]  # gunicorn comes without types
    """gunicorn's logger without handlers of its own: its records go to ours, redacted and as JSON."""

    def setup(self, cfg: Config) -> None:
        """Remove the handlers that gunicorn adds."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = JsonLogger
_M_MMAP_THRESHOLD = -3  # as in <malloc.h>
_LARGE = 1024 * 1024  # bytes
_log = logging.getLogger(__name__)


# --- From start to end ------------------------------------------------------------------------------------------------
def on_starting(server: Arbiter) -> None:
    """Refuse to serve an unsafe installation, then load the application once, shared by all workers."""
    django.setup()
    from console import checks  # noqa: PLC0415 - loads the models, so Django has to be set up

    inherited = "LISTEN_PID" in os.environ or "GUNICORN_FD" in os.environ
    if not inherited:
        _refuse_taken_addresses(server)
    checks.refuse_unsafe_start()
    # As gunicorn's preload_app does, but after the checks. SIGHUP therefore restarts workers with the same code.
    server.app.wsgi()
    connection_created.connect(_note_connection)
    connections.close_all()  # a connection must not be shared with the workers
    gc.freeze()  # keeps the garbage collector from touching, and so copying, the shared memory
    _give_large_memory_back()


_opened: set[BaseDatabaseWrapper] = set()


def _note_connection(connection: BaseDatabaseWrapper, **_: object) -> None:
    _opened.add(connection)


def _give_large_memory_back() -> None:
    """Make the C library return large blocks of memory to the system, also in the workers, which are forked later.

    Hashing a password takes 19 MiB for a moment. The GNU library adapts and keeps blocks of this size, one for each
    thread: four times 19 MiB in each worker. *Source:* mallopt(3), ``M_MMAP_THRESHOLD``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # pragma: no branch - other C libraries have none, and do not need it
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _refuse_taken_addresses(server: Arbiter) -> None:
    for address in server.cfg.address:
        if isinstance(address, str):
            _refuse_taken_socket(address)
            continue
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                sys.exit(_why_not(address[0], address[1], error))


def _refuse_taken_socket(path: str) -> None:
    if why := _why_no_socket(Path(path)):
        sys.exit(f"Keytree cannot listen at {path}: {why}. Set KEYTREE_BIND, such as unix:/run/keytree.sock.")


def _why_no_socket(path: Path) -> str:
    """Say why there can be no socket at ``path``; nothing if there can: gunicorn replaces one that was left behind.

    It would replace one that another program listens on too: that program goes on, and nobody reaches it.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0)
            probe.connect(str(path))
    except BlockingIOError:
        pass  # somebody is there, and busy
    except (FileNotFoundError, ConnectionRefusedError):
        if path.exists() and not path.is_socket():
            return "that is no socket"
        if not path.parent.is_dir():
            return f"the folder {path.parent} does not exist"
        return "" if os.access(path.parent, os.W_OK | os.X_OK) else f"the folder {path.parent} is not writable"
    except OSError as error:
        return error.strerror or str(error)
    return "another program listens there"


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program. Set PORT to a free one, such as PORT={port + 1}."
    return f"Keytree cannot listen on port {port} of {host}: {error.strerror}. Set PORT or KEYTREE_BIND."


def when_ready(server: Arbiter) -> None:
    """Print the address and, in the demo, whom to log in as."""
    address = settings.KEYTREE_PUBLIC_URL or _local_address(server)
    _tell_mails(address)
    if settings.IS_DEMO:
        print(_welcome(address), flush=True)  # noqa: T201 - for the person at the terminal
        connections.close_all()  # the workers are forked after this, and open their own
    else:
        _log.info("serving %s", address)


def _tell_mails(address: str) -> None:
    """Make links in the demo's mails lead here, unless a public address is set. The workers are forked after this."""
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


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Let the worker see what came for it before it listens to signals itself."""
    worker.noted = server.SIG_QUEUE


def post_worker_init(worker: Worker) -> None:
    """Let the worker do what is due about once an hour, even if it never answers anything but verifications."""
    from console.wsgi import hourly  # noqa: PLC0415 - Django has to be set up

    hourly.begin()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Write the *last used* times that the ending worker still holds, and close its database connections."""
    from keys import usage  # noqa: PLC0415 - loads the models, so Django has to be set up

    usage.flush()
    connections.close_all()
    for wrapper in _opened:  # of its threads: each has one of its own, and does not close it
        if wrapper.connection is not None:
            wrapper.connection.close()
