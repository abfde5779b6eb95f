"""What the interface says of users: to whom, with which properties, and in words that clients know."""

from typing import Any

import pytest

from accounts import audit, events
from accounts.enums import MemberStatus, Permission
from accounts.models import Account, Member
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.keys.api.calling import ORIGIN, ask, caller_of, not_found, refused

SLCLI_LIST = """mask[id, username, displayName, userStatus[name], hardwareCount, virtualGuestCount,
                     email, roles, externalBindingCount,apiAuthenticationKeyCount, sslVpnAllowedFlag]"""
SLCLI_DETAIL = (
    "mask[userStatus[name], parent[id, username], apiAuthenticationKeys[authenticationKey], "
    "unsuccessfulLogins, successfulLogins]"
)


def test_current_user_has_all_local_properties_and_nothing_else(cast: dict[str, Member]) -> None:
    priya = cast["priya"]
    assert ask(priya, "Account::getCurrentUser") == {
        "id": priya.pk,
        "accountId": ACME,
        "parentId": cast["marcus"].pk,
        "username": "1234567_priya@acme.example",
        "displayName": "Priya Raman",
        "firstName": "Priya",
        "lastName": "Raman",
        "email": "priya@acme.example",
        "openIdConnectUserName": "priya@acme.example",
        "userStatusId": 1001,
        "createDate": priya.joined_at.isoformat(timespec="seconds"),
        "isMasterUserFlag": False,
    }


def test_user_without_a_last_name_and_one_with_three(cast: dict[str, Member]) -> None:
    cast["noor"].user.name = "Noor"
    cast["noor"].user.save()
    found = ask(cast["priya"], "User_Customer::getObject", cast["noor"].pk, mask="firstName,lastName")
    assert found == {"firstName": "Noor", "lastName": ""}
    cast["noor"].user.name = "Noor van  Dijk"
    cast["noor"].user.save()
    found = ask(cast["priya"], "User_Customer::getObject", cast["noor"].pk, mask="firstName,lastName")
    assert f"{found['firstName']} {found['lastName']}" == "Noor van  Dijk"


def test_command_line_client_sees_its_user_in_detail(cast: dict[str, Member], value_of) -> None:
    marcus = cast["marcus"]
    audit.record(events.SIGNED_IN, actor=marcus, origin=ORIGIN)
    audit.record(events.SIGN_IN_REFUSED, actor=None, subject=marcus, outcome=audit.REFUSED, origin=ORIGIN)
    found = ask(marcus, "User_Customer::getObject", marcus.pk, mask=SLCLI_DETAIL)
    assert found["username"] == "1234567_marcus@acme.example", "a mask of relations keeps local properties"
    assert found["userStatus"] == {"name": "Active"}
    assert found["parent"] == {"id": cast["olivia"].pk, "username": "1234567_olivia@acme.example"}
    assert found["apiAuthenticationKeys"] == [{"authenticationKey": value_of("marcus")}]
    for name, was_let_in in {"successfulLogins": True, "unsuccessfulLogins": False}.items():
        (login,) = found[name]
        assert login["ipAddress"] == "17.5.7.8"
        assert login["successFlag"] is was_let_in
        assert (login["userId"], login["username"]) == (marcus.pk, marcus.api_username)
        assert login["createDate"].endswith("+00:00")
        assert "." not in login["createDate"]


def test_command_line_client_lists_users(cast: dict[str, Member]) -> None:
    found = ask(cast["marcus"], "Account::getUsers", mask=SLCLI_LIST)
    by_name = {user["displayName"]: user for user in found}
    assert len(by_name) == 8
    assert by_name["Berlin office"] == {
        "id": cast["berlin"].pk,
        "username": "1234567_vpn-berlin@acme.example",
        "displayName": "Berlin office",
        "email": "vpn-berlin@acme.example",
        "userStatus": {"name": "VPN-only"},
        "roles": [],
        "hardwareCount": 0,
        "virtualGuestCount": 0,
        "externalBindingCount": 0,
        "apiAuthenticationKeyCount": 1,
    }
    has_key = {name for name, user in by_name.items() if user["apiAuthenticationKeyCount"]}
    assert has_key == {"Marcus Lindqvist", "Priya Raman", "Berlin office"}, "of those above and beside, nothing is said"


STATUSES = {
    "active": (1001, "ACTIVE", "Active"), "disabled_classic": (1002, "DISABLED", "Disabled"),
    "pending": (1004, "PENDING", "Pending"), "processing": (1004, "PENDING", "Pending"),
    "suspended": (1005, "SUSPENDED", "Suspended"), "invalid": (1006, "IAMID_INVALID", "Invalid"),
    "vpn_only": (1022, "VPN_ONLY", "VPN-only"),
}  # fmt: skip


@pytest.mark.parametrize("status", MemberStatus.values)
def test_statuses_have_the_numbers_that_clients_know(cast: dict[str, Member], status: str) -> None:
    number, key_name, name = STATUSES[status]
    Member.objects.filter(pk=cast["noor"].pk).update(status=status)
    said = {"id": number, "keyName": key_name, "name": name}
    found = ask(cast["priya"], "User_Customer::getObject", cast["noor"].pk, mask="userStatusId,userStatus")
    assert found == {"userStatusId": number, "userStatus": said}
    assert ask(cast["priya"], "User_Customer::getUserStatus", cast["noor"].pk) == said
    asked_for = {"users": {"userStatus": {"keyName": {"operation": key_name}}, "id": {"operation": cast["noor"].pk}}}
    assert len(ask(cast["priya"], "Account::getUsers", object_filter=asked_for)) == 1
    asked_for = {"users": {"userStatusId": {"operation": f"!= {number}"}, "id": {"operation": cast["noor"].pk}}}
    assert ask(cast["priya"], "Account::getUsers", object_filter=asked_for) == []


def test_relations_of_a_user_one_by_one(cast: dict[str, Member]) -> None:
    priya, noor, marcus = cast["priya"], cast["noor"], cast["marcus"]
    assert ask(marcus, "User_Customer::getParent", priya.pk, mask="id") == {"id": marcus.pk}
    assert ask(marcus, "User_Customer::getAccount", priya.pk) == {"id": ACME, "companyName": "Acme Robotics"}
    assert [user["id"] for user in ask(marcus, "User_Customer::getChildUsers", priya.pk)] == [noor.pk]
    assert [user["id"] for user in ask(marcus, "User_Customer::getChildUsers", noor.pk)] == []
    assert ask(marcus, "User_Customer::isMasterUser", priya.pk) is False
    assert ask(marcus, "User_Customer::isMasterUser", cast["olivia"].pk) is True
    assert ask(marcus, "User_Customer::getParent", cast["olivia"].pk) is None
    mask = "mask[childUserCount,childUsers[id,parent[id]],account[userCount,masterUser[id]]]"
    found = ask(marcus, "User_Customer::getObject", priya.pk, mask=mask)
    assert found["childUserCount"] == 1
    assert found["childUsers"] == [{"id": noor.pk, "parent": {"id": priya.pk}}]
    assert found["account"] == {
        "id": ACME, "companyName": "Acme Robotics", "userCount": 8, "masterUser": {"id": cast["olivia"].pk},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["externalBindings", "hardware", "virtualGuests", "dedicatedHosts", "overrides"])
def test_what_there_is_not_is_an_empty_list_whatever_is_asked_of_it(cast: dict[str, Member], name: str) -> None:
    sam, method = cast["sam"], f"User_Customer::get{name[0].upper()}{name[1:]}"
    assert ask(sam, method, sam.pk, mask="mask[id,anything[at,all]]") == []
    assert ask(sam, "User_Customer::getObject", sam.pk, mask=f"mask[{name}[id,anything]]")[name] == []
    assert refused(sam, method, 99_999) == not_found(99_999)


def test_permissions_are_said_to_those_who_look_after_a_user(cast: dict[str, Member]) -> None:
    marcus = cast["marcus"]
    (held,) = ask(marcus, "User_Customer::getPermissions", marcus.pk)
    assert held["keyName"] == "MANAGE_USERS"
    assert held["name"] == "Manage users (classic infrastructure)"
    (role,) = ask(cast["olivia"], "User_Customer::getRoles", marcus.pk)
    assert role["id"] == Permission.MANAGE_USERS
    assert role["description"] == "Invite users, and manage the users below: status, parent, removal"
    assert len(ask(cast["olivia"], "User_Customer::getPermissions", cast["olivia"].pk)) == 5
    for method in ("User_Customer::getPermissions", "User_Customer::getRoles"):
        assert ask(cast["sam"], method, marcus.pk) == [], "as on the page of the user"
    mask = "mask[id,permissions,roles]"
    assert ask(cast["priya"], "User_Customer::getObject", marcus.pk, mask=mask) == {
        "id": marcus.pk, "permissions": [], "roles": [],
    }  # fmt: skip


def test_platform_restriction_is_said_to_those_who_look_after_a_user(cast: dict[str, Member]) -> None:
    Member.objects.filter(pk=cast["priya"].pk).update(allowed_addresses="17.5.7.0/24")
    for name, knows in {"priya": True, "marcus": True, "olivia": True, "sam": False, "noor": False}.items():
        found = ask(caller_of(cast[name]), "User_Customer::getObject", cast["priya"].pk)
        assert found.get("ipAddressRestriction") == ("17.5.7.0/24" if knows else None)


def test_chosen_api_username_is_known_to_those_who_look_after_the_user_alone(cast: dict[str, Member]) -> None:
    """It is also the VPN user name. A usual one says no more than the account and the address."""
    Member.objects.filter(pk=cast["berlin"].pk).update(api_username="berlin-vpn")
    asked_for = {"users": {"username": {"operation": "_= berlin-vpn"}}}
    beginning = {"users": {"username": {"operation": "^= berlin"}}}
    other = {"users": {"username": {"operation": "!= nobody"}}}
    sorted_by = {"users": {"username": {"operation": "orderBy"}}}
    for name, knows in {"marcus": True, "olivia": True, "sam": False, "priya": False}.items():
        caller = caller_of(cast[name])
        found = ask(caller, "User_Customer::getObject", cast["berlin"].pk)
        assert found.get("username") == ("berlin-vpn" if knows else None)
        for condition in (asked_for, beginning):
            assert len(ask(caller, "Account::getUsers", object_filter=condition)) == int(knows)
        assert len(ask(caller, "Account::getUsers", object_filter=other)) == 7 + int(knows)
        in_order = [user.get("username", "") for user in ask(caller, "Account::getUsers", object_filter=sorted_by)]
        assert in_order == sorted(in_order), "a hidden name has no place of its own"
        assert (len(in_order), in_order.count("")) == (8, int(not knows))
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_EDITOR)
    assert len(ask(cast["sam"], "Account::getUsers", object_filter=asked_for)) == 1
    Member.objects.filter(pk=cast["olivia"].pk).update(api_username="boss")
    boss = {"users": {"username": {"operation": "boss"}}}
    assert ask(cast["sam"], "Account::getUsers", object_filter=boss) == [], "nobody looks after the owner"
    assert "username" not in ask(cast["sam"], "User_Customer::getObject", cast["olivia"].pk)


@pytest.mark.parametrize(
    "method",
    [
        "getObject", "getParent", "getChildUsers", "getUserStatus", "isMasterUser", "getAccount", "getPermissions",
        "getRoles", "getLoginAttempts", "getSuccessfulLogins", "getUnsuccessfulLogins", "getApiAuthenticationKeys",
        "addApiAuthenticationKey", "editObject", "updateVpnPassword", "getHardware",
    ],
)  # fmt: skip
def test_hidden_user_is_answered_like_none(cast: dict[str, Member], method: str) -> None:
    """With the list restricted, of another account, and where there is nobody."""
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    stranger = Member.objects.filter(account_id=BOREALIS, parent=None).get()
    caller, arguments = caller_of(cast["marcus"]), [{"userStatusId": 1005}]
    for hidden in (cast["sam"].pk, cast["dmitri"].pk, cast["olivia"].pk, stranger.pk, 99_999, 2**63, 0):
        assert refused(caller, f"User_Customer::{method}", hidden, *arguments) == not_found(hidden)
    before = refused(caller, f"User_Customer::{method}", cast["dmitri"].pk)
    ClassicKey.objects.filter(holder=cast["dmitri"]).delete()
    Member.objects.filter(pk=cast["dmitri"].pk).delete()
    assert refused(caller, f"User_Customer::{method}", cast["dmitri"].pk) == before


def test_restricted_list_hides_the_parent(cast: dict[str, Member]) -> None:
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    marcus, olivia = caller_of(cast["marcus"]), cast["olivia"].pk
    found = ask(marcus, "Account::getCurrentUser", mask="id,parentId,isMasterUserFlag,parent,account[masterUser]")
    assert found == {
        "id": cast["marcus"].pk, "isMasterUserFlag": False, "account": {"id": ACME, "companyName": "Acme Robotics"},
    }  # fmt: skip
    assert ask(marcus, "User_Customer::getParent", cast["marcus"].pk) is None
    assert ask(marcus, "Account::getMasterUser") is None
    below = ask(marcus, "User_Customer::getObject", cast["priya"].pk, mask="parentId,parent[id,parentId]")
    assert below == {"parentId": cast["marcus"].pk, "parent": {"id": cast["marcus"].pk}}

    def users(operation: Any) -> int:
        return len(ask(marcus, "Account::getUsers", object_filter={"users": {"parentId": {"operation": operation}}}))

    assert users(olivia) == users(f">= {olivia}") - 4 == users(f"< {olivia}") == 0
    assert users("is null") == 1, "a hidden parent is like none"
    assert users(cast["marcus"].pk) == 3
    assert ask(cast["olivia"], "Account::getMasterUser", mask="id") == {"id": olivia}


def test_dates_and_names_of_someone_who_has_not_joined(cast: dict[str, Member]) -> None:
    Member.objects.filter(pk=cast["lena"].pk).update(joined_at=None, name_here="lena@acme.example")
    found = ask(cast["marcus"], "User_Customer::getObject", cast["lena"].pk)
    assert "createDate" not in found
    assert (found["displayName"], found["firstName"], found["lastName"]) == (
        "lena@acme.example", "lena@acme.example", "",
    )  # fmt: skip
    named = {"users": {"displayName": {"operation": "*= LENA@"}}}
    assert [user["id"] for user in ask(cast["marcus"], "Account::getUsers", object_filter=named)] == [cast["lena"].pk]
