"""Errors as SoftLayer clients know them: a code, a text, and the status that carries them over REST.

*Source:* SoftLayer API reference, "Exceptions"; the texts that clients compare are in docs/clients.md.
"""

PUBLIC = "SoftLayer_Exception_Public"
_SHOWN = 60  # characters


def shown(text: str) -> str:
    """Return what a caller sent as a fault can repeat it: cut, and without what neither JSON nor XML carries."""
    cut = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)


class Fault(Exception):
    """A call that is answered by an error. Its text is for the caller and never holds a secret.

    Attributes:
        code: what programs compare.
        status: of the answer over REST; over XML-RPC every fault is a 200.
        retry_after: seconds after which the same call may be answered otherwise; 0 if waiting does not help.
    """

    def __init__(self, text: str, *, code: str = PUBLIC, status: int = 500, retry_after: int = 0) -> None:
        super().__init__(text)
        self.code = code
        self.status = status
        self.retry_after = retry_after


class BadCall(Fault):
    """The request cannot be read, or asks for something that is no part of the interface."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text, code="SoftLayer_Exception_WebService_BadRequest", status=status)


class NotAuthenticated(Fault):
    """No key came with the call, or one that is refused; the text is the same whatever the reason."""

    def __init__(self, text: str = "Invalid API token.") -> None:
        super().__init__(text, code="SoftLayer_Exception", status=401)


class LoginFailed(Fault):
    """Nobody is logged in by a name and a password; the text says why to whoever gave the right one.

    Args:
        retry_after: if there were too many attempts.
    """

    def __init__(self, text: str, *, retry_after: int = 0) -> None:
        code, status = "SoftLayer_Exception_User_Customer_LoginFailed", 429 if retry_after else 401
        super().__init__(text, code=code, status=status, retry_after=retry_after)


class TooMuch(Fault):
    """More of something was asked for than is done in a time; the text says when it can be asked for again."""

    def __init__(self, text: str, *, retry_after: int) -> None:
        super().__init__(text, status=429, retry_after=retry_after)


class TokenExpired(Fault):
    """The time of an access token is over: clients that compare the code get another one."""

    def __init__(self) -> None:
        code = "SoftLayer_Exception_Account_Authentication_AccessTokenValidation"
        super().__init__("The access token has expired.", code=code)


class NotFound(Fault):
    """There is no such object, or the caller may not know of it: the same answer for both."""

    def __init__(self, object_id: object) -> None:
        text = f"Unable to find object with id of '{object_id}'."
        super().__init__(text, code="SoftLayer_Exception_ObjectNotFound", status=404)


class Denied(Fault):
    """The caller may see the object, but not do this with it; the text gives the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, code="SoftLayer_Exception_PermissionDenied")


class InvalidValue(Fault):
    """An argument that cannot be taken; the text says which and why."""

    def __init__(self, text: str) -> None:
        super().__init__(text, code="SoftLayer_Exception_InvalidValue")
