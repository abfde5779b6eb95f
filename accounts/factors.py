"""Writes about a user's second factors: each changes and records in one transaction.

Views ask for a proof of identity first.
"""

from django.http import HttpRequest

from accounts import events, identity, passcodes
from accounts.models import Member, Passcode, Passkey, RecoveryCode, User
from accounts.origin import Origin
from accounts.passcodes import Seed
from accounts.sessions import end_sessions_of
from accounts.transactions import one_transaction


class FactorRefused(Exception):
    """Something about a second factor cannot be done now. The message says why, and what to do."""


def _lock_user(user_id: int) -> None:
    """Lock the user's row, so that of two attempts to set up passcodes at once the second finds the first one done."""
    User.objects.select_for_update().get(pk=user_id)


def _require_on(user_id: int, *, is_on: bool) -> None:
    """Raise FactorRefused unless one-time passcodes are on, or off, as the request assumes."""
    if passcodes.is_on(user_id) is is_on:
        return
    if is_on:
        raise FactorRefused("One-time passcodes are off. Set them up instead.")
    raise FactorRefused("One-time passcodes are on already. Replace the app to set up another.")


@one_transaction
def begin_passcode(*, by: Member, replaces: bool = False) -> Seed:
    """Return a new seed for the user of ``by``, to be confirmed.

    Raises FactorRefused while another counts, or, for one that ``replaces`` it, while none does.
    """
    _lock_user(by.user_id)
    _require_on(by.user_id, is_on=replaces)
    return passcodes.begin(by.user)


@one_transaction
def confirm_passcode(
    request: HttpRequest, *, code: str, by: Member, origin: Origin, replaces: bool = False
) -> list[str] | None:
    """Put the new seed into use if the code is right, and return new recovery codes; None if it is not.

    Other sessions of the user end: they were opened by the password alone, or, where the seed ``replaces`` another,
    perhaps with what was lost. Raises FactorRefused as ``begin_passcode``.
    """
    identity.lock(by.user_id)
    _lock_user(by.user_id)
    _require_on(by.user_id, is_on=replaces)
    had_one = passcodes.has_one(by.user_id)
    if not passcodes.confirm(by.user, code):
        return None
    codes = passcodes.make_recovery_codes(by.user)
    if replaces or not had_one:
        end_sessions_of(by.user_id, but=request.session.session_key)
    action = events.PASSCODE_REPLACED if replaces else events.PASSCODE_ADDED
    identity.record(action, user_id=by.user_id, by=by, origin=origin)
    return codes


@one_transaction
def remove_passcode(*, by: Member, origin: Origin) -> None:
    """Turn one-time passcodes off for the user of ``by``. Raises FactorRefused for the last one that is required."""
    if not passcodes.is_on(by.user_id):
        return
    identity.lock(by.user_id)
    if not Passkey.objects.filter(user_id=by.user_id).exists():
        require_none_required(by.user_id)
    if not passcodes.take_away(by.user_id):
        return  # somebody else just did
    forget_recovery_codes_of_none(by.user_id)
    identity.record(events.PASSCODE_REMOVED, user_id=by.user_id, by=by, origin=origin)


def require_none_required(user_id: int) -> None:
    """Raise FactorRefused if an account that the user is in requires a second factor."""
    members = identity.members_of(user_id).select_related("account")
    requiring = members.filter(account__require_second_factor=True).first()
    if requiring is not None:
        raise FactorRefused(
            f"The account {requiring.account} requires a second factor, and this is your last one. Add another first."
        )


def forget_recovery_codes_of_none(user_id: int) -> None:
    """Delete the user's recovery codes if there is no second factor left that they could stand in for."""
    if not passcodes.has_one(user_id):
        RecoveryCode.objects.filter(user_id=user_id).delete()


@one_transaction
def renew_recovery_codes(*, by: Member, origin: Origin) -> list[str]:
    """Make new recovery codes in place of all earlier ones, and return them. Raises FactorRefused without a factor."""
    identity.lock(by.user_id)
    if not passcodes.has_one(by.user_id):
        raise FactorRefused("Recovery codes stand in for a second factor. Set one up first.")
    codes = passcodes.make_recovery_codes(by.user)
    identity.record(events.RECOVERY_CODES_MADE, user_id=by.user_id, by=by, origin=origin)
    return codes


@one_transaction
def reset(*, user: User, origin: Origin) -> bool:
    """Take all second factors from the user and end their sessions; return whether there was one to take.

    For a command: whoever may run it decides, after they made sure who is asking.
    """
    identity.lock(user.pk)
    if not passcodes.has_one(user.pk):
        return False
    for model in (Passcode, Passkey, RecoveryCode):
        model.objects.filter(user=user).delete()
    end_sessions_of(user.pk)
    identity.record(events.SECOND_FACTOR_RESET, user_id=user.pk, actor_label="The server", origin=origin)
    return True
