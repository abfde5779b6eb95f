"""The real ``slcli`` as a process, over both transports: what it does here, and what it prints about it."""

import re

import pytest

from tests.journeys.clients import A_VALUE, ADDRESSES, DENIED, Login, Slcli, failure

pytest_plugins = ["tests.journeys.callers"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("slcli")]

ALL_COLUMNS = "id,username,email,displayName,status,hardwareCount,virtualGuestCount,2FA,classicAPIKey,vpn"

#: Everybody in the account: e-mail address, name, status as clients know it, whether Marcus may know of a key.
EVERYBODY = [
    ("olivia@acme.example", "Olivia Reyes", "Active", False),
    ("marcus@acme.example", "Marcus Lindqvist", "Active", True),
    ("priya@acme.example", "Priya Raman", "Active", True),
    ("noor@acme.example", "Noor Haddad", "Active", False),
    ("vpn-berlin@acme.example", "Berlin office", "VPN-only", True),
    ("lena@acme.example", "Lena Fischer", "Pending", False),
    ("sam@acme.example", "Sam Okafor", "Active", False),
    ("dmitri@acme.example", "Dmitri Volkov", "Suspended", False),
]


# --- Setting up -------------------------------------------------------------------------------------------------------


def test_setup_with_a_key_tries_it_and_writes_it(restored, people, transport, tmp_path):
    slcli, login = Slcli(tmp_path, restored.url), people.logins["priya"]
    address = restored.url + ADDRESSES[transport]
    answer = slcli("setup", form="raw", typed=[address, *login, "20", "dark", "y"])
    assert answer.status == 0
    assert answer.text.endswith("Configuration Updated Successfully\n")
    kept = slcli.config.read_text().splitlines()
    assert {f"username = {login.name}", f"api_key = {login.value}", f"endpoint_url = {address}"} <= set(kept)
    assert slcli("call-api", "Account", "getCurrentUser", "--mask=id").value == {"id": people.users["priya"]}


def test_setup_with_a_wrong_key_does_not_keep_it(restored, people, transport, tmp_path):
    slcli, wrong = Slcli(tmp_path, restored.url), "0" * 64
    address = restored.url + ADDRESSES[transport]
    slcli("setup", form="raw", typed=[address, people.logins["priya"].name, wrong, "", "", "y"])
    assert "api_key = None" in slcli.config.read_text().splitlines()  # which is how this client says it


@pytest.mark.parametrize("value", ["0" * 64, "", "not a key"])
def test_wrong_key_is_told_by_every_command(restored, people, transport, tmp_path, value):
    slcli = Slcli(tmp_path, restored.url + ADDRESSES[transport], Login(people.logins["priya"].name, value or "-"))
    for command in (["user", "list"], ["account", "summary"], ["user", "detail", people.users["priya"]]):
        assert slcli(*command).whole == (1, [DENIED])


# --- Looking ----------------------------------------------------------------------------------------------------------


def test_user_list_has_everybody_in_all_columns(slcli, people):
    rows = slcli("marcus")("user", "list", f"--columns={ALL_COLUMNS}").value
    assert rows == [
        {
            "id": people.users[name.split()[0].lower()],
            "username": f"1234567_{email}",
            "email": email,
            "displayName": name,
            "status": status,
            "hardwareCount": None,
            "virtualGuestCount": None,
            "2FA": None,
            "classicAPIKey": "yes" if has_key else None,
            "vpn": None,
        }
        for email, name, status, has_key in EVERYBODY
    ]


def test_user_list_as_a_person_reads_it(slcli, people):
    lines = slcli("priya")("user", "list", form="raw").lines
    assert lines[0].split() == ["id", "username", "email", "displayName", "2FA", "classicAPIKey", "vpn"]
    found = [re.split(r"\s{2,}", line) for line in lines[1:]]
    assert [row[3] for row in found] == [name for _, name, *_ in EVERYBODY]
    number = str(people.users["priya"])
    assert found[2] == [number, "1234567_priya@acme.example", "priya@acme.example", "Priya Raman", "-", "yes", "-"]


def test_user_list_has_only_those_that_the_account_lets_one_see(restored, slcli):
    restored.run("from accounts.models import Account\nAccount.objects.update(restrict_user_list=True)")
    rows = slcli("priya")("user", "list").value
    assert [row["displayName"] for row in rows] == ["Priya Raman", "Noor Haddad"]
    assert len(slcli("olivia")("user", "list").value) == 8


def test_user_detail_of_oneself(slcli, people):
    details = slcli("priya")("user", "detail", people.users["priya"]).value
    assert details.pop("Created").endswith("+00:00")
    assert details == {
        "Id": people.users["priya"],
        "Username": "1234567_priya@acme.example",
        "APIKEY": "Yes",
        "Name": "Priya Raman",
        "Email": "priya@acme.example",
        "OpenID": "priya@acme.example",
        "Address": "None         None None None None None",
        "Company": None,
        "Phone Number": None,
        "Parent User": "1234567_marcus@acme.example",
        "Status": "Active",
        "SSL VPN": "No",
    }


def test_user_detail_names_no_parent_of_the_owner(slcli, people):
    details = slcli("priya")("user", "detail", people.users["olivia"]).value
    assert "Parent User" not in details
    assert details["APIKEY"] == "No"  # as far as Priya may know


@pytest.mark.parametrize(
    ("who", "whose", "shown"),
    [
        ("priya", "priya", "the value"),  # it came with the call
        ("marcus", "priya", None),
        ("olivia", "marcus", None),
        ("marcus", "berlin", None),  # he created it, and sees it in the console after a proof of identity
        ("marcus", "noor", "No"),
        ("priya", "marcus", "No"),
        ("sam", "priya", "No"),
    ],
)
def test_value_is_shown_to_whom_it_belongs_and_for_the_asking(slcli, people, who, whose, shown):
    command = slcli(who)
    answer = command("user", "detail", people.users[whose], "--keys")
    assert answer.value["APIKEY"] == (people.logins[whose].value if shown == "the value" else shown)
    assert A_VALUE.findall(answer.text) == ([people.logins[whose].value] if shown == "the value" else [])
    assert not A_VALUE.search(command("user", "detail", people.users[whose]).text)


_LOGINS = """
from django.db import transaction
from accounts import audit, events
from accounts.models import Member
from accounts.origin import Origin
member = Member.objects.select_related("user", "account").get(user__email="marcus@acme.example")
with transaction.atomic():
    for action, outcome in ((events.SIGN_IN_REFUSED, audit.REFUSED), (events.SIGNED_IN, audit.SUCCESS)):
        origin = Origin(address="192.0.2.7", request_id="test")
        audit.record(action, actor=member, origin=origin, outcome=outcome)
"""


def test_user_detail_with_all_that_it_can_show(restored, slcli, people):
    restored.run(_LOGINS)
    answer = slcli("olivia")(
        "user", "detail", people.users["marcus"], "--permissions", "--hardware", "--virtual", "--logins", "--events"
    )
    details, permissions, dedicated, hardware, virtual, logins, events = answer.values
    assert details["Username"] == "1234567_marcus@acme.example"
    assert details["Last Login"].endswith("+00:00 From: 192.0.2.7")
    assert details["Last Failed Login"].endswith("+00:00 From: 192.0.2.7")
    assert [row["Description"] for row in permissions] == ["Manage users (classic infrastructure)"]
    assert [dedicated, hardware, virtual] == [[], [], []]
    assert [(row["IP Address"], row["Successufl Login?"]) for row in logins] == [
        ("192.0.2.7", False),
        ("192.0.2.7", True),
    ]
    assert {row["username"] for row in events} == {"Marcus Lindqvist <marcus@acme.example>"}
    assert [row["Type"] for row in events if "user" in row["Type"]] == ["user.sign_in_refused", "user.signed_in"]


def test_user_detail_hides_the_logins_of_those_whose_activity_one_may_not_see(restored, slcli, people):
    restored.run(_LOGINS)
    details, logins, events = slcli("priya")("user", "detail", people.users["marcus"], "--logins", "--events").values
    assert logins == []
    assert [row["Type"] for row in events] == ["member.added"]  # that he invited her
    assert not {"Last Login", "Last Failed Login"} & set(details)


def test_user_detail_by_name(slcli, people):
    command = slcli("marcus")
    assert command("user", "detail", "1234567_NOOR@acme.example").value["Id"] == people.users["noor"]
    assert command("user", "detail", "1234567_nobody@acme.example").whole == (
        1, ["Unable to find user id for 1234567_nobody@acme.example"],
    )  # fmt: skip


def test_user_who_may_not_be_seen_is_not_there(restored, slcli, people, transport):
    restored.run("from accounts.models import Account\nAccount.objects.update(restrict_user_list=True)")
    command = slcli("priya")
    for number in (people.users["sam"], 99_999_999):
        text = f"Unable to find object with id of '{number}'."
        assert command("user", "detail", number).whole == failure(
            transport, 404, "SoftLayer_Exception_ObjectNotFound", text
        )
    name = "1234567_sam@acme.example"
    assert command("user", "detail", name).whole == (1, [f"Unable to find user id for {name}"])


def test_user_permissions(slcli, people):
    roles, departments = slcli("olivia")("user", "permissions", people.users["marcus"]).values
    assert [role["Role Name"] for role in roles] == ["Manage users (classic infrastructure)"]
    (rows,) = departments.values()
    assert {row["KeyName"]: row["Assigned"] for row in rows} == {
        "MANAGE_USERS": True,
        "USER_EDITOR": False,
        "USER_ADMINISTRATOR": False,
        "IDENTITY_ADMINISTRATOR": False,
        "API_KEY_CREATOR": False,
    }
    owner = slcli("priya")("user", "permissions", people.users["olivia"])
    assert owner.lines[0] == "This account is the Master User and has all permissions enabled"


def test_event_log(slcli, people):
    command = slcli("olivia")
    lines = command("event-log", "get", form="raw").lines
    assert lines[0] == "Event, Object, Type, Date, Username"
    assert any(line.startswith("'classic_key.created','Priya Raman <priya@acme.example>','User'") for line in lines)
    assert len(command("event-log", "get", "--limit", 2, form="raw").lines) == 3
    assert command("event-log", "get", "--metadata", "--limit", 2, form="raw").status == 0
    about = command("event-log", "get", "--obj-id", people.users["noor"], "--limit=-1", form="raw").lines
    assert about[1:]
    assert all("noor" in line.lower() for line in about[1:])


def test_event_log_has_what_one_may_see(slcli):
    lines = slcli("priya")("event-log", "get", "--limit=-1", form="raw").lines
    assert all("priya" in line.lower() or "noor" in line.lower() for line in lines[1:])
    assert len(lines) > 1


def test_event_log_between_days(slcli):
    command = slcli("olivia")
    early = command("event-log", "get", "-d", "01/01/2001", "-D", "01/02/2001", form="raw")
    assert early.lines == ["Event, Object, Type, Date, Username"]
    assert len(command("event-log", "get", "-d", "01/01/2001", form="raw").lines) > 5


def test_event_log_is_in_order(restored, slcli):
    """The command sorts by ``traceId`` and prints the first fifty."""
    for _ in range(3):
        restored.run(_LOGINS.replace('"test"', "__import__('secrets').token_hex(8)"))
    logs = slcli("olivia")("call-api", "Event_Log", "getAllObjects", "--orderBy=traceId=ASC", "--mask=eventCreateDate")
    dates = [event["eventCreateDate"] for event in logs.value]
    assert dates == sorted(dates)


def test_event_types(slcli):
    assert {"types": "User"} in slcli("priya")("event-log", "types").value


def test_account_summary(slcli):
    summary = slcli("priya")("account", "summary").value
    assert summary["Company Name"] == "Acme Robotics"
    assert summary["Users"] == 8
    assert {summary[name] for name in ("Hardware", "Virtual Guests", "Domains", "Open Tickets", "Subnets")} == {0}


# --- Any call ---------------------------------------------------------------------------------------------------------


def names(answer) -> list[str]:
    """The first names in a list of users."""
    return [row["email"].partition("@")[0] for row in answer.value]


@pytest.mark.parametrize("transport", ["xmlrpc"], indirect=True)
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["olivia", "marcus", "priya", "noor", "vpn-berlin", "lena", "sam", "dmitri"]),
        (["--limit=2"], ["olivia", "marcus"]),
        (["--limit=3", "--offset=6"], ["sam", "dmitri"]),
        (["--limit=3", "--offset=600"], []),
        (["-f", "users.email=noor@acme.example"], ["noor"]),
        (["-f", "users.email=*@acme.example", "-f", "users.userStatusId=1001", "--limit=2"], ["olivia", "marcus"]),
        (["-f", "users.email=vpn*"], ["vpn-berlin"]),
        (["-f", "users.email IN sam@acme.example,lena@acme.example"], ["lena", "sam"]),
        (["-f", "users.userStatus.keyName=PENDING"], ["lena"]),
        (["-f", "users.isMasterUserFlag=1"], ["olivia"]),
        (["--json-filter", '{"users":{"email":{"operation":"!^= o"}}}', "--limit=1"], ["marcus"]),
        (["--json-filter", '{"users":{"email":{"operation":"$=r@acme.example"}}}'], ["noor"]),
        (["--orderBy", "users.email=ASC", "--limit=2"], ["dmitri", "lena"]),
        (["--orderBy", "users.email", "--limit=2"], ["vpn-berlin", "sam"]),
        (
            ["--json-filter", '{"users":{"displayName":{"operation":"*=LIN"}}}', "--orderBy", "users.email=DESC"],
            ["vpn-berlin", "marcus"],
        ),
    ],
)
def test_call_api_with_limits_filters_and_orders(slcli, options, found):
    assert names(slcli("olivia")("call-api", "Account", "getUsers", "--mask=email", *options)) == found


@pytest.mark.parametrize("transport", ["rest"], indirect=True)
@pytest.mark.parametrize(
    "mask",
    [
        "id,userStatus.name,parent[username]",
        "mask[id, userStatus[name], parent[username]]",
        "mask.id,mask.userStatus.name,mask.parent.username",
        "[mask[id,parent.username],mask.userStatus.name]",
        "mask(SoftLayer_User_Customer)[id,userStatus(SoftLayer_User_Customer_Status)[name],parent.username]",
        "filteredMask[id,userStatus[name],parent[username]]",
    ],
)
def test_call_api_with_masks_in_any_form(slcli, people, mask):
    answer = slcli("marcus")("call-api", "User_Customer", "getObject", f"--id={people.users['noor']}", f"--mask={mask}")
    assert answer.value == {
        "id": people.users["noor"],
        "userStatus": {"name": "Active"},
        "parent": {"username": "1234567_priya@acme.example"},
    }


def test_call_api_without_a_mask_has_no_relation_and_no_value(slcli, people):
    answer = slcli("priya")("call-api", "Account", "getCurrentUser")
    assert not any(isinstance(found, dict | list) for found in answer.value.values())
    assert not A_VALUE.search(answer.text)
    keys = slcli("priya")("call-api", "User_Customer", "getApiAuthenticationKeys", f"--id={people.users['priya']}")
    assert [key["id"] for key in keys.value] == [people.keys["priya"]]
    assert not A_VALUE.search(keys.text)


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (["Account", "noSuchMethod"], "Public", 'Function ("noSuchMethod") is not a valid method for this service.'),
        (["Hardware", "getObject"], "Public", "Service does not exist"),
        (["Account", "getHooks"], "Public", 'Function ("getHooks") is not a valid method for this service.'),
        (["User_Customer", "removeApiAuthenticationKey"], "Public", "Please provide an API Authentication key ID."),
        (
            ["User_Customer", "removeApiAuthenticationKey", "nonsense"],
            "Public",
            "Please provide an API Authentication key ID.",
        ),
    ],
)
def test_call_api_that_cannot_be_answered(slcli, transport, call, code, text):
    assert slcli("olivia")("call-api", *call).whole == failure(transport, 500, f"SoftLayer_Exception_{code}", text)
