"""Any filter finds on both databases what plain Python finds, in its order; anything at all is a filter or refused."""

import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import Member
from accounts.names import canonical_email
from keys.api.faults import Fault
from keys.api.filters import narrowed
from tests.keys.api.calling import Leaf, columns, found, op
from tests.trees import grow

pytestmark = pytest.mark.django_db

PARENTS = (None, 0, 0, 1, 1, 2, 5, 6)
CHILDREN = [[child for child, parent in enumerate(PARENTS) if parent == place] for place in range(len(PARENTS))]


@pytest.fixture
def members(db: None) -> list[Member]:
    """A tree with the parents above."""
    return grow(PARENTS[1:])


# --- What the members have --------------------------------------------------------------------------------------------

# Letters that differ by more than ASCII's case, some of which become two when their case changes, and all that means
# something to LIKE, GLOB, regular expressions, SQL and formats of texts.
ALPHABET = "aAbBkK\u212asS\u017fßẞéÉσΣςİıiIǅǆµμ😀%_*?[]^-\\'\"|.(){}+$/:;,!<>=~# \u0345\u0301\n"
TEXTS = st.text(ALPHABET, max_size=5)
BASE = datetime(2026, 10, 24, tzinfo=UTC)
STEPS = st.sampled_from(
    [timedelta(microseconds=1), timedelta(milliseconds=500), timedelta(seconds=1), timedelta(seconds=59),
     timedelta(minutes=1), timedelta(hours=5, minutes=30), timedelta(days=1), timedelta(0)]
)  # fmt: skip
DATES = st.builds(lambda one, other, sign: BASE + one + sign * other, STEPS, STEPS, st.sampled_from([1, -1]))
EPOCHS = st.builds(lambda seconds, step: datetime.fromtimestamp(seconds, UTC) + step, st.integers(0, 4), STEPS)


@dataclass(frozen=True)
class Values:
    """What a member has."""

    name: str | None
    number: int | None
    date: datetime | None
    seconds: datetime | None
    flag: bool
    username: str

    @property
    def shown_name(self) -> str | None:
        return self.name if self.flag else None


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


VALUES = st.builds(
    Values,
    name=st.none() | TEXTS.map(composed),
    number=st.none() | st.integers(0, 5),
    date=st.none() | DATES,
    seconds=st.none() | EPOCHS,
    flag=st.booleans(),
    username=st.text(ALPHABET, max_size=4).map(canonical_email),
)
EVERYONE = st.lists(
    VALUES, min_size=len(PARENTS), max_size=len(PARENTS), unique_by=lambda values: canonical_email(values.username)
)


@contextmanager
def holding(members: Sequence[Member], everyone: Sequence[Values]) -> Iterator[None]:
    """The members with these values, until the end of the block."""
    with transaction.atomic():
        for member, values in zip(members, everyone, strict=True):
            member.name_here, member.notifications_read, member.signed_in_at = values.name, values.number, values.date
            member.joined_at, member.user_managed_login = values.seconds, values.flag
            member.api_username = values.username
        Member.objects.bulk_update(
            members,
            ["name_here", "notifications_read", "signed_in_at", "joined_at", "user_managed_login", "api_username"],
        )
        yield
        transaction.set_rollback(True)


# --- What is asked of one property, and which values meet it ----------------------------------------------------------

Meets = Callable[[Any], bool]
Asked = tuple[Leaf, Meets]
SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "": lambda value, asked: value == asked,
    "!=": lambda value, asked: value != asked,
    ">": lambda value, asked: value > asked,
    ">=": lambda value, asked: value >= asked,
    "<": lambda value, asked: value < asked,
    "<=": lambda value, asked: value <= asked,
}
FINDING: Mapping[str, Callable[[str, str], bool]] = {
    "*=": lambda value, asked: asked in value,
    "^=": str.startswith,
    "$=": str.endswith,
    "_=": lambda value, asked: value == asked,
    "!*=": lambda value, asked: asked not in value,
    "!^=": lambda value, asked: not value.startswith(asked),
    "!$=": lambda value, asked: not value.endswith(asked),
    "!_=": lambda value, asked: value != asked,
}
MARKS = "!<>=~*^$_"
NULLS: Sequence[tuple[str, Meets]] = [
    ("is null", lambda value: value is None),
    ("not null", lambda value: value is not None),
]


def lower(text: str) -> str:
    """Each letter in lower case, as long as it stays one letter."""
    return "".join(next((one for one in (char.casefold(), char.lower()) if len(one) == 1), char) for char in text)


def of_value(test: Callable[[Any, Any], bool], asked: Any) -> Meets:
    return lambda value: value is not None and test(value, asked)


@st.composite
def of_texts(draw: st.DrawFn, everyone: Sequence[Values], canonical: Callable[[str], str] | None) -> tuple[Any, Meets]:
    """An operation on texts: often with a part of one that there is, its case changed."""
    text = draw(TEXTS)
    if draw(st.booleans()):
        there = (draw(st.sampled_from(everyone)).username if canonical else draw(st.sampled_from(everyone)).name) or ""
        start = draw(st.integers(0, 2))
        text = draw(st.sampled_from([str, str.swapcase, str.upper]))(there[start : start + draw(st.integers(1, 5))])
    text = text.strip()
    form = canonical or composed
    sign = draw(st.sampled_from([*SIGNS, *FINDING]))
    if sign in SIGNS:
        if sign == "" and text[:1] in set(MARKS):
            sign = "!="  # it would be read as a sign
        meets = of_value(SIGNS[sign], form(text))
    elif not form(text) and "_" not in sign:
        return draw(st.sampled_from(NULLS))
    elif canonical:
        meets = of_value(FINDING[sign], form(text))
    else:
        meets = of_value(lambda value, asked: FINDING[sign](lower(value), lower(asked)), form(text))
    space = draw(st.sampled_from([" ", "" if text[:1] not in MARKS else "  "]))
    return f"{sign}{space}{text}", meets


@st.composite
def of_numbers(draw: st.DrawFn) -> tuple[Any, Meets]:
    """An operation on numbers, whole or not, as such or as a text."""
    number = draw(st.integers(-1, 6) | st.sampled_from([-0.5, 0.5, 3.5, 3.0]))
    sign = draw(st.sampled_from([*SIGNS, "_=", "!_="]))
    meets = of_value(SIGNS[sign.replace("_=", "=").removeprefix("=") if "_" in sign else sign], number)
    return (number if sign == "" and draw(st.booleans()) else f"{sign}{number}"), meets


@st.composite
def of_seconds(draw: st.DrawFn) -> tuple[Any, Meets]:
    """The same on moments, of which only whole seconds count."""
    asked, meets = draw(of_numbers())
    return asked, lambda value: meets(value if value is None else int(value.timestamp()))


@st.composite
def written_dates(draw: st.DrawFn) -> tuple[str, Callable[[datetime], int]]:
    """A date as text, and where a moment is to it: before (-1), within (0) or after (1)."""
    date = draw(DATES)
    offset = draw(st.sampled_from([None, 0, 330, -360]))
    local = date + timedelta(minutes=offset or 0)
    zone = "" if offset is None else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    exact, form = draw(
        st.sampled_from([
            (timedelta(days=1), "%m/%d/%Y"), (timedelta(days=1), "%Y-%m-%d"),
            (timedelta(seconds=1), "%m/%d/%Y %H:%M:%S"), (timedelta(seconds=1), "%Y-%m-%dT%H:%M:%S"),
            (timedelta(microseconds=1), "%Y-%m-%dT%H:%M:%S.%f"),
        ])
    )  # fmt: skip
    if exact == timedelta(days=1):
        local, zone = date, ""
    start = date - (local - datetime.min.replace(tzinfo=UTC)) % exact
    return f"{local:{form}}{zone}", lambda value: -1 if value < start else 0 if value < start + exact else 1


@st.composite
def of_dates(draw: st.DrawFn) -> Asked:
    """An operation on dates, in one text or with options."""
    text, place = draw(written_dates())
    word = draw(st.sampled_from(["", "greaterThanDate", "lessThanDate", "isDate", "betweenDate"]))
    if word == "":
        sign = draw(st.sampled_from(list(SIGNS)))
        return op(f"{sign} {text}"), of_value(lambda value, _: SIGNS[sign](place(value), 0), None)
    if word == "betweenDate":
        end, end_place = draw(written_dates())
        meets = of_value(lambda value, _: place(value) >= 0 and end_place(value) <= 0, None)
        return op(word, startDate=[text], endDate=[end]), meets
    wanted = {"greaterThanDate": 1, "lessThanDate": -1, "isDate": 0}[word]
    return op(word, date=[text]), of_value(lambda value, _: place(value) == wanted, None)


@st.composite
def of_flags(draw: st.DrawFn) -> tuple[Any, Meets]:
    """An operation on flags."""
    flag, sign = draw(st.booleans()), draw(st.sampled_from(["", "!="]))
    written = draw(st.sampled_from([str(flag).lower(), str(int(flag))]))
    asked = draw(st.sampled_from([flag, int(flag)])) if sign == "" and draw(st.booleans()) else f"{sign} {written}"
    return asked, of_value(SIGNS[sign], flag)


KINDS: Mapping[str, Callable[[Sequence[Values]], st.SearchStrategy[tuple[Any, Meets]]]] = {
    "name": lambda everyone: of_texts(everyone, None),
    "shownName": lambda everyone: of_texts(everyone, None),
    "username": lambda everyone: of_texts(everyone, canonical_email),
    "number": lambda _: of_numbers(),
    "seconds": lambda _: of_seconds(),
    "flag": lambda _: of_flags(),
}


def value_of(values: Values, name: str) -> Any:
    return values.shown_name if name == "shownName" else getattr(values, name)


@st.composite
def leaves(draw: st.DrawFn, name: str, everyone: Sequence[Values]) -> Asked:
    """Anything that can be asked of a property."""
    if name == "date":
        return draw(of_dates() | st.sampled_from([(op(word), meets) for word, meets in NULLS]))
    literal = KINDS[name](everyone) | st.sampled_from(NULLS)
    how = draw(st.sampled_from(["", "", "and", "or", "in", "not in"]))
    if how == "":
        asked, meets = draw(literal)
        return op(asked), meets
    if how in {"and", "or"}:
        several = draw(st.lists(literal, min_size=1, max_size=3))
        together = all if how == "and" else any
        return op(how, data=[asked for asked, _ in several]), lambda value: together(
            meets(value) for _, meets in several
        )
    if name == "seconds":
        data: list[Any] = draw(st.lists(st.integers(0, 4), max_size=3))
        seconds: Meets = lambda value: value is not None and (int(value.timestamp()) in data) is (how == "in")
        return op(how, data=data), seconds
    there = [value for value in (value_of(values, name) for values in everyone) if value is not None]
    data = draw(st.lists(st.sampled_from(there), max_size=3)) if there else []
    if name in {"name", "shownName", "username"}:  # what is asked for loses the space around it
        form = canonical_email if name == "username" else composed
        data = [*data, draw(TEXTS)]
        texts = [form(text.strip()) for text in data]
        return op(how, data=data), of_value(lambda value, _: (value in texts) is (how == "in"), None)
    return op(how, data=data), of_value(lambda value, _: (value in data) is (how == "in"), None)


# --- Whole filters ----------------------------------------------------------------------------------------------------

OWN = ["name", "shownName", "username", "number", "date", "seconds", "flag"]


@dataclass(frozen=True)
class Whole:
    """A filter, what members meet it by their place, and the names that they are sorted by."""

    asked: Mapping[str, Any]
    meets: Callable[[int], bool]
    orders: Sequence[tuple[str, bool]]


@st.composite
def conditions(draw: st.DrawFn, everyone: Sequence[Values], most: int = 3) -> tuple[dict[str, Any], Meets]:
    """What is asked of some properties of one, and whether values, or none at all, meet it."""
    names = draw(st.lists(st.sampled_from(OWN), max_size=most, unique=True))
    drawn = {name: draw(leaves(name, everyone)) for name in names}
    return {name: leaf for name, (leaf, _) in drawn.items()}, lambda values: all(
        meets(None if values is None else value_of(values, name)) for name, (_, meets) in drawn.items()
    )


@st.composite
def filters(draw: st.DrawFn, everyone: Sequence[Values]) -> Whole:
    """A filter on members, their parents, children and children's children, sorted by up to three properties."""
    own, own_meets = draw(conditions(everyone))
    asked: dict[str, Any] = dict(own)
    tests: list[Callable[[int], bool]] = [lambda place: own_meets(everyone[place])]
    if draw(st.booleans()):
        asked["parent"], of_parent = draw(conditions(everyone, 2))
        tests.append(lambda place: of_parent(None if (up := PARENTS[place]) is None else everyone[up]))
    if draw(st.booleans()):
        there, of_child = draw(conditions(everyone, 2))
        below, of_grandchild = draw(conditions(everyone, 1))
        asked["childUsers"] = {**there, "childUsers": below}

        def any_grandchild(place: int | None) -> bool:
            grandchildren = CHILDREN[place] if place is not None else []
            return not below or any(of_grandchild(everyone[one]) for one in grandchildren) or (
                not grandchildren and of_grandchild(None)
            )  # fmt: skip

        def any_child(place: int) -> bool:
            if not there and not below:
                return True
            children = CHILDREN[place]
            if not children:
                return of_child(None) and any_grandchild(None)
            return any(of_child(everyone[child]) and any_grandchild(child) for child in children)

        tests.append(any_child)
    orders = draw(st.lists(st.tuples(st.sampled_from(OWN), st.booleans()), max_size=3, unique_by=lambda pair: pair[0]))
    orders = [(name, descending) for name, descending in orders if name not in own]
    ranked = list(enumerate(orders))
    for rank, (name, descending) in draw(st.permutations(ranked)):
        sort = draw(st.sampled_from(["DESC", "desc"] if descending else ["ASC", "asc"]))
        asked[name] = op("orderBy", sort=[sort], sortOrder=[draw(st.sampled_from([rank, str(rank)]))])
    return Whole(asked, lambda place: all(test(place) for test in tests), orders)


class FirstNothing:
    """Sorts what has no value first."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "FirstNothing") -> bool:
        if self.value is None or other.value is None:
            return self.value is None and other.value is not None
        return bool(self.value < other.value)


def right(whole: Whole, everyone: Sequence[Values]) -> list[int]:
    """The places of members that the filter should find, in its order."""
    places = [place for place in range(len(everyone)) if whole.meets(place)]
    for name, descending in reversed(whole.orders):
        by_value = {place: FirstNothing(value_of(everyone[place], name)) for place in places}
        places.sort(key=by_value.__getitem__, reverse=descending)
    return places


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(everyone=EVERYONE, data=st.data())
def test_any_filter_finds_what_plain_python_finds(members, everyone, data) -> None:
    with holding(members, everyone):
        for _ in range(6):
            whole = data.draw(filters(everyone))
            assert found(members, whole.asked) == right(whole, everyone)


# --- Fuzz -------------------------------------------------------------------------------------------------------------

NAMES = [
    "id",
    "name",
    "number",
    "date",
    "flag",
    "username",
    "parent",
    "childUsers",
    "operation",
    "options",
    "value",
    "é",
]
WORDS = [
    "orderBy", "in", "not in", "and", "or", "isDate", "betweenDate", "data", "sort", "sortOrder", "date", "DESC", "x",
    "*= a", "~ x", "!= 5", "> 10/24/2026", "is null", "not null", "sysdate - 1", "%", "\0", "\ud800", "",
    "2026-10-24", "^=",
]  # fmt: skip
ATOMS: list[Any] = [
    *WORDS, None, True, False, 0, -1, 5, 2**31, 2**63, -(2**64), 10**400, 1.5, 1e308, float("nan"), float("inf"), [],
    {}, "a" * 999, "é" * 1_001, [1], [[]], "\u0301", "😀",
]  # fmt: skip


def any_value(chance: random.Random, level: int) -> Any:
    """A value of those that filters have, in a wrong place more often than not."""
    if level == 0 or chance.random() < 0.3:
        return chance.choice(ATOMS)
    if chance.random() < 0.3:
        return [any_value(chance, level - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(NAMES): any_value(chance, level - 1) for _ in range(chance.randrange(4))}


def any_option(chance: random.Random) -> Any:
    name = chance.choice(["data", "data", "date", "sort", "sortOrder", "startDate", "endDate"])
    return {"name": name, "value": [chance.choice(ATOMS) for _ in range(chance.randrange(3))]}


def any_leaf(chance: random.Random) -> Any:
    leaf: dict[str, Any] = {"operation": chance.choice(ATOMS)}
    if chance.random() < 0.5:
        leaf["options"] = [any_option(chance) for _ in range(chance.randrange(3))]
    if chance.random() < 0.1:
        leaf[chance.choice(NAMES)] = any_value(chance, 2)
    return leaf


def any_filter(chance: random.Random, level: int = 0) -> Any:
    asked: dict[str, Any] = {}
    for name in chance.sample(NAMES[:8], chance.randrange(1, 4)):
        if name in {"parent", "childUsers"} and level < 3:
            asked[name] = any_filter(chance, level + 1)
        else:
            asked[name] = any_leaf(chance) if chance.random() < 0.9 else any_value(chance, 3)
    return asked


def test_random_structs_are_filters_or_refused(members) -> None:
    """50,000 in each run; of those that are filters, one in twenty is asked of the database too."""
    chance, read, known = random.Random(20_261_130), 0, columns()
    for number in range(50_000):
        asked = any_filter(chance) if chance.random() < 0.9 else any_value(chance, 6)
        try:
            rows = narrowed(Member.objects.all(), asked, known)
        except Fault as fault:
            assert str(fault).isprintable(), asked
            assert len(str(fault)) < 250, asked
            continue
        read += 1
        if number % 20 == 0:
            list(rows)
    assert 3_000 < read < 30_000


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), operation=ANYTHING | st.text(max_size=20), options=ANYTHING, beside=ANYTHING)
@example(name="name", operation="in", options=[{"name": "data", "value": ["\ud800"]}], beside={})
def test_anything_is_a_filter_or_refused(members, name, operation, options, beside) -> None:
    for asked in ({name: {"operation": operation, "options": options}}, {name: {"operation": operation}}, beside):
        for root in ("", "name"):
            try:
                places = found(members, asked, root=root)
            except Fault:
                continue
            assert sorted(places) == sorted(set(places) & set(range(len(members))))
