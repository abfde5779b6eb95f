"""Reads files with people to be invited: CSV with a heading, or LDIF as directories write it. No model, no request.

Whatever is wrong with an entry is said with its line; a file that cannot be read at all raises FileError. Takes time
and memory in proportion to the file, whose size the caller has limited.

*Source:* RFC 4180 (CSV), RFC 2849 (LDIF), RFC 2798 (inetOrgPerson).
"""

import base64
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

#: Bytes of the largest file, entries and lines in it.
LARGEST_FILE = 20 * 1024 * 1024
MOST_ENTRIES = 100_000
MOST_LINES = 1_000_000

# Characters. A row or value as large as the file would take fifty times the file's memory.
_LONGEST_CELL = 10_000
_LONGEST_ROW = 100_000
_MOST_PARTS = 32  # of a distinguished name
_SHOWN = 100  # characters of what is quoted
_DELIMITERS = ",;\t"
#: How workbooks begin, those of today and those of before 2007: many choose them for the CSV that they were asked for.
_WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0")
#: Names of the columns that are read, folded; others are not read.
_EMAIL_COLUMNS = ("email", "e-mail", "mail", "email address")
_PARENT_COLUMNS = ("parent", "parent email", "manager", "invited by")
#: Attributes of LDIF that are read, folded.
_READ = {"version", "dn", "changetype", "objectclass", "mail", "manager"}


class FileError(ValueError):
    """A file of which nothing can be read; the message says why, and where."""


@dataclass(frozen=True)
class Entry:
    """Somebody to be invited: where it stands, and what it says. Without a parent, whoever imports is the parent."""

    line: int
    email: str
    parent: str = ""


@dataclass(frozen=True)
class Problem:
    """What is wrong at a line."""

    line: int
    text: str
    what: str


@dataclass
class Content:
    """What a file holds."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """How many there are of both."""
        return len(self.entries) + len(self.problems)

    def add(self, entry: Entry) -> None:
        """Add an entry. Raises FileError when there are too many."""
        self._require_room()
        self.entries.append(entry)

    def refuse(self, line: int, text: str, what: str) -> None:
        """Add what is wrong at a line. Raises FileError when there is too much."""
        self._require_room()
        self.problems.append(Problem(line, shown(text), what))

    def _require_room(self) -> None:
        if self.lines >= MOST_ENTRIES:
            raise FileError(f"The file has more than {MOST_ENTRIES:,} entries.")


def shown(text: str) -> str:
    """Return a text as a report quotes it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def read(data: bytes) -> Content:
    """Return what a file holds, CSV or LDIF by how it begins. Raises FileError."""
    if len(data) > LARGEST_FILE:
        raise FileError(f"The file is larger than {LARGEST_FILE // 1024 // 1024} MiB.")
    if data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") > MOST_LINES:
        raise FileError(f"The file has more than {MOST_LINES:,} lines.")
    text = _decoded(data)
    begins = re.search(r"^(?![#\s])(.*)$", text, re.MULTILINE)
    is_ldif = begins is not None and re.match(r"(version|dn)\s*:", begins[1], re.IGNORECASE) is not None
    content = _read_ldif(text) if is_ldif else _read_csv(text)
    if not content.entries and not content.problems:
        raise FileError("The file does not name anyone.")
    return content


def _decoded(data: bytes) -> str:
    if data.startswith(_WORKBOOKS):
        raise FileError("This is a workbook of Excel or another program. Save it as CSV UTF-8 and choose that file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(f"Line {line} is not in UTF-8. Save the file in UTF-8 and try again.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FileError(f"Line {line} holds a NUL character: this is not a text file.")
    return text


# --- CSV --------------------------------------------------------------------------------------------------------------


def _read_csv(text: str) -> Content:
    heading = cast(re.Match[str], re.match(r"\s*([^\r\n]*)", text))[1]
    delimiter = max(_DELIMITERS, key=heading.count)
    csv.field_size_limit(_LONGEST_CELL)
    content, columns, length = Content(), None, [0]
    rows = csv.reader(_measured(io.StringIO(text, newline=""), length), delimiter=delimiter, strict=True)
    try:
        last = 0
        for cells in rows:
            line, last, length[0] = last + 1, rows.line_num, 0
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells)
            elif len(cells) != columns.width:
                quoted = delimiter.join(cells)
                content.refuse(line, quoted, f"The heading has {columns.width} cells, and this line {len(cells)}.")
            else:
                parent = cells[columns.parent] if columns.parent is not None else ""
                content.add(Entry(line, _plain(cells[columns.email]), _plain(parent)))
    except csv.Error as error:
        raise FileError(f"Line {rows.line_num} cannot be read as CSV: {error}.") from None
    return content


def _measured(lines: Iterable[str], length: list[int]) -> Iterator[str]:
    """Yield the lines and count their characters; the reader resets the count after each row. Raises FileError."""
    for number, line in enumerate(lines, start=1):
        length[0] += len(line)
        if length[0] > _LONGEST_ROW:
            raise FileError(f"The row of line {number} has more than {_LONGEST_ROW:,} characters.")
        yield line


@dataclass(frozen=True)
class _Columns:
    width: int
    email: int
    parent: int | None


def _columns(cells: list[str]) -> _Columns:
    """Find the columns by the heading. Raises FileError when none holds addresses, or more than one might."""
    names = [cell.strip().casefold() for cell in cells]
    emails, parents = (
        [place for place, name in enumerate(names) if name in known] for known in (_EMAIL_COLUMNS, _PARENT_COLUMNS)
    )
    if not emails:
        raise FileError('The first line has to be a header with a column "email", and optionally "parent".')
    for places, what in ((emails, "the email"), (parents, "the parent")):
        if len(places) > 1:
            numbers = " and ".join(str(place + 1) for place in places)
            raise FileError(f"Columns {numbers} could each be {what}. Keep one, and rename or remove the others.")
    return _Columns(len(cells), emails[0], parents[0] if parents else None)


def _plain(cell: str) -> str:
    """Return a cell without the apostrophe that keeps spreadsheets from reading it as a formula."""
    cell = cell.strip()
    return cell[1:] if re.match(r"'[=+\-@]", cell) else cell


# --- LDIF -------------------------------------------------------------------------------------------------------------


@dataclass
class _Record:
    line: int
    values: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""

    def first(self, *names: str) -> str:
        return next((self.values[name][0] for name in names if self.values.get(name)), "")


def _read_ldif(text: str) -> Content:
    content, people = Content(), list[tuple[int, str, str]]()  # the line of each, their address, and their manager
    emails: dict[str, str] = {}
    for record in _records(text):
        dn, email = _folded_dn(record.first("dn")), record.first("mail")
        if not record.problem and "dn" not in record.values:
            if set(record.values) <= {"version"}:
                continue
            record.problem = "The entry does not begin with its name (dn)."
        if record.first("changetype") not in ("", "add"):
            record.problem = "Only entries are read, no changes of entries (changetype)."
        classes = {name.casefold() for name in record.values.get("objectclass", [])}
        is_person = bool(email or classes & {"person", "inetorgperson"})
        if record.problem or (is_person and not email):
            content.refuse(record.line, record.first("dn"), record.problem or "The entry has no address (mail).")
        elif is_person:
            if dn in emails:
                content.refuse(record.line, record.first("dn"), "There is another entry with this name (dn) above.")
                continue
            emails[dn] = email
            people.append((record.line, email, record.first("manager")))
    for line, email, manager in people:
        parent = emails.get(_folded_dn(manager)) if manager else ""
        if parent is None:
            content.refuse(line, email, f"The manager is not in the file: {shown(manager)}")
        else:
            content.add(Entry(line, email, parent))
    return content


def _records(text: str) -> Iterator[_Record]:
    """Yield the entries, which blank lines separate, each with its attributes by folded name."""
    record: _Record | None = None
    for number, line in _unfolded(text):
        if not line:
            if record is not None:
                yield record
            record = None
            continue
        record = record or _Record(number)
        match = re.match(r"([A-Za-z0-9][\w.-]*)(?:;[\w.;-]*)?:([:<]?)(.*)$", line)
        if match is None:
            record.problem = record.problem or f"Line {number} is not an attribute and its value: {shown(line)}"
            continue
        name = match[1].casefold()
        value, problem = _value(number, match[2], match[3], is_read=name in _READ)
        record.problem = record.problem or problem
        if name in _READ:
            record.values.setdefault(name, []).append(value)
    if record is not None:
        yield record


def _value(number: int, kind: str, text: str, *, is_read: bool) -> tuple[str, str]:
    """Return the value of an attribute, cut off if too long, and what is wrong with it."""
    if kind == "<":
        return "", f"Line {number} refers to another file, which is not read."
    if not is_read:
        return "", ""
    if len(text) > _LONGEST_CELL:
        return "", f"Line {number} has a value of more than {_LONGEST_CELL:,} characters."
    text = text.strip()
    if kind != ":":
        return text, ""
    try:
        found = base64.b64decode(text, validate=True).decode().strip()
    except ValueError:
        found = "\0"
    return (found, "") if "\0" not in found else (text, f"Line {number} is not text in base64.")


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, those that go on put together, comments left out; a blank one at the end."""
    begun, parts = 0, list[str]()
    lines = (line.rstrip("\n") for line in io.StringIO(text, newline=None))  # one at a time: there may be a million
    for number, line in enumerate(chain(lines, [""]), start=1):
        if line.startswith(" ") and parts:
            parts.append(line[1:])
            continue
        if parts and not parts[0].startswith("#"):
            yield begun, "".join(parts)
        begun, parts = number, [line] if line.strip() else []
        if not parts:
            yield number, ""


def _folded_dn(name: str) -> str:
    """Return a distinguished name in canonical form: parts in lower case, without spaces around them.

    One of more parts than any directory has stays as it is written: taking it apart would only take time.
    """
    if name.count(",") + name.count(";") >= _MOST_PARTS:
        return name.casefold()
    parts = re.split(r"(?<!\\)[,;]", name)
    return ",".join("=".join(side.strip() for side in part.partition("=")[::2]) for part in parts).casefold()
