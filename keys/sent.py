"""What programs send in a request: of any size and make until it has been looked at here, before anything reads it."""

import json
from typing import Any

from keys.wsgi import Environ

#: Bytes of a body; a larger one is refused without being read.
LONGEST_BODY = 1024 * 1024
#: How deep elements of XML and values of JSON may lie in each other, and how many there may be.
MOST_LEVELS, MOST_VALUES = 32, 10_000
#: Digits of a whole number: it has to fit into a column of the database.
MOST_DIGITS = 18
_LARGEST = 10**MOST_DIGITS
#: What browsers say of requests that a person or a page of ours made. *Source:* Fetch Metadata Request Headers.
_OWN_SITE = {"none", "same-origin"}


class Unreadable(Exception):
    """What was sent cannot be read; the text says why, in words for the caller that follow a colon.

    Attributes:
        status: of the answer.
    """

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def is_from_other_site(environ: Environ) -> bool:
    """Whether a browser says that it sends the request for a page of another site."""
    return environ.get("HTTP_SEC_FETCH_SITE", "none") not in _OWN_SITE


def body(environ: Environ) -> bytes:
    """Return the whole body. Raises Unreadable for one that is too large, without reading it, and for half of one."""
    said = environ.get("CONTENT_LENGTH", "")
    too_large = Unreadable("the body is larger than 1 MiB.", status=413)
    if said:
        if not (said.isascii() and said.isdecimal()):
            raise Unreadable("its length is no number.")
        if len(said) > len(str(LONGEST_BODY)) or int(said) > LONGEST_BODY:
            raise too_large
    elif not environ.get("wsgi.input_terminated"):
        return b""
    try:
        sent: bytes = environ["wsgi.input"].read(int(said) if said else LONGEST_BODY + 1)
    except Exception:  # noqa: BLE001 - whatever servers raise when the other end stops in the middle
        raise Unreadable("its body did not arrive.") from None
    if len(sent) > LONGEST_BODY:
        raise too_large
    if said and len(sent) < int(said):
        raise Unreadable("its body did not arrive.")
    return sent


def from_json(text: str) -> Any:
    """Return the value that a text is in JSON. Raises Unreadable for what is none, or is more than any call needs."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unreadable("that is not JSON.") from None
    _check(value)
    return value


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _check(value: Any) -> None:
    """Raise Unreadable if ``value`` is too deep or too large, or holds what no database or document can take."""
    level, seen = [value], 0
    for _ in range(MOST_LEVELS):
        seen += len(level)
        if seen > MOST_VALUES:
            raise Unreadable(f"more than {MOST_VALUES:,} values.")
        below: list[Any] = []
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
                raise Unreadable("a number is too large.")
        if not below:
            return
        level = below
    raise Unreadable(f"values lie more than {MOST_LEVELS} deep in each other.")


def check_text(text: str) -> None:
    """Raise Unreadable for a text that no database can take: one with a NUL character, or half of a character."""
    if "\0" in text or not _is_whole(text):
        raise Unreadable("a text has characters that are none.")


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
