"""Searching by the index of letter groups finds what reading every text finds, whoever wrote and whatever is typed."""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as DjangoExamples

from accounts import hierarchy, hierarchy_list, importing, listing, member_files, memberships, new_members, text_index
from accounts import queries as user_lists
from accounts.list_request import ListRequest
from accounts.listing import COUNTED
from accounts.models import Member
from accounts.names import sort_name
from accounts.origin import COMMAND_LINE
from console import generator
from keys import queries as key_lists
from tests.trees import make_account, make_key, make_member, make_user

#: Names and searches are made of few pieces, so that they meet: cases, letters that fold to two, marks, no letters,
#: what LIKE and FTS5 take for their own, one, two and four bytes a letter.
_PIECES = (
    "an", "na", "AN", "ß", "SS", "ẞ", "İ", "i", "ı", "I", "é", "e\u0301", "Σ", "ς", "σ", "ﬁ", "Ж", "ж", "王", "伟",
    "明", "😀", "%", "_", "\\", '"', "'", "*", "^", "(", " ", " ", "-", ".", "@", ":", "AND", "NOT", "NEAR", "\u00ad",
    "\u2028", "\ufeff",
)  # fmt: skip
_TEXT = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)


@contextmanager
def large_from(rows: int) -> Iterator[None]:
    """Branches of more rows are searched by the index inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_SORTED", rows)
        patch.setattr(listing, "_READ", rows)
        yield


def add(parent: Member, name: str) -> Member:
    """A member of that name, composed as all are, written past the application: only the database sees it."""
    name = unicodedata.normalize("NFC", name)
    user = make_user(name)
    member = Member(
        account=parent.account,
        user=user,
        api_username=new_members.default_api_username(parent.account_id, user.email),
        sort_name=sort_name(name),
        search_text=new_members.search_text(user.name, user.email),
        joined_at=timezone.now(),
    )
    hierarchy.place(member, parent).save(force_insert=True)
    make_key(member)
    return member


def grow(names: Sequence[str]) -> list[Member]:
    """An owner with members of these names, each below the one before the last; and another account with the same."""
    members = [make_member(make_account(), None)]
    for number, name in enumerate(names):
        members.append(add(members[max(0, number - 1)], name))
    stranger = make_member(make_account(), None)
    for name in names:
        add(stranger, name)
    return members


def asked(search: str) -> ListRequest:
    return ListRequest("/", {"q": search.replace("\0", "")})


def found(rows: "listing.Listing") -> list[int]:
    """What is on the first page."""
    page = rows.page(per_page=100)
    assert page.total == len(page.rows)
    return [row.pk for row in page.rows]


def holds(member: Member | None, search: str) -> bool:
    terms = unicodedata.normalize("NFC", search.strip()[:200]).casefold().split()[:8]
    return member is not None and all(term in member.search_text for term in terms)


def check(members: Sequence[Member], search: str) -> None:
    """Each viewer's three lists hold what is in the branch and holds the terms, and nothing else."""
    parents = {member.pk: member for member in members}
    for viewer in members[:2]:
        branch = [member for member in members if member.path.startswith(viewer.path)]
        right = {member.pk for member in branch if holds(member, search)}
        viewer.account.restrict_user_list = True
        assert set(found(user_lists.account_users(viewer, asked(search)))) == right
        assert set(found(hierarchy_list.user_hierarchy(viewer, asked(search), hierarchy_list.Folds(viewer)))) == right
        right_holders = {
            member.pk
            for member in branch
            if member.pk != viewer.pk
            and (holds(member, search) or holds(parents.get(member.parent_id or 0), search) or not search.strip())
        }
        keys = key_lists.keys_below(viewer, asked(search), own=key_lists.own_key(viewer))
        assert {key.holder_id for key in keys.everything()} == right_holders
        assert keys.page(per_page=100).total == len(right_holders)


class Examples(DjangoExamples):
    @settings(max_examples=5, deadline=None)
    @given(st.lists(_TEXT, min_size=2, max_size=6), st.lists(_TEXT, max_size=2), st.data())
    def test_any_names_are_found_by_any_search(self, names, searches, data) -> None:
        members = grow(names)
        name = data.draw(st.sampled_from(names))
        start = data.draw(st.integers(0, max(0, len(name) - 3)))
        searches += [name[start : start + 4], f"{name[:4]} {names[0][-3:]}", members[2].user.email]
        for rows in (COUNTED, 0):
            with large_from(rows):
                for search in searches:
                    check(members, search)
        text_index.catch_up()
        with large_from(0):
            for search in searches:
                check(members, search)


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("catch_up", [text_index.catch_up, lambda: None])
def test_other_programs_writes_are_followed(catch_up) -> None:
    members = grow(["Anna Berg", "Bernd Kohl"])
    catch_up()
    with connection.cursor() as cursor:
        for text in ("carla dietz c@x.example", "dora engel d@x.example", "emil funk e@x.example"):
            cursor.execute("UPDATE accounts_member SET search_text = %s WHERE id = %s", [text, members[1].pk])
    members[1] = Member.objects.get(pk=members[1].pk)
    with large_from(0):
        for search in ("anna", "carla", "dora", "emil funk", "bernd", "an"):
            check(members, search)
        catch_up()
        members[2].classic_key.delete()
        members[2].delete()
        assert found(user_lists.account_users(members[0], asked("bernd"))) == []
        catch_up()
        assert found(user_lists.account_users(members[0], asked("bernd"))) == []
        assert found(user_lists.account_users(members[0], asked("emil"))) == [members[1].pk]


def agrees() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT id, account_id, search_text FROM accounts_member ORDER BY id")
            right = cursor.fetchall()
            cursor.execute("SELECT member_id, account_id, search_text FROM accounts_member_text ORDER BY member_id")
            assert cursor.fetchall() == right
        else:
            cursor.execute("INSERT INTO accounts_member_index (accounts_member_index) VALUES ('integrity-check')")
            cursor.execute("SELECT COUNT(*) FROM accounts_member_unindexed")
            assert cursor.fetchone() == (0,)


def test_the_index_agrees_with_the_table_after_it_caught_up() -> None:
    members = grow(["Anna Berg", "Bernd Kohl", "Carla Dietz"])
    text_index.catch_up()
    agrees()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_member SET search_text = 'x' WHERE id = %s", [members[1].pk])
        replacing = "OR REPLACE" if connection.vendor == "sqlite" else ""
        cursor.execute(f"UPDATE {replacing} accounts_member SET search_text = 'yyyy' WHERE id = %s", [members[1].pk])
    members[3].classic_key.delete()
    members[3].delete()
    text_index.catch_up()
    agrees()
    generator.generate(members=50, shape="random", seed=3)
    agrees()
    dora = new_members.add_member(parent=members[0], user=make_user("Dora Engel"), origin=COMMAND_LINE)
    agrees()
    memberships.remove_member(member=dora, by=members[0], origin=COMMAND_LINE)
    agrees()
    importing.carry_out(member_files.read(b"email\nemil@new.example"), by=members[0], origin=COMMAND_LINE)
    agrees()
    with transaction.atomic():
        add(members[0], "Emil Funk")
        text_index.catch_up()
        transaction.set_rollback(True)
    agrees()


@pytest.mark.postgresql_only
def test_an_emptied_table_leaves_no_texts(cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is pending keeps a table from being emptied
        cursor.execute("TRUNCATE accounts_member CASCADE")
    agrees()


@pytest.mark.postgresql_only
def test_a_move_writes_no_text_and_no_index_is_for_like(cast) -> None:
    def versions() -> list[tuple[int, int]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT member_id, xmin::text FROM accounts_member_text ORDER BY member_id")
            return cursor.fetchall()

    before = versions()
    hierarchy.move_branch(cast["marcus"], cast["sam"])
    assert versions() == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename IN ('accounts_member', 'keys_classickey')")
        indexes = [definition for (definition,) in cursor.fetchall()]
    assert indexes
    assert not [definition for definition in indexes if "pattern_ops" in definition or "letter_groups" in definition]


def test_more_than_are_counted_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "COUNTED", 5)
    members = grow(["Anna"] * 12 + ["Bernd"])
    with large_from(0):
        page = user_lists.account_users(members[0], asked("anna")).page(per_page=10)
    assert (len(page.rows), page.total, page.total_is_bound) == (10, 5, True)
    assert all("Anna" in member.user.name for member in page.rows)
