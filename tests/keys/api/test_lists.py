"""Lists: whose they are, which part is sent, in which order, and in batches."""

import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import hierarchy
from accounts.models import Account, Member
from keys.api import answers, records
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.keys.api.calling import ask, asked, caller_of, public, refused
from tests.trees import grow, make_key

#: An owner; below them 1 with 3 and 4, and 2; below 4 is 5, below 5 is 6.
PARENTS = [0, 0, 1, 1, 4, 5]
BRANCHES = {0: [0, 1, 2, 3, 4, 5, 6], 1: [1, 3, 4, 5, 6], 2: [2], 4: [4, 5, 6], 6: [6]}


@pytest.fixture
def tree(db: None) -> list[Member]:
    members = grow(PARENTS)
    for member in members:
        make_key(member)
    return members


@pytest.mark.parametrize("number", BRANCHES)
def test_users_are_those_of_the_account_or_of_the_branch(tree: list[Member], number: int) -> None:
    grow([0, 0])  # another account
    everybody = [member.pk for member in tree]
    assert [user["id"] for user in ask(tree[number], "Account::getUsers")] == everybody
    Account.objects.filter(pk=tree[0].account_id).update(restrict_user_list=True)
    branch = [tree[other].pk for other in BRANCHES[number]]
    for mask in (None, "id", "mask[id,childUsers[id],account[users[id]]]"):
        found = asked(tree[number], "Account::getUsers", mask=mask)
        assert [user["id"] for user in found.value] == branch
        assert found.total == len(branch)
    count = ask(tree[number], "Account::getObject", mask="userCount,users[id]")
    assert (count["userCount"], [user["id"] for user in count["users"]]) == (len(branch), branch)


@pytest.mark.sqlite_only
def test_branch_is_found_by_its_range_and_a_name_by_its_index(tree: list[Member]) -> None:
    Account.objects.filter(pk=tree[0].account_id).update(restrict_user_list=True)
    caller = caller_of(tree[4])
    named = {"users": {"username": {"operation": f"_= {tree[5].api_username.upper()}"}}}
    for asked_for, search in (({}, "account_id=? AND path>? AND path<?"), (named, "api_username=?")):
        with CaptureQueriesContext(connection) as queries:
            ask(caller, "Account::getUsers", object_filter=asked_for)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries.captured_queries[0]['sql']}")
            plan = str(cursor.fetchall())
        assert search in plan
        assert "SCAN" not in plan


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [
        (None, 0, [0, 1, 2, 3, 4, 5, 6]), (3, 0, [0, 1, 2]), (3, 3, [3, 4, 5]), (3, 6, [6]), (3, 7, []), (1, 100, []),
        (None, 5, [5, 6]), (0, 5, [5, 6]), (10**30, 0, [0, 1, 2, 3, 4, 5, 6]), (10**30, 10**30, []), (1, -1, [0]),
        (None, 10**30, []), (None, 100, []),
    ],
)  # fmt: skip
def test_parts_of_a_list_and_its_total(tree: list[Member], limit: int | None, offset: int, expected: list[int]) -> None:
    for method, root in (("Account::getUsers", "users"), ("User_Permission_Action::getAllObjects", "")):
        found = asked(tree[0], method, limit=limit, offset=offset)
        items = list(found.value)
        if root:
            assert [user["id"] for user in items] == [tree[number].pk for number in expected]
            assert found.total == 7
        else:
            whole = asked(tree[0], method)
            few = [number for number in expected if number < 5] if offset < 5 else []
            assert items == [list(whole.value)[number] for number in few]
            assert found.total == 5


def test_total_is_of_what_fits_the_filter(tree: list[Member]) -> None:
    below = {"users": {"parentId": {"operation": tree[1].pk}}}
    found = asked(tree[0], "Account::getUsers", object_filter=below, limit=1, offset=1)
    assert ([user["id"] for user in found.value], found.total) == ([tree[4].pk], 2)


def test_order_is_stable_and_as_asked(tree: list[Member]) -> None:
    by_parent = {"users": {"parentId": {"operation": "orderBy", "options": [{"name": "sort", "value": ["DESC"]}]}}}
    found = [user["id"] for user in ask(tree[0], "Account::getUsers", object_filter=by_parent)]
    assert found == [tree[number].pk for number in (6, 5, 3, 4, 1, 2, 0)]
    pages = [
        ask(tree[0], "Account::getUsers", object_filter=by_parent, limit=2, offset=start) for start in range(0, 8, 2)
    ]
    assert [user["id"] for user in itertools.chain(*pages)] == found


def test_order_that_clients_add_beside_the_list_is_ignored(tree: list[Member]) -> None:
    added = {"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["ASC"]}]}}
    for method, number in (
        ("Account::getUsers", None), ("User_Customer::getChildUsers", tree[0].pk),
        ("User_Customer::getApiAuthenticationKeys", tree[0].pk), ("Event_Log::getAllObjects", None),
        ("User_Customer_Status::getAllObjects", None), ("User_Customer::getHardware", tree[0].pk),
        ("User_Customer::getLoginAttempts", tree[0].pk),
    ):  # fmt: skip
        assert ask(tree[0], method, number, object_filter=added) == ask(tree[0], method, number)


@pytest.mark.parametrize(
    ("method", "asked_for", "text"),
    [
        ("Account::getUsers", {"users": {"name": {"operation": "x"}}}, "“name” is no property that can be filtered"),
        ("Account::getUsers", {"users": {"vpn_password": {"operation": "^= m"}}}, "“vpn_password” is no property"),
        ("Account::getUsers", {"users": {"user": {"password": {"operation": "^= m"}}}}, "“user” is no property"),
        ("Account::getUsers", {"users": "x"}, "“users” is to be a struct"),
        ("Account::getUsers", {"users": {"username": {"operation": "~ (a+)+$"}}}, "Regular expressions are not"),
        ("Account::getObject", {"users": {"username": {"operation": "x"}}}, "“users” is no property that can be"),
        ("User_Permission_Action::getAllObjects", {"keyName": {"operation": "X"}}, "“keyName” is no property"),
        ("Event_Log::getAllObjects", {"metaData": {"operation": "*= x"}}, "“metaData” is no property"),
    ],
)  # fmt: skip
def test_filter_that_is_not_understood_is_refused(tree: list[Member], method: str, asked_for: Any, text: str) -> None:
    assert text in refused(tree[0], method, object_filter=asked_for).text


def test_children_are_those_directly_below(tree: list[Member]) -> None:
    for number in range(7):
        expected = [tree[child].pk for child, parent in enumerate(PARENTS, start=1) if parent == number]
        found = asked(tree[0], "User_Customer::getChildUsers", tree[number].pk)
        assert ([user["id"] for user in found.value], found.total) == (expected, len(expected))
        seen = ask(tree[0], "User_Customer::getObject", tree[number].pk, mask="childUserCount,childUsers[id]")
        assert [user["id"] for user in seen["childUsers"]] == expected
        assert seen["childUserCount"] == len(expected)
    one = {"childUsers": {"email": {"operation": tree[4].user.email}}}
    (found,) = ask(tree[0], "User_Customer::getChildUsers", tree[1].pk, object_filter=one)
    assert found["id"] == tree[4].pk


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (answers, records):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 2)


def test_long_list_is_made_while_it_is_sent(tree: list[Member], small_batches: None) -> None:
    """And the same comes out, in every order, however the batches fall."""
    mask = "mask[id,parent[id],apiAuthenticationKeys[id],roles]"
    with CaptureQueriesContext(connection) as queries:
        found = asked(caller_of(tree[0]), "Account::getUsers", mask=mask)
        items = iter(found.value)
        before = len(queries)
        first = next(items)
        assert first["id"] == tree[0].pk
        assert len(queries) == before, "the first batch was made before, with all that could be refused"
        rest = list(items)
        assert len(queries) > before
    assert [user["id"] for user in (first, *rest)] == [member.pk for member in tree]
    backwards = {"users": {"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["DESC"]}]}}}
    found = ask(tree[0], "Account::getUsers", mask=mask, object_filter=backwards)
    assert found == [first, *rest][::-1]


def test_user_who_is_removed_or_hidden_while_a_list_is_sent_is_left_out(
    tree: list[Member], small_batches: None
) -> None:
    Account.objects.filter(pk=tree[0].account_id).update(restrict_user_list=True)
    items = iter(asked(tree[1], "Account::getUsers", mask="id").value)
    first = next(items)
    ClassicKey.objects.filter(holder=tree[6]).delete()
    Member.objects.filter(pk=tree[6].pk).delete()
    hierarchy.move_branch(tree[5], tree[2])
    assert [user["id"] for user in (first, *items)] == [tree[number].pk for number in (1, 3, 4)]


def test_what_is_refused_is_refused_before_the_first_item(tree: list[Member], small_batches: None, monkeypatch) -> None:
    too_many = public(
        "This would be more than 5 records below those asked for. Ask for fewer at a time, with a result limit, or for "
        "less of each, with a smaller object mask."
    )
    for module in (answers, records):
        monkeypatch.setattr(module, "MOST_BELOW", 5)
    mask = "mask[id,childUsers[id]]"
    assert refused(tree[0], "Account::getUsers", mask=mask) == too_many, "six, of all batches together"
    found = ask(tree[0], "Account::getUsers", mask=mask, limit=4)
    assert [len(user["childUsers"]) for user in found] == [2, 2, 0, 0]
    assert refused(tree[0], "Account::getObject", mask="users[id]") == too_many
    # Each has one parent and one key at most: smaller batches, and no fault.
    mask = "mask[id,parent[id],apiAuthenticationKeys[id,user[id]]]"
    assert len(ask(tree[0], "Account::getUsers", mask=mask)) == 7


def test_what_is_below_the_rows_of_all_batches_counts_together(tree: list[Member], small_batches, monkeypatch) -> None:
    for most, mask in ((11, "mask[id,childUsers[id,parent[id]]]"), (6, "mask[id,loginAttempts]")):
        for module in (answers, records):
            monkeypatch.setattr(module, "MOST_BELOW", most)
        assert f"more than {most} records" in refused(tree[0], "Account::getUsers", mask=mask).text
        for module in (answers, records):
            monkeypatch.setattr(module, "MOST_BELOW", most + 1)
        assert len(ask(tree[0], "Account::getUsers", mask=mask)) == 7


def test_wide_masks_are_for_short_lists(tree: list[Member], small_batches: None) -> None:
    each = "parent[id],account[id],userStatus[id],roles[id],permissions[id]"  # 13
    mask = f"mask[id,{each},apiAuthenticationKeys[user[userStatus[id],account[id]]]]"  # 4 more
    assert len(ask(tree[0], "Account::getUsers", mask=mask)) == 7
    wider = mask.replace("parent[id]", "parent[parent[parent[parent[parent[id]]]]]")
    assert "Ask for fewer at a time" in refused(tree[0], "Account::getUsers", mask=wider).text
    assert len(ask(tree[0], "Account::getUsers", mask=wider, limit=2)) == 2


def test_loading_ends_with_the_first_record_too_many(tree: list[Member], monkeypatch) -> None:
    caller = caller_of(tree[0])
    monkeypatch.setattr(records, "MOST_BELOW", 3)
    with CaptureQueriesContext(connection) as queries:
        mask = "mask[account[users[childUsers[childUsers[parent[id]]]]]]"
        assert "more than 3 records" in refused(caller, "Account::getCurrentUser", mask=mask).text
    (loaded,) = queries.captured_queries
    assert "LIMIT 3" in loaded["sql"]


def test_records_that_several_share_count_each_time(tree: list[Member], monkeypatch) -> None:
    """What is loaded once can still be written a million times."""
    for module in (answers, records):
        monkeypatch.setattr(module, "MOST_BELOW", 30)
    mask = "mask[id,parent[childUsers[id]]]"
    assert len(ask(tree[0], "Account::getUsers", mask=mask)) == 7
    mask = "mask[id,parent[childUsers[parent[childUsers[parent[childUsers[id]]]]]]]"
    assert "more than 30 records" in refused(tree[0], "Account::getUsers", mask=mask).text


#: Each with the number of queries, those for the rows and their number included.
MASKS = {
    "mask[id]": 3,
    "mask[id,parent[id,username],userStatus,account,roles]": 4,
    "mask[id,apiAuthenticationKeys,apiAuthenticationKeyCount,childUserCount]": 6,
    "mask[id,childUsers[id,parent[id],childUsers[id]],parent[parent[parent[id]]]]": 9,
    "mask[id,loginAttempts,successfulLogins,unsuccessfulLogins]": 6,
    "mask[id,apiAuthenticationKeys[user[parent[id]]],account[masterUser[id],userCount]]": 8,
}


@pytest.mark.parametrize("mask", MASKS)
def test_number_of_queries_does_not_depend_on_the_number_of_rows(db: None, mask: str) -> None:
    members = grow([number // 2 for number in range(220)])
    for member in members:
        make_key(member)
    caller = caller_of(members[0])
    for rows in (1, 3, 100):
        with CaptureQueriesContext(connection) as queries:
            found = ask(caller, "Account::getUsers", mask=mask, limit=rows, offset=7)
        assert len(found) == rows
        assert len(queries) == MASKS[mask], [query["sql"] for query in queries.captured_queries]


@pytest.mark.parametrize("method", ["Account::getCurrentUser", "Account::getObject"])
def test_own_record_costs_nothing(cast: dict[str, Member], method: str) -> None:
    caller = caller_of(cast["priya"])
    with CaptureQueriesContext(connection) as queries:
        assert ask(caller, method)["id"] in {cast["priya"].pk, ACME}
    assert not queries.captured_queries
