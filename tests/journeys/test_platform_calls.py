"""Calls with IBM Cloud API keys: ``slcli`` and the Python library as ``apikey``, and an API behind a real nginx."""

import json

import pytest
import SoftLayer
from SoftLayer.auth import BasicHTTPAuthentication
from SoftLayer.transports import XmlRpcTransport

from tests.journeys.clients import A_VALUE, ADDRESSES, DENIED, Login, Slcli, failure, library
from tests.journeys.live import LiveServer
from tests.journeys.nginx import needs_nginx, running_nginx
from tests.journeys.visit import verify
from tests.keys.calls import basic

pytest_plugins = ["tests.journeys.callers"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("platform-calls")]

ADDED = "Successfully added. New API Authentication Key: "
REMOVED = "Successfully removed API authentication key"
CLIENT, OFFICE = "127.0.0.9", "127.0.0.5"

_CREATE = """
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.platform.lifecycle import Description, create_platform_key
member = Member.objects.get(user__email="{name}@acme.example", account_id=1234567)
_, value = create_platform_key(description=Description("{name}'s"), by=member, origin=COMMAND_LINE)
print(value.text)
"""
_OF_PRIYA = """
from accounts.models import Account, Member
from keys.models import ClassicKey, KeptRestriction, PlatformKey
members = Member.objects.filter(user__email="priya@acme.example", account_id=1234567)
keys = PlatformKey.objects.filter(holder__in=members, name="priya's")
"""


def platform_login(server: LiveServer, name: str) -> Login:
    """Create an IBM Cloud API key of somebody in the demo; how clients call with it."""
    return Login("apikey", server.run(_CREATE.format(name=name)).strip())


@pytest.fixture
def command(restored, transport, tmp_path):
    """A function that returns ``slcli`` as somebody has set it up with a new IBM Cloud API key."""

    def command(name: str) -> Slcli:
        folder = tmp_path / name
        folder.mkdir()
        return Slcli(folder, restored.url + ADDRESSES[transport], platform_login(restored, name))

    return command


# --- slcli ------------------------------------------------------------------------------------------------------------


def test_setup_with_a_key_tries_it_and_writes_it(restored, people, transport, tmp_path):
    slcli, login = Slcli(tmp_path, restored.url), platform_login(restored, "priya")
    answer = slcli("setup", form="raw", typed=[restored.url + ADDRESSES[transport], *login, "20", "dark", "y"])
    assert answer.status == 0
    assert f"api_key = {login.value}" in slcli.config.read_text().splitlines()
    assert slcli("call-api", "Account", "getCurrentUser", "--mask=id").value == {"id": people.users["priya"]}


def test_caller_is_the_user_with_the_users_rights(command, people, transport):
    marcus, priya = command("marcus"), command("priya")
    assert len(marcus("user", "list").value) == 8
    assert marcus("user", "detail", people.users["priya"]).value["APIKEY"] == "Yes"
    assert marcus("user", "detail", people.users["olivia"]).value["APIKEY"] == "No"
    answer = priya("user", "edit-details", people.users["sam"], "-t", '{"userStatusId": 1005}')
    assert answer.text.startswith(
        f"SoftLayerAPIError({500 if transport == 'rest' else 'SoftLayer_Exception_PermissionDenied'}): "
    )


def test_user_detail_with_keys_never_shows_the_value_of_the_call(command, people):
    answer = command("priya")("user", "detail", people.users["priya"], "--keys")
    assert answer.value["APIKEY"] is None
    assert "ktp_" not in answer.text


def test_apikey_refresh_of_oneself_works(restored, command, people):
    """With the classic key it ends halfway, because the first call removes what the second one is made with."""
    removed, added = command("priya")("user", "apikey", people.users["priya"], "--refresh", form="raw").lines
    value = added.removeprefix(ADDED)
    assert removed == REMOVED
    assert A_VALUE.fullmatch(value)
    assert verify(restored, people.logins["priya"].name, value) == 204
    assert verify(restored, *people.logins["priya"]) == 401


def test_apikey_add_for_oneself_works_where_there_is_none(restored, command, people, transport):
    noor = command("noor")
    (added,) = noor("user", "apikey", people.users["noor"], "--add", form="raw").lines
    assert verify(restored, "1234567_noor@acme.example", added.removeprefix(ADDED)) == 204
    assert noor("user", "apikey", people.users["noor"], "--add", form="raw").whole == failure(
        transport, 500, "SoftLayer_Exception_Public", "Each user can only have a single API key."
    )


@pytest.mark.parametrize(
    "change",
    [
        "keys.update(is_enabled=False)",
        "keys.update(expires_at='2026-01-01T00:00:00Z')",
        "members.update(status='suspended')",
        "members.update(status='disabled_classic')",
        "ClassicKey.objects.filter(holder__in=members).update(allowed_addresses='192.0.2.1')",
        "ClassicKey.objects.filter(holder__in=members).delete()\n"
        "KeptRestriction.objects.create(holder=members.get(), allowed_addresses='192.0.2.1')",
        "Account.objects.filter(pk=1234567).update(allowed_addresses='192.0.2.1')",
        "keys.delete()",
    ],
)
def test_refusal_says_the_same_whatever_the_reason(restored, command, change):
    slcli = command("priya")
    assert slcli("account", "summary").status == 0
    restored.run(_OF_PRIYA + change)
    assert slcli("account", "summary").whole == (1, [DENIED])


def test_user_who_does_not_work_in_the_account_is_told_so(restored, command, transport):
    """Their key is for calling with: it is good, but opens nothing here."""
    slcli = command("priya")
    restored.run(_OF_PRIYA + "members.update(status='invalid')")
    answer = slcli("user", "list")
    assert answer.whole == failure(
        transport,
        500,
        "SoftLayer_Exception_PermissionDenied",
        "Your status in this account is Invalid, which allows nothing here.",
    )


# --- The Python library -----------------------------------------------------------------------------------------------

USER = "SoftLayer_User_Customer"


def clients(server: LiveServer, login: Login) -> dict[str, SoftLayer.API.BaseClient]:
    """The library in each way in which it can send the pair."""
    address = server.url + ADDRESSES["xmlrpc"]
    by_header = SoftLayer.API.BaseClient(
        auth=BasicHTTPAuthentication(*login), transport=XmlRpcTransport(endpoint_url=address, timeout=30)
    )
    by_header.transport.client.trust_env = False
    return {name: library(server.url, name, login) for name in ADDRESSES} | {"xmlrpc, Basic": by_header}


def test_library_calls_as_the_user_in_every_way(restored, people):
    for way, client in clients(restored, platform_login(restored, "marcus")).items():
        user = client["Account"].getCurrentUser(mask="id,username")
        assert user == {"id": people.users["marcus"], "username": "1234567_marcus@acme.example"}, way
        assert len(client.call("Account", "getUsers", mask="mask[id]")) == 8, way


def test_library_never_gets_the_value_of_the_call_as_a_classic_one(restored, people):
    """The keys of both kinds have numbers, and these may be the same."""
    number = people.keys["priya"]
    login = platform_login(restored, "priya")
    restored.run(_OF_PRIYA + f"PlatformKey.objects.filter(id={number}).delete()\nkeys.update(id={number})")
    for way, client in clients(restored, login).items():
        keys = client.call(
            USER, "getApiAuthenticationKeys", id=people.users["priya"], mask="mask[id,authenticationKey]"
        )
        assert keys == [{"id": number}], way
        user = client["Account"].getCurrentUser(mask="apiAuthenticationKeys[authenticationKey]")
        assert "ktp_" not in str(user), way


def test_event_of_a_change_names_the_user_as_for_classic_keys(restored, people):
    found = []
    for login in (people.logins["marcus"], platform_login(restored, "marcus")):
        client = library(restored.url, "rest", login)
        client[USER].editObject({"userStatusId": 1005}, id=people.users["priya"])
        client[USER].editObject({"userStatusId": 1001}, id=people.users["priya"])
        said = restored.run(
            "import json\nfrom accounts.models import Event\n"
            "last = Event.objects.filter(action='member.status_changed').order_by('-pk')[:2]\n"
            "print(json.dumps([[e.actor_id, e.actor_label, e.subject_id, e.address, e.facts] for e in last]))"
        )
        found.append(json.loads(said))
    assert found[0] == found[1]
    assert found[0][0][:2] == [people.users["marcus"], "Marcus Lindqvist <marcus@acme.example>"]


# --- An API behind nginx ----------------------------------------------------------------------------------------------


@pytest.fixture
def nginx(start_live, tmp_path):
    """The real nginx as docs/verification.md sets it up, with a Keytree that believes it."""
    keytree = start_live(KEYTREE_TRUSTED_PROXIES="127.0.0.1")
    with running_nginx(tmp_path, keytree.port) as nginx:
        nginx.keytree = keytree
        yield nginx


@needs_nginx
def test_call_arrives_as_its_users_and_not_without_a_key_that_works(nginx):
    keytree = nginx.keytree
    good = "Authorization", basic(*platform_login(keytree, "priya"))
    assert nginx.call("/orders", good, source=CLIENT).status == 200
    (call,) = nginx.api.received
    assert call.header("X-Keytree-Account") == ["1234567"]
    assert call.header("X-Keytree-Username") == ["1234567_priya@acme.example"]
    assert call.header("X-Keytree-User") == ["priya@acme.example"]
    assert call.header("Authorization") == []
    taken = [
        ("keys.update(is_enabled=False)", "keys.update(is_enabled=True)"),
        ("keys.update(expires_at='2026-01-01T00:00:00Z')", "keys.update(expires_at=None)"),
        ("members.update(status='suspended')", "members.update(status='active')"),
        ("keys.delete()", ""),
    ]
    for take, give in taken:
        assert nginx.call("/orders", good, source=CLIENT).status == 200
        keytree.run(_OF_PRIYA + take)
        refused = nginx.call("/orders", good, source=CLIENT)
        assert refused.status == 401, take
        assert refused.headers["www-authenticate"] == 'Basic realm="Keytree", charset="UTF-8"'
        keytree.run(_OF_PRIYA + give)
    assert len(nginx.api.received) == 1 + len(taken)


@needs_nginx
def test_restriction_of_the_classic_key_is_about_the_client_and_not_about_nginx(nginx):
    keytree = nginx.keytree
    good = "Authorization", basic(*platform_login(keytree, "priya"))
    keytree.run(_OF_PRIYA + f"ClassicKey.objects.filter(holder__in=members).update(allowed_addresses='{OFFICE}')")
    assert nginx.call("/orders", good, source=OFFICE).status == 200
    forged = ("X-Forwarded-For", OFFICE)
    assert nginx.call("/orders", good, forged, source=CLIENT).status == 401
    keytree.stop()  # writes out what it has noted
    told = keytree.run(
        "from accounts.models import Event\n"
        "for event in Event.objects.filter(action='platform_key.call_refused'):\n"
        "    print(event.address, event.facts['name'], event.facts['count'], event.facts['why'])"
    )
    assert told.splitlines() == [f"{CLIENT} priya's 1 the user's address restriction for classic infrastructure"]
    used = keytree.run(_OF_PRIYA + "print(keys.get().last_used_from)")
    assert used.strip() == OFFICE
