"""When gunicorn's threads are given a request, and which connections are given up: without a server, in no time."""

import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread

from console import worker as module
from console.worker import Worker

pytestmark = pytest.mark.sqlite_only

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Clock:
    """The time that the worker goes by; a thread that waits lets it go on, and meanwhile something may come."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.meanwhile: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Noting(Worker):
    """A worker that notes what is given to its threads."""

    def __init__(self) -> None:
        super().__init__(0, 0, [], None, 0, Config(), None)
        self.given: list[gthread.TConn] = []
        self.poller = selectors.DefaultSelector()

    def enqueue_req(self, conn: gthread.TConn) -> None:
        self.given.append(conn)


@pytest.fixture
def worker() -> Iterator[Noting]:
    worker = Noting()
    yield worker
    worker.poller.close()
    worker.tmp.close()


@contextmanager
def connecting(worker, clock) -> Iterator[tuple[gthread.TConn, socket.socket]]:
    ours, client = socket.socketpair()
    conn = gthread.TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
    conn.wait_for_data = clock.sleep
    worker.nr_conns += 1
    with ours, client:
        client.settimeout(0)
        yield conn, client


@pytest.fixture
def connected(worker, clock) -> Iterator[tuple[gthread.TConn, socket.socket]]:
    """A connection that the worker has accepted, and its client's end."""
    with connecting(worker, clock) as made:
        yield made


@pytest.fixture(autouse=True)
def answered(monkeypatch) -> list[gthread.TConn]:
    """The connections whose requests gunicorn would have read by now."""
    answered: list[gthread.TConn] = []
    monkeypatch.setattr(gthread.ThreadWorker, "handle", lambda _, conn: answered.append(conn))
    return answered


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def returned(result: object) -> Future[object]:
    future: Future[object] = Future()
    future.set_result(result)
    return future


# --- What has arrived -------------------------------------------------------------------------------------------------


def with_body(length: int, *, of: int) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % length + b"x" * of


@pytest.mark.parametrize(
    "came",
    [
        GET,
        GET + GET[:5],
        with_body(3, of=3),
        with_body(3, of=4),
        HEAD + b"content-length:3\r\n\r\nxxx",
        HEAD + b"CONTENT-LENGTH: \t3\r\n\r\nxxx",
        # The client waits to be asked for the body.
        HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        HEAD + b"expect:100-continue\r\nContent-Length: 3\r\n\r\n",
        # Nobody waits for so much.
        with_body(32 * 1024 - len(HEAD) - len("Content-Length: 32718"), of=0),
        with_body(10**12, of=0),
        HEAD + b"x" * (32 * 1024 - len(HEAD)),
    ],
)
def test_request_that_has_arrived_is_answered_at_once(worker, connected, answered, came):
    conn, client = connected
    client.sendall(came)
    worker.handle(conn)
    assert answered == [conn]
    assert conn.sock.recv(len(came)) == came  # none of it was taken


@pytest.mark.parametrize(
    "came",
    [
        b"G",
        GET[:-1],
        HEAD + b"Content-Length: 3\r\n\r\nxx",
        HEAD + b"content-length:3\r\n\r\nxx",
        HEAD + b"CONTENT-LENGTH: \t3\r\n\r\nxx",
        with_body(32 * 1024 - len(HEAD) - len("Content-Length: 32718") - 1, of=0),
        HEAD + b"x" * (32 * 1024 - len(HEAD) - 1),
    ],
)
def test_request_that_has_arrived_in_part_is_left_for_later(worker, connected, answered, came):
    conn, client = connected
    client.sendall(came)
    assert worker.handle(conn) is module._UNFINISHED
    assert answered == []


def test_connection_that_says_nothing_waits_for_its_first_byte(worker, connected, answered):
    conn, _ = connected
    conn.sock.settimeout(15)  # as it is while a request is answered: to look is to wait for nothing
    assert worker.handle(conn) is gthread._DEFER
    assert answered == []


@pytest.mark.parametrize("first", [b"", GET[:10]])
def test_thread_waits_for_a_moment_for_what_is_on_its_way(worker, connected, clock, answered, first):
    conn, client = connected
    client.sendall(first)
    clock.meanwhile = lambda: client.sendall(GET[len(first) :])
    worker.handle(conn)
    assert answered == [conn]
    assert clock.now <= 1_000.05


@pytest.mark.parametrize("whose", ["ours", "the client's"])
def test_closed_connection_is_left_to_gunicorn(worker, connected, answered, whose):
    conn, client = connected
    (conn.sock if whose == "ours" else client).close()
    worker.handle(conn)
    assert answered == [conn]


def test_request_that_came_together_with_the_last_one_has_arrived(worker, connected, answered):
    conn, _ = connected
    conn.init()
    conn.parser.unreader.unread(GET[:5])
    worker.handle(conn)
    assert answered == [conn]


# --- What does not arrive ---------------------------------------------------------------------------------------------


def test_unfinished_request_is_given_to_a_thread_when_the_rest_has_arrived(worker, connected, clock):
    conn, client = connected
    client.sendall(GET[:5])
    worker.finish_request(conn, returned(module._UNFINISHED))
    clock.now += 5
    worker.murder_pending()
    assert worker.given == []
    client.sendall(GET[5:])
    clock.now += 1
    worker.murder_pending()  # late, but there
    worker.murder_pending()
    assert worker.given == [conn]
    assert worker.nr_conns == 1


@pytest.mark.parametrize(("is_stopping", "seconds"), [(False, 5), (True, 0)])
def test_unfinished_request_that_is_late_is_given_up(worker, connected, clock, is_stopping, seconds):
    conn, client = connected
    client.sendall(GET[:5])
    worker.alive = not is_stopping
    worker.finish_request(conn, returned(module._UNFINISHED))
    clock.now += seconds
    worker.murder_pending()
    assert not is_closed(client)
    clock.now += 0.1
    worker.murder_pending()
    worker.murder_pending()
    assert is_closed(client)
    assert (worker.given, worker.nr_conns) == ([], 0)


@pytest.mark.parametrize("how", ["answered", "failed", "cancelled"])
def test_any_other_end_of_a_request_is_left_to_gunicorn(worker, connected, how):
    conn, client = connected
    client.shutdown(socket.SHUT_WR)
    future: Future[object] = Future()
    if how == "cancelled":
        future.cancel()
    elif how == "failed":
        future.set_exception(RuntimeError("on purpose"))
    else:
        future.set_result(False)
    worker.finish_request(conn, future)
    assert worker.nr_conns == 0
    assert is_closed(client)


@pytest.mark.parametrize("how", ["late", "closed", "sent and closed", "sent without end"])
def test_connection_that_has_ended_is_closed_when_its_client_closes_it_or_is_late(worker, connected, clock, how):
    """And nobody waits for that."""
    conn, client = connected
    worker.finish_request(conn, returned(False))
    assert client.recv(1) == b""  # nothing more is sent
    client.sendall(b"x")  # is still received
    for _ in range(2):
        worker.wait_for_and_dispatch_events(0)
        worker.murder_pending()
    assert worker.nr_conns == 1
    if how == "late":
        clock.now += 2.1
        worker.murder_pending()
    else:
        if how.startswith("sent"):
            client.sendall(b"x" * (64 * 1024 if how.endswith("without end") else 1_000))
        if how.endswith("closed"):
            client.close()
        while worker.nr_conns:
            worker.wait_for_and_dispatch_events(5)
    worker.murder_pending()
    assert (worker.nr_conns, conn.sock.fileno()) == (0, -1)


def test_connection_that_a_thread_has_closed_is_no_fault(worker, connected):
    conn, _ = connected
    conn.sock.close()
    worker.finish_request(conn, returned(False))
    assert worker.nr_conns == 0


def test_headers_that_a_thread_reads_have_to_arrive_in_time(worker, connected, clock, monkeypatch):
    conn, client = connected
    client.sendall(b"x" * 32 * 1024)

    def read(worker, conn):
        clock.now += 5
        worker.murder_pending()
        open_until_then.append(not is_closed(client))
        clock.now += 0.1
        worker.murder_pending()
        return conn.sock.recv(100_000) and conn.sock.recv(1)  # what the thread is waiting in

    open_until_then: list[bool] = []
    monkeypatch.setattr(gthread.ThreadWorker, "handle", read)
    assert worker.handle(conn) == b""
    assert open_until_then == [True]
    assert is_closed(client)


def test_body_that_a_thread_reads_may_take_its_time_if_it_goes_on(worker, connected, clock, monkeypatch):
    conn, client = connected
    client.sendall(with_body(100_000, of=10))

    def answer(worker, request, conn):
        clock.now += 60
        worker.murder_pending()
        return conn.sock.gettimeout()

    monkeypatch.setattr(gthread.ThreadWorker, "handle_request", answer)
    monkeypatch.setattr(gthread.ThreadWorker, "handle", lambda worker, conn: worker.handle_request(None, conn))
    assert worker.handle(conn) == 15
    assert not is_closed(client)


LARGE = {
    "its size": with_body(100_000, of=10),
    "its size with zeros": HEAD + b"Content-Length: 000000000000100000\r\n\r\nx",
    "what has come": HEAD + b"x" * 32 * 1024,
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nxx",
    "its client, who waits to be asked": HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("is_second", [False, True])
def test_of_large_requests_all_threads_but_one_read_some_and_the_others_wait(
    worker, connected, clock, monkeypatch, *, kind, is_second
):
    """What has arrived is answered meanwhile; the first that waits has its turn as soon as one has ended."""
    conn, client = connected
    if is_second:  # a request that came together with the one before it
        conn.init()
        conn.parser.unreader.unread(LARGE[kind])
    else:
        client.sendall(LARGE[kind])
    with connecting(worker, clock) as (other, its_client), connecting(worker, clock) as (small, client_of_small):
        its_client.sendall(LARGE["its size"])
        client_of_small.sendall(GET)
        answered: list[gthread.TConn] = []

        def answer(worker, conn):
            answered.append(conn)
            if conn is first:
                left = worker.handle(last)
                worker.finish_request(last, returned(left))
                worker.handle(small)
                assert (left, worker.given) == (module._NO_TURN, [])
            return False

        monkeypatch.setattr(gthread.ThreadWorker, "handle", answer)
        for first, last in ((other, conn), (conn, other)):
            worker.handle(first)
            assert answered == [first, small]
            worker.finish_request(small, returned(module._UNFINISHED))
            assert worker.given == [last]
            worker.handle(last)
            assert answered == [first, small, last]
            answered.clear()
            worker.given.clear()


def test_large_request_that_has_no_turn_in_time_is_given_up(worker, connected, clock):
    conn, client = connected
    worker._turns.acquire()
    worker.finish_request(conn, returned(module._NO_TURN))
    for seconds, is_over in ((15, False), (0.1, True)):
        clock.now += seconds
        worker.murder_pending()
        assert is_closed(client) is is_over
    assert (worker.given, worker.nr_conns) == ([], 0)


def test_connection_is_watched_while_it_is_read_and_no_longer(worker, connected, clock):
    conn, client = connected
    client.sendall(GET)
    worker.handle(conn)
    clock.now += 60
    worker.murder_pending()
    assert not is_closed(client)


def test_connection_that_was_closed_meanwhile_is_no_fault(worker, connected, clock, monkeypatch):
    conn, client = connected
    client.sendall(GET)

    def fail(worker, conn):
        conn.sock.close()
        clock.now += 60
        worker.murder_pending()

    monkeypatch.setattr(gthread.ThreadWorker, "handle", fail)
    worker.handle(conn)


def test_silent_connections_are_closed_in_time_when_the_worker_is_to_end(worker, connected):
    conn, _ = connected
    worker.finish_request(conn, returned(gthread._DEFER))
    worker._cap_keepalive(7.0)
    assert conn.timeout == 7.0
    worker._cap_keepalive(9.0)
    assert conn.timeout == 7.0


def test_kept_connections_are_closed_in_time_too(worker):
    kept = SimpleNamespace(timeout=100.0)
    worker.keepalived_conns.append(kept)
    worker._cap_keepalive(7.0)
    assert kept.timeout == 7.0


def test_silent_connection_is_closed_when_its_time_is_over(worker, connected):
    conn, client = connected
    worker.finish_request(conn, returned(gthread._DEFER))
    conn.timeout = 0.0
    worker.murder_pending()
    assert is_closed(client)


@pytest.mark.parametrize(
    ("noted", "raised"),
    [
        ([signal.SIGTERM], [signal.SIGTERM]),
        ([signal.SIGINT], [signal.SIGINT]),
        ([signal.SIGQUIT], [signal.SIGQUIT]),
        ([signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGWINCH], [signal.SIGTERM]),
        ([], []),
    ],
)
def test_signals_that_came_too_early_are_heard_if_they_are_about_the_end(worker, monkeypatch, noted, raised):
    heard: list[int] = []
    monkeypatch.setattr(gthread.ThreadWorker, "init_signals", lambda _: None)
    monkeypatch.setattr(signal, "raise_signal", heard.append)
    for number in noted:
        worker.noted.put(number)
    worker.init_signals()
    assert heard == raised


def test_a_second_signal_does_not_hold_up_the_end() -> None:
    """Ctrl-C reaches a worker twice: from the terminal, and from the server that it reaches too."""
    worker = Worker(0, 0, [], None, 0, Config(), None)
    ended = []

    class Threads:
        def shutdown(self, **_: bool) -> None:
            ended.append(True)
            worker.handle_quit(signal.SIGQUIT, None)  # a signal that arrives meanwhile is handled here

    worker.tpool = Threads()
    with pytest.raises(SystemExit):
        worker.handle_quit(signal.SIGINT, None)
    worker.tmp.close()
    assert ended == [True]
