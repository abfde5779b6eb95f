"""The methods through the whole interface, over both transports: what is sent, byte by byte where it counts."""

from typing import Any

import pytest

from accounts.models import Account, Event, Member
from console.middleware import ALWAYS
from keys.api import answers, records
from keys.api.application import ApiApplication
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.keys.api.calling import Reply, Wire, document, headed
from tests.keys.calls import basic, django

USER, KEY = "SoftLayer_User_Customer", "SoftLayer_User_Customer_ApiAuthentication"


class Client:
    """One caller, over either transport."""

    def __init__(self, name: str, value: str) -> None:
        self.name, self.value, self.wire = f"1234567_{name}@acme.example", value, Wire()
        self.wire.application = ApiApplication(django, headers=ALWAYS)

    def rest(self, address: str, body: str = "", verb: str = "GET", **headers: str) -> Reply:
        headers = {"Authorization": basic(self.name, self.value), **headers}
        return self.wire.rest(verb, address, body, headers=headers)

    def xmlrpc(self, service: str, method: str, *arguments: Any, **members: Any) -> Reply:
        return self.wire.xmlrpc(service, document(method, headed(self.name, self.value, **members), *arguments))


@pytest.fixture
def client(cast, value_of) -> Any:
    return lambda name: Client(name, value_of(name))


def as_sent(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    """All that a client can tell apart: the id of each request is another one."""
    headers = dict(reply.headers)
    assert headers.pop("X-Request-ID")
    return reply.status, headers, reply.body


def test_users_over_both_transports(client, cast) -> None:
    marcus = client("marcus")
    over_rest = marcus.rest(
        "SoftLayer_Account/getUsers.json?objectMask=mask[id,userStatus[name],roles]&resultLimit=1,3"
    )
    limits = {
        "SoftLayer_ObjectMask": {"mask": "mask[id,userStatus[name],roles]"},
        "resultLimit": {"limit": 3, "offset": 1},
    }
    over_xmlrpc = marcus.xmlrpc("SoftLayer_Account", "getUsers", **limits)
    assert over_rest.json == over_xmlrpc.xml
    assert [user["id"] for user in over_rest.json] == [cast[name].pk for name in ("marcus", "priya", "noor")]
    for reply in (over_rest, over_xmlrpc):
        assert reply.headers["SoftLayer-Total-Items"] == "8"
    assert over_xmlrpc.is_list_for_go


@pytest.mark.parametrize("short", ["Users", "getUsers", "getUsers.json", "Users.json"])
def test_names_as_java_shortens_them(client, short: str) -> None:
    reply = client("priya").rest(f"SoftLayer_Account/{short}", **{"SoftLayer-Include-Types": "true"})
    assert len(reply.json) == 8
    assert reply.body.startswith(b'[{"complexType":"SoftLayer_User_Customer"')


def test_hidden_and_nothing_are_the_same_bytes(client, cast, key_of) -> None:
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    marcus, user, key = client("marcus"), cast["dmitri"].pk, key_of("dmitri").pk
    init = {"InitParameters": {"id": user}}

    def everything() -> list[Any]:
        replies = [
            marcus.rest(f"{USER}/{user}.json"), marcus.rest(f"{USER}/{user}/getParent"),
            marcus.rest(f"{USER}/{user}/addApiAuthenticationKey"), marcus.rest(f"{KEY}/{key}"),
            marcus.rest(f"{KEY}/{key}", '{"parameters":[{"ipAddressRestriction":"10.0.0.1"}]}', "PUT"),
            marcus.rest(f"{USER}/removeApiAuthenticationKey", f'{{"parameters":[{key}]}}', "POST"),
            marcus.rest(f"{USER}/{user}/editObject", '{"parameters":[{"userStatusId":1005}]}', "POST"),
            marcus.xmlrpc(USER, "getObject", **{f"{USER}{name}": value for name, value in init.items()}),
            marcus.xmlrpc(USER, "removeApiAuthenticationKey", key),
        ]  # fmt: skip
        assert {reply.status for reply in replies[:7]} == {404}
        return [as_sent(reply) for reply in replies]

    before, events = everything(), Event.objects.count()
    ClassicKey.objects.filter(pk=key).delete()
    Member.objects.filter(pk=user).delete()
    assert everything() == before
    assert Event.objects.count() == events


def test_key_is_made_by_a_get_and_removed_by_its_number(client, cast, key_of) -> None:
    marcus, berlin = client("marcus"), cast["berlin"].pk
    for number in [key_of("berlin").pk]:
        assert marcus.xmlrpc(USER, "removeApiAuthenticationKey", number).xml is True
    made = marcus.rest(f"{USER}/{berlin}/addApiAuthenticationKey.json")
    assert (made.status, len(made.json)) == (200, 64)
    assert made.headers["Cache-Control"] == "no-store"
    again = marcus.rest(f"{USER}/{berlin}/addApiAuthenticationKey.json")
    assert again.status == 500
    assert again.fault == ("SoftLayer_Exception_Public", "Each user can only have a single API key.")
    event = Event.objects.filter(action="classic_key.created").latest("number")
    assert (event.request_id, event.address) == (made.headers["X-Request-ID"], "127.0.0.1")


def test_refusal_is_recorded_with_the_request(client, cast, key_of) -> None:
    reply = client("priya").rest(f"{KEY}/{key_of('priya').pk}", '{"parameters":[{"ipAddressRestriction":""}]}', "PUT")
    assert reply.fault == (
        "SoftLayer_Exception_PermissionDenied",
        "You can restrict your own key only while user-managed login is on for you.",
    )
    event = Event.objects.latest("pk")
    assert (event.action, event.outcome, event.actor_id) == ("permission.refused", "refused", cast["priya"].pk)
    assert event.request_id == reply.headers["X-Request-ID"]


def test_own_value_goes_out_where_it_is_named(client, cast, value_of) -> None:
    mask = "objectMask=apiAuthenticationKeys[authenticationKey]"
    for name, owner in (("marcus", "marcus"), ("marcus", "priya"), ("olivia", "marcus")):
        reply = client(name).rest(f"{USER}/{cast[owner].pk}?{mask}")
        assert reply.json["apiAuthenticationKeys"] == (
            [{"authenticationKey": value_of(name)}] if name == owner else [{}]
        )
    assert value_of("marcus").encode() not in client("marcus").rest(f"{USER}/{cast['marcus'].pk}").body


def test_long_list_is_sent_whole_and_what_is_too_much_is_a_fault(client, monkeypatch) -> None:
    for module in (answers, records):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
        monkeypatch.setattr(module, "MOST_BELOW", 6)
    marcus = client("marcus")
    for reply in (marcus.rest("SoftLayer_Account/getUsers?objectMask=id"), marcus.rest("SoftLayer_Account/getUsers")):
        assert len(reply.json) == 8
        assert reply.headers["SoftLayer-Total-Items"] == "8"
    assert len(marcus.xmlrpc("SoftLayer_Account", "getUsers").xml) == 8
    for reply in (
        marcus.rest("SoftLayer_Account/getUsers?objectMask=childUsers"),
        marcus.xmlrpc("SoftLayer_Account", "getUsers", SoftLayer_ObjectMask={"mask": "childUsers"}),
    ):
        assert reply.fault[0] == "SoftLayer_Exception_Public"
        assert "more than 6 records" in reply.fault[1]
        assert "SoftLayer-Total-Items" not in reply.headers
