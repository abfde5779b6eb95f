"""Simultaneous calls of the SoftLayer-compatible interface: clients repeat a GET by themselves."""

from collections import Counter

import pytest

from accounts import audit
from accounts.models import Event
from keys import events
from keys.api.faults import Fault
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.keys.api.calling import ask, caller_of, not_found
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_calls_to_add_make_one_key(people, collector) -> None:
    ClassicKey.objects.filter(holder=people["berlin"]).delete()
    marcus = caller_of(people["marcus"])

    def add() -> object:
        return ask(marcus, "User_Customer::addApiAuthenticationKey", people["berlin"].pk)

    (answers,) = at_once(*[add] * 6)
    values = [answer for answer in answers if isinstance(answer, str)]
    assert len(values) == 1
    refusals = {str(answer) for answer in answers if not isinstance(answer, str)}
    assert refusals == {"Each user can only have a single API key."}
    assert ClassicKey.objects.filter(holder=people["berlin"]).count() == 1


def test_many_calls_to_remove_remove_once(people, collector) -> None:
    marcus, key = caller_of(people["marcus"]), ClassicKey.objects.get(holder=people["priya"]).pk
    (answers,) = at_once(*[lambda: ask(marcus, "User_Customer::removeApiAuthenticationKey", None, key)] * 6)
    assert answers.count(True) == 1
    gone = {str(answer) for answer in answers if answer is not True}
    assert gone == {not_found(key).text}


def test_everything_at_once_leaves_one_key_or_none_and_an_event_for_each_change(people, collector) -> None:
    """Made, deleted, restricted and looked at: each call is answered as if it came before or after the others."""
    marcus, berlin = caller_of(people["marcus"]), people["berlin"].pk
    by_key = {"users": {"apiAuthenticationKeys": {"id": {"operation": "not null"}}}}
    before = Event.objects.count()

    def add() -> object:
        return ask(marcus, "User_Customer::addApiAuthenticationKey", berlin)

    def remove() -> object:
        (key,) = ask(marcus, "User_Customer::getApiAuthenticationKeys", berlin, mask="id") or [{"id": 0}]
        return ask(marcus, "User_Customer::removeApiAuthenticationKey", None, key["id"])

    def restrict() -> object:
        (key,) = ask(marcus, "User_Customer::getApiAuthenticationKeys", berlin, mask="id") or [{"id": 0}]
        text = {"ipAddressRestriction": f"10.0.{key['id'] % 250}.0/24"}
        return ask(marcus, "User_Customer_ApiAuthentication::editObject", key["id"], text)

    def look() -> object:
        mask = "id,apiAuthenticationKeyCount,apiAuthenticationKeys[id,authenticationKey,user[id]]"
        return ask(marcus, "Account::getUsers", mask=mask, object_filter=by_key)

    for _ in range(3):
        (answers,) = at_once(*[add, remove, restrict, look] * 3)
        refusals = [answer for answer in answers if isinstance(answer, Exception)]
        assert all(isinstance(refusal, Fault) for refusal in refusals), refusals
        for listed in answers[3::4]:
            values = [key for user in listed for key in user["apiAuthenticationKeys"] if "authenticationKey" in key]
            assert [key["user"]["id"] for key in values] == [marcus.member.pk]
    happened = Counter(Event.objects.order_by("pk")[before:].values_list("action", flat=True))
    assert set(happened) <= {events.CREATED, events.DELETED, events.RESTRICTED}
    left = ClassicKey.objects.filter(holder=berlin).count()
    assert 1 + happened[events.CREATED] - happened[events.DELETED] == left <= 1
    assert list(audit.breaks(ACME)) == []
