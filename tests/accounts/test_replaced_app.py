"""Another authenticator app in place of the one whose codes count: that one goes when the new one is confirmed."""

import re

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts import passcodes
from accounts.models import Account, Event, Mail, Passcode, RecoveryCode
from console import demo
from tests.accounts.factor_steps import App, actions, give_code, give_password, is_open, set_up, shown, text_of
from tests.conftest import ACME, BOREALIS
from tests.visitors import noting_writes, visitor

pytestmark = pytest.mark.django_db

REPLACE, SECURITY = "/user/security/passcode/replace", "/user/security"


@pytest.fixture
def noor(cast, clock) -> tuple[Client, App, list[str]]:
    """Noor's browser, her app, and her recovery codes."""
    client = visitor(cast["noor"])
    return (client, *set_up(client, clock))


def test_old_app_counts_until_a_code_of_the_new_one_and_not_any_more(cast, clock, noor):
    client, old, old_codes = noor
    elsewhere = give_password()
    assert give_code(elsewhere, old.code())
    clock(seconds=60)
    assert f'href="{REPLACE}" data-dialog>Replace the app' in text_of(client.get(SECURITY))
    with noting_writes() as written:
        assert "Codes from your current app work until" in text_of(client.get(REPLACE))
    assert not written
    page = client.post(REPLACE)
    new = App(shown(page), clock)
    assert f'action="{REPLACE}"' in text_of(page)
    # The new one does not count yet, and the old one does.
    assert not give_code(give_password(), new.code())
    assert give_code(give_password(), old.code())
    clock(seconds=60)
    wrong = client.post(REPLACE, {"code": old.code()})
    assert "This code is wrong." in text_of(wrong)
    assert shown(wrong) == shown(page)
    answer = client.post(REPLACE, {"code": new.code()})
    new_codes = shown(answer).split("\n")
    assert len(set(new_codes) - set(old_codes)) == 10
    clock(seconds=60)
    assert [is_open(client), is_open(elsewhere)] == [True, False]
    for code in (old.code(), old_codes[0]):
        assert not give_code(give_password(), code)
    assert give_code(give_password(), new.code())
    assert give_code(give_password(), new_codes[0])
    replaced = Event.objects.filter(action="user.passcode_replaced")
    assert [event.account_id for event in replaced] == [ACME, BOREALIS]
    assert Mail.objects.filter(recipient="noor@acme.example", event__action="user.passcode_replaced").count() == 1
    assert (Passcode.objects.count(), actions("user.passcode_removed")) == (1, 0)


def test_lost_app_is_replaced_after_a_recovery_code_where_a_factor_is_required(cast, clock, noor):
    """Without adding a passkey first, and without a moment in which there is no factor."""
    _, _, codes = noor
    Account.objects.filter(pk=ACME).update(require_second_factor=True)
    clock(minutes=10)
    client = give_password()
    said = client.post("/login/code?next=/user/security", {"code": codes[0]}, follow=True)
    assert "replace the app or remove the passkey under Login security" in text_of(said)
    new = App(shown(client.post(REPLACE)), clock)
    assert passcodes.is_on(cast["noor"].user_id)
    assert "Recovery codes" in text_of(client.post(REPLACE, {"code": new.code()}))
    clock(seconds=60)
    assert give_code(give_password(), new.code())


def test_replacing_takes_a_proof_that_no_recovery_code_is(cast, clock, noor):
    client, old, codes = noor
    clock(minutes=6)
    for proof in ({}, {"proof_code": codes[0]}, {"proof_code": "123456"}, {"password": "no"}, {"code": old.code()}):
        asked = client.post(REPLACE, proof)
        assert "Confirm that it is you" in text_of(asked), proof
        assert "data-value-text" not in text_of(asked)
    assert (Passcode.objects.count(), RecoveryCode.objects.filter(used_at=None).count()) == (1, 10)
    new = App(shown(client.post(REPLACE, {"password": demo.PASSWORD})), clock)
    clock(minutes=6)  # the answer may be as late as anything else
    assert "Confirm that it is you" in text_of(client.post(REPLACE, {"code": new.code()}))
    assert give_code(give_password(), old.code())


def test_seed_of_a_replacement_turns_nothing_on_and_one_of_a_beginning_replaces_nothing(cast, clock, noor):
    client, old, _ = noor
    new = App(shown(client.post(REPLACE)), clock)
    assert client.post("/user/security/passcode", {"code": new.code()})["Location"] == SECURITY
    assert "Replace the app to set up another." in text_of(client.get(SECURITY))
    assert give_code(give_password(), old.code())
    clock(seconds=60)
    assert client.post("/user/security/passcode/remove").status_code == 302
    assert not Passcode.objects.exists()  # the one that was begun neither
    for sent in ({}, {"code": new.code()}):
        assert client.post(REPLACE, sent)["Location"] == SECURITY
        assert "One-time passcodes are off. Set them up instead." in text_of(client.get(SECURITY))
    begun = App(shown(client.post("/user/security/passcode")), clock)
    assert client.post(REPLACE, {"code": begun.code()})["Location"] == SECURITY
    assert not passcodes.is_on(cast["noor"].user_id)
    assert not re.search("Replace the app</a>", text_of(client.get(SECURITY)))


def test_user_has_one_seed_that_counts_and_one_that_is_begun_at_most(cast, noor):
    user, now = cast["noor"].user, timezone.now()
    passcodes.begin(user)
    passcodes.begin(user)
    assert Passcode.objects.count() == 2
    for confirmed_at in (now, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            Passcode.objects.create(
                user=user, sealed_seed=b"1", ring_key_id="1", created_at=now, confirmed_at=confirmed_at
            )
