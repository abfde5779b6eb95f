"""Logs: a line is one JSON object, and whatever looks like a key is blotted out wherever it stands."""

import base64
import io
import json
import logging
import re

import pytest

from console.logs import JsonFormatter, RedactingFilter, redact, request_id

pytestmark = pytest.mark.sqlite_only

CLASSIC = "0123456789abcdef" * 4
PLATFORM = "ktp_" + "aB3" * 16
TOKEN = "aB3-_" * 8  # of an invitation, or of a link for another password
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjB9.c2lnbmF0dXJl-_"
SIGNS = "ab+/_-" * 4 + "=="
BASIC = base64.b64encode(f"1234567_olivia@acme.example:{CLASSIC}".encode()).decode()


@pytest.fixture
def log():
    """A logger that writes as ours do, and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("keytree.test")  # noqa: LOG001 - of this test alone
    logger.addHandler(handler)
    logger.written = lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    return logger


@pytest.mark.parametrize(
    "secret",
    [
        CLASSIC,
        CLASSIC.upper(),
        f"value={CLASSIC}&x=1",
        PLATFORM,
        f"Authorization: Basic {BASIC}",
        f"authorization: basic   {BASIC}",
        f"Basic {SIGNS}",
        f"Cookie: keytree_session={CLASSIC[:32]}; a=b",
        f"Cookie: __Host-keytree_csrf={CLASSIC[:32]}; a=b",
        f"GET /invitations/kti_{TOKEN}",
        f"GET /reset/ktr_{TOKEN}",
        f"authToken=ktl_{TOKEN}",
        f"Authorization: Bearer {JWT}",
        f"GET /?next=%2F%3Faccess_token%3D{JWT}",
        f"GET /v1/apikeys/{JWT[:20]}",
        "GET /v1/" + "-eyJ" * 20_000,  # read once, and not once from each place where a token could begin
    ],
)
def test_redact_blots_out_what_looks_like_a_key(secret: str) -> None:
    blotted = redact(f"before {secret} after")
    assert "[redacted]" in blotted
    assert blotted.startswith("before ")
    for part in (CLASSIC, CLASSIC.upper(), PLATFORM, BASIC, CLASSIC[:32], TOKEN, SIGNS[2:], JWT):
        assert part not in blotted


@pytest.mark.parametrize("text", ["", "GET /iam/apikeys 200", "ktp_short", "0123456789abcdef" * 3])
def test_redact_leaves_the_rest(text: str) -> None:
    assert redact(text) == text


def test_a_line_says_when_where_and_what(log) -> None:
    token = request_id.set("abc123")
    try:
        log.warning("refused %s for %s", "sign-in", "olivia@acme.example")
    finally:
        request_id.reset(token)
    (line,) = log.written()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("at"))
    assert line == {
        "level": "WARNING",
        "logger": "keytree.test",
        "message": "refused sign-in for olivia@acme.example",
        "request_id": "abc123",
    }


def test_arguments_are_redacted(log) -> None:
    log.error("no such key: %r", CLASSIC)
    log.error("%(value)s", {"value": PLATFORM})
    assert [line["message"] for line in log.written()] == ["no such key: '[redacted]'", "[redacted]"]


def test_tracebacks_are_redacted_and_stay_on_their_line(log) -> None:
    try:
        int(CLASSIC[:10] + CLASSIC + "!")
    except ValueError:
        log.exception("failed")
    (line,) = log.written()
    assert "ValueError: invalid literal" in line["traceback"]
    assert "[redacted]" in line["traceback"]
    assert CLASSIC not in json.dumps(line)


def test_what_was_refused_is_no_fault_and_has_no_traceback(log) -> None:
    try:
        int("x")
    except ValueError:
        log.warning("refused", exc_info=True)
    (line,) = log.written()
    assert (line["message"], "traceback" in line) == ("refused", False)


def test_line_breaks_cannot_forge_a_line(log) -> None:
    log.info('ok\n{"level": "INFO", "message": "forged"}\r\u2028\x00')
    (line,) = log.written()
    assert line["message"].startswith("ok\n")
