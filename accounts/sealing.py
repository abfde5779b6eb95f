"""Encryption at rest with a ring of master keys. Knows bytes and purposes; no model, no request.

A blob is: version byte, key id (one length byte, then the id), nonce (12 bytes), AES-256-GCM ciphertext. What a blob
belongs to is authenticated with it, so that it does not open if it is moved to another row, member or creator.

Source: docs/security.md, "Secrets at rest".
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_HEADER_BYTES = 2  # version and length of the key id
_NONCE_BYTES = 12
_KEY_BYTES = 32


class RingError(ValueError):
    """The key ring cannot be used; the message says what is wrong and never holds key material."""


class SealError(ValueError):
    """A blob does not open: unknown key, damaged, or not the row's own."""


@dataclass(frozen=True, repr=False)
class Ring:
    """Master keys by id, the current one first. Never printed: its ``repr`` names the ids alone."""

    keys: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"<Ring {', '.join(self.keys)}>"

    @property
    def current(self) -> str:
        """The id of the key that new blobs and digests are made with."""
        return next(iter(self.keys))

    @classmethod
    def parse(cls, text: str) -> "Ring":
        """Read a ring from ``id:base64`` entries, separated by commas or white space, the current key first.

        Raises RingError for anything but 32-byte keys under distinct ids of 1 to 16 letters, digits or ``-``.
        """
        keys: dict[str, bytes] = {}
        for place, entry in enumerate(re.split(r"[\s,]+", text.strip()), start=1):
            key_id, _, encoded = entry.partition(":")
            if not re.fullmatch(r"[A-Za-z0-9-]{1,16}", key_id):
                raise RingError(f"Entry {place} of the key ring does not begin with an id and a colon.")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if len(key) != _KEY_BYTES:
                raise RingError(f"Key {key_id} of the key ring is not {_KEY_BYTES} bytes in base64.")
            if key_id in keys:
                raise RingError(f"Key {key_id} stands twice in the key ring.")
            keys[key_id] = key
        return cls(keys)

    @classmethod
    def read(cls, path: Path) -> "Ring":
        """Read a ring from a file that its owner alone may read (mode 0600 or less). Raises RingError otherwise."""
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise RingError("The key ring's file can be read by others. Set its mode to 0600.")
            return cls.parse(path.read_text())
        except OSError as error:
            raise RingError(f"The key ring's file cannot be read: {error.strerror}.") from error


def configured_ring() -> Ring:
    """Return the installation's ring, read once. Raises RingError when none is set or it is unusable."""
    return _ring_from(settings.KEYTREE_KEY_RING, settings.KEYTREE_KEY_RING_FILE)


@cache
def _ring_from(text: str, path: str) -> Ring:
    if text:
        return Ring.parse(text)
    if path:
        return Ring.read(Path(path))
    raise RingError("No key ring is set.")


@cache
def _subkey(ring_text: str, ring_path: str, key_id: str, purpose: str) -> bytes:
    try:
        master = _ring_from(ring_text, ring_path).keys[key_id]
    except KeyError:
        raise SealError(f"Key {key_id} is not in the key ring.") from None
    return derived(master, f"keytree/{purpose}")


def derived(master: bytes, info: str) -> bytes:
    """Return HKDF-SHA-256 of ``master`` without a salt: 32 bytes, which are one block. *Source:* RFC 5869, section 2.

    With the standard library only: every verification needs a subkey, but few verifying processes need to encrypt.
    """
    extracted = hmac.digest(bytes(_KEY_BYTES), master, hashlib.sha256)
    return hmac.digest(extracted, info.encode() + b"\x01", hashlib.sha256)


def subkey(key_id: str, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose, derived from master key ``key_id``. Raises SealError if it is unknown."""
    return _subkey(settings.KEYTREE_KEY_RING, settings.KEYTREE_KEY_RING_FILE, key_id, purpose)


def _bound(purpose: str, belongs_to: Iterable[object]) -> bytes:
    """Return what is authenticated with a blob, each part preceded by its length so that parts cannot be shifted."""
    parts = [bytes([_VERSION]), purpose.encode(), *(str(part).encode() for part in belongs_to)]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _cipher(key_id: str, purpose: str) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - takes 7 MiB, only where values are opened

    return AESGCM(subkey(key_id, f"seal/{purpose}"))


def seal(plain: bytes, *, purpose: str, belongs_to: Iterable[object]) -> bytes:
    """Return ``plain`` encrypted under the current key, bound to ``purpose`` and to what it belongs to."""
    key_id = configured_ring().current
    nonce = os.urandom(_NONCE_BYTES)
    header = bytes([_VERSION, len(key_id)]) + key_id.encode()
    ciphertext = _cipher(key_id, purpose).encrypt(nonce, plain, _bound(purpose, belongs_to))
    return header + nonce + ciphertext


def key_id_of(blob: bytes) -> str:
    """Return the id of the master key that ``blob`` was sealed under. Raises SealError if it is no blob."""
    if len(blob) < _HEADER_BYTES or blob[0] != _VERSION:
        raise SealError("Not a sealed value.")
    return blob[_HEADER_BYTES : _HEADER_BYTES + blob[1]].decode("ascii", "replace")


def open_sealed(blob: bytes, *, purpose: str, belongs_to: Iterable[object]) -> bytes:
    """Return what was sealed. Raises SealError if the key is unknown or anything was changed or moved."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in _cipher: its library's 7 MiB

    key_id = key_id_of(blob)
    body = blob[_HEADER_BYTES + blob[1] :]
    cipher = _cipher(key_id, purpose)
    try:
        return cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _bound(purpose, belongs_to))
    except (InvalidTag, ValueError) as error:
        raise SealError("A sealed value does not open: it was damaged or belongs elsewhere.") from error


def keyed_digest(data: bytes, *, purpose: str, key_id: str) -> bytes:
    """Return HMAC-SHA-256 of ``data`` under the purpose's subkey: 32 bytes that a stolen database cannot confirm."""
    digest = _keyed(settings.KEYTREE_KEY_RING, settings.KEYTREE_KEY_RING_FILE, key_id, purpose).copy()
    digest.update(data)
    return digest.digest()


@cache
def _keyed(ring_text: str, ring_path: str, key_id: str, purpose: str) -> hmac.HMAC:
    """Return how each digest of a purpose begins: looking SHA-256 up and taking the key in is half of the work."""
    return hmac.new(_subkey(ring_text, ring_path, key_id, f"digest/{purpose}"), digestmod=hashlib.sha256)
