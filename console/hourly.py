"""What a serving process does about once an hour, by a thread of its own: small installations may have no timer.

It costs requests nothing but a look at a flag, and verifications not even that. Each worker of gunicorn does it, and
any other process once it has answered anything but verifications; the writes see to it that nothing is done twice.
"""

import logging
import threading
import time
from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from accounts.origin import Origin
from console import checks
from keys.platform import lifecycle
from keys.wsgi import Environ, StartResponse, WSGIApplication

_log = logging.getLogger(__name__)

_FIRST = 60.0  # seconds from the beginning: a server that has just begun has better things to do
_EVERY = 3600.0  # seconds


class HourlyApplication:
    """Answers as the application behind it does, and begins with the first request unless told to begin before.

    Not of itself: a server that forks its workers has forked them by then.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if self._thread is None:
            self.begin()
        return self._application(environ, start_response)

    def begin(self) -> None:
        """Start the thread of this process, if it was not yet."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=_always, name="keytree-hourly", daemon=True)
                self._thread.start()


def _always() -> None:
    time.sleep(_FIRST)
    while True:
        tell_expiring()
        warn_of_missing_master_keys()
        time.sleep(_EVERY)


def tell_expiring() -> None:
    """Tell the holders of keys that are about to expire; errors are logged."""
    try:
        lifecycle.tell_expiring(now=timezone.now(), origin=Origin(address=None))
    except Exception as error:  # noqa: BLE001 - whatever it is: the next hour may go better
        # The kind alone: a database's message may quote values.
        _log.error("holders of keys that are about to expire could not be told: %s", type(error).__name__)
    finally:
        connection.close()


def warn_of_missing_master_keys() -> None:
    """Log which master keys the ring lacks: another server may have one that this one was not given.

    Calls with the keys that need it are refused here like unknown ones, without an event that would tell.
    """
    try:
        checks.log_warnings(checks.ring_has_every_master_key())
    finally:
        connection.close()
