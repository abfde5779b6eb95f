"""Object filters: every operation and every form that clients send, on both databases."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Collate
from django.utils import timezone

from accounts.models import Member
from keys.api.faults import Fault
from keys.api.filter_conditions import MOST_CHARACTERS, Column
from keys.api.filters import narrowed
from tests.keys.api.calling import Leaf, columns, found, op
from tests.trees import grow, make_key

pytestmark = pytest.mark.django_db

Find = Callable[..., list[int]]


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


#: What the members of ``find`` have: name, number, date, seconds, flag. The last one has no values.
VALUES: Sequence[tuple[str | None, int | None, datetime | None, datetime | None, bool]] = (
    ("Priya Shah", 0, _at(2026, 10, 24), _at(1970, 1, 1), True),
    ("ÉMILE 100%_\\x", 5, _at(2026, 10, 24, 12, 0, 0, 500_000), _at(1970, 1, 1, 0, 0, 5, 1), True),
    ("émile [a-z]*?", 50, _at(2026, 10, 25), _at(2026, 1, 1), False),
    ("priya", 12, _at(2025, 1, 1, 23, 59, 59, 999_999), _at(2038, 1, 19, 3, 14, 8), False),
    (None, None, None, None, False),
)


@pytest.fixture
def members(db: None) -> list[Member]:
    """An owner, two below them, and one below each of these; the last three have keys."""
    members = grow([0, 0, 1, 2])
    names = ("priya@x.example", "émile@x.example", "x_y%z", "xay5z", "zoë\\w")
    for member, username, (name, number, date, seconds, flag) in zip(members, names, VALUES, strict=True):
        member.api_username = f"{member.account_id}_{username}"
        member.name_here, member.notifications_read, member.signed_in_at = name, number, date
        member.joined_at, member.user_managed_login = seconds, flag
        member.save()
    for member in members[2:]:
        make_key(member)
    return members


@pytest.fixture
def find(members: list[Member]) -> Find:
    """A function that returns the places of members whom a filter finds."""
    return lambda asked, **options: found(members, asked, **options)


EVERYBODY = [0, 1, 2, 3, 4]
NAMED = [0, 1, 2, 3]

TEXTS: list[tuple[Any, list[int]]] = [
    # Equal is exact; `_=` ignores case, beyond ASCII too.
    ("priya", [3]), ("Priya Shah", [0]), ("PRIYA", []), (" priya ", [3]), ("e\u0301mile [a-z]*?", [2]), ("", []),
    ("_= PRIYA", [3]), ("_=PRIYA", [3]), ("_= émile 100%_\\X", [1]), ("_= ÉMILE [A-Z]*?", [2]), ("_= x", []),
    ("_= ", []), ("!_= PRIYA", [0, 1, 2]), ("!= priya", [0, 1, 2]), ("!=priya", [0, 1, 2]), ("!= ", NAMED),
    # Contains, begins, ends.
    ("*= IY", [0, 3]), ("*=iy", [0, 3]), ("!*= iy", [1, 2]), ("^= pri", [0, 3]), ("!^= PRI", [1, 2]),
    ("$= a", [3]), ("$= SHAH", [0]), ("!$= a", [0, 1, 2]), ("*= É", [1, 2]), ("^= e\u0301M", [1, 2]),
    # Nothing in a text is special.
    ("*= %", [1]), ("*= _", [1]), ("*= \\", [1]), ("*= *", [2]), ("*= ?", [2]), ("*= [A-Z]", [2]), ("*= [", [2]),
    ("*= ]", [2]), ("*= -", [2]), ("*= a-z", [2]), ("$= *?", [2]), ("^= *", []), ("*= .", []), ("*= (?i)", []),
    ("*= '", []), ('*= "', []), ("*= %s", []), ("*= {}", []), ("*= ***:", []), ("*= %(x)s", []),
    # By code points: capitals before small letters before accents.
    ("> Z", [1, 2, 3]), (">= priya", [1, 2, 3]), ("> priya", [1, 2]), ("< a", [0]), ("<= priya", [0, 3]),
    ("<priya", [0]), ("> É", [1, 2]), (">= é", [2]),
    ("is null", [4]), ("not null", NAMED), (" IS  NULL", [4]), ("Not Null", NAMED),
    (7, []), (1.5, []),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "places"), TEXTS, ids=lambda value: ascii(value)[:30])
def test_texts(find: Find, operation: Any, places: list[int]) -> None:
    assert find({"name": op(operation)}) == places


NUMBERS: list[tuple[Any, list[int]]] = [
    (5, [1]), ("5", [1]), (" 5", [1]), ("+5", [1]), (5.0, [1]), ("5.0", [1]), (5.5, []), ("5.5", []), (-1, []),
    ("_= 5", [1]), ("!_= 5", [0, 2, 3]), ("!= 5", [0, 2, 3]), ("!= 5.5", NAMED), ("> 5", [2, 3]), (">= 5", [1, 2, 3]),
    ("< 12", [0, 1]), ("<= 12", [0, 1, 3]), ("> 4.5", [1, 2, 3]), (">= 5.5", [2, 3]), ("< 5.5", [0, 1]),
    ("<= 4.99", [0]), ("> -1", NAMED), ("< 0", []), ("<= -0", [0]), (2**63 - 1, []), (-(2**63) + 1, []),
    ("< 999999999999999999", NAMED), ("> -999999999999999999", NAMED), ("is null", [4]), ("not null", NAMED),
    (1e18, []), ("> 0.000000000000000001", [1, 2, 3]),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "places"), NUMBERS, ids=repr)
def test_numbers(find: Find, operation: Any, places: list[int]) -> None:
    assert find({"number": op(operation)}) == places


FLAGS: list[tuple[Any, list[int]]] = [
    (True, [0, 1]), (False, [2, 3, 4]), (1, [0, 1]), (0, [2, 3, 4]), ("1", [0, 1]), ("true", [0, 1]),
    ("FALSE", [2, 3, 4]), ("!= true", [2, 3, 4]), ("!= 0", [0, 1]), ("_= true", [0, 1]), ("is null", []),
    ("not null", EVERYBODY),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "places"), FLAGS, ids=repr)
def test_flags(find: Find, operation: Any, places: list[int]) -> None:
    assert find({"flag": op(operation)}) == places


def test_conditions_are_flags(find: Find) -> None:
    assert find({"isMasterUserFlag": op(True)}) == [0]
    assert find({"isMasterUserFlag": op("!= 1")}) == [1, 2, 3, 4]
    assert find({"isMasterUserFlag": op("in", data=[False, True])}) == EVERYBODY


DATES: list[tuple[Leaf, list[int]]] = [
    (op("greaterThanDate", date=["10/24/2026 0:0:0"]), [1, 2]),
    (op("greaterThanDate", date=["2026-10-24T00:00:00"]), [1, 2]),
    (op("greaterThanDate", date=["2026-10-23T23:59:59.999999+00:00"]), [0, 1, 2]),
    (op("lessThanDate", date=["10/24/2026 0:0:0"]), [3]),
    (op("lessThanDate", date=["2026-10-24T02:00:01+02:00"]), [0, 3]),
    (op("isDate", date=["10/24/2026"]), [0, 1]),
    (op("isDate", date="10/24/26"), [0, 1]),  # Go sends no list
    (op("isDate", date=["10/24/2026 12:00:00"]), [1]),
    (op("isDate", date=["2026-10-24T12:00:00.500000"]), [1]),
    (op("isDate", date=["2026-10-24T12:00:00.499999"]), []),
    (op("isDate", date=["2026-10-24T12:00"]), [1]),
    (op("betweenDate", startDate=["01/01/2025"], endDate=["01/01/2025"]), [3]),
    (op("betweenDate", startDate=["1/1/2025 0:0:0"], endDate=["10/24/2026 0:0:0"]), [0, 3]),
    (op("betweenDate", endDate="10/25/2026", startDate="10/24/2026"), [0, 1, 2]),
    (op("betweenDate", startDate=["10/25/2026"], endDate=["10/24/2026"]), []),
    (op("> 10/24/2026 0:0:0"), [1, 2]),
    (op(">= 10/24/2026"), [0, 1, 2]),
    (op("> 10/24/2026"), [2]),
    (op("<= 10/24/2026"), [0, 1, 3]),
    (op("< 2026-10-24T12:00:00"), [0, 3]),
    (op("10/24/2026"), [0, 1]),
    (op("!= 10/24/2026"), [2, 3]),
    (op("in", data=["10/25/2026", "01/01/2025 23:59:59"]), [2, 3]),
    (op("not in", data=["10/25/2026", "01/01/2025"]), [0, 1]),
    (op("or", data=["< 01/01/2026", ">= 10/25/2026", "is null"]), [2, 3, 4]),
    (op("is null"), [4]),
    (op("isDATE", date=["10/24/2026"]), [0, 1]),
]


@pytest.mark.parametrize(("leaf", "places"), DATES, ids=range(len(DATES)))
def test_dates(find: Find, leaf: Leaf, places: list[int]) -> None:
    assert find({"date": leaf}) == places


def test_days_ago_are_counted_from_now(find: Find, members: list[Member]) -> None:
    members[2].signed_in_at = timezone.now() - timedelta(days=29)
    members[3].signed_in_at = timezone.now() - timedelta(days=31)
    members[2].save()
    members[3].save()
    assert 2 in find({"date": op(">= currentDate - 30")})
    assert 3 not in find({"date": op("> sysdate - 30")})
    assert 3 in find({"date": op("< sysdate-30")})


SECONDS: list[tuple[Any, list[int]]] = [
    (0, [0]), (5, [1]), ("5", [1]), (5.5, []), ("> 5", [2, 3]), (">= 5", [1, 2, 3]), ("< 5", [0]), ("<= 5", [0, 1]),
    ("!= 5", [0, 2, 3]), ("!= 5.5", NAMED), (2**31, [3]), ("> 2147483647", [3]), (-1, []), ("is null", [4]),
    ("<= 253402300798", NAMED),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "places"), SECONDS, ids=repr)
def test_seconds(find: Find, operation: Any, places: list[int]) -> None:
    assert find({"seconds": op(operation)}) == places


SEVERAL: list[tuple[str, Leaf, list[int]]] = [
    ("name", op("in", data=["priya", "Priya Shah", "x", "PRIYA"]), [0, 3]),
    ("name", op("in", data=[]), []),
    ("name", op("in", data=["^= p", "is null"]), []),
    ("name", op("in", data="priya"), [3]),
    ("name", op("not in", data=["priya", "x"]), [0, 1, 2]),
    ("name", op("not in", data=[]), NAMED),
    ("name", op("or", data=["^= P", "*= z"]), [0, 2, 3]),
    ("name", op("or", data=["is null", "priya"]), [3, 4]),
    ("name", op("and", data=["^= p", "!$= a"]), [0]),
    ("name", op("and", data=["*= i", "is null"]), []),
    ("number", op("in", data=[5, "12", 7, 5.5]), [1, 3]),
    ("number", op("not in", data=[5, "12", 5.5]), [0, 2]),
    ("number", op("and", data=[">= 5", "<= 12"]), [1, 3]),
    ("number", op("or", data=["< 5", 50]), [0, 2]),
    ("number", op(" AND ", data=["> 4", "< 6"]), [1]),
]


@pytest.mark.parametrize(("name", "leaf", "places"), SEVERAL, ids=range(len(SEVERAL)))
def test_operations_on_several_values(find: Find, name: str, leaf: Leaf, places: list[int]) -> None:
    assert find({name: leaf}) == places


def test_usernames_are_compared_in_their_canonical_form(find: Find, members: list[Member]) -> None:
    number = members[0].account_id
    for operation in (f"_= {number}_PRIYA@x.Example", f"{number}_Priya@X.example", "*= _PRIYA@", "$= priya@X.EXAMPLE"):
        assert find({"username": op(operation)}) == [0], operation
    assert find({"username": op(f"!= {number}_PRIYA@x.example")}) == [1, 2, 3, 4]
    assert find({"username": op(f"!_= {number}_PRIYA@x.example")}) == [1, 2, 3, 4]
    assert find({"username": op("in", data=[f"{number}_Émile@x.example", f"{number}_X_Y%Z"])}) == [1, 2]
    assert find({"username": op("$= Y%Z")}) == [2]
    assert find({"username": op("*= x_y")}) == [2]
    assert find({"username": op("$= \\W")}) == [4]
    assert find({"username": op("*= ZOË")}) == [4]


#: A text, what is asked for, and whether they are equal but for the case of letters.
LETTERS = [
    ("ΟΔΟΣ", "οδος", True), ("οδοσ", "ΟΔΟΣ", True), ("STRAẞE", "straße", True), ("straße", "STRASSE", False),
    ("ſ", "S", True), ("s", "ſ", True), ("ǅ", "ǆ", True), ("Ǆ", "ǅ", True), ("µ", "Μ", True), ("İ", "i", False),
    ("ı", "I", False), ("ӂ", "Ӂ", True), ("Ꞵ", "ꞵ", True), ("Ａ", "ａ", True), ("𐐀", "𐐨", True), ("𞤀", "𞤢", True),
    ("𞤢", "𞤁", False), ("ᾳ", "ᾼ", True), ("\u212a", "k", True), ("é", "e", False), ("a1!", "A1!", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "asked", "are_equal"), LETTERS, ids=range(len(LETTERS)))
def test_case_of_letters_is_ignored_in_every_script(
    find: Find, members: list[Member], text: str, asked: str, are_equal: bool
) -> None:
    members[4].name_here = text
    members[4].save()
    for sign in ("_=", "*=", "^=", "$="):
        assert (4 in find({"name": op(f"{sign} {asked}")})) is are_equal
    assert (4 in find({"name": op(asked)})) is (text == asked)


def test_texts_are_compared_alike_whatever_their_collation(members: list[Member]) -> None:
    """In one that puts small letters before capitals, as databases of many installations do."""
    collation = "unicode" if connection.vendor == "postgresql" else "NOCASE"
    names = {"name": Column(Collate("name_here", collation), str)}
    rows = Member.objects.filter(account=members[0].account_id, name_here__isnull=False)
    places = {member.pk: place for place, member in enumerate(members)}
    for asked, right in (
        (op("orderBy"), [0, 3, 1, 2]),
        (op("orderBy", sort=["DESC"]), [2, 1, 3, 0]),
        (op("< a"), [0]),
        (op(">= priya"), [1, 2, 3]),
        (op("_= PRIYA"), [3]),
        (op("^= pr"), [0, 3]),
    ):
        assert [places[row.pk] for row in narrowed(rows, {"name": asked}, names)] == right


def test_order_by_id_can_use_its_index(members: list[Member]) -> None:
    """In PostgreSQL no index has the order that is needed where there may be no values."""
    for name, may_be_missing in (("id", False), ("number", True)):
        for sort, nulls in (("ASC", "NULLS FIRST"), ("DESC", "NULLS LAST")):
            ordered = narrowed(Member.objects.all(), {name: op("orderBy", sort=[sort])}, columns())
            assert (nulls in str(ordered.query)) is may_be_missing


def test_equal_username_is_found_by_its_index(members: list[Member]) -> None:
    for operation in ("_= {}", "{}"):
        asked = {"username": op(operation.format(members[1].api_username.upper()))}
        rows = narrowed(Member.objects.all(), asked, columns())
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")  # of five rows, reading all is cheaper
        plan = rows.order_by().explain()
        assert "(api_username=?)" in plan or "Index Cond: ((api_username)::text = " in plan, plan


RELATIONS: list[tuple[Mapping[str, Any], list[int]]] = [
    ({"parent": {"name": op("_= priya shah")}}, [1, 2]),
    ({"parent": {"name": op("is null")}}, [0]),
    ({"parent": {"name": op("not null")}}, [1, 2, 3, 4]),
    ({"parent": {"number": op("!= 5")}}, [1, 2, 4]),
    ({"parent": {"id": op("not null")}, "name": op("is null")}, [4]),
    ({"parent": {"name": op("or", data=["is null", "^= É"])}}, [0, 3, 4]),
    # To many: one that meets everything is enough; without any it is as with one that has no values.
    ({"childUsers": {"name": op("*= mil")}}, [0]),
    ({"childUsers": {"name": op("*= [a-z]"), "number": op("< 50")}}, []),
    ({"childUsers": {"name": op("*= [a-z]"), "number": op("50")}}, [0]),
    ({"childUsers": {"name": op("!*= [a-z]")}}, [0, 1]),
    ({"childUsers": {"name": op("is null")}}, [2, 3, 4]),
    ({"childUsers": {"id": op("is null")}}, [3, 4]),
    ({"childUsers": {"id": op("not null")}}, [0, 1, 2]),
    ({"childUsers": {"name": op("or", data=["is null", "priya"])}}, [1, 2, 3, 4]),
    ({"childUsers": {"name": op("is null"), "number": op("> 0")}}, []),
    ({"childUsers": {"number": op(5.5)}}, []),
    ({"childUsers": {"childUsers": {"name": op("priya")}}}, [0]),
    ({"childUsers": {"childUsers": {"id": op("is null")}}}, [1, 2, 3, 4]),
    ({"apiAuthenticationKeys": {"id": op("not null")}}, [2, 3, 4]),
    ({"apiAuthenticationKeys": {"id": op("is null")}}, [0, 1]),
    ({"apiAuthenticationKeys": {}, "childUsers": {"childUsers": {}}}, EVERYBODY),
    ({"apiAuthenticationKeys": [], "parent": {}, "name": {}}, EVERYBODY),
]


@pytest.mark.parametrize(("asked", "places"), RELATIONS, ids=range(len(RELATIONS)))
def test_relations(find: Find, asked: Mapping[str, Any], places: list[int]) -> None:
    assert find(asked) == places


def test_what_the_caller_may_not_know_is_no_value(find: Find) -> None:
    """Only of the first two the name is shown."""
    assert find({"shownName": op("^= p")}) == [0]
    assert find({"shownName": op("!= x")}) == [0, 1]
    assert find({"shownName": op("not null")}) == [0, 1]
    assert find({"shownName": op("not in", data=["x"])}) == [0, 1]
    assert find({"shownName": op("is null")}) == [2, 3, 4]
    assert find({"shownName": op("or", data=["is null", "^= p"])}) == [0, 2, 3, 4]
    assert find({"shownName": op("orderBy")}) == [2, 3, 4, 0, 1]
    assert find({"shownName": op("orderBy", sort=["DESC"])}) == [1, 0, 2, 3, 4]
    assert find({"childUsers": {"shownName": op("is null")}}) == [0, 1, 2, 3, 4]
    assert find({"parent": {"shownName": op("not null")}}) == [1, 2, 3]


ORDERS: list[tuple[Mapping[str, Any], list[int]]] = [
    ({}, EVERYBODY),
    ({"id": op("orderBy", sort=["DESC"])}, [4, 3, 2, 1, 0]),
    ({"id": op("orderBy", sort="ASC")}, EVERYBODY),
    ({"id": op("orderBy")}, EVERYBODY),
    ({"id": {"operation": "orderBy", "options": []}}, EVERYBODY),
    ({"number": op("orderBy", sort=["ASC"])}, [4, 0, 1, 3, 2]),
    ({"number": op("orderBy", sort=["desc"])}, [2, 3, 1, 0, 4]),
    ({"name": op("orderBy", sort=["ASC"])}, [4, 0, 3, 1, 2]),
    ({"date": op("orderBy", sort=["ASC"])}, [4, 3, 0, 1, 2]),
    ({"flag": op("orderBy", sort=["DESC"])}, EVERYBODY),
    ({"flag": op("orderBy"), "number": op("orderBy", sort=["DESC"])}, [2, 3, 4, 1, 0]),
    ({"number": op("orderBy", sort=["DESC"], sortOrder=[1]), "flag": op("orderBy", sortOrder=[0])}, [2, 3, 4, 1, 0]),
    ({"number": op("orderBy", sortOrder=["2"]), "flag": op("orderBy", sort="DESC", sortOrder=["1"])}, [0, 1, 4, 3, 2]),
    ({"number": op("orderBy"), "flag": op("orderBy", sort=["DESC"], sortOrder=7)}, [0, 1, 4, 3, 2]),
    ({"flag": op("orderBy", sort=["DESC"], sortOrder=[-1]), "number": op("orderBy", sortOrder=[-2])}, [4, 0, 1, 3, 2]),
    ({"parent": {"number": op("orderBy", sort=["DESC"])}}, [4, 3, 1, 2, 0]),
    ({"isMasterUserFlag": op("orderBy")}, [1, 2, 3, 4, 0]),
    ({"number": op("orderBy", sort=["DESC"]), "name": op("*= a")}, [2, 3, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "places"), ORDERS, ids=range(len(ORDERS)))
def test_order(find: Find, asked: Mapping[str, Any], places: list[int]) -> None:
    assert find(asked) == places


def test_what_a_column_is_sorted_by_may_be_another_one(members: list[Member]) -> None:
    rows = Member.objects.filter(account=members[0].account_id)
    sorting = {"name": Column("name_here", str, order="notifications_read")}
    ordered = narrowed(rows, {"name": op("orderBy", sort=["DESC"])}, sorting)
    assert [member.notifications_read for member in ordered] == [50, 12, 5, 0, None]


# --- Where a filter begins --------------------------------------------------------------------------------------------


def test_root_is_where_the_rows_are_spoken_of(find: Find) -> None:
    """``iter=True`` of the Python client adds an order beside it, whatever the method."""
    beside = {"id": op("orderBy", sort=["DESC"])}
    assert find({"users": {"name": op("^= p")}, **beside}, root="users") == [0, 3]
    assert find(beside, root="users") == EVERYBODY
    assert find({"users": {}}, root="users") == find({"users": []}, root="users") == EVERYBODY
    assert find({}, root="users") == find([], root="users") == EVERYBODY


def test_added_order_is_ignored_where_there_is_no_id(members: list[Member]) -> None:
    rows = Member.objects.filter(account=members[0].account_id)
    only = {"name": Column("name_here", str)}
    for sort in ("ASC", "DESC"):
        asked = {"name": op("^= p"), "id": op("orderBy", sort=[sort])}
        assert list(narrowed(rows, asked, only)) == [members[0], members[3]]
    with pytest.raises(Fault, match="no property"):
        narrowed(rows, {"id": op(5)}, only)
    with pytest.raises(Fault, match="no property"):
        narrowed(rows, {"parent": {"id": op("orderBy")}}, {"parent": only})


def test_longest_texts_are_looked_for(find: Find) -> None:
    for text in (char * (MOST_CHARACTERS - len("!$= ")) for char in ("ς", "[", "😀", "é")):
        assert find({"name": op(f"*= {text}")}) == []
        assert find({"name": op(f"!$= {text}")}) == NAMED
