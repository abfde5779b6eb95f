"""``getPortalLoginToken``: the one method that nobody needs a key for, because a password is among its arguments.

*Source:* SoftLayer API reference, "SoftLayer_User_Customer::getPortalLoginToken".
"""

from accounts import login_tokens
from accounts.hashers import MAXIMUM_PASSWORD_LENGTH
from accounts.names import API_USERNAME_LENGTH, EMAIL_BYTES
from accounts.origin import Origin
from accounts.signin import SignInRefused, WrongCredentials
from keys.api.calls import Answer, Call
from keys.api.faults import InvalidValue, LoginFailed
from keys.api.methods.objects import argument

_SERVICE, _METHODS = "SoftLayer_User_Customer", frozenset({"getPortalLoginToken", "PortalLoginToken"})
_LONGEST_NAME = max(EMAIL_BYTES + 11, API_USERNAME_LENGTH)  # characters; 11 of an account ID and an underscore


def is_login(service: str, method: str) -> bool:
    """Whether a call, as it is named in a request, is this method."""
    return service == _SERVICE and method in _METHODS


def answer(call: Call, origin: Origin) -> Answer:
    """Return a token and whose it is, for an API username and a password; security questions there are none.

    Raises InvalidValue where these are no texts, and LoginFailed.
    """
    name, password = argument(call, 0), argument(call, 1)
    if not isinstance(name, str) or not isinstance(password, str) or not name.strip() or not password:
        raise InvalidValue("Please provide an API username and a password.")
    if len(name) > _LONGEST_NAME or len(password) > MAXIMUM_PASSWORD_LENGTH:
        raise InvalidValue("The API username or the password is longer than any can be.")
    try:
        token = login_tokens.log_in(name=name, password=password, origin=origin)
    except WrongCredentials as error:
        raise LoginFailed("Invalid login credentials provided.") from error
    except SignInRefused as error:
        raise LoginFailed(str(error), retry_after=error.retry_after_seconds) from error
    return Answer({"hash": token.text, "userId": token.member_id})
