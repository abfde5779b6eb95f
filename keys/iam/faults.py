"""Errors as IBM Cloud's clients know them: a status, and a text that they print; codes where the original's are known.

*Source:* IBM Cloud IAM Identity Services API, "Error handling"; the codes are in docs/clients.md.
"""

from keys import mishaps


class Fault(Exception):
    """A call that is answered by an error. Its text is for the caller and never holds a secret.

    Attributes:
        status: of the answer.
        code: what programs compare.
        message_code: the same as the original numbers it; empty where that is not known.
    """

    def __init__(self, text: str, *, status: int, code: str, message_code: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.message_code = status, code, message_code


class BadRequest(Fault):
    """The request cannot be read, or asks for something that is no part of the interface."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text, status=status, code="bad_request", message_code="BXNIM0106E")


class NoSuchKey(Fault):
    """The value that a token was asked for is refused; the text is the same whatever the reason."""

    def __init__(self) -> None:
        super().__init__(
            "Provided API key could not be found.", status=400, code="not_found", message_code="BXNIM0415E"
        )


class NotAuthenticated(Fault):
    """No access token came with the call, or one that is refused."""

    def __init__(self, text: str = "Provided access token is invalid.", *, message_code: str = "BXNIM0407E") -> None:
        super().__init__(text, status=401, code="unauthorized", message_code=message_code)


class Denied(Fault):
    """The caller may see the object, but not do this with it; the text gives the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, status=403, code="forbidden")


class NotFound(Fault):
    """There is no such object, or the caller may not know of it: the same answer for both."""

    def __init__(self, text: str = "API key could not be found.") -> None:
        super().__init__(text, status=404, code="not_found", message_code="BXNIM0102E")


class OtherVerb(Fault):
    """The address is called by other verbs."""

    def __init__(self, verbs: tuple[str, ...]) -> None:
        text = f"This address is called by {' or '.join(verbs)}."
        super().__init__(text, status=405, code="method_not_allowed")
        self.verbs = verbs


class Conflict(Fault):
    """It cannot be done with the key as it is, whoever asks; the text gives the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, status=409, code="conflict")


class Unavailable(Fault):
    """The database is away."""

    def __init__(self) -> None:
        super().__init__(mishaps.AWAY_TEXT, status=503, code="service_unavailable")
