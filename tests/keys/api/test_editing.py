"""Users changed by the interface: status, removal, VPN password; with the policies, events and faults of pages."""

from typing import Any

import pytest
from django.contrib.auth.hashers import check_password

from accounts.enums import Permission
from accounts.models import Account, Event, Member
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.keys.api.calling import ORIGIN, ask, caller_of, denied, invalid, not_found, public, refused
from tests.trees import grow

EDIT, VPN = "User_Customer::editObject", "User_Customer::updateVpnPassword"
GOOD = "a long VPN passphrase"


def last_event() -> Event:
    return Event.objects.filter(account_id=ACME).latest("number")


def status_of(member: Member) -> str:
    return Member.objects.get(pk=member.pk).status


@pytest.mark.parametrize(
    ("number", "status", "label"),
    [
        (1002, "disabled_classic", "Disabled classic infrastructure"), (1005, "suspended", "Suspended"),
        (1022, "vpn_only", "VPN-only"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_text", [False, True])
def test_status_is_changed_and_changed_back(cast, number: int, status: str, label: str, as_text: bool) -> None:
    marcus, priya = caller_of(cast["marcus"]), cast["priya"]
    assert ask(marcus, EDIT, priya.pk, {"userStatusId": str(number) if as_text else number}) is True
    assert status_of(priya) == status
    event = last_event()
    assert (event.action, event.actor_id, event.subject_id) == (
        "member.status_changed", cast["marcus"].pk, priya.pk,
    )  # fmt: skip
    assert event.facts == {"before": "Active", "after": label}
    assert (event.address, event.request_id) == (ORIGIN.address, ORIGIN.request_id)
    assert ask(marcus, EDIT, priya.pk, {"userStatusId": number}) is True
    assert last_event() == event, "the same again changes nothing"
    assert ask(marcus, EDIT, priya.pk, {"userStatusId": 1001}) is True
    assert status_of(priya) == "active"


@pytest.mark.parametrize("number", [1003, 1004, 1006, 1, -1, 2**70, "x", "", True, 1002.5, [], {}])
def test_status_that_cannot_be_chosen(cast, number: Any) -> None:
    text = (
        "A user's status can be set to 1001 (ACTIVE), 1002 (DISABLED), 1005 (SUSPENDED), 1022 (VPN_ONLY), and 1021 "
        "removes the user."
    )
    assert refused(cast["marcus"], EDIT, cast["priya"].pk, {"userStatusId": number}) == invalid(text)
    assert status_of(cast["priya"]) == "active"


@pytest.mark.parametrize(
    ("caller", "target", "number", "text"),
    [
        ("priya", "noor", 1005, "You need the permission Manage users, and be above this user, to change this user's"),
        ("marcus", "sam", 1005, "You need the permission Manage users, and be above this user, to change this user's"),
        ("marcus", "olivia", 1005, "The owner of the account keeps their place in it."),
        ("marcus", "marcus", 1005, "Your own place in the account, and the branch that you are in, are decided by"),
        ("marcus", "lena", 1001, "This user has not accepted the invitation yet."),
        ("marcus", "lena", 1021, "This user has not accepted the invitation yet: cancel it instead."),
        ("marcus", "dmitri", 1021, "You need the permission Manage users, and be above this user, to remove this user"),
        ("olivia", "olivia", 1021, "The owner of the account keeps their place in it."),
    ],
)
def test_refusal_is_a_fault_with_the_reason_and_an_event(cast, caller, target, number, text: str) -> None:
    before = status_of(cast[target])
    fault = refused(cast[caller], EDIT, cast[target].pk, {"userStatusId": number})
    assert fault == denied(fault.text)
    assert fault.text.startswith(text)
    assert status_of(cast[target]) == before
    event = last_event()
    assert (event.action, event.outcome, event.actor_id, event.subject_id) == (
        "permission.refused", "refused", cast[caller].pk, cast[target].pk,
    )  # fmt: skip
    what = "remove this user from the account" if number == 1021 else "change this user's status"
    assert event.facts == {"what": what, "why": fault.text}
    assert (event.address, event.request_id) == (ORIGIN.address, ORIGIN.request_id)


def test_user_is_removed_as_the_command_line_client_asks(cast, value_of) -> None:
    marcus, noor = caller_of(cast["marcus"]), cast["noor"]
    assert ask(marcus, EDIT, noor.pk, {"userStatusId": 1021}) is True
    assert refused(marcus, "User_Customer::getObject", noor.pk) == not_found(noor.pk)
    assert not Member.objects.filter(pk=noor.pk).exists()
    event = last_event()
    assert (event.action, event.actor_id, event.subject_id) == ("member.removed", cast["marcus"].pk, noor.pk)


def test_user_with_working_users_below_is_not_removed(cast) -> None:
    events = Event.objects.count()
    fault = refused(cast["marcus"], EDIT, cast["priya"].pk, {"userStatusId": 1021})
    assert fault == public(
        "Users below are neither disabled nor removed: Noor Haddad <noor@acme.example>. Give them another parent, or "
        "remove this user in the console, which hands them over in the same step."
    )
    assert (status_of(cast["priya"]), Event.objects.count()) == ("active", events)
    assert ClassicKey.objects.filter(holder=cast["priya"]).exists()
    grow_below = Account.objects.get(pk=ACME)
    for member in grow([0] * 11)[1:]:
        path = cast["priya"].path + member.path[-7:]
        Member.objects.filter(pk=member.pk).update(account=grow_below, parent=cast["priya"], path=path)
    fault = refused(cast["marcus"], EDIT, cast["priya"].pk, {"userStatusId": 1021})
    assert fault.text.count("<") == 10
    assert " and 2 more. Give them" in fault.text
    for below in Member.objects.filter(parent=cast["priya"]):
        Member.objects.filter(pk=below.pk).update(status="suspended")
    assert ask(cast["marcus"], EDIT, cast["priya"].pk, {"userStatusId": 1021}) is True


def test_whole_record_may_be_sent_back(cast) -> None:
    marcus, priya = caller_of(cast["marcus"]), cast["priya"]
    mask = {"userStatus": {}, "parent": {}, "apiAuthenticationKeys": {}, "childUserCount": {}, "hardware": {}}
    record = ask(marcus, "User_Customer::getObject", priya.pk, mask=mask, includes_types=True)
    assert record["complexType"] == "SoftLayer_User_Customer"
    events = Event.objects.count()
    assert ask(marcus, EDIT, priya.pk, record) is True
    assert ask(marcus, EDIT, priya.pk, record | {"address1": None, "sslVpnAllowedFlag": None}) is True
    assert Event.objects.count() == events
    assert ask(marcus, EDIT, priya.pk, record | {"userStatusId": 1005}) is True
    assert status_of(priya) == "suspended"


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ({"firstName": "Else", "userStatusId": 1005}, "firstName"),
        ({"sslVpnAllowedFlag": True}, "sslVpnAllowedFlag"),
        ({"vpnManualConfig": False}, "vpnManualConfig"),
        ({"email": "other@acme.example", "parentId": 1, "id": 7}, "email, id"),
        ({"vpn_password": "x", "path": ""}, "path, vpn_password"),
        ({"isMasterUserFlag": True}, "isMasterUserFlag"),
        ({"username": "guess"}, "username"),
        ({"x" * 100: 1}, "x" * 59 + "…"),
        ({f"x{number}": 1 for number in range(10)}, ", ".join(f"x{number}" for number in range(10))),
        ({f"x{number:04}": 1 for number in range(9_000)}, ", ".join(f"x000{n}" for n in range(10)) + " and 8,990 more"),
    ],
)
def test_what_cannot_be_changed_here_is_named_and_nothing_is_changed(cast, template: dict, named: str) -> None:
    if "parentId" in template:
        template = template | {"parentId": cast["marcus"].pk}
    fault = refused(cast["marcus"], EDIT, cast["priya"].pk, template)
    assert fault == invalid(f"These properties cannot be changed here: {named}.")
    assert status_of(cast["priya"]) == "active"


@pytest.mark.parametrize("template", [None, [], "x", 7])
def test_template_is_a_record(cast, template: Any) -> None:
    text = invalid("Please provide a record with the properties to change.")
    assert refused(cast["marcus"], EDIT, cast["priya"].pk, template) == text
    assert refused(cast["marcus"], EDIT, cast["priya"].pk) == text


def test_template_tells_nothing_that_is_hidden(cast) -> None:
    """A right guess is answered like a wrong one."""
    Member.objects.filter(pk=cast["berlin"].pk).update(api_username="berlin-vpn", allowed_addresses="17.5.7.8")
    for name, values in {"username": ("berlin-vpn", "x"), "ipAddressRestriction": ("17.5.7.8", "17.5.7.9")}.items():
        for value in values:
            fault = refused(cast["sam"], EDIT, cast["berlin"].pk, {name: value})
            assert fault == invalid(f"These properties cannot be changed here: {name}.")
            mine = cast["marcus"], EDIT, cast["berlin"].pk, {name: value}
            if value == values[0]:
                assert ask(*mine) is True
            else:
                assert refused(*mine) == fault


def test_vpn_password_is_set_and_only_its_hash_is_kept(cast) -> None:
    for caller, target in (("marcus", "berlin"), ("priya", "priya"), ("olivia", "sam")):
        assert ask(cast[caller], VPN, cast[target].pk, GOOD) is True
        stored = Member.objects.get(pk=cast[target].pk).vpn_password
        assert check_password(GOOD, stored)
        event = last_event()
        assert (event.action, event.actor_id, event.subject_id) == (
            "member.vpn_password_changed", cast[caller].pk, cast[target].pk,
        )  # fmt: skip
        assert GOOD not in event.details


@pytest.mark.parametrize("password", ["short", "", None, 7, ["a long VPN passphrase"], "password1234", "x" * 5000])
def test_vpn_password_follows_the_rules_of_pages(cast, password: Any) -> None:
    fault = refused(cast["marcus"], VPN, cast["berlin"].pk, password)
    assert fault == invalid(fault.text)
    assert fault.text
    assert not Member.objects.get(pk=cast["berlin"].pk).vpn_password


def test_vpn_password_of_somebody_else_is_refused_whatever_it_is(cast) -> None:
    for password in (GOOD, "short"):
        fault = refused(cast["priya"], VPN, cast["marcus"].pk, password)
        assert fault == denied(
            "You need the permission Manage users, and be above this user, to set this user's VPN password."
        )
        event = last_event()
        assert (event.action, event.outcome, event.subject_id) == ("permission.refused", "refused", cast["marcus"].pk)
        assert password not in event.details


def test_editor_does_not_remove_and_administrator_does(cast) -> None:
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_EDITOR)
    fault = refused(cast["sam"], EDIT, cast["noor"].pk, {"userStatusId": 1021})
    assert fault == denied(fault.text)
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_ADMINISTRATOR)
    assert ask(cast["sam"], EDIT, cast["noor"].pk, {"userStatusId": 1021}) is True
