"""The permission matrix once more: each cell asked by IBM Cloud's clients, with a token for a key of the actor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from accounts import audit
from keys.iam.methods import CALLS as EVERY_CALL
from keys.models import PlatformKey
from tests import matrix
from tests.keys.iam.asking import KEYS, Iam, Reply
from tests.matrix import Act, Case, Stand, may
from tests.permissions.checker import TRAIL
from tests.permissions.world import World, events_since, events_there
from tests.trees import make_platform_key
from tests.visitors import noting_writes, undone

#: What goes beside a change: the event, and the mail about it.
_BESIDES = TRAIL | {"accounts_mail"}
_USERS = "/v2/accounts/{account}/users"


@dataclass(frozen=True)
class Asked:
    """One call: which acts of the matrix it needs, and what whoever may changes in the key that it is about."""

    verb: str
    address: str
    status: int = 200
    known_by: Act | None = Act.SEE_PLATFORM_KEY  # without it, the same as for a key that does not exist
    allowed_by: Act | None = None  # without it, refused with the reason
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    begins: Mapping[str, bool] = field(default_factory=dict)
    becomes: Mapping[str, Any] | None = None  # none where nothing changes

    @property
    def name(self) -> str:
        """How a failure names it."""
        return f"{self.verb} {self.address}"

    @property
    def kind(self) -> tuple[tuple[str, ...], str]:
        """The call's place among all that there are."""
        parts = self.address.partition("?")[0].strip("/").split("/")
        return tuple("*" if part.startswith("{") else part for part in parts), self.verb


CALLS = (
    Asked("GET", KEYS, known_by=None),
    Asked("GET", f"{KEYS}?iam_id={{user}}"),
    Asked("GET", f"{KEYS}?scope=account", known_by=None, allowed_by=Act.SEE_ALL_PLATFORM_KEYS),
    Asked(
        "POST", KEYS, 201, known_by=None, allowed_by=Act.CREATE_PLATFORM_KEY, body={"name": "New", "iam_id": "{user}"},
        becomes={"name": "Key"},
    ),
    Asked("GET", f"{KEYS}/details", headers={"IAM-ApiKey": "{value}"}),
    Asked("GET", f"{KEYS}/{{key}}"),
    Asked("PUT", f"{KEYS}/{{key}}", body={"name": "Other"}, headers={"If-Match": "*"}, becomes={"name": "Other"}),
    Asked("DELETE", f"{KEYS}/{{key}}", 204, becomes={}),
    Asked("POST", f"{KEYS}/{{key}}/lock", 204, becomes={"is_locked": True}),
    Asked("DELETE", f"{KEYS}/{{key}}/lock", 204, begins={"is_locked": True}, becomes={"is_locked": False}),
    Asked("POST", f"{KEYS}/{{key}}/disable", 204, becomes={"is_enabled": False}),
    Asked("DELETE", f"{KEYS}/{{key}}/disable", 204, begins={"is_enabled": False}, becomes={"is_enabled": True}),
    Asked("GET", f"{_USERS}?include_settings=true", known_by=None),
    Asked("GET", f"{_USERS}/{{user}}", known_by=Act.SEE_USER),
    Asked("GET", f"{_USERS}/{{user}}/settings", known_by=Act.SEE_USER, allowed_by=Act.SEE_CARE),
)  # fmt: skip


class Caller:
    """Sends calls with a token for a key of the actor that none of them is about."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.own = make_platform_key(world.actor, "For calling")
        self.target = PlatformKey.objects.get(pk=world.platform_id)
        self.value = make_platform_key(world.target, "With a value").value
        self.iam = Iam.of(self.own, self.own.value)

    def send(self, asked: Asked, *, key: str, user: int, value: str) -> Reply:
        """Send one call about this key, or this user."""
        places = {"key": key, "user": f"IBMid-{user}", "value": value, "account": self.world.actor.account_id}
        filled = lambda texts: {name: text.format(**places) for name, text in texts.items()}
        body = filled(asked.body) if asked.body else None
        return self.iam(asked.verb, asked.address.format(**places), body, headers=filled(asked.headers))


def _expected(asked: Asked, case: Case) -> tuple[int, str]:
    """Status and code of the answer."""
    if case.actor_status not in matrix.CALLING or case.actor_is_frozen:
        return 401, "unauthorized"
    if case.actor_status not in matrix.WORKING:
        return 403, "forbidden"
    if asked.known_by and not may(asked.known_by, case):
        return 404, "not_found"
    if asked.allowed_by and not may(asked.allowed_by, case):
        return 403, "forbidden"
    return asked.status, ""


def test_every_call_is_in_the_table():
    there_is = {(parts, verb) for parts, verbs in EVERY_CALL.items() for verb in verbs}
    assert {asked.kind for asked in CALLS} == there_is


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stand",
    [
        pytest.param(stand, marks=() if stand in matrix.ON_EVERY_DATABASE else pytest.mark.sqlite_only, id=stand.name)
        for stand in Stand
        if stand is not Stand.NOBODY
    ],
)
def test_calls_agree_with_the_table_in_every_cell(stand):
    world = World(stand)
    caller = Caller(world)
    for case in matrix.call_cases(stand):
        world.become(case)
        has_token = case.actor_status in matrix.CALLING and not case.actor_is_frozen
        assert caller.iam.ask_token(caller.own.value).status == (200 if has_token else 400), case
        for asked in CALLS:
            with undone():
                PlatformKey.objects.filter(pk=caller.target.pk).update(**asked.begins)
                _compare(caller, asked, case)
    assert list(audit.breaks(world.target.account_id)) == []


def _compare(caller: Caller, asked: Asked, case: Case) -> None:
    world, where = caller.world, f"{asked.name}, in {tuple(case)}"
    before, events_before = _stored(), events_there()
    with noting_writes() as written:
        reply = caller.send(asked, key=caller.target.record_id, user=world.target.pk, value=caller.value)
    status, code = _expected(asked, case)
    assert reply.status == status, f"{where}: {reply.body!r}"
    assert status < 400 or reply.json["errors"][0]["code"] == code, where
    new = events_since(events_before)
    if status < 400 and asked.becomes is not None:
        assert {"keys_platformkey"} <= written <= _BESIDES | {"keys_platformkey"}, where
        assert [(event.outcome, event.actor_id) for event in new] == [("success", world.actor.pk)], where
        _check_change(caller, asked, before, where)
    elif status == 403 and case.actor_status in matrix.WORKING:
        assert written == TRAIL, where
        told = [(event.action, event.outcome, event.actor_id) for event in new]
        assert told == [("permission.refused", "refused", world.actor.pk)], where
    else:
        assert not written, where
        assert not new, where
    if status == 404:
        missing = caller.send(asked, key=f"ApiKey-{uuid4()}", user=999_999, value=caller.value[:-1])
        assert _without_trace(missing) == _without_trace(reply), where
    for value in (caller.value, caller.own.value, *world.values.values()):
        assert value not in f"{reply.body!r}{reply.headers}", where
    if status == 200 and asked.address.startswith(_USERS):
        _check_users(caller.world, case, reply.json, where)
    elif status == 200:
        _check_records(caller, asked, case, reply.json, where)


def _stored() -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in PlatformKey.objects.values()}


def _without_trace(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.json["errors"]


def _check_change(caller: Caller, asked: Asked, before: dict[int, dict[str, Any]], where: str) -> None:
    """The key that it was about changed, in what was asked for, and no other; one that was created is the actor's."""
    after, pk = _stored(), caller.target.pk
    assert {key: row for key, row in after.items() if key in before and key != pk} == {
        key: row for key, row in before.items() if key != pk
    }, where
    assert [after[key]["holder_id"] for key in set(after) - set(before)] == (
        [caller.world.actor.pk] if asked.status == 201 else []
    ), where
    if not asked.becomes:
        assert pk not in after, where
    else:
        assert asked.becomes.items() <= after[pk].items(), where


def _check_records(caller: Caller, asked: Asked, case: Case, found: Any, where: str) -> None:
    """Only keys of the actor's account; all, one's own, or those of the one who was asked for."""
    records, world = found.get("apikeys", [found]), caller.world
    here = PlatformKey.objects.filter(account_id=world.actor.account_id)
    whom = world.target if asked.known_by else world.actor
    expected = here if asked.allowed_by else here.filter(holder_id=whom.pk)
    ids = {record["id"] for record in records}
    assert ids <= {key.record_id for key in expected}, where
    assert "apikeys" not in found or len(ids) == expected.count(), where
    assert all(record["account_id"] == str(world.actor.account_id) for record in records), where
    assert json.dumps(found).count("ktp_") == 0, where


def _check_users(world: World, case: Case, found: Any, where: str) -> None:
    """All users whom the actor sees, or the target; how they are looked after only where the actor may know."""
    if "resources" not in found:
        assert found.get("id", str(world.target.pk)) == str(world.target.pk), where
        return
    seen = world.seen_by_actor() if case.list_is_restricted and not world.actor.is_owner else world.everybody_here()
    users = {int(user["id"]): user for user in found["resources"]}
    assert (set(users), found["total_results"]) == (seen, len(seen)), where
    assert all(user["account_id"] == str(world.actor.account_id) for user in users.values()), where
    assert ("settings" in users.get(world.target.pk, {})) is may(Act.SEE_CARE, case), where
