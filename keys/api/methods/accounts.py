"""``SoftLayer_Account``: the account of the caller, and who is in it."""

from accounts import queries
from accounts.models import Member
from keys.api import lists
from keys.api.calls import Call, Caller
from keys.api.lists import Rows
from keys.api.methods import own_value
from keys.api.methods.method_kinds import Many, Methods, One
from keys.api.methods.objects import account_of
from keys.api.schema import ACCOUNT, USER


def _current_user(call: Call, caller: Caller) -> Member:
    account_of(call, caller)
    return caller.member


def _master_user(call: Call, caller: Caller) -> Member | None:
    """Return the owner; whether the caller sees them is asked of every record."""
    return Member.objects.select_related("user").filter(account=account_of(call, caller), parent=None).first()


def _users(call: Call, caller: Caller) -> Rows:
    account_of(call, caller)
    return lists.users(caller, queries.visible_members(caller.member))


ACCOUNT_METHODS: Methods = {
    "getObject": One(ACCOUNT, account_of),
    "getCurrentUser": One(USER, _current_user, prepared=own_value.shown),
    "getMasterUser": One(USER, _master_user),
    "getUsers": Many(USER, _users, root="users"),
}
