"""Statements that name few rows go by their keys: SQLite, left to itself, would go through all members of the account.

Nothing here is timed: the database says itself which way it takes, and takes it whatever the number of rows.
"""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, importing, listing, member_files, outbox
from accounts.listing import Cursor
from accounts.models import Event, Member
from tests.conftest import BOREALIS
from tests.trees import make_platform_key
from tests.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


#: So many that looking each up by an index seems dearer to SQLite than an account, of whose size it knows nothing.
ENOUGH = 40


def whole_account_read_by(statements: list[str]) -> list[str]:
    """Return the steps that read every member of an account, of the statements that name the rows they want."""
    found = []
    with connection.cursor() as cursor:
        for statement in statements:
            if not statement.startswith("SELECT") or " IN (" not in statement or "LIMIT" in statement:
                continue
            cursor.execute(f"EXPLAIN QUERY PLAN {statement.replace('%', '%%')}")
            steps = [step for *_, step in cursor.fetchall()]
            found += [step for step in steps if "accounts_member " in step and step.endswith("(account_id=?)")]
    return found


def statements_of(act) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        act()
    statements = [query["sql"] for query in captured.captured_queries]
    assert any(" IN (" in statement for statement in statements)
    return statements


@pytest.mark.parametrize("name", ["olivia", "marcus"])
def test_pages_that_name_members(cast, name):
    assert Event.objects.filter(account_id=cast[name].account_id).exists()
    client, folded = visitor(cast[name]), ".".join(map(str, range(1, ENOUGH + 1)))
    for address in ("/iam/activity", f"/iam/users?view=hierarchy&folded={folded}"):
        statements = statements_of(lambda address=address: client.get(address))
        assert whole_account_read_by(statements) == [], address


def steps_of_activity(viewer: Member, address: str) -> list[str]:
    """The steps of the statements that count and choose events, with the values as they are bound."""
    asked = []

    def keep(execute, sql, params, many, context):
        if 'FROM "accounts_event"' in sql and "has_notifications" not in sql:
            asked.append((sql, params))
        return execute(sql, params, many, context)

    client = visitor(viewer)
    with connection.execute_wrapper(keep):
        client.get(address)
    steps = []
    with connection.cursor() as cursor:
        for sql, params in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            steps += [step for *_, step in cursor.fetchall() if "accounts_event " in step and "rowid=?" not in step]
    assert len(steps) > 1
    return steps


#: A step of whoever finds events by those who are named in them.
BY_USERS = r"event_(subject_idx \(account_id=\? AND subject_id|actor_idx \(account_id=\? AND actor_id)=\?\)"
DAYS = "from=2020-01-01&to=2030-01-01"


@pytest.mark.parametrize("name", ["olivia", "marcus"], ids=["of the whole account", "of many users"])
def test_days_are_found_by_the_time(cast, name, monkeypatch):
    monkeypatch.setattr(audit, "_FEW", 0)
    steps = steps_of_activity(cast[name], f"/iam/activity?{DAYS}")
    assert [step for step in steps if "event_by_time_idx (account_id=? AND at>? AND at<?)" not in step] == []


def test_days_of_few_users_are_found_by_these(cast):
    """By the time SQLite would read the events of the whole account, however few are theirs."""
    steps = steps_of_activity(cast["marcus"], f"/iam/activity?{DAYS}")
    assert [step for step in steps if not re.search(BY_USERS, step)] == []


@pytest.mark.parametrize("name", ["olivia", "marcus"])
@pytest.mark.parametrize("more", ["", f"&{DAYS}"], ids=["always", "of some days"])
def test_events_of_one_user_are_found_by_them(cast, name, more):
    steps = steps_of_activity(cast[name], f"/iam/activity?user={cast['priya'].pk}{more}")
    assert [step for step in steps if not re.search(BY_USERS, step)] == []


MANY = ["priya@acme.example", *(f"new{number}@new.example" for number in range(ENOUGH))]


def test_addresses_that_are_invited(cast):
    client, addresses = visitor(cast["olivia"]), ", ".join(MANY)
    statements = statements_of(lambda: client.post("/iam/users/invite_users", {"addresses": addresses}))
    assert whole_account_read_by(statements) == []


def test_addresses_in_a_file(cast):
    content = member_files.read("\n".join(["email", *MANY[1:]]).encode())
    assert whole_account_read_by(statements_of(lambda: importing.make_plan(content, cast["olivia"]))) == []


def test_those_who_may_look_after_anybody_are_found_by_their_permissions(cast):
    client, address = visitor(cast["olivia"]), f"/iam/users/{cast['priya'].pk}?tab=manage"
    statements = [one for one in statements_of(lambda: client.get(address)) if '"permissions" IN' in one]
    assert statements
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            assert any("member_more_permissions_idx" in step for *_, step in cursor.fetchall())


def test_members_of_another_account_are_not_folded(cast):
    elsewhere = Member.objects.filter(account_id=BOREALIS).first()
    address = f"/iam/users?view=hierarchy&folded={elsewhere.pk}"
    plain = visitor(cast["olivia"]).get("/iam/users?view=hierarchy").content.decode().count("<tr")
    assert visitor(cast["olivia"]).get(address).content.decode().count("<tr") == plain


def test_links_for_another_password_are_found_without_the_other_mails(cast):
    Client().post("/reset", {"email": "noor@acme.example"})
    with CaptureQueriesContext(connection) as captured:
        outbox.send_due()
    (first, *_) = (query["sql"] for query in captured if query["sql"].startswith('SELECT "accounts_mail"'))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {first}")
        steps = [step for *_, step in cursor.fetchall()]
    assert [step for step in steps if "accounts_mail " in step and "(reset_id>?)" not in step] == []


def steps_of_platform_keys(viewer: Member, address: str) -> list[str]:
    """The steps by which the keys of a page, their count and those of its viewer are found."""
    asked = []

    def keep(execute, sql, params, many, context):
        if "keys_platformkey" in sql:
            asked.append((sql, params))
        return execute(sql, params, many, context)

    client = visitor(viewer)
    with connection.execute_wrapper(keep):
        assert client.get(address).status_code == 200
    assert len(asked) == 3
    with connection.cursor() as cursor:
        steps = []
        for sql, params in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            steps += [step for *_, step in cursor.fetchall() if "keys_platformkey " in step or "TEMP B-TREE" in step]
    return steps


@pytest.mark.parametrize(
    ("sort", "index"), [("name", "by_name"), ("-name", "by_name"), ("created", "by_date"), ("-created", "by_date")]
)
def test_keys_of_all_users_are_read_in_the_order_of_an_index(cast, sort, index):
    for _ in range(3):
        make_platform_key(cast["priya"])
    before_all = ("z" if sort[0] == "-" else "a", timezone.now() - timedelta(days=0 if sort[0] == "-" else 1))
    at = Cursor(before_all["created" in sort], 1, number=2).encode()
    for place in ("", f"&at={at}"):
        steps = steps_of_platform_keys(cast["olivia"], f"/iam/apikeys?view=all&sort={sort}{place}")
        assert [step for step in steps if "TEMP" in step] == []
        by_index = [step for step in steps if f"platform_key_{index}_idx (account_id=?" in step]
        assert len(by_index) == 2, steps  # of the count and of the page


def test_ones_own_keys_are_found_by_their_holder(cast):
    """By the account SQLite would go through the keys of all its users."""
    make_platform_key(cast["priya"])
    steps = steps_of_platform_keys(cast["priya"], "/iam/apikeys?view=my")
    assert [step for step in steps if "(account_id=?" in step] == []
    assert len([step for step in steps if "(holder_id=?)" in step]) == 2, steps


@pytest.mark.parametrize("order", ["created", "-created", "created_by", "-created_by"])
def test_keys_of_a_branch_are_sorted_from_its_index_alone(cast, order, monkeypatch):
    """Whatever the order: to read the rows as well takes ten times as long, and so is done for few of them."""
    monkeypatch.setattr(listing, "_READ", 0)
    client = visitor(cast["marcus"])
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/iam/apikeys?sort={order}").status_code == 200
    statements = [query["sql"] for query in captured]
    (choice,) = [text for text in statements if 'COALESCE("keys_classickey"' in text]
    assert not any("walked" in text for text in statements)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {choice.replace('%', '%%')}")
        steps = [step for *_, step in cursor.fetchall()]
    assert any("USING COVERING INDEX classic_key_branch_idx" in step for step in steps), steps
