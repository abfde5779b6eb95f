"""gunicorn's threaded worker, changed so that incomplete requests do not occupy threads.

In gunicorn's own, a connection that sends nothing occupies a thread for five seconds, and one that sends only the
beginning of a request occupies it for as long as it likes: eight such connections block the console. Here a request is
given to a thread only once it has arrived completely. Requests that are larger than those of any page are read by the
thread, within time limits, and by all threads but one at most: one is always there for what has arrived.

A proxy that buffers requests, as nginx does, keeps such connections away from us, but not everybody has one.
"""

import enum
import queue
import re
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
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
#: Seconds without progress, in reading a large body or in sending an answer, after which a connection is closed; also
#: those that a large request waits for a thread that may read it.
_STALL = 15.0

#: Seconds in which a client has to close a connection that has ended, and bytes that it may send at once meanwhile.
_ENDING = 2.0
_READ_AWAY = 64 * 1024

#: Signals that ask a worker to end: at once, or when what it has begun is done.
_ENDS = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*([0-9]{1,9})", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)
#: What ``handle`` returns for a connection whose request has arrived only in part, and for one with a large request
#: when as many threads as may are reading such.
_UNFINISHED, _NO_TURN = object(), object()


class _Arrived(enum.Enum):
    NOTHING, PART, ALL, LARGE = range(4)


_NOTHING, _PART, _ALL, _LARGE = _Arrived


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn comes without types
    """Answers requests that have arrived, and closes connections whose requests do not arrive in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished: dict[gthread.TConn, float] = {}
        self._being_read: dict[gthread.TConn, float] = {}
        #: Large requests that a thread reads, with their turns, and those that wait for one.
        self._large: set[gthread.TConn] = set()
        self._turns = threading.BoundedSemaphore(max(1, self.cfg.threads - 1))
        self._waiting: dict[gthread.TConn, float] = {}
        self._ending: dict[gthread.TConn, float] = {}
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
        try:
            return self._handle(conn)
        finally:
            if conn in self._large:
                self._large.remove(conn)
                self._turns.release()

    def _handle(self, conn: gthread.TConn) -> Any:
        until = time.monotonic() + _AT_ONCE
        while (arrived := _arrived(conn)) is _NOTHING or arrived is _PART:
            if time.monotonic() > until:
                # Nothing yet, as when a browser connects in advance: gunicorn's selector waits for the first byte.
                return gthread._DEFER if arrived is _NOTHING else _UNFINISHED
            if arrived is _NOTHING:
                conn.wait_for_data(_AT_ONCE)
            else:
                time.sleep(_AT_ONCE / 10)
        if arrived is _LARGE and conn not in self._large:
            if not self._turns.acquire(blocking=False):
                return _NO_TURN
            self._large.add(conn)
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
        result = None if fs.cancelled() or fs.exception() is not None else fs.result()
        if result is _UNFINISHED:
            self._unfinished[conn] = time.monotonic() + (_ARRIVAL if self.alive else 0)
        elif result is _NO_TURN:
            self._waiting[conn] = time.monotonic() + (_STALL if self.alive else 0)
        elif result is False:
            self._end(conn)
        else:
            super().finish_request(conn, fs)
        while self._waiting and self._turns.acquire(blocking=False):
            first = next(iter(self._waiting))
            del self._waiting[first]
            self._large.add(first)
            self.enqueue_req(first)

    def _end(self, conn: gthread.TConn) -> None:
        """Say that nothing more is sent, and close the connection once its client has closed it, or after a while.

        Closed at once, it would take back what a client that still sends has not read yet. gunicorn's own waits right
        here, for one client after the other: a few that do not close would keep everybody else from being answered.

        *Source:* RFC 9112, section 9.6.
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.settimeout(0)
        except OSError:  # it is closed, or broken
            self.nr_conns -= 1
            conn.close()
            return
        self._ending[conn] = time.monotonic() + _ENDING
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_away, conn))
        self._read_away(conn)

    def _read_away(self, conn: gthread.TConn, _: Any = None) -> None:
        """Read what the client of an ending connection still sends; close it if that is all, or too much."""
        try:
            left = conn.sock.recv(_READ_AWAY)
        except BlockingIOError:
            return
        except OSError:
            left = b""
        if not left or len(left) == _READ_AWAY:
            self._close_ending(conn)

    def _close_ending(self, conn: gthread.TConn) -> None:
        del self._ending[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Close idle connections by ``deadline``: the worker has been asked to stop."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def murder_pending(self) -> None:
        """Hand over requests that have arrived by now, close those that are late; called about once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn in list(self._unfinished):
            if _arrived(conn) in {_ALL, _LARGE}:
                del self._unfinished[conn]
                self.enqueue_req(conn)
        for late in (self._unfinished, self._waiting):
            for conn, deadline in list(late.items()):
                if deadline < now:
                    del late[conn]
                    self.nr_conns -= 1
                    conn.close()
        for conn, deadline in list(self._ending.items()):
            if deadline < now:
                self._close_ending(conn)
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

    ALL is also the answer for closed and broken connections, which a thread has to deal with; LARGE that for what a
    thread has to read, be it too large to wait for, in chunks or asked for first.
    """
    if conn.parser is not None and (came := conn.parser.unreader.buf.getvalue()):
        # It came together with the last one.
        return _ALL if _how_much(came) is _ALL else _LARGE
    try:
        conn.sock.settimeout(0)
        came = conn.sock.recv(_WAITED_FOR, socket.MSG_PEEK)
    except BlockingIOError:
        return _NOTHING
    except OSError:
        return _ALL
    if not came:
        return _ALL
    return _LARGE if len(came) == _WAITED_FOR else _how_much(came)


def _how_much(came: bytes) -> _Arrived:
    """Return how much of a request these bytes are, of which there is at least one."""
    head, ended, body = came.partition(b"\r\n\r\n")
    if not ended:
        return _PART
    names = head.lower()
    if b"\r\ncontent-length" not in names and b"\r\ntransfer-encoding" not in names:
        return _ALL  # without a length there is no body
    length = _LENGTH.search(head)
    if length is None:
        return _LARGE
    if len(body) >= (size := int(length[1])):
        return _ALL
    # With Expect the client waits to be asked for the body.
    return _LARGE if _EXPECT.search(head) or len(head) + size >= _WAITED_FOR else _PART
