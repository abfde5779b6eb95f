"""Checks the chains of the audit trail, and compares them with heads that were copied off the machine earlier."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from accounts import audit
from accounts.models import Account, AuditChain, Event

# Attempts at a trail that is being written to all the time.
_LOOKS = 5


@dataclass(frozen=True)
class Head:
    """The end of an account's chain, to be copied each day to a place where nobody can change it."""

    account_id: int
    number: int
    digest: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.account_id} {self.number} {self.digest} {self.at.isoformat()}"


class HeadError(ValueError):
    """A line is not a head as this module prints them."""


def account_ids() -> list[int]:
    """Return the IDs of all accounts that exist, have events or have a chain: removing a row hides no account."""
    return sorted(
        {
            *Account.objects.values_list("pk", flat=True),
            *AuditChain.objects.values_list("pk", flat=True),
            *Event.objects.order_by().values_list("account_id", flat=True).distinct(),
        }
    )


def head(account_id: int) -> Head | None:
    """Return the head of an account's chain, None if it has no events."""
    last = Event.objects.filter(account_id=account_id).order_by("-number").first()
    return Head(account_id, last.number, _digest(last.link), last.at) if last else None


def _digest(link: bytes | memoryview) -> str:
    """Return the digest of an event's link that a head shows."""
    return hashlib.sha256(link).hexdigest()


def first_break(account_id: int) -> tuple[int, str] | None:
    """Return (number, what is wrong) of the first break of an account's chain, None if it is whole.

    An event that is written meanwhile looks like one that is missing at the end. A break therefore counts only if the
    head did not change while the chain was read.
    """
    found = None
    for _ in range(_LOOKS):
        before = head(account_id)
        found = next(audit.breaks(account_id), None)
        if found is None or head(account_id) == before:
            break
    return found


def mark(account_id: int) -> tuple[int, bytes]:
    """Return number and link of the last event that was deleted as old; number 0 if none was."""
    chain = AuditChain.objects.filter(pk=account_id).first()
    return (chain.trimmed_until, bytes(chain.trimmed_link)) if chain else (0, b"")


def parse_heads(text: str) -> Iterator[Head]:
    """Yield the heads in a text that was printed earlier. Raises HeadError, with the number of the wrong line."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9]+) ([0-9]+) ([0-9a-f]{64}) (\S+)", line.strip())
        try:
            if match is None:
                raise ValueError  # noqa: TRY301 - the same answer as for a bad date
            yield Head(int(match[1]), int(match[2]), match[3], datetime.fromisoformat(match[4]))
        except ValueError:
            raise HeadError(f"Line {number} is not a head as verify_audit --heads prints it.") from None


def contradiction(earlier: Head) -> str | None:
    """Return how the present trail contradicts an earlier head, None if it continues from there.

    Only this finds a trail that somebody who can write to the database cut short and made look whole. Do not ask about
    events older than the last one that was deleted as old.
    """
    until, link = mark(earlier.account_id)
    event = Event.objects.filter(account_id=earlier.account_id, number=earlier.number).first()
    if event is None and earlier.number != until:
        return f"event {earlier.number} is missing, which was there at {earlier.at.isoformat()}"
    if _digest(event.link if event else link) != earlier.digest:
        return f"event {earlier.number} is not the one that was there at {earlier.at.isoformat()}"
    return None
