"""The log of events by the interface, logins, and the lists of words."""

import json
from datetime import UTC, datetime

import pytest

from accounts import audit, events, memberships
from accounts.models import Account, Member
from accounts.origin import Origin
from keys.api.schema import moment
from tests.conftest import ACME
from tests.keys.api.calling import ORIGIN, ask, asked, refused

LOG = "Event_Log::getAllObjects"


@pytest.fixture
def logins(cast: dict[str, Member]) -> None:
    for name in ("priya", "noor", "sam"):
        audit.record(events.SIGNED_IN, actor=cast[name], origin=ORIGIN)
        audit.record(
            events.SIGN_IN_REFUSED, actor=None, actor_label="Somebody", subject=cast[name], outcome=audit.REFUSED,
            origin=ORIGIN,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["olivia", "marcus", "priya", "sam"])
def test_log_has_the_events_that_the_activity_page_shows(cast, logins, name: str) -> None:
    visible = audit.visible_events(cast[name]).order_by("pk")
    found = asked(cast[name], LOG)
    expected = [
        {
            "eventName": event.action,
            "eventCreateDate": event.at.isoformat(timespec="microseconds"),
            "objectName": "User",
            "label": event.subject_label,
            "userType": "CUSTOMER" if event.actor_id else "SYSTEM",
            "username": event.actor_label,
            "ipAddress": event.address,
            "traceId": event.request_id,
            "metaData": event.details,
        }
        | ({"userId": event.actor_id} if event.actor_id else {})
        | ({"objectId": event.subject_id} if event.subject_id else {})
        for event in visible
    ]
    assert list(found.value) == expected
    assert found.total == len(expected) > 0


def test_dates_of_the_log_are_as_the_command_line_client_parses_them(cast) -> None:
    assert moment(datetime(2026, 1, 2, tzinfo=UTC), "microseconds") == "2026-01-02T00:00:00.000000+00:00"
    for event in ask(cast["olivia"], LOG):
        assert datetime.strptime(event["eventCreateDate"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert ask(cast["olivia"], LOG, includes_types=True)[0]["complexType"] == "SoftLayer_Event_Log"


def test_log_is_filtered_as_the_command_line_client_does(cast, logins) -> None:
    sorted_by = {"traceId": {"operation": "orderBy", "options": [{"name": "sort", "value": ["ASC"]}]}}
    olivia = cast["olivia"]
    for request_id in ("z", "a", "m"):
        audit.record(events.SIGNED_IN, actor=olivia, origin=Origin("17.5.7.8", request_id))
    found = ask(olivia, LOG, object_filter=sorted_by)
    assert [event["traceId"] for event in found[-3:]] == ["z", "a", "m"], "the command means by time"
    assert len(found) == asked(olivia, LOG).total
    priya = cast["priya"].pk
    dates = {
        "operation": "greaterThanDate",
        "options": [{"name": "date", "value": ["2019-01-01T00:00:00.000000+00:00"]}],
    }
    found = ask(olivia, LOG, object_filter={"userId": {"operation": priya}, "eventCreateDate": dates})
    assert {event["userId"] for event in found} == {priya}
    for name, value in {"eventName": "user.signed_in", "objectName": "User", "objectId": priya}.items():
        found = ask(olivia, LOG, object_filter=sorted_by | {name: {"operation": value}})
        assert {event[name] for event in found} == {value}
    assert ask(olivia, LOG, object_filter={"objectName": {"operation": "Hardware"}}) == []
    assert ask(olivia, LOG, object_filter={"userId": {"operation": "is null"}})
    assert len(ask(olivia, LOG, limit=2, offset=1)) == 2


def test_filter_finds_nothing_that_is_hidden(cast, logins) -> None:
    for number in (cast["marcus"].pk, cast["sam"].pk):
        assert ask(cast["priya"], LOG, object_filter={"objectId": {"operation": number}}) == []
    assert refused(cast["priya"], LOG, object_filter={"link": {"operation": "is null"}}).text == (
        "“link” is no property that can be filtered by here."
    )


def test_numbers_of_whom_the_caller_does_not_see_are_not_told(cast) -> None:
    """As on the Activity page, which names them and leads nowhere. Clients look up every user whom they are told."""
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    noor, priya, marcus, olivia = (cast[name] for name in ("noor", "priya", "marcus", "olivia"))
    memberships.change_parent(member=noor, parent=marcus, by=olivia, origin=ORIGIN)
    about = {"eventName": {"operation": events.PARENT_CHANGED}}
    for caller, is_seen in ((noor, False), (marcus, False), (olivia, True)):
        (event,) = ask(caller, LOG, object_filter=about)
        facts = {"before": audit.label(priya), "after": audit.label(marcus)}
        assert (event["username"], json.loads(event["metaData"])) == (audit.label(olivia), facts)
        assert event.get("userId") == (olivia.pk if is_seen else None)
        assert event["userType"] == ("CUSTOMER" if is_seen else "SYSTEM")
        assert len(ask(caller, LOG, object_filter=about | {"userId": {"operation": olivia.pk}})) == int(is_seen)
        assert len(ask(caller, LOG, object_filter=about | {"userId": {"operation": "is null"}})) == int(not is_seen)


def test_who_did_it_and_left_is_nobody_to_look_up(cast) -> None:
    olivia, noor = cast["olivia"], cast["noor"]
    audit.record(events.SIGNED_IN, actor=noor, origin=ORIGIN)
    memberships.remove_member(member=noor, by=noor, origin=ORIGIN)
    told = ask(olivia, LOG)
    by_noor = [event for event in told if event["username"] == audit.label(noor)]
    assert by_noor
    assert not [event for event in by_noor if event["userType"] == "CUSTOMER" or "userId" in event]
    for event in told:
        assert (event["userType"] == "CUSTOMER") is ("userId" in event)
        if "userId" in event:
            assert ask(olivia, "User_Customer::getObject", event["userId"], mask="id") == {"id": event["userId"]}


def test_link_of_a_cleared_trail_is_for_whoever_verifies_it(cast) -> None:
    audit.record(
        events.ACTIVITY_TRIMMED, actor=None, account_id=ACME, origin=ORIGIN, details={"link": "6b", "until": 7}
    )
    (event,) = ask(cast["olivia"], LOG, object_filter={"eventName": {"operation": events.ACTIVITY_TRIMMED}})
    assert json.loads(event["metaData"]) == {"until": 7}


@pytest.mark.parametrize(
    ("method", "relation", "outcomes"),
    [
        ("getLoginAttempts", "loginAttempts", [True, False]),
        ("getSuccessfulLogins", "successfulLogins", [True]),
        ("getUnsuccessfulLogins", "unsuccessfulLogins", [False]),
    ],
)
def test_logins_are_told_to_those_who_see_the_events(cast, logins, method: str, relation: str, outcomes) -> None:
    noor = cast["noor"]
    for name, sees in {"noor": True, "priya": True, "marcus": True, "olivia": True, "sam": False}.items():
        found = asked(cast[name], f"User_Customer::{method}", noor.pk)
        assert [login["successFlag"] for login in found.value] == (outcomes if sees else [])
        assert found.total == (len(outcomes) if sees else 0)
        below = ask(cast[name], "User_Customer::getObject", noor.pk, mask=f"{relation}[successFlag,userId,username]")
        newest_first = [
            {"successFlag": flag, "userId": noor.pk, "username": noor.api_username} for flag in outcomes[::-1]
        ]
        assert below[relation] == (newest_first if sees else [])


def test_logins_are_filtered_by_date(cast, logins) -> None:
    method, options = "User_Customer::getLoginAttempts", [{"name": "date", "value": ["01/01/2020 0:0:0"]}]
    for operation, expected in {"greaterThanDate": 2, "lessThanDate": 0}.items():
        dates = {"loginAttempts": {"createDate": {"operation": operation, "options": options}}}
        assert len(ask(cast["noor"], method, cast["noor"].pk, object_filter=dates)) == expected


def test_below_a_user_there_are_the_newest_logins_alone(cast, monkeypatch) -> None:
    monkeypatch.setattr("keys.api.schema.MOST_LOGINS", 2)
    for member in (cast["noor"], cast["priya"]):
        for number in range(4):
            audit.record(events.SIGNED_IN, actor=member, origin=Origin(f"17.5.7.{number}"))
    found = ask(cast["marcus"], "Account::getUsers", mask="id,successfulLogins[ipAddress]")
    by_id = {user["id"]: user["successfulLogins"] for user in found}
    for name in ("noor", "priya"):
        assert by_id[cast[name].pk] == [{"ipAddress": "17.5.7.3"}, {"ipAddress": "17.5.7.2"}]
    assert len(ask(cast["noor"], "User_Customer::getSuccessfulLogins", cast["noor"].pk)) == 4


def test_words_to_choose_from(cast) -> None:
    priya = cast["priya"]
    assert ask(priya, "Event_Log::getAllEventObjectNames") == ["User"]
    assert asked(priya, "Event_Log::getAllEventObjectNames").total == 1
    statuses = ask(priya, "User_Customer_Status::getAllObjects", mask="id,keyName")
    assert [(status["id"], status["keyName"]) for status in statuses] == [
        (1001, "ACTIVE"), (1002, "DISABLED"), (1004, "PENDING"), (1005, "SUSPENDED"), (1006, "IAMID_INVALID"),
        (1022, "VPN_ONLY"), (1021, "CANCEL_PENDING"),
    ]  # fmt: skip
    names = ["MANAGE_USERS", "USER_EDITOR", "USER_ADMINISTRATOR", "IDENTITY_ADMINISTRATOR", "API_KEY_CREATOR"]
    actions = ask(priya, "User_Permission_Action::getAllObjects")
    assert [action["keyName"] for action in actions] == names
    assert ask(priya, "User_Customer_CustomerPermission_Permission::getAllObjects") == actions
    mask = "mask[permissions[id,keyName,description,name]]"
    (department,) = ask(priya, "User_Permission_Department::getAllObjects", mask=mask)
    assert department["name"] == "Account"
    assert [permission["keyName"] for permission in department["permissions"]] == names
    assert set(department["permissions"][0]) == {"id", "keyName", "description", "name"}
