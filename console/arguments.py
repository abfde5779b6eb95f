"""How arguments of our commands are read, for ``add_argument(type=...)``: what cannot be meant is refused by name."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from accounts.models.account import HIGHEST_ACCOUNT_ID, LOWEST_ACCOUNT_ID


def number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``least`` to ``most``, and raises ArgumentTypeError at any other text.

    A number that no database or calendar has would end a command in the midst of its work.
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


def file(text: str) -> Path:
    """Return the path of a file. Raises ArgumentTypeError when ``text`` names none, but a folder at most."""
    path = Path(text)
    if path.name in {"", ".."}:
        raise ArgumentTypeError("must be the path of a file")
    return path
