"""IBM Cloud's Python library, unmodified, pointed at a server of ours; and its requests byte for byte."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import SoftLayer
from ibm_cloud_sdk_core import ApiException, get_query_param
from ibm_cloud_sdk_core.authenticators import BearerTokenAuthenticator, IAMAuthenticator
from ibm_platform_services import IamIdentityV1, UserManagementV1
from ibm_platform_services.iam_identity_v1 import ApiKey, ApiKeyList
from ibm_platform_services.user_management_v1 import UserList, UserProfile, UserSettings, UsersPager
from SoftLayer.auth import BearerAuthentication

from tests.journeys.clients import ADDRESSES, Cast, Login, library
from tests.journeys.live import LiveServer

pytest_plugins = ["tests.journeys.callers"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("ibm-cloud-library")]

_CREATE = """
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.platform.lifecycle import Description, create_platform_key
member = Member.objects.get(user__email="{email}", account_id=1234567)
key, value = create_platform_key(description=Description("Script"), by=member, origin=COMMAND_LINE)
print(value.text)
"""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch) -> None:
    """The library asks what proxies this machine has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def value_of(restored: LiveServer) -> Callable[[str], str]:
    """A function that lets somebody have a key, and returns its value; there are no others."""
    restored.run("from keys.models import PlatformKey\nPlatformKey.objects.all().delete()")
    return lambda name: restored.run(_CREATE.format(email=f"{name}@acme.example")).strip()


@pytest.fixture
def service(restored: LiveServer, value_of) -> Callable[[str], IamIdentityV1]:
    """A function that returns the library's service as somebody with a key sets it up."""
    return lambda name: service_of(restored, value_of(name))


def service_of(server: LiveServer, value: str) -> IamIdentityV1:
    made = IamIdentityV1(authenticator=IAMAuthenticator(value, url=server.url))
    made.set_service_url(server.url)
    return made


def own_id(service: IamIdentityV1) -> str:
    """What scripts ask first: who they are, by the value of their key."""
    value = service.authenticator.token_manager.apikey
    return service.get_api_keys_details(iam_api_key=value).get_result()["iam_id"]


def failure(call: Callable[[], object]) -> tuple[int, str]:
    """Return status and text of the error that ends a call."""
    with pytest.raises(ApiException) as caught:
        call()
    return caught.value.status_code, caught.value.message


def pages(service: IamIdentityV1, **asked: object) -> Iterator[ApiKeyList]:
    """Go through a list as the library's examples do."""
    token = None
    while True:
        page = ApiKeyList.from_dict(service.list_api_keys(pagetoken=token, **asked).get_result())
        yield page
        if page.next is None:
            return
        token = get_query_param(page.next, "pagetoken")


# --- The library ------------------------------------------------------------------------------------------------------


def test_token_is_fetched_kept_and_fetched_anew_before_it_ends(restored, value_of, monkeypatch):
    manager = IAMAuthenticator(value_of("priya"), url=restored.url).token_manager
    first = manager.get_token()
    assert manager.get_token() == first
    assert (manager.expire_time - manager.refresh_time, manager.refresh_token) == (240, "not_supported")
    later = int(time.time()) + 17 * 60
    monkeypatch.setattr(manager, "_get_current_time", lambda: later)
    time.sleep(1)  # a token says its second alone
    second = manager.get_token()
    assert second != first
    assert jwt.decode(second, options={"verify_signature": False})["sub"] == "priya@acme.example"


def test_life_of_a_key_in_all_ten_calls(service):
    priya = service("priya")
    made = priya.create_api_key(
        "Build", own_id(priya), description="For CI", account_id="1234567", store_value=False, support_sessions=False,
        action_when_leaked="delete", expires_at="2037-03-14T00:00+0000", entity_lock="true", entity_disable="true",
    )  # fmt: skip
    key = ApiKey.from_dict(made.get_result())
    assert (made.get_status_code(), key.name, key.description, key.locked, key.disabled, key.expires_at) == (
        201, "Build", "For CI", True, True, "2037-03-14T00:00+0000",
    )  # fmt: skip
    assert re.fullmatch(r"ApiKey-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key.id)
    assert re.fullmatch(r"ktp_[0-9A-Za-z]{49}", key.apikey)
    for call in (priya.unlock_api_key, priya.enable_api_key, priya.disable_api_key, priya.lock_api_key):
        answer = call(key.id)
        assert (answer.get_status_code(), answer.get_result()) == (204, None)
    assert failure(lambda: priya.delete_api_key(key.id)) == (409, "This key is locked. Unlock it first.")
    assert failure(lambda: priya.get_api_keys_details(iam_api_key="x")) == (404, "API key could not be found.")
    priya.unlock_api_key(key.id), priya.enable_api_key(key.id)
    found = priya.get_api_key(key.id, include_history=True, include_activity=True)
    assert ApiKey.from_dict(found.get_result()).apikey == ""
    tag = found.get_headers()["Etag"]
    changed = priya.update_api_key(key.id, tag, name="Tests", description="", expires_at="").get_result()
    assert (changed["name"], "description" in changed, "expires_at" in changed) == ("Tests", False, False)
    stale = (409, "This key was changed in the meantime: read it again.")
    assert failure(lambda: priya.update_api_key(key.id, tag, name="Late")) == stale
    assert priya.update_api_key(key.id, changed["entity_tag"], name="Other").get_result()["name"] == "Other"
    assert priya.update_api_key(key.id, "*", name="Any").get_result()["name"] == "Any"
    assert [one["name"] for one in priya.list_api_keys(iam_id=key.iam_id).get_result()["apikeys"]] == ["Script", "Any"]
    assert priya.delete_api_key(key.id).get_status_code() == 204
    assert failure(lambda: priya.get_api_key(key.id)) == (404, "API key could not be found.")


def test_value_of_a_new_key_gets_tokens_until_the_key_is_disabled(restored, service):
    priya = service("priya")
    made = priya.create_api_key("Build", own_id(priya)).get_result()
    other = service_of(restored, made["apikey"])
    assert other.get_api_key(made["id"]).get_result()["name"] == "Build"
    priya.disable_api_key(made["id"])
    assert failure(lambda: other.get_api_key(made["id"])) == (401, "Provided access token is invalid.")
    refused = (400, "Provided API key could not be found.")
    assert failure(lambda: service_of(restored, made["apikey"]).list_api_keys()) == refused
    priya.enable_api_key(made["id"])
    assert other.get_api_key(made["id"]).get_result()["disabled"] is False  # by the token it has


def test_list_goes_page_after_page(service):
    olivia = service("olivia")
    for number in range(6):
        olivia.create_api_key(f"Key {number}", own_id(olivia))
    service("priya")
    found = [[key.name for key in page.apikeys] for page in pages(olivia, pagesize=3, sort="name", order="desc")]
    assert found == [["Script", "Key 5", "Key 4"], ["Key 3", "Key 2", "Key 1"], ["Key 0"]]
    everybody = [
        key for page in pages(olivia, pagesize=5, scope="account", account_id="1234567") for key in page.apikeys
    ]
    assert len({key.id for key in everybody}) == len(everybody) == 8
    assert len({key.iam_id for key in everybody}) == 2


def test_others_keys_are_not_there_and_others_are_not_given_any(service):
    priya, noor = service("priya"), service("noor")
    (key,) = noor.list_api_keys().get_result()["apikeys"]
    for call in (priya.get_api_key, priya.delete_api_key, priya.lock_api_key, priya.enable_api_key):
        assert failure(lambda call=call: call(key["id"])) == (404, "API key could not be found.")
    assert failure(lambda: priya.list_api_keys(scope="account"))[0] == 403
    assert failure(lambda: priya.list_api_keys(iam_id=own_id(noor))) == (404, "User could not be found.")
    assert failure(lambda: priya.create_api_key("x", own_id(noor)))[0] == 403
    chosen = (400, "apikey: The value of a key is made by Keytree and cannot be chosen.")
    assert (
        failure(lambda: priya.create_api_key("x", own_id(priya), apikey="a value of my own choosing, long enough"))
        == chosen
    )


def test_users_are_listed_searched_and_read(restored, value_of, people):
    marcus = UserManagementV1(authenticator=IAMAuthenticator(value_of("marcus"), url=restored.url))
    marcus.set_service_url(restored.url)
    page = UserList.from_dict(marcus.list_users("1234567", limit=3, include_settings=True).get_result())
    assert (page.total_results, page.limit, len(page.resources)) == (8, 3, 3)
    everybody = UsersPager(client=marcus, account_id="1234567", limit=3, include_settings=True).get_all()
    assert [user["firstname"] for user in everybody] == [
        "Berlin", "Dmitri", "Lena", "Marcus", "Noor", "Olivia", "Priya", "Sam",
    ]  # fmt: skip
    assert [user["lastname"] for user in everybody if "settings" not in user] == ["Volkov", "Reyes", "Okafor"]
    found = UsersPager(client=marcus, account_id="1234567", limit=1, search="state:PENDING,email:berlin@acme").get_all()
    assert [user["state"] for user in found] == ["VPN_ONLY", "PENDING"]
    (noor,) = UsersPager(client=marcus, account_id="1234567", user_id="noor@acme.example").get_all()
    profile = UserProfile.from_dict(
        marcus.get_user_profile("1234567", noor["iam_id"], include_activity="true").get_result()
    )
    assert (profile.to_dict(), profile.id) == (noor, str(people.users["noor"]))
    settings = UserSettings.from_dict(marcus.get_user_settings("1234567", noor["iam_id"]).get_result())
    assert (settings.allowed_ip_addresses, settings.self_manage, settings.language) == ("", False, "")
    olivia = f"IBMid-{people.users['olivia']}"
    assert failure(lambda: marcus.get_user_settings("1234567", olivia))[0] == 403
    assert failure(lambda: marcus.list_users("7654321")) == (404, "Account could not be found.")
    assert failure(lambda: marcus.get_user_profile("1234567", "IBMid-999999")) == (404, "User could not be found.")
    read_only = (405, "This address is called by GET.")
    assert failure(lambda: marcus.invite_users("1234567", users=[])) == read_only
    assert failure(lambda: marcus.remove_user("1234567", noor["iam_id"])) == read_only
    assert failure(lambda: marcus.update_user_profile("1234567", noor["iam_id"], state="VPN_ONLY")) == read_only
    assert failure(lambda: marcus.update_user_settings("1234567", noor["iam_id"], self_manage=True)) == read_only


def test_twenty_keys_made_at_once_are_twenty_and_no_more(service):
    priya = service("priya")
    mine = own_id(priya)

    def create(number: int) -> int:
        try:
            return priya.create_api_key(f"Key {number}", mine).get_status_code()
        except ApiException as error:
            return error.status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(create, range(24))) == [201] * 19 + [409] * 5
    assert len(priya.list_api_keys(pagesize=100).get_result()["apikeys"]) == 20


def test_wrong_token_is_told(restored):
    made = IamIdentityV1(authenticator=BearerTokenAuthenticator("eyJhbGciOiJub25lIn0.e30."))
    made.set_service_url(restored.url)
    assert failure(made.list_api_keys) == (401, "Provided access token is invalid.")


@pytest.mark.parametrize("transport", ADDRESSES)
def test_softlayer_library_calls_with_a_token(restored: LiveServer, people: Cast, value_of, transport):
    token = IAMAuthenticator(value_of("priya"), url=restored.url).token_manager.get_token()
    client = library(restored.url, transport, Login("", ""))
    client.auth = BearerAuthentication("", token)
    assert client.call("SoftLayer_Account", "getCurrentUser")["id"] == people.users["priya"]
    client.auth = BearerAuthentication("", token[:-2])
    with pytest.raises(SoftLayer.SoftLayerAPIError, match=r"Invalid API token\."):
        client.call("SoftLayer_Account", "getCurrentUser")


# --- Byte for byte ----------------------------------------------------------------------------------------------------


def test_requests_as_they_were_seen(restored: LiveServer, value_of):
    """As the library sent them to a recording server: nothing is added to the headers here but lengths."""
    value, agent = value_of("priya"), "ibm-python-sdk-core/iam-authenticator-3.28.0 os.name=Linux"

    def send(verb: str, target: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", restored.port, timeout=30)
        try:
            connection.putrequest(verb, target, skip_accept_encoding=True)
            told = {
                "User-Agent": agent,
                "Accept-Encoding": "gzip, deflate",
                "Accept": "*/*",
                "Connection": "keep-alive",
            }
            for name, text in {**told, **{name.replace("_", "-"): text for name, text in headers.items()}}.items():
                connection.putheader(name, text)
            if body is not None or verb in ("POST", "DELETE"):
                connection.putheader("Content-Length", str(len((body or "").encode())))
            connection.endheaders(body.encode() if body else None)
            with connection.getresponse() as response:
                return response.status, {name.lower(): text for name, text in response.getheaders()}, response.read()
        finally:
            connection.close()

    form = f"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey={value}&response_type=cloud_iam"
    kind = {"Content_Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    status, headers, body = send("POST", "/identity/token", form, **kind)
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-store")
    by_token = {"Authorization": f"Bearer {json.loads(body)['access_token']}", "Accept": "application/json"}
    mine = jwt.decode(json.loads(body)["access_token"], options={"verify_signature": False})["iam_id"]
    sent = f'{{"name": "Build", "iam_id": "{mine}"}}'
    status, headers, body = send("POST", "/v1/apikeys", sent, **by_token, content_type="application/json")
    made = json.loads(body)
    assert (status, headers["etag"]) == (201, f'"{made["entity_tag"]}"')
    for verb, behind in (("POST", "lock"), ("DELETE", "lock"), ("POST", "disable"), ("DELETE", "disable")):
        status, headers, body = send(verb, f"/v1/apikeys/{made['id']}/{behind}", **by_token)
        assert (status, body, "content-type" in headers, "content-length" in headers) == (204, b"", False, False)
    status, _, body = send("GET", "/v1/apikeys/details?include_history=false", IAM_ApiKey=value, **by_token)
    assert (status, json.loads(body)["name"]) == (200, "Script")
    status, _, body = send("PUT", f"/v1/apikeys/{made['id']}", '{"name": "b"}', If_Match="*", **by_token)
    assert (status, json.loads(body)["name"]) == (200, "b")
    assert send("DELETE", f"/v1/apikeys/{made['id']}", **by_token)[0] == 204
    for target in (
        "/identity",
        "/identity/",
        "/identity/token/x",
        "/v1",
        "/v1/",
        "/v1/../login",
        "/v1/%00",
        "/v1//login",
    ):
        status, headers, _ = send("GET", target, **by_token)
        assert (status, headers["content-type"], "set-cookie" in headers) == (404, "application/json", False), target
    assert value not in restored.log
    assert "eyJ" not in restored.log
