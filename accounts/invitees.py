"""Reads whom somebody wants to invite from what they typed or pasted. No model, no request, no rule of who may."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from accounts.names import clean_email

#: How many may be invited at once.
MOST_INVITEES = 1_000
#: Characters of the longest text that is read: room for the most invitees, each with a name.
LONGEST_TEXT = 400_000

_SHOWN = 100  # characters of an entry that is no address


@dataclass(frozen=True)
class Invitee:
    """One entry: where it stands, and the address in canonical form or what is wrong with it."""

    line: int
    text: str
    email: str = ""
    problem: str = ""


def read(text: str) -> list[Invitee]:
    """Return the entries of ``text`` in order, each address once.

    Entries are separated by commas, semicolons, spaces and line ends, and may have the form ``Name <address>``; the
    name is not read. Takes time in proportion to the text.
    """
    found: dict[str, Invitee] = {}
    seen: set[str] = set()  # a single letter may stand there two hundred thousand times
    for number, line in enumerate(text.splitlines(), start=1):
        for entry in _entries(line):
            if entry in seen:
                continue
            seen.add(entry)
            invitee = _invitee(number, entry)
            found.setdefault(invitee.email or invitee.text, invitee)
    return list(found.values())


def _entries(line: str) -> Iterator[str]:
    # A quoted name may hold commas; it is a name and no more.
    for chunk in re.split(r"[,;]", re.sub(r'"[^"]*"', " ", line)):
        pieces = re.split(r"[<>]", chunk)
        for place, piece in enumerate(pieces):
            if place % 2:
                yield "".join(piece.split())
            else:
                is_name = len(pieces) > 1
                yield from (word for word in piece.split() if "@" in word or not is_name)


def _invitee(line: int, entry: str) -> Invitee:
    shown = entry if len(entry) <= _SHOWN else f"{entry[:_SHOWN]} …"
    try:
        return Invitee(line, shown, email=clean_email(entry))
    except ValidationError as error:
        return Invitee(line, shown or "<>", problem=" ".join(error.messages))
