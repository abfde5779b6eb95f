"""What proves an identity once, used by many at the same moment: real threads, on whichever database the suite runs."""

from collections import Counter

import pytest
from django.utils import timezone

from accounts import audit, factors, passcodes, passkeys, passwords, resets, tokens
from accounts.models import Account, Event, Passcode, Passkey, User
from tests.conftest import ACME
from tests.threads import at_once
from tests.trail import without_triggers

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 10


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


def test_code_recovery_code_and_link_are_each_of_use_once(transactional_db, cast, origin):
    """In whichever worker: each is used up by one statement, and what is refused changes nothing."""
    member = cast["noor"]
    user, step = User.objects.get(pk=member.user_id), int(timezone.now().timestamp()) // 30
    (begun,) = at_once(*[lambda: factors.begin_passcode(by=member)] * 4)
    assert {type(answer) for answer in begun} == {passcodes.Seed}
    seed = passcodes.being_set_up(user)
    Passcode.objects.update(confirmed_at=timezone.now())
    code, (recovery, *_) = seed.code_of(step), passcodes.make_recovery_codes(user)
    (used,) = at_once(*[lambda: passcodes.use_passcode(user, code)] * TIMES)
    assert Counter(used) == {True: 1, False: TIMES - 1}
    (used,) = at_once(*[lambda: passcodes.use_recovery_code(user.pk, recovery)] * TIMES)
    assert Counter(used) == {True: 1, False: TIMES - 1}
    row = resets.make(user.email, origin)
    assert resets.bind(row)
    link, owner = resets.find(tokens.reset_token_of(row))
    numbers = iter(range(TIMES))
    (used,) = at_once(*[lambda: passwords._reset(link, owner, f"hash {next(numbers)}", origin)] * TIMES)
    assert Counter(type(answer) for answer in used) == {type(None): 1, resets.ResetGone: TIMES - 1}
    assert Event.objects.filter(action="user.password_reset", account_id=ACME).count() == 1
    assert list(audit.breaks(ACME)) == []


def test_of_the_last_two_factors_removed_at_once_one_stays_where_one_is_required(transactional_db, cast, origin):
    """Each alone may go, as long as the other is there."""
    member, now = cast["noor"], timezone.now()
    Account.objects.filter(pk=ACME).update(require_second_factor=True)
    for _ in range(5):
        factors.begin_passcode(by=member)
        Passcode.objects.update(confirmed_at=now)
        passkey = Passkey.objects.create(
            user=member.user, credential_id=b"1", public_key=b"1", sign_count=0, name="A key", created_at=now
        )
        (answers,) = at_once(
            lambda: factors.remove_passcode(by=member, origin=origin),
            lambda passkey=passkey: passkeys.remove(passkey, by=member, origin=origin),
        )
        assert Counter(type(answer) for answer in answers) == {type(None): 1, factors.FactorRefused: 1}
        assert passcodes.has_one(member.user_id)
        for model in (Passcode, Passkey):
            model.objects.all().delete()
    assert list(audit.breaks(ACME)) == []
