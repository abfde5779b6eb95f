"""Statements made once are answered like the queries that they are made from."""

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from threading import Thread

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.models import F, Value
from django.db.models.expressions import RawSQL

from accounts import hierarchy
from accounts.list_request import ListRequest
from accounts.memberships import freeze_branch
from accounts.models import Member, User
from accounts.prepared import Completed, Prepared
from accounts.queries import account_users
from keys.insight import figures
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.threads import at_once, errors

pytestmark = pytest.mark.django_db


def people(account_id: int, pk: int):
    """Joins, an expression and both values twice: as much as any of the product's."""
    members = hierarchy.with_freeze(Member.objects.filter(account_id=account_id, pk__gte=pk, pk__lte=pk))
    return members.filter(account__pk=account_id).select_related("user", "parent__user").defer("search_text")


def told(member: Member) -> list[object]:
    """All that was loaded of a row and of those it is joined to, and what was not."""
    parent = [member.parent.pk, member.parent.user.name] if member.parent else None
    state = [member._state.adding, member._state.db, sorted(member._state.fields_cache)]
    return [member, member.is_frozen, member.user.email, parent, sorted(member.get_deferred_fields()), state]


def test_rows_are_those_of_the_query_for_every_value(cast, origin):
    freeze_branch(member=cast["priya"], reason="lost", by=cast["marcus"], origin=origin)
    prepared = Prepared(people)
    for member in cast.values():
        expected = [told(row) for row in people(ACME, member.pk)]
        assert len(expected) == 1
        assert [told(row) for row in prepared(ACME, member.pk)] == expected
    assert Counter(prepared.first(ACME, member.pk).is_frozen for member in cast.values()) == {False: 6, True: 2}


def test_statement_is_made_once_and_asked_each_time(cast, django_assert_num_queries):
    made: list[tuple[int, ...]] = []
    prepared = Prepared(lambda pk: made.append(pk) or Member.objects.filter(pk=pk))
    with django_assert_num_queries(2) as asked:
        assert prepared.first(cast["sam"].pk) == cast["sam"]
        assert prepared.first(cast["noor"].pk) == cast["noor"]
    assert len(made) == 1
    assert [str(cast[name].pk) in query["sql"] for name, query in zip(("sam", "noor"), asked, strict=True)] == [
        True
    ] * 2


def test_values_can_be_text(cast):
    prepared = Prepared(lambda email: Member.objects.filter(user__email=email).exclude(user__name=email), of=str)
    assert [prepared(cast[name].user.email) for name in ("sam", "noor")] == [
        list(Member.objects.filter(user__email=cast[name].user.email)) for name in ("sam", "noor")
    ]
    assert prepared("") == prepared("nobody@acme.example") == prepared("2147483647") == []


def plans_of(mark: str) -> list[int]:
    """How often each statement with ``mark`` that PostgreSQL keeps on this connection was executed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE position(%s in statement) > 0",
            [mark],
        )
        return [times for (times,) in cursor.fetchall()]


@pytest.mark.postgresql_only
def test_statement_is_planned_once_on_a_connection_whatever_becomes_of_transactions(cast):
    mark = '"id" % (1000001)'  # as a remainder: a sign that stands for values elsewhere
    prepared = Prepared(lambda pk: Member.objects.filter(pk=pk, id=F("id") % RawSQL("1000001", [])))
    sam, before = cast["sam"], plans_of(mark)
    with transaction.atomic():
        assert prepared(sam.pk) == [sam]
        transaction.set_rollback(True)
    assert (prepared(sam.pk), prepared(0)) == ([sam], [])
    assert (before, plans_of(mark)) == ([], [3])


@pytest.mark.postgresql_only
def test_statement_whose_plan_may_not_be_kept_is_planned_each_time(cast, monkeypatch):
    """Since the best one depends on the values, or since there are many on the connection."""
    sam = cast["sam"]
    make = lambda pk: Member.objects.filter(pk=pk, id=F("id") % RawSQL("1000002", []))
    assert Prepared(make, is_planned_once=False)(sam.pk) == [sam]
    monkeypatch.setattr("accounts.prepared._MOST_PLANS", 0)
    assert Prepared(make)(sam.pk) == [sam]
    assert plans_of("1000002") == []


@pytest.mark.postgresql_only
def test_plans_of_lists_are_kept_and_not_those_of_searches_and_of_counts_by_size(cast):
    olivia = cast["olivia"]

    def planned(*asked: dict[str, str]) -> int:
        """How many statements about users are planned, or found planned, by what is asked for."""
        before = sum(plans_of('"accounts_member"'))
        for query in asked:
            account_users(olivia, ListRequest("", query)).page(per_page=25, cursor=None)
        return sum(plans_of('"accounts_member"')) - before

    assert [planned({}, {}), planned({"q": "sam"}), planned({"status": "active"})] == [2, 0, 0]
    figures(olivia, viewer=olivia)
    figures(cast["marcus"], viewer=olivia)
    assert plans_of("CASE WHEN") == []


@pytest.mark.postgresql_only
@pytest.mark.parametrize(
    "loss",
    [
        "DEALLOCATE ALL",  # as a pooler does
        "CREATE TEMP TABLE accounts_user AS SELECT * FROM accounts_user WHERE false;"
        " ALTER TABLE pg_temp.accounts_user ALTER id TYPE smallint",  # which this connection sees from now on
    ],
)
def test_statement_whose_plan_was_lost_is_answered_all_the_same(loss):
    prepared = Prepared(lambda pk: User.objects.filter(pk=pk))

    def lose_and_ask() -> list[User]:
        with connection.cursor() as cursor:
            cursor.execute(loss)
        return prepared(0)

    def ask() -> list[User]:
        prepared(0)
        with pytest.raises(DatabaseError), transaction.atomic():  # in which nothing can be asked again
            lose_and_ask()
        with transaction.atomic():
            answer = prepared(0)  # kept anew
        return answer + lose_and_ask() + prepared(0)

    assert at_once(ask) == [[[]]]


@pytest.mark.postgresql_only
@pytest.mark.parametrize("is_kept", [True, False])
def test_connection_that_was_lost_is_told_as_the_database_being_away(is_kept):
    """Which pages answer with 503, and not as a mistake in the program."""
    prepared = Prepared(lambda pk: User.objects.filter(pk=pk))

    def ask() -> list[User]:
        if is_kept:
            prepared(0)
        connection.ensure_connection()
        ended, other = connection.connection.info.backend_pid, connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10_000)", [ended])
        other.close()
        return prepared(0)

    ((answer,),) = at_once(ask)
    assert type(answer) is OperationalError


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_as_many_values_are_given_as_there_are(values):
    with pytest.raises(TypeError, match="2 values"):
        Prepared(people)(*values)


def test_text_can_stand_in_a_longer_one_more_than_once(cast):
    prepared = Prepared(lambda name: Member.objects.filter(search_text__in=[f"{name} {name}@acme.example"]), of=str)
    Member.objects.filter(pk=cast["sam"].pk).update(search_text="s{a}m s{a}m@acme.example")
    assert prepared("s{a}m") == [cast["sam"]]


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
def test_values_can_be_moments_of_which_days_are_made_and_texts_of_which_longer_ones_are(cast, zone):
    def keys(before, path: str):
        day = before.astimezone(UTC).date()
        keys = ClassicKey.objects.filter(hierarchy.path_range(path, field="holder_path"), created_at__lt=before)
        return keys.filter(last_used_day__lte=day, last_used_at__lte=before).values("pk", "last_used_day")

    at = datetime(2026, 3, 14, 23, 30, tzinfo=zone)
    used = at.astimezone(UTC)
    ClassicKey.objects.update(created_at=used - timedelta(days=9), last_used_at=used, last_used_day=used.date())
    prepared = Prepared(keys, of=(datetime, str))
    for moment in (at, at - timedelta(days=1), at + timedelta(days=1)):
        for member in cast.values():
            assert prepared(moment, member.path) == list(keys(moment, member.path))
    assert len(prepared(at, cast["marcus"].path)) == 3
    # Digits and braces in one value are not taken for another's place.
    both = Prepared(lambda name, email: Member.objects.filter(user__name=name, user__email=email), of=str)
    User.objects.filter(pk=cast["priya"].user_id).update(name="2147483646 {0} {")
    assert both("2147483646 {0} {", cast["priya"].user.email) == [cast["priya"]]


@pytest.mark.parametrize("pk", [0, -1, 2**63 - 1, 2**63, -(2**63), 10**30])
def test_number_of_nobody_finds_nobody(cast, pk):
    assert Prepared(lambda pk: Member.objects.filter(pk=pk)).first(pk) is None


def test_each_thread_asks_over_its_own_connection():
    prepared, used = Prepared(lambda pk: Member.objects.filter(pk=pk)), []
    assert prepared(1) == []

    def ask():
        with connection.execute_wrapper(lambda execute, *args: used.append(connection) or execute(*args)):
            prepared(1)
        connections.close_all()

    thread = Thread(target=ask)
    thread.start()
    thread.join()
    assert len(used) == 1


@pytest.fixture
def busy_threads():
    """Threads that take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("busy_threads")
def test_threads_that_ask_at_once_ask_each_for_their_own():
    prepared, asked = Prepared(lambda pk: Member.objects.filter(pk=pk)), []

    def ask(pk: int) -> None:
        with connection.execute_wrapper(lambda execute, *args: asked.append((pk, *args[1])) or execute(*args)):
            for _ in range(2_000):
                prepared(pk)

    prepared(0)
    assert errors(*at_once(*(partial(ask, pk) for pk in (1, 2, 3)))) == []
    assert Counter(asked) == {(pk, pk): 2_000 for pk in (1, 2, 3)}


def test_rows_are_completed_whatever_statement_chooses_them(cast, django_assert_num_queries):
    made = []

    def complete(members):
        made.append(members)
        return members.annotate(mark=Value("100 %")).exclude(user__name="nobody").select_related("user")

    completed, few = Completed(Member, complete), [cast["sam"].pk, cast["noor"].pk]
    by_status = "SELECT id FROM accounts_member WHERE account_id = %s AND status = %s LIMIT %s", [ACME, "active", 3]
    with django_assert_num_queries(3):
        for (choice, values), expected in (
            (("VALUES (%s), (%s)", few), set(few)),
            (by_status, None),
            (("SELECT id FROM accounts_member WHERE id < %s", [0]), set()),
        ):
            rows = completed(choice, values)
            assert all((row.mark, row.user.email) == ("100 %", row.user.email) for row in rows)
            assert {row.pk for row in rows} == expected if expected is not None else len(rows) == 3
    assert len(made) == 1
