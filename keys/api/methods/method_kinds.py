"""The kinds of methods there are, by what they give: this decides how they are answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keys.api.calls import Call, Caller, Value
from keys.api.lists import Rows
from keys.api.masks import Mask
from keys.api.records import Record, Type


@dataclass(frozen=True)
class One:
    """Gives a record, or none where there is none to see.

    Attributes:
        prepared: what the mask and the caller are to be for the answer, asked once the record is found.
        makes: whether it makes the record: then the mask has no lists of any length.
    """

    type: Type
    find: Callable[[Call, Caller], Record | None]
    prepared: Callable[[Call, Caller, Mask | None], tuple[Caller, Mask | None]] = lambda _, caller, mask: (caller, mask)
    makes: bool = False


@dataclass(frozen=True)
class Many:
    """Gives a list from the database, filtered, sorted and in parts as asked.

    Attributes:
        root: under which name the object filter speaks of the list; empty where it speaks of nothing else.
    """

    type: Type
    rows: Callable[[Call, Caller], Rows]
    root: str = ""


@dataclass(frozen=True)
class Few:
    """Gives a short list that is made at once; it is not filtered."""

    type: Type
    records: Callable[[Call, Caller], Sequence[Record]]
    root: str = ""


@dataclass(frozen=True)
class Plain:
    """Gives a plain value."""

    run: Callable[[Call, Caller], Value]


Method = One | Many | Few | Plain
#: The methods of one service, by name.
Methods = Mapping[str, Method]
