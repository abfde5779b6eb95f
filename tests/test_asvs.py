"""docs/asvs.md is whole: every requirement of levels 1 and 2 once, and what it names is there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.sqlite_only

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "asvs.md"
STATUSES = ("held", "later", "n/a")

#: The levels of each section's requirements, the first digit being that of its first requirement.
#: *Source:* OWASP ASVS 5.0.0.
LEVELS = {
    "1.1": "22", "1.2": "1111122223", "1.3": "112222222223", "1.4": "222", "1.5": "123",
    "2.1": "122", "2.2": "112", "2.3": "12223", "2.4": "23",
    "3.1": "3", "3.2": "113", "3.3": "12223", "3.4": "11222233", "3.5": "11122333", "3.6": "3", "3.7": "22333",
    "4.1": "12233", "4.2": "23333", "4.3": "22", "4.4": "1222",
    "5.1": "2", "5.2": "112333", "5.3": "113", "5.4": "222",
    "6.1": "122", "6.2": "111111112222", "6.3": "11223333", "6.4": "112233", "6.5": "22222333", "6.6": "2223",
    "6.7": "33", "6.8": "2222",
    "7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22",
    "8.1": "1233", "8.2": "1123", "8.3": "133", "8.4": "23",
    "9.1": "111", "9.2": "1222",
    "10.1": "22", "10.2": "223", "10.3": "22223", "10.4": "1111122222233333", "10.5": "22222", "10.6": "22",
    "10.7": "222",
    "11.1": "2233", "11.2": "22233", "11.3": "11233", "11.4": "1222", "11.5": "23", "11.6": "23", "11.7": "33",
    "12.1": "12233", "12.2": "11", "12.3": "22223",
    "13.1": "2333", "13.2": "222223", "13.3": "2233", "13.4": "1222233",
    "14.1": "22", "14.2": "12223333", "14.3": "122",
    "15.1": "12233", "15.2": "12233", "15.3": "1222222", "15.4": "3333",
    "16.1": "2", "16.2": "22222", "16.3": "2222", "16.4": "222", "16.5": "2223",
    "17.1": "23", "17.2": "22223333", "17.3": "22",
}  # fmt: skip


class Row(NamedTuple):
    """A line of the table."""

    ids: list[str]
    level: str
    asks: str
    status: str
    answer: str


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        if line.startswith("| V"):
            ids, level, asks, status, answer = (cell.strip() for cell in line.strip("|").split("|"))
            yield Row(ids.split(", "), level, asks, status, answer)


ROWS = list(rows())
IDS = [row.ids[0] for row in ROWS]


def required() -> dict[str, str]:
    """Every requirement of levels 1 and 2, with its level."""
    return {
        f"V{section}.{number}": level
        for section, levels in LEVELS.items()
        for number, level in enumerate(levels, start=1)
        if level != "3"
    }


@cache
def names_of_tests(path: Path) -> set[str]:
    """The names of the tests in a file, read without running it."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.lower().startswith("test")
    }


def test_the_standard_is_counted_right() -> None:
    levels = "".join(LEVELS.values())
    assert (len(levels), levels.count("1"), levels.count("2")) == (345, 70, 183)


def test_every_requirement_stands_in_the_table_once_and_in_order() -> None:
    assert [id_ for row in ROWS for id_ in row.ids] == list(required())


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_row_is_complete(row: Row) -> None:
    levels = {required()[id_] for id_ in row.ids}
    assert row.level == "-".join(sorted(levels))
    assert row.asks
    assert row.status in STATUSES
    assert row.answer
    if row.status == "held":
        assert "`" in row.answer, "something has to hold it"


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_what_a_row_names_is_there(row: Row) -> None:
    for span in re.findall(r"`([^`]+)`", row.answer):
        path, _, test = span.partition("::")
        if test:
            assert test in names_of_tests(ROOT / path), span
        elif "/" in path.strip("/") or "." in path:
            assert (ROOT / path).is_file(), span
