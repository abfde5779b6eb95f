"""gunicorn's worker with threads, made so that unfinished requests keep no thread busy.

As it comes, a connection that says nothing holds one of the few threads for five seconds, and one that says the
beginning of a request holds it for as long as it likes: eight of them, and nobody is answered. Here a request goes to a
thread when all of it has arrived. Only what is larger than a page ever sends is read by the thread, within time limits.

A proxy that reads requests whole before it passes them on, as nginx does, keeps such connections to itself; not
everybody has one.
"""

import enum
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gunicorn.http.message import Request
from gunicorn.workers import gthread

#: Bytes of a request that are waited for; more may not fit into what the system keeps for a connection.
_WAITED_FOR = 32 * 1024
#: Seconds that a thread gives a request to arrive before it turns to another one: most are there at once.
_AT_ONCE = 0.05
#: Seconds that a request may take from then on; and that a large one's line and headers may take in a thread.
_ARRIVAL = 5.0
#: Seconds without a byte of a large body, or without room for another one of an answer, until a connection is given up.
_STALL = 15.0

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)
#: What ``handle`` returns of a connection whose request has arrived in part.
_UNFINISHED = object()


class _Arrived(enum.Enum):
    NOTHING, PART, ALL = range(3)


_NOTHING, _PART, _ALL = _Arrived


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn comes without types
    """Answers requests that have arrived, and gives up connections whose requests do not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished: dict[gthread.TConn, float] = {}
        self._being_read: dict[gthread.TConn, float] = {}

    # --- In a thread --------------------------------------------------------------------------------------------------

    def handle(self, conn: gthread.TConn) -> Any:
        """Answer the connection's request, if it has arrived; return what becomes of the connection."""
        until = time.monotonic() + _AT_ONCE
        while (arrived := _arrived(conn)) is not _ALL:
            if time.monotonic() > until:
                # gunicorn's selector wakes up with the first byte, as when a browser opens a connection ahead of need.
                return gthread._DEFER if arrived is _NOTHING else _UNFINISHED
            if arrived is _NOTHING:
                conn.wait_for_data(_AT_ONCE)
            else:
                time.sleep(_AT_ONCE / 10)
        conn.data_ready = True
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
        """Answer a request whose line and headers were read."""
        self._being_read.pop(conn, None)
        conn.sock.settimeout(_STALL)
        return super().handle_request(req, conn)

    def handle_error(self, req: Request, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what gunicorn cannot read, with the headers of every other answer."""
        super().handle_error(req, _WithHeaders(client), addr, exc)

    # --- In the main thread -------------------------------------------------------------------------------------------

    def finish_request(self, conn: gthread.TConn, fs: Any) -> None:
        """Do what ``handle`` returned."""
        if not fs.cancelled() and fs.exception() is None and fs.result() is _UNFINISHED:
            self._unfinished[conn] = time.monotonic() + (_ARRIVAL if self.alive else 0)
        else:
            super().finish_request(conn, fs)

    def _cap_keepalive(self, deadline: float) -> None:
        """Keep no connection beyond ``deadline`` on which nothing happens: the worker is asked to end."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def murder_pending(self) -> None:
        """Take up what has arrived meanwhile and give up what has not; gunicorn calls this once a second or oftener."""
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
                # The thread that reads from it is told that nothing more comes.
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)


class _WithHeaders:
    """The socket that gunicorn writes its own error pages to: it has no other way of adding to their headers."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, answer: bytes) -> None:
        """Send the answer, completed."""
        from console.middleware import ALWAYS  # noqa: PLC0415 - reads the settings

        lines = "".join(f"\r\n{name}: {text}" for name, text in {**ALWAYS, "Cache-Control": "no-store"}.items())
        self._client.sendall(answer.replace(b"\r\n", f"{lines}\r\n".encode(), 1))


def _arrived(conn: gthread.TConn) -> _Arrived:
    """Return how much has come of the connection's next request; all is also what a thread is to read in any case.

    Looks at what has come without taking it. What ended, or is broken, counts as arrived: gunicorn says why.
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
    """Whether these bytes are a request with its body, or the beginning of one whose body is not waited for."""
    head, ended, body = came.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not ended or length is None or _EXPECT.search(head):
        return bool(ended)  # where there is a body, the client waits to be asked for it
    size = int(length[1])
    return len(body) >= size or len(head) + size >= _WAITED_FOR
