"""Who is told by mail of what: those concerned, of what others did; and of values seen from new places."""

import re
from collections.abc import Sequence

import pytest
from django.core import mail

from accounts import audit, events, memberships, new_members, outbox, throttle
from accounts.enums import Permission
from accounts.models import Event, Mail, Member
from accounts.origin import Origin
from keys import events as key_events
from keys import lifecycle
from keys.models import ClassicKey
from tests.mail_server import mail_server
from tests.trees import make_key

pytestmark = pytest.mark.django_db

HERE, THERE = Origin("17.5.7.8"), Origin("203.0.113.9")


def told() -> list[tuple[str, str]]:
    """To whom mails went since the last time, and their subjects."""
    mail.outbox.clear()
    assert outbox.send_due().failed == 0
    return [(message.to[0].partition("@")[0], message.subject) for message in mail.outbox]


def key_of(member: Member) -> ClassicKey:
    return ClassicKey.objects.get(holder=member)


def revoke(member: Member, *, by: Member, also: Sequence[Member] = ()) -> None:
    """Revoke the branch of a member, which has keys of theirs and of others."""
    for holder in (member, *also):
        if not ClassicKey.objects.filter(holder=holder).exists():
            make_key(holder)
    ids = list(ClassicKey.objects.values_list("pk", flat=True))
    lifecycle.revoke_branch(member=member, chosen=ids, seen=ids, reason="Lost", by=by, origin=HERE)


def changes(member: Member, parent: Member, by: Member) -> list[tuple[str, object]]:
    """What others do to a member, with the subject of the mail about it."""
    about = {"member": member, "by": by, "origin": HERE}
    return [
        ("Your user status was changed", lambda: memberships.change_status(status="suspended", **about)),
        ("Your parent user was changed", lambda: memberships.change_parent(parent=parent, **about)),
        (
            "Your permissions were changed",
            lambda: memberships.change_permissions(granted=Permission.MANAGE_USERS, **about),
        ),
        ("User-managed login was changed", lambda: memberships.change_user_managed_login(is_on=True, **about)),
        (
            "Your IP address restriction was changed",
            lambda: memberships.restrict_platform(addresses_text="17.5.7.0/24", **about),
        ),
        ("Your VPN password was changed", lambda: memberships.set_vpn_password(password="x" * 12, **about)),
        (
            "Your API key was restricted",
            lambda: lifecycle.restrict_classic_key(key=key_of(member), addresses_text="17.5.7.8", by=by, origin=HERE),
        ),
        (
            "Your API key was deleted",
            lambda: lifecycle.delete_classic_key(key=key_of(member), by=by, origin=HERE),
        ),
    ]


def test_each_change_by_another_is_told_to_the_person_concerned(cast):
    for subject, change in changes(cast["priya"], cast["sam"], cast["olivia"]):
        change()
        assert told() == [("priya", f"{subject} (Acme Robotics)")]
        text = mail.outbox[0].body
        assert "By: Olivia Reyes <olivia@acme.example>, from 17.5.7.8" in text
        assert "Account: Acme Robotics (1234567)" in text
        assert not re.search(r"\b[0-9a-f]{64}\b", text)


def test_what_changed_is_said(cast, settings):
    memberships.change_status(member=cast["priya"], status="suspended", by=cast["olivia"], origin=HERE)
    with mail_server(settings) as server:
        outbox.send_due()
        message = server.to("priya@acme.example")
    for kind in ("plain", "html"):
        text = re.sub(r"<[^>]+>", "", message.get_body((kind,)).get_content())
        assert "Before: Active" in text
        assert "After: Suspended" in text


def test_removal_is_told_with_the_key_that_went(cast):
    memberships.remove_member(member=cast["priya"], by=cast["olivia"], origin=HERE, hand_over=True)
    assert told() == [
        ("noor", "Your parent user was changed (Acme Robotics)"),
        ("priya", "Your API key was deleted (Acme Robotics)"),
        ("priya", "You were removed from an account (Acme Robotics)"),
    ]


def test_the_activity_log_is_named_to_those_who_may_look_into_it(cast):
    memberships.remove_member(member=cast["noor"], by=cast["olivia"], origin=HERE)  # who had no key
    memberships.change_status(member=cast["priya"], status="suspended", by=cast["olivia"], origin=HERE)
    lifecycle.delete_classic_key(key=key_of(cast["berlin"]), by=cast["marcus"], origin=HERE)
    memberships.freeze_branch(member=cast["sam"], reason="a try", by=cast["olivia"], origin=HERE)
    memberships.change_status(member=cast["marcus"], status="disabled_classic", by=cast["olivia"], origin=HERE)
    told()
    named = {message.to[0].partition("@")[0]: "/iam/activity" in message.body for message in mail.outbox}
    assert named == {"noor": False, "priya": False, "vpn-berlin": False, "sam": False, "marcus": True}
    for message in mail.outbox:
        ((html, _),) = message.alternatives
        assert ("/iam/activity" in html) == ("/iam/activity" in message.body)
        assert "\n\n\n" not in message.body
    assert "If you had keys there, they have stopped working." in mail.outbox[0].body


def test_vpn_only_user_is_told_of_the_key_that_was_made(cast):
    lifecycle.delete_classic_key(key=key_of(cast["berlin"]), by=cast["marcus"], origin=HERE)
    lifecycle.create_classic_key(holder=cast["berlin"], by=cast["marcus"], origin=HERE)
    assert told() == [
        ("vpn-berlin", "Your API key was deleted (Acme Robotics)"),
        ("vpn-berlin", "An API key was created for you (Acme Robotics)"),
    ]


def test_address_that_nobody_confirmed_is_sent_few_mails(cast):
    """Whoever typed it could else have a stranger sent mail after mail, with words of their own."""
    marcus, email = cast["marcus"], "stranger@elsewhere.example"
    added = new_members.add_vpn_user(name="A prize", email=email, password="", by=marcus, origin=HERE)
    for is_on in (True, False) * 5:
        memberships.change_user_managed_login(member=added, is_on=is_on, by=marcus, origin=HERE)
    assert [address for address, _ in told()] == ["stranger"] * 5
    # Nor by keys that are revoked with a branch, whose reason is words of theirs too.
    for _ in range(2):
        key, _ = lifecycle.create_classic_key(holder=added, by=marcus, origin=HERE)
        revoked = {"member": marcus, "chosen": [key.pk], "seen": [key.pk], "reason": "A prize"}
        lifecycle.revoke_branch(**revoked, by=marcus, origin=HERE)
    assert told() == []
    # Whoever came in by themselves is told of everything.
    for is_on in (True, False) * 5:
        memberships.change_user_managed_login(member=cast["priya"], is_on=is_on, by=marcus, origin=HERE)
    assert [address for address, _ in told()] == ["priya"] * 10


def test_keys_revoked_at_once_are_told_to_each_address_that_nobody_confirmed_as_long_as_there_is_room(
    cast, clock, monkeypatch
):
    monkeypatch.setattr(throttle, "_AT_ONCE", 2)  # and not all three
    marcus = cast["marcus"]
    vpn = [
        new_members.add_vpn_user(
            name=f"Desk {n}", email=f"desk{n}@elsewhere.example", password="", by=marcus, origin=HERE
        )
        for n in range(3)
    ]
    for is_on in (True, False) * 2 + (True,):
        memberships.change_user_managed_login(member=vpn[0], is_on=is_on, by=marcus, origin=HERE)
    told()

    def revoke() -> set[str]:
        keys = [lifecycle.create_classic_key(holder=member, by=marcus, origin=HERE)[0].pk for member in vpn]
        told()
        lifecycle.revoke_branch(member=marcus, chosen=keys, seen=keys, reason="moving out", by=marcus, origin=HERE)
        return {address for address, _ in told()}

    assert [revoke() for _ in range(3)] == [{"desk1", "desk2"}] * 2 + [set()]  # two mails each time
    clock(days=1, seconds=1)
    assert revoke() == {"desk0", "desk1", "desk2"}


def test_nobody_is_told_of_what_they_did_themselves_or_before_they_joined(cast):
    priya, lena = cast["priya"], cast["lena"]
    Member.objects.filter(pk=priya.pk).update(user_managed_login=True)
    memberships.restrict_platform(member=priya, addresses_text="17.5.7.8", by=priya, origin=HERE)
    lifecycle.delete_classic_key(key=key_of(priya), by=priya, origin=HERE)
    lifecycle.create_classic_key(holder=priya, by=priya, origin=HERE)
    memberships.change_user_managed_login(member=lena, is_on=True, by=cast["marcus"], origin=HERE)
    assert told() == []


def test_without_a_mail_server_nothing_is_posted(cast, settings):
    settings.KEYTREE_SENDS_MAIL = False
    memberships.change_status(member=cast["priya"], status="suspended", by=cast["olivia"], origin=HERE)
    revoke(cast["priya"], by=cast["olivia"])
    assert not Mail.objects.exists()


def test_refusals_are_told_to_nobody(cast):
    audit.record_refusal(
        events.STATUS_CHANGED, actor=cast["marcus"], subject=cast["priya"], origin=HERE, details={"why": "none"}
    )
    assert not Mail.objects.exists()


def test_value_seen_from_a_new_address_is_told_once_for_each_address(cast):
    priya = cast["priya"]
    for origin, expected in ((HERE, 1), (HERE, 0), (THERE, 1), (THERE, 0), (HERE, 0)):
        lifecycle.show_value(key=key_of(priya), by=priya, origin=origin)
        seen = told()
        assert seen == [("priya", "The value of an API key was shown (Acme Robotics)")] * expected
    lifecycle.show_value(key=key_of(priya), by=priya, origin=Origin("192.0.2.1"), download=True)
    assert told() == [("priya", "The value of an API key was downloaded (Acme Robotics)")]
    assert "from 192.0.2.1" in mail.outbox[0].body


def test_what_others_saw_from_there_or_was_refused_there_keeps_no_value_from_being_told(cast):
    """Only the same person's own successes, about the same key, make an address a known one."""
    marcus, priya, berlin = cast["marcus"], cast["priya"], cast["berlin"]
    lifecycle.show_value(key=key_of(priya), by=priya, origin=HERE)
    audit.record(key_events.SHOWN, actor=marcus, subject=berlin, origin=THERE, outcome=audit.REFUSED)
    audit.record(key_events.SHOWN, actor=berlin, subject=berlin, origin=THERE)
    audit.record(events.PARENT_CHANGED, actor=marcus, subject=berlin, origin=THERE)
    lifecycle.show_value(key=key_of(marcus), by=marcus, origin=THERE)
    told()
    lifecycle.show_value(key=key_of(berlin), by=marcus, origin=THERE)
    assert sorted(to for to, _ in told()) == ["marcus", "vpn-berlin"]


def test_value_that_its_creator_sees_for_another_is_told_to_both(cast):
    lifecycle.show_value(key=key_of(cast["berlin"]), by=cast["marcus"], origin=HERE)
    assert sorted(to for to, _ in told()) == ["marcus", "vpn-berlin"]


def test_who_is_told_of_a_value_that_they_saw_themselves_is_told_what_to_do_if_it_was_not_they(cast, settings):
    """Nobody is sent to themselves to ask; whoever else is told asks who did it."""
    lifecycle.show_value(key=key_of(cast["berlin"]), by=cast["marcus"], origin=HERE)
    lifecycle.show_value(key=key_of(cast["priya"]), by=cast["priya"], origin=HERE)
    with mail_server(settings) as server:
        outbox.send_due()
        messages = {name: server.to(f"{name}@acme.example") for name in ("marcus", "priya", "vpn-berlin")}
    for name, message in messages.items():
        for kind in ("plain", "html"):
            text = re.sub(r"<[^>]+>", "", message.get_body((kind,)).get_content())
            is_own = name != "vpn-berlin"
            assert ("If this was not you: delete the key and set a new password" in text) is is_own, name
            assert ("which ends all your login sessions" in text) is is_own, name
            assert ("ask the person who did it" in text) is not is_own, name
        html = message.get_body(("html",)).get_content()
        for path in ("/reset", "/user/security"):
            assert (f'href="http://127.0.0.1:8000{path}"' in html) is is_own, name


def test_a_change_that_is_undone_is_told_to_nobody(cast, monkeypatch):
    monkeypatch.setattr("accounts.outbox.Mail.objects.bulk_create", _fail)
    before = Event.objects.count()
    with pytest.raises(RuntimeError):
        memberships.change_status(member=cast["priya"], status="suspended", by=cast["olivia"], origin=HERE)
    assert Member.objects.get(pk=cast["priya"].pk).status == "active"
    assert Event.objects.count() == before


def _fail(*_, **__):
    raise RuntimeError


def test_every_event_that_is_told_has_a_sentence_for_the_activity_page():
    assert events.NOTICES.keys() <= events.SENTENCES.keys()
