"""Pages by keyset: whichever of the two ways is taken, a list reads as if it were sorted and cut in memory."""

import base64
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts import listing
from accounts.enums import Relation
from accounts.hierarchy import relation
from accounts.listing import Cursor, Listing, Order
from accounts.models import Member
from console import generator
from keys.models import ClassicKey


@pytest.fixture
def tree(db: None) -> list[Member]:
    """An account of 60 members, all with keys, some made in the same second and some with the same name."""
    account = generator.generate(members=60, shape="random", keys_share=1, seed=7)
    members = list(Member.objects.filter(account=account).select_related("user"))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for n, key in enumerate(ClassicKey.objects.filter(account=account)):
        ClassicKey.objects.filter(pk=key.pk).update(
            created_at=start + timedelta(seconds=n // 3), holder_sort_name=f"name {n % 7}"
        )
    return members


#: Thresholds that send a branch of any size one way: sort; walk, giving up at once; walk; walk without counting.
WAYS = {"sort": (10_000, 10_000), "give up": (0, 3), "walk": (0, 20_000)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", [Order("created_at"), Order("created_at", True), Order("holder_sort_name", True)])
@pytest.mark.parametrize("is_kept", [True, False])
def test_pages_forwards_and_backwards_read_as_one_sorted_list(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch, way: str, order: Order, is_kept: bool
) -> None:
    sorted_up_to, walked = WAYS[way]
    monkeypatch.setattr(listing, "_SORTED", sorted_up_to)
    monkeypatch.setattr(listing, "_READ", sorted_up_to)
    monkeypatch.setattr(listing, "_WALKED", walked)
    largest = max((m for m in tree if not m.is_owner), key=lambda member: _branch_size(member, tree))
    viewers = [next(m for m in tree if m.is_owner), largest, *random.Random(3).sample(tree, 6)]
    for viewer in viewers:
        rows = _keys_of(viewer)
        expected = _sorted(
            [key for key in rows if relation(viewer, key.holder) in {Relation.SELF, Relation.ANCESTOR}], order
        )
        for pinned in (0, 1):
            tested = _kept(viewer, order) if is_kept else _listing(viewer, rows, order)
            pages = _walk_pages(tested, per_page=10, pinned=pinned)
            assert [key.pk for page in pages for key in page.rows] == [key.pk for key in expected]
            assert [page.first_number for page in pages] == list(
                range(1, len(expected) + pinned + 1, 10)
            ) or not expected
            assert all(page.page_number == n for n, page in enumerate(pages, start=1))
            assert {page.total for page in pages} == {len(expected) + pinned}


def _keys_of(viewer: Member) -> QuerySet[ClassicKey]:
    return ClassicKey.objects.filter(account_id=viewer.account_id)


def _listing(viewer: Member, rows: QuerySet[ClassicKey], order: Order) -> Listing[ClassicKey]:
    path = None if viewer.is_owner else viewer.path
    return Listing(ClassicKey, lambda: rows, order, path, "holder_path", _with_holders)


def _kept(viewer: Member, order: Order) -> Listing[ClassicKey]:
    return listing.kept(_all, order, values=(viewer.account_id, *(() if viewer.is_owner else (viewer.path,))))


def _all(order: Order, account_id: int, branch_path: str | None = None) -> Listing[ClassicKey]:
    rows = ClassicKey.objects.filter(account_id=account_id)
    return Listing(ClassicKey, lambda: rows, order, branch_path, "holder_path", _with_holders)


def _with_holders(keys: QuerySet[ClassicKey]) -> QuerySet[ClassicKey]:
    return keys.select_related("holder__user")


def _sorted(keys: list[ClassicKey], order: Order) -> list[ClassicKey]:
    return sorted(keys, key=lambda key: (getattr(key, order.field), key.pk), reverse=order.descending)


def _walk_pages(tested: Listing[ClassicKey], *, per_page: int, pinned: int) -> list[listing.Page[ClassicKey]]:
    """Read to the end by ``next`` and back by ``previous``; return the pages, which must be the same both ways."""
    pages = [tested.page(per_page=per_page, pinned=pinned)]
    while pages[-1].next:
        pages.append(tested.page(per_page=per_page, cursor=_through_address(pages[-1].next), pinned=pinned))
    back = [pages[-1]]
    while back[-1].previous:
        back.append(tested.page(per_page=per_page, cursor=_through_address(back[-1].previous), pinned=pinned))
    assert [[key.pk for key in page.rows] for page in reversed(back)] == [[k.pk for k in page.rows] for page in pages]
    return pages


def _through_address(cursor: Cursor) -> Cursor:
    decoded = Cursor.decode(cursor.encode())
    assert decoded == cursor
    return decoded


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pinned", [0, 1])
@pytest.mark.parametrize("is_filtered", [True, False])
def test_page_whose_rows_have_gone_since_is_the_last_one_or_the_first(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch, way: str, pinned: int, is_filtered: bool
) -> None:
    """As when the last key of the last page was deleted: there is no page of no rows, and none behind the last."""
    monkeypatch.setattr(listing, "_SORTED", WAYS[way][0])
    monkeypatch.setattr(listing, "_READ", WAYS[way][0])
    monkeypatch.setattr(listing, "_WALKED", WAYS[way][1])
    viewer = max((m for m in tree if not m.is_owner), key=lambda m: sum(o.path.startswith(m.path) for o in tree))
    order = Order("created_at", True)
    below = _sorted([key for key in _keys_of(viewer) if key.holder_path.startswith(viewer.path)], order)
    tested = replace(_listing(viewer, _keys_of(viewer), order), is_filtered=is_filtered)
    assert len(below) > 23

    def leave(count: int, cursor: Cursor) -> listing.Page[ClassicKey]:
        ClassicKey.objects.filter(pk__in=[key.pk for key in below[count:]]).delete()
        return tested.page(per_page=10, cursor=cursor, pinned=pinned)

    pages = _walk_pages(tested, per_page=10, pinned=pinned)
    forwards, backwards = pages[-2].next, pages[-1].previous
    for count, number, first in ((23, 3, 21), (20 - pinned, 2, 11), (17 - pinned, 2, 11)):
        page = leave(count, forwards)
        assert [key.pk for key in page.rows] == [key.pk for key in below[first - 1 - pinned : count]]
        assert (page.page_number, page.pages_text) == (number, f"of {number}")
        assert (page.first_number, page.last_number, page.total) == (first, count + pinned, count + pinned)
        assert (page.next, page.pinned) == (None, 0)
        assert tested.page(per_page=10, cursor=page.previous, pinned=pinned).last_number == first - 1
    for left in (10 - pinned, 5):
        for cursor in (forwards, backwards):
            page = leave(left, cursor)
            assert [key.pk for key in page.rows] == [key.pk for key in below[:left]]
            assert (page.first_number, page.page_number, page.pages_text, page.pinned) == (1, 1, "of 1", pinned)
            assert (page.next, page.previous) == (None, None)


@pytest.mark.parametrize(("number", "first"), [(11, 1), (12, 2)])
def test_page_before_the_second_is_the_first_whatever_has_come_meanwhile(
    tree: list[Member], number: int, first: int
) -> None:
    owner, order = next(member for member in tree if member.is_owner), Order("created_at")
    rows = _sorted(list(_keys_of(owner)), order)
    page = _listing(owner, _keys_of(owner), order).page(
        per_page=10, cursor=Cursor(rows[30].created_at, rows[30].pk, number, backwards=True), pinned=1
    )
    expected = (rows[:9], 1) if first == 1 else (rows[20:30], 0)
    assert (list(page.rows), page.pinned, page.first_number) == (*expected, first)
    assert (page.previous is None) is (first == 1)


@pytest.mark.parametrize("field", ["created_at", "holder_sort_name"])
def test_place_in_another_order_is_the_first_page(tree: list[Member], field: str) -> None:
    owner, order = next(member for member in tree if member.is_owner), Order(field)
    tested, rows = _listing(owner, _keys_of(owner), order), _sorted(list(_keys_of(owner)), order)
    for value in (rows[20].created_at, rows[20].holder_sort_name, 20):
        is_its_own = value == getattr(rows[20], field)
        page = tested.page(per_page=10, cursor=Cursor(value, rows[20].pk, 22))
        assert list(page.rows) == (rows[21:31] if is_its_own else rows[:10])


def test_last_page_of_too_many_to_count_is_found_when_its_rows_have_gone(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 20)
    owner = next(member for member in tree if member.is_owner)
    tested = _listing(owner, _keys_of(owner), Order("created_at"))
    last = _sorted(list(_keys_of(owner)), Order("created_at"))[-10:]
    page = tested.page(per_page=10, cursor=Cursor(last[-1].created_at, last[-1].pk, 51))
    assert [key.pk for key in page.rows] == [key.pk for key in last]
    assert (page.first_number, page.page_number, page.pages_text, page.next) == (41, 5, "", None)
    page = tested.page(per_page=10, cursor=Cursor(last[-1].created_at, last[-1].pk, 3))  # as nobody was given it
    assert (page.first_number, page.page_number) == (1, 1)


def test_numbers_of_the_last_page_are_counted_when_earlier_rows_have_gone(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = next(member for member in tree if member.is_owner)
    tested, rows = _listing(owner, _keys_of(owner), Order("created_at")), _keys_of(owner).order_by("created_at", "pk")
    pages = _walk_pages(tested, per_page=25, pinned=0)
    ClassicKey.objects.filter(pk__in=[key.pk for key in rows[:3]]).delete()
    left = rows.count()
    monkeypatch.setattr(listing, "COUNTED", left)
    page = tested.page(per_page=25, cursor=pages[-2].next)
    assert [key.pk for key in page.rows] == [key.pk for key in pages[-1].rows]
    assert (page.first_number, page.last_number, page.total) == (left - len(page.rows) + 1, left, left)
    assert (page.page_number, page.pages_text) == (3, "of 3")


def test_everything_reads_the_whole_list_in_chunks(tree: list[Member]) -> None:
    owner = next(member for member in tree if member.is_owner)
    rows, order = _keys_of(owner), Order("created_at", True)
    expected = [key.pk for key in _sorted(list(rows), order)]
    assert [key.pk for key in _listing(owner, rows, order).everything(chunk=7)] == expected
    middle = max((m for m in tree if not m.is_owner), key=lambda m: sum(o.path.startswith(m.path) for o in tree))
    below = [key.pk for key in _sorted([k for k in rows if k.holder_path.startswith(middle.path)], order)]
    assert [key.pk for key in _listing(middle, rows, order).everything(chunk=7)] == below


@pytest.mark.parametrize("is_filtered", [True, False])
def test_total_beyond_the_bound_is_said_to_be_more(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch, is_filtered: bool
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 20)
    owner, order = next(member for member in tree if member.is_owner), Order("created_at", True)
    page = replace(_listing(owner, _keys_of(owner), order), is_filtered=is_filtered).page(per_page=10)
    assert page.total_text == "of more than 20 items"
    assert list(page.rows) == _sorted(list(_keys_of(owner)), order)[:10]


@pytest.mark.parametrize(("count", "told"), [(0, "of 0 items"), (1, "of 1 item")])
def test_list_of_nothing_has_a_page_like_one_of_a_single_row(tree: list[Member], count: int, told: str) -> None:
    owner = next(member for member in tree if member.is_owner)
    ClassicKey.objects.exclude(pk__in=[key.pk for key in _keys_of(owner)[:count]]).delete()
    page = _listing(owner, _keys_of(owner), Order("created_at")).page(per_page=10)
    assert (page.total_text, page.pages_text, page.page_number, page.last_number) == (told, "of 1", 1, count)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "%",
        "bm90IGpzb24",
        "WzEsMl0",
        "W251bGwsMSwxLGZhbHNlXQ",
        "WyJhIiwtMSwxLGZhbHNlXQ",
        "é" * 2000,
        "A" * 5000,
    ],
)
def test_cursor_of_another_make_leads_nowhere(text: str) -> None:
    assert Cursor.decode(text) is None


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("value", "pk", "number", "read"),
    [
        ('"a"', "1", "1", "a"),
        ("0", "0", str(2**63 - 1), 0),
        ('{"at":"2026-01-01T02:00:00+02:00"}', "1", "1", datetime(2026, 1, 1, tzinfo=UTC)),
        ('{"at":"0001-01-01T00:00:00+02:00"}', "1", "1", None),  # before there is time
        ('{"at":"yesterday"}', "1", "1", None),
        ('{"at":5}', "1", "1", None),
        ('{"on":"2026-01-01T02:00:00+02:00"}', "1", "1", None),
        ('"a\\u0000"', "1", "1", None),
        ('"\\ud800"', "1", "1", None),
        ('"a"', str(2**63), "1", None),
        ('"a"', "true", "1", None),
        ('"a"', "1", "-1", None),
        ('"a"', "1", "1.0", None),
        ("1.5", "1", "1", None),
        ("[]", "1", "1", None),
    ],
)
def test_cursor_is_read_if_a_list_could_have_made_it(value: str, pk: str, number: str, read: object) -> None:
    cursor = Cursor.decode(_packed(f"[{value},{pk},{number},false]"))
    assert cursor == (None if read is None else Cursor(read, int(pk), int(number)))
    assert cursor is None or not isinstance(read, datetime) or cursor.value.tzinfo is UTC


def test_cursor_of_many_brackets_leads_nowhere_however_deep_the_program_is() -> None:
    def decode(deeper: int) -> Cursor | None:
        return decode(deeper - 1) if deeper else Cursor.decode(_packed("[" * 740))

    assert decode(400) is None


@pytest.mark.parametrize(("more", "told"), [(0, "of 10 items"), (1, "of more than 10 items")])
@pytest.mark.parametrize("is_apart", [True, False])
def test_what_is_shown_apart_is_counted_once(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch, more: int, told: str, is_apart: bool
) -> None:
    """On both sides of what is counted exactly: the index has one entry more than the list has rows."""
    owner = next(member for member in tree if member.is_owner)
    own = ClassicKey.objects.get(holder=owner)
    kept = [own.pk, *_keys_of(owner).exclude(pk=own.pk).values_list("pk", flat=True)[: 9 + more]]
    ClassicKey.objects.exclude(pk__in=kept).delete()
    monkeypatch.setattr(listing, "COUNTED", 10 - is_apart)
    rows, among = _keys_of(owner).exclude(pk=own.pk) if is_apart else _keys_of(owner), _keys_of(owner)
    tested = replace(_listing(owner, rows, Order("created_at")), among=lambda: among, apart=int(is_apart))
    assert tested.page(per_page=25, pinned=int(is_apart)).total_text == told


@pytest.mark.parametrize(("has_column", "is_walked"), [(True, False), (False, True)])
def test_branch_whose_rows_would_have_to_be_read_is_walked_sooner(
    tree: list[Member], monkeypatch: pytest.MonkeyPatch, has_column: bool, is_walked: bool
) -> None:
    monkeypatch.setattr(listing, "_READ", 3)
    viewer = max((member for member in tree if member.parent_id), key=lambda member: _branch_size(member, tree))
    assert _branch_size(viewer, tree) > 3
    order = Order("holder_sort_name")
    columns = ("created_at", order.field) if has_column else ("created_at",)
    tested = replace(_listing(viewer, _keys_of(viewer), order), sorted_in_branch=columns)
    with CaptureQueriesContext(connection) as captured:
        tested.page(per_page=1)
    assert ("walked" in captured[1]["sql"]) is is_walked


def test_statements_of_a_list_that_is_kept_are_made_once(
    tree: list[Member], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    selected: list[int] = []

    def make(account_id: int) -> Listing[ClassicKey]:
        rows = lambda: selected.append(account_id) or ClassicKey.objects.filter(account_id=account_id)
        return Listing(ClassicKey, rows, Order("created_at"), None, "holder_path", _with_holders)

    account_id = tree[0].account_id
    with django_assert_num_queries(6):
        pages = [listing.kept(make, values=(some,)).page(per_page=10) for some in (account_id, account_id + 1)]
        pages.append(listing.kept(make, values=(account_id,)).page(per_page=10, cursor=pages[0].next))
    assert [len(page.rows) for page in pages] == [10, 0, 10]
    assert len(selected) == 3  # how many there are, the first page, and what follows a row
    assert account_id not in selected


def test_list_made_of_a_kept_one_is_of_its_own_rows(tree: list[Member]) -> None:
    """As where one of everybody is made one of those who may be chosen, or of a branch."""

    def make(account_id: int) -> Listing[ClassicKey]:
        rows = lambda: ClassicKey.objects.filter(account_id=account_id)
        return Listing(ClassicKey, rows, Order("created_at"), None, "holder_path", _with_holders)

    everything = listing.kept(make, values=(tree[0].account_id,))
    one = everything.page(per_page=100).rows[-1]
    in_branch = [key for key in ClassicKey.objects.all() if key.holder_path.startswith(one.holder_path)]
    chosen = replace(everything, rows=lambda: ClassicKey.objects.filter(pk=one.pk))
    branch = replace(everything, branch_path=one.holder_path)
    assert chosen.page(per_page=100).rows == [one]
    assert {*branch.page(per_page=100).rows} == {*in_branch}
    assert everything.page(per_page=100).total > branch.page(per_page=100).total == len(in_branch)


@pytest.mark.postgresql_only
@pytest.mark.parametrize("model", [Member, ClassicKey])
def test_what_lists_read_from_indexes_is_vacuumed_before_a_fifth_has_changed(db, model):
    """Until then PostgreSQL reads the changed pages of the table as well: three times as long, after one large move."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [model._meta.db_table])
        assert cursor.fetchone() == (["autovacuum_vacuum_scale_factor=0.02"],)


def _branch_size(member: Member, tree: list[Member]) -> int:
    return sum(other.path.startswith(member.path) for other in tree)
