"""Finds what a call is about, if the caller may know of it, else the same fault as for nothing; and its arguments."""

from accounts import queries
from accounts.models import Account, Member
from accounts.policy import MemberAction, can
from keys import queries as key_queries
from keys.api.calls import Call, Caller, Value
from keys.api.faults import Fault, NotFound
from keys.models import ClassicKey

_DIGITS = 19  # of the largest number that a database holds


def account_of(call: Call, caller: Caller) -> Account:
    """Return the account, which is the caller's; its number need not be given. Raises NotFound for another number."""
    account = caller.member.account
    if call.object_id not in {None, account.pk}:
        raise NotFound(call.object_id)
    return account


def user_of(call: Call, caller: Caller) -> Member:
    """Return the user that the call is about, if the caller sees them; one query. Raises NotFound."""
    number = _number_of(call)
    user = queries.member_of(caller.member.account_id, number)
    if user is None or not can(caller.member, MemberAction.VIEW, user):
        raise NotFound(number)
    return user


def key_of(call: Call, caller: Caller) -> ClassicKey:
    """Return the key that the call is about, if the caller may know of it; one query. Raises NotFound."""
    return key_numbered(_number_of(call), caller)


def key_numbered(number: int, caller: Caller) -> ClassicKey:
    """Return the key with that number, if the caller may know of it; one query. Raises NotFound."""
    key = key_queries.visible_key(caller.member, number)
    if key is None:
        raise NotFound(number)
    return key


def _number_of(call: Call) -> int:
    """Return the number of the object. Raises Fault if none is given."""
    if call.object_id is None:
        raise Fault("server error. invalid method init parameters", code="-32602")
    return call.object_id


def argument(call: Call, place: int) -> Value:
    """Return an argument; none where it is not given."""
    return call.arguments[place] if place < len(call.arguments) else None


def as_number(value: Value) -> int | None:
    """Return a whole number, which clients also send as its digits; none for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
