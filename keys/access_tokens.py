"""Access tokens of IAM: what a program is given for the value of an IBM Cloud API key, and then calls with for a while.

A token is a JSON Web Token that is signed with HMAC-SHA-256 by a subkey of the ring. It names the key by a random id
that the database and tokens alone have, so that nobody makes a token with the ring by itself. It says no more than
which key it was given for and until when: whether that key works is asked of the database at each call. Its header is
one of a few fixed texts, one for each master key: it is compared and never read, so that no token has a say in how it
is checked.

*Source:* RFC 7515 (JSON Web Signature), RFC 7519 (JSON Web Token); the claims are those of docs/clients.md.
"""

import base64
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts import sealing
from accounts.list_request import number_in
from accounts.models.member import MAX_MEMBER_ID
from keys.models import PlatformKey

#: How long a token is good for, in seconds. Clients ask for another when four fifths of it are over.
LIFE = 20 * 60
_PURPOSE = "access-token"
_LONGEST = 4_096  # characters


class NotGenuine(Exception):
    """A text is no token that this installation has made."""


class TokenExpired(Exception):
    """A token was genuine, but its time is over."""


@dataclass(frozen=True)
class AccessToken:
    """A token with the seconds since 1970 at which it was made and ends."""

    text: str = field(repr=False)
    issued_at: int
    expires_at: int


def iam_id(member_id: int) -> str:
    """Return the id by which clients call a member: ``IBMid-`` and the member's number."""
    return f"IBMid-{member_id}"


def member_number(text: str) -> int | None:
    """Return the number of the member whom clients call so; none if there can be nobody."""
    return number_in(text.removeprefix("IBMid-"), largest=MAX_MEMBER_ID) if text.startswith("IBMid-") else None


def issue(key: PlatformKey) -> AccessToken:
    """Return a token for ``key``, whose holder is loaded with their user; the value has been verified.

    It ends with the key, if that is sooner.
    """
    now = int(time.time())
    ends = now + LIFE
    if key.expires_at is not None:
        ends = min(ends, int(key.expires_at.timestamp()))
    claims = {
        "iam_id": iam_id(key.holder_id),
        "sub": key.holder.user.email,
        "account": {"bss": str(key.account_id)},
        "iat": now,
        "exp": ends,
        "key": key.token_id.hex,
    }
    ring_key_id = sealing.configured_ring().current
    said = f"{_header(ring_key_id)}.{_packed(claims)}"
    return AccessToken(f"{said}.{_signature(said, ring_key_id)}", now, ends)


def key_of(token: str) -> uuid.UUID:
    """Return the ``token_id`` of the key that a token was given for. Raises NotGenuine or TokenExpired."""
    if len(token) > _LONGEST or not token.isascii():
        raise NotGenuine
    said, _, signature = token.rpartition(".")
    header, _, packed = said.partition(".")
    ring_key_id = next((one for one in sealing.configured_ring().keys if _header(one) == header), None)
    if ring_key_id is None or not hmac.compare_digest(_signature(said, ring_key_id), signature):
        raise NotGenuine
    claims = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    if claims["exp"] <= time.time():
        raise TokenExpired
    return uuid.UUID(hex=claims["key"])


def _header(ring_key_id: str) -> str:
    return _packed({"alg": "HS256", "typ": "JWT", "kid": ring_key_id})


def _packed(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _signature(said: str, ring_key_id: str) -> str:
    return _base64(sealing.keyed_digest(said.encode(), purpose=_PURPOSE, key_id=ring_key_id))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
