"""Keys that many create, delete, see and call with at the same moment: one is made, and none works too long."""

from collections import Counter
from itertools import cycle
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from accounts import memberships
from accounts.enums import MemberStatus
from accounts.models import Member
from accounts.origin import Origin
from accounts.policy import NotAllowed
from keys import events, lifecycle, material
from keys.lifecycle import KeyExists, KeyGone
from keys.models import ClassicKey
from keys.verification import verify
from tests.races.racing import actions_about, assert_refused_after, assert_sound, many_at_once
from tests.threads import at_once, errors
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db(transaction=True)

CREATES = 200

# --- Creating ---------------------------------------------------------------------------------------------------------


def test_of_200_simultaneous_creates_one_makes_a_key_and_199_are_refused(people, origin):
    noor = people["noor"]

    answers = many_at_once(lambda: lifecycle.create_classic_key(holder=noor, by=noor, origin=origin), CREATES)

    assert len(answers) == CREATES
    made = [answer for answer in answers if isinstance(answer, tuple)]
    assert Counter(type(error) for error in errors(answers)) == {KeyExists: CREATES - 1}
    ((key, value),) = made
    kept = ClassicKey.objects.get(holder=noor)
    assert (kept.pk, kept.uid, material.take(kept).text) == (key.pk, key.uid, value.text)
    assert actions_about(noor)[events.CREATED] == 1
    assert verify(noor.api_username, value.text, "17.5.7.8").accepted
    assert_sound()


def test_of_200_simultaneous_create_requests_one_shows_a_key_and_the_others_say_why(people):
    """The same through the whole program: never a 500, and the next page says what happened and what to do."""
    noor = people["noor"]
    session = visitor(noor).cookies

    def press() -> tuple[int, str, str]:
        client = Client(raise_request_exception=False)
        client.cookies = session.copy()
        response = client.post(f"/iam/users/{noor.pk}/classic_key")
        return response.status_code, response.headers.get("Location", ""), body_of(response).decode()

    answers = many_at_once(press, CREATES)

    assert Counter(status for status, *_ in answers) == {200: 1, 302: CREATES - 1}
    assert {where for status, where, _ in answers if status == 302} == {"/iam/apikeys"}
    key = ClassicKey.objects.get(holder=noor)
    (page,) = [body for status, _, body in answers if status == 200]
    assert material.take(key).text in page
    assert actions_about(noor)[events.CREATED] == 1
    client = Client()
    client.cookies = session.copy()
    assert b"You already have a classic infrastructure key. Delete it to create another." in body_of(
        client.get("/iam/apikeys")
    )
    assert_sound()


def test_creates_for_a_vpn_only_member_by_two_ancestors_at_once_leave_one_creator(people, origin):
    berlin, creators = people["berlin"], (people["marcus"], people["olivia"])
    for _ in range(20):
        ClassicKey.objects.filter(holder=berlin).delete()
        (answers,) = at_once(
            *[lambda by=by: lifecycle.create_classic_key(holder=berlin, by=by, origin=origin) for by in creators]
        )
        (refused,) = errors(answers)
        assert type(refused) is KeyExists
        ((key, value),) = [answer for answer in answers if isinstance(answer, tuple)]
        assert material.take(ClassicKey.objects.get(holder=berlin)).text == value.text
        assert ClassicKey.objects.get(holder=berlin).creator_id == key.creator_id
    assert_sound()


def test_key_made_by_another_while_its_user_becomes_active_is_not_there_afterwards(people, origin):
    berlin, marcus, olivia = people["berlin"], people["marcus"], people["olivia"]
    for _ in range(20):
        ClassicKey.objects.filter(holder=berlin).delete()
        Member.objects.filter(pk=berlin.pk).update(status=MemberStatus.VPN_ONLY)
        (answers,) = at_once(
            lambda: lifecycle.create_classic_key(holder=berlin, by=marcus, origin=origin),
            lambda: memberships.change_status(member=berlin, status="active", by=olivia, origin=origin),
        )
        assert {type(error) for error in errors(answers)} <= {NotAllowed}
        assert Member.objects.get(pk=berlin.pk).status == MemberStatus.ACTIVE
        assert not ClassicKey.objects.filter(holder=berlin).exists()
    assert_sound()


def test_create_and_delete_at_once_end_as_their_events_say(people, origin):
    """Whatever the order: as many keys were made as deleted, or one more, and nothing else was ever answered."""
    noor, priya = people["noor"], people["priya"]

    def create() -> Any:
        return lifecycle.create_classic_key(holder=noor, by=noor, origin=origin)

    def delete(by: Member) -> Any:
        key = ClassicKey.objects.filter(holder=noor).first()
        return key and lifecycle.delete_classic_key(key=key, by=by, origin=origin)

    rounds = at_once(create, create, lambda: delete(noor), lambda: delete(priya), rounds=40)

    refused = Counter(type(error) for answers in rounds for error in errors(answers))
    assert set(refused) <= {KeyExists, KeyGone}
    done = actions_about(noor)
    made = [answer for answers in rounds for answer in answers if isinstance(answer, tuple)]
    assert done[events.CREATED] == len(made) >= 2
    left = list(ClassicKey.objects.filter(holder=noor))
    assert done[events.CREATED] - done[events.DELETED] == len(left)
    works = [value for _, value in made if verify(noor.api_username, value.text, None).accepted]
    assert len(works) == len(left)
    assert_sound()


@pytest.mark.postgresql_only  # SQLite has one who writes at a time: nothing is deleted between the two looks
def test_key_is_created_although_the_one_in_its_way_goes_before_it_is_looked_for(people, origin, monkeypatch):
    priya = people["priya"]
    save = ClassicKey.save

    def save_late(key: ClassicKey, **options: Any) -> None:
        try:
            save(key, **options)
        except IntegrityError:
            at_once(lambda: ClassicKey.objects.filter(holder=priya).delete())
            raise

    monkeypatch.setattr(ClassicKey, "save", save_late)
    _, value = lifecycle.create_classic_key(holder=priya, by=priya, origin=origin)
    assert verify(priya.api_username, value.text, None).accepted


# --- Deleting ---------------------------------------------------------------------------------------------------------


def test_of_50_simultaneous_deletes_one_succeeds(people, origin):
    priya = people["priya"]
    key = ClassicKey.objects.get(holder=priya)
    actors = cycle([people["priya"], people["marcus"], people["olivia"]])

    answers = many_at_once(lambda: lifecycle.delete_classic_key(key=key, by=next(actors), origin=origin), 50)

    assert Counter(type(answer) for answer in answers) == {KeyGone: 49, type(None): 1}
    assert actions_about(priya)[events.DELETED] == 1
    assert not ClassicKey.objects.filter(holder=priya).exists()
    assert_sound()


def test_of_50_simultaneous_delete_requests_one_succeeds_and_49_find_nothing(people):
    priya = people["priya"]
    url = f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=priya).pk}/delete"
    sessions = cycle([visitor(people[name]).cookies for name in ("priya", "marcus", "olivia")])

    def press() -> int:
        client = Client(raise_request_exception=False)
        client.cookies = next(sessions).copy()
        return client.post(url).status_code

    assert Counter(many_at_once(press, 50)) == {302: 1, 404: 49}
    assert actions_about(priya)[events.DELETED] == 1
    assert_sound()


def test_a_delete_does_not_take_the_key_that_came_after(people, origin):
    """The page was open while the key was deleted and another created: what was seen is not what would be deleted."""
    noor = people["noor"]
    seen, _ = lifecycle.create_classic_key(holder=noor, by=noor, origin=origin)

    def replace() -> str:
        lifecycle.delete_classic_key(key=seen, by=noor, origin=origin)
        return lifecycle.create_classic_key(holder=noor, by=noor, origin=origin)[1].text

    def delete_what_was_seen() -> None:
        lifecycle.delete_classic_key(key=seen, by=people["olivia"], origin=origin)

    ((replaced, deleted),) = at_once(replace, delete_what_was_seen)

    # Whoever came first: one delete of the old key, and the new one, if it was made, is there.
    assert len([answer for answer in (replaced, deleted) if isinstance(answer, KeyGone)]) == 1
    assert ClassicKey.objects.filter(holder=noor).exists() is isinstance(replaced, str)
    assert actions_about(noor)[events.DELETED] == 1


def test_a_value_is_shown_whole_or_not_at_all_while_the_key_is_deleted(people, origin):
    noor = people["noor"]
    for _ in range(20):
        key, value = lifecycle.create_classic_key(holder=noor, by=noor, origin=origin)
        show = lambda key=key: lifecycle.show_value(key=key, by=noor, origin=origin)
        delete = lambda key=key: lifecycle.delete_classic_key(key=key, by=noor, origin=origin)
        ((shown, deleted),) = at_once(show, delete)
        assert deleted is None
        assert isinstance(shown, KeyGone) or shown.text == value.text
    assert_sound()


# --- Verifying while rights change ------------------------------------------------------------------------------------


def _suspend(member: Member, key: ClassicKey) -> None:
    Member.objects.filter(pk=member.pk).update(status=MemberStatus.SUSPENDED)


def _delete(member: Member, key: ClassicKey) -> None:
    lifecycle.delete_classic_key(key=key, by=member, origin=Origin(None))


def _restrict(member: Member, key: ClassicKey) -> None:
    ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses="203.0.113.9")


def _freeze(member: Member, key: ClassicKey) -> None:
    owner = Member.objects.get(account=member.account, parent=None)
    memberships.freeze_branch(member=member, reason="A race", by=owner, origin=Origin(None))


def _revoke(member: Member, key: ClassicKey) -> None:
    about = {"member": member, "by": member, "reason": "A race", "origin": Origin(None)}
    lifecycle.revoke_branch(chosen=[key.pk], seen=[key.pk], **about)


@pytest.mark.parametrize("change", [_suspend, _delete, _restrict, _freeze, _revoke])
def test_no_call_that_begins_after_a_change_is_accepted(people, collector, change):
    """Calls go on while the change is made: what begins after its end is refused, on every connection."""
    priya = people["priya"]
    key = ClassicKey.objects.get(holder=priya)
    value = material.take(key).text
    assert_refused_after(lambda: change(priya, key), lambda: verify(priya.api_username, value, "17.5.7.8").accepted)
