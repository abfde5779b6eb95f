"""What many do at the same moment: real threads, each with its own connection, on whichever database the suite runs."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from accounts import audit, hierarchy, invitations, memberships, outbox, retention, signin, throttle, tokens
from accounts import events as account_events
from accounts.enums import MemberStatus, Permission
from accounts.hierarchy import TreeError
from accounts.invitations import InvitationGone
from accounts.invitees import read
from accounts.models import Account, Invitation, Member, Session, User
from accounts.models import Event as AuditEvent
from accounts.origin import Origin
from accounts.policy import NotAllowed
from accounts.signin import SignInRefused
from console import demo
from keys import events, lifecycle, material, usage
from keys.lifecycle import KeyExists, KeyGone
from keys.models import ClassicKey
from keys.verification import verify
from tests.conftest import ACME, BOREALIS
from tests.threads import at_once, errors
from tests.trail import without_triggers
from tests.trees import grow, make_key
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db(transaction=True)

CREATES = 200


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def people(transactional_db) -> dict[str, Member]:
    """The members of Acme Robotics by first name, as every thread can see them."""
    demo.load()
    members = Member.objects.filter(account_id=ACME).select_related("user", "account")
    return {member.user.name.split()[0].lower(): member for member in members}


def most_threads(wanted: int) -> int:
    """How many threads may each have a connection: another process may race beside, with as many."""
    if connection.vendor != "postgresql":
        return wanted
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        return min(wanted, int(cursor.fetchone()[0]) // 2 - 15)


def many_at_once(call: Callable[[], Any], times: int) -> list[Any]:
    """What ``times`` calls returned or raised, as many of them at the same moment as there can be connections."""
    threads, left, lock = most_threads(times), [times], Lock()

    def some() -> list[Any]:
        said = []
        while True:
            with lock:
                if not left[0]:
                    return said
                left[0] -= 1
            try:
                said.append(call())
            except Exception as error:  # noqa: BLE001 - for the test to judge
                said.append(error)

    (answers,) = at_once(*[some] * threads)
    assert not errors(answers)
    return [answer for said in answers for answer in said]


def actions_about(member: Member) -> Counter[str]:
    return Counter(AuditEvent.objects.filter(subject_id=member.pk).values_list("action", flat=True))


def assert_sound() -> None:
    """The tree is whole, and so is the trail."""
    for account_id in AuditEvent.objects.order_by().values_list("account_id", flat=True).distinct():
        assert list(audit.breaks(account_id)) == []
    connection.check_constraints()


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


@pytest.fixture
def collector(monkeypatch) -> usage.Collector:
    """This process's notes of calls, empty."""
    monkeypatch.setattr(usage, "collector", usage.Collector())
    return usage.collector


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
    callers, over, ready = 6, Event(), Barrier(7)
    ended: list[float] = []

    def call() -> list[tuple[float, bool]]:
        said = []
        ready.wait()
        while not over.is_set():
            began = time.monotonic()
            said.append((began, verify(priya.api_username, value, "17.5.7.8").accepted))
        return said

    def make_the_change() -> None:
        ready.wait()
        time.sleep(0.15)
        change(priya, key)
        ended.append(time.monotonic())
        time.sleep(0.15)
        over.set()

    (answers,) = at_once(*[call] * callers, make_the_change)

    assert not errors(answers)
    calls = [one for said in answers[:callers] for one in said]
    before, after = ([is_yes for began, is_yes in calls if (began > ended[0]) is late] for late in (False, True))
    assert any(before)
    assert len(after) > callers
    assert not any(after)


# --- Branches ---------------------------------------------------------------------------------------------------------


def test_branch_revoked_twice_while_keys_below_are_made_and_deleted(people, origin):
    """Each key that was seen is deleted once, by one of three; the one that is made meanwhile stays."""
    marcus, priya, noor, berlin = (people[name] for name in ("marcus", "priya", "noor", "berlin"))
    for _ in range(10):
        seen = {(ClassicKey.objects.filter(holder=one).first() or make_key(one)).pk for one in (marcus, priya, berlin)}
        of_priya, revocations = ClassicKey.objects.get(holder=priya), AuditEvent.objects.filter(action=events.REVOKED)
        before = revocations.count()

        def revoke(by: Member, seen: set[int] = seen) -> Callable[[], Any]:
            about = {"member": marcus, "by": by, "reason": "A race", "origin": origin}
            return lambda: lifecycle.revoke_branch(chosen=seen, seen=seen, **about)

        ((one, other, made, deleted),) = at_once(
            revoke(marcus),
            revoke(people["olivia"]),
            lambda: lifecycle.create_classic_key(holder=noor, by=noor, origin=origin),
            lambda key=of_priya: lifecycle.delete_classic_key(key=key, by=priya, origin=origin),
        )

        assert not errors([one, other, made])
        assert deleted is None or type(deleted) is KeyGone
        assert one.deleted + other.deleted + (deleted is None) == 3
        assert revocations.count() - before == one.deleted + other.deleted
        assert list(ClassicKey.objects.filter(holder__in=[marcus, priya, noor, berlin])) == [made[0]]
        lifecycle.delete_classic_key(key=made[0], by=noor, origin=origin)
    assert_sound()


def test_key_made_while_the_branch_is_frozen_is_refused_until_it_is_thawed(people, collector, origin):
    """Whichever comes first: either it is not made, or it does not work."""
    noor, about = people["noor"], {"member": people["marcus"], "by": people["olivia"], "origin": origin}
    for _ in range(10):
        ((made, frozen),) = at_once(
            lambda: lifecycle.create_classic_key(holder=noor, by=noor, origin=origin),
            lambda: memberships.freeze_branch(reason="A race", **about),
        )
        assert frozen is None
        value = None if isinstance(made, NotAllowed) else made[1].text
        if value is not None:
            assert not verify(noor.api_username, value, "17.5.7.8").accepted
        memberships.thaw_branch(**about)
        if value is not None:
            assert verify(noor.api_username, value, "17.5.7.8").accepted
            lifecycle.delete_classic_key(key=made[0], by=noor, origin=origin)
    assert_sound()


def test_of_simultaneous_freezes_one_is_recorded_and_all_succeed(people, origin):
    about = {"member": people["marcus"], "by": people["olivia"], "origin": origin}
    assert many_at_once(lambda: memberships.freeze_branch(reason="A race", **about), 20) == [None] * 20
    assert actions_about(people["marcus"])["member.branch_frozen"] == 1
    assert many_at_once(lambda: memberships.thaw_branch(**about), 20) == [None] * 20
    assert actions_about(people["marcus"])["member.branch_thawed"] == 1
    assert_sound()


# --- Guessing passwords -----------------------------------------------------------------------------------------------


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The passwords that a hash was computed for, without the time that takes."""
    tried: list[str] = []

    def check(self, password):
        tried.append(password)
        time.sleep(0.005)  # long enough for another guess to come in between
        return password == demo.PASSWORD

    monkeypatch.setattr("accounts.models.User.check_password", check)
    monkeypatch.setattr("accounts.models.User.set_password", lambda _, password: tried.append(password))
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    return tried


def _guess(email: str, address: str, password: str = "wrong") -> int:
    client = Client(REMOTE_ADDR=address, raise_request_exception=False)
    return client.post("/login", {"username": email, "password": password}).status_code


def assert_let_through(answers: list[int], limit: int) -> None:
    """So many guesses were looked at, and the others refused: to wait, or, where the queue was too long, as busy."""
    counted = Counter(answers)
    assert counted[200] == limit
    assert set(counted) <= {200, 429, 503}
    assert counted[429]


@pytest.mark.parametrize("email", ["priya@acme.example", "nobody@acme.example"], ids=["known", "unknown"])
def test_parallel_guesses_of_one_pair_are_never_more_than_five(people, hashed, email):
    answers = many_at_once(lambda: _guess(email, "17.5.7.8"), 20)
    assert_let_through(answers, throttle.PAIR.attempts)
    assert len(hashed) == throttle.PAIR.attempts == 5
    # And the right password, now, is not even looked at.
    assert _guess(email, "17.5.7.8", demo.PASSWORD) == 429
    assert len(hashed) == 5


def test_parallel_guesses_from_everywhere_are_never_more_than_twenty_for_an_email(people, hashed):
    addresses = iter(f"10.0.{number // 200}.{number % 200}" for number in range(10_000))
    answers = many_at_once(lambda: _guess("priya@acme.example", next(addresses)), 40)
    assert_let_through(answers, throttle.EMAIL.attempts)
    assert len(hashed) == throttle.EMAIL.attempts == 20


def test_parallel_guesses_from_one_address_are_never_more_than_a_hundred(people, hashed):
    emails = iter(f"nobody{number}@acme.example" for number in range(10_000))
    answers = many_at_once(lambda: _guess(next(emails), "17.5.7.8"), 120)
    assert_let_through(answers, throttle.ADDRESS.attempts)
    assert len(hashed) == throttle.ADDRESS.attempts == 100


def test_parallel_proofs_of_identity_count_as_guesses(people, hashed):
    """Whoever has a stolen session does not get more guesses at the password by it."""
    priya = people["priya"]
    client = visitor(priya)
    session = client.session
    session["proved_at"] -= timedelta(minutes=10).total_seconds()
    session.save()
    cookies = client.cookies

    def prove() -> int:
        one = Client(raise_request_exception=False)
        one.cookies = cookies.copy()
        url = f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=priya).pk}/show"
        return one.post(url, {"password": "wrong"}).status_code

    answers = many_at_once(prove, 15)
    assert_let_through(answers, 5)
    assert len(hashed) == 5
    assert not actions_about(priya)[events.SHOWN]


def test_simultaneous_sign_ins_each_get_a_session_of_their_own(people, hashed):
    def sign_in() -> str:
        client = Client(raise_request_exception=False)
        response = client.post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD})
        return client.cookies["keytree_session"].value if response.status_code == 302 else str(response.status_code)

    # Never more at once than may be wrong: a success is counted until it has succeeded.
    rounds = at_once(*[sign_in] * throttle.PAIR.attempts, rounds=3)
    sessions = [session for answers in rounds for session in answers]
    assert not errors(sessions)
    assert len(set(sessions)) == 15
    assert all(len(session) == 32 for session in sessions)
    assert actions_about(people["olivia"])[account_events.SIGNED_IN] == 15
    assert_sound()


@pytest.mark.postgresql_only
def test_sign_in_waits_for_nobody_who_changes_the_user(people, hashed):
    """Whoever changes a user may wait for the chain that a sign-in holds: the two must not wait for each other."""
    held, signed_in, answers = Event(), Event(), []

    def change() -> None:
        with transaction.atomic():
            Member.objects.select_for_update().get(pk=people["olivia"].pk)
            held.set()
            assert signed_in.wait(timeout=20)

    def sign_in() -> None:
        held.wait(timeout=20)
        answers.append(Client().post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD}))
        signed_in.set()

    assert not errors(at_once(change, sign_in)[0])
    assert answers[0].status_code == 302
    assert Member.objects.get(pk=people["olivia"].pk).signed_in_at is None
    Client().post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD})
    assert Member.objects.get(pk=people["olivia"].pk).signed_in_at is not None


def test_simultaneous_sign_ins_leave_no_more_sessions_than_there_may_be(people, hashed):
    Account.objects.filter(pk=ACME).update(most_sessions=2)

    def sign_in() -> int:
        client = Client(raise_request_exception=False)
        return client.post("/login", {"username": "olivia@acme.example", "password": demo.PASSWORD}).status_code

    (answers,) = at_once(*[sign_in] * throttle.PAIR.attempts)
    assert set(answers) <= {302, 400}  # 400: ended already when the answer was to be sent
    assert Session.objects.filter(user=people["olivia"].user).count() == 2
    assert actions_about(people["olivia"])[account_events.SESSIONS_ENDED] == 3
    assert_sound()


# --- Inviting ---------------------------------------------------------------------------------------------------------

NEW = "newcomer@new.example"


@pytest.fixture
def token(people, origin) -> str:
    """The token of an invitation from Marcus that has gone out."""
    invitations.invite(invitees=read(NEW), granted=Permission(0), by=people["marcus"], origin=origin)
    outbox.send_due()
    return tokens.token_of(Invitation.objects.get())


def _accept(token: str, origin: Origin) -> Any:
    return invitations.accept_as_new(token=token, name="Tove", password="a long pass phrase", origin=origin)


def test_of_ten_simultaneous_acceptances_one_lets_somebody_in(people, token, origin):
    (answers,) = at_once(*[lambda: _accept(token, origin)] * 10)
    assert Counter(type(answer) for answer in answers) == {Member: 1, InvitationGone: 9}
    assert actions_about(Member.objects.get(user__email=NEW))["invitation.accepted"] == 1
    assert_sound()


def test_of_accepting_cancelling_and_sending_anew_at_once_each_finds_the_other_done(people, origin):
    for _ in range(6):
        invitations.invite(invitees=read(NEW), granted=Permission(0), by=people["marcus"], origin=origin)
        waiting, token = Member.objects.get(user__email=NEW), tokens.token_of(Invitation.objects.get())
        about = {"member": waiting, "by": people["marcus"], "origin": origin}
        (answers,) = at_once(
            lambda token=token: _accept(token, origin),
            lambda about=about: invitations.cancel(**about),
            lambda about=about: invitations.resend(**about),
            outbox.send_due,
        )
        accepted, cancelled, renewed, sent = answers
        assert type(accepted) in (Member, InvitationGone)
        assert type(cancelled) in (type(None), NotAllowed)
        assert type(renewed) in (type(None), NotAllowed)
        assert type(sent) is outbox.Round
        assert not (isinstance(accepted, Member) and cancelled is None)
        assert isinstance(accepted, Member) or cancelled is None or renewed is None
        done = actions_about(waiting)
        assert done["invitation.accepted"] == isinstance(accepted, Member)
        assert done["invitation.cancelled"] == (cancelled is None)
        left = Member.objects.filter(pk=waiting.pk).first()
        if left is not None and left.status == MemberStatus.ACTIVE:
            memberships.remove_member(member=left, by=people["marcus"], origin=origin)
        elif left is not None:
            invitations.cancel(**about)
        User.objects.filter(email=NEW).delete()
    assert not Invitation.objects.exists()
    assert_sound()


def test_of_two_who_invite_the_same_people_at_once_each_gets_each_person_once(people, origin):
    invitees = read(" ".join(f"user{number}@new.example" for number in range(20)))
    sam = Member.objects.select_related("user", "account").get(account_id=BOREALIS, parent=None)

    def invite(by: Member) -> Any:
        return invitations.invite(invitees=invitees, granted=Permission(0), by=by, origin=origin)

    (answers,) = at_once(*[lambda by=by: invite(by) for by in (people["marcus"], people["olivia"], sam)])
    outcomes = Counter(result.outcome for results in answers for result in results)
    assert outcomes == {invitations.Outcome.INVITED: 40, invitations.Outcome.ALREADY_INVITED: 20}
    assert User.objects.filter(email__endswith="@new.example").count() == 20
    assert_sound()


def test_many_senders_send_each_mail_once(people, origin, mailoutbox):
    invitees = read(" ".join(f"user{number}@new.example" for number in range(30)))
    invitations.invite(invitees=invitees, granted=Permission(0), by=people["marcus"], origin=origin)
    (rounds,) = at_once(*[outbox.send_due] * 6)
    assert sum(each.sent for each in rounds) == 30
    assert Counter(message.to[0] for message in mailoutbox) == Counter(invitee.email for invitee in invitees)
    invited = Member.objects.filter(user__email__endswith="@new.example")
    assert set(invited.values_list("status", flat=True)) == {MemberStatus.PENDING}
    assert_sound()


# --- Moving -----------------------------------------------------------------------------------------------------------


def test_opposite_moves_with_keys_being_made_and_shown_keep_the_tree_whole(origin, transactional_db):
    """Two that would each go under the other, while keys below them come and go: 100 times."""
    owner, one, other, below_one, below_other = grow([0, 0, 1, 2])
    make_key(below_other)

    def move(member: Member, parent: Member) -> Callable[[], Any]:
        return lambda: hierarchy.move_branch(member, parent)

    def make_and_delete() -> Any:
        key, _ = lifecycle.create_classic_key(holder=below_one, by=below_one, origin=origin)
        return lifecycle.delete_classic_key(key=key, by=below_one, origin=origin)

    for _ in range(100):
        ((first, second, third),) = at_once(move(one, below_other), move(other, below_one), make_and_delete)
        assert [type(error) for error in errors([first, second])] == [TreeError]
        assert third is None
        assert list(hierarchy.damaged_members(owner.account)) == []
        for key in ClassicKey.objects.select_related("holder"):
            assert key.holder_path == key.holder.path
        hierarchy.move_branch(one, owner)
        hierarchy.move_branch(other, owner)
    assert_sound()


def test_whoever_is_moved_out_of_a_branch_is_out_of_sight_at_once(people, origin):
    """The manager reads the value's key page without a pause; after the move it is gone for them, and not before."""
    marcus, priya, sam = people["marcus"], people["priya"], people["sam"]
    url = f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=priya).pk}"
    cookies, ended, over, ready = visitor(marcus).cookies, [], Event(), Barrier(3)

    def look() -> list[tuple[float, int]]:
        client, said = Client(raise_request_exception=False), []
        client.cookies = cookies.copy()
        ready.wait()
        while not over.is_set():
            began = time.monotonic()
            said.append((began, client.get(url).status_code))
        return said

    def move() -> None:
        ready.wait()
        time.sleep(0.3)
        hierarchy.move_branch(priya, sam)
        ended.append(time.monotonic())
        time.sleep(0.3)
        over.set()

    (answers,) = at_once(look, look, move)
    assert not errors(answers)
    looks = [one for said in answers[:2] for one in said]
    assert {status for began, status in looks if began > ended[0]} == {404}
    assert {status for _, status in looks} == {200, 404}


def test_throttle_without_a_race_counts_the_same(people, hashed, origin):
    """The races above would also pass if nothing were ever let through."""
    for _ in range(throttle.PAIR.attempts):
        with pytest.raises(SignInRefused) as refused:
            signin.sign_in(None, email="priya@acme.example", password="wrong", origin=origin)
        assert not refused.value.retry_after
    with pytest.raises(SignInRefused) as refused:
        signin.sign_in(None, email="priya@acme.example", password=demo.PASSWORD, origin=origin)
    assert refused.value.retry_after
    connections.close_all()


# --- Old activity -----------------------------------------------------------------------------------------------------


def test_old_activity_cleared_away_by_two_while_events_are_written(people, origin, monkeypatch):
    """Each event goes once, and each step has one event of its own; what is written meanwhile stays."""
    monkeypatch.setattr(retention, "AT_ONCE", 4)
    noor, before, there = people["noor"], timezone.now(), AuditEvent.objects.filter(account_id=ACME).count()

    def trim() -> int:
        return retention.trim(ACME, before=before, origin=origin)

    def write() -> None:
        audit.record_refusal("console.refused", actor=noor, subject=noor, origin=origin, details={})

    ((one, other, written),) = at_once(trim, trim, write)

    assert not errors([one, other, written])
    assert one + other == there
    assert AuditEvent.objects.filter(account_id=ACME, action="console.refused").count() == 1
    assert AuditEvent.objects.filter(account_id=ACME, action="activity.trimmed").count() == -(-there // 4)
    assert_sound()
