"""What a filter may cost: each comparison may be made with every row of a large account."""

import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import Member
from accounts.transactions import TakesTooLong, reading_at_most
from keys.api import answers
from keys.api.faults import BadCall
from keys.api.filters import MOST_COMPARISONS, MOST_LEAVES, narrowed
from tests.keys.api.calling import ask, caller_of, columns, op, public, refused
from tests.trees import grow


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


def test_text_that_is_shorter_than_what_is_looked_for_is_not_looked_at() -> None:
    """PostgreSQL would take half a minute for twenty long patterns in a large account."""
    for name, value in {"name": "name_here", "username": "api_username"}.items():
        for sign, is_long in {"*=": ">= 300 AND", "!*=": "< 300 OR"}.items():
            sql = sql_of({name: op(f"{sign} {'e' * 300}")})
            assert f'"{value}"' in sql.partition(is_long)[0].rpartition("LENGTH(")[2]


_ENDLESS = {
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
    "postgresql": "SET LOCAL statement_timeout = 50; SELECT pg_sleep(600)",
}


@pytest.mark.django_db
def test_what_takes_too_long_is_broken_off_and_the_connection_goes_on() -> None:
    with connection.cursor() as cursor:
        with pytest.raises(TakesTooLong), transaction.atomic(), reading_at_most(0.05):
            cursor.execute(_ENDLESS[connection.vendor])
        with pytest.raises(OperationalError, match="else"), reading_at_most(0.05):
            raise OperationalError("something else")
        if connection.vendor == "sqlite":
            cursor.execute(_ENDLESS["sqlite"].replace("FROM c)", "FROM c WHERE x < 300000)"))
            assert cursor.fetchone() == (300_000,)


@pytest.mark.sqlite_only
def test_filter_that_takes_too_long_is_refused_before_the_first_item(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_of(grow([0] * 100)[0])
    monkeypatch.setattr(answers, "_SECONDS", -1.0)
    asked = {"users": {"displayName": op("*= nobody")}}
    text = "This takes too long. Filter by fewer properties, or by equality: “in” or a whole text."
    assert refused(caller, "Account::getUsers", object_filter=asked) == public(text)
    assert len(ask(caller, "Account::getUsers", mask="id")) == 101
