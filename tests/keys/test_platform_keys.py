"""The writes about IBM Cloud API keys: what each changes, refuses, records and tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import audit, memberships, outbox
from accounts.enums import MemberStatus, Permission
from accounts.models import Account, Event, Mail, Member
from accounts.policy import NotAllowed
from keys import material
from keys.models import MOST_PLATFORM_KEYS, LeakedAction, PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description, ExpiryPassed, KeyGone, TooManyKeys
from keys.platform.policy import SWITCHES, PlatformAction
from tests.conftest import ACME, BOREALIS
from tests.trees import make_platform_key

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def new_events() -> list[Event]:
    """The events about IBM Cloud API keys there are, in order."""
    return list(Event.objects.filter(action__startswith="platform_key.").order_by("pk"))


def told() -> list[tuple[str, str, str]]:
    """To whom mails went since the last time, their subjects and texts."""
    mail.outbox.clear()
    assert outbox.send_due().failed == 0
    return [(message.to[0].partition("@")[0], message.subject, message.body) for message in mail.outbox]


def row_of(key: PlatformKey) -> dict[str, Any]:
    return PlatformKey.objects.filter(pk=key.pk).values().get()


@pytest.fixture
def noor(cast) -> Member:
    return cast["noor"]


@pytest.fixture
def administrator(cast) -> Member:
    """Somebody who sees all keys: beside Noor in the tree, not above."""
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    return cast["sam"]


# --- Creating ---------------------------------------------------------------------------------------------------------


def test_created_key_is_what_was_said_and_its_value_is_in_no_column(noor, origin):
    said = Description("CI runner", "Deploys À la carte", timezone.now() + DAY, LeakedAction.DELETE)
    key, value = lifecycle.create_platform_key(description=said, by=noor, origin=origin)
    kept = PlatformKey.objects.get(pk=key.pk)
    assert Description.of(kept) == said
    assert (kept.account_id, kept.holder_id, kept.user_id, kept.slot) == (ACME, noor.pk, noor.user_id, 1)
    assert (kept.is_enabled, kept.is_locked, kept.leaked_at, kept.last_used_at) == (True, False, None, None)
    assert (kept.sort_name, kept.search_text) == ("ci runner", "ci runner deploys à la carte")
    assert (kept.ring_key_id, bytes(kept.digest)) == next(material.platform_digests(value.text))
    assert value.text not in str(row_of(key))
    (event,) = new_events()
    assert (event.action, event.actor_id, event.subject_id) == ("platform_key.created", noor.pk, noor.pk)
    assert event.facts == {"name": "CI runner", "key": f"ApiKey-{key.uuid}"}
    assert not Mail.objects.exists()


def test_key_can_be_created_locked_or_disabled(noor, origin):
    key, _ = lifecycle.create_platform_key(
        description=Description("Spare"), by=noor, origin=origin, is_locked=True, is_enabled=False
    )
    assert (row_of(key)["is_locked"], row_of(key)["is_enabled"]) == (True, False)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(seconds=1)])
def test_key_that_would_have_expired_is_not_created(noor, origin, ago):
    said = Description("Late", expires_at=timezone.now() - ago)
    with pytest.raises(ExpiryPassed):
        lifecycle.create_platform_key(description=said, by=noor, origin=origin)
    assert not PlatformKey.objects.exists()
    assert not new_events()


def test_twenty_keys_of_a_user_are_the_most_in_all_accounts_together(cast, noor, origin):
    there = Member.objects.get(account_id=BOREALIS, user=noor.user)
    keys = []
    for number in range(MOST_PLATFORM_KEYS):
        about = {"description": Description(f"Key {number}"), "by": there if number % 2 else noor, "origin": origin}
        keys.append(lifecycle.create_platform_key(**about)[0])
    assert sorted(PlatformKey.objects.values_list("slot", flat=True)) == list(range(1, MOST_PLATFORM_KEYS + 1))
    for by in (noor, there):
        with pytest.raises(TooManyKeys):
            lifecycle.create_platform_key(description=Description("One more"), by=by, origin=origin)
    lifecycle.create_platform_key(description=Description("Of somebody else"), by=cast["priya"], origin=origin)
    assert len(new_events()) == MOST_PLATFORM_KEYS + 1
    lifecycle.delete_platform_key(key=keys[6], by=noor, origin=origin)
    key, _ = lifecycle.create_platform_key(description=Description("In its place"), by=there, origin=origin)
    assert (key.slot, key.account_id) == (7, BOREALIS)


def test_database_refuses_a_key_too_many_and_two_in_one_place(noor):
    key = make_platform_key(noor)
    for slot in (0, MOST_PLATFORM_KEYS + 1, key.slot):
        values = {**row_of(key), "slot": slot, "id": None, "uuid": "0" * 32, "digest": b"another"}
        with pytest.raises(IntegrityError), transaction.atomic():
            PlatformKey.objects.create(**values)


def test_creating_is_refused_as_things_are_now_and_not_as_they_were(cast, noor, origin):
    """The member in the caller's hands was loaded before: what counts is the database."""

    def refusal() -> str:
        with pytest.raises(NotAllowed) as refused:
            lifecycle.create_platform_key(description=Description("Key"), by=noor, origin=origin)
        return str(refused.value)

    Account.objects.filter(pk=ACME).update(restrict_key_creation=True)
    assert "User API key creator" in refusal()
    Member.objects.filter(pk=noor.pk).update(permissions=Permission.API_KEY_CREATOR)
    lifecycle.create_platform_key(description=Description("Key"), by=noor, origin=origin)
    Member.objects.filter(pk=noor.pk).update(status=MemberStatus.DISABLED_CLASSIC)
    assert "Only active users" in refusal()
    assert len(new_events()) == PlatformKey.objects.count() == 1


def test_owner_needs_the_permission_too_while_it_is_restricted(cast, origin):
    olivia = cast["olivia"]
    Account.objects.filter(pk=ACME).update(restrict_key_creation=True)
    with pytest.raises(NotAllowed, match="User API key creator"):
        lifecycle.create_platform_key(description=Description("Key"), by=olivia, origin=origin)
    Member.objects.filter(pk=olivia.pk).update(permissions=Permission.API_KEY_CREATOR)
    lifecycle.create_platform_key(description=Description("Key"), by=olivia, origin=origin)
    Account.objects.filter(pk=ACME).update(restrict_key_creation=False)
    Member.objects.filter(pk=olivia.pk).update(permissions=0)
    lifecycle.create_platform_key(description=Description("Another"), by=olivia, origin=origin)


# --- Editing ----------------------------------------------------------------------------------------------------------


def test_edit_changes_what_was_said_and_its_event_says_what(noor, origin):
    key, until = make_platform_key(noor, "Old"), timezone.now() + 30 * DAY
    said = Description("New", "A text that is the user's own", until, LeakedAction.NOTHING)
    before = row_of(key)
    lifecycle.edit_platform_key(key=key, description=said, by=noor, origin=origin)
    after = row_of(key)
    assert Description.of(PlatformKey.objects.get(pk=key.pk)) == said
    assert {name for name in after if after[name] != before[name]} == {
        "name", "sort_name", "search_text", "description", "expires_at", "leaked_action", "modified_at",
    }  # fmt: skip
    (event,) = new_events()
    assert event.action == "platform_key.edited"
    assert event.facts == {
        "name": "Old", "key": key.record_id, "new name": "New", "description": "changed",
        "expires": until.strftime("%d-%m-%Y %H:%M GMT"), "leaked action": "Nothing",
    }  # fmt: skip
    lifecycle.edit_platform_key(key=key, description=replace(said, expires_at=None), by=noor, origin=origin)
    assert new_events()[-1].facts == {"name": "New", "key": key.record_id, "expires": "never"}
    # The end of a day is told as that day, which lists show, and not as the next one.
    midnight = datetime(2031, 1, 1, tzinfo=UTC)
    lifecycle.edit_platform_key(key=key, description=replace(said, expires_at=midnight), by=noor, origin=origin)
    assert new_events()[-1].facts["expires"] == "at the end of 31-12-2030 GMT"


def test_edit_that_changes_nothing_is_no_event(noor, origin):
    key = make_platform_key(noor)
    lifecycle.edit_platform_key(key=key, description=Description.of(key), by=noor, origin=origin)
    assert not new_events()


def test_edit_to_a_time_that_is_over_changes_nothing(noor, origin):
    key = make_platform_key(noor)
    before = row_of(key)
    said = Description("New", expires_at=timezone.now())
    with pytest.raises(ExpiryPassed):
        lifecycle.edit_platform_key(key=key, description=said, by=noor, origin=origin)
    assert row_of(key) == before
    assert not new_events()


# --- Each write, by whom it may be done and in which state ------------------------------------------------------------


def write(action: PlatformAction, key: PlatformKey, by: Member, origin: Any) -> None:
    about = {"key": key, "by": by, "origin": origin}
    if action is PlatformAction.EDIT:
        lifecycle.edit_platform_key(description=Description("Changed"), **about)
    elif action is PlatformAction.DELETE:
        lifecycle.delete_platform_key(**about)
    else:
        lifecycle.switch_platform_key(action=action, **about)


WRITES = {
    PlatformAction.EDIT: ({}, "edited"),
    PlatformAction.LOCK: ({}, "locked"),
    PlatformAction.UNLOCK: ({"is_locked": True}, "unlocked"),
    PlatformAction.DISABLE: ({}, "disabled"),
    PlatformAction.ENABLE: ({"is_enabled": False}, "enabled"),
    PlatformAction.DELETE: ({}, "deleted"),
}


@pytest.mark.parametrize("action", WRITES)
def test_write_is_done_by_holder_and_administrator_and_recorded(action, cast, noor, administrator, origin):
    state, happened = WRITES[action]
    for by in (noor, administrator, cast["olivia"]):
        key = make_platform_key(noor, **state)
        before = row_of(key)
        write(action, key, by, origin)
        if action is PlatformAction.DELETE:
            assert not PlatformKey.objects.filter(pk=key.pk).exists()
        else:
            assert row_of(key) != before
        event = new_events()[-1]
        assert (event.action, event.outcome) == (f"platform_key.{happened}", audit.SUCCESS)
        assert (event.actor_id, event.subject_id) == (by.pk, noor.pk)
        assert (event.facts["name"], event.facts["key"]) == ("Key", key.record_id)
    assert len(new_events()) == 3


@pytest.mark.parametrize("action", WRITES)
def test_write_is_refused_to_all_others_as_for_a_key_that_is_gone(action, cast, noor, origin):
    """Those above in the tree are others here, whatever they manage; so is the owner of another account."""
    others = [cast["priya"], cast["marcus"], cast["sam"], Member.objects.get(account_id=BOREALIS, parent=None)]
    key = make_platform_key(noor, **WRITES[action][0])
    before = row_of(key)
    for by in others:
        with pytest.raises(KeyGone):
            write(action, key, by, origin)
    gone = make_platform_key(noor)
    PlatformKey.objects.filter(pk=gone.pk).delete()
    with pytest.raises(KeyGone):
        write(action, gone, noor, origin)
    assert row_of(key) == before
    assert not new_events()


@pytest.mark.parametrize("action", WRITES)
@pytest.mark.parametrize(
    "state", [{"is_locked": True}, {"expires_at": timezone.now() - DAY}], ids=["locked", "expired"]
)
def test_write_is_refused_as_the_key_is_now_and_not_as_it_was(action, state, noor, origin):
    """The key in the caller's hands is neither locked nor expired; the one in the database is."""
    key = make_platform_key(noor, **WRITES[action][0])
    PlatformKey.objects.filter(pk=key.pk).update(**state)
    before = row_of(key)
    allowed = {PlatformAction.UNLOCK} if "is_locked" in state else {
        PlatformAction.LOCK, PlatformAction.UNLOCK, PlatformAction.DELETE,
    }  # fmt: skip
    if action in allowed:
        write(action, key, noor, origin)
        return
    with pytest.raises(NotAllowed, match="locked" if "is_locked" in state else "expired"):
        write(action, key, noor, origin)
    assert row_of(key) == before
    assert not new_events()


@pytest.mark.parametrize("action", SWITCHES)
def test_a_switch_that_changes_nothing_is_refused_with_the_reason(action, noor, origin):
    state, happened = WRITES[action]
    key = make_platform_key(noor, **state)
    write(action, key, noor, origin)
    with pytest.raises(NotAllowed) as refused:
        write(action, key, noor, origin)
    assert str(refused.value) == f"This key is {happened} already."
    assert len(new_events()) == 1


def test_disabled_key_can_be_edited_and_stays_disabled(noor, origin):
    key = make_platform_key(noor, is_enabled=False)
    lifecycle.edit_platform_key(key=key, description=Description("Changed"), by=noor, origin=origin)
    assert row_of(key)["is_enabled"] is False


# --- Mail -------------------------------------------------------------------------------------------------------------


def test_holder_is_told_which_key_somebody_else_changed_and_how(noor, administrator, origin):
    key = make_platform_key(noor, "CI runner")
    subjects = []
    for action in (PlatformAction.EDIT, PlatformAction.DISABLE, PlatformAction.ENABLE, PlatformAction.LOCK,
                   PlatformAction.UNLOCK, PlatformAction.DELETE):  # fmt: skip
        write(action, key, administrator, origin)
        for who, subject, body in told():
            assert who == "noor"
            assert f"Key: {key.record_id}" in body
            assert "Name: CI runner" in body or "Name: Changed" in body
            assert f"By: {administrator.name} <{administrator.user.email}>, from 127.0.0.1" in body
            assert "ask the person who did it" in body
            subjects.append(subject)
    assert subjects == [
        "Your API key was changed (Acme Robotics)",
        "Your API key was disabled (Acme Robotics)",
        "Your API key was enabled (Acme Robotics)",
        "Your API key was deleted (Acme Robotics)",
    ]


def test_nobody_is_told_of_what_they_did_themselves(noor, origin):
    key = make_platform_key(noor)
    for action in (PlatformAction.EDIT, PlatformAction.DISABLE, PlatformAction.ENABLE, PlatformAction.DELETE):
        write(action, key, noor, origin)
    assert told() == []


# --- Leaving ----------------------------------------------------------------------------------------------------------


def test_all_keys_go_with_the_member_locked_ones_too_and_others_stay(cast, noor, origin):
    """Who removes may not know of the keys: the events name them, but not as the one who acted. One mail tells all."""
    marcus, there = cast["marcus"], Member.objects.get(account_id=BOREALIS, user=noor.user)
    keys = [make_platform_key(noor, f"Key {number}", is_locked=number == 1) for number in range(3)]
    make_platform_key(noor, "Expired", expires_at=timezone.now() - DAY)
    kept = {make_platform_key(there).pk, make_platform_key(cast["priya"]).pk}
    memberships.remove_member(member=noor, by=marcus, origin=origin)
    assert set(PlatformKey.objects.values_list("pk", flat=True)) == kept
    events = new_events()
    assert [event.facts["name"] for event in events] == ["Key 0", "Key 1", "Key 2", "Expired"]
    assert events[1].facts == {"name": "Key 1", "key": keys[1].record_id, "why": "user removed"}
    for event in events:
        assert (event.action, event.actor_id, event.subject_id) == ("platform_key.deleted", None, noor.pk)
        assert event.actor_label == audit.label(marcus)
    assert not audit.visible_events(marcus).filter(action="platform_key.deleted").exists()
    assert audit.visible_events(cast["olivia"]).filter(action="platform_key.deleted").count() == 4
    assert [(who, subject) for who, subject, _ in told()] == [
        ("noor", "You were removed from an account (Acme Robotics)")
    ]
    assert list(audit.breaks(ACME)) == []
    connection.check_constraints()


@pytest.mark.parametrize("who", ["noor", "olivia"])
def test_who_knows_of_the_keys_is_the_actor_of_their_deletion(who, cast, noor, origin):
    make_platform_key(noor)
    memberships.remove_member(member=noor, by=cast[who], origin=origin)
    (event,) = new_events()
    assert event.actor_id == cast[who].pk


def test_keys_stay_with_a_member_who_is_suspended_frozen_or_moved(cast, noor, origin):
    key = make_platform_key(noor)
    about = {"member": noor, "by": cast["olivia"], "origin": origin}
    before = row_of(key)
    for status in ("disabled_classic", "suspended", "vpn_only", "active"):
        memberships.change_status(status=status, **about)
    memberships.change_parent(parent=cast["sam"], **about)
    memberships.freeze_branch(reason="A look", **about)
    memberships.thaw_branch(**about)
    assert row_of(key) == before
    assert not new_events()


# --- Leaked -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "done"),
    [(LeakedAction.DISABLE, "key disabled"), (LeakedAction.DELETE, "key deleted"), (LeakedAction.NOTHING, "none")],
)
@pytest.mark.parametrize("is_locked", [False, True])
def test_leaked_key_becomes_what_its_user_chose_whatever_its_lock(action, done, is_locked, noor, origin):
    key = make_platform_key(noor, "CI", leaked_action=action, is_locked=is_locked)
    other = make_platform_key(noor, "Other", leaked_action=action)
    before = row_of(other)
    assert lifecycle.report_leaked(value=key.value, source="a scanner", origin=origin) is action
    left = PlatformKey.objects.filter(pk=key.pk).first()
    if action is LeakedAction.DELETE:
        assert left is None
    else:
        assert left.is_enabled is (action is LeakedAction.NOTHING)
        assert (left.is_locked, left.leaked_at is not None) == (is_locked, True)
    assert row_of(other) == before
    (event,) = new_events()
    assert (event.action, event.actor_id, event.subject_id) == ("platform_key.leaked", None, noor.pk)
    assert event.facts == {"name": "CI", "key": key.record_id, "source": "a scanner", "action": done}
    ((who, subject, body),) = told()
    assert (who, subject) == ("noor", "Your API key was leaked (Acme Robotics)")
    assert f"Source: a scanner\nAction: {done}\n" in body
    assert "replace this one wherever it is used" in body
    assert "ask the person who did it" not in body
    assert key.value not in body


def test_second_report_keeps_the_time_of_the_first_and_disables_again(noor, origin):
    key = make_platform_key(noor)
    lifecycle.report_leaked(value=key.value, source="a scanner", origin=origin)
    first = row_of(key)["leaked_at"]
    write(PlatformAction.ENABLE, key, noor, origin)
    lifecycle.report_leaked(value=key.value, source="another", origin=origin)
    assert (row_of(key)["leaked_at"], row_of(key)["is_enabled"]) == (first, False)
    assert [event.action for event in new_events()] == [
        "platform_key.leaked", "platform_key.enabled", "platform_key.leaked",
    ]  # fmt: skip


def test_report_of_what_is_no_key_changes_nothing_and_says_so(noor, origin):
    make_platform_key(noor)
    for value in ("", "x" * 10_000, "\ud800", material.new_value().text, material.new_platform_value().text):
        assert lifecycle.report_leaked(value=value, source="a scanner", origin=origin) is None
    assert not new_events()


# --- Expiry -----------------------------------------------------------------------------------------------------------


def test_holder_is_told_once_a_week_before_a_key_expires(noor, origin):
    now = timezone.now()
    soon = make_platform_key(noor, "Soon", expires_at=now + 7 * DAY)
    for name, fields in {
        "Later": {"expires_at": now + 7 * DAY + timedelta(seconds=1)},
        "Over": {"expires_at": now},
        "Never": {},
        "Disabled": {"expires_at": now + DAY, "is_enabled": False},
    }.items():
        make_platform_key(noor, name, **fields)
    assert lifecycle.tell_expiring(now=now, origin=origin) == 1
    assert lifecycle.tell_expiring(now=now, origin=origin) == 0
    (event,) = new_events()
    expires = (now + 7 * DAY).strftime("%d-%m-%Y %H:%M GMT")
    assert event.action == "platform_key.expires_soon"
    assert (event.actor_id, event.actor_label, event.subject_id) == (None, "The server", noor.pk)
    assert event.facts == {"name": "Soon", "key": soon.record_id, "expires": expires}
    ((who, subject, body),) = told()
    assert (who, subject) == ("noor", "Your API key expires soon (Acme Robotics)")
    assert f"Expires: {expires}" in body
    assert "let it expire later" in body
    assert "ask the person who did it" not in body


def test_holder_is_told_again_when_a_key_is_to_expire_at_another_time(noor, origin):
    now = timezone.now()
    key = make_platform_key(noor, expires_at=now + DAY)
    lifecycle.tell_expiring(now=now, origin=origin)
    said = Description.of(key)
    lifecycle.edit_platform_key(key=key, description=replace(said, name="Another"), by=noor, origin=origin)
    assert lifecycle.tell_expiring(now=now, origin=origin) == 0
    later = replace(said, expires_at=now + 10 * DAY)
    lifecycle.edit_platform_key(key=key, description=later, by=noor, origin=origin)
    assert lifecycle.tell_expiring(now=now, origin=origin) == 0
    assert lifecycle.tell_expiring(now=now + 4 * DAY, origin=origin) == 1


@pytest.mark.parametrize("edited", [{"expires_at": None}, {"expires_in": 300 * DAY}, {"is_enabled": False}])
def test_key_that_was_edited_after_it_was_found_is_not_told_of(edited, noor, origin, monkeypatch):
    """Between the look for such keys and the write about each: its holder would be told what is not so any more."""
    now = timezone.now()
    key, tell = make_platform_key(noor, expires_at=now + DAY), lifecycle._tell_expiring
    fields = {"expires_at": now + edited["expires_in"]} if "expires_in" in edited else edited

    def edit_first(*about: Any) -> bool:
        PlatformKey.objects.filter(pk=key.pk).update(**fields)
        return tell(*about)

    monkeypatch.setattr(lifecycle, "_tell_expiring", edit_first)
    assert lifecycle.tell_expiring(now=now, origin=origin) == 0
    assert row_of(key)["expiry_told_at"] is None
    assert not new_events()


def test_expired_key_is_deleted_after_ninety_days_even_if_it_is_locked(noor, origin):
    now = timezone.now()
    old = make_platform_key(noor, "Old", expires_at=now - 90 * DAY, is_locked=True)
    make_platform_key(noor, "Not yet", expires_at=now - 90 * DAY + timedelta(seconds=1))
    make_platform_key(noor, "Never")
    assert lifecycle.delete_expired(now=now, origin=origin) == 1
    assert lifecycle.delete_expired(now=now, origin=origin) == 0
    assert set(PlatformKey.objects.values_list("name", flat=True)) == {"Not yet", "Never"}
    (event,) = new_events()
    assert (event.action, event.actor_label) == ("platform_key.expired_deleted", "The server")
    assert event.subject_id == noor.pk
    assert event.facts == {"name": "Old", "key": old.record_id}
    assert told() == []


def test_key_that_somebody_deletes_first_is_not_counted(noor, origin, monkeypatch):
    now = timezone.now()
    make_platform_key(noor, expires_at=now - 100 * DAY)
    delete = lifecycle._delete_expired

    def delete_first(*about: Any) -> bool:
        PlatformKey.objects.all().delete()
        return delete(*about)

    monkeypatch.setattr(lifecycle, "_delete_expired", delete_first)
    assert lifecycle.delete_expired(now=now, origin=origin) == 0
    assert not new_events()
