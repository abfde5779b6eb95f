"""IBM Cloud API keys that are made, changed and deleted at the same moment, and members who leave meanwhile."""

import re
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from threading import Event
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import audit, memberships
from accounts.models import Account, Member, User
from accounts.models import Event as AuditEvent
from accounts.policy import NotAllowed
from keys import material
from keys.models import MOST_PLATFORM_KEYS, LeakedAction, PlatformKey
from keys.platform import events, lifecycle
from keys.platform.lifecycle import Description, KeyGone, TooManyKeys
from keys.platform.policy import NotNow, PlatformAction
from tests.conftest import ACME, BOREALIS
from tests.races.racing import actions_about, assert_sound, many_at_once, somebody_waits_for_a_lock
from tests.threads import at_once, errors
from tests.trees import make_member, make_platform_key
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db(transaction=True)

CREATES = 25


@pytest.fixture
def noor(people) -> Member:
    return people["noor"]


@pytest.fixture
def noor_of_borealis(noor) -> Member:
    """The same user in another account."""
    return Member.objects.select_related("user", "account").get(account_id=BOREALIS, user=noor.user)


def creating(by: Member, origin: Any, name: str = "Key") -> Callable[[], Any]:
    return lambda: lifecycle.create_platform_key(description=Description(name), by=by, origin=origin)


def deleting(key: PlatformKey, by: Member, origin: Any) -> Callable[[], Any]:
    return lambda: lifecycle.delete_platform_key(key=key, by=by, origin=origin)


def editing(key: PlatformKey, by: Member, origin: Any) -> Callable[[], Any]:
    return lambda: lifecycle.edit_platform_key(key=key, description=Description("Changed"), by=by, origin=origin)


def switching(key: PlatformKey, action: PlatformAction, by: Member, origin: Any) -> Callable[[], Any]:
    return lambda: lifecycle.switch_platform_key(key=key, action=action, by=by, origin=origin)


def assert_events_tell_of(keys: set[PlatformKey]) -> None:
    """As many keys were made as are there or were deleted, and each is told of as itself."""
    happened = AuditEvent.objects.filter(action__startswith="platform_key.")
    made = {event.facts["key"] for event in happened if event.action == events.CREATED}
    deleted = {event.facts["key"] for event in happened if event.action == events.DELETED}
    assert made - deleted == {key.record_id for key in keys}
    assert deleted <= made


# --- Creating ---------------------------------------------------------------------------------------------------------


def test_of_25_simultaneous_creates_in_two_accounts_twenty_make_keys_and_five_are_refused(
    noor, noor_of_borealis, origin
):
    by = cycle([noor, noor_of_borealis])
    about = {"description": Description("Key"), "origin": origin}
    answers = many_at_once(lambda: lifecycle.create_platform_key(by=next(by), **about), CREATES)
    made = [answer for answer in answers if isinstance(answer, tuple)]
    assert Counter(map(type, errors(answers))) == {TooManyKeys: CREATES - MOST_PLATFORM_KEYS}
    kept = set(PlatformKey.objects.all())
    assert {key.slot for key in kept} == set(range(1, MOST_PLATFORM_KEYS + 1))
    assert {key for key, _ in made} == kept
    digests = {bytes(key.digest) for key in kept}
    assert {next(material.platform_digests(value.text))[1] for _, value in made} == digests
    of_both = [actions_about(member)[events.CREATED] for member in (noor, noor_of_borealis)]
    assert sum(of_both) == MOST_PLATFORM_KEYS
    assert_events_tell_of(kept)
    assert_sound()


def test_of_25_simultaneous_requests_of_one_form_one_shows_a_key_and_the_others_say_why(noor):
    """Never a 500, and the next page says what happened and what to do."""
    session = visitor(noor).cookies

    def press() -> tuple[int, str]:
        client = Client(raise_request_exception=False)
        client.cookies = session.copy()
        sent = {"name": "Build server", "leaked_action": "disable", "newest": "0"}
        response = client.post(f"/iam/users/{noor.pk}/platform_key", sent)
        return response.status_code, body_of(response).decode()

    answers = many_at_once(press, CREATES)
    assert Counter(status for status, _ in answers) == {200: 1, 302: CREATES - 1}
    (page,) = [body for status, body in answers if status == 200]
    value = re.search(r"ktp_\w+", page)[0]
    assert next(material.platform_digests(value))[1] == bytes(PlatformKey.objects.get().digest)
    client = Client()
    client.cookies = session.copy()
    assert b"You sent this form before, and it has created the key." in body_of(client.get("/iam/apikeys?view=my"))
    assert actions_about(noor)[events.CREATED] == 1
    assert_sound()


def test_creates_of_two_users_do_not_get_in_each_others_way(people, origin):
    (answers,) = at_once(*[creating(people[name], origin) for name in ("noor", "priya") * 5])
    assert not errors(answers)
    assert Counter(PlatformKey.objects.values_list("holder__user__name", flat=True)) == {
        "Noor Haddad": 5, "Priya Raman": 5,
    }  # fmt: skip
    assert_sound()


def test_last_place_that_one_frees_is_taken_by_one(noor, noor_of_borealis, origin):
    """A key is deleted while others are made: each finds the place free or not, and nobody an error."""
    keys = [make_platform_key(noor) for _ in range(MOST_PLATFORM_KEYS)]
    create = [creating(noor, origin), creating(noor_of_borealis, origin)]
    for key in keys[:10]:
        ((deleted, *made),) = at_once(deleting(key, noor, origin), *create, *create)
        assert deleted is None
        assert set(map(type, errors(made))) == {TooManyKeys}
        assert len(errors(made)) >= 3
        if PlatformKey.objects.count() < MOST_PLATFORM_KEYS:
            create[0]()
        assert PlatformKey.objects.count() == MOST_PLATFORM_KEYS
    assert_sound()


def test_create_while_it_becomes_restricted_is_made_before_or_refused(people, noor, origin):
    for _ in range(10):
        Account.objects.filter(pk=ACME).update(restrict_key_creation=False)

        def restrict() -> None:
            Account.objects.filter(pk=ACME).update(restrict_key_creation=True)

        ((made, _),) = at_once(creating(noor, origin), restrict)
        assert isinstance(made, tuple | NotAllowed)
        with pytest.raises(NotAllowed):
            creating(noor, origin)()
    assert_events_tell_of(set(PlatformKey.objects.all()))
    assert_sound()


@pytest.mark.postgresql_only
def test_whoever_signs_in_and_whoever_makes_a_key_do_not_wait_for_each_other(noor, origin):
    """A sign-in holds the chain when it writes the user's row: whoever has that, has the chain already."""
    held, answers = Event(), []

    def sign_in() -> None:
        with transaction.atomic():
            audit.lock_chain(noor.account_id)
            held.set()
            assert somebody_waits_for_a_lock()
            User.objects.select_for_update(no_key=True, nowait=True).get(pk=noor.user_id)

    def create() -> None:
        held.wait(timeout=20)
        answers.append(creating(noor, origin)())

    assert not errors(at_once(sign_in, create)[0])
    assert len(answers) == 1
    assert_sound()


# --- Changing ---------------------------------------------------------------------------------------------------------


def test_of_many_simultaneous_deletes_one_succeeds(people, noor, origin):
    key, by = creating(noor, origin)()[0], cycle([noor, people["olivia"]])
    answers = many_at_once(lambda: lifecycle.delete_platform_key(key=key, by=next(by), origin=origin), CREATES)
    assert Counter(map(type, answers)) == {KeyGone: CREATES - 1, type(None): 1}
    assert actions_about(noor)[events.DELETED] == 1
    assert_sound()


def test_delete_with_edit_leaves_no_key_and_the_edit_came_before_or_found_nothing(people, noor, origin):
    for _ in range(20):
        key = creating(noor, origin)()[0]
        ((deleted, edited),) = at_once(deleting(key, people["olivia"], origin), editing(key, noor, origin))
        assert deleted is None
        assert isinstance(edited, PlatformKey | KeyGone)
        assert not PlatformKey.objects.filter(pk=key.pk).exists()
        last = AuditEvent.objects.order_by("-pk").first()
        assert (last.action, last.facts["key"]) == (events.DELETED, key.record_id)
        assert last.facts["name"] == ("Changed" if isinstance(edited, PlatformKey) else "Key")
    assert_sound()


def test_of_lock_and_delete_one_comes_first_and_the_other_says_why(people, noor, origin):
    for _ in range(20):
        key = creating(noor, origin)()[0]
        lock = switching(key, PlatformAction.LOCK, noor, origin)
        ((deleted, locked),) = at_once(deleting(key, people["olivia"], origin), lock)
        assert (type(deleted), type(locked)) in {(type(None), KeyGone), (NotNow, type(None))}
        left = PlatformKey.objects.filter(pk=key.pk).first()
        assert (left is None) is (deleted is None)
        assert left is None or left.is_locked
        PlatformKey.objects.all().delete()
    assert_sound()


def test_of_many_simultaneous_switches_one_is_recorded(noor, origin):
    key = make_platform_key(noor)
    for action, happened in ((PlatformAction.DISABLE, events.DISABLED), (PlatformAction.LOCK, events.LOCKED)):
        answers = many_at_once(switching(key, action, noor, origin), 10)
        assert Counter(map(type, answers)) == {NotNow: 9, type(None): 1}
        assert actions_about(noor)[happened] == 1
    assert_sound()


def test_edit_keeps_what_is_switched_meanwhile(noor, origin):
    """Each writes its own columns of the row as it is then."""
    for _ in range(10):
        key = make_platform_key(noor)
        (answers,) = at_once(editing(key, noor, origin), switching(key, PlatformAction.DISABLE, noor, origin))
        assert not errors(answers)
        left = PlatformKey.objects.get(pk=key.pk)
        assert (left.name, left.is_enabled) == ("Changed", False)
        left.delete()
    assert_sound()


def test_report_and_deletion_of_a_leaked_key_at_once_leave_none(noor, origin):
    for _ in range(10):
        key = make_platform_key(noor, leaked_action=LeakedAction.DELETE)
        ((reported, deleted),) = at_once(
            lambda key=key: lifecycle.report_leaked(value=key.value, source="a scanner", origin=origin),
            deleting(key, noor, origin),
        )
        assert (reported, type(deleted)) in {(LeakedAction.DELETE, KeyGone), (None, type(None))}
        assert not PlatformKey.objects.exists()
    assert_sound()


def test_expiry_is_told_once_by_any_number_of_processes(noor, origin):
    now = timezone.now()
    for _ in range(3):
        make_platform_key(noor, expires_at=now + lifecycle.TOLD_BEFORE)
    (told,) = at_once(*[lambda: lifecycle.tell_expiring(now=now, origin=origin)] * 5)
    assert sum(told) == 3
    assert actions_about(noor)[events.EXPIRES_SOON] == 3
    (deleted,) = at_once(
        *[lambda: lifecycle.delete_expired(now=now + lifecycle.TOLD_BEFORE + lifecycle.KEPT_AFTER, origin=origin)] * 5
    )
    assert sum(deleted) == 3
    assert actions_about(noor)[events.EXPIRED_DELETED] == 3
    assert_sound()


# --- Members who leave ------------------------------------------------------------------------------------------------


def test_member_who_is_removed_while_keys_are_made_and_changed_leaves_none(people, noor, noor_of_borealis, origin):
    """Whatever came first: what is made before goes with them, what comes after is refused; their other keys stay.

    Nor is the removal given up because others have locked one key each: it is the one that needs them all.
    """
    keys = [make_platform_key(noor, f"Key {number}") for number in range(6)]
    other = make_platform_key(noor_of_borealis)
    ((removed, *rest),) = at_once(
        lambda: memberships.remove_member(member=noor, by=people["marcus"], origin=origin),
        creating(noor, origin),
        creating(noor, origin),
        editing(keys[0], noor, origin),
        editing(keys[5], people["olivia"], origin),
        switching(keys[1], PlatformAction.LOCK, noor, origin),
        deleting(keys[2], people["olivia"], origin),
        deleting(keys[3], noor, origin),
    )
    assert removed is None
    assert {type(answer) for answer in rest} <= {type(None), tuple, PlatformKey, NotAllowed, KeyGone}
    assert not Member.objects.filter(pk=noor.pk).exists()
    assert list(PlatformKey.objects.all()) == [other]
    deleted = AuditEvent.objects.filter(action=events.DELETED)
    gone = [event.facts["key"] for event in deleted]
    assert len(set(gone)) == len(gone) == 6 + actions_about(noor)[events.CREATED]
    assert_sound()


def test_member_who_is_removed_again_and_again_while_making_keys(people, origin):
    """Those of whom nobody knows the password, whose user goes too, among them."""
    priya = people["priya"]
    for number in range(8):
        member = _newcomer(priya, has_password=bool(number % 2))
        ((removed, *made),) = at_once(
            lambda member=member: memberships.remove_member(member=member, by=people["marcus"], origin=origin),
            *[creating(member, origin)] * 3,
        )
        assert removed is None
        assert {type(answer) for answer in made} <= {tuple, NotAllowed}
        assert not PlatformKey.objects.exists()
    assert_sound()


def _newcomer(parent: Member, *, has_password: bool) -> Member:
    member = make_member(parent.account, parent)
    if has_password:
        member.user.set_password("x")
        member.user.save()
    return member
