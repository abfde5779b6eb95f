"""What a serving process does about once an hour, by a thread of its own: small installations may have no timer.

It costs requests nothing but a look at a flag, and verifications not even that. Each process that has answered anything
else does it; the writes see to it that nothing is done twice.
"""

import logging
import threading
import time
from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from accounts.origin import Origin
from keys.platform import lifecycle
from keys.wsgi import Environ, StartResponse, WSGIApplication

_log = logging.getLogger(__name__)

_FIRST = 60.0  # seconds from the first request: a server that has just begun has better things to do
_EVERY = 3600.0  # seconds


class HourlyApplication:
    """Answers as the application behind it does, and starts the thread with the first request.

    Not earlier: a server that forks its workers has forked them by then.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if self._thread is None:
            self._start()
        return self._application(environ, start_response)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=_always, name="keytree-hourly", daemon=True)
                self._thread.start()


def _always() -> None:
    time.sleep(_FIRST)
    while True:
        tell_expiring()
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
