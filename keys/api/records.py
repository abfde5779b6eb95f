"""How records are written for a caller: what a mask asks for, of what a type has, and never what may not be seen.

Knows no type; ``keys.api.schema`` has them. Relations are loaded for all records of a level at once, so the number of
queries depends on the mask alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keys.api.calls import Caller, Value
from keys.api.faults import Fault, shown
from keys.api.masks import Mask

Record = Any

#: How many records there may be below those that are asked for.
MOST_BELOW = 10_000
#: How many rows of a list are loaded and written at a time.
MOST_AT_ONCE = 1_000
#: How many records there may be below each row of a list that is longer: what one call costs is bounded, however wide a
#: mask is. The masks of clients come to seven.
MOST_BELOW_EACH = 20
_EVERYTHING_LOCAL = Mask()


class TooMany(Fault):
    """More records would have to be written than fit into one answer."""

    def __init__(self) -> None:
        super().__init__(
            f"This would be more than {MOST_BELOW:,} records below those asked for. Ask for fewer at a time, with a "
            "result limit, or for less of each, with a smaller object mask."
        )


@dataclass(frozen=True)
class Relation:
    """A property that is a record of its own, or a list of them.

    Attributes:
        type: its name.
        load: takes all records of a level, the caller, and how many may be found; gives what belongs to each record, in
            the same order. It may find more than may be seen: what may not is left out later. Finding more than
            allowed, it may stop.
        is_list: whether it is a list, which is empty where there is nothing, and not left out.
        most: how many of them a record can have; none if there is no bound.
    """

    type: str
    load: Callable[[Sequence[Record], Caller, int], Sequence[Sequence[Record]]]
    is_list: bool = False
    most: int | None = 1


#: The numbers that belong to each of some records, in their order.
Count = Callable[[Sequence[Record], Caller], Sequence[int]]


@dataclass(frozen=True)
class Type:
    """What the records of one kind have, as a table.

    Attributes:
        is_visible: whether the caller may know of a record. Asked of each one, however it was reached.
        local: the properties that are there without being asked for; those without a value are left out.
        on_request: local properties that are answered only where they are named.
        is_open: whether any name may be asked for: of things that do not exist here, every list is empty.
    """

    name: str
    is_visible: Callable[[Record, Caller], bool] = lambda *_: True
    local: Mapping[str, Callable[[Record, Caller], Value]] = field(default_factory=dict)
    on_request: Mapping[str, Callable[[Record, Caller], Value]] = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)
    counts: Mapping[str, Count] = field(default_factory=dict)
    is_open: bool = False


class Budget:
    """How many records may still be written below those that are asked for."""

    def __init__(self) -> None:
        self.left = MOST_BELOW

    def take(self, records: int) -> None:
        """Note that so many were written. Raises TooMany."""
        self.left -= records
        if self.left < 0:
            raise TooMany


@dataclass(frozen=True)
class Context:
    """For whom records are written, whether each begins with its type, and how many there may be below them."""

    caller: Caller
    includes_types: bool = False
    budget: Budget = field(default_factory=Budget)


class Schema:
    """All types there are, by name, and the way to write their records."""

    def __init__(self, *types: Type) -> None:
        self._types = {type_.name: type_ for type_ in types}

    def check(self, type_: Type, mask: Mask | None) -> None:
        """Raise Fault if the mask names what there is not, on any level."""
        for name, below in (mask or _EVERYTHING_LOCAL).names.items():
            if type_.is_open:
                continue
            relation = type_.relations.get(name)
            if relation is not None:
                self.check(self._types[relation.type], below)
            elif name not in {*type_.local, *type_.on_request, *type_.counts}:
                raise Fault(f'Object mask: "{shown(name)}" is not a property of {type_.name}.')
            elif below.names:
                raise Fault(f'Object mask: "{shown(name)}" of {type_.name} has no properties.')

    def most_below(self, type_: Type, mask: Mask | None) -> int | None:
        """Return how many records there can be below one of this type; none if there is no bound."""
        total = 0
        for name, below in (mask or _EVERYTHING_LOCAL).names.items():
            relation = type_.relations.get(name)
            if relation is None or relation.most == 0:
                continue
            inner = self.most_below(self._types[relation.type], below)
            if relation.most is None or inner is None:
                return None
            total += relation.most * (1 + inner)
        return total

    def written(
        self, records: Sequence[Record], type_: Type, mask: Mask | None, context: Context
    ) -> list[Mapping[str, Value]]:
        """Return those of ``records`` that the caller may know of, with what the mask asks for; it has been checked.

        Raises TooMany.
        """
        seen = [record for record in records if type_.is_visible(record, context.caller)]
        made = _Writing(self._types, context).level(seen, type_, mask or _EVERYTHING_LOCAL)
        context.budget.take(sum(one.size - 1 for one in made))
        return [one.value for one in made]


@dataclass(frozen=True, slots=True)
class _Written:
    """A record as it is answered, and how many records that are: records below may be shared by several."""

    value: dict[str, Value]
    size: int


class _Writing:
    """Writes records level by level, and counts what is loaded."""

    def __init__(self, types: Mapping[str, Type], context: Context) -> None:
        self._types = types
        self._caller = context.caller
        self._includes_types = context.includes_types
        self._left = context.budget.left

    def level(self, records: Sequence[Record], type_: Type, mask: Mask) -> list[_Written]:
        """Return the records with all that is below them. Raises TooMany."""
        caller = self._caller
        reads = _reads(type_, mask)
        counts = {
            name: type_.counts[name](records, caller) if records else () for name in mask.names if name in type_.counts
        }
        below = {
            name: self._below(records, type_.relations[name], inner)
            for name, inner in mask.names.items()
            if name in type_.relations
        }
        made = []
        for place, record in enumerate(records):
            value: dict[str, Value] = {"complexType": type_.name} if self._includes_types else {}
            size = 1
            for name, read in reads.items():
                if (found := read(record, caller)) is not None:
                    value[name] = found
            for name, numbers in counts.items():
                value[name] = numbers[place]
            for name, related in below.items():
                those = related[place]
                size += sum(one.size for one in those)
                if type_.relations[name].is_list:
                    value[name] = [one.value for one in those]
                elif those:
                    value[name] = those[0].value
            made.append(_Written(value, size))
        return made

    def _below(self, records: Sequence[Record], relation: Relation, mask: Mask) -> list[list[_Written]]:
        """Return what one relation gives for each of the records; each record found is written only once."""
        type_ = self._types[relation.type]
        found = relation.load(records, self._caller, self._left) if records else ()
        # By identity: rows of a list share their account, children their parent.
        distinct = {id(record): record for each in found for record in each}
        self._left -= len(distinct)
        if self._left < 0:
            raise TooMany
        seen = {key: record for key, record in distinct.items() if type_.is_visible(record, self._caller)}
        made = dict(zip(seen, self.level(list(seen.values()), type_, mask), strict=True))
        return [[made[id(record)] for record in each if id(record) in made] for each in found]


def _reads(type_: Type, mask: Mask) -> dict[str, Callable[[Record, Caller], Value]]:
    """Return the properties to read: those named, or all local ones where none is named. Only these narrow."""
    every = {**type_.local, **type_.on_request}
    named = {name: every[name] for name in mask.names if name in every}
    return {**type_.local, **named} if mask.is_additive or not named else named
