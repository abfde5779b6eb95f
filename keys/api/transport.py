"""What REST and XML-RPC have in common: a request as it came, what it asks for, and how such a way to call looks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from accounts import login_tokens
from keys import wsgi
from keys.api.calls import Answer, Call, Credentials, LoginToken, Presented, Token, Value
from keys.api.faults import Fault, NotAuthenticated
from keys.api.methods.objects import as_number


@dataclass(frozen=True)
class Request:
    """What came, of which nothing has been looked at.

    Attributes:
        parts: of the path behind the version, without empty ones.
    """

    verb: str
    parts: tuple[str, ...]
    body: bytes
    environ: wsgi.Environ


@dataclass(frozen=True)
class Asked:
    """A request whose credentials have been read.

    Attributes:
        credentials: none for a login, which needs none and looks at none.
        call: reads the rest of it, once they were accepted; raises Fault.
    """

    credentials: Presented | None
    call: Callable[[], Call]


@dataclass(frozen=True)
class Transport:
    """A way in which calls and their answers are written.

    Attributes:
        verbs: those that calls come with.
        has_statuses: whether an error has the status of its own; if not, it is 200 as for any answer.
        read: says what a request asks for; raises Fault.
        written: yields an answer in parts, of a list one for each item.
        fault: writes an error.
    """

    content_type: str
    verbs: tuple[str, ...]
    has_statuses: bool
    read: Callable[[Request], Asked]
    written: Callable[[Answer], Iterator[str]]
    fault: Callable[[Fault], str]


def header_credentials(request: Request) -> Presented:
    """Return the pair, or the token, in the header of a request. Raises NotAuthenticated."""
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    if not header:
        raise NotAuthenticated("No valid authentication headers found.")
    token = wsgi.bearer(header)
    if token is not None:
        return Token(token)
    pair = wsgi.credentials(header)
    if pair is None:
        raise NotAuthenticated
    name, value = pair
    return login_token(name, value) if value.startswith(login_tokens.PREFIX) else Credentials.of(name, value)


def login_token(number: Value, text: str) -> LoginToken:
    """Return a login token with the number of the member whose it is said to be. Raises NotAuthenticated."""
    member_id = as_number(number)
    if member_id is None:
        raise NotAuthenticated
    return LoginToken(member_id, text)
