"""The real Python library, over both transports: what scripts get from it, and what they never get."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import SoftLayer
from SoftLayer import SoftLayerAPIError, utils

from tests.journeys.clients import A_VALUE, ADDRESSES, Cast, Login, library, rename
from tests.journeys.live import LiveServer
from tests.journeys.visit import verify

pytest_plugins = ["tests.journeys.callers"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("softlayer-library")]

USER, KEY = "SoftLayer_User_Customer", "SoftLayer_User_Customer_ApiAuthentication"


@pytest.fixture
def client(restored: LiveServer, people: Cast, transport: str):
    """A function that returns somebody's client."""
    return lambda name: library(restored.url, transport, people.logins[name])


def fault(call) -> tuple[int | str, str]:
    """Return code and text of the error that ends a call."""
    with pytest.raises(SoftLayerAPIError) as caught:
        call()
    return caught.value.faultCode, caught.value.faultString


def expected(transport: str, status: int, code: str, text: str) -> tuple[int | str, str]:
    """Return what ``fault`` returns: over REST the client keeps but the HTTP status."""
    return (status if transport == "rest" else code), text


def denied(transport: str) -> tuple[int | str, str]:
    return expected(transport, 401, "SoftLayer_Exception", "Invalid API token.")


def not_found(transport: str, number: int) -> tuple[int | str, str]:
    text = f"Unable to find object with id of '{number}'."
    return expected(transport, 404, "SoftLayer_Exception_ObjectNotFound", text)


# --- Masks ------------------------------------------------------------------------------------------------------------


def test_mask_of_relations_alone_keeps_what_is_local(client, people):
    user = client("marcus").call(USER, "getObject", id=people.users["noor"], mask="userStatus[name],parent[id]")
    assert user["userStatus"] == {"name": "Active"}
    assert user["parent"] == {"id": people.users["priya"]}
    assert (user["id"], user["parentId"]) == (people.users["noor"], people.users["priya"])
    assert (user["username"], user["firstName"], user["lastName"]) == ("1234567_noor@acme.example", "Noor", "Haddad")
    narrowed = client("marcus").call(USER, "getObject", id=people.users["noor"], mask="userStatus[name],parent[id],id")
    assert set(narrowed) == {"id", "userStatus", "parent"}


def test_counts_do_not_narrow(client, people):
    user = client("marcus").call(USER, "getObject", id=people.users["priya"], mask="childUserCount")
    assert user["childUserCount"] == 1
    assert user["email"] == "priya@acme.example"
    plain = client("marcus").call(USER, "getObject", id=people.users["priya"])
    assert "childUserCount" not in plain
    assert "parent" not in plain


def test_mask_as_a_struct_adds_relations_to_what_is_local(restored, people):
    """Python sends one as such over XML-RPC alone."""
    client = library(restored.url, "xmlrpc", people.logins["marcus"])
    user = client.call(USER, "getObject", id=people.users["noor"], mask={"userStatus": {}, "parent": {"parent": {}}})
    assert user["userStatus"]["name"] == "Active"
    assert user["parent"]["parent"]["username"] == "1234567_marcus@acme.example"
    assert user["email"] == "noor@acme.example"


def test_local_properties_are_what_clients_read(client, people):
    user = client("priya")["Account"].getCurrentUser()
    assert (
        user.items()
        >= {
            "id": people.users["priya"],
            "accountId": 1234567,
            "parentId": people.users["marcus"],
            "userStatusId": 1001,
            "username": "1234567_priya@acme.example",
            "email": "priya@acme.example",
            "openIdConnectUserName": "priya@acme.example",
            "displayName": "Priya Raman",
            "isMasterUserFlag": False,
        }.items()
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", user["createDate"])


@pytest.mark.parametrize("mask", ["id,noSuchThing", "mask[id", "id]", "mask[id,parent[nothing]]", "mask[password]"])
def test_mask_that_cannot_be_read_is_refused(client, mask):
    code, text = fault(lambda: client("priya").call("Account", "getUsers", mask=mask))
    assert text
    assert code in {400, 500, "SoftLayer_Exception_Public", "SoftLayer_Exception_WebService_BadRequest"}


# --- Filters, limits, pages -------------------------------------------------------------------------------------------


def test_filter_with_accents_is_read_as_it_was_meant(restored, client, people):
    """Over XML-RPC the client declares Latin-1 and sends UTF-8."""
    rename(restored, "noor@acme.example", "Zoë Ünal")
    asked = {"users": {"displayName": {"operation": "Zoë Ünal"}}}
    assert client("olivia").call("Account", "getUsers", mask="id,displayName", filter=asked) == [
        {"id": people.users["noor"], "displayName": "Zoë Ünal"}
    ]


def test_filters_as_the_library_builds_them(client):
    asked = utils.NestedDict()
    asked["users"]["email"] = utils.query_filter("*@acme.example")
    asked["users"]["userStatusId"] = {"operation": "in", "options": [{"name": "data", "value": [1005, 1022]}]}
    asked["users"]["createDate"] = utils.query_filter_date("2001-01-01", "2101-01-01")
    asked["users"]["username"] = utils.query_filter_orderby("DESC")
    found = client("olivia").call("Account", "getUsers", mask="email", filter=asked.to_dict())
    assert [user["email"] for user in found] == ["vpn-berlin@acme.example", "dmitri@acme.example"]
    assert found.total_count == 2


def test_filter_of_a_value_is_refused(client, people):
    """It would tell a value digit by digit."""
    for operation in ("^= a", "a" * 64, "orderBy"):
        asked = {"users": {"apiAuthenticationKeys": {"authenticationKey": {"operation": operation}}}}
        assert fault(lambda asked=asked: client("olivia").call("Account", "getUsers", mask="id", filter=asked))
        own = {"apiAuthenticationKeys": {"authenticationKey": {"operation": operation}}}
        assert fault(
            lambda own=own: client("priya").call(
                USER, "getApiAuthenticationKeys", id=people.users["priya"], mask="id", filter=own
            )
        )


def test_iter_has_everybody_once(client):
    for size in (1, 3, 4, 8, 100):
        found = client("olivia").call("Account", "getUsers", mask="id", iter=True, limit=size)
        numbers = [user["id"] for user in found]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == 8
    asked = {"users": {"userStatusId": {"operation": 1001}}}
    assert len(client("olivia").call("Account", "getUsers", mask="id", filter=asked, iter=True, limit=2)) == 5


def test_iter_of_what_is_filtered_at_the_root(client):
    """Here the order that the library adds stands among what is filtered by."""
    events = client("olivia").call("Event_Log", "getAllObjects", mask="eventCreateDate,traceId", iter=True, limit=4)
    assert len(events) > 8
    dates = [event["eventCreateDate"] for event in events]
    assert dates == sorted(dates)


def test_cf_call_has_everybody_once(client):
    for size in (1, 3, 8, 100):
        found = client("olivia").cf_call("Account", "getUsers", mask="id", limit=size)
        numbers = [user["id"] for user in found]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == 8


def test_page_past_the_end_is_empty_and_knows_the_total(client):
    found = client("olivia").call("Account", "getUsers", mask="id", limit=5, offset=80)
    assert (list(found), found.total_count) == ([], 8)


# --- Users and the tree -----------------------------------------------------------------------------------------------


def test_tree_is_walked(client, people):
    priya, service = people.users["priya"], client("marcus")[USER]
    assert [child["id"] for child in service.getChildUsers(id=people.users["marcus"], mask="id")] == [
        people.users[name] for name in ("priya", "berlin", "lena")
    ]
    assert service.getParent(id=priya, mask="id") == {"id": people.users["marcus"]}
    assert service.getUserStatus(id=priya)["keyName"] == "ACTIVE"
    assert service.isMasterUser(id=priya) is False
    assert service.isMasterUser(id=people.users["olivia"]) is True
    assert client("priya")["Account"].getMasterUser(mask="id") == {"id": people.users["olivia"]}


def test_keys_and_their_users(client, people):
    service, key = client("marcus")[KEY], people.keys["priya"]
    record = service.getObject(id=key)
    assert (record["id"], record["userId"]) == (key, people.users["priya"])
    assert "authenticationKey" not in record
    assert service.getUser(id=key, mask="id,username") == {
        "id": people.users["priya"], "username": "1234567_priya@acme.example",
    }  # fmt: skip


def test_who_may_not_be_seen_is_nowhere(restored, client, people, transport):
    restored.run("from accounts.models import Account\nAccount.objects.update(restrict_user_list=True)")
    client, hidden = client("priya"), people.users["marcus"]
    for method in ("getObject", "getParent", "getChildUsers", "getApiAuthenticationKeys", "addApiAuthenticationKey"):
        answers = {fault(lambda method=method, n=n: client.call(USER, method, id=n))[1].replace(str(n), "N")
                   for n in (hidden, 99_999_999)}  # fmt: skip
        assert answers == {"Unable to find object with id of 'N'."}
    me = client["Account"].getCurrentUser(mask="mask[id,parentId,parent[id,username]]")
    assert me == {"id": people.users["priya"]}
    assert client["Account"].getObject(mask="userCount")["userCount"] == 2
    assert not client["Account"].getMasterUser(mask="id")
    assert client["Account"].getObject(mask="id,masterUser[id],users[id,parent[id]]") == {
        "id": 1234567,
        "users": [
            {"id": people.users["priya"]},
            {"id": people.users["noor"], "parent": {"id": people.users["priya"]}},
        ],
    }
    for name in ("id", "parentId"):
        assert client.call("Account", "getUsers", mask="id", filter={"users": {name: {"operation": hidden}}}) == []


# --- Values -----------------------------------------------------------------------------------------------------------

_KEY = "apiAuthenticationKeys[id,authenticationKey]"
PATHS = [
    ("Account", "getUsers", None, f"mask[id,{_KEY}]"),
    ("Account", "getCurrentUser", None, f"mask[{_KEY},parent[{_KEY},parent[{_KEY}]],childUsers[{_KEY}]]"),
    ("Account", "getMasterUser", None, f"mask[{_KEY},childUsers[{_KEY},childUsers[{_KEY}]]]"),
    ("Account", "getObject", None, f"mask[masterUser[{_KEY}],users[{_KEY}]]"),
    (USER, "getObject", "user", f"mask[{_KEY},parent[{_KEY}],account[users[{_KEY}]]]"),
    (USER, "getApiAuthenticationKeys", "user", f"mask[authenticationKey,user[{_KEY},parent[{_KEY}]]]"),
    (USER, "getChildUsers", "user", f"mask[{_KEY},parent[{_KEY},account[masterUser[{_KEY}]]]]"),
    (KEY, "getObject", "key", f"mask[authenticationKey,user[{_KEY},childUsers[{_KEY}]]]"),
    (KEY, "getUser", "key", f"mask[{_KEY},account[users[{_KEY}]]]"),
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path[0]}-{path[1]}-{path[2]}")
def test_value_of_somebody_else_is_on_no_path(client, people, path):
    service, method, on, mask = path
    for who in ("olivia", "marcus", "priya"):
        own = people.logins[who].value
        for whose in {"user": ("olivia", "marcus", "priya", "berlin"), "key": (who, "priya"), None: ("",)}[on]:
            number = {"user": people.users, "key": people.keys}[on][whose] if on else None
            try:
                answer = client(who).call(service, method, id=number, mask=mask)
            except SoftLayerAPIError as error:
                answer = error.faultString
            assert set(A_VALUE.findall(str(answer))) <= {own}


def test_own_value_is_there_for_the_asking_alone(client, people):
    priya, service = people.users["priya"], client("priya")[USER]
    (record,) = service.getApiAuthenticationKeys(id=priya, mask="mask[authenticationKey]")
    assert record == {"authenticationKey": people.logins["priya"].value}
    assert not A_VALUE.search(str(service.getApiAuthenticationKeys(id=priya)))
    assert not A_VALUE.search(str(service.getObject(id=priya, mask="apiAuthenticationKeys")))


# --- Changes ----------------------------------------------------------------------------------------------------------


def test_record_sent_back_whole_with_another_restriction(restored, client, people, transport):
    """As the vendor's example for Python does: what else stands in the record is ignored."""
    caller = client("marcus")
    record = caller[USER].getApiAuthenticationKeys(id=people.users["priya"])[0]
    record["ipAddressRestriction"] = "127.0.0.0/8,2001:db8::/32"
    answer = caller[KEY].editObject({**record, "userId": 1, "authenticationKey": "0" * 64}, id=record["id"])
    assert (answer["id"], answer["ipAddressRestriction"].replace(" ", "")) == (
        record["id"],
        record["ipAddressRestriction"],
    )
    assert caller[KEY].getUser(id=record["id"], mask="id") == {"id": people.users["priya"]}
    assert verify(restored, *people.logins["priya"]) == 204
    assert client("priya")["Account"].getCurrentUser(mask="id") == {"id": people.users["priya"]}


def test_restriction_of_a_key_that_one_may_not_edit(client, people, transport):
    """Priya sees Noor, and would see her key; she has no right to manage users."""
    service, asked = client("priya")[KEY], {"ipAddressRestriction": "10.0.0.1"}
    code, text = fault(lambda: service.editObject(asked, id=people.keys["priya"]))
    assert code == (500 if transport == "rest" else "SoftLayer_Exception_PermissionDenied")
    assert "user-managed login" in text
    for number in (people.keys["olivia"], 99_999_999):
        assert fault(lambda number=number: service.editObject(asked, id=number)) == not_found(transport, number)


def test_removed_key_ends_on_an_open_connection(client, people, transport):
    caller = client("priya")
    assert caller["Account"].getCurrentUser(mask="id") == {"id": people.users["priya"]}
    assert client("marcus")[USER].removeApiAuthenticationKey(people.keys["priya"]) is True
    assert fault(lambda: caller["Account"].getCurrentUser(mask="id")) == denied(transport)


def test_of_many_who_add_a_key_at_once_one_does(restored, client, people, transport):
    client("marcus")[USER].removeApiAuthenticationKey(people.keys["berlin"])

    def add(_: int) -> str:
        try:
            return client("marcus")[USER].addApiAuthenticationKey(id=people.users["berlin"])
        except SoftLayerAPIError as error:
            return error.faultString

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(add, range(16)))
    (value,) = [answer for answer in answers if A_VALUE.fullmatch(answer)]
    assert set(answers) == {value, "Each user can only have a single API key."}
    assert verify(restored, people.logins["berlin"].name, value) == 204


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("1234567_priya@acme.example", "0" * 64),
        ("1234567_nobody@acme.example", None),
        ("apikey", None),
        ("é" * 40, "ü"),
    ],
)
def test_wrong_credentials_are_told_alike(restored, people, transport, name, value):
    wrong = library(restored.url, transport, Login(name, value or people.logins["priya"].value))
    assert fault(wrong["Account"].getUsers) == denied(transport)
    assert fault(wrong["Nothing"].getNothing) == denied(transport)


def test_password_does_not_log_in(restored, transport):
    client = SoftLayer.Client(endpoint_url=restored.url + ADDRESSES[transport], timeout=30)
    _, text = fault(lambda: client.authenticate_with_password("priya@acme.example", "keytree-demo"))
    assert text
    assert not A_VALUE.search(text)
