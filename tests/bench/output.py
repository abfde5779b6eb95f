"""What the benchmark prints: progress on standard error, one table for each database on standard output."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, and what it should be.

    Attributes:
        goal: ``≥ 1.15`` or ``≤ 2``; empty for a figure that is only told.
        value: the measured number that the goal is about; none where it could not be measured.
        measured: the value as it is printed; by default two decimal places.
        note: absolute figures behind a ratio, or why there is none.
    """

    name: str
    goal: str
    value: float | None
    measured: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """*ok* or *short*, "-" where there is nothing to judge."""
        if not self.goal or self.value is None:
            return "-"
        sign, limit = self.goal.split()[:2]
        reached = self.value >= float(limit) if sign == "≥" else self.value <= float(limit)
        return "ok" if reached else "short"

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of the table."""
        value = "not measured" if self.value is None else self.measured or f"{self.value:.2f}"
        return self.name, value, self.goal or "-", self.verdict, self.note


def progress(text: str) -> None:
    """Say what is going on."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """Print figures below a title, as a table that Markdown understands too."""
    head = ("figure", "measured", "goal", "", "behind it")
    lines = [head, *(figure.cells for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    rows = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    sys.stdout.write("\n".join([f"\n### {title}\n", *rows]) + "\n")
    sys.stdout.flush()
