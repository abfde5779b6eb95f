"""Texts compared alike by both databases, whatever their locales: by code points, and with letters in either case.

Neither ``LIKE`` (SQLite ignores the case of ASCII) nor ``LOWER`` (SQLite knows ASCII alone, PostgreSQL what its locale
knows) means the same on both. Patterns made of sets of letters do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import BooleanField, CharField, Func

#: No letter beyond has a case.
_LETTERS = 0x20000


def _folded(char: str) -> str:
    """Return a letter in lower case: the one that stands for all which differ only by case, and are one letter too."""
    return next((lower for lower in (char.casefold(), char.lower()) if len(lower) == 1), char)


@cache
def _by_lower_case() -> Mapping[str, str]:
    """Return all letters that have the same lower case, by each of them."""
    groups: dict[str, str] = {}
    for char in map(chr, range(_LETTERS)):
        lower = _folded(char)
        if lower != char:
            groups[lower] = groups.get(lower, lower) + char
    return {char: group for group in groups.values() for char in group}


def _variants(char: str) -> str:
    return _by_lower_case().get(char, char)


class ByCodePoint(Func):
    """A text as every database compares it alike: code point by code point, whatever the locale."""

    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite's name for it."""
        return self.as_sql(compiler, connection, template="(%(expressions)s) COLLATE BINARY", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """PostgreSQL's name for it."""
        return self.as_sql(compiler, connection, template='(%(expressions)s) COLLATE "C"', **context)


class Matches(Func):
    """Whether a text matches a pattern.

    Whoever asks cannot write one: it is made of sets and plain characters alone, so that its time is bounded. Each
    stands for one character: a text that is shorter than the pattern is not looked at, which takes most of the time
    where patterns are long.
    """

    output_field = BooleanField()

    def __init__(self, text: Any, pattern: "Pattern", *, negated: bool) -> None:
        super().__init__(ByCodePoint(text))
        self._pattern = pattern
        self._negated = negated

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """With GLOB."""
        return self._as_sql(compiler, "NOT GLOB" if self._negated else "GLOB", self._pattern.glob())

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """With a regular expression."""
        return self._as_sql(compiler, "!~" if self._negated else "~", self._pattern.regular_expression())

    def _as_sql(self, compiler: Any, operator: str, pattern: str) -> Any:
        sql, params = compiler.compile(self.get_source_expressions()[0])
        is_long, joined = ("<", "OR") if self._negated else (">=", "AND")
        template = f"(LENGTH({sql}) {is_long} %s {joined} {sql} {operator} %s)"
        return template, (*params, len(self._pattern.text), *params, pattern)


@dataclass(frozen=True)
class Pattern:
    """A text to be found in others, at most so long that SQLite takes it for a pattern (50,000 bytes).

    Attributes:
        ignores_case: whether letters match in either case.
        opens, closes: whether anything may stand before and after it.
    """

    text: str
    ignores_case: bool
    opens: bool
    closes: bool

    def _sets(self) -> Iterator[str]:
        for char in self.text:
            yield _variants(char) if self.ignores_case else char

    def glob(self) -> str:
        """Return it as SQLite's GLOB reads it."""
        middle = "".join(f"[{chars}]" if len(chars) > 1 or chars in "*?[" else chars for chars in self._sets())
        return f"{'*' * self.opens}{middle}{'*' * self.closes}"

    def regular_expression(self) -> str:
        """Return it as PostgreSQL's ``~`` reads it, where a backslash makes any sign of ASCII plain."""
        middle = "".join(
            f"[{chars}]" if len(chars) > 1 else chars if chars.isalnum() or not chars.isascii() else f"\\{chars}"
            for chars in self._sets()
        )
        return f"{'' if self.opens else '^'}{middle}{'' if self.closes else '$'}"
