"""The secret in an invitation's link: derived when it is needed, stored nowhere.

A token is an HMAC under a subkey of the key ring over the invitation's random uid and its generation: 256 bits that
neither the database nor a copy of it can give away. The row has a digest of it, to be found by, which alone opens
nothing: what is found is compared with the token derived anew, so that nobody who writes to the database can plant one.

*Source:* docs/security.md, "Invitations and mail".
"""

import base64
import hashlib
import hmac

from accounts import sealing
from accounts.models import Invitation

#: By which logs and scanners know a token.
PREFIX = "kti_"
_PURPOSE = "invitation"


def token_of(invitation: Invitation) -> str:
    """Return the token of the invitation's present generation. Raises SealError when the ring lacks its master key."""
    said = f"{invitation.uid.hex}:{invitation.generation}".encode()
    digest = sealing.keyed_digest(said, purpose=_PURPOSE, key_id=invitation.ring_key_id)
    return PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def digest_of(token: str) -> bytes:
    """Return what an invitation is found by."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def renew(invitation: Invitation) -> None:
    """Give an unsaved or renewed invitation the digest of its token, under the current master key."""
    invitation.ring_key_id = sealing.configured_ring().current
    invitation.token_digest = digest_of(token_of(invitation))


def is_token_of(token: str, invitation: Invitation) -> bool:
    """Whether ``token`` is the invitation's own, compared in constant time."""
    try:
        return hmac.compare_digest(token_of(invitation).encode(), token.encode(errors="surrogatepass"))
    except sealing.SealError:
        return False
