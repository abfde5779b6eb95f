"""Links for another password: whose they are, and whether they are good. No mail, no session, no password is set here.

A request is stored for whatever address was typed, known or not, with the same statements. Only when its mail is due is
it asked whether the address is somebody's: what the person at the page can measure does not depend on it.

*Source:* docs/security.md, "Passwords and second factors".
"""

import hashlib
import hmac
from datetime import timedelta

from django.utils import timezone

from accounts import identity, tokens
from accounts.enums import SIGN_IN_STATUSES
from accounts.models import Member, PasswordReset, User
from accounts.names import canonical_email
from accounts.origin import Origin

#: How long a link is good.
LIFE = timedelta(hours=1)
#: How long the row is kept after that, to tell somebody who comes late that they do.
_KEPT = timedelta(days=1)
_LONGEST_EMAIL = 254


class ResetGone(Exception):
    """The link is not good: used, expired, replaced by a change of the password, or never given."""


def make(email: str, origin: Origin) -> PasswordReset:
    """Store that somebody asked for a link; whether there is such a user is not looked at. Clears old rows away."""
    forget_old()
    now = timezone.now()
    reset = PasswordReset(
        email=canonical_email(email)[:_LONGEST_EMAIL],
        address=origin.address or "",
        created_at=now,
        expires_at=now + LIFE,
    )
    tokens.prepare(reset)
    reset.save(force_insert=True)
    return reset


def forget_old() -> int:
    """Clear requests of long ago away, and return how many."""
    return PasswordReset.objects.filter(expires_at__lt=timezone.now() - _KEPT).delete()[0]


def bind(reset: PasswordReset) -> bool:
    """Bind a request, whose mail is due, to the user of its address as they are now; return whether there is one.

    Somebody who has a password, and signs in somewhere or is invited: whoever has none yet, or is VPN-only or invalid
    everywhere, has no use for a link, and gets none.
    """
    user = User.objects.filter(email=reset.email).first()
    if user is None or reset.expires_at <= timezone.now() or not _may_reset(user):
        return False
    reset.user, reset.bound_to = user, _state_of(user)
    reset.save(update_fields=["user", "bound_to"])
    return True


def find(token: str) -> tuple[PasswordReset, User]:
    """Return the request that a link was given for, and its user, while the link is good. Raises ResetGone."""
    reset = PasswordReset.objects.select_related("user").filter(token_digest=tokens.digest_of(token)).first()
    if reset is None or reset.user is None or reset.bound_to is None or not tokens.is_reset_token_of(token, reset):
        raise ResetGone
    is_over = reset.used_at is not None or reset.expires_at <= timezone.now()
    is_changed = not hmac.compare_digest(bytes(reset.bound_to), _state_of(reset.user))
    if is_over or is_changed or not _may_reset(reset.user):
        raise ResetGone
    return reset, reset.user


def use(reset: PasswordReset) -> None:
    """Use the link up, by one statement. Raises ResetGone if somebody else just did."""
    if not PasswordReset.objects.filter(pk=reset.pk, used_at=None).update(used_at=timezone.now()):
        raise ResetGone


def _may_reset(user: User) -> bool:
    members = Member.objects.filter(identity.JOINED, user=user, status__in=SIGN_IN_STATUSES)
    return user.has_usable_password() and (members.exists() or identity.is_invited(user.pk))


def _state_of(user: User) -> bytes:
    """Return a digest of what a link is void after a change of: password and address."""
    return hashlib.sha256(f"{user.email}\n{user.password}".encode()).digest()
