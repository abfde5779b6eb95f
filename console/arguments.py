"""Types of our commands' arguments, for ``add_argument(type=...)``."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ValidationError

from accounts.models.account import HIGHEST_ACCOUNT_ID, LOWEST_ACCOUNT_ID
from accounts.names import REASON_LENGTH, clean_name


def number(least: int, most: int) -> Callable[[str], int]:
    """Return a type for whole numbers from ``least`` to ``most``.

    Numbers too large for the database or the calendar would otherwise fail in the middle of a command.
    """

    def read(text: str) -> int:
        try:
            found = int(text)
        except ValueError:  # also more digits than Python reads
            found = least - 1
        if not least <= found <= most:
            raise ArgumentTypeError(f"must be a number from {least} to {most}")
        return found

    return read


account_id = number(LOWEST_ACCOUNT_ID, HIGHEST_ACCOUNT_ID)


def words(text: str) -> str:
    """Return words for the activity log, cleaned. Raises ArgumentTypeError for what would disturb pages and mails."""
    try:
        cleaned = clean_name(text)
    except ValidationError:
        cleaned = ""
    if not 1 <= len(cleaned) <= REASON_LENGTH:
        raise ArgumentTypeError(f"must be one line of 1 to {REASON_LENGTH} characters, without the address of a page")
    return cleaned


def file(text: str) -> Path:
    """Return the path of a file. Raises ArgumentTypeError if ``text`` can only be a folder."""
    path = Path(text)
    if path.name in {"", ".."}:
        raise ArgumentTypeError("must be the path of a file")
    return path
