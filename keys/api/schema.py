"""The types of the interface as tables: what their records have, where it comes from, and who may know of it.

Whether a caller may see something is asked of ``accounts.policy`` and ``keys.policy`` here, for every record, by
whatever way it was reached.

*Source:* SoftLayer API reference, the data types of these names.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Count as CountOf
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from accounts import audit, events, queries
from accounts.enums import PERMISSION_LABELS, MemberStatus, Permission
from accounts.enums import Relation as Standing
from accounts.hierarchy import relation
from accounts.models import Account, Event, Member
from accounts.new_members import default_api_username
from accounts.policy import MemberAction, can, sees_whole_account
from accounts.prepared import AnsweredFirst
from keys import policy as key_policy
from keys.api.calls import Caller, Value
from keys.api.records import Record, Relation, Schema, TooMany, Type
from keys.models import ClassicKey
from keys.policy import KeyAction

#: How many of a user's logins stand below the user, the newest first; a method of its own gives all.
MOST_LOGINS = 100


@dataclass(frozen=True)
class Named:
    """Something that SoftLayer numbers and names: a user's status, or a group of permissions."""

    id: int
    key_name: str
    name: str


@dataclass(frozen=True)
class Login:
    """An attempt to log in, and whose it was."""

    event: Event
    member: Member


@dataclass(frozen=True)
class ToldEvent:
    """An event, and the number of who did it, if the caller sees them."""

    event: Event
    actor_id: int | None


_PENDING = Named(1004, "PENDING", "Pending")
STATUSES = {
    MemberStatus.ACTIVE: Named(1001, "ACTIVE", "Active"),
    MemberStatus.DISABLED_CLASSIC: Named(1002, "DISABLED", "Disabled"),
    MemberStatus.PENDING: _PENDING,
    MemberStatus.PROCESSING: _PENDING,
    MemberStatus.SUSPENDED: Named(1005, "SUSPENDED", "Suspended"),
    MemberStatus.INVALID: Named(1006, "IAMID_INVALID", "Invalid"),
    MemberStatus.VPN_ONLY: Named(1022, "VPN_ONLY", "VPN-only"),
}
#: What a user is set to, to be removed from the account.
CANCEL_PENDING = Named(1021, "CANCEL_PENDING", "Cancel pending")
PERMISSIONS = tuple(PERMISSION_LABELS)
#: The group of all permissions; there is no other.
ONLY_DEPARTMENT = Named(1, "ACCOUNT", "Account")
LOGIN_EVENTS = (events.SIGNED_IN, events.SIGN_IN_REFUSED)

_USER, _KEY, _ACCOUNT = "SoftLayer_User_Customer", "SoftLayer_User_Customer_ApiAuthentication", "SoftLayer_Account"
_STATUS, _LOGIN = "SoftLayer_User_Customer_Status", "SoftLayer_User_Customer_Access_Authentication"
_PERMISSION = "SoftLayer_User_Customer_CustomerPermission_Permission"
_ACTION, _ROLE = "SoftLayer_User_Permission_Action", "SoftLayer_User_Permission_Role"
_ANYTHING = "SoftLayer_Entity"


def moment(at: datetime | None, timespec: str = "seconds") -> str | None:
    """Return a moment as the clients read it."""
    return at.astimezone(UTC).isoformat(timespec=timespec) if at else None


# Users


def knows_username(caller: Caller, user: Member) -> bool:
    """Whether the caller may know the API username: if it says no more than account and address, whoever sees the user.

    As a condition: ``keys.api.lists.username_is_known``.
    """
    usual = default_api_username(user.account_id, user.user.email)
    return user.api_username == usual or can(caller.member, MemberAction.VIEW_CARE, user)


def sees_parent(caller: Caller, user: Member) -> bool:
    """Whether the caller may see the parent of a user whom they see; the parent need not be loaded.

    Whoever sees no more than their branch sees the parents of those below them, which are in it too.
    """
    sees_above = sees_whole_account(caller.member) or relation(caller.member, user) is Standing.ANCESTOR
    return user.parent_id is not None and sees_above


def _username(user: Member, caller: Caller) -> Value:
    return user.api_username if knows_username(caller, user) else None


def _parent_id(user: Member, caller: Caller) -> Value:
    return user.parent_id if sees_parent(caller, user) else None


def _restriction(user: Member, caller: Caller) -> Value:
    return user.allowed_addresses or None if can(caller.member, MemberAction.VIEW_CARE, user) else None


def _nothing(*_: object) -> Value:
    return None


def _none(records: Sequence[Record], *_: object) -> list[list[Record]]:
    return [[] for _ in records]


def _zero(records: Sequence[Record], *_: object) -> list[int]:
    return [0] * len(records)


def _accounts(records: Sequence[Record], caller: Caller, _: int) -> list[list[Account]]:
    return [[caller.member.account] for _ in records]  # whoever is seen is in it


def _statuses(users: Sequence[Member], *_: object) -> list[list[Named]]:
    return [[STATUSES[MemberStatus(user.status)]] for user in users]


def _parents(users: Sequence[Member], caller: Caller, _: int) -> list[list[Member]]:
    return _one_each([user.parent_id if sees_parent(caller, user) else None for user in users])


def _one_each(ids: Sequence[int | None]) -> list[list[Member]]:
    """Return for each id the member who has it, if there is one; one query."""
    members = Member.objects.filter(pk__in={pk for pk in ids if pk is not None}).select_related("user")
    found = {member.pk: member for member in members}
    return [[found[pk]] if pk in found else [] for pk in ids]


def _children(users: Sequence[Member], _: Caller, most: int) -> list[list[Member]]:
    below = defaultdict(list)
    for child in _at_most(most, Member.objects.filter(parent_id__in=[user.pk for user in users])):
        below[child.parent_id].append(child)
    return [below[user.pk] for user in users]


def _at_most(most: int, members: QuerySet[Member]) -> list[Member]:
    """Return the members with their users, by primary key. Raises TooMany.

    They are put in order here: a database would sort all that there are, only for too many to be refused.
    """
    chosen = AnsweredFirst(F("pk"), members.values("pk")[: most + 1])
    found = list(Member.objects.filter(chosen).select_related("user"))
    if len(found) > most:
        raise TooMany
    return sorted(found, key=lambda member: member.pk)


def _child_counts(users: Sequence[Member], _: Caller) -> list[int]:
    children = Member.objects.filter(parent_id__in=[user.pk for user in users])
    counts = dict(children.order_by().values_list("parent_id").annotate(CountOf("pk")))
    return [counts.get(user.pk, 0) for user in users]


def _keys(users: Sequence[Member], caller: Caller, _: int) -> list[list[ClassicKey]]:
    known = {user.pk: user for user in users if key_policy.can_see_keys_of(caller.member, user)}
    found = {}
    for key in ClassicKey.objects.filter(holder_id__in=known).defer("sealed_value", "digest"):
        key.holder = known[key.holder_id]
        found[key.holder_id] = key
    return [[found[user.pk]] if user.pk in found else [] for user in users]


def _key_counts(users: Sequence[Member], caller: Caller) -> list[int]:
    known = [user.pk for user in users if key_policy.can_see_keys_of(caller.member, user)]
    holders = set(ClassicKey.objects.filter(holder_id__in=known).values_list("holder_id", flat=True))
    return [int(user.pk in holders) for user in users]


def _permissions(users: Sequence[Member], caller: Caller, _: int) -> list[list[Permission]]:
    return [permissions_of(user, caller) for user in users]


def permissions_of(user: Member, caller: Caller) -> list[Permission]:
    """Return what a user was given, if the caller may know: the console shows it to those who look after them."""
    if not can(caller.member, MemberAction.VIEW_CARE, user):
        return []
    held = user.granted
    return [permission for permission in PERMISSIONS if permission in held]


def _logins(*outcomes: str) -> Relation:
    """Return the newest of the users' logins with such an outcome, as far as the caller may know of them."""

    def load(users: Sequence[Member], caller: Caller, most: int) -> list[list[Login]]:
        known = {user.pk: user for user in users if can(caller.member, MemberAction.VIEW_EVENTS, user)}
        attempts = Event.objects.filter(
            account_id=caller.member.account_id, subject_id__in=known, action__in=LOGIN_EVENTS, outcome__in=outcomes
        )
        newest = Window(RowNumber(), partition_by=F("subject_id"), order_by=F("number").desc())
        # Chosen by their keys alone: somebody may have many thousands.
        chosen = attempts.annotate(place=newest).filter(place__lte=MOST_LOGINS).order_by("-number").values("pk")
        found = defaultdict(list)
        for event in Event.objects.filter(pk__in=chosen[: most + 1]).order_by("-number"):
            found[event.subject_id].append(Login(event, known[event.subject_id or 0]))
        return [found[user.pk] for user in users]

    return Relation(_LOGIN, load, is_list=True, most=None)


def _empty_list() -> Relation:
    return Relation(_ANYTHING, _none, is_list=True, most=0)


USER = Type(
    _USER,
    is_visible=lambda user, caller: can(caller.member, MemberAction.VIEW, user),
    local={
        "id": lambda user, _: user.pk,
        "accountId": lambda user, _: user.account_id,
        "parentId": _parent_id,
        "username": _username,
        "displayName": lambda user, _: user.name,
        # The name in two: joined by a space, they give it again.
        "firstName": lambda user, _: user.name.partition(" ")[0],
        "lastName": lambda user, _: user.name.partition(" ")[2],
        "email": lambda user, _: user.user.email,
        "openIdConnectUserName": lambda user, _: user.user.email,
        "userStatusId": lambda user, _: STATUSES[MemberStatus(user.status)].id,
        "createDate": lambda user, _: moment(user.joined_at),
        "isMasterUserFlag": lambda user, _: user.is_owner,
        "ipAddressRestriction": _restriction,
        # What Keytree does not have, and clients ask for by name.
        **dict.fromkeys(
            [
                "address1", "address2", "city", "companyName", "country", "iamId", "modifyDate", "officePhone",
                "postalCode", "sslVpnAllowedFlag", "state", "statusDate", "timezoneId", "vpnManualConfig",
            ],
            _nothing,
        ),
    },
    relations={
        "account": Relation(_ACCOUNT, _accounts),
        "parent": Relation(_USER, _parents),
        "userStatus": Relation(_STATUS, _statuses),
        "childUsers": Relation(_USER, _children, is_list=True, most=None),
        "apiAuthenticationKeys": Relation(_KEY, _keys, is_list=True),
        "permissions": Relation(_PERMISSION, _permissions, is_list=True, most=len(PERMISSIONS)),
        "roles": Relation(_ROLE, _permissions, is_list=True, most=len(PERMISSIONS)),
        "loginAttempts": _logins(audit.SUCCESS, audit.REFUSED),
        "successfulLogins": _logins(audit.SUCCESS),
        "unsuccessfulLogins": _logins(audit.REFUSED),
        "externalBindings": _empty_list(),
        "hardware": _empty_list(),
        "virtualGuests": _empty_list(),
        "dedicatedHosts": _empty_list(),
        "overrides": _empty_list(),
    },
    counts={
        "childUserCount": _child_counts,
        "apiAuthenticationKeyCount": _key_counts,
        "externalBindingCount": _zero,
        "hardwareCount": _zero,
        "virtualGuestCount": _zero,
        "dedicatedHostCount": _zero,
        "overrideCount": _zero,
    },
)  # fmt: skip


# Keys


def _value(key: ClassicKey, caller: Caller) -> Value:
    """Return the value of the very key that the call was made with: what came with the call, to whoever may see it.

    No other value leaves by this interface, and none is opened for it.
    """
    if caller.value is None or key.pk != caller.key_id:
        return None
    return caller.value.text if key_policy.can(caller.member, KeyAction.SHOW_VALUE, key) else None


def _holders(keys: Sequence[ClassicKey], _: Caller, __: int) -> list[list[Member]]:
    return _one_each([key.holder_id for key in keys])


KEY = Type(
    _KEY,
    is_visible=lambda key, caller: key_policy.can(caller.member, KeyAction.VIEW, key),
    local={
        "id": lambda key, _: key.pk,
        "userId": lambda key, _: key.holder_id,
        "timestampKey": lambda key, _: int(key.created_at.timestamp()),
        "ipAddressRestriction": lambda key, _: key.allowed_addresses,
    },
    on_request={"authenticationKey": _value},
    relations={"user": Relation(_USER, _holders)},
)


# The account


def _users(accounts: Sequence[Account], caller: Caller, most: int) -> list[list[Member]]:
    users = _at_most(most, queries.visible_members(caller.member))
    return [users for _ in accounts]


def _owners(accounts: Sequence[Account], *_: object) -> list[list[Member]]:
    owners = Member.objects.filter(account__in=accounts, parent=None).select_related("user")
    found = {owner.account_id: owner for owner in owners}
    return [[found[account.pk]] for account in accounts]


def _user_counts(accounts: Sequence[Account], caller: Caller) -> list[int]:
    return [queries.visible_members(caller.member).count()] * len(accounts)


ACCOUNT = Type(
    _ACCOUNT,
    is_visible=lambda account, caller: account.pk == caller.member.account_id,
    local={"id": lambda account, _: account.pk, "companyName": lambda account, _: account.name},
    relations={
        "users": Relation(_USER, _users, is_list=True, most=None),
        "masterUser": Relation(_USER, _owners),
        "pendingInvoice": Relation(_ANYTHING, _none, most=0),
        "hardware": _empty_list(),
        "virtualGuests": _empty_list(),
        "dedicatedHosts": _empty_list(),
    },
    counts={
        "userCount": _user_counts,
        "nextInvoiceTotalAmount": _zero,
        "blockDeviceTemplateGroupCount": _zero,
        "dedicatedHostCount": _zero,
        "domainCount": _zero,
        "hardwareCount": _zero,
        "networkStorageCount": _zero,
        "openTicketCount": _zero,
        "networkVlanCount": _zero,
        "subnetCount": _zero,
        "virtualGuestCount": _zero,
    },
)


# What happened. Which events a caller may see, ``accounts.audit.visible_events`` decides, by which they are loaded.

EVENT = Type(
    "SoftLayer_Event_Log",
    is_visible=lambda told, caller: told.event.account_id == caller.member.account_id,
    local={
        "eventName": lambda told, _: told.event.action,
        "eventCreateDate": lambda told, _: moment(told.event.at, "microseconds"),
        "objectName": lambda *_: "User",
        "objectId": lambda told, _: told.event.subject_id,
        "label": lambda told, _: told.event.subject_label,
        # Clients look up whoever is called a customer, and fail if there is nobody.
        "userType": lambda told, _: "SYSTEM" if told.actor_id is None else "CUSTOMER",
        "userId": lambda told, _: told.actor_id,
        "username": lambda told, _: told.event.actor_label,
        "ipAddress": lambda told, _: told.event.address,
        "traceId": lambda told, _: told.event.request_id,
        "metaData": lambda told, _: json.dumps(audit.told_facts(told.event), sort_keys=True),
    },
)
LOGIN = Type(
    _LOGIN,
    is_visible=lambda login, caller: can(caller.member, MemberAction.VIEW_EVENTS, login.member),
    local={
        "createDate": lambda login, _: moment(login.event.at),
        "ipAddress": lambda login, _: login.event.address,
        "successFlag": lambda login, _: login.event.outcome == audit.SUCCESS,
        "userId": lambda login, _: login.member.pk,
        "username": lambda login, _: login.member.api_username,
    },
)


# What there is to choose from

_NAMES: Mapping[str, Callable[[Record, Caller], Value]] = {
    "id": lambda named, _: named.id,
    "keyName": lambda named, _: named.key_name,
    "name": lambda named, _: named.name,
}
STATUS = Type(_STATUS, local=_NAMES)


def _of_permissions(name: str) -> Type:
    """Return a type whose records are permissions: SoftLayer has several."""
    return Type(
        name,
        local={
            "id": lambda permission, _: int(permission),
            "key": lambda permission, _: permission.name,
            "keyName": lambda permission, _: permission.name,
            "name": lambda permission, _: PERMISSION_LABELS[permission][0],
            "description": lambda permission, _: PERMISSION_LABELS[permission][1],
        },
    )


PERMISSION, ACTION, ROLE = _of_permissions(_PERMISSION), _of_permissions(_ACTION), _of_permissions(_ROLE)
DEPARTMENT = Type(
    "SoftLayer_User_Permission_Department",
    local=_NAMES,
    relations={
        "permissions": Relation(
            _ACTION, lambda records, *_: [PERMISSIONS for _ in records], is_list=True, most=len(PERMISSIONS)
        )
    },
)
ANYTHING = Type(_ANYTHING, is_open=True)

SCHEMA = Schema(
    USER, KEY, ACCOUNT, EVENT, LOGIN, STATUS, PERMISSION, ACTION, ROLE, DEPARTMENT, ANYTHING,
)  # fmt: skip
