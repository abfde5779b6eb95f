"""``SoftLayer_User_Customer_ApiAuthentication``: one key, and from where it may be used."""

from collections.abc import Mapping

from accounts.addresses import AddressError
from accounts.models import Member
from keys import lifecycle, policy
from keys.api.calls import Call, Caller
from keys.api.faults import InvalidValue, NotFound
from keys.api.methods.method_kinds import Methods, One
from keys.api.methods.objects import argument, key_of
from keys.api.methods.refusals import refusals_recorded
from keys.api.schema import KEY, USER
from keys.models import ClassicKey
from keys.policy import KeyAction


def _restrict(call: Call, caller: Caller) -> ClassicKey:
    """Set from where the key may be used. Clients send the whole record back: everything else in it is ignored."""
    key, template = key_of(call, caller), argument(call, 0)
    addresses = template.get("ipAddressRestriction") if isinstance(template, Mapping) else None
    if not isinstance(addresses, str):
        raise InvalidValue("Please provide a record with ipAddressRestriction: a text, empty for every address.")
    try:
        with refusals_recorded(caller, key.holder, KeyAction.EDIT_RESTRICTION.value):
            policy.require(caller.member, KeyAction.EDIT_RESTRICTION, key)
            key.allowed_addresses = lifecycle.restrict_classic_key(
                key=key, addresses_text=addresses, by=caller.member, origin=caller.origin
            )
    except AddressError as error:
        raise InvalidValue(str(error)) from error
    except lifecycle.KeyGone as error:
        raise NotFound(key.pk) from error
    return key


def _holder(call: Call, caller: Caller) -> Member:
    return key_of(call, caller).holder


KEY_METHODS: Methods = {
    "getObject": One(KEY, key_of),
    "editObject": One(KEY, _restrict),
    "getUser": One(USER, _holder),
}
