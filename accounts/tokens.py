"""The secrets in the links of invitations and password resets: derived when they are needed, stored nowhere.

A token is an HMAC under a subkey of the key ring over the row's random uid and, for an invitation, its generation: 256
bits that neither the database nor a copy of it can give away. The row holds a digest of the token for finding it, which
is not enough to open anything: the row found is checked against the token derived again, so that somebody who can write
to the database cannot plant one.

*Source:* docs/security.md, "Invitations and mail" and "Passwords and second factors".
"""

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable

from accounts import sealing
from accounts.models import Invitation, PasswordReset

_log = logging.getLogger(__name__)

#: How logs and secret scanners recognise a token.
PREFIX, RESET_PREFIX = "kti_", "ktr_"
_PURPOSE, _RESET_PURPOSE = "invitation", "password reset"


def token_of(invitation: Invitation) -> str:
    """Return the token of the invitation's present generation. Raises SealError when the ring lacks its master key."""
    said = f"{invitation.uid.hex}:{invitation.generation}"
    return PREFIX + _derived(said, purpose=_PURPOSE, key_id=invitation.ring_key_id)


def reset_token_of(reset: PasswordReset) -> str:
    """Return the token of a reset. Raises SealError when the ring lacks its master key."""
    return RESET_PREFIX + _derived(reset.uid.hex, purpose=_RESET_PURPOSE, key_id=reset.ring_key_id)


def _derived(said: str, *, purpose: str, key_id: str) -> str:
    digest = sealing.keyed_digest(said.encode(), purpose=purpose, key_id=key_id)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def digest_of(token: str) -> bytes:
    """Return the digest by which an invitation or a reset is found."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def renew(invitation: Invitation) -> None:
    """Give an unsaved or renewed invitation the digest of its token, under the current master key."""
    invitation.ring_key_id = sealing.configured_ring().current
    invitation.token_digest = digest_of(token_of(invitation))


def prepare(reset: PasswordReset) -> None:
    """Give an unsaved reset the digest of its token, under the current master key."""
    reset.ring_key_id = sealing.configured_ring().current
    reset.token_digest = digest_of(reset_token_of(reset))


def is_token_of(token: str, invitation: Invitation) -> bool:
    """Whether ``token`` is the invitation's own, compared in constant time."""
    return _is_derived(token, lambda: token_of(invitation))


def is_reset_token_of(token: str, reset: PasswordReset) -> bool:
    """Whether ``token`` is the reset's own, compared in constant time."""
    return _is_derived(token, lambda: reset_token_of(reset))


def _is_derived(token: str, derive: Callable[[], str]) -> bool:
    try:
        return hmac.compare_digest(derive().encode(), token.encode(errors="surrogatepass"))
    except sealing.SealError as error:
        _log.error("a link that was sent cannot be checked: %s", error)
        return False
