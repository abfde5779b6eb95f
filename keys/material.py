"""Key values: made, sealed, digested, opened. The only code that touches one in plain text.

Everything else holds a ``PlainValue``, which prints as dots wherever it ends up; its ``text`` is used only where the
value is handed to the user who created the key.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from accounts import sealing
from accounts.sealing import SealError as SealError  # noqa: PLC0414 - what ``take`` raises, handed on with it
from keys.models import ClassicKey

_VALUE = "classic-key-value"
_LOOKUP = "classic-key-lookup"
_VALUE_BYTES = 32  # printed as 64 hexadecimal characters, which is how the usual clients tell a key from a password
_MASK: Final = "•" * 12


@dataclass(frozen=True, repr=False)
class PlainValue:
    """A key's value in plain text. ``str`` and ``repr`` give dots, so that no log line or template can reveal it."""

    text: str

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__


def new_value() -> PlainValue:
    """Return a fresh value: 256 random bits as 64 hexadecimal characters."""
    return PlainValue(secrets.token_hex(_VALUE_BYTES))


def new_uid() -> str:
    """Return a random uid for a new key: the sealed value is bound to it, before there is a row."""
    return secrets.token_hex(16)


def _belongs_to(key: ClassicKey) -> tuple[object, ...]:
    return key.uid, key.holder_id, key.account_id, key.creator_id


def put(key: ClassicKey, value: PlainValue) -> None:
    """Seal ``value`` into ``key`` (not saved) under the ring's current master key, with the digest to find it by.

    The key's uid, holder, account and creator must be set: the sealed value opens only in that row.
    """
    plain = value.text.encode()
    key.ring_key_id = sealing.configured_ring().current
    key.sealed_value = sealing.seal(plain, purpose=_VALUE, belongs_to=_belongs_to(key))
    key.digest = sealing.keyed_digest(plain, purpose=_LOOKUP, key_id=key.ring_key_id)


def take(key: ClassicKey) -> PlainValue:
    """Return the value of ``key``; the caller has asked the policy. Raises SealError if it does not open."""
    blob = bytes(key.sealed_value)
    return PlainValue(sealing.open_sealed(blob, purpose=_VALUE, belongs_to=_belongs_to(key)).decode())


def matches(presented: str, digest: bytes, ring_key_id: str) -> bool:
    """Whether ``presented`` is the value that ``digest`` was made from, compared in constant time."""
    candidate = sealing.keyed_digest(presented.encode(errors="replace"), purpose=_LOOKUP, key_id=ring_key_id)
    return hmac.compare_digest(candidate, digest)


def rewrap(key: ClassicKey) -> bool:
    """Re-encrypt one key under the ring's current master key, and return whether this call did it.

    By compare-and-swap on the old blob: a key that was deleted or re-encrypted meanwhile is left alone. Raises
    SealError if the old master key is missing from the ring.
    """
    old = bytes(key.sealed_value)
    put(key, take(key))
    return bool(
        ClassicKey.objects.filter(pk=key.pk, sealed_value=old).update(
            sealed_value=key.sealed_value, digest=key.digest, ring_key_id=key.ring_key_id
        )
    )
