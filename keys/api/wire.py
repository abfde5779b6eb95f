"""What both transports share: a request as it came, its limits, and what it asks for."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from keys import wsgi
from keys.api.calls import Answer, Call, Credentials, Value
from keys.api.faults import BadCall, Fault, NotAuthenticated

#: Bytes of a body; a larger one is refused without being read.
LONGEST_BODY = 1024 * 1024
#: How deep elements of XML and values of JSON may lie in each other, and how many there may be.
DEEPEST, MOST = 32, 10_000
#: Digits of a whole number: it has to fit into a column of the database.
MOST_DIGITS = 18
_LARGEST = 10**MOST_DIGITS
#: Characters of a name or a number in an answer that quotes it.
_QUOTED = 60

#: Gives a method its complete name: service, name as sent (none if the verb stands for it), verb.
Resolve = Callable[[str, str | None, str], str]


@dataclass(frozen=True)
class Request:
    """What came, of which nothing has been looked at.

    Attributes:
        parts: of the path behind the version, without empty ones.
    """

    verb: str
    parts: tuple[str, ...]
    body: bytes
    environ: wsgi.Environ


@dataclass(frozen=True)
class Asked:
    """A request whose credentials have been read, and how to read the rest of it once they were accepted."""

    credentials: Credentials
    call: Callable[[Resolve], Call]


@dataclass(frozen=True)
class Transport:
    """A way in which calls and their answers are written.

    Attributes:
        verbs: those that calls come with.
        has_statuses: whether an error has the status of its own; if not, it is 200 as for any answer.
        read: says what a request asks for; raises Fault.
        written: yields an answer in parts, of a list one for each item.
        fault: writes an error.
    """

    content_type: str
    verbs: tuple[str, ...]
    has_statuses: bool
    read: Callable[[Request], Asked]
    written: Callable[[Answer], Iterator[str]]
    fault: Callable[[Fault], str]


def basic_credentials(request: Request) -> Credentials:
    """Return the pair in the header of a request. Raises NotAuthenticated."""
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    if not header:
        raise NotAuthenticated("No valid authentication headers found.")
    pair = wsgi.credentials(header)
    if pair is None:
        raise NotAuthenticated
    return Credentials.of(*pair)


def quoted(text: str) -> str:
    """Return what was sent as an answer may repeat it: short, and in ASCII that prints."""
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text[:_QUOTED])


def from_json(text: str) -> Value:
    """Return the value that a text is in JSON. Raises BadCall for what is none, or is more than any call needs."""
    try:
        value: Value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadCall("Bad request: that is not JSON.") from None
    _check(value)
    return value


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _check(value: Value) -> None:
    """Raise BadCall if ``value`` is too deep or too large, or holds what no database or document can take."""
    level, seen = [value], 0
    for _ in range(DEEPEST):
        seen += len(level)
        if seen > MOST:
            raise BadCall(f"Bad request: more than {MOST:,} values.")
        below: list[Value] = []
        for part in level:
            if isinstance(part, dict):
                for name in part:
                    check_text(name)
                below += part.values()
            elif isinstance(part, list):
                below += part
            elif isinstance(part, str):
                check_text(part)
            elif isinstance(part, (int, float)) and not abs(part) < _LARGEST:  # so that what is no number fails too
                raise BadCall("Bad request: a number is too large.")
        if not below:
            return
        level = below
    raise BadCall(f"Bad request: values lie more than {DEEPEST} deep in each other.")


def check_text(text: str) -> None:
    """Raise BadCall for a text that no database can take: one with a NUL character, or half of a character."""
    if "\0" in text or not _is_whole(text):
        raise BadCall("Bad request: a text has characters that are none.")


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def whole_number(value: object) -> int | None:
    """Return a whole number from 0; none for anything else."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < _LARGEST else None  # type: ignore[operator,return-value]
