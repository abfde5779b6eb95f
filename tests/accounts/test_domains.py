"""Patterns of the addresses that an account lets in: read, refused and matched as the rules say."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import domains
from accounts.domains import PatternError, Patterns, matches


def reference(pattern: str, text: str) -> bool:
    """The same in the words of a regular expression, for texts short enough for one."""
    words = {"**": ".*", "*": "[^.@]*", "?": "."}
    parts = re.findall(r"\*\*|.", pattern, re.DOTALL)
    expression = "".join(words.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None


@given(st.text("ab.@*?", max_size=8), st.text("ab.@", max_size=9))
def test_matches_what_the_regular_expression_does(pattern, text):
    assert matches(pattern, text) is reference(pattern, text)


@given(st.text(max_size=20))
def test_text_without_wildcards_matches_itself_alone(text):
    plain = text.replace("*", "").replace("?", "")
    assert matches(plain, plain)
    assert not matches(plain, plain + "x")


@pytest.mark.parametrize(
    ("patterns", "allowed", "refused"),
    [
        ("", ["anybody@anywhere.example"], []),
        ("acme.example", ["a@acme.example"], ["a@x.acme.example", "a@acme.example.org", "acme.example@evil.example"]),
        ("*.acme.example", ["a@x.acme.example"], ["a@acme.example", "a@x.y.acme.example"]),
        ("**.acme.example", ["a@x.acme.example", "a@x.y.acme.example"], ["a@acme.example", "a@xacme.example"]),
        ("*@acme.example", ["a@acme.example"], ["a.b@acme.example", "a@b@acme.example"]),
        ("**@acme.example", ["a.b@acme.example"], ["a@acme.example.org"]),
        ("acme-?.example", ["a@acme-1.example"], ["a@acme-.example", "a@acme-12.example"]),
        ("ACME.example, b.example\n c.example", ["a@acme.example", "a@b.example", "a@c.example"], ["a@d.example"]),
    ],
)  # fmt: skip
def test_patterns_let_in(patterns, allowed, refused):
    assert all(Patterns(patterns).allow(email) for email in allowed)
    assert not any(Patterns(patterns).allow(email) for email in refused)


@pytest.mark.parametrize("text", ["a@b@c", "a b", "a\x00b", "x" * 255, "x\n" * 101, "x" * 2_001, "a\u200bb"])
def test_bad_patterns_are_named_and_let_nobody_in(text):
    distinct = "\n".join(f"{line}{number}" for number, line in enumerate(text.split("\n"))) if "\n" in text else text
    with pytest.raises(PatternError) as error:
        domains.parse(distinct)
    assert error.value.problems
    assert all(re.fullmatch(r"(“|The|There).+\.", problem, re.DOTALL) for problem in error.value.problems)
    assert not Patterns(distinct).allow("a@acme.example")


def test_patterns_are_kept_in_one_form_and_once():
    assert domains.parse(" Acme.Example \nacme.example,,b.example\n") == ["acme.example", "b.example"]


def test_no_pattern_takes_long():
    text, pattern = "a" * 250 + "@b", "*a?" * 80
    started = time.perf_counter()
    assert not matches(pattern, text)
    assert not Patterns("\n".join([f"**{'*a' * 8}{number}" for number in range(80)])).allow(text)
    assert time.perf_counter() - started < 0.5
