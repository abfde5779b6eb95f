"""``python -m tests.bench``: measures Keytree against the figures in docs/performance.md.

Prints one table for each database, and ends with success whatever the figures are. ``--quick`` is for a first look.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.bench import data
from tests.bench.figures import QUICK, THOROUGH, Effort, Measurement
from tests.bench.output import print_table, progress

_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_THOUSAND, _SMALL, _LARGE = 1_000, 10_000, 1_000_000


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Keytree's speed.")
    parser.add_argument(
        "--members", type=_numbers, metavar="N,N", help=f"sizes of the accounts (default: {_SMALL},{_LARGE})"
    )
    parser.add_argument(
        "--databases", type=_databases, default=list(_TITLES), metavar="NAME,NAME", help="default: sqlite,postgresql"
    )
    parser.add_argument("--quick", action="store_true", help=f"few rounds, and {_SMALL:,} members alone")
    arguments = parser.parse_args()
    sizes = sorted(arguments.members or ([_SMALL] if arguments.quick else [_SMALL, _LARGE]))
    started = time.monotonic()
    try:
        with data.kept_folder() as folder:
            for database in arguments.databases:
                _measure(database, folder, sizes, QUICK if arguments.quick else THOROUGH)
    except data.Busy as error:
        progress(str(error))
    progress(f"Done after {time.monotonic() - started:,.0f} s.")
    return 0


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < _THOUSAND:
        raise argparse.ArgumentTypeError(f"an account to be measured has at least {_THOUSAND:,} members")
    return numbers


def _databases(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - _TITLES.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(_TITLES)}")
    return names


def _measure(database: str, folder: Path, sizes: list[int], effort: Effort) -> None:
    server = data.postgresql_server(folder) if database == "postgresql" else data.no_server()
    with server as url:
        thousand = data.installation(folder, url, _THOUSAND)
        installations = [data.installation(folder, url, size) for size in sizes]
        measurement = Measurement(database, folder, url, thousand, installations, effort)
        size = " and ".join(f"{each.size} with {each.facts['keys']:,} keys" for each in installations)
        print_table(f"{_TITLES[database]}: {size}", list(measurement.figures()))


if __name__ == "__main__":
    sys.exit(main())
