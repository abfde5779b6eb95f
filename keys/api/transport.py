"""What REST and XML-RPC have in common: a request as it came, what it asks for, and how such a way to call looks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from keys import wsgi
from keys.api.calls import Answer, Call, Credentials, Token
from keys.api.faults import Fault, NotAuthenticated


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
        call: reads the rest of it, once they were accepted; raises Fault.
    """

    credentials: Credentials | Token
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


def header_credentials(request: Request) -> Credentials | Token:
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
    return Credentials.of(*pair)
