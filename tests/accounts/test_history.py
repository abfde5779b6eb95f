"""Who was above on an earlier day: compared with notes taken of the tree after each change."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import audit, events, history, memberships, new_members
from accounts.enums import MemberStatus
from accounts.hierarchy import TreeError
from accounts.models import Event, Member
from accounts.origin import Origin
from tests.trees import grow, make_user
from tests.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

ORIGIN = Origin("17.5.7.8", "history")
BEGAN = datetime(2026, 3, 1, 6, tzinfo=UTC)
changes = st.lists(
    st.tuples(
        st.sampled_from(["move", "move", "move", "remove", "own"]),
        st.integers(0, 6),
        st.integers(0, 6),
        st.sampled_from([1, 5, 30, 40]),  # hours until then
    ),
    max_size=7,
)


def chains() -> dict[int, list[int]]:
    """Who stands above whom now, nearest first, from the parents alone."""
    parents = dict(Member.objects.values_list("pk", "parent_id"))

    def above(parent: int | None) -> list[int]:
        return [] if parent is None else [parent, *above(parents[parent])]

    return {pk: above(parent) for pk, parent in parents.items()}


class Clock:
    """The time that the trail writes."""

    now = staticmethod(lambda: Clock.at)
    at = BEGAN


@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes)
def test_any_day_of_any_history_is_as_it_was(changes):
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr("accounts.audit.timezone", Clock)
        Clock.at = BEGAN
        owner = new_members.create_account(name="History", owner=make_user(), origin=ORIGIN)
        people = [owner]
        for parent in (0, 0, 1, 1, 3, 2):
            people.append(new_members.add_member(parent=people[parent], user=make_user(), origin=ORIGIN))
        notes = [(BEGAN, chains())]
        for what, one, other, hours in changes:
            Clock.at += timedelta(hours=hours)
            present = Member.objects.in_bulk([person.pk for person in people])
            member, parent = present.get(people[one].pk), present.get(people[other].pk)
            root = Member.objects.get(account=owner.account_id, parent=None)
            if member is None or parent is None or member.is_owner:
                continue
            try:
                if what == "move":
                    memberships.change_parent(member=member, parent=parent, by=root, origin=ORIGIN)
                elif what == "remove":
                    memberships.remove_member(member=member, by=root, origin=ORIGIN, hand_over=True)
                else:
                    memberships.change_owner(member=member, origin=ORIGIN)
            except (TreeError, memberships.NotAllowed):
                continue
            notes.append((Clock.at, chains()))
        for days in range(-1, 12):
            day = (BEGAN + timedelta(days=days)).date()
            for person in Member.objects.filter(account=owner.account_id):
                stood = history.stood_above(person, day)
                assert_like(stood, person, notes, day)
        transaction.set_rollback(True)


def assert_like(stood, person, notes, day):
    starts = datetime(day.year, day.month, day.day, tzinfo=UTC)
    ends = starts + timedelta(days=1)
    if ends <= BEGAN:
        assert stood is None
        return
    before = [chain for at, chain in notes if at <= max(starts, BEGAN)][-1:]
    during = [chain for at, chain in notes if max(starts, BEGAN) < at < ends]
    expected = {pk for chain in [*before, *during] for pk in chain[person.pk]}
    names = {member.pk: member for member in Member.objects.select_related("user")}
    known = {each.member.pk for each in stood if each.member}
    assert known == expected & set(names)
    assert len(stood) == len(expected)
    assert {each.member.pk for each in stood if each.is_above_now} == expected & set(chains()[person.pk])


def moved_from(member: Member, parent: Member, number: int, at: datetime) -> Event:
    """An event of a move, not saved."""
    return Event(
        account_id=member.account_id, number=number, at=at, link=b"", action=events.PARENT_CHANGED,
        outcome=audit.SUCCESS, subject_id=member.pk, details=json.dumps({"before_id": parent.pk}),
    )  # fmt: skip


def test_a_clock_that_is_put_back_does_not_change_the_order_of_moves():
    owner, first, passed_through, present, member = grow([0, 0, 0, 3])
    next_day = BEGAN + timedelta(days=1)
    moves = [moved_from(member, first, 1_000, next_day), moved_from(member, passed_through, 1_001, BEGAN)]
    Event.objects.bulk_create(moves)
    for at, above in ((BEGAN, {first, owner}), (next_day, {first, present, owner})):
        assert {stood.member for stood in history.stood_above(member, at.date())} == above


def test_twice_as_many_moves_in_a_day_are_twice_the_work_and_no_more(monkeypatch):
    """As when a program moves somebody to and fro."""

    class Moment(datetime):
        """A time that counts how often any is compared."""

        compared = 0

        def __gt__(self, other):
            Moment.compared += 1
            return super().__gt__(other)

        def __lt__(self, other):
            Moment.compared += 1
            return super().__lt__(other)

        __hash__ = datetime.__hash__

    owner, one, other, *moved = grow([0, 0, 1, 1])
    numbers = count(1_000)
    for member, moves in zip(moved, (100, 200), strict=True):
        Event.objects.bulk_create(
            moved_from(member, (one, other)[second % 2], next(numbers), BEGAN + timedelta(seconds=second))
            for second in range(moves)
        )
    moment = Event._meta.get_field("at")
    monkeypatch.setattr(moment, "from_db_value", lambda at, *_: Moment.combine(at, at.timetz()), raising=False)
    compared = []
    for member in moved:
        Moment.compared = 0
        assert {stood.member for stood in history.stood_above(member, BEGAN.date())} == {one, other, owner}
        compared.append(Moment.compared)
    assert 0 < compared[1] < 3 * compared[0], compared


def test_a_key_that_moved_tells_its_holder_who_could_see_it(cast):
    """Through the page: the day of the move has both chains, and who has left is named."""
    memberships.change_parent(member=cast["noor"], parent=cast["olivia"], by=cast["olivia"], origin=ORIGIN)
    memberships.remove_member(member=cast["priya"], by=cast["olivia"], origin=ORIGIN)
    page = f"/iam/users/{cast['noor'].pk}?tab=manage"
    client = visitor(cast["noor"])
    today = datetime.now(UTC).date()
    body = client.get(f"{page}&on={today}").content.decode()
    table = body.partition("Above on")[2]
    rows = [row.partition("</tr>")[0] for row in table.split("<tr>")[1:]]
    told = {name: any(name in row and now in row for row in rows) for name, now in (
        ("Olivia Reyes", "Above"),
        ("Marcus Lindqvist", "No longer above"),
        ("Priya Raman", "No longer in the account"),
    )}  # fmt: skip
    assert told == dict.fromkeys(told, True)
    assert "was not in the account yet" in client.get(f"{page}&on=2001-01-01").content.decode()
    assert (
        "no one was above"
        in visitor(cast["olivia"]).get(f"/iam/users/{cast['olivia'].pk}?tab=manage&on={today}").content.decode()
    )


@pytest.mark.parametrize(
    ("on", "why"),
    [
        ("", "Choose a day."),
        ("14.03.2026", "Enter the day like 2026-03-14."),
        ("9999-12-31", "This day is in the future."),
        ("2026-02-30", "Enter the day like 2026-03-14."),
    ],
)
def test_what_is_no_day_is_said(on, why, cast):
    page = visitor(cast["noor"]).get(f"/iam/users/{cast['noor'].pk}", {"tab": "manage", "on": on})
    assert page.status_code == 200
    assert why in page.content.decode()


def test_whoever_may_not_see_how_a_user_is_looked_after_does_not_see_their_past(cast):
    page = visitor(cast["sam"]).get(f"/iam/users/{cast['noor'].pk}?tab=manage&on=2026-01-01").content.decode()
    assert "day-heading" not in page
    assert MemberStatus(cast["noor"].status).label in page
