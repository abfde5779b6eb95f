"""``manage.py report_leaked_keys``: report every IBM Cloud API key whose value stands in a text as leaked."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError

from accounts.origin import COMMAND_LINE
from console import arguments
from console.maintenance import MaintenanceCommand, require_ring
from keys.models import LeakedAction
from keys.platform import leaks

_CHUNK = 1024 * 1024  # bytes
_DONE = {LeakedAction.DISABLE: "disabled", LeakedAction.DELETE: "deleted", LeakedAction.NOTHING: "left alone"}


class Command(MaintenanceCommand):
    """Finds what has the form of a value, and does with each key what its user chose for this case."""

    help = (
        "Look through a text, or any other file, for values of IBM Cloud API keys, and report each as leaked: the key "
        "is then disabled, deleted or left as it is, as its user chose, who is told by mail. No value is printed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", nargs="?", type=arguments.file, help="where to look (default: standard input)")
        parser.add_argument(
            "--source",
            type=arguments.words,
            default="a search by whoever runs the installation",
            metavar="WORDS",
            help="where the text was found; for the activity log and the mail (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Report, and print how many values were those of keys, and what became of them."""
        require_ring()
        path: Path | None = options["file"]
        try:
            if path is None:
                reported = self._report(sys.stdin.buffer, options["source"])
            else:
                with path.open("rb") as file:
                    reported = self._report(file, options["source"])
        except OSError as error:
            raise CommandError(f"The file cannot be read. {error}") from error
        keys = reported.actions.total()
        done = ", ".join(f"{reported.actions[action]:,} {words}" for action, words in _DONE.items())
        self.stdout.write(f"Values found: {reported.found:,}; those of keys: {keys:,} ({done}).")

    @staticmethod
    def _report(file: BinaryIO, source: str) -> leaks.Reported:
        return leaks.report_all(_chunks(file), source=source, origin=COMMAND_LINE)


def _chunks(file: BinaryIO) -> Iterator[str]:
    # Values are ASCII, whatever they stand among.
    while chunk := file.read(_CHUNK):
        yield chunk.decode("latin-1")
