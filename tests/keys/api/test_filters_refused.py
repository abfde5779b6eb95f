"""Object filters that are refused: what is no filter, what may not be asked, and what is too much."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Member
from keys.api.faults import BadCall, Fault
from keys.api.filter_conditions import MOST_CHARACTERS, Column
from keys.api.filters import MOST_LEAVES, narrowed
from tests.keys.api.calling import found, op
from tests.trees import grow

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

Find = Callable[..., list[int]]


@pytest.fixture
def members(db: None) -> list[Member]:
    """An owner and somebody below them."""
    return grow([0])


@pytest.fixture
def find(members: list[Member]) -> Find:
    """A function that returns the places of members whom a filter finds."""
    return lambda asked, **options: found(members, asked, **options)


REFUSED: list[tuple[Any, str]] = [
    ({"name": op("~ a.*")}, "Regular expressions"),
    ({"name": op("!~ (a+)+$")}, "Regular expressions"),
    ({"name": op("~")}, "Regular expressions"),
    ({"name": op("or", data=["x", "~ x"])}, "Regular expressions"),
    ({"number": op("~ 1")}, "Regular expressions"),
    ({"name": op("= x")}, "known operation"),
    ({"name": op("! x")}, "known operation"),
    ({"name": op("!> x")}, "known operation"),
    ({"name": op("*=")}, "needs a text"),
    ({"name": op("^=  ")}, "needs a text"),
    ({"name": op("!$= ")}, "needs a text"),
    ({"nonsense": op("x")}, "“nonsense” is no property"),
    ({"authenticationKey": op("^= a")}, "no property"),
    ({"apiAuthenticationKeys": {"authenticationKey": op("^= a")}}, "no property"),
    ({"apiAuthenticationKeys": {"authenticationKey": op("orderBy")}}, "no property"),
    ({"parent.name": op("x")}, "no property"),
    ({"parent__name_here": op("x")}, "no property"),
    ({"pk": op(1)}, "no property"),
    ({"name": {"first": op("x")}}, "has no “first”"),
    ({"parent": op("x")}, "“operation” is no property"),
    ({"users": {"name": op("x")}}, "no property"),
    ({"name": "x"}, "to be a struct"),
    ({"name": 5}, "to be a struct"),
    ({"name": None}, "to be a struct"),
    ({"name": [op("x")]}, "to be a struct"),
    ({"parent": "x"}, "to be a struct"),
    ({"childUsers": 1}, "to be a struct"),
    ("x", "to be a struct"),
    (5, "to be a struct"),
    (None, "to be a struct"),
    ([{}], "to be a struct"),
    ({"name": op(None)}, "give a text"),
    ({"name": op(True)}, "give a text"),
    ({"name": op(["x"])}, "give a text"),
    ({"name": op({"operation": "x"})}, "give a text"),
    ({"name": op(float("nan"))}, "is a number"),
    ({"name": op(2**63)}, "is a number"),
    ({"name": op(10**5_000)}, "is a number"),
    ({"number": op("x")}, "“number” is a number"),
    ({"number": op("")}, "is a number"),
    ({"number": op("> x")}, "is a number"),
    ({"number": op("5; DROP TABLE accounts_member")}, "is a number"),
    ({"number": op("0x10")}, "is a number"),
    ({"number": op("1_000")}, "is a number"),
    ({"number": op("1e3")}, "is a number"),
    ({"number": op("٣")}, "is a number"),
    ({"number": op("9" * 19)}, "is a number"),
    ({"number": op(2**63)}, "is a number"),
    ({"number": op(-(2**63))}, "is a number"),
    ({"number": op(10**5_000)}, "is a number"),
    ({"number": op(1e300)}, "is a number"),
    ({"number": op(float("inf"))}, "is a number"),
    ({"number": op(float("nan"))}, "is a number"),
    ({"number": op(True)}, "is a number"),
    ({"number": op(None)}, "is a number"),
    ({"number": op("*= 5")}, "is for texts"),
    ({"date": op("^= 2026")}, "is for texts"),
    ({"flag": op("*= t")}, "is for texts"),
    ({"flag": op("> 0")}, "true or false"),
    ({"flag": op(2)}, "true or false"),
    ({"flag": op(10**5_000)}, "true or false"),
    ({"flag": op(1.0)}, "true or false"),
    ({"flag": op("yes")}, "true or false"),
    ({"flag": op(None)}, "true or false"),
    ({"flag": op([])}, "true or false"),
    ({"date": op(5)}, "is a date"),
    ({"date": op("yesterday")}, "“yesterday” is no date"),
    ({"date": op("> 13/13/2026")}, "no date"),
    ({"date": op("isDate", date=["x"])}, "no date"),
    ({"date": op("isDate", date=[5])}, "is a date"),
    ({"date": op("isDate", date=[])}, "needs one value"),
    ({"date": op("isDate", date=["10/24/2026", "10/25/2026"])}, "needs one value"),
    ({"date": op("isDate")}, "needs the option “date”"),
    ({"date": op("betweenDate", startDate=["10/24/2026"])}, "needs the option “endDate”"),
    ({"date": op("betweenDate", date=["10/24/2026"])}, "no option “date”"),
    ({"name": op("isDate", date=["10/24/2026"])}, "“name” is no date"),
    ({"seconds": op("isDate", date=["10/24/2026"])}, "no date"),
    ({"seconds": op(10**17)}, "so far off"),
    ({"seconds": op(-(10**17))}, "so long ago"),
    ({"seconds": op("10/24/2026")}, "is a number"),
    ({"name": op("in")}, "needs the option “data”"),
    ({"name": op("or", data=[])}, "compared with nothing"),
    ({"name": op("and", data=[])}, "compared with nothing"),
    ({"name": op("and", data=[["x"]])}, "give a text"),
    ({"name": op("in", data=[None])}, "give a text"),
    ({"name": op("in", data={"a": "b"})}, "give a text"),
    ({"name": op("in", dates=["x"])}, "no option “dates”"),
    ({"name": op("contains", data=["x"])}, "no option “data”"),
    ({"name": op("x", data=["x"])}, "no option “data”"),
    ({"name": {"operation": "in", "options": {"name": "data", "value": ["x"]}}}, "to be a list"),
    ({"name": {"operation": "in", "options": "data"}}, "to be a list"),
    ({"name": {"operation": "in", "options": [{"name": "data"}]}}, "a name and a value"),
    ({"name": {"operation": "in", "options": [{"value": ["x"]}]}}, "a name and a value"),
    ({"name": {"operation": "in", "options": [{"name": 5, "value": ["x"]}]}}, "a name and a value"),
    ({"name": {"operation": "in", "options": ["x"]}}, "a name and a value"),
    ({"name": {"operation": "in", "options": [{"name": "data", "value": ["x"]}] * 2}}, "“data” twice"),
    ({"name": {"operation": "in", "options": [{"name": "data", "value": ["x"]}] * 11}}, "at most 10"),
    ({"name": {"operation": "x", "other": 1}}, "has no “other”"),
    ({"name": {"options": [{"name": "data", "value": ["x"]}]}}, "no option “data”"),
    ({"name": {"options": []}}, "give a text"),
    ({"name": op("orderBy", sort=["UP"])}, "“ASC” or “DESC”"),
    ({"name": op("orderBy", sort=[1])}, "“ASC” or “DESC”"),
    ({"name": op("orderBy", sort=["ASC", "DESC"])}, "needs one value"),
    ({"name": op("orderBy", sortOrder=["x"])}, "is a number"),
    ({"name": op("orderBy", sortOrder=[])}, "needs one value"),
    ({"childUsers": {"name": op("orderBy")}}, "cannot sort"),
    ({"name": op("a" * (MOST_CHARACTERS + 1))}, "too long"),
    ({"name": op("in", data=["a" * (MOST_CHARACTERS + 1)])}, "too long"),
    ({"date": op("isDate", date=["1" * (MOST_CHARACTERS + 1)])}, "too long"),
    ({"name": op("*= a\0b")}, "no character"),
    ({"name": op("\ud800")}, "no character"),
    ({"username": op("\udfff")}, "no character"),
    ({"name": op("in", data=["a\0"])}, "no character"),
    ({"\ud800\0": op("x")}, "“\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}” is no property"),
    ({"name": op("in", data=["x"] * MOST_LEAVES)}, "too much"),
    ({"name": op("or", data=["x"] * MOST_LEAVES)}, "too much"),
    ({"name": op("in", data=["x"] * 10**6)}, "too much"),
]


@pytest.mark.parametrize(("asked", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_asked_is_refused(find: Find, asked: Any, text: str) -> None:
    with pytest.raises(Fault, match=text) as caught:
        find(asked)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250
    with pytest.raises(Fault, match=text):
        find({"users": asked}, root="users")


@pytest.mark.parametrize("beside", [{"name": op("^= p")}, {"user": {}}, {"id": op("5")}, {"hardware": {"id": op("1")}}])
def test_what_stands_beside_the_list_that_is_meant_is_refused(find: Find, beside: Any) -> None:
    """Ignoring it would give everybody to somebody who asked for few, and whose script may go on to delete them."""
    for asked in (beside, {"users": {"name": op("^= p")}, **beside}):
        with pytest.raises(Fault, match="is to speak of “users”, and not of"):
            find(asked, root="users")


def test_number_of_values_is_bounded_over_the_whole_filter(find: Find) -> None:
    half = ["x"] * (MOST_LEAVES // 2 - 1)
    both = {"name": op("in", data=half), "shownName": op("not in", data=half)}
    assert find(both) == []
    with pytest.raises(BadCall, match="too much"):
        find({**both, "number": op(5)})


def test_depth_is_bounded_even_where_columns_go_round(members: list[Member]) -> None:
    round_and_round: dict[str, Any] = {"name": Column("name_here", str)}
    round_and_round["parent"] = round_and_round
    deep: dict[str, Any] = {"name": op("x")}
    for _ in range(100_000):
        deep = {"parent": deep}
    with pytest.raises(BadCall, match="too deep"):
        narrowed(Member.objects.all(), deep, round_and_round)
