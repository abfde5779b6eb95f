"""Which e-mail addresses an account lets in: patterns, their grammar and their match. No model, no request.

``*`` stands for any run without ``.`` and ``@``, ``**`` for any run, ``?`` for one character. A pattern without ``@``
is about what follows the ``@`` of an address.

*Source:* IBM Cloud documentation, "Setting user domain restrictions"; what a pattern without ``@`` means is ours.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from accounts.names import canonical_email

MOST_PATTERNS = 100
LONGEST_PATTERN = 254  # characters
_LONGEST_TEXT = 2_000  # characters


class PatternError(ValueError):
    """Patterns that cannot be used; ``problems`` names each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def parse(text: str) -> list[str]:
    """Return the patterns of ``text``, one a line or separated by commas, in canonical form, each once.

    Raises PatternError naming each bad one.
    """
    if len(text) > _LONGEST_TEXT:
        raise PatternError([f"The patterns have more than {_LONGEST_TEXT:,} characters."])
    patterns = list(dict.fromkeys(canonical_email(part) for part in re.split(r"[\n,]", text) if part.strip()))
    problems = [problem for pattern in patterns if (problem := _problem(pattern))]
    if len(patterns) > MOST_PATTERNS:
        problems.append(f"There are more than {MOST_PATTERNS} patterns.")
    if problems:
        raise PatternError(problems)
    return patterns


def _problem(pattern: str) -> str:
    if len(pattern) > LONGEST_PATTERN:
        return f"“{pattern[:40]} …” has more than {LONGEST_PATTERN} characters."
    if pattern.count("@") > 1 or not pattern.isprintable() or " " in pattern:
        return f"“{pattern}” is not a pattern for email addresses."
    return ""


class Patterns:
    """An account's stored patterns, parsed once for many addresses. Patterns that cannot be read let nobody in."""

    def __init__(self, text: str) -> None:
        try:
            self._patterns: list[str] | None = parse(text)
        except PatternError:
            self._patterns = None

    def allow(self, email: str) -> bool:
        """Whether a canonical address may be invited; without any pattern, every one may."""
        if self._patterns is None:
            return False
        domain = email.rpartition("@")[2]
        fits = (matches(pattern, email if "@" in pattern else domain) for pattern in self._patterns)
        return not self._patterns or any(fits)


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of ``text`` fits ``pattern``.

    Follows all possible matches at once, as the bits of a number. A regular expression would try them one after the
    other, and a pattern of many stars could keep it busy for years.
    """
    where, runs = _masks(text)
    everywhere = (1 << len(text)) - 1
    places = 1  # bit n is set while the pattern so far fits the first n characters
    for part in re.findall(r"\*\*|.", pattern, re.DOTALL):
        if part == "**":
            places = -(places & -places) & (everywhere << 1 | 1)
        elif part == "*":
            for length, run in runs:
                places |= (places & run) << length
        else:
            places = (places & (everywhere if part == "?" else where.get(part, 0))) << 1
    return bool(places >> len(text) & 1)


@lru_cache(maxsize=4)
def _masks(text: str) -> tuple[Mapping[str, int], Sequence[tuple[int, int]]]:
    """Return where each character stands, and for lengths 1, 2, 4 … where runs without ``.`` and ``@`` begin."""
    where: dict[str, int] = {}
    for at, char in enumerate(text):
        where[char] = where.get(char, 0) | 1 << at
    run = sum(bits for char, bits in where.items() if char not in ".@")
    runs, length = [], 1
    while run:
        runs.append((length, run))
        run &= run >> length
        length *= 2
    return where, runs
