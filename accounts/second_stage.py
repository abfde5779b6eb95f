"""The second stage of signing in: after the password, a code or a passkey. Until then nothing of the account is open.

In between there is a session that belongs to nobody. It holds the user's number, a digest of the password that was
given, and the time, so a change of password or ten minutes end the stage, and no page takes it for a signed-in session.
Somebody who gave their password to join by an invitation goes through it too; the session then also says which
invitation it is, but never holds its token.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts import events, formats, identity, invitations, passcodes, passkeys, sealing, signin, throttle, tokens
from accounts.factors import FactorRefused
from accounts.invitations import InvitationExpired, InvitationGone
from accounts.models import Invitation, Member, Passkey, User
from accounts.origin import Origin
from accounts.passkeys import Site
from accounts.throttle import Limit, Limits

_log = logging.getLogger(__name__)

#: How long the second stage may take.
TIME = timedelta(minutes=10)
_USER, _PASSWORD, _SINCE = "second_stage_user", "second_stage_password", "second_stage_since"
_INVITATION = "second_stage_invitation"
_GONE = "The invitation can no longer be used\nAsk the person who invited you."


class StageOver(Exception):
    """There is no second stage under way: the password has to be given first, or again. The message says why."""

    def __init__(self, message: str = "That took too long\nLog in again.") -> None:
        super().__init__(message)


@dataclass(frozen=True)
class Stage:
    """Somebody who has given their password: the user, where they may sign in, and the invitation that they join by."""

    user: User
    members: Sequence[Member]
    invitation: Invitation | None = None


def begin(request: HttpRequest, user: User, *, invitation: Invitation | None = None) -> None:
    """Begin the second stage for a user who gave their password, in a new session that belongs to nobody.

    Args:
        invitation: the user's invitation that they join by; none if they sign in.
    """
    with transaction.atomic():
        request.session.flush()
        request.session[_USER] = user.pk
        request.session[_PASSWORD] = user.get_session_auth_hash()
        request.session[_SINCE] = timezone.now().timestamp()
        if invitation is not None:
            request.session[_INVITATION] = (invitation.uid.hex, invitation.generation)
        signin.store(request)


def was_begun(request: HttpRequest) -> bool:
    """Whether a second stage was begun in this session; it may be over by now."""
    return _SINCE in request.session


def present(request: HttpRequest) -> Stage:
    """Return the second stage that the session is in. Raises StageOver."""
    age = timezone.now().timestamp() - request.session.get(_SINCE, 0)
    if not 0 <= age <= TIME.total_seconds():
        raise StageOver
    user_id, invitation = request.session.get(_USER, 0), None
    if _INVITATION in request.session:
        invitation = _invitation(user_id, *request.session[_INVITATION])
        members: Sequence[Member] = [invitation.member]
    else:
        members = signin.members_to_sign_in(user_id)
    password = str(request.session.get(_PASSWORD, ""))
    if not members or not constant_time_compare(password, members[0].user.get_session_auth_hash()):
        raise StageOver
    return Stage(members[0].user, members, invitation)


def _invitation(user_id: int, uid: str, generation: int) -> Invitation:
    """Return the user's invitation if it has not changed since they gave their password. Raises StageOver."""
    people = Invitation.objects.select_related("member__user", "member__account")
    found = people.filter(uid=uid, generation=generation, member__user_id=user_id).first()
    if found is None or found.is_expired():
        raise StageOver(_GONE)
    return found


def ways(user_id: int) -> dict[str, bool]:
    """Return which second factors the user has; two queries."""
    return {
        "has_passcode": passcodes.is_on(user_id),
        "has_passkey": Passkey.objects.filter(user_id=user_id).exists(),
    }


@sensitive_variables("code")
def finish_with_code(request: HttpRequest, *, code: str, origin: Origin) -> int | None:
    """Sign the user in if the code is an unused one-time passcode or recovery code of theirs.

    Returns how many recovery codes are left if it was one of them, else none. Raises StageOver, or SignInRefused as for
    a sign-in.
    """
    stage = present(request)
    used = check_code(stage.user, code=code, origin=origin)
    return complete(request, stage, used=used, origin=origin)


def finish_with_passkey(request: HttpRequest, *, credential: str, site: Site, origin: Origin) -> None:
    """Sign the user in if one of their passkeys signed the challenge. Raises StageOver or SignInRefused."""
    stage = present(request)
    check_passkey(stage.user, credential=credential, site=site, purpose=passkeys.LOG_IN, origin=origin)
    complete(request, stage, used="passkey", origin=origin)


def check_passkey(
    user: User, *, credential: str, site: Site, purpose: str, origin: Origin, limits: Limits = throttle.CODES
) -> None:
    """Accept what one of the user's passkeys signed, once; counted before it is checked. Raises SignInRefused.

    Args:
        limits: what it counts against: ``throttle.PROOFS`` where the user's session is open.
    """
    signin.count_or_refuse(user.email, origin, limits)
    try:
        passkeys.use(user, credential=credential, site=site, purpose=purpose)
    except FactorRefused as error:
        signin.record_refusal(user, origin, "passkey not accepted")
        raise signin.SignInRefused(str(error)) from error
    throttle.forget_success(user.email, origin.address, limits)


@sensitive_variables("code")
def check_code(user: User, *, code: str, origin: Origin, recovers: bool = True, limits: Limits = throttle.CODES) -> str:
    """Use up a code of the user and return its kind, in words; counted before it is checked. Raises SignInRefused.

    Args:
        recovers: whether a recovery code is accepted too.
        limits: what it counts against, as for a passkey.
    """
    limits = _count_code(user, code, origin, limits)
    try:
        is_passcode = passcodes.use_passcode(user, code)
    except sealing.SealError as error:
        _log.error("the seed of user %s does not open: %s", user.pk, error)
        is_passcode = False
    if not is_passcode and not (recovers and passcodes.use_recovery_code(user.pk, code)):
        signin.record_refusal(user, origin, "wrong code")
        _tell_if_used_up(user, origin, limits)
        if recovers and passcodes.is_longer_than_passcodes(code):
            raise signin.SignInRefused("This recovery code is wrong or was already used. Check it, or use another.")
        raise signin.SignInRefused("This code is wrong or was already used. Wait for the next one and try again.")
    throttle.forget_success(user.email, origin.address, limits)
    return "one-time passcode" if is_passcode else "recovery code"


def _count_code(user: User, code: str, origin: Origin, limits: Limits) -> Limits:
    """Count a code before it is checked, and return what it counts against. Raises SignInRefused.

    Recovery codes cannot be guessed: they go on helping whoever has no passcode left for the day.
    """
    if passcodes.is_longer_than_passcodes(code):
        signin.count_or_refuse(user.email, origin, limits)
        return limits
    day, instead = _passcodes_a_day(limits)
    try:
        signin.count_or_refuse(user.email, origin, (*limits, day))
    except signin.SignInRefused as refused:
        if refused.retry_after is None or not throttle.used_up(day, [user.email]):
            raise
        until = formats.moment(timezone.now() + refused.retry_after)
        raise signin.SignInRefused(
            f"Too many wrong one-time passcodes. {instead}, or wait until {until}.", retry_after=refused.retry_after
        ) from None
    return (*limits, day)


def _passcodes_a_day(limits: Limits) -> tuple[Limit, str]:
    """Return how many passcodes may be tried in a day beside ``limits``, and what else there is."""
    if limits is throttle.PROOFS:
        return throttle.PROOF_PASSCODES, "Give your password or use a passkey"
    return throttle.PASSCODES, "Use a recovery code or a passkey"


def _tell_if_used_up(user: User, origin: Origin, limits: Limits) -> None:
    """Record, and tell the user, that they have no passcode left for the day: somebody may know their password."""
    if not any(throttle.used_up(limit, [user.email]) for limit in limits if limit in throttle.OF_A_DAY):
        return
    with transaction.atomic():
        if throttle.count(throttle.PASSCODES_TOLD, user.email) is None:
            by = "somebody signing in"
            identity.record(events.PASSCODES_PAUSED, user_id=user.pk, actor_label=by, origin=origin)


def complete(request: HttpRequest, stage: Stage, *, used: str, origin: Origin) -> int | None:
    """Sign in somebody who has given both factors, in the account that they join if they join one.

    Returns how many recovery codes are left if one was used, else none.

    Raises SignInRefused if no membership allows their address, or StageOver if the invitation is gone.
    """
    member = signin.first_open(stage.members, origin)
    if stage.invitation is not None:
        member = _join(stage.invitation, stage.user, origin)
    for name in (_USER, _PASSWORD, _SINCE, _INVITATION):
        request.session.pop(name, None)
    with transaction.atomic():
        signin.start_session(request, member=member, origin=origin, used=used)
        if used != "recovery code":
            return None
        left = passcodes.recovery_codes_left(member.user_id)
        identity.record(
            events.RECOVERY_CODE_USED, user_id=member.user_id, by=member, origin=origin, details={"left": left}
        )
        return left


def _join(invitation: Invitation, user: User, origin: Origin) -> Member:
    """Let the user into the account that invited them. Raises StageOver if the invitation is gone."""
    try:
        return invitations.accept_as(token=tokens.token_of(invitation), user=user, origin=origin)
    except (InvitationGone, InvitationExpired, sealing.SealError):
        raise StageOver(_GONE) from None
