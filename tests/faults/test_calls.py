"""A fault at any statement of a call of a SoftLayer client: clients are told so, and what was done was done whole."""

import json
from typing import Any

import pytest
from django.db import OperationalError, transaction

from accounts import audit
from accounts.models import Account, AttemptCount, Member
from console import demo
from console.middleware import ALWAYS
from keys import material, usage
from keys.api.application import ApiApplication
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.faults.failing import MOST_STATEMENTS, Broken, failing, stored
from tests.keys.api.calling import Reply, document, headed, send
from tests.keys.calls import basic, django

pytestmark = pytest.mark.django_db(transaction=True)

USER, KEY = "SoftLayer_User_Customer", "SoftLayer_User_Customer_ApiAuthentication"
MASK = "mask[id,parent,childUsers,apiAuthenticationKeys[user],loginAttempts,account[userCount,masterUser]]"
VPN = {"email": "lisbon@acme.example", "userStatusId": 1022, "displayName": "Lisbon"}


@pytest.fixture
def people(transactional_db, load_cast) -> dict[str, Member]:
    return load_cast()


class Client:
    """Somebody with a key, who calls over REST or, where the address is that of a service alone, over XML-RPC."""

    def __init__(self, member: Member) -> None:
        self._application = ApiApplication(django, headers=ALWAYS)
        self._name = member.api_username
        self._value = material.take(ClassicKey.objects.get(holder=member)).text

    def call(self, address: str, *arguments: Any) -> Reply:
        body = json.dumps({"parameters": arguments}) if arguments else ""
        header = {"Authorization": basic(self._name, self._value)}
        verb = "POST" if arguments else "GET"
        return send(self._application, verb, f"/rest/v3.1/{address}", body, headers=header)

    def call_by_xml(self, service: str, method: str, **members: Any) -> Reply:
        sent = document(method, headed(self._name, self._value, **members))
        return send(self._application, "POST", f"/xmlrpc/v3.1/{service}", sent)


@pytest.mark.parametrize("kind", [OperationalError, Broken])
def test_fault_at_any_statement_of_a_call_is_told_and_leaves_nothing_half_done(people, kind, monkeypatch):
    monkeypatch.setattr(usage, "collector", usage.Collector())
    priya, noor, berlin, marcus = (people[name] for name in ("priya", "noor", "berlin", "marcus"))
    of = {name: ClassicKey.objects.get(holder=people[name]).pk for name in ("priya", "berlin")}
    olivia, by_marcus, by_priya = (Client(member) for member in (people["olivia"], marcus, priya))
    initial = {f"{USER}InitParameters": {"id": priya.pk}, "SoftLayer_ObjectMask": {"mask": MASK}}
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    calls = [
        lambda: by_priya.call(f"SoftLayer_Account/getUsers?objectMask={MASK}&resultLimit=2"),
        lambda: by_marcus.call_by_xml(USER, "getObject", **initial),
        lambda: by_priya.call("SoftLayer_Event_Log/getAllObjects"),
        lambda: by_priya.call(f"{USER}/{priya.pk}/getLoginAttempts"),
        lambda: by_marcus.call(f"{KEY}/{of['priya']}/editObject", {"ipAddressRestriction": "127.0.0.0/8"}),
        lambda: by_priya.call(f"{KEY}/{of['priya']}/editObject", {"ipAddressRestriction": "127.0.0.0/8"}),
        lambda: by_marcus.call(f"{USER}/{berlin.pk}/updateVpnPassword", "a long enough pass phrase"),
        lambda: by_marcus.call(f"{USER}/removeApiAuthenticationKey", of["berlin"]),
        lambda: by_marcus.call(f"{USER}/{berlin.pk}/addApiAuthenticationKey"),
        lambda: by_priya.call(f"{USER}/{noor.pk}/editObject", {"userStatusId": 1005}),
        lambda: olivia.call(f"{USER}/{noor.pk}/editObject", {"userStatusId": 1005}),
        lambda: olivia.call(f"{USER}/{noor.pk}/editObject", {"userStatusId": 1021}),
        lambda: by_marcus.call(f"{USER}/createObject", {"email": "new@acme.example"}),
        lambda: by_marcus.call(f"{USER}/createObject", VPN, None, "a long enough pass phrase"),
        lambda: by_marcus.call(f"{USER}/getPortalLoginToken", marcus.api_username, demo.PASSWORD),
    ]
    done = []
    for place, call in enumerate(calls):
        for number in range(1, MOST_STATEMENTS):
            AttemptCount.objects.all().delete()  # else there would be too many logins
            before = stored()
            with failing(number, kind) as has_failed:
                reply = call()
            if not has_failed:
                break
            where = f"call {place}, statement {number}: {has_failed[0]}"
            code, text = reply.fault
            assert code == "SoftLayer_Exception", where
            if kind is OperationalError:
                assert text == "Keytree cannot reach its database at the moment. Try again in a few seconds.", where
                assert reply.headers["Retry-After"] == "5"
            else:
                assert text.startswith("Something went wrong in Keytree."), where
            assert stored() == before, where
        assert number > 1
        assert number < MOST_STATEMENTS - 1
        after = stored()
        done.append({table for table in after if after[table] != before[table]} - {"Event", "AuditChain", "Mail"})
        assert (after["Event"] != before["Event"]) is (place > 3), place
    changed = [
        set(), set(), set(), set(), {"ClassicKey"}, set(), {"Member"}, {"ClassicKey"}, {"ClassicKey"}, set(),
        {"Member"}, {"Member"}, {"Member", "User", "Invitation"}, {"Member", "User"}, {"Member"},
    ]  # fmt: skip
    assert done == changed
    with transaction.atomic():
        assert list(audit.breaks(ACME)) == []
