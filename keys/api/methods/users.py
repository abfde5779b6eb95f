"""``SoftLayer_User_Customer``: one user, their key, and who is above and below them."""

from collections.abc import Callable, Mapping, Sequence

from accounts import audit, memberships
from accounts.enums import CHOSEN_STATUSES, INVITED_STATUSES, MemberStatus, Permission
from accounts.member_forms import VpnPasswordForm
from accounts.models import Event, Member, User
from accounts.policy import MemberAction, can, require
from keys import lifecycle, policy
from keys.api import lists
from keys.api.calls import Call, Caller, Value
from keys.api.faults import Denied, Fault, InvalidValue, NotFound, shown
from keys.api.lists import Rows
from keys.api.methods import new_users
from keys.api.methods.method_kinds import Few, Many, Method, Methods, One, Plain
from keys.api.methods.objects import argument, as_number, key_numbered, user_of
from keys.api.methods.refusals import refusals_recorded
from keys.api.records import Context, Record
from keys.api.schema import (
    ACCOUNT,
    ANYTHING,
    CANCEL_PENDING,
    KEY,
    LOGIN,
    LOGIN_EVENTS,
    PERMISSION,
    ROLE,
    SCHEMA,
    STATUS,
    STATUSES,
    USER,
    Login,
    Named,
    permissions_of,
)
from keys.models import ClassicKey

#: How many users who stand in the way of a removal are named, and how many properties that cannot be changed.
_MOST_NAMED = 10
_CHOSEN = {STATUSES[status].id: status for status in CHOSEN_STATUSES}


# What is read


def _parent(call: Call, caller: Caller) -> Member | None:
    """Return who is directly above; whether the caller sees them is asked of every record."""
    return user_of(call, caller).parent


def _account(call: Call, caller: Caller) -> Record:
    user_of(call, caller)
    return caller.member.account


def _status(call: Call, caller: Caller) -> Named:
    return STATUSES[MemberStatus(user_of(call, caller).status)]


def _is_owner(call: Call, caller: Caller) -> bool:
    return user_of(call, caller).is_owner


def _children(call: Call, caller: Caller) -> Rows:
    """Return those directly below. Whoever sees a user sees them too."""
    return lists.users(caller, Member.objects.filter(parent=user_of(call, caller)))


def _keys(call: Call, caller: Caller) -> Rows:
    """Return the user's key, if there is one that the caller may know of."""
    user = user_of(call, caller)
    is_known = policy.can_see_keys_of(caller.member, user)
    return lists.keys(ClassicKey.objects.filter(holder=user) if is_known else ClassicKey.objects.none())


def _permissions(call: Call, caller: Caller) -> Sequence[Permission]:
    return permissions_of(user_of(call, caller), caller)


def _nothing(call: Call, caller: Caller) -> Sequence[Record]:
    """Return no things, of a user whom the caller sees."""
    user_of(call, caller)
    return ()


def _logins(*outcomes: str) -> Callable[[Call, Caller], Rows]:
    """Return the method that gives the logins with such an outcome of a user, as far as the caller may know."""

    def logins(call: Call, caller: Caller) -> Rows:
        user = user_of(call, caller)
        is_known = can(caller.member, MemberAction.VIEW_EVENTS, user)
        known = audit.events_about(user) if is_known else audit.events_about(user).none()

        def load(ids: Sequence[int]) -> list[Login]:
            found = lists.in_order(Event.objects.filter(pk__in=ids), ids)
            return [Login(event, user) for event in found]

        return lists.logins(known.filter(action__in=LOGIN_EVENTS, outcome__in=outcomes), load)

    return logins


# What is written


def _add_key(call: Call, caller: Caller) -> str:
    """Create the user's key and return its value, this once."""
    user = user_of(call, caller)
    if not policy.can_see_keys_of(caller.member, user):
        raise NotFound(user.pk)
    try:
        with refusals_recorded(caller, user, "create a key"):
            _, value = lifecycle.create_classic_key(holder=user, by=caller.member, origin=caller.origin)
    except lifecycle.KeyExists as error:
        raise Fault("Each user can only have a single API key.") from error
    except Denied as error:
        if user.status in INVITED_STATUSES:
            raise Denied("Generating an API key for a user in PENDING status is disallowed.") from error
        raise
    return value.text


def _remove_key(call: Call, caller: Caller) -> bool:
    """Delete the key that the first argument names; the service's own number is not asked for."""
    number = as_number(argument(call, 0))
    if number is None:
        raise Fault("Please provide an API Authentication key ID.")
    key = key_numbered(number, caller)
    try:
        with refusals_recorded(caller, key.holder, policy.KeyAction.DELETE.value):
            lifecycle.delete_classic_key(key=key, by=caller.member, origin=caller.origin)
    except lifecycle.KeyGone as error:
        raise NotFound(number) from error
    return True


def _edit(call: Call, caller: Caller) -> bool:
    """Set the user's status, or remove them. What else the template holds must be as it is already."""
    user, template = user_of(call, caller), argument(call, 0)
    if not isinstance(template, Mapping):
        raise InvalidValue("Please provide a record with the properties to change.")
    present = SCHEMA.written([user], USER, None, Context(caller))[0]
    _refuse_other_changes(template, present)
    chosen = _chosen_status(template.get("userStatusId"), present["userStatusId"])
    if chosen == CANCEL_PENDING.id:
        _remove(user, caller)
    elif chosen is not None:
        with refusals_recorded(caller, user, MemberAction.CHANGE_STATUS.value):
            memberships.change_status(member=user, status=_CHOSEN[chosen], by=caller.member, origin=caller.origin)
    return True


def _refuse_other_changes(template: Mapping[str, Value], present: Mapping[str, Value]) -> None:
    """Raise InvalidValue if a property besides the status is to be another one than at present."""
    ignored = {"userStatusId", "complexType", *USER.relations, *USER.counts}
    changed = [name for name, value in template.items() if name not in ignored and value != present.get(name)]
    if changed:
        named = ", ".join(map(shown, sorted(changed)[:_MOST_NAMED]))
        raise InvalidValue(f"These properties cannot be changed here: {named}{_and_more(len(changed))}.")


def _chosen_status(asked: Value, present: Value) -> int | None:
    """Return the number of the status to set; none if it stays. Raises InvalidValue for one that cannot be chosen."""
    number = as_number(asked)
    if asked is None or number == present:
        return None
    if number not in {*_CHOSEN, CANCEL_PENDING.id}:
        raise InvalidValue(f"A user's status can be set to {_choices()}, and {CANCEL_PENDING.id} removes the user.")
    return number


def _choices() -> str:
    return ", ".join(f"{number} ({STATUSES[status].key_name})" for number, status in sorted(_CHOSEN.items()))


def _remove(user: Member, caller: Caller) -> None:
    """Remove a user from the account, unless somebody below them would be left without a parent who works."""
    try:
        with refusals_recorded(caller, user, MemberAction.REMOVE.value):
            memberships.remove_member(member=user, by=caller.member, origin=caller.origin)
    except memberships.NotEmpty as error:
        named = ", ".join(audit.label(below) for below in error.working[:_MOST_NAMED])
        raise Fault(
            f"Users below are neither disabled nor removed: {named}{_and_more(len(error.working))}. Give them another "
            "parent, or remove this user in the console, which hands them over in the same step."
        ) from error


def _and_more(number: int) -> str:
    """Return how many of so many are not named, for the end of a list; nothing if all are."""
    return f" and {number - _MOST_NAMED:,} more" if number > _MOST_NAMED else ""


def _set_vpn_password(call: Call, caller: Caller) -> bool:
    """Set the user's VPN password, by the rules that pages have for one."""
    user, password = user_of(call, caller), argument(call, 0)
    what = MemberAction.EDIT_VPN_PASSWORD
    with refusals_recorded(caller, user, what.value):
        require(caller.member, what, user)
        known_as = User(email=user.user.email, name=user.name)
        form = VpnPasswordForm(known_as, {"password": password if isinstance(password, str) else ""})
        if not form.is_valid():
            raise InvalidValue(" ".join(str(text) for texts in form.errors.values() for text in texts))
        memberships.set_vpn_password(
            member=user, password=form.cleaned_data["password"], by=caller.member, origin=caller.origin
        )
    return True


def _lists_of_nothing(*names: str) -> dict[str, Method]:
    return {f"get{name[0].upper()}{name[1:]}": Few(ANYTHING, _nothing, root=name) for name in names}


USER_METHODS: Methods = {
    "getObject": One(USER, user_of),
    "createObject": One(USER, new_users.create, makes=True),
    "editObject": Plain(_edit),
    "getAccount": One(ACCOUNT, _account),
    "getParent": One(USER, _parent),
    "getChildUsers": Many(USER, _children, root="childUsers"),
    "getUserStatus": One(STATUS, _status),
    "isMasterUser": Plain(_is_owner),
    "getApiAuthenticationKeys": Many(KEY, _keys, root="apiAuthenticationKeys"),
    "addApiAuthenticationKey": Plain(_add_key),
    "removeApiAuthenticationKey": Plain(_remove_key),
    "updateVpnPassword": Plain(_set_vpn_password),
    "getPermissions": Few(PERMISSION, _permissions, root="permissions"),
    "getRoles": Few(ROLE, _permissions, root="roles"),
    "getLoginAttempts": Many(LOGIN, _logins(audit.SUCCESS, audit.REFUSED), root="loginAttempts"),
    "getSuccessfulLogins": Many(LOGIN, _logins(audit.SUCCESS), root="successfulLogins"),
    "getUnsuccessfulLogins": Many(LOGIN, _logins(audit.REFUSED), root="unsuccessfulLogins"),
    **_lists_of_nothing("externalBindings", "hardware", "virtualGuests", "dedicatedHosts", "overrides"),
}
