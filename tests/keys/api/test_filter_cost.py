"""What a filter may cost: each comparison may be made with every row of a large account."""

import pytest

from accounts.models import Member
from keys.api.faults import BadCall
from keys.api.filters import MOST_COMPARISONS, MOST_LEAVES, narrowed
from tests.keys.api.filtering import columns, op


def sql_of(asked: object) -> str:
    return str(narrowed(Member.objects.all(), asked, columns()).query)


@pytest.mark.parametrize("comparisons", [["*= x"], ["x"], ["> x", "is null"]])
def test_number_of_comparisons_is_bounded_over_the_whole_filter(comparisons: list[str]) -> None:
    """Two hundred of them would take a server seconds."""
    most = (comparisons * MOST_COMPARISONS)[: MOST_COMPARISONS - 2]
    for word in ("or", "and"):
        asked = {"name": op(word, data=most), "username": op("in", data=["x"] * 100), "number": op("not in", data=[5])}
        assert sql_of(asked)
        for more in ({"flag": op("true")}, {"childUsers": {"date": op("isDate", date=["10/24/2026"])}}):
            with pytest.raises(BadCall, match=f"at most {MOST_COMPARISONS} comparisons"):
                sql_of({**asked, **more})
    with pytest.raises(BadCall, match="comparisons"):
        sql_of({"name": op("or", data=[*most, *comparisons * 3])})
    with pytest.raises(BadCall, match="comparisons"):
        sql_of({"flag": op("in", data=[True] * (MOST_COMPARISONS + 1))})


@pytest.mark.parametrize("name", ["name", "username", "number", "shownName"])
@pytest.mark.parametrize("word", ["in", "not in"])
def test_one_of_many_is_one_comparison_in_sql(name: str, word: str) -> None:
    sql = sql_of({name: op(word, data=[str(number) for number in range(MOST_LEAVES - 1)])})
    assert sql.count(" IN (") == 1
    assert " OR " not in sql
