"""Everything below ``/identity/``, ``/v1/`` and ``/v2/``: answered before Django's handler is reached, always in JSON.

No session, cookie, form check, redirect or page can be reached from here. A request goes through: limits, credentials,
the call, the answer; every error on this way has the shape that clients expect.
"""

import http
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.signals import request_finished, request_started

from accounts.origin import Origin, begin
from keys import access_tokens, callers, mishaps, sent, wsgi
from keys.iam import PLACES, methods
from keys.iam.calls import Answer, Caller, Request
from keys.iam.faults import BadRequest, Denied, Fault, NotAuthenticated, NotFound, OtherVerb, Unavailable
from keys.wsgi import Environ, StartResponse, WSGIApplication

_log = logging.getLogger(__name__)

_TOKENS = PLACES[0]
_CHALLENGE = ("WWW-Authenticate", 'Bearer realm="Keytree"')
# Escaped, so that neither half of a character nor a line separator comes out as it is.
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


class IamApplication:
    """Answers calls of IBM Cloud's clients, and passes on what else there is."""

    def __init__(self, next_application: WSGIApplication, *, headers: Mapping[str, str]) -> None:
        self._next = next_application
        self._headers = [*headers.items(), ("Cache-Control", "no-store")]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = wsgi.found_below(PLACES, environ)
        if found is None:
            return self._next(environ, start_response)
        (place, path), verb, origin = found, environ["REQUEST_METHOD"], begin(environ)
        try:
            request_started.send(IamApplication, environ=environ)
            try:
                answer = _answered(verb, path, environ, origin)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, clients are told in their own form
                answer = _refusal(place, error, f"{verb} {path}", origin)
        finally:
            request_finished.send(IamApplication)
        body = b"" if answer.value is None else _encode(answer.value).encode()
        headers = [*self._headers, ("X-Request-ID", origin.request_id), *wsgi.transport_security(environ)]
        if answer.value is not None:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{answer.status} {http.HTTPStatus(answer.status).phrase}", [*headers, *answer.headers.items()])
        return [b"" if verb == "HEAD" else body]


def _answered(verb: str, path: str, environ: Environ, origin: Origin) -> Answer:
    verbs, parts = _found(path)
    if verb not in verbs:
        raise OtherVerb(tuple(verbs))
    if sent.is_from_other_site(environ):
        raise Denied("Pages of other sites may not call.")
    if wsgi.came_in_clear(environ):
        raise Denied("Call by https: what is sent in clear can be read on its way.")
    return verbs[verb](Request(environ, sent.body(environ), origin, parts))


def _found(path: str) -> tuple[Mapping[str, Callable[[Request], Answer]], tuple[str, ...]]:
    """Return what an address is called for, by verb, and the parts that stand for names. Raises NotFound."""
    parts = tuple(part for part in path.encode("latin-1").decode(errors="replace").split("/") if part)
    if parts == ("identity", "token"):
        return {"POST": methods.token}, ()
    for names, verbs in methods.CALLS.items():
        if len(names) == len(parts) and all(name in {"*", part} for name, part in zip(names, parts, strict=True)):
            given = tuple(part for name, part in zip(names, parts, strict=True) if name == "*")
            return {verb: _with_caller(call) for verb, call in verbs.items()}, given
    raise NotFound("There is nothing at this address.")


def _with_caller(call: Callable[[Request, Caller], Answer]) -> Callable[[Request], Answer]:
    return lambda request: call(request, _caller(request))


def _caller(request: Request) -> Caller:
    """Return who calls, with all that policies ask of them; two queries.

    Raises NotAuthenticated, Denied, and ``verification.Unavailable``.
    """
    header = request.header("Authorization")
    if not header:
        raise NotAuthenticated("No authorization header found.", message_code="BXNIM0308E")
    try:
        verdict = callers.verdict_on_token(wsgi.bearer(header) or "", request.origin)
        return Caller(callers.member_of(verdict, request.origin, client="an IBM Cloud client"), request.origin)
    except (callers.Refused, access_tokens.NotGenuine) as error:
        raise NotAuthenticated from error
    except access_tokens.TokenExpired as error:
        raise NotAuthenticated("Provided access token has expired.") from error
    except callers.NoWork as error:
        raise Denied(str(error)) from error


def _refusal(place: str, error: Exception, what: str, origin: Origin) -> Answer:
    """Return the answer to a call that failed."""
    fault = _as_fault(error, origin)
    is_answer = isinstance(error, (Fault, sent.Unreadable))
    mishaps.log(_log, f"{fault.code} for {what}", error, is_answer=is_answer)
    headers = {}
    if isinstance(fault, Unavailable):
        headers["Retry-After"] = str(mishaps.RETRY_AFTER)
    if isinstance(fault, OtherVerb):
        headers["Allow"] = ", ".join(fault.verbs)
    if isinstance(fault, NotAuthenticated):
        headers |= dict([_CHALLENGE])
    return Answer(_written(place, fault, origin), fault.status, headers)


def _as_fault(error: Exception, origin: Origin) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, sent.Unreadable):
        return BadRequest(f"Bad request: {error}", status=error.status)
    if isinstance(error, mishaps.AWAY):
        return Unavailable()
    return Fault(mishaps.went_wrong(origin), status=500, code="internal_error")


def _written(place: str, fault: Fault, origin: Origin) -> dict[str, Any]:
    """Return an error as clients read it: those of tokens have a form of their own."""
    if place == _TOKENS:
        return {
            "errorCode": fault.message_code or fault.code,
            "errorMessage": str(fault),
            "context": {"requestId": origin.request_id},
        }
    error = {"code": fault.code, "message_code": fault.message_code, "message": str(fault)}
    return {"trace": origin.request_id, "errors": [{name: text for name, text in error.items() if text}]}
