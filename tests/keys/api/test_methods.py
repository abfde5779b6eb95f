"""Which methods there are, how they are called by short names, and what a mask asks of their records."""

from typing import Any

import pytest

from accounts.models import Member
from keys.api.answers import SERVICES, resolve
from keys.api.methods.method_kinds import Few, Many, One, Plain
from tests.conftest import ACME, BOREALIS
from tests.keys.api.calling import ask, everything_in, not_found, public, refused


@pytest.mark.parametrize(
    ("service", "sent", "verb", "expected"),
    [
        ("SoftLayer_User_Customer", None, "GET", "getObject"),
        ("SoftLayer_User_Customer", "", "PUT", "editObject"),
        ("SoftLayer_User_Customer", None, "POST", "createObject"),
        ("SoftLayer_User_Customer", None, "DELETE", "deleteObject"),
        ("SoftLayer_Account", "Users", "GET", "getUsers"),
        ("SoftLayer_Account", "users", "GET", "getUsers"),
        ("SoftLayer_Account", "getUsers", "POST", "getUsers"),
        ("SoftLayer_Account", "CurrentUser", "GET", "getCurrentUser"),
        ("SoftLayer_User_Customer", "ApiAuthenticationKeys", "GET", "getApiAuthenticationKeys"),
        ("SoftLayer_User_Customer", "addApiAuthenticationKey", "GET", "addApiAuthenticationKey"),
        ("SoftLayer_User_Customer", "isMasterUser", "GET", "isMasterUser"),
        ("SoftLayer_User_Customer_Status", "AllObjects", "GET", "getAllObjects"),
        ("SoftLayer_User_Customer", "Nothing", "GET", "Nothing"),
        ("SoftLayer_Nothing", "Users", "GET", "Users"),
    ],
)
def test_short_names_of_rest(service: str, sent: str | None, verb: str, expected: str) -> None:
    assert resolve(service, sent, verb) == expected


@pytest.mark.parametrize("method", ["nothing", "createObjects", "deleteObject", "__class__", "getobject", "", "get"])
def test_unknown_methods(cast, method: str) -> None:
    text = f'Function ("{method}") is not a valid method for this service.'
    for service in SERVICES:
        assert refused(cast["priya"], f"{service.removeprefix('SoftLayer_')}::{method}") == public(text)


@pytest.mark.parametrize("service", ["Hardware_Server", "User_customer", "__class__", "Account_", ""])
def test_unknown_services(cast, service: str) -> None:
    assert refused(cast["priya"], f"{service}::getObject") == public("Service does not exist")


def test_account_is_that_of_the_caller(cast) -> None:
    for method in ("getObject", "getCurrentUser", "getUsers", "getMasterUser"):
        assert ask(cast["priya"], f"Account::{method}", ACME) == ask(cast["priya"], f"Account::{method}")
        for number in (BOREALIS, 0, 99):
            assert refused(cast["priya"], f"Account::{method}", number) == not_found(number)


def test_summary_of_the_account(cast) -> None:
    mask = """mask[
            nextInvoiceTotalAmount, pendingInvoice[invoiceTotalAmount], blockDeviceTemplateGroupCount,
            dedicatedHostCount, domainCount, hardwareCount, networkStorageCount, openTicketCount, networkVlanCount,
            subnetCount, userCount, virtualGuestCount
            ]
        """
    found = ask(cast["priya"], "Account::getObject", mask=mask)
    assert found.pop("companyName") == "Acme Robotics"
    assert (found.pop("id"), found.pop("userCount")) == (ACME, 8)
    assert len(found) == 10
    assert set(found.values()) == {0}


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        (None, {"id", "userId", "timestampKey", "ipAddressRestriction"}),
        ("mask[]", {"id", "userId", "timestampKey", "ipAddressRestriction"}),
        ("id", {"id"}),
        ("user", {"id", "userId", "timestampKey", "ipAddressRestriction", "user"}),
        ("id,user[id]", {"id", "user"}),
        ({"user": {}}, {"id", "userId", "timestampKey", "ipAddressRestriction", "user"}),
        ({"id": {}}, {"id", "userId", "timestampKey", "ipAddressRestriction"}),
    ],
)
def test_one_local_property_narrows_and_relations_do_not(cast, mask: Any, names: set[str]) -> None:
    (found,) = ask(cast["priya"], "User_Customer::getApiAuthenticationKeys", cast["priya"].pk, mask=mask)
    assert set(found) == names


def test_counts_do_not_narrow(cast) -> None:
    found = ask(cast["priya"], "Account::getCurrentUser", mask="apiAuthenticationKeyCount,hardwareCount")
    assert (found["apiAuthenticationKeyCount"], found["hardwareCount"], found["id"]) == (1, 0, cast["priya"].pk)


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        ("mask[nothing]", 'Object mask: "nothing" is not a property of SoftLayer_User_Customer.'),
        ("id,parent[id,parent[nothing]]", 'Object mask: "nothing" is not a property of SoftLayer_User_Customer.'),
        ("userStatus[x]", 'Object mask: "x" is not a property of SoftLayer_User_Customer_Status.'),
        ("id[x]", 'Object mask: "id" of SoftLayer_User_Customer has no properties.'),
        ("hardwareCount[x]", 'Object mask: "hardwareCount" of SoftLayer_User_Customer has no properties.'),
        ("x" * 99, f'Object mask: "{"x" * 59}…" is not a property of SoftLayer_User_Customer.'),
    ],
)
def test_unknown_names_in_masks(cast, mask: str, text: str) -> None:
    events = Member.objects.count()
    for method, number in (("Account::getUsers", None), ("User_Customer::getObject", 99_999)):
        assert refused(cast["priya"], method, number, mask=mask) == public(text)
    assert Member.objects.count() == events


def test_mask_is_read_before_anything_is_written(cast, key_of) -> None:
    arguments = "User_Customer_ApiAuthentication::editObject", key_of("priya").pk, {"ipAddressRestriction": "10.0.0.1"}
    assert refused(cast["marcus"], *arguments, mask="nothing").text.startswith("Object mask")
    assert refused(cast["marcus"], *arguments, object_filter={"x": {"operation": 1}}).text.startswith("“x”")
    assert key_of("priya").allowed_addresses == ""


def test_every_object_begins_with_its_type_where_that_is_asked(cast) -> None:
    mask = "mask[userStatus,parent,account,apiAuthenticationKeys[user],permissions,roles,loginAttempts]"
    found = ask(cast["marcus"], "Account::getUsers", mask=mask, includes_types=True)
    every = list(everything_in(found))
    assert {next(iter(record)) for record in every} == {"complexType"}
    assert {record["complexType"] for record in every} >= {
        "SoftLayer_User_Customer", "SoftLayer_Account", "SoftLayer_User_Customer_Status",
        "SoftLayer_User_Customer_ApiAuthentication", "SoftLayer_User_Permission_Role",
        "SoftLayer_User_Customer_CustomerPermission_Permission",
    }  # fmt: skip
    assert not any("complexType" in record for record in everything_in(ask(cast["marcus"], "Account::getUsers")))


_TEMPLATES = {"editObject": [{"ipAddressRestriction": ""}], "createObject": [{"email": "new@acme.example"}]}
#: The methods that give records.
GIVING = [
    (service, name) for service, methods in SERVICES.items() for name, kind in methods.items()
    if not isinstance(kind, Plain)
]  # fmt: skip


@pytest.mark.parametrize(("service", "method"), GIVING)
def test_every_property_of_what_a_method_gives_can_be_asked_for(cast, key_of, service: str, method: str) -> None:
    """One level of everything there is: no name is declared that cannot be answered."""
    kind, marcus = SERVICES[service][method], cast["marcus"]
    assert not isinstance(kind, Plain)
    numbers = {"SoftLayer_User_Customer": marcus.pk, "SoftLayer_User_Customer_ApiAuthentication": key_of("marcus").pk}
    makes = isinstance(kind, One) and kind.makes
    relations = [name for name, relation in kind.type.relations.items() if not makes or relation.most is not None]
    names = [*kind.type.local, *kind.type.on_request, *relations, *kind.type.counts]
    Member.objects.filter(pk=marcus.pk).update(user_managed_login=True)
    found = ask(
        marcus,
        f"{service.removeprefix('SoftLayer_')}::{method}",
        numbers.get(service),
        *_TEMPLATES.get(method, ()),
        mask=f"mask[{','.join(names)}]",
    )
    assert isinstance(found, list) is isinstance(kind, Many | Few)
    for record in found if isinstance(found, list) else [found]:
        for name in relations:
            assert isinstance(record.get(name), list) is kind.type.relations[name].is_list, (
                "always a list: clients count it"
            )
        assert set(kind.type.counts) <= set(record)
