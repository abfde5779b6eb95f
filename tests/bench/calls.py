"""Calls a WSGI application as a server does, without one: what is measured is the application's own time."""

from collections.abc import Callable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults


def environ(address: str, **headers: str) -> dict[str, Any]:
    """Return what a GET of ``address`` from this machine looks like to an application."""
    path, _, query = address.partition("?")
    made: dict[str, Any] = {
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
    }
    setup_testing_defaults(made)
    return {**made, **headers}


def call_well(application: Callable[..., Any], request: dict[str, Any], *, expected: int = 200) -> int:
    """Send a request and return the length of the answer, whose parts are let go of one by one.

    Raises ValueError for an answer of another status than expected.
    """
    status = ""

    def start_response(line: str, headers: object, exc_info: object = None) -> None:
        nonlocal status
        status = line

    answer = application({**request, "wsgi.input": BytesIO()}, start_response)
    try:
        length = sum(map(len, answer))
    finally:
        if hasattr(answer, "close"):
            answer.close()
    if not status.startswith(str(expected)):
        raise ValueError(f"{request['PATH_INFO']} answers {status} instead of {expected}.")
    return length
