"""Values of keys: the interface opens none, and answers none but the one that came with the call."""

import pytest

from accounts import sealing
from accounts.models import Member
from keys import material
from keys.api.calls import Caller
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.keys.api.calling import ask, caller_of, everything_in, refused

pytestmark = pytest.mark.sqlite_only

#: Every way by which clients come to a key, from a method that gives users, with {} for what is asked of it.
WAYS = [
    "mask[apiAuthenticationKeys[{}]]",
    "apiAuthenticationKeys[{}]",
    "mask[id,parent[apiAuthenticationKeys[{}]]]",
    "mask[parent.parent.apiAuthenticationKeys[{}]]",
    "mask[account[users[apiAuthenticationKeys[{}]]]]",
    "mask[account[masterUser[apiAuthenticationKeys[{}]]]]",
    "mask[childUsers[apiAuthenticationKeys[{}],childUsers[apiAuthenticationKeys[{}]]]]",
    "mask[apiAuthenticationKeys[user[apiAuthenticationKeys[{}],parent[apiAuthenticationKeys[{}]]]]]",
    "mask[apiAuthenticationKeys[user[account[users[parent[apiAuthenticationKeys[{}]]]]]]]",
]


@pytest.fixture(autouse=True)
def nothing_is_opened(monkeypatch: pytest.MonkeyPatch, cast: dict[str, Member]) -> dict[str, Caller]:
    """The cast as callers; from here on nothing that is sealed can be opened."""
    callers = {name: caller_of(member) for name, member in cast.items()}

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a sealed value is opened")

    monkeypatch.setattr(sealing, "open_sealed", opened)
    monkeypatch.setattr(material, "take", opened)
    return callers


CALLERS = ["olivia", "marcus", "priya", "sam"]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_to_another_value_than_the_one_presented(nothing_is_opened: dict[str, Caller], way: str) -> None:
    for asked_for in ("authenticationKey", "id,authenticationKey", "authenticationKey,userId,user"):
        for caller in (nothing_is_opened[name] for name in CALLERS):
            for found in everything_in(ask(caller, "Account::getUsers", mask=way.replace("{}", asked_for))):
                if "authenticationKey" in found:
                    assert found["authenticationKey"] == caller.value.text
                    assert found.get("id", caller.key_id) == caller.key_id
                    assert found.get("userId", caller.member.pk) == caller.member.pk


@pytest.mark.parametrize("way", WAYS)
def test_value_is_left_out_where_it_is_not_named(nothing_is_opened: dict[str, Caller], way: str) -> None:
    marcus = nothing_is_opened["marcus"]
    for asked_for in ("id", "user", ""):
        mask = way.replace("[{}]", f"[{asked_for}]" if asked_for else "")
        found = list(everything_in(ask(marcus, "Account::getUsers", mask=mask)))
        assert not any("authenticationKey" in record for record in found)


@pytest.mark.parametrize("name", CALLERS)
def test_own_key_with_its_value_and_every_other_without(nothing_is_opened: dict[str, Caller], name: str, cast) -> None:
    """The record stays: clients count the list."""
    caller, mask = nothing_is_opened[name], "id,apiAuthenticationKeys[authenticationKey]"
    for user in ask(caller, "Account::getUsers", mask=mask):
        known = ask(caller, "User_Customer::getApiAuthenticationKeys", user["id"])
        if user["id"] == caller.member.pk:
            assert user["apiAuthenticationKeys"] == [{"authenticationKey": caller.value.text}]
        else:
            assert user["apiAuthenticationKeys"] == [{} for _ in known]


@pytest.mark.parametrize(
    "mask",
    [
        "authenticationKey", "mask[authenticationKey]", "mask.authenticationKey", "filteredMask[authenticationKey]",
        "mask(SoftLayer_User_Customer_ApiAuthentication)[authenticationKey]", {"authenticationKey": {}},
        {"authenticationKey": []}, "user[apiAuthenticationKeys[authenticationKey]],authenticationKey",
    ],
)  # fmt: skip
def test_forms_of_masks_that_name_the_value(nothing_is_opened: dict[str, Caller], mask: object, key_of) -> None:
    marcus, priyas = nothing_is_opened["marcus"], key_of("priya").pk
    for method, number in (
        ("User_Customer_ApiAuthentication::getObject", marcus.key_id),
        ("User_Customer::getApiAuthenticationKeys", marcus.member.pk),
    ):
        found = ask(marcus, method, number, mask=mask)
        (found,) = found if isinstance(found, list) else [found]
        assert found["authenticationKey"] == marcus.value.text
    found = ask(marcus, "User_Customer_ApiAuthentication::getObject", priyas, mask=mask)
    assert "authenticationKey" not in found
    edited = ask(marcus, "User_Customer_ApiAuthentication::editObject", priyas, {"ipAddressRestriction": ""}, mask=mask)
    assert "authenticationKey" not in edited


@pytest.mark.parametrize("mask", [None, "", "mask[]", "id", {"user": {}}, "mask[id,user[apiAuthenticationKeys]]"])
def test_forms_of_masks_that_do_not(nothing_is_opened: dict[str, Caller], mask: object) -> None:
    marcus = nothing_is_opened["marcus"]
    found = ask(marcus, "User_Customer_ApiAuthentication::getObject", marcus.key_id, mask=mask)
    assert not any("authenticationKey" in record for record in everything_in(found))


def test_value_of_a_key_that_somebody_else_created_is_not_answered(nothing_is_opened: dict[str, Caller], cast) -> None:
    """Not to its holder, who called with it, and not to its creator, who may see it in the console."""
    ClassicKey.objects.filter(holder=cast["priya"]).update(creator=cast["marcus"])
    mask = "id,apiAuthenticationKeys[authenticationKey]"
    for name in ("priya", "marcus"):
        found = ask(nothing_is_opened[name], "User_Customer::getObject", cast["priya"].pk, mask=mask)
        assert found == {"id": cast["priya"].pk, "apiAuthenticationKeys": [{}]}


def test_value_is_that_of_the_present_key_alone(nothing_is_opened: dict[str, Caller], cast, key_of) -> None:
    """A call under way, whose key is replaced, does not answer the new one as if it had the old value."""
    priya = nothing_is_opened["priya"]
    ClassicKey.objects.filter(pk=priya.key_id).update(id=priya.key_id + 1000)
    mask = "id,apiAuthenticationKeys[authenticationKey]"
    found = ask(priya, "User_Customer::getObject", cast["priya"].pk, mask=mask)
    assert found["apiAuthenticationKeys"] == [{}]


def test_names_of_values_are_no_properties_of_anything_else(nothing_is_opened: dict[str, Caller]) -> None:
    marcus = nothing_is_opened["marcus"]
    for name in ("authenticationKey", "sealed_value", "digest", "password", "vpn_password", "user"):
        fault = refused(marcus, "Account::getUsers", mask=f"mask[{name}]")
        assert fault.text == f'Object mask: "{name}" is not a property of SoftLayer_User_Customer.'
    assert ask(marcus, "Account::getObject", mask="id") == {"id": ACME}
