"""Writes about passwords: changed by their user, or reset by a link. Each ends sessions in its transaction."""

from django.contrib import auth
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import events, identity, outbox, resets, signin, throttle
from accounts.models import Member, PasswordReset, User
from accounts.origin import Origin
from accounts.sessions import PROVED, end_sessions_of
from accounts.transactions import one_transaction


@sensitive_variables("current", "new")
def change(request: HttpRequest, *, member: Member, current: str, new: str, origin: Origin) -> None:
    """Set a new password for the member's user and end their other sessions; this one goes on under a new id.

    Raises SignInRefused if the current password is wrong, was tried too often, or was changed meanwhile. The form has
    checked whether the new one is good enough.
    """
    user = member.user
    signin.check_password(user, password=current, origin=origin, limits=throttle.PROOFS)
    encoded = make_password(new)  # before the transaction: hashing takes a while
    with transaction.atomic():
        identity.lock(user.pk)
        if not User.objects.filter(pk=user.pk, password=user.password).update(password=encoded):
            raise signin.SignInRefused("The password has been changed in the meantime. Log in with the new one.")
        user.password = encoded
        auth.update_session_auth_hash(request, user)
        request.session[PROVED] = timezone.now().timestamp()
        signin.store(request)
        ended = end_sessions_of(user.pk, but=request.session.session_key)
        identity.record(
            events.PASSWORD_CHANGED, user_id=user.pk, by=member, origin=origin, details={"sessions ended": ended}
        )


def ask_for_link(*, email: str, origin: Origin) -> None:
    """Post the mail with a reset link, without looking whether the address is somebody's: see ``accounts.resets``.

    Raises SignInRefused if a link was asked for too often.
    """
    signin.count_or_refuse(email, origin, throttle.RESETS)
    with transaction.atomic():
        outbox.post_reset(resets.make(email, origin))


@sensitive_variables("new")
def reset(*, link: PasswordReset, user: User, new: str, origin: Origin) -> None:
    """Set a new password for the user of a good link and end all their sessions. Raises ResetGone.

    A second factor stays: somebody who reads the user's mail does not have the other device.
    """
    _reset(link, user, make_password(new), origin)


@one_transaction
def _reset(link: PasswordReset, user: User, encoded: str, origin: Origin) -> None:
    identity.lock(user.pk)
    resets.use(link)
    # Only if the password is still the one that the link is bound to.
    if not User.objects.filter(pk=user.pk, password=user.password, email=user.email).update(password=encoded):
        raise resets.ResetGone
    ended = end_sessions_of(user.pk)
    identity.record(
        events.PASSWORD_RESET, user_id=user.pk, actor_label="Someone with the link in the email", origin=origin,
        details={"sessions ended": ended},
    )  # fmt: skip
