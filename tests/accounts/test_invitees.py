"""What people type or paste into the field for addresses."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import invitees
from accounts.invitees import LONGEST_TEXT, read


@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("a@x.example", ["a@x.example"]),
        ("a@x.example, b@x.example;c@x.example d@x.example\ne@x.example", [f"{n}@x.example" for n in "abcde"]),
        ("A Name <a@x.example>, B <b@x.example>", ["a@x.example", "b@x.example"]),
        ('"Name, With (Comma); \'s" <a@x.example>', ["a@x.example"]),
        ("<a@x.example> <b@x.example>", ["a@x.example", "b@x.example"]),
        ("a@x.example B Name <b@x.example>", ["a@x.example", "b@x.example"]),
        ("A@X.example a@x.example", ["a@x.example"]),
        ("< a@x.example >", ["a@x.example"]),
        ("\r\n\t a@x.example \r\n", ["a@x.example"]),
        (" ,;\n,", []),
    ],
)
def test_addresses_are_found_whatever_stands_around_them(text, emails):
    found = read(text)
    assert [invitee.email for invitee in found] == emails
    assert not [invitee for invitee in found if invitee.problem]


def test_what_is_no_address_is_named_with_its_line():
    found = read("a@x.example\nnonsense, b@x.example\nName <>\n" + "x" * 300 + "@\nа@x.example")
    bad = [(invitee.line, invitee.text, invitee.problem) for invitee in found if not invitee.email]
    assert [(line, text) for line, text, _ in bad] == [
        (2, "nonsense"),
        (3, "<>"),
        (4, "x" * 100 + " …"),
        (5, "а@x.example"),
    ]
    assert all(problem.endswith(".") for *_, problem in bad)


@given(st.text(alphabet='a@. ,;<>"\n\x00é', max_size=60))
def test_any_text_is_read(text):
    for invitee in read(text):
        assert bool(invitee.email) is not bool(invitee.problem)
        assert invitee.text
        assert 1 <= invitee.line <= text.count("\n") + 1 + text.count("\x85")


@pytest.mark.parametrize("piece", ['"', "<", "a", '"<', "<>", "a<", ",", "@"])
def test_no_text_takes_long(piece):
    started = time.process_time()  # of this process alone: others may be at work
    read((piece * LONGEST_TEXT)[: LONGEST_TEXT // 4])
    assert time.process_time() - started < 5


def test_what_stands_there_many_times_is_looked_at_once(monkeypatch):
    looked_at, genuine = [], invitees.clean_email
    monkeypatch.setattr(invitees, "clean_email", lambda entry: looked_at.append(entry) or genuine(entry))
    assert [invitee.line for invitee in read("a,b@x.example," * 100 + "\nB@x.example a")] == [1, 1]
    assert looked_at == ["a", "b@x.example", "B@x.example"]
