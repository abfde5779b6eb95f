"""Files of users as programs and people write them: what is read of each, and what is wrong at which line."""

import base64
import csv
from collections.abc import Iterator

import pytest

from accounts import member_files
from accounts.member_files import Entry, FileError, Problem

pytestmark = pytest.mark.sqlite_only

A, B = "a@x.example", "b@x.example"


@pytest.fixture(autouse=True)
def longest_cell() -> Iterator[None]:
    """The longest cell that is read is one for the whole process: put back after each test."""
    longest = csv.field_size_limit()
    yield
    csv.field_size_limit(longest)


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- CSV --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "parent"),
    [("email", "parent"), (" E-MAIL ", "Parent email"), ("mail", "Manager"), ("Email address", "Invited by")],
)
def test_columns_go_by_any_of_their_names(email, parent):
    found = member_files.read(f"Name,{email},{parent},Note\nx,{A},{B},y\n".encode())
    assert found == member_files.Content([Entry(2, A, B)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"\n \nemail;note\n{A};a,b\n", Entry(4, A)),
        (f"email;note\r{A};a,b,c\r", Entry(2, A)),  # as spreadsheets once wrote it on another system
        (f"dn,mail\ncn=x,{A}\n", Entry(2, A)),  # a directory's entries, but as CSV
        (f"email,parent\n {A} , {B} \n", Entry(2, A, B)),
        ("email,parent\n'=a,'+b\n", Entry(2, "=a", "+b")),
        ("email,parent\n '-a,'@b\n", Entry(2, "-a", "@b")),
        ("email,parent\n'a,''b\n", Entry(2, "'a", "''b")),
    ],
)
def test_csv_is_read_however_it_is_written(text, expected):
    assert member_files.read(text.encode()) == member_files.Content([expected])


def test_row_that_fits_no_heading_is_quoted_in_part():
    found = member_files.read(b"email;note\n" + b"a;" * 50 + b"b\n")
    assert found.problems == [Problem(2, "a;" * 50 + " …", "The heading has 2 cells, and this line 51.")]


# --- LDIF -------------------------------------------------------------------------------------------------------------

SEARCHED = f"""# extended LDIF
#
# LDAPv3
# filter: (objectclass=*)

# x, example
DN: cn=x
ObjectClass: INETORGPERSON
MAIL:{A}
employee-number;lang-de: 1
0.9.2342.19200300.100.1.3: other@x.example

# y, example
dn: cn=y\\, z ; dc=q
changetype: add
mail;x-1:: {in_base64(f"{B} ")[:8]}
 {in_base64(f"{B} ")[8:]} \n\
manager:   cn=X

# search result
search: 2
result: 0 Success
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_a_directory_answers_is_read_as_it_is(ending):
    assert member_files.read(SEARCHED.replace("\n", ending).encode()) == member_files.Content(
        [Entry(7, A), Entry(14, B, A)]
    )


@pytest.mark.parametrize(
    ("text", "quoted", "what"),
    [
        ("dn : cn=x", "", "Line 1 is not an attribute and its value: dn : cn=x"),
        ("dn: cn=x\nobjectClass: inetOrgPerson", "cn=x", "The entry has no address (mail)."),
        ("dn: cn=x\nobjectClass: Person", "cn=x", "The entry has no address (mail)."),
        ("dn: cn=x\n-\nmail:: !", "cn=x", "Line 2 is not an attribute and its value: -"),
        ("dn: cn=x\nmail:: !\n-", "cn=x", "Line 2 is not text in base64."),
        ("dn: cn=x\nmail:< file:a\nmanager:: !", "cn=x", "Line 2 refers to another file, which is not read."),
        ("dn:: /w==", "/w==", "Line 1 is not text in base64."),  # in no UTF-8
        (f"dn: cn=x\n{'-' * 101}", "cn=x", f"Line 2 is not an attribute and its value: {'-' * 100} …"),
        (f"dn: cn=x\nmail: {A}\nmanager: {'y' * 101}", A, f"The manager is not in the file: {'y' * 100} …"),
        (f"dn: {'x' * 101}\nobjectClass: person", f"{'x' * 100} …", "The entry has no address (mail)."),
        (f"dn: {'x' * 100}\nobjectClass: person", "x" * 100, "The entry has no address (mail)."),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_once_and_briefly(text, quoted, what):
    assert member_files.read(text.encode()) == member_files.Content([], [Problem(1, quoted, what)])


def test_blank_lines_begin_an_entry_whatever_is_behind_them():
    found = member_files.read(f"dn: cn=x\nmail: {A}\n\t\ndn: cn=y\nmail: {B}\n\n mail: c@x.example\n".encode())
    assert found.entries == [Entry(1, A), Entry(4, B)]
    assert found.problems == [Problem(7, "", "Line 7 is not an attribute and its value:  mail: c@x.example")]


@pytest.mark.parametrize("parts", [2, 32, 33])
def test_name_is_the_same_however_it_is_written_unless_it_has_very_many_parts(parts):
    name = ",".join(["cn=q"] * parts)
    for other, is_one in ((name.upper(), True), (name.replace(",", " ; ").replace("=", " = "), parts < 33)):
        found = member_files.read(f"dn: {name}\nmail: {A}\n\ndn: cn=y\nmail: {B}\nmanager: {other}\n".encode())
        assert found.entries[1:] == [Entry(4, B, A)] * is_one


def test_space_behind_a_comma_that_is_part_of_a_name_makes_another_name():
    text = f"dn: cn=q\\,r\nmail: {A}\n\ndn: cn=y\nmail: {B}\nmanager: cn=q\\, r\n"
    assert [problem.line for problem in member_files.read(text.encode()).problems] == [4]


# --- How much of it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "text", "largest", "words"),
    [
        ("LARGEST_FILE", f"email\n{A}\n", 18, "is larger than"),
        ("MOST_LINES", f"email\r\n{A}\r\n", 2, "more than 1 lines"),
        ("MOST_LINES", f"email\r{A}\r", 2, "more than 1 lines"),
        ("MOST_ENTRIES", f"email\n{A}\na,b\n", 2, "more than 1 entries"),
        ("MOST_ENTRIES", f"dn: cn=x\nmail: {A}\n\nmail: x\n\n", 2, "more than 1 entries"),
        ("_LONGEST_ROW", "email\n'aaaa\n\naaaaaa\n", 7, "The row of line 4 has more than 6 characters."),
        ("_LONGEST_CELL", f"email\n{A}\n", 11, "Line 2 cannot be read as CSV: field larger than field limit"),
    ],
)
def test_limit_is_the_largest_that_is_read(monkeypatch, limit, text, largest, words):
    monkeypatch.setattr(member_files, limit, largest)
    assert member_files.read(text.encode()).entries
    monkeypatch.setattr(member_files, limit, largest - 1)
    with pytest.raises(FileError, match=words):
        member_files.read(text.encode())


def test_value_of_an_entry_may_be_as_long_as_a_cell(monkeypatch):
    text = f"dn: cn=x\nmail:{A}\n".encode()
    monkeypatch.setattr(member_files, "_LONGEST_CELL", 11)
    assert member_files.read(text).entries == [Entry(1, A)]
    monkeypatch.setattr(member_files, "_LONGEST_CELL", 10)
    assert [problem.what for problem in member_files.read(text).problems] == [
        "Line 2 has a value of more than 10 characters."
    ]


def test_file_of_nothing_but_mistakes_is_read():
    assert member_files.read(b"email\na,b\n").lines == 1
