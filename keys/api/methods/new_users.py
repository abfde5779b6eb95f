"""``SoftLayer_User_Customer::createObject``: brings somebody in, as *Invite users* and *Add VPN-only user* do.

Clients fill a template with properties of a user that there is, by default of the caller, and change what they know.
What cannot be kept, and what would mislead whoever typed it, is refused by name before anything is written.
"""

from collections.abc import Mapping

from django.core.exceptions import ValidationError

from accounts import invitations, names, new_members
from accounts.enums import MemberStatus, Permission
from accounts.hierarchy import TreeError
from accounts.invitation_forms import VpnUserForm
from accounts.invitations import Outcome, TooManyInvitations
from accounts.invitees import Invitee
from accounts.models import Member
from accounts.names import canonical_email
from accounts.new_members import default_api_username
from accounts.policy import MemberAction, require
from keys.api.calls import Call, Caller, Value
from keys.api.faults import InvalidValue, TooMuch, shown
from keys.api.methods.objects import argument, as_number
from keys.api.methods.refusals import refusals_recorded
from keys.api.schema import STATUSES
from keys.callers import record_refusal

_ACTIVE, _INVITED = STATUSES[MemberStatus.ACTIVE], STATUSES[MemberStatus.PENDING]
_VPN_ONLY = STATUSES[MemberStatus.VPN_ONLY]
#: What a template may say, besides what is as it would be anyway.
_KNOWN = {"complexType", "username", "email", "firstName", "lastName", "displayName", "userStatusId"}
#: What the fields of the page's form are called here.
_FIELDS = {"name": "firstName with lastName", "api_username": "username", "password": "VPN password"}
#: How many properties that cannot be kept are named.
_MOST_NAMED = 10


def create(call: Call, caller: Caller) -> Member:
    """Invite or add the user whom the template describes, below the caller, and return them.

    Raises Denied, InvalidValue, or TooMuch where the account may send no more invitations today.
    """
    template = argument(call, 0)
    if not isinstance(template, Mapping):
        raise InvalidValue("Please provide a record of the user to create.")
    status = as_number(template.get("userStatusId"))
    if status == _VPN_ONLY.id:
        return _add(template, call, caller)
    if template.get("userStatusId") is None or status in {_ACTIVE.id, _INVITED.id}:
        return _invite(template, call, caller)
    raise InvalidValue(f"userStatusId of a new user is {_ACTIVE.id} (invited), {_VPN_ONLY.id} (VPN-only), or left out.")


def _invite(template: Mapping[str, Value], call: Call, caller: Caller) -> Member:
    """Invite the user by mail, without permissions. They choose their own name and password when they join."""
    by = caller.member
    with refusals_recorded(caller, by, MemberAction.INVITE.value):
        require(by, MemberAction.INVITE, by)
        email = _email(template)
        if _password(call, 1) or _password(call, 2):
            raise InvalidValue(
                "Leave the passwords out: the user is sent an invitation, and chooses a password when joining."
            )
        if _chosen_name(template, email, caller):
            raise InvalidValue(
                f"username of an invited user is the email address, or {default_api_username(by.account_id, email)}, "
                "which their API username will be."
            )
        _refuse_others(template, email, caller)
        try:
            (result,) = invitations.invite(
                invitees=[Invitee(1, email, email=email)], granted=Permission(0), by=by, origin=caller.origin
            )
        except TreeError as error:
            raise InvalidValue(str(error)) from error
        except TooManyInvitations as error:
            record_refusal(caller, by, MemberAction.INVITE.value, error)
            raise TooMuch(str(error), retry_after=error.retry_after_seconds) from error
    if result.member is None:
        raise InvalidValue(_why_not(result.outcome))
    return result.member


def _why_not(outcome: Outcome) -> str:
    return f"The user is not invited. {outcome.value}."


def _add(template: Mapping[str, Value], call: Call, caller: Caller) -> Member:
    """Add a VPN-only user, by the form that the page has for one."""
    by = caller.member
    with refusals_recorded(caller, by, MemberAction.ADD_VPN_USER.value):
        require(by, MemberAction.ADD_VPN_USER, by)
        email = _email(template)
        if _password(call, 1):
            raise InvalidValue(
                "Leave the password out: a VPN-only user never logs in. The VPN password is the argument after it, or "
                "is set afterwards."
            )
        _refuse_others(template, email, caller)
        form = VpnUserForm(
            {
                "name": _name(template),
                "email": email,
                "api_username": _chosen_name(template, email, caller),
                "password": _password(call, 2),
            }
        )
        if not form.is_valid():
            wrong = [f"{_FIELDS.get(name, name)}: {text}" for name, texts in form.errors.items() for text in texts]
            raise InvalidValue(" ".join(wrong))
        try:
            return new_members.add_vpn_user(**form.cleaned_data, by=by, origin=caller.origin)
        except ValueError as error:  # TreeError is one too
            raise InvalidValue(str(error)) from error
        except new_members.ApiUsernameTaken as error:
            raise InvalidValue("This API username is taken. Choose another.") from error


def _email(template: Mapping[str, Value]) -> str:
    """Return the address in its canonical form. Raises InvalidValue for what is none."""
    try:
        return names.clean_email(_text(template, "email"))
    except ValidationError as error:
        raise InvalidValue(" ".join(error.messages)) from error


def _name(template: Mapping[str, Value]) -> str:
    """Return the name: of its two parts, as it is answered; else the whole one."""
    parts = [_text(template, "firstName"), _text(template, "lastName")]
    return " ".join(filter(None, parts)) or _text(template, "displayName")


def _chosen_name(template: Mapping[str, Value], email: str, caller: Caller) -> str:
    """Return the API username that was chosen; none where it is the usual one, or the address that clients ask for."""
    name = _text(template, "username")
    usual = {"", email, default_api_username(caller.member.account_id, email)}
    return "" if canonical_email(name) in usual else name


def _text(template: Mapping[str, Value], name: str) -> str:
    """Return a property that is a text; an empty one where it is not there. Raises InvalidValue for anything else."""
    value = template.get(name)
    if not isinstance(value, str | None):
        raise InvalidValue(f"{name} is a text.")
    return value or ""


def _password(call: Call, place: int) -> str:
    """Return a password that is among the arguments; an empty one for none. Raises InvalidValue for what is no text."""
    value = argument(call, place)
    if not isinstance(value, str | None):
        raise InvalidValue("A password is a text.")
    return value or ""


def _refuse_others(template: Mapping[str, Value], email: str, caller: Caller) -> None:
    """Raise InvalidValue if the template has a property that would get lost."""
    implied = {
        "accountId": caller.member.account_id,
        "parentId": caller.member.pk,
        "openIdConnectUserName": email,
    }
    given = {name: value for name, value in template.items() if value and name not in _KNOWN}
    lost = [name for name, value in given.items() if value != implied.get(name)]
    if lost:
        named = ", ".join(map(shown, sorted(lost)[:_MOST_NAMED]))
        more = f" and {len(lost) - _MOST_NAMED:,} more" if len(lost) > _MOST_NAMED else ""
        raise InvalidValue(f"These properties cannot be set here: {named}{more}.")
