"""Object masks: which properties and relations a caller wants to see. Knows the grammar, not what there is.

*Source:* SoftLayer API reference, "Using Object Masks" and "Legacy Object Masks".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from keys.api.calls import Value
from keys.api.faults import BadCall, shown

MOST_CHARACTERS = 10_000
MOST_LEVELS = 8
MOST_LEAVES = 200

#: What stands for the root at the beginning of an item. The others have filters apply to relations in answers as well,
#: which these filters do not: they choose items of the list.
_ROOTS = frozenset({"mask", "filteredMask", "filterMask"})
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_NAME_ALONE = re.compile(_NAME)
# White space may stand between any two of these. A hint says which type a relation has, which is known here anyway.
_PART = re.compile(rf"\s*(?:(?P<name>{_NAME})|(?P<hint>\(\s*{_NAME}\s*\))|(?P<sign>[\[\].,;]))\s*")


@dataclass(frozen=True)
class Mask:
    """The names asked for on one level, each with what is asked for below it.

    Attributes:
        names: in the order asked for; empty for "everything local".
        is_additive: whether all local properties are wanted besides ``names`` (the old form of masks says so).
    """

    names: Mapping[str, "Mask"] = field(default_factory=dict)
    is_additive: bool = False


@dataclass
class _Level:
    """A mask in the making.

    Attributes:
        is_whole: whether everything local was asked for somewhere: the name alone, or by the old form.
    """

    depth: int = 0
    names: "dict[str, _Level]" = field(default_factory=dict)
    is_whole: bool = False

    def below(self, name: str) -> "_Level":
        """Return the level of ``name``. What is asked for twice is asked for together."""
        if self.depth == MOST_LEVELS:
            raise BadCall(f"The object mask is too deep: at most {MOST_LEVELS} levels.")
        return self.names.setdefault(name, _Level(self.depth + 1))

    def finished(self) -> Mask:
        """Return the mask; no deeper than ``below`` lets levels become."""
        return Mask(
            {name: level.finished() for name, level in self.names.items()},
            is_additive=self.is_whole and bool(self.names),
        )

    def leaves(self) -> int:
        """Return how many names there are with nothing below them."""
        return sum(level.leaves() for level in self.names.values()) if self.names else 1


def parse(asked: str | Mapping[str, Value] | None) -> Mask | None:
    """Return what a mask asks for; none where it asks for nothing in particular.

    Whether the names exist is for others to say. What is asked for twice is asked for together: people write
    ``mask.parent.id,mask.parent.username``, and the reference one name with two hints. The live service refuses some
    of this.

    Args:
        asked: a text in any of the forms that clients send, or a struct, which is the old form: names for the members,
            with nothing but structs below, the last ones empty.

    Raises BadCall for what is no mask, or is longer, deeper or wider than allowed.
    """
    if asked is None:
        return None
    root = _read_text(asked) if isinstance(asked, str) else _read_struct(asked)
    if root.leaves() > MOST_LEAVES:
        raise BadCall(f"The object mask asks for too much: at most {MOST_LEAVES} names.")
    return root.finished() if root.names else None


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a mask, each as its kind and itself. Raises BadCall at what is none."""
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _PART.match(text, at)
        if match is None:
            raise BadCall(f"The object mask cannot be read at “{shown(text[at:].lstrip())}”.")
        yield str(match.lastgroup), match[str(match.lastgroup)]
        at = match.end()


def _read_text(text: str) -> _Level:
    """Return the root of a mask in the form of a text. Raises BadCall."""
    if len(text) > MOST_CHARACTERS:
        raise BadCall(f"The object mask is too long: at most {MOST_CHARACTERS:,} characters.")
    reader = _Reader()
    for kind, part in _parts(text):
        reader.read(kind, part)
    return reader.finished()


class _Reader:
    """Reads a mask part by part, without recursion.

    Attributes:
        _outer: for each open bracket the level around it.
        _base: the level at which items begin.
        _here: the level that the item has got to so far; none at its beginning.
        _last: what came last: "start" of an item, "name", "hint", "dot" or "list".
    """

    def __init__(self) -> None:
        self._root = _Level()
        self._outer: list[_Level] = []
        self._base = self._root
        self._here: _Level | None = None
        self._last = "start"

    def read(self, kind: str, part: str) -> None:
        """Take the next part. Raises BadCall where it cannot stand."""
        if kind == "name":
            self._name(part)
        elif kind == "hint":
            self._expect(part, "name")
            self._last = "hint"
        elif part == ".":
            self._expect(part, "name", "hint")
            self._last = "dot"
        elif part == "[":
            self._open()
        else:
            self._end_item(part)
            if part == "]":
                self._close()

    def finished(self) -> _Level:
        """Return the root. Raises BadCall if something is open."""
        self._end_item("the end")
        if self._outer:
            raise BadCall("The object mask has a “[” without a “]”.")
        return self._root

    def _expect(self, part: str, *last: str) -> None:
        if self._last not in last:
            raise BadCall(f"The object mask has “{shown(part)}” where it cannot stand.")

    def _name(self, name: str) -> None:
        self._expect(name, "start", "dot")
        if self._here is None and self._base is self._root and name in _ROOTS:
            self._here = self._root
        else:
            self._here = (self._here or self._base).below(name)
        self._last = "name"

    def _open(self) -> None:
        if self._here is None and self._base is self._root and len(self._outer) < MOST_LEVELS:
            self._here, self._last = self._root, "name"  # a list of masks: [mask[id],mask.username]
        self._expect("[", "name", "hint")
        self._outer.append(self._base)
        self._base, self._here, self._last = self._here or self._base, None, "start"

    def _end_item(self, part: str) -> None:
        self._expect(part, "start", "name", "hint", "list")
        if self._here is not None and self._last != "list":
            self._here.is_whole = True
        self._here, self._last = None, "start"

    def _close(self) -> None:
        if not self._outer:
            raise BadCall("The object mask has a “]” without a “[”.")
        if not self._base.names:
            self._base.is_whole = True
        self._here, self._base, self._last = self._base, self._outer.pop(), "list"


def _read_struct(asked: Mapping[str, Value]) -> _Level:
    """Return the root of a mask in the old form. Raises BadCall."""
    root = _Level()
    unread: list[tuple[_Level, Value]] = [(root, asked)]
    while unread:
        level, names = unread.pop()
        level.is_whole = True
        if not names and names is not False and names != 0:
            continue  # an empty struct, list or text, or nothing: clients write each of them
        if not isinstance(names, Mapping):
            raise BadCall("An object mask as a struct has only structs in it, and the last ones are empty.")
        for name, below in names.items():
            if not _NAME_ALONE.fullmatch(name):
                raise BadCall(f"The object mask cannot be read at “{shown(name)}”.")
            unread.append((level.below(name), below))
    return root
