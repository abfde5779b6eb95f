"""The value of one's own key for ``slcli setup``: the one place of the interface from which a stored value is shown.

Whoever gave their password a moment ago sees the value of the key that they created, as with *Show* in the console: by
the same function, with the same event, and with the same mail if they never saw it from this address.
"""

from dataclasses import replace

from accounts.policy import NotAllowed
from keys import lifecycle
from keys.api.calls import Call, Caller
from keys.api.masks import Mask
from keys.models import ClassicKey

_KEYS, _VALUE = "apiAuthenticationKeys", "authenticationKey"


def shown(call: Call, caller: Caller, mask: Mask | None) -> tuple[Caller, Mask | None]:
    """Return the caller with the value of their key, and the mask with it, if the answer is to hold it.

    That is for a POST with a login token, whose mask asks for the caller's keys as a whole, or names the value. The
    command line does not name it, because the original once answered it unasked.
    """
    asked = mask.names.get(_KEYS) if mask else None
    if mask is None or asked is None or not caller.has_proved or not call.is_post:
        return caller, mask
    if asked.names and not asked.is_additive and _VALUE not in asked.names:
        return caller, mask
    key = ClassicKey.objects.defer("sealed_value", "digest").filter(holder=caller.member).first()
    if key is None:
        return caller, mask
    try:
        value = lifecycle.show_value(key=key, by=caller.member, origin=caller.origin)
    except (lifecycle.KeyGone, NotAllowed):
        return caller, mask  # it was deleted since, or somebody else created it
    wanted = Mask({**asked.names, _VALUE: Mask()}, is_additive=asked.is_additive or not asked.names)
    return replace(caller, key_id=key.pk, value=value), replace(mask, names={**mask.names, _KEYS: wanted})
