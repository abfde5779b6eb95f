"""How answers are sent: in blocks while they are made, and never half of one as if it were all; how requests end."""

import io
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import OperationalError

from keys import verification
from keys.api import application
from keys.api.faults import Fault
from tests.keys.api.calling import PATHS, PRIYA, Wire, connection_kept, document, headed, items, raising
from tests.keys.calls import basic

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


@pytest.fixture
def ends(monkeypatch) -> list[str]:
    """What Django was told of requests: that they began, and that they ended."""
    told: list[str] = []

    def began(**_: object) -> None:
        told.append("began")

    def ended(**_: object) -> None:
        told.append("ended")

    request_started.connect(began)
    request_finished.connect(ended)
    yield told
    request_started.disconnect(began)
    request_finished.disconnect(ended)


def opened(wire: Wire, path: str, value: str) -> tuple[str, dict[str, str], Any]:
    """Ask for a list and return status line, headers and the body, of which nothing has been read yet."""
    body = document("getUsers", headed(PRIYA, value)) if "xmlrpc" in path else b""
    environ: dict[str, Any] = {
        "PATH_INFO": path, "REQUEST_METHOD": "POST", "wsgi.url_scheme": "http", "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body), "HTTP_AUTHORIZATION": basic(PRIYA, value), "REMOTE_ADDR": "127.0.0.1",
    }  # fmt: skip
    told: list[Any] = []
    answer = wire.application(environ, lambda *said: told.extend(said))
    return told[0], dict(told[1]), answer


class Counted:
    """Records that count how many of them were made, and whether they were given up."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        self.number, self.error, self.made, self.is_closed = number, error, 0, False

    def __iter__(self):
        try:
            for item in items(self.number):
                self.made += 1
                yield item
            if self.error:
                raise self.error
        finally:
            self.is_closed = True


@pytest.mark.parametrize("path", PATHS)
def test_long_list_is_made_while_it_is_sent(wire, value_of, path):
    records = Counted(20_000)
    wire.gives, wire.total = records, 20_000
    with connection_kept():
        line, headers, answer = opened(wire, path, value_of("priya"))
        assert line == "200 OK"
        assert headers["SoftLayer-Total-Items"] == "20000"
        assert "Content-Length" not in headers
        assert records.made < 3_000
        blocks = list(answer)
        answer.close()
    assert (records.made, records.is_closed) == (20_000, True)
    assert all(64 * 1024 <= len(block) < 70_000 for block in blocks[:-1])
    assert b"19999_somebody" in blocks[-1]


@pytest.mark.parametrize("path", PATHS)
def test_answer_that_ends_with_a_block_is_whole(wire, value_of, path):
    wire.gives = "x" * 64 * 1024
    with connection_kept():
        _, headers, answer = opened(wire, path, value_of("priya"))
        blocks = list(answer)
        answer.close()
    assert all(blocks), "an empty one would end the answer of a server that sends it in chunks"
    sent = b"".join(blocks)
    assert sent.count(b"x" * 64 * 1024) == 1
    assert sent.endswith(b'"' if "rest" in path else b"</params>\n")
    assert "Content-Length" not in headers


@pytest.mark.parametrize("path", PATHS)
def test_answer_that_nobody_reads_is_given_up(wire, value_of, path, ends):
    for read in (0, 1, 2):
        records = Counted(20_000)
        wire.gives, wire.total = records, 20_000
        with connection_kept():
            _, _, answer = opened(wire, path, value_of("priya"))
            for _, _ in zip(range(read), answer, strict=False):
                pass
            assert ends[-1] == "began"
            answer.close()
        assert records.is_closed
        assert records.made < 20_000
        assert ends == ["began", "ended"]
        ends.clear()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("error", [OperationalError("secret"), RuntimeError("on purpose"), Fault("late")])
def test_answer_that_breaks_off_does_not_end_as_a_whole_one(wire, value_of, ends, caplog, *, path, error):
    wire.gives, wire.total = Counted(20_000, error), 20_000
    with connection_kept():
        _, _, answer = opened(wire, path, value_of("priya"))
        sent = []
        with pytest.raises(application._BrokenOff) as raised:
            sent += answer
        answer.close()
    assert raised.value.__suppress_context__
    assert not b"".join(sent).rstrip().endswith((b"]", b"</params>"))
    assert ends == ["began", "ended"]
    assert "an answer broke off" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("path", PATHS)
def test_error_after_a_few_items_is_still_an_error(wire, value_of, path):
    wire.gives, wire.total = Counted(100, Fault("after some")), 100
    with connection_kept():
        line, _, answer = opened(wire, path, value_of("priya"))
        text = b"".join(answer).decode()
        answer.close()
    assert line.startswith("500" if "rest" in path else "200")
    assert "after some" in text
    assert "somebody" not in text


def test_every_request_begins_and_ends_for_django(wire, value_of, ends, monkeypatch):
    call = document("getObject", headed(PRIYA, value_of("priya")))
    for error in (None, Fault("text"), RuntimeError("on purpose")):
        wire.gives = error
        wire.send("POST", PATHS[1], call)
    wire.send("POST", PATHS[1], call, headers={"Sec-Fetch-Site": "cross-site"})
    wire.send("POST", PATHS[1], call, CONTENT_LENGTH="9" * 9)
    wire.send("HEAD", PATHS[0])
    monkeypatch.setattr(verification, "_ask", raising(OperationalError()))
    wire.send("POST", PATHS[1], call)
    assert ends == ["began", "ended"] * 7
    wire.send("GET", "/login")
    assert len(ends) == 14


def test_request_ends_for_django_where_the_server_does_not_take_the_answer(wire, ends):
    environ = {"PATH_INFO": PATHS[0], "REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    with connection_kept(), pytest.raises(BrokenPipeError):
        wire.application(environ, raising(BrokenPipeError()))
    assert ends == ["began", "ended"]
