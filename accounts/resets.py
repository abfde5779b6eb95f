"""Links for resetting a password: whose they are, and whether they are good. Sends no mail and sets no password.

A request is stored with the same statements whether or not the address that was typed is known. Whose it is, is looked
up only when the mail is due, so that nothing the person at the page can measure depends on it.

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
#: How long the row is kept after that, so that somebody who comes late can be told.
_KEPT = timedelta(days=1)
_LONGEST_EMAIL = 254


class ResetGone(Exception):
    """The link is not good: it was used, has expired, was made void by a change of password, or never existed."""


def make(email: str, origin: Origin) -> PasswordReset:
    """Store a request for a link, without looking whether there is such a user. Deletes old requests."""
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
    """Delete old requests, and return how many."""
    return PasswordReset.objects.filter(expires_at__lt=timezone.now() - _KEPT).delete()[0]


def bind(reset: PasswordReset) -> bool:
    """Bind a request whose mail is due to the user of its address, as they are now; return whether there is one.

    The user must have a password, and sign in somewhere or be invited. Somebody who has no password yet, or is VPN-only
    or invalid everywhere, has no use for a link, and gets none.
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
    """Use up the link, by one statement. Raises ResetGone if it was just used."""
    if not PasswordReset.objects.filter(pk=reset.pk, used_at=None).update(used_at=timezone.now()):
        raise ResetGone


def _may_reset(user: User) -> bool:
    members = Member.objects.filter(identity.JOINED, user=user, status__in=SIGN_IN_STATUSES)
    return user.has_usable_password() and (members.exists() or identity.is_invited(user.pk))


def _state_of(user: User) -> bytes:
    """Return a digest of the password and the address: a change of either makes a link void."""
    return hashlib.sha256(f"{user.email}\n{user.password}".encode()).digest()
