"""The permission matrix once more: each cell asked by calls of SoftLayer clients, made with the actor's own key."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from accounts import audit
from accounts.models import Member, Passkey
from console.middleware import ALWAYS
from keys.api.answers import SERVICES
from keys.api.application import ApiApplication
from keys.models import ClassicKey
from tests import matrix
from tests.keys.api.calling import Reply, Wire
from tests.keys.calls import basic, django
from tests.matrix import Act, Case, Stand, may
from tests.permissions.checker import FURTHER, TRAIL
from tests.permissions.world import CHILD, GRANDCHILD, World, events_since, events_there
from tests.visitors import noting_writes, undone

_ACCOUNT, _USER, _KEY = "SoftLayer_Account", "SoftLayer_User_Customer", "SoftLayer_User_Customer_ApiAuthentication"
#: What goes beside a change: the event, and the mail about it.
_BESIDES = TRAIL | {"accounts_mail"}
#: Everything that can be seen of a user, the key by every way there is.
_MASK = (
    "mask[id,username,parentId,userStatus[name],permissions,successfulLogins,apiAuthenticationKeyCount,"
    "apiAuthenticationKeys[id,authenticationKey,user[apiAuthenticationKeys[id,authenticationKey]]],"
    "parent[id,apiAuthenticationKeys[id,userId,authenticationKey]],"
    "childUsers[id,apiAuthenticationKeys[id,userId,authenticationKey]],"
    "account[masterUser[id,apiAuthenticationKeys[id,userId,authenticationKey]],"
    "users[id,apiAuthenticationKeys[id,userId,authenticationKey]]]]"
)


@dataclass(frozen=True)
class Asked:
    """One call: which acts of the matrix it needs, and what whoever may changes."""

    service: str
    method: str
    known_by: Act | None = None  # without it, the same as for an object that does not exist
    allowed_by: Act | None = None  # without it, refused with the reason
    arguments: Sequence[Any] = ()
    changes: frozenset[str] = frozenset()
    before: Callable[[World], None] | None = None
    mask: str = ""

    @property
    def name(self) -> str:
        """How a failure names it."""
        return f"{self.service}::{self.method}({', '.join(map(str, self.arguments))})"


def _without_key(world: World) -> None:
    if world.actor.pk != world.target.pk:
        ClassicKey.objects.filter(holder=world.target).delete()


def _without_users_at_work_below(world: World) -> None:
    below = [world.members[number].pk for number in (CHILD, GRANDCHILD)]
    if world.actor.pk not in below:
        Member.objects.filter(pk__in=below).update(status="suspended")


def _of_user(*methods: str, **more: Any) -> list[Asked]:
    return [Asked(_USER, method, Act.SEE_USER, **more) for method in methods]


CALLS = (
    Asked(_ACCOUNT, "getObject"),
    Asked(_ACCOUNT, "getCurrentUser", mask=_MASK),
    Asked(_ACCOUNT, "getMasterUser"),
    Asked(_ACCOUNT, "getUsers", mask=_MASK),
    Asked("SoftLayer_Event_Log", "getAllObjects"),
    Asked("SoftLayer_Event_Log", "getAllEventObjectNames"),
    Asked("SoftLayer_User_Customer_Status", "getAllObjects"),
    Asked("SoftLayer_User_Permission_Action", "getAllObjects"),
    Asked("SoftLayer_User_Permission_Department", "getAllObjects"),
    Asked("SoftLayer_User_Customer_CustomerPermission_Permission", "getAllObjects"),
    *_of_user("getObject", "getChildUsers", "getParent", mask=_MASK),
    *_of_user("getApiAuthenticationKeys", mask="mask[id,userId,authenticationKey]"),
    *_of_user(
        "getAccount", "getUserStatus", "isMasterUser", "getPermissions", "getRoles", "getLoginAttempts",
        "getSuccessfulLogins", "getUnsuccessfulLogins", "getExternalBindings", "getHardware", "getVirtualGuests",
        "getDedicatedHosts", "getOverrides",
    ),
    Asked(
        _USER, "addApiAuthenticationKey", Act.KNOW_OF_KEY, Act.CREATE_KEY, before=_without_key,
        changes=frozenset({"keys_classickey"}),
    ),
    Asked(
        _USER, "removeApiAuthenticationKey", Act.SEE_KEY, Act.DELETE_KEY, arguments=("{key}",),
        changes=frozenset({"keys_classickey"}),
    ),
    Asked(
        _USER, "editObject", Act.SEE_USER, Act.CHANGE_STATUS, arguments=({"userStatusId": "{other_status}"},),
        changes=frozenset({"accounts_member"}),
    ),
    Asked(
        _USER, "editObject", Act.SEE_USER, Act.REMOVE, arguments=({"userStatusId": 1021},),
        before=_without_users_at_work_below, changes=frozenset({"accounts_member"}),
    ),
    Asked(
        _USER, "updateVpnPassword", Act.SEE_USER, Act.SET_VPN_PASSWORD, arguments=("correct horse battery staple",),
        changes=frozenset({"accounts_member"}),
    ),
    *(
        Asked(
            _USER, "createObject", None, act, arguments=({"email": "new@matrix.example", **template},),
            changes=frozenset({"accounts_member", "accounts_user", *further}),
        )
        for act, template, further in (
            (Act.INVITE, {}, ["accounts_invitation", "accounts_attemptcount"]),
            (Act.ADD_VPN_USER, {"userStatusId": 1022, "displayName": "New"}, []),
        )
    ),
    *(Asked(_KEY, method, Act.SEE_KEY) for method in ("getObject", "getUser")),
    Asked(
        _KEY, "editObject", Act.SEE_KEY, Act.RESTRICT_KEY, arguments=({"ipAddressRestriction": "127.0.0.0/8"},),
        changes=frozenset({"keys_classickey"}),
    ),
)  # fmt: skip
#: Further tables that go with a user who is removed, or with a key of the status before.
_ALSO = FURTHER["accounts:remove"] | {"keys_classickey", "accounts_session"}


class Caller:
    """Sends calls with the actor's key, by the application that serves them."""

    by_token = False

    def __init__(self, world: World) -> None:
        self.world, self.wire = world, Wire()
        self.wire.application = ApiApplication(django, headers=ALWAYS)
        self.credentials = world.actor.api_username, world.values[world.actor.pk]

    def send(self, asked: Asked, *, user: int, key: int) -> Reply:
        """Send one call about this user, or this key."""
        world = self.world
        status = Member.objects.filter(pk=world.target.pk).values_list("status", flat=True).first()
        places = {"{key}": key, "{other_status}": 1022 if status == "suspended" else 1005}
        arguments = [_filled(argument, places) for argument in asked.arguments]
        about = {_USER: f"/{user}", _KEY: f"/{key}"}.get(asked.service, "")
        if asked.method in {"removeApiAuthenticationKey", "createObject"}:
            about = ""
        query = f"?objectMask={asked.mask}" if asked.mask else ""
        return self.wire.rest(
            "POST" if arguments else "GET",
            f"{asked.service}{about}/{asked.method}.json{query}",
            json.dumps({"parameters": arguments}) if arguments else b"",
            headers={"Authorization": basic(*self.credentials)},
        )


class LoggedIn(Caller):
    """Sends them with the token that the actor, while active, was given for their password."""

    by_token = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        Passkey.objects.all().delete()
        user, password = world.actor.user, "correct horse battery staple"
        user.set_password(password)
        user.save()
        sent = json.dumps({"parameters": [world.actor.api_username, password, None, None]})
        given = self.wire.rest("POST", f"{_USER}/getPortalLoginToken.json", sent).json
        self.credentials = str(given["userId"]), given["hash"]


def _filled(argument: Any, places: Mapping[str, int]) -> Any:
    if isinstance(argument, dict):
        return {name: _filled(value, places) for name, value in argument.items()}
    return places.get(argument, argument)


def _expected(asked: Asked, case: Case, *, by_token: bool) -> tuple[int, str]:
    """Status and code of the answer."""
    is_called = case.is_signed_in if by_token else case.actor_status in matrix.CALLING and not case.actor_is_frozen
    if not is_called:
        return 401, "SoftLayer_Exception"
    if case.actor_status not in matrix.WORKING or case.actor_is_frozen:
        return 500, "SoftLayer_Exception_PermissionDenied"
    if asked.known_by and not may(asked.known_by, case):
        return 404, "SoftLayer_Exception_ObjectNotFound"
    if asked.allowed_by and not may(asked.allowed_by, case):
        return 500, "SoftLayer_Exception_PermissionDenied"
    if asked.method == "addApiAuthenticationKey" and case.stand in matrix.SELF:
        return 500, "SoftLayer_Exception_Public"  # who calls has a key already
    return 200, ""


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
    _try_every_cell(Caller(World(stand)))


@pytest.mark.django_db
@pytest.mark.sqlite_only
@pytest.mark.parametrize("stand", [Stand.SELF_CREATOR, Stand.PARENT], ids=lambda stand: stand.name)
def test_calls_with_a_login_token_agree_too(stand):
    """What may be done is asked in the same way, so two stands show enough: who is kept out is what differs."""
    _try_every_cell(LoggedIn(World(stand)))


def _try_every_cell(caller: Caller) -> None:
    world, cells = caller.world, 0
    for case in matrix.call_cases(world.stand):
        world.become(case)
        for asked in CALLS:
            with undone():
                if asked.before:
                    asked.before(world)
                _compare(caller, asked, case)
            cells += 1
    assert cells >= 2 * len(CALLS)
    assert list(audit.breaks(world.target.account_id)) == []


def _compare(caller: Caller, asked: Asked, case: Case) -> None:
    world, where = caller.world, f"{asked.name}, in {tuple(case)}"
    events_before = events_there()
    with noting_writes() as written:
        reply = caller.send(asked, user=world.target.pk, key=world.key_ids[world.target.pk])
    status, code = _expected(asked, case, by_token=caller.by_token)
    assert reply.status == status, f"{where}: {reply.body!r}"
    assert status == 200 or reply.json["code"] == code, where
    new = events_since(events_before)
    if status == 200 and asked.changes:
        assert asked.changes <= written <= _BESIDES | asked.changes | _ALSO, where
        assert {event.outcome for event in new} == {"success"}, where
        assert new, where
        _check_change(world, asked, case, where)
    elif caller.by_token and case.is_signed_in and (case.actor_status not in matrix.WORKING or case.actor_is_frozen):
        assert written == TRAIL, where
        assert [(event.action, event.actor_id) for event in new] == [("console.refused", world.actor.pk)], where
    elif status == 500 and asked.allowed_by and case.actor_status in matrix.WORKING and code.endswith("Denied"):
        assert written == TRAIL, where
        told = [(event.action, event.outcome, event.actor_id) for event in new]
        assert told == [("permission.refused", "refused", world.actor.pk)], where
    else:
        # Whether there is a key, the table itself says: another is tried, and refused.
        assert written <= (asked.changes if code.endswith("Public") else set()), where
        assert not new, where
    if status == 404:
        user, key = Member.objects.latest("pk").pk + 1, ClassicKey.objects.latest("pk").pk + 1
        missing = caller.send(asked, user=user, key=key)
        about = key if asked.known_by is Act.SEE_KEY else user
        number = world.key_ids[world.target.pk] if asked.known_by is Act.SEE_KEY else world.target.pk
        assert missing.status == 404, where
        assert missing.body.replace(str(about).encode(), b"#") == reply.body.replace(str(number).encode(), b"#"), where
    _check_values(caller, asked, case, reply, where)
    if status == 200:
        _check_records(world, case, reply.json, where)
        if asked.service == _ACCOUNT and asked.method == "getUsers":
            everybody = world.everybody_here()
            seen = world.seen_by_actor() if case.list_is_restricted and not world.actor.is_owner else everybody
            assert {user["id"] for user in reply.json} == seen, where


def _check_values(caller: Caller, asked: Asked, case: Case, reply: Reply, where: str) -> None:
    """No answer holds another value than that of the call, and that only to whoever created the key."""
    world = caller.world
    own = world.values[world.actor.pk]
    created = world.actor.pk != world.target.pk or case.stand in matrix.CREATED_THE_KEY
    headers = "".join(map(str, reply.headers.items()))
    for pk, value in world.values.items():
        assert value not in headers, where
        if value.encode() in reply.body:
            assert not caller.by_token, where  # none of these asks for one's own by POST
            assert pk == world.actor.pk, where
            assert created, where
            assert reply.status == 200, where
    told = reply.status == 200 and asked.method == "getApiAuthenticationKeys" and case.stand in matrix.SELF
    assert not told or (own.encode() in reply.body) is (created and not caller.by_token), where


def _check_records(world: World, case: Case, found: Any, where: str) -> None:
    """Whatever way they were reached by: only users whom the actor sees, and keys that they may know of."""
    if isinstance(found, list):
        for one in found:
            _check_records(world, case, one, where)
    elif isinstance(found, dict):
        if "apiAuthenticationKeys" in found and "id" in found:
            is_known = found["id"] in world.seen_by_actor()
            assert [key["id"] for key in found["apiAuthenticationKeys"]] == [world.key_ids[found["id"]]] * is_known, (
                where
            )
            is_seen = is_known or (world.actor.is_owner or not case.list_is_restricted)
            assert is_seen, where
            assert found["id"] in world.everybody_here(), where
        if "authenticationKey" in found:
            assert found["id"] == world.key_ids[world.actor.pk], where
            assert found["authenticationKey"] == world.values[world.actor.pk], where
        for name in ("parentId", "objectId"):
            restricted = case.list_is_restricted and not world.actor.is_owner
            allowed = world.seen_by_actor() if restricted or name == "objectId" else world.everybody_here()
            assert found.get(name) is None or found[name] in allowed, f"{name}: {where}"
        for below in found.values():
            _check_records(world, case, below, where)


def _check_change(world: World, asked: Asked, case: Case, where: str) -> None:
    """The change happened, to the target and to nobody else."""
    target = Member.objects.filter(pk=world.target.pk).first()
    keys = {key.holder_id: key for key in ClassicKey.objects.all()}
    others = set(world.values) - {world.target.pk}
    assert others <= set(keys), where
    key = keys.get(world.target.pk)
    assert not [other for pk, other in keys.items() if other.allowed_addresses and pk != world.target.pk], where
    match asked.method, asked.arguments:
        case "addApiAuthenticationKey", _:
            assert key, where
            assert key.creator_id == world.actor.pk, where
        case "removeApiAuthenticationKey", _:
            assert target, where
            assert not key, where
        case "updateVpnPassword", _:
            assert target, where
            assert target.vpn_password, where
        case "createObject", ({"email": email, **template},):
            new = Member.objects.get(account_id=world.actor.account_id, user__email=email)
            assert (new.parent_id, new.permissions) == (world.actor.pk, 0), where
            assert new.status == ("vpn_only" if template else "processing"), where
        case "editObject", ({"userStatusId": 1021},):
            assert target is None, where
            assert key is None, where
        case "editObject", ({"userStatusId": _},):
            assert target, where
            assert target.status != case.target_status, where
        case "editObject", _:
            assert key, where
            assert key.allowed_addresses == "127.0.0.0/8", where


@pytest.mark.sqlite_only
def test_every_method_is_in_the_matrix():
    """A new one fails here until the table says who may."""
    there = {(service, method) for service, methods in SERVICES.items() for method in methods}
    assert there == {(asked.service, asked.method) for asked in CALLS}
