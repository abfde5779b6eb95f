"""Key values: made, sealed, digested, opened. The only code that touches one in plain text.

Everything else holds a ``PlainValue``, which prints as dots wherever it ends up; its ``text`` is used only where the
value is handed to the user who created the key.
"""

import binascii
import hmac
import re
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from accounts import sealing
from accounts.sealing import SealError as SealError  # noqa: PLC0414 - what ``take`` raises, handed on with it
from keys.models import ClassicKey, PlatformKey

_VALUE = "classic-key-value"
_LOOKUP = "classic-key-lookup"
_VALUE_BYTES = 32  # printed as 64 hexadecimal characters, which is how the usual clients tell a key from a password

_PLATFORM_LOOKUP = "platform-key-lookup"
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX = "ktp_"
_RANDOM_LENGTH, _CHECKSUM_LENGTH = 43, 6  # letters: 256 random bits, and the 32 of a checksum
_PLATFORM_FORM = re.compile(rf"{_PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")
#: The same, without taking the letters: the next value may begin among them, where one before it was cut off.
_PLATFORM_BEGINNING = re.compile(rf"{_PREFIX}(?=([0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}))")
PLATFORM_LENGTH = len(_PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
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


# --- IBM Cloud API keys -----------------------------------------------------------------------------------------------


def new_platform_value() -> PlainValue:
    """Return a fresh value of an IBM Cloud API key: ``ktp_``, 43 random letters and a checksum of six.

    So that one regular expression finds leaked values in source code, and a mistyped one is refused without a query.
    """
    random = _PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM_LENGTH))
    return PlainValue(random + _checksum(random))


def _checksum(text: str) -> str:
    """Return the CRC-32 of ``text`` as six letters of base 62, the highest first."""
    rest, letters = binascii.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_LETTERS))
        letters = _LETTERS[digit] + letters
    return letters


def is_platform_value(presented: str) -> bool:
    """Whether ``presented`` has the form of an IBM Cloud API key's value, and the right checksum."""
    if _PLATFORM_FORM.fullmatch(presented) is None:
        return False
    return presented[-_CHECKSUM_LENGTH:] == _checksum(presented[:-_CHECKSUM_LENGTH])


def platform_values_in(text: str) -> Iterator[str]:
    """Yield what in ``text`` has the form of an IBM Cloud API key's value, whatever it is glued to.

    *Source:* docs/leaks.md.
    """
    return (found[0] + found[1] for found in _PLATFORM_BEGINNING.finditer(text))


def put_platform(key: PlatformKey, value: PlainValue) -> None:
    """Set the digest of ``key`` (not saved), by which it will be found, under the ring's current master key."""
    key.ring_key_id, key.digest = next(platform_digests(value.text))


def platform_digests(presented: str) -> Iterator[tuple[str, bytes]]:
    """Yield the digests under which a presented value may be stored, each with its master key, the current one first.

    A value is not stored, so its digest can be made anew only when somebody presents it: until then it is that of the
    master key which was current when the key was created or last used.
    """
    for ring_key_id in sealing.configured_ring().keys:
        yield ring_key_id, sealing.keyed_digest(presented.encode(), purpose=_PLATFORM_LOOKUP, key_id=ring_key_id)
