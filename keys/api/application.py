"""Everything below ``/rest/`` and ``/xmlrpc/``: answered before Django's handler is reached, always as clients read it.

No session, cookie, form check, redirect or page can be reached from here. A request goes through: limits, credentials,
the call, the answer; every error on this way has the shape that its client expects.
"""

import http
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

from django.core.signals import request_finished, request_started

from accounts import login_tokens
from accounts.origin import Origin, begin
from accounts.policy import NotAllowed
from keys import access_tokens, callers, mishaps, sent, verification, wsgi
from keys.api import PLACES, answers, logins
from keys.api.calls import Answer, Call, Caller, LoginToken, Presented, Token
from keys.api.faults import BadCall, Denied, Fault, NotAuthenticated, TokenExpired
from keys.api.rest import REST
from keys.api.transport import Request, Transport
from keys.api.xmlrpc import XMLRPC
from keys.wsgi import Environ, StartResponse, WSGIApplication

_log = logging.getLogger(__name__)

_TRANSPORTS = dict(zip(PLACES, (REST, XMLRPC), strict=True))
_VERSIONS = ("v3", "v3.1")
#: Bytes of an answer that are made before anything of it is sent, and from then on at a time.
_BLOCK = 64 * 1024


class _Unavailable(Fault):
    def __init__(self) -> None:
        code = "SoftLayer_Exception"
        super().__init__(mishaps.AWAY_TEXT, code=code, status=503, retry_after=mishaps.RETRY_AFTER)


class _OtherVerb(BadCall):
    def __init__(self, verbs: tuple[str, ...]) -> None:
        super().__init__(f"This address is called by {' or '.join(verbs)}.", status=405)
        self.verbs = verbs


class _BrokenOff(Exception):
    """An answer fails of which a part was sent: the connection is closed, so that nobody takes the part for all."""


class ApiApplication:
    """Answers calls of SoftLayer clients, and passes on what else there is."""

    def __init__(
        self,
        next_application: WSGIApplication,
        *,
        headers: Mapping[str, str],
        answer: Callable[[Call, Caller], Answer] = answers.answer,
    ) -> None:
        self._next, self._answer = next_application, answer
        self._headers = [*headers.items(), ("Cache-Control", "no-store")]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = wsgi.found_below(_TRANSPORTS, environ)
        if found is None:
            return self._next(environ, start_response)
        place, path = found
        transport = _TRANSPORTS[place]
        origin = begin(environ)
        try:
            reply = self._reply(transport, path, environ, origin)
            headers = [*self._headers, ("X-Request-ID", origin.request_id), *wsgi.transport_security(environ)]
            start_response(reply.line, [*headers, *reply.headers])
        except BaseException:
            request_finished.send(ApiApplication)
            raise
        return _Body(reply)

    def _reply(self, transport: Transport, path: str, environ: Environ, origin: Origin) -> "_Reply":
        verb = environ["REQUEST_METHOD"]
        try:
            request_started.send(ApiApplication, environ=environ)
            answer = self._answered(transport, verb, path, environ, origin)
            reply = _Reply(200, transport.content_type, transport.written(answer))
            if answer.total is not None:
                reply.headers.append(("SoftLayer-Total-Items", str(answer.total)))
            reply.begin()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, clients are told in their own form
            reply = _refusal(transport, error, f"{verb} {path}", origin)
        if verb == "HEAD":
            reply.drop_body()
        return reply

    def _answered(self, transport: Transport, verb: str, path: str, environ: Environ, origin: Origin) -> Answer:
        if verb not in transport.verbs:
            raise _OtherVerb(transport.verbs)
        if sent.is_from_other_site(environ):
            raise Fault("Pages of other sites may not call.", code="SoftLayer_Exception_PermissionDenied", status=403)
        if wsgi.came_in_clear(environ):
            text = "Call by https: a key that is sent in clear can be read on its way."
            raise Fault(text, code="SoftLayer_Exception_PermissionDenied", status=403)
        parts = [part for part in path.encode("latin-1").decode(errors="replace").split("/") if part]
        # A proxy may have gone up by "..", and taken the address for one that is not ours to close.
        if len(parts) == 1 or parts[1] not in _VERSIONS or ".." in parts:
            raise Fault("There is nothing at this address: calls are answered below /v3.1/.", status=404)
        asked = transport.read(Request(verb, tuple(parts[2:]), sent.body(environ), environ))
        if asked.credentials is None:
            return logins.answer(asked.call(), origin)
        caller = _caller(asked.credentials, origin)
        return self._answer(asked.call(), caller)


def _caller(credentials: Presented, origin: Origin) -> Caller:
    """Return who calls, with all that policies ask of them; two queries.

    Raises NotAuthenticated, TokenExpired, Denied, and ``verification.Unavailable``.
    """
    if isinstance(credentials, LoginToken):
        return _caller_logged_in(credentials, origin)
    try:
        if isinstance(credentials, Token):
            verdict = callers.verdict_on_token(credentials.text, origin)
        else:
            verdict = verification.verify(credentials.username, credentials.value.text, origin.address)
        member = callers.member_of(verdict, origin, client="a SoftLayer client")
    except (callers.Refused, access_tokens.NotGenuine) as error:
        raise NotAuthenticated from error
    except access_tokens.TokenExpired as error:
        raise TokenExpired from error
    except callers.NoWork as error:
        raise Denied(str(error)) from error
    if isinstance(credentials, Token) or isinstance(verdict, verification.PlatformVerdict):
        return Caller(member, None, None, origin)  # both are of classic keys alone
    return Caller(member, verdict.key_id, credentials.value, origin)


def _caller_logged_in(token: LoginToken, origin: Origin) -> Caller:
    """Return whose login token came with the call. Raises NotAuthenticated or Denied."""
    try:
        member = login_tokens.member_with(token.member_id, token.text, origin)
    except login_tokens.TokenRefused as error:
        raise NotAuthenticated from error
    except NotAllowed as error:
        raise Denied(str(error)) from error
    return Caller(member, None, None, origin, has_proved=True)


class _Reply:
    """An answer whose beginning has been made: until then, it can still become another one."""

    def __init__(self, status: int, content_type: str, parts: Iterator[str]) -> None:
        self.headers = [("Content-Type", content_type)]
        self.line = f"{status} {http.HTTPStatus(status).phrase}"
        self.blocks = _blocks(parts)
        self._first = b""

    def begin(self) -> None:
        """Make the first block; if it is all there is, its length is known. Raises what making it raises."""
        self._first = next(self.blocks, b"")
        if len(self._first) < _BLOCK:
            self.headers.append(("Content-Length", str(len(self._first))))

    def drop_body(self) -> None:
        """Keep the headers alone."""
        self.blocks.close()
        self._first = b""

    def body(self) -> Iterator[bytes]:
        """Yield what is sent."""
        yield self._first
        yield from self.blocks


def _blocks(parts: Iterator[str]) -> Generator[bytes]:
    """Yield the parts in UTF-8, put together to blocks; the last one alone is smaller than the others."""
    made, size = [], 0
    for part in parts:
        made.append(part.encode())
        size += len(made[-1])
        if size >= _BLOCK:
            yield b"".join(made)
            made, size = [], 0
    if made:
        yield b"".join(made)


class _Body:
    """The body of an answer; ends the request for Django when the server is done with it, sent or not."""

    def __init__(self, reply: _Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._reply.body()
        except Exception as error:  # noqa: BLE001 - it is logged here, in full, and not by the server
            _note(error, f"an answer broke off by {type(error).__name__}")
            raise _BrokenOff from None

    def close(self) -> None:
        """End the request."""
        self._reply.blocks.close()
        request_finished.send(ApiApplication)


def _refusal(transport: Transport, error: Exception, what: str, origin: Origin) -> _Reply:
    """Return the answer to a call that failed."""
    fault = _as_fault(error, origin)
    _note(error, f"{fault.code} for {what}")
    status = fault.status if transport.has_statuses or isinstance(fault, _OtherVerb) else 200
    reply = _Reply(status, transport.content_type, iter([transport.fault(fault)]))
    if fault.retry_after:
        reply.headers.append(("Retry-After", str(fault.retry_after)))
    if isinstance(fault, _OtherVerb):
        reply.headers.append(("Allow", ", ".join(fault.verbs)))
    if status == http.HTTPStatus.UNAUTHORIZED:
        reply.headers.append(wsgi.CHALLENGE)
    reply.begin()
    return reply


def _as_fault(error: Exception, origin: Origin) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, sent.Unreadable):
        return BadCall(f"Bad request: {error}", status=error.status)
    if isinstance(error, mishaps.AWAY):
        return _Unavailable()
    return Fault(mishaps.went_wrong(origin), code="SoftLayer_Exception")


def _note(error: Exception, what: str) -> None:
    mishaps.log(_log, what, error, is_answer=isinstance(error, (Fault, sent.Unreadable)))
