"""The ten calls about keys: what they give and change, and what they are given that they must not take."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.enums import Permission
from accounts.models import Account, Event, Member
from keys import verification
from keys.models import LeakedAction, PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description, edit_platform_key
from keys.platform.queries import AS_MANY_AS_THERE_CAN_BE
from tests.keys.iam.asking import KEYS
from tests.visitors import undone

pytestmark = pytest.mark.django_db

NOT_FOUND = (404, "BXNIM0102E", "API key could not be found.")


def row(record: dict[str, object]) -> PlatformKey:
    return PlatformKey.objects.get(uuid=str(record["id"]).removeprefix("ApiKey-"))


def newest_event() -> tuple[str, dict[str, object]]:
    event = Event.objects.order_by("-pk")[0]
    return event.action, json.loads(event.details)


# --- Creating ---------------------------------------------------------------------------------------------------------


def test_created_key_is_given_once_with_its_value(priya, cast):
    made = priya.create(
        "Build",
        description="For CI",
        action_when_leaked="delete",
        expires_at="2037-03-14T05:00+0500",
        store_value=False,
    )
    key = row(made)
    assert made == {
        "id": key.record_id, "entity_tag": key.revision, "locked": False, "disabled": False, "name": "Build",
        "crn": f"crn:v1:bluemix:public:iam-identity::a/1234567::apikey:{key.record_id}",
        "created_at": f"{key.created_at:%Y-%m-%dT%H:%M}+0000", "modified_at": f"{key.created_at:%Y-%m-%dT%H:%M}+0000",
        "created_by": priya.own_id, "iam_id": priya.own_id, "account_id": "1234567", "support_sessions": False,
        "action_when_leaked": "delete", "description": "For CI", "expires_at": "2037-03-14T00:00+0000",
        "apikey": made["apikey"],
    }  # fmt: skip
    assert (key.holder_id, key.expires_at) == (cast["priya"].pk, datetime(2037, 3, 14, tzinfo=UTC))
    assert verification.verify("apikey", made["apikey"], "127.0.0.1").key_id == key.pk
    assert newest_event() == ("platform_key.created", {"name": "Build", "key": key.record_id})
    for reply in (priya("GET", f"{KEYS}/{key.record_id}"), priya("GET", KEYS), priya("PUT", f"{KEYS}/{key.record_id}")):
        assert made["apikey"] not in reply.body.decode()


def test_little_has_to_be_said(priya):
    reply = priya("POST", KEYS, {"name": "  Build  "})
    assert (reply.status, reply.json["name"], reply.json["action_when_leaked"]) == (201, "Build", "disable")
    assert not {"description", "expires_at"} & set(reply.json)


@pytest.mark.parametrize(("header", "field"), [("Entity-Lock", "locked"), ("Entity-Disable", "disabled")])
def test_key_may_be_created_locked_or_disabled(priya, header, field):
    for said, expected in (("true", True), ("True", True), ("false", False), ("", False)):
        assert priya("POST", KEYS, {"name": "x"}, headers={header: said}).json[field] is expected
    assert priya("POST", KEYS, {"name": "x"}, headers={header: "yes"}).status == 400


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, "name: Enter a name."), ({"name": ""}, "Enter a name."), ({"name": 5}, "name: This must be a text."),
        ({"name": ["x"]}, "name: This must be a text."), ({"name": None}, "name: Enter a name."),
        ({"name": "a\u202eb"}, "Enter a name without control characters."),
        ({"name": "x" * 301}, "Enter a name of at most 300 characters."),
        ({"name": "x", "description": "x" * 501}, "Enter a text of at most 500 characters."),
        ({"name": "x", "description": {}}, "description: This must be a text."),
        ({"name": "x", "action_when_leaked": "nothing"},
         "action_when_leaked: This must be one of none, disable, delete."),
        ({"name": "x", "expires_at": "tomorrow"}, None), ({"name": "x", "expires_at": "2037-03-14T00:00"}, None),
        ({"name": "x", "expires_at": "2037-13-14T00:00Z"}, None), ({"name": "x", "expires_at": 5}, None),
        ({"name": "x", "expires_at": "9999-12-31T23:59-2359"}, None), ({"name": "x", "expires_at": "2037-W01"}, None),
        ({"name": "x", "expires_at": "0001-01-01T00:00+2359"}, None),
        ({"name": "x", "expires_at": "2020-01-01T00:00+0000"}, "expires_at: This moment is over already."),
        ({"name": "x", "store_value": True}, "store_value: There is no such thing here; leave it out."),
        ({"name": "x", "support_sessions": True}, "support_sessions: There is no such thing here; leave it out."),
        ({"name": "x", "apikey": "a value of my own that is long enough"},
         "apikey: The value of a key is made by Keytree and cannot be chosen."),
        ({"name": "x", "apikey": ""}, "apikey: The value of a key is made by Keytree and cannot be chosen."),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told_and_creates_nothing(priya, sent, told):
    reply = priya("POST", KEYS, sent)
    assert reply.error[:2] == (400, "BXNIM0106E")
    assert told is None or reply.error[2] == told
    assert PlatformKey.objects.count() == 1


def test_owner_is_whoever_calls_and_nobody_who_is_named(priya, cast):
    for named in ("IBMid-999999", f"IBMid-{cast['marcus'].pk}", "", 5, "iam-ServiceId-x"):
        reply = priya("POST", KEYS, {"name": "x", "iam_id": named})
        told = "You can create a key for yourself alone: iam_id must be yours, or be left out."
        assert reply.error == (403, "forbidden", told), named
        assert newest_event() == ("permission.refused", {"what": "create a key", "why": told})
    for named in ("7654321", "1", "x", 7654321):
        reply = priya("POST", KEYS, {"name": "x", "account_id": named})
        assert reply.error == (404, "BXNIM0102E", "Account could not be found.")
    own = {"account_id": "1234567", "user": "marcus", "holder_id": cast["marcus"].pk, "created_by": "x", "id": "x"}
    assert row(priya.create(**own)).holder_id == cast["priya"].pk


def test_restricted_creation_takes_the_permission(priya, cast):
    Account.objects.update(restrict_key_creation=True)
    reply = priya("POST", KEYS, {"name": "x"})
    assert reply.error[:2] == (403, "forbidden")
    assert newest_event()[0] == "permission.refused"
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.API_KEY_CREATOR)
    assert priya("POST", KEYS, {"name": "x"}).status == 201


def test_as_many_as_there_can_be_and_no_more(priya):
    for _ in range(19):
        priya.create()
    reply = priya("POST", KEYS, {"name": "x"})
    assert reply.error == (409, "conflict", AS_MANY_AS_THERE_CAN_BE)
    assert AS_MANY_AS_THERE_CAN_BE.startswith("You have 20 IBM Cloud API keys in all your accounts together")
    assert PlatformKey.objects.count() == 20


# --- One key ----------------------------------------------------------------------------------------------------------


def test_key_is_found_by_its_id_and_by_its_value(priya):
    for reply in (
        priya("GET", f"{KEYS}/{priya.key.record_id}?include_history=true&include_activity=true"),
        priya("GET", f"{KEYS}/details", headers={"IAM-ApiKey": priya.value}),
    ):
        assert (reply.status, reply.json["id"]) == (200, priya.key.record_id)
    PlatformKey.objects.filter(pk=row(priya.create()).pk).update(is_enabled=False)
    assert priya("GET", f"{KEYS}/details").error == (400, "BXNIM0106E", "The header IAM-ApiKey is missing.")


def test_key_that_one_may_not_know_of_is_like_none(priya, as_user, iam):
    others = as_user("marcus")
    names = [
        others.key.record_id,
        f"ApiKey-{uuid4()}",
        "x",
        "ApiKey-",
        str(priya.key.uuid),
        f"ApiKey-{priya.key.uuid.hex}",
    ]
    names += [priya.key.record_id.upper(), f"{priya.key.record_id}%00", "%ff", "1", "'"]
    for name in names:
        for verb, behind in (("GET", ""), ("DELETE", ""), ("POST", "/lock"), ("DELETE", "/disable")):
            assert priya(verb, f"{KEYS}/{name}{behind}").error == NOT_FOUND, name
        assert priya("PUT", f"{KEYS}/{name}", {"name": "x"}, headers={"If-Match": "*"}).error == NOT_FOUND, name
    for value in (others.value, priya.value[:-1], "x" * 5_000, "\xff"):
        assert priya("GET", f"{KEYS}/details", headers={"IAM-ApiKey": value}).error == NOT_FOUND
    assert PlatformKey.objects.filter(is_enabled=True, is_locked=False, modified_at=None).count() == 2


def test_update_changes_what_is_named_alone(priya):
    made = priya.create("Build", description="For CI", expires_at="2037-03-14T00:00+0000", action_when_leaked="none")
    address = f"{KEYS}/{made['id']}"
    for sent, changed in (
        ({"name": "Other"}, {"name": "Other"}),
        ({"description": "For tests"}, {"description": "For tests"}),
        ({"action_when_leaked": "delete"}, {"action_when_leaked": "delete"}),
        ({"expires_at": "2038-01-01T00:00:00Z"}, {"expires_at": "2038-01-01T00:00+0000"}),
        ({"description": "", "expires_at": ""}, {"description": None, "expires_at": None}),
        ({"iam_id": "IBMid-1", "locked": True, "account_id": "7654321"}, {}),
    ):
        reply = priya("PUT", address, sent, headers={"If-Match": made["entity_tag"]})
        expected = {name: text for name, text in {**made, **changed, "apikey": ""}.items() if text is not None}
        assert {**reply.json, "entity_tag": "", "modified_at": ""} == {**expected, "entity_tag": "", "modified_at": ""}
        assert (reply.json["entity_tag"] != made["entity_tag"]) is bool(changed)
        made = reply.json
    key = row(made)
    assert (key.leaked_action, key.modified_at is not None) == (LeakedAction.DELETE, True)
    assert newest_event()[0] == "platform_key.edited"


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', ' "{}" '])
def test_update_is_of_what_the_caller_has_read(priya, form):
    made = priya.create()
    address, stale = f"{KEYS}/{made['id']}", form.format(made["entity_tag"])
    assert priya("PUT", address, {"name": "One"}, headers={"If-Match": stale}).status == 200
    reply = priya("PUT", address, {"name": "Two"}, headers={"If-Match": stale})
    assert reply.error == (409, "conflict", "This key was changed in the meantime: read it again.")
    assert row(made).name == "One"
    assert priya("PUT", address, {"name": "Three"}, headers={"If-Match": "*"}).json["name"] == "Three"
    assert priya("PUT", address, {"name": "Four"}).error[0] == 400
    assert priya("PUT", address, {"name": ""}, headers={"If-Match": "*"}).error == (400, "BXNIM0106E", "Enter a name.")


def test_change_between_the_look_and_the_update_is_not_lost(priya, cast, origin, monkeypatch):
    """The tag is compared again under the lock: here somebody else is quicker after the first look."""
    made = priya.create("Build")
    edit, quicker = lifecycle.edit_platform_key, Description("Build", "Quicker")

    def later(**arguments: object) -> PlatformKey:
        edit_platform_key(key=row(made), description=quicker, by=cast["priya"], origin=origin)
        return edit(**arguments)

    monkeypatch.setattr(lifecycle, "edit_platform_key", later)
    for tag, expected in ((made["entity_tag"], (409, "Build", "Quicker")), ("*", (200, "Late", "Quickest"))):
        reply = priya("PUT", f"{KEYS}/{made['id']}", {"name": "Late"}, headers={"If-Match": tag})
        assert (reply.status, row(made).name, row(made).description) == expected
        quicker = Description("Build", "Quickest")


@pytest.mark.parametrize(
    ("behind", "quicker", "expected"),
    [
        ("/lock", {"is_locked": True}, 204), ("/disable", {"is_enabled": False}, 204),
        ("/disable", {"is_enabled": False, "is_locked": True}, 204), ("/disable", {"is_locked": True}, 409),
    ],
)  # fmt: skip
def test_switch_that_somebody_else_turns_first_is_no_error(priya, monkeypatch, behind, quicker, expected):
    made = priya.create()
    turn = lifecycle.switch_platform_key

    def later(**arguments: object) -> None:
        PlatformKey.objects.filter(pk=row(made).pk).update(**quicker)
        turn(**arguments)

    monkeypatch.setattr(lifecycle, "switch_platform_key", later)
    assert priya("POST", f"{KEYS}/{made['id']}{behind}").status == expected


def test_key_that_is_deleted_between_the_look_and_the_change_is_gone(priya, monkeypatch):
    made = priya.create()
    address = f"{KEYS}/{made['id']}"
    for verb, behind, write in (
        ("PUT", "", "edit_platform_key"), ("POST", "/lock", "switch_platform_key"),
        ("DELETE", "", "delete_platform_key"),
    ):  # fmt: skip
        with undone(), monkeypatch.context() as patch:
            genuine = getattr(lifecycle, write)
            patch.setattr(lifecycle, write, lambda genuine=genuine, **rest: row(made).delete() and genuine(**rest))
            assert priya(verb, address + behind, {"name": "x"}, headers={"If-Match": "*"}).error == NOT_FOUND


def test_moment_that_is_over_is_not_set(priya):
    made = priya.create(expires_at="2037-03-14T00:00+0000")
    address, sent = f"{KEYS}/{made['id']}", {"name": "x", "expires_at": "2020-01-01T00:00+0000"}
    told = (400, "BXNIM0106E", "expires_at: This moment is over already.")
    assert priya("PUT", address, sent, headers={"If-Match": "*"}).error == told
    assert row(made).name == "Made"


def test_lock_disable_and_their_opposites_take_effect_and_change_nothing_twice(priya):
    made = priya.create()
    address, value = f"{KEYS}/{made['id']}", made["apikey"]
    for verb, behind, event, locked, disabled in (
        ("POST", "/lock", "locked", True, False), ("DELETE", "/lock", "unlocked", False, False),
        ("POST", "/disable", "disabled", False, True), ("DELETE", "/disable", "enabled", False, False),
    ):  # fmt: skip
        for _ in range(2):
            assert priya(verb, address + behind).status == 204
        record = priya("GET", address).json
        assert (record["locked"], record["disabled"]) == (locked, disabled)
        assert Event.objects.filter(action=f"platform_key.{event}").count() == 1
        assert (priya.ask_token(value).status == 200) is not disabled


def test_locked_key_stays_as_it_is(priya):
    made = priya.create()
    address = f"{KEYS}/{made['id']}"
    priya("POST", f"{address}/lock")
    events = Event.objects.count()
    told = (409, "conflict", "This key is locked. Unlock it first.")
    assert priya("DELETE", address).error == told
    assert priya("POST", f"{address}/disable").error == told
    assert priya("PUT", address, {"name": "x"}, headers={"If-Match": "*"}).error == told
    assert (row(made).name, row(made).is_enabled, Event.objects.count()) == ("Made", True, events)


def test_expired_key_can_only_be_deleted(priya):
    made = priya.create()
    address = f"{KEYS}/{made['id']}"
    PlatformKey.objects.filter(pk=row(made).pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    told = (409, "conflict", "This key has expired. It can only be deleted.")
    assert priya("PUT", address, {"expires_at": ""}, headers={"If-Match": "*"}).error == told
    assert priya("POST", f"{address}/disable").error == told
    assert priya("DELETE", address).status == 204


def test_deleted_key_is_gone(priya):
    made = priya.create()
    assert priya("DELETE", f"{KEYS}/{made['id']}").status == 204
    assert newest_event() == ("platform_key.deleted", {"name": "Made", "key": made["id"]})
    assert priya("GET", f"{KEYS}/{made['id']}").error == NOT_FOUND
    assert priya.ask_token(made["apikey"]).status == 400
    assert priya("DELETE", f"{KEYS}/{priya.key.record_id}").status == 204  # the very key of the call
    assert priya("GET", KEYS).status == 401
