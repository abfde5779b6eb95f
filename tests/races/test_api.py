"""Simultaneous calls of the SoftLayer-compatible interface: clients repeat a GET by themselves."""

import pytest

from keys.models import ClassicKey
from tests.keys.api.asking import ask, caller_of, not_found
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
