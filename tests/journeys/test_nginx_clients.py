"""Clients of SoftLayer's API by https, through a real nginx as docs/operations.md sets it up."""

import re

import pytest
import SoftLayer

from tests.journeys.clients import ADDRESSES, Cast, cast_of, library
from tests.journeys.live import LiveServer
from tests.journeys.nginx import CONFIGURATION, needs_nginx, nginx_before_the_console, running_nginx
from tests.keys.calls import basic

pytestmark = [
    pytest.mark.sqlite_only,
    pytest.mark.xdist_group("nginx-clients"),
    needs_nginx,
]

PROXY = "127.0.0.1"
#: More than nginx or a worker holds at a time.
MANY = """
from accounts.models import Member, User
from accounts.new_members import add_member
from accounts.enums import MemberStatus
from accounts.origin import COMMAND_LINE
from django.db import transaction
parent = Member.objects.select_related("user", "account").get(user__email="priya@acme.example")
with transaction.atomic():
    for number in range(300):
        user = User.objects.create_user(f"user{number}@acme.example", f"User {number}", None)
        add_member(parent=parent, user=user, status=MemberStatus.VPN_ONLY, permissions=0, origin=COMMAND_LINE)
"""


@pytest.fixture(scope="module")
def keytree(start_shared) -> LiveServer:
    """A Keytree that believes the nginx in front of it, and nobody else."""
    return start_shared(KEYTREE_TRUSTED_PROXIES=PROXY)


@pytest.fixture(scope="module")
def people(keytree) -> Cast:
    """The people of its demo."""
    return cast_of(keytree)


@pytest.fixture
def client(keytree, people, tmp_path):
    """A function that returns somebody's client, which calls nginx in front of the console."""
    with nginx_before_the_console(tmp_path, keytree.port) as (port, certificate):
        url = f"https://127.0.0.1:{port}"
        yield lambda name, transport: library(url, transport, people.logins[name], verify=str(certificate))


@pytest.mark.parametrize("transport", ADDRESSES)
def test_calls_arrive_with_credentials_masks_filters_and_bodies(client, people, transport):
    caller = client("marcus", transport)
    many = [f"user{number}@acme.example" for number in range(100)]
    one_of = {"operation": "in", "options": [{"name": "data", "value": [*many, "noor@acme.example"]}]}
    found = caller.call("Account", "getUsers", mask="mask[id, userStatus[name]]", filter={"users": {"email": one_of}})
    assert (list(found), found.total_count) == ([{"id": people.users["noor"], "userStatus": {"name": "Active"}}], 1)
    record = caller["User_Customer_ApiAuthentication"].editObject(
        {"ipAddressRestriction": ",".join(f"10.0.{number}.0/24" for number in range(100))}, id=people.keys["berlin"]
    )
    assert record["ipAddressRestriction"].count(",") == 99
    with pytest.raises(SoftLayer.SoftLayerAPIError, match="Unable to find object with id of '99999999'"):
        caller["User_Customer"].getObject(id=99_999_999)


@pytest.mark.parametrize("transport", ADDRESSES)
def test_restriction_is_about_the_client_and_not_about_nginx(keytree, people, client, transport):
    about = f"from keys.models import ClassicKey\nkeys = ClassicKey.objects.filter(pk={people.keys['priya']})\n"
    caller = client("priya", transport)
    keytree.run(about + "keys.update(allowed_addresses='127.0.0.1')")
    assert caller["Account"].getCurrentUser(mask="email") == {"email": "priya@acme.example"}
    keytree.run(about + "keys.update(allowed_addresses='192.0.2.1')")
    with pytest.raises(SoftLayer.SoftLayerAPIError, match="Invalid API token"):
        caller["Account"].getCurrentUser(mask="email")
    keytree.run(about + "keys.update(allowed_addresses='')")


def test_list_of_many_arrives_whole(keytree, client):
    keytree.run(MANY)
    for transport in ADDRESSES:
        caller = client("olivia", transport)
        found = caller.call("Account", "getUsers", mask="mask[id,username,parent[username],userStatus,permissions]")
        assert len(found) == found.total_count == 308
        assert len({user["id"] for user in found}) == 308
        assert len(caller.cf_call("Account", "getUsers", mask="mask[id]", limit=20)) == 308


@pytest.mark.parametrize("transport", ADDRESSES)
def test_clients_may_call_by_the_address_of_the_guarded_api_too(keytree, people, transport, tmp_path):
    """With the location that docs/verification.md adds for them; all else goes to the API as before."""
    page = CONFIGURATION.with_name("verification.md").read_text()
    location = re.search(r"^```nginx\n(location ~ \^/\(rest\|xmlrpc\)/ .+?)^```", page, re.MULTILINE | re.DOTALL)[1]
    with running_nginx(tmp_path, keytree.port, location) as nginx:
        url = f"https://127.0.0.1:{nginx.port}"
        caller = library(url, transport, people.logins["marcus"], verify=str(nginx.certificate))
        assert caller["Account"].getCurrentUser(mask="email") == {"email": "marcus@acme.example"}
        assert nginx.api.received == []
        wrong = basic(people.logins["marcus"].name, "0" * 64)
        for path, status in (("/rest/v3.1/SoftLayer_Account.json", 401), ("/orders", 401)):
            assert nginx.call(path, ("Authorization", wrong)).status == status
        assert nginx.call("/orders", ("Authorization", basic(*people.logins["marcus"]))).status == 200
        assert [call.path for call in nginx.api.received] == ["/orders"]
