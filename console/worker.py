"""gunicorn's threaded worker, changed so that incomplete requests do not occupy threads.

In gunicorn's own, a connection that sends nothing occupies a thread for five seconds, and one that sends only the
beginning of a request occupies it for as long as it likes: eight such connections block the console. Here a request is
given to a thread only once it has arrived completely. Requests that are larger than those of any page are read by the
thread, within time limits.

A proxy that buffers requests, as nginx does, keeps such connections away from us, but not everybody has one.
"""

import enum
import queue
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gunicorn.http.message import Request
from gunicorn.workers import gthread

from accounts import origin

#: Requests up to this size, in bytes, are waited for; more may not fit into the system's buffer of a connection.
_WAITED_FOR = 32 * 1024
#: Seconds that a thread waits for a request before it takes another one: most arrive at once.
_AT_ONCE = 0.05
#: Seconds after that in which a request must arrive; also for the headers of a large one, which a thread reads.
_ARRIVAL = 5.0
#: Seconds without progress, in reading a large body or in sending an answer, after which a connection is closed.
_STALL = 15.0

#: Signals that ask a worker to end: at once, or when what it has begun is done.
_ENDS = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)
#: What ``handle`` returns for a connection whose request has arrived only in part.
_UNFINISHED = object()


class _Arrived(enum.Enum):
    NOTHING, PART, ALL = range(3)


_NOTHING, _PART, _ALL = _Arrived


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn comes without types
    """Answers requests that have arrived, and closes connections whose requests do not arrive in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished: dict[gthread.TConn, float] = {}
        self._being_read: dict[gthread.TConn, float] = {}
        #: What whoever started the worker notes signals in, as it was at that moment, and as it goes on in the worker.
        self.noted: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._ends = False

    def init_signals(self) -> None:
        """Listen to signals from now on, and to one that came too early and asks the worker to end.

        Until here its signals are handled as they were where it comes from: noted, for nobody to read. A server
        that is stopped as soon as it is started would wait for such a worker until it may kill it.
        """
        super().init_signals()
        while not self.noted.empty():
            if (number := self.noted.get()) in _ENDS:
                signal.raise_signal(number)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End at once, when asked for the first time.

        Ctrl-C at a terminal reaches the workers as well as the server, which then asks them too. If the second signal
        arrived while the first is shutting down the threads, it would wait forever for their lock.
        """
        if not self._ends:
            self._ends = True
            super().handle_quit(sig, frame)

    # --- In a thread --------------------------------------------------------------------------------------------------

    def handle(self, conn: gthread.TConn) -> Any:
        """Answer the connection's request, if it has arrived; return what is to be done with the connection."""
        until = time.monotonic() + _AT_ONCE
        while (arrived := _arrived(conn)) is not _ALL:
            if time.monotonic() > until:
                # Nothing yet, as when a browser connects in advance: gunicorn's selector waits for the first byte.
                return gthread._DEFER if arrived is _NOTHING else _UNFINISHED
            if arrived is _NOTHING:
                conn.wait_for_data(_AT_ONCE)
            else:
                time.sleep(_AT_ONCE / 10)
        conn.data_ready = True
        origin.request_id.set("")  # that of the last request that this thread answered
        with self._deadline(conn):
            return super().handle(conn)

    @contextmanager
    def _deadline(self, conn: gthread.TConn) -> Iterator[None]:
        self._being_read[conn] = time.monotonic() + _ARRIVAL
        try:
            yield
        finally:
            self._being_read.pop(conn, None)

    def handle_request(self, req: Request, conn: gthread.TConn) -> Any:
        """Answer a request whose headers have been read."""
        self._being_read.pop(conn, None)
        conn.sock.settimeout(_STALL)
        return super().handle_request(req, conn)

    def handle_error(self, req: Request, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn cannot read, with the headers of every other answer and an id of its own."""
        peer = addr[0] if addr else ""
        if not origin.request_id.get():
            origin.begin({"REMOTE_ADDR": peer})
        super().handle_error(req, _WithHeaders(client, peer), addr, exc)

    # --- In the main thread -------------------------------------------------------------------------------------------

    def finish_request(self, conn: gthread.TConn, fs: Any) -> None:
        """Do what ``handle`` returned: keep an incomplete request, or what gunicorn does."""
        if not fs.cancelled() and fs.exception() is None and fs.result() is _UNFINISHED:
            self._unfinished[conn] = time.monotonic() + (_ARRIVAL if self.alive else 0)
        else:
            super().finish_request(conn, fs)

    def _cap_keepalive(self, deadline: float) -> None:
        """Close idle connections by ``deadline``: the worker has been asked to stop."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def murder_pending(self) -> None:
        """Hand over requests that have arrived by now, close those that are late; called about once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self._unfinished.items()):
            if _arrived(conn) is _ALL:
                del self._unfinished[conn]
                self.enqueue_req(conn)
            elif deadline < now:
                del self._unfinished[conn]
                self.nr_conns -= 1
                conn.close()
        for conn, deadline in list(self._being_read.items()):
            if deadline < now:
                # Ends the read of the thread that is waiting for it.
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)


class _WithHeaders:
    """A socket that adds our headers to gunicorn's error pages; gunicorn has no setting for that.

    Args:
        client: the socket.
        peer: whom it is connected to. A declared proxy's client counts as one that came by https: what the proxy says
            of it may be just what cannot be read, and browsers heed the header for https alone.
    """

    def __init__(self, client: socket.socket, peer: str) -> None:
        self._client, self._peer = client, peer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, answer: bytes) -> None:
        """Send the answer with our headers after its first line."""
        from console.middleware import ALWAYS  # noqa: PLC0415 - reads the settings
        from keys.wsgi import transport_security  # noqa: PLC0415 - likewise

        said = {"wsgi.url_scheme": "http", "REMOTE_ADDR": self._peer, "HTTP_X_FORWARDED_PROTO": "https"}
        headers = [*ALWAYS.items(), ("Cache-Control", "no-store"), ("X-Request-ID", origin.request_id.get())]
        lines = "".join(f"\r\n{name}: {text}" for name, text in [*headers, *transport_security(said)])
        self._client.sendall(answer.replace(b"\r\n", f"{lines}\r\n".encode(), 1))


def _arrived(conn: gthread.TConn) -> _Arrived:
    """Return how much of the connection's next request has arrived, without taking it from the socket.

    ALL is also the answer for what a thread has to deal with: requests too large to wait for, closed and broken
    connections.
    """
    if conn.parser is not None and conn.parser.unreader.buf.getvalue():
        return _ALL  # the next request came together with the last one
    try:
        conn.sock.settimeout(0)
        came = conn.sock.recv(_WAITED_FOR, socket.MSG_PEEK)
    except BlockingIOError:
        return _NOTHING
    except OSError:
        return _ALL
    if not came or len(came) == _WAITED_FOR:
        return _ALL
    return _ALL if _is_whole(came) else _PART


def _is_whole(came: bytes) -> bool:
    """Whether these bytes are a complete request, or the headers of one whose body is not waited for."""
    head, ended, body = came.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not ended or length is None or _EXPECT.search(head):
        return bool(ended)  # without a length there is no body; with Expect the client waits to be asked for it
    size = int(length[1])
    return len(body) >= size or len(head) + size >= _WAITED_FOR
