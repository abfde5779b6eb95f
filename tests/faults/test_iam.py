"""A fault at any statement of a call of an IBM Cloud client: it is told so, and what was done was done whole."""

import pytest
from django.db import OperationalError, transaction

from accounts import audit
from keys import usage
from keys.models import PlatformKey
from tests.conftest import ACME
from tests.faults.failing import MOST_STATEMENTS, Broken, failing, stored
from tests.keys.iam.asking import KEYS, USERS, Iam
from tests.trees import make_platform_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("kind", [OperationalError, Broken])
def test_fault_at_any_statement_of_a_call_is_told_and_leaves_nothing_half_done(
    transactional_db, load_cast, kind, monkeypatch
):
    monkeypatch.setattr(usage, "collector", usage.Collector())
    people = load_cast()
    own, key = make_platform_key(people["priya"], "Own"), make_platform_key(people["priya"], "Key")
    priya, address = Iam.of(own, own.value), f"{KEYS}/{key.record_id}"
    calls = [
        lambda: priya.ask_token(own.value),
        lambda: priya("GET", f"{KEYS}?pagesize=1"),
        lambda: priya("GET", f"{KEYS}/details", headers={"IAM-ApiKey": key.value}),
        lambda: priya("GET", f"{USERS}?limit=1&search=email:acme"),
        lambda: priya("GET", f"{KEYS}?scope=account"),
        lambda: priya("GET", f"{USERS}/IBMid-{people['marcus'].pk}/settings"),
        lambda: priya("POST", KEYS, {"name": "New"}),
        lambda: priya("PUT", address, {"name": "Other"}, headers={"If-Match": "*"}),
        lambda: priya("POST", f"{address}/lock"),
        lambda: priya("DELETE", f"{address}/lock"),
        lambda: priya("DELETE", address),
    ]
    done = []
    for place, call in enumerate(calls):
        for number in range(1, MOST_STATEMENTS):
            before = stored()
            with failing(number, kind) as has_failed:
                reply = call()
            if not has_failed:
                break
            where = f"call {place}, statement {number}: {has_failed[0]}"
            assert reply.status == (503 if kind is OperationalError else 500), where
            assert stored() == before, where
        assert 1 < number < MOST_STATEMENTS - 1, place
        after = stored()
        done.append({table for table in after if after[table] != before[table]} - {"Event", "AuditChain", "Mail"})
        assert (after["Event"] != before["Event"]) is (place > 3), place
    assert done == [set()] * 6 + [{"PlatformKey"}] * 5
    assert not PlatformKey.objects.filter(pk=key.pk).exists()
    with transaction.atomic():
        assert list(audit.breaks(ACME)) == []
