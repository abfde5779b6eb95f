"""Statements of the interface go by an index where one leads to the rows that are named.

Nothing here is timed: the database says itself which way it takes, and SQLite takes it whatever the number of rows.
"""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import audit, events
from accounts.models import Member
from accounts.names import sort_name
from keys.api import answers
from keys.api.calls import Caller
from keys.api.filters import MOST_LEAVES
from tests.keys.api.calling import ORIGIN, ask, asked, caller_of, refused

pytestmark = pytest.mark.django_db
LOG = "Event_Log::getAllObjects"
#: Of whoever finds events by those who are named in them, and by the time.
BY_USERS = r"event_(subject_idx \(account_id=\? AND subject_id|actor_idx \(account_id=\? AND actor_id)=\?\)"
BY_TIME = r"event_by_time_idx \(account_id=\? AND at>\?\)"


def statements(caller: Caller, method: str, object_id: int | None = None, **more: Any) -> list[tuple[str, Any]]:
    """The statements that choose and count the rows of a list, with the values as they are bound."""
    kept = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if ' AS "pk" FROM' in sql or "COUNT(" in sql:
            kept.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        ask(caller, method, object_id, **more)
    assert kept
    return kept


def steps(table: str, caller: Caller, method: str, object_id: int | None = None, **more: Any) -> list[str]:
    """How SQLite reads the table for them, but for rows that it goes to by their keys."""
    found = []
    with connection.cursor() as cursor:
        for sql, params in statements(caller, method, object_id, **more):
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            found += [step for *_, step in cursor.fetchall() if f"{table} " in step and "rowid=?" not in step]
    assert found
    return found


def since(year: int) -> dict[str, Any]:
    return {"operation": "greaterThanDate", "options": [{"name": "date", "value": [f"10/24/{year} 0:0:0"]}]}


@pytest.fixture
def logins(cast: dict[str, Member]) -> dict[str, Member]:
    for name in ("priya", "sam"):
        audit.record(events.SIGNED_IN, actor=cast[name], origin=ORIGIN)
    return cast


@pytest.mark.sqlite_only
@pytest.mark.parametrize("name", ["olivia", "marcus", "priya"])
def test_logins_are_found_by_whose_they_are(logins, name: str) -> None:
    """By the time SQLite would read the events of the whole account, however few are theirs."""
    days = {"loginAttempts": {"createDate": since(2020)}}
    caller, priya = caller_of(logins[name]), logins["priya"].pk
    for asked_for in ({}, days):
        for limit in (None, 5):
            found = steps(
                "accounts_event", caller, "User_Customer::getLoginAttempts", priya, object_filter=asked_for, limit=limit
            )
            assert {re.sub(r".*USING (COVERING )?INDEX ", "", step) for step in found} == {
                "event_subject_idx (account_id=? AND subject_id=?)"
            }


@pytest.mark.sqlite_only
@pytest.mark.parametrize("name", ["olivia", "marcus"])
@pytest.mark.parametrize("column", ["userId", "objectId"])
def test_events_of_one_user_are_found_by_them(logins, name: str, column: str) -> None:
    for number in (logins["priya"].pk, str(logins["priya"].pk)):
        named = {column: {"operation": number}, "eventCreateDate": since(2020)}
        found = steps("accounts_event", caller_of(logins[name]), LOG, object_filter=named, limit=5)
        assert [step for step in found if not re.search(BY_USERS, step)] == []


@pytest.mark.sqlite_only
def test_days_of_the_log_are_found_by_the_time_or_by_few_users(logins, monkeypatch) -> None:
    days = {"eventCreateDate": since(2020), "traceId": {"operation": "orderBy"}}
    ways = {"olivia": BY_TIME, "marcus": BY_USERS}
    for name, way in ways.items():
        found = steps("accounts_event", caller_of(logins[name]), LOG, object_filter=days, limit=5)
        assert [step for step in found if not re.search(way, step)] == []
    monkeypatch.setattr(audit, "_FEW", 0)
    found = steps("accounts_event", caller_of(logins["marcus"]), LOG, object_filter=days, limit=5)
    assert [step for step in found if not re.search(BY_TIME, step)] == []


@pytest.mark.parametrize("name", ["olivia", "marcus"])
def test_those_who_did_it_are_loaded_by_their_keys_alone(logins, name: str) -> None:
    """Of many keys beside an account, SQLite would rather read all members of the account."""
    caller = caller_of(logins[name])
    with CaptureQueriesContext(connection) as queries:
        ask(caller, LOG, limit=5)
    loaded = [query["sql"].partition("WHERE")[2] for query in queries if 'FROM "accounts_member"' in query["sql"]]
    conditions = [condition for condition in loaded if '"accounts_member"."id" IN (' in condition]
    assert len(conditions) == 1
    assert "account_id" not in conditions[0]


def test_days_leave_the_same_events_by_either_way(logins, monkeypatch) -> None:
    marcus, priya = logins["marcus"], logins["priya"].pk
    days = {"eventCreateDate": since(2020)}
    for asked_for in (days, days | {"userId": {"operation": priya}}):
        by_users = ask(marcus, LOG, object_filter=asked_for)
        monkeypatch.setattr(audit, "_FEW", 0)
        assert ask(marcus, LOG, object_filter=asked_for) == by_users != []
        monkeypatch.undo()
    assert ask(marcus, LOG, object_filter={"eventCreateDate": since(2300)}) == []


@pytest.mark.sqlite_only
@pytest.mark.parametrize("operation", ["Priya Raman", "_= PRIYA RAMAN"])
def test_name_is_found_by_its_index(cast, operation: str) -> None:
    named = {"users": {"displayName": {"operation": operation}}}
    found = steps("accounts_member", caller_of(cast["olivia"]), "Account::getUsers", object_filter=named)
    assert [step for step in found if "member_by_name_idx (account_id=? AND sort_name=?)" not in step] == []


def test_name_is_found_in_either_case_whatever_its_letters(cast) -> None:
    olivia, priya = cast["olivia"], cast["priya"]
    for name in ("Ｐriya Ⅳ", "Straße ſ", "Ångström É", "x" * 100, "ΌΣΟΣ ς"):
        type(priya.user).objects.filter(pk=priya.user_id).update(name=name)
        Member.objects.filter(pk=priya.pk).update(sort_name=sort_name(name), name_here=None)
        for operation in (name, f"_= {name}", f"_= {name.swapcase()}"):
            if len(operation.removeprefix("_= ")) != len(name):
                continue  # a letter that becomes two is another one
            found = ask(olivia, "Account::getUsers", object_filter={"users": {"displayName": {"operation": operation}}})
            assert [user["id"] for user in found] == [priya.pk], operation


def of_several(operation: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"operation": operation, "options": [{"name": "data", "value": values}]}


@pytest.mark.parametrize("operation", ["in", "not in"])
@pytest.mark.parametrize("column", ["id", "email", "username", "parentId"])
def test_one_of_many_is_one_step(cast, column: str, operation: str) -> None:
    """Compared one after the other, two hundred would take as long as two hundred filters."""
    named = {"users": {column: of_several(operation, list(range(1, MOST_LEAVES)))}}
    for sql, _ in statements(caller_of(cast["olivia"]), "Account::getUsers", object_filter=named):
        assert sql.count(" = ") < 10
        assert " IN (" in sql


# --- Parts of lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [{}, {"users": {"displayName": {"operation": "orderBy"}}}])
@pytest.mark.parametrize("name", ["olivia", "marcus"])
def test_part_of_a_short_list_is_sorted_and_not_met_on_a_walk_through_all_accounts(
    cast, monkeypatch, order: dict[str, Any], name: str
) -> None:
    """Left alone, PostgreSQL would go by the primary key, past all members of accounts that are older."""
    caller = caller_of(cast[name])
    more = {"object_filter": order, "limit": 3, "offset": 1}
    sorted_part = ask(caller, "Account::getUsers", **more)
    *_, (sql, _) = statements(caller, "Account::getUsers", **more)
    by_key = 'COALESCE("accounts_member"."id", "accounts_member"."id")'
    assert by_key in sql.partition("ORDER BY")[2]
    monkeypatch.setattr(answers, "_SORTED", 0)
    *_, (sql, _) = statements(caller, "Account::getUsers", **more)
    assert by_key not in sql
    assert ask(caller, "Account::getUsers", **more) == sorted_part
    assert len(sorted_part) == 3


@pytest.mark.parametrize("offset", [10_000, 2**40])
def test_part_behind_the_end_is_not_looked_for(cast, offset: int) -> None:
    caller = caller_of(cast["olivia"])
    whole = asked(caller, "Account::getUsers").total
    with CaptureQueriesContext(connection) as queries:
        found = asked(caller, "Account::getUsers", limit=5, offset=offset)
        assert (list(found.value), found.total) == ([], whole)
    assert len(queries) == 1


def test_too_many_below_are_refused_before_any_is_sorted(cast, monkeypatch) -> None:
    caller = caller_of(cast["olivia"])
    monkeypatch.setattr("keys.api.records.MOST_BELOW", 1)
    for method, mask in (("Account::getObject", "mask[users[id]]"), ("User_Customer::getObject", "mask[childUsers]")):
        with CaptureQueriesContext(connection) as queries:
            number = caller.member.pk if "User" in method else None
            assert "records below" in refused(caller, method, number, mask=mask).text
        assert "ORDER BY" not in queries.captured_queries[-1]["sql"]
