"""Old activity: cleared away by housekeeping where that is wanted, and what is left is verified as before."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection, transaction

from accounts import audit, events, memberships, new_members, retention
from accounts.models import AuditChain, Event
from console import audit_check
from tests.conftest import ACME, BOREALIS
from tests.trail import without_triggers
from tests.trees import make_key, make_user
from tests.visitors import visitor

pytestmark = pytest.mark.django_db
DAYS = 90


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def said_on_error(name: str, *arguments: str, error: str) -> str:
    out = StringIO()
    with pytest.raises(CommandError, match=error):
        call_command(name, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def trail(cast, origin, settings, monkeypatch):
    """Acme's trail, to housekeeping of which all but two events are old; returns the number of the last old one."""
    last, now = AuditChain.objects.get(pk=ACME).number, datetime.now(UTC)
    audit.record(events.SIGNED_IN, actor=cast["noor"], origin=origin)
    audit.record(events.SIGNED_OUT, actor=cast["noor"], origin=origin)

    later = type("Later", (), {"now": staticmethod(lambda: now + timedelta(days=DAYS))})
    monkeypatch.setattr("console.management.commands.housekeeping.timezone", later)
    settings.KEYTREE_ACTIVITY_DAYS = DAYS
    return last


def numbers() -> list[int]:
    return list(Event.objects.filter(account_id=ACME).order_by("number").values_list("number", flat=True))


def test_old_activity_goes_and_what_is_left_is_whole(trail, cast, monkeypatch):
    monkeypatch.setattr(retention, "AT_ONCE", trail - 1)  # two steps, each with its event
    there = Event.objects.count()
    link = bytes(Event.objects.get(account_id=ACME, number=trail).link)
    assert f"Cleared away: {there - 2:,} events of more than 90 days ago.\n" in run("housekeeping")
    assert numbers() == [trail + 1, trail + 2, trail + 3, trail + 4]
    told = Event.objects.get(account_id=ACME, number=trail + 4)
    assert (told.action, told.facts, told.actor_id) == ("activity.trimmed", {"until": trail, "link": link.hex()}, None)
    said = run("verify_audit")
    assert f"Account {ACME}: whole from event {trail + 1} on; those before it were cleared away as old\n" in said
    assert f"Account {BOREALIS}: whole from event " in said
    assert "damaged" not in run("check_data")
    assert "Cleared away: 0 events of more than 90 days ago.\n" in run("housekeeping")
    assert numbers() == [trail + 1, trail + 2, trail + 3, trail + 4]

    body = visitor(cast["olivia"]).get("/iam/activity").content.decode()

    assert "kept for 90 days" in body
    assert f"up to number {trail}<" in body
    assert link.hex() not in body


def test_trims_alone_are_no_reason_for_another(trail, origin):
    retention.trim(ACME, before=datetime.now(UTC), origin=origin)
    assert numbers() == [trail + 3]
    assert retention.trim(ACME, before=datetime.now(UTC), origin=origin) == 0
    audit.record(events.SIGNED_IN, actor=None, account_id=ACME, origin=origin)
    assert retention.trim(ACME, before=datetime.now(UTC), origin=origin) == 2
    assert numbers() == [trail + 5]
    assert list(audit.breaks(ACME)) == []


def test_nothing_goes_unless_it_is_wanted(trail, settings):
    settings.KEYTREE_ACTIVITY_DAYS = 0
    assert "events" not in run("housekeeping")
    assert numbers() == [*range(1, trail + 3)]
    assert f"Account {ACME}: whole\n" in run("verify_audit")


def test_above_the_mark_no_event_is_removed_and_below_it_none_changed(trail):
    AuditChain.objects.filter(pk=ACME).update(trimmed_until=2)
    for statement in (
        "DELETE FROM accounts_event WHERE account_id = 1234567 AND number = 3",
        "DELETE FROM accounts_event WHERE account_id = 7654321 AND number = 1",
        "UPDATE accounts_event SET action = 'nothing' WHERE account_id = 1234567 AND number = 1",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert Event.objects.filter(account_id=ACME, number__lte=2).delete()[0] == 2


def test_a_database_role_that_may_remove_no_events_is_told_so(trail, monkeypatch):
    """On PostgreSQL with two roles; see test_the_serving_role_can_do_its_work_and_no_more."""

    class Refusing:
        @staticmethod
        def filter(**_: int) -> None:
            raise ProgrammingError("permission denied for table accounts_event")

    monkeypatch.setattr("accounts.retention.Event", type("Event", (), {"objects": Refusing}))
    assert "Cleared away: 0 sessions" in said_on_error("housekeeping", error="as the role that owns the tables")
    assert numbers() == [*range(1, trail + 3)]


# --- What somebody with the database does ----------------------------------------------------------------------------


def test_a_change_after_a_trim_is_found(trail):
    run("housekeeping")
    with without_triggers():
        Event.objects.filter(account_id=ACME, number=trail + 1).update(address="192.0.2.1")
    said = said_on_error("verify_audit", error="is broken")
    assert f"Account {ACME}: broken at event {trail + 1}: it was changed after it was written\n" in said


def test_a_mark_that_was_moved_is_found(trail):
    """Put back, given another link, and moved on with the event between removed, as the trigger then allows."""
    run("housekeeping")
    following = Event.objects.get(account_id=ACME, number=trail + 1)
    for until, link in ((0, b""), (trail, b"1:" + bytes(32)), (following.number, bytes(following.link))):
        AuditChain.objects.filter(pk=ACME).update(trimmed_until=until, trimmed_link=link)
        Event.objects.filter(account_id=ACME, number__lte=until).delete()
        what = f"it tells of other events that were cleared away than those up to {until}"
        said = said_on_error("verify_audit", error="is broken")
        assert f"Account {ACME}: broken at event {trail + 3}: {what}\n" in said
        assert list(audit.breaks(ACME)) == [(trail + 3, what)]


def test_a_mark_without_a_trim_is_found_and_housekeeping_does_not_cover_it_up(trail):
    """Somebody removes the first events by moving the mark: what shows it stays, other accounts are not held up."""
    link = Event.objects.get(account_id=ACME, number=4).link
    AuditChain.objects.filter(pk=ACME).update(trimmed_until=4, trimmed_link=link)
    Event.objects.filter(account_id=ACME, number__lte=4).delete()
    said = said_on_error("housekeeping", error="The audit trail is broken")
    wrong = f"Account {ACME}: broken at event 4: no event tells that those up to it were cleared away"
    assert f"{wrong}. Its old activity stays.\n" in said
    assert numbers() == [*range(5, trail + 3)]
    assert Event.objects.filter(account_id=BOREALIS).get().action == "activity.trimmed"
    assert f"{wrong}\n" in said_on_error("verify_audit", error="is broken")


def test_a_trim_that_somebody_without_the_ring_wrote_is_found(trail, origin):
    """It would let housekeeping begin behind events that were removed."""
    old = Event.objects.get(account_id=ACME, number=4)
    AuditChain.objects.filter(pk=ACME).update(trimmed_until=4, trimmed_link=old.link)
    forged = Event.objects.get(account_id=ACME, number=trail + 2)
    Event.objects.create(
        account_id=ACME, number=trail + 3, at=forged.at, action="activity.trimmed", outcome="success", link=forged.link,
        details=f'{{"link": "{bytes(old.link).hex()}", "until": 4}}',
    )  # fmt: skip
    said = said_on_error("housekeeping", error="is broken")
    assert f"Account {ACME}: broken at event {trail + 3}: it was changed after it was written. Its old" in said
    assert numbers()[0] == 1


def test_old_events_that_were_changed_are_not_cleared_away(trail):
    with without_triggers():
        Event.objects.filter(account_id=ACME, number=3).update(action="nothing")
    assert "broken at event 3: it was changed" in said_on_error("housekeeping", error="is broken")
    assert numbers() == [*range(1, trail + 3)]


def test_an_event_put_in_below_the_mark_is_found(trail):
    first = Event.objects.get(account_id=ACME, number=1)
    run("housekeeping")
    first.pk = None
    first.save(force_insert=True)
    what = f"broken at event 1: it is there, although the events up to {trail} were cleared away"
    assert what in said_on_error("verify_audit", error="is broken")


def test_heads_of_what_was_cleared_away_are_not_compared_and_the_last_of_them_is(trail, tmp_path, origin):
    heads = tmp_path / "heads"
    at = datetime.now(UTC)
    digest = audit_check.head(ACME).digest
    heads.write_text(f"{ACME} {trail - 1} {'0' * 64} {at.isoformat()}\n{ACME} {trail + 2} {digest} {at.isoformat()}")
    run("housekeeping")
    assert f"event {trail - 1} was cleared away; not compared" in run("verify_audit", "--against", str(heads))
    retention.trim(ACME, before=Event.objects.get(number=trail + 3, account_id=ACME).at, origin=origin)
    assert audit_check.mark(ACME)[0] == trail + 2
    assert "is missing" not in run("verify_audit", "--against", str(heads))
    heads.write_text(f"{ACME} {trail + 2} {'0' * 64} {at.isoformat()}")
    assert f"event {trail + 2} is not the one" in said_on_error("verify_audit", "--against", str(heads), error="broken")


# --- What is asked about those days -----------------------------------------------------------------------------------


def test_who_stood_above_is_not_known_for_days_that_were_cleared_away(origin, settings, monkeypatch):
    """Nor is anybody said not to have been there, whose coming was cleared away; later days are answered as ever."""
    settings.KEYTREE_ACTIVITY_DAYS = DAYS
    today = datetime.now(UTC)

    def days_ago(days: int) -> None:
        clock = type("Clock", (), {"now": staticmethod(lambda: today - timedelta(days=days))})
        monkeypatch.setattr("accounts.audit.timezone", clock)

    days_ago(200)
    owner = new_members.create_account(name="Long ago", owner=make_user(), origin=origin)
    one, other = (new_members.add_member(parent=owner, user=make_user(), origin=origin) for _ in range(2))
    member = new_members.add_member(parent=one, user=make_user(), origin=origin)
    make_key(member)
    days_ago(50)
    audit.record(events.SIGNED_IN, actor=member, origin=origin)
    days_ago(20)
    memberships.change_parent(member=member, parent=other, by=owner, origin=origin)
    monkeypatch.undo()
    assert retention.trim(owner.account_id, before=today - timedelta(days=DAYS), origin=origin) == 4
    client = visitor(owner)

    def told(days: int) -> str:
        day = (today - timedelta(days=days)).date()
        page = client.get(f"/iam/users/{member.pk}?tab=manage&on={day}").content.decode()
        assert "No one has in the last 90 days, which is how long activity is kept." in page
        return page.partition("day-heading")[2]

    for days in (300, 200):
        assert "is not known: the activity of that time has been deleted." in told(days)
        assert "Above on" not in told(days)
    assert [one.name in told(150), other.name in told(150)] == [True, False]
    assert [one.name in told(10), other.name in told(10)] == [False, True]


def test_a_clock_that_was_put_back_makes_no_day_known_again(origin, monkeypatch):
    monkeypatch.setattr(retention, "AT_ONCE", 1)  # two steps, of which the second deletes what says an earlier time
    began = datetime.now(UTC) - timedelta(days=100)
    clock = type("Clock", (), {"now": staticmethod(lambda: clock.at), "at": began})
    monkeypatch.setattr("accounts.audit.timezone", clock)
    owner = new_members.create_account(name="Put back", owner=make_user(), origin=origin)
    clock.at = began - timedelta(days=100)
    audit.record(events.SIGNED_IN, actor=owner, origin=origin)
    clock.at = began + timedelta(days=100)
    assert retention.trim(owner.account_id, before=began + timedelta(days=1), origin=origin) == 2
    assert AuditChain.objects.get(pk=owner.account_id).trimmed_at == began
