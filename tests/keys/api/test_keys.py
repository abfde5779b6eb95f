"""Keys by the interface: who sees, makes, restricts and deletes them, with every fault and event."""

from typing import Any

import pytest

from accounts import memberships
from accounts.models import BranchFreeze, Event, Member
from keys import lifecycle, material
from keys.models import ClassicKey
from keys.verification import verify
from tests.conftest import ACME
from tests.keys.api.calling import ORIGIN, ask, asked, caller_of, denied, invalid, not_found, public, refused

USER, KEY = "User_Customer", "User_Customer_ApiAuthentication"


def last_event() -> Event:
    return Event.objects.filter(account_id=ACME).latest("number")


def no_new_event(before: int) -> bool:
    return Event.objects.filter(account_id=ACME).count() == before


@pytest.mark.parametrize(
    ("caller", "holder", "is_known"),
    [
        ("priya", "priya", True), ("marcus", "priya", True), ("olivia", "priya", True), ("olivia", "dmitri", True),
        ("marcus", "berlin", True), ("priya", "marcus", False), ("priya", "olivia", False), ("sam", "priya", False),
        ("sam", "marcus", False), ("dmitri", "sam", False),
    ],
)  # fmt: skip
def test_key_is_known_to_its_user_and_those_above(cast, key_of, caller: str, holder: str, is_known: bool) -> None:
    if caller == "dmitri":
        Member.objects.filter(pk=cast["dmitri"].pk).update(status="active")
    key, asking = key_of(holder), caller_of(cast[caller])
    record = {
        "id": key.pk, "userId": cast[holder].pk, "timestampKey": int(key.created_at.timestamp()),
        "ipAddressRestriction": "",
    }  # fmt: skip
    keys = asked(asking, f"{USER}::getApiAuthenticationKeys", cast[holder].pk)
    assert (list(keys.value), keys.total) == (([record], 1) if is_known else ([], 0)), "not even their number"
    found = ask(asking, f"{USER}::getObject", cast[holder].pk, mask="apiAuthenticationKeys,apiAuthenticationKeyCount")
    assert found["apiAuthenticationKeys"] == ([record] if is_known else [])
    assert found["apiAuthenticationKeyCount"] == int(is_known)
    if is_known:
        assert ask(asking, f"{KEY}::getObject", key.pk) == record
        assert ask(asking, f"{KEY}::getUser", key.pk, mask="id") == {"id": cast[holder].pk}
    else:
        for method in (f"{KEY}::getObject", f"{KEY}::getUser", f"{KEY}::editObject"):
            assert refused(asking, method, key.pk, {"ipAddressRestriction": "10.0.0.1"}) == not_found(key.pk)
    by_key = {"users": {"apiAuthenticationKeys": {"id": {"operation": key.pk}}}}
    assert len(ask(asking, "Account::getUsers", object_filter=by_key)) == int(is_known)


def test_hidden_key_is_answered_like_none(cast, key_of) -> None:
    sam, key = caller_of(cast["sam"]), key_of("priya")
    asks: list[tuple[Any, ...]] = [
        (f"{KEY}::getObject", key.pk), (f"{KEY}::getUser", key.pk),
        (f"{KEY}::editObject", key.pk, {"ipAddressRestriction": "10.0.0.1"}),
        (f"{KEY}::editObject", key.pk, {"ipAddressRestriction": "nonsense"}),
        (f"{KEY}::editObject", key.pk, None),
        (f"{USER}::removeApiAuthenticationKey", None, key.pk),
        (f"{USER}::getApiAuthenticationKeys", cast["priya"].pk),
        (f"{USER}::addApiAuthenticationKey", cast["priya"].pk),
    ]  # fmt: skip
    ways = [(lambda one: ask(sam, *one)) if "getApi" in one[0] else (lambda one: refused(sam, *one)) for one in asks]
    before = [way(one) for way, one in zip(ways, asks, strict=True)]
    events = Event.objects.count()
    ClassicKey.objects.filter(pk=key.pk).delete()
    assert [way(one) for way, one in zip(ways, asks, strict=True)] == before
    assert Event.objects.count() == events, "nothing is recorded of what is answered like nothing"
    assert before[0] == before[3] == before[5] == not_found(key.pk)


def test_key_is_added_for_a_vpn_only_user_below_and_works(cast, key_of) -> None:
    marcus, berlin = caller_of(cast["marcus"]), cast["berlin"]
    key_of("berlin").delete()
    value = ask(marcus, f"{USER}::addApiAuthenticationKey", berlin.pk)
    key = key_of("berlin")
    assert material.take(key).text == value
    assert len(value) == 64
    assert verify(berlin.api_username, value, "17.5.7.8").accepted
    assert key.creator_id == cast["marcus"].pk
    event = last_event()
    assert (event.action, event.outcome, event.actor_id, event.subject_id) == (
        "classic_key.created", "success", cast["marcus"].pk, berlin.pk,
    )  # fmt: skip
    assert (event.address, event.request_id) == (ORIGIN.address, ORIGIN.request_id)
    assert value not in event.details
    second = public("Each user can only have a single API key.")
    assert refused(marcus, f"{USER}::addApiAuthenticationKey", berlin.pk) == second
    assert last_event() == event, "a second key changes nothing"


def test_one_has_a_key_already(cast) -> None:
    second = public("Each user can only have a single API key.")
    assert refused(cast["priya"], f"{USER}::addApiAuthenticationKey", cast["priya"].pk) == second


@pytest.mark.parametrize(
    ("caller", "holder", "status", "text"),
    [
        (
            "marcus", "noor", "active",
            "Users create their own key. You can create one only for a VPN-only user below you, with Manage users.",
        ),
        ("marcus", "lena", "pending", "Generating an API key for a user in PENDING status is disallowed."),
        ("marcus", "lena", "processing", "Generating an API key for a user in PENDING status is disallowed."),
        (
            "priya", "noor", "vpn_only",
            "Users create their own key. You can create one only for a VPN-only user below you, with Manage users.",
        ),
        (
            "priya", "priya", "disabled_classic",
            "Your status in this account is Disabled classic infrastructure. Only active users can create a key.",
        ),
    ],
)  # fmt: skip
def test_key_that_may_not_be_added_is_an_event(cast, caller: str, holder: str, status: str, text: str) -> None:
    Member.objects.filter(pk=cast[holder].pk).update(status=status)
    assert refused(cast[caller], f"{USER}::addApiAuthenticationKey", cast[holder].pk) == denied(text)
    event = last_event()
    assert (event.action, event.outcome, event.actor_id, event.subject_id) == (
        "permission.refused", "refused", cast[caller].pk, cast[holder].pk,
    )  # fmt: skip
    assert event.facts["what"] == "create a key"
    assert (event.address, event.request_id) == (ORIGIN.address, ORIGIN.request_id)


@pytest.mark.parametrize("caller", ["priya", "marcus", "olivia"])
@pytest.mark.parametrize("as_text", [False, True])
def test_key_is_removed_by_its_number_alone_and_is_dead_at_once(cast, key_of, value_of, caller, as_text) -> None:
    key, value, asking = key_of("priya"), value_of("priya"), caller_of(cast[caller])
    number = str(key.pk) if as_text else key.pk
    assert ask(asking, f"{USER}::removeApiAuthenticationKey", None, number) is True
    assert not verify("1234567_priya@acme.example", value, "17.5.7.8").accepted
    event = last_event()
    assert (event.action, event.actor_id, event.subject_id) == (
        "classic_key.deleted", cast[caller].pk, cast["priya"].pk,
    )  # fmt: skip
    assert refused(asking, f"{USER}::removeApiAuthenticationKey", None, key.pk) == not_found(key.pk)


@pytest.mark.parametrize("argument", [None, "", "seven", "7.5", 7.5, True, [], {}, "-1", "9" * 40, "７"])
def test_removal_wants_a_number(cast, argument: Any) -> None:
    text = public("Please provide an API Authentication key ID.")
    assert refused(cast["priya"], f"{USER}::removeApiAuthenticationKey", None, argument) == text
    assert refused(cast["priya"], f"{USER}::removeApiAuthenticationKey", cast["priya"].pk) == text


@pytest.mark.parametrize("number", [0, -1, 99_999, 2**31, 2**63, 2**80])
def test_removal_of_nothing(cast, number: int) -> None:
    assert refused(cast["olivia"], f"{USER}::removeApiAuthenticationKey", None, number) == not_found(number)


def test_key_that_is_deleted_meanwhile_is_not_found(cast, key_of, monkeypatch) -> None:
    key = key_of("priya")

    def gone(**_: object) -> None:
        raise lifecycle.KeyGone

    monkeypatch.setattr(lifecycle, "delete_classic_key", gone)
    monkeypatch.setattr(lifecycle, "restrict_classic_key", gone)
    marcus = caller_of(cast["marcus"])
    assert refused(marcus, f"{USER}::removeApiAuthenticationKey", None, key.pk) == not_found(key.pk)
    edit = refused(marcus, f"{KEY}::editObject", key.pk, {"ipAddressRestriction": "10.0.0.1"})
    assert edit == not_found(key.pk)


def test_restriction_is_set_and_told_back(cast, key_of) -> None:
    """Clients send the whole record back: whatever else is in it is ignored."""
    key, marcus = key_of("priya"), caller_of(cast["marcus"])
    record = ask(marcus, f"{KEY}::getObject", key.pk)
    sent = record | {"ipAddressRestriction": " 10.0.0.0/8,17.5.7.8", "userId": 1, "authenticationKey": "1", "new": {}}
    found = ask(marcus, f"{KEY}::editObject", key.pk, sent)
    assert found == record | {"ipAddressRestriction": "10.0.0.0/8, 17.5.7.8"}
    assert ask(marcus, f"{KEY}::getObject", key.pk) == found
    assert key_of("priya").digest == key.digest
    event = last_event()
    assert (event.action, event.actor_id) == ("classic_key.restriction_changed", cast["marcus"].pk)
    assert event.facts == {"before": "none", "after": "10.0.0.0/8, 17.5.7.8"}
    assert ask(marcus, f"{KEY}::editObject", key.pk, {"ipAddressRestriction": ""}, mask="ipAddressRestriction") == {
        "ipAddressRestriction": ""
    }
    assert key_of("priya").allowed_addresses == ""


def test_own_key_is_restricted_where_the_login_is_user_managed(cast, key_of) -> None:
    key, sent = key_of("priya"), {"ipAddressRestriction": "17.5.7.8"}
    why = "You can restrict your own key only while user-managed login is on for you."
    assert refused(cast["priya"], f"{KEY}::editObject", key.pk, sent) == denied(why)
    event = last_event()
    assert (event.action, event.outcome, event.actor_id) == ("permission.refused", "refused", cast["priya"].pk)
    assert event.facts == {"what": "restrict the addresses this key is used from", "why": why}
    Member.objects.filter(pk=cast["priya"].pk).update(user_managed_login=True)
    assert ask(cast["priya"], f"{KEY}::editObject", key.pk, sent)["ipAddressRestriction"] == "17.5.7.8"


def test_ancestor_without_the_permission_does_not_restrict(cast, key_of) -> None:
    Member.objects.filter(pk=cast["marcus"].pk).update(permissions=0)
    why = "You need the permission Manage users to restrict this key."
    for addresses in ("17.5.7.8", "nonsense"):
        fault = refused(cast["marcus"], f"{KEY}::editObject", key_of("priya").pk, {"ipAddressRestriction": addresses})
        assert fault == denied(why)
    assert key_of("priya").allowed_addresses == ""


def test_bad_addresses_are_named_and_nothing_is_saved(cast, key_of) -> None:
    key, events = key_of("priya"), Event.objects.count()
    sent = {"ipAddressRestriction": "10.0.0.0/8, 10.0.0.300, x"}
    fault = refused(cast["marcus"], f"{KEY}::editObject", key.pk, sent)
    assert fault.code == "SoftLayer_Exception_InvalidValue"
    assert "10.0.0.300" in fault.text
    assert "10.0.0.0/8" not in fault.text
    assert (key_of("priya").allowed_addresses, Event.objects.count()) == ("", events)


@pytest.mark.parametrize("template", [None, "", [], 7, {}, {"ipAddressRestriction": None}, {"ipAddressRestriction": 7}])
def test_restriction_that_is_not_there_lifts_none(cast, key_of, template: Any) -> None:
    ClassicKey.objects.filter(holder=cast["priya"]).update(allowed_addresses="17.5.7.8")
    text = invalid("Please provide a record with ipAddressRestriction: a text, empty for every address.")
    assert refused(cast["marcus"], f"{KEY}::editObject", key_of("priya").pk, template) == text
    assert key_of("priya").allowed_addresses == "17.5.7.8"


@pytest.mark.parametrize("method", [f"{KEY}::getObject", f"{KEY}::getUser", f"{KEY}::editObject", f"{USER}::getObject"])
def test_number_of_the_object_is_needed(cast, method: str) -> None:
    fault = refused(cast["priya"], method)
    assert (fault.code, fault.text) == ("-32602", "server error. invalid method init parameters")


def test_rights_are_those_of_the_moment(cast, key_of) -> None:
    """Somebody who was moved elsewhere, or lost the permission, after the caller was loaded, changes nothing."""
    marcus, key = caller_of(cast["marcus"]), key_of("priya")
    memberships.change_parent(member=cast["priya"], parent=cast["sam"], by=cast["olivia"], origin=ORIGIN)
    assert refused(marcus, f"{USER}::removeApiAuthenticationKey", None, key.pk) == not_found(key.pk)
    Member.objects.filter(pk=cast["marcus"].pk).update(permissions=0)
    fault = refused(marcus, f"{KEY}::editObject", key_of("berlin").pk, {"ipAddressRestriction": "10.0.0.1"})
    assert fault == denied("You need the permission Manage users to restrict this key.")
    BranchFreeze.objects.create(account_id=ACME, member=cast["marcus"], reason="x", at=key.created_at)
    fault = refused(marcus, f"{USER}::removeApiAuthenticationKey", None, key_of("berlin").pk)
    assert fault == not_found(key_of("berlin").pk)
