"""``/leaked``: takes reports of leaked IBM Cloud API keys from anybody, before Django is reached.

A text in, always the same answer out: nothing in it says whether a value is that of a key. Whoever knows a value could
use the key, so anybody may report it; no session, cookie or form check is there to be met.

*Source:* docs/leaks.md.
"""

import http
import logging
from collections.abc import Iterable, Mapping

from django.core.signals import request_finished, request_started

from accounts import throttle
from accounts.origin import Origin, begin
from keys import mishaps, sent, wsgi
from keys.platform import leaks
from keys.wsgi import Environ, StartResponse, WSGIApplication

_log = logging.getLogger(__name__)

_PATH = "/leaked"
#: Values in one report. Source: docs/rules.md, "Limits".
MOST_VALUES = 100
#: How the activity log and the mail name the source: in our words, since anybody's would reach the user's mailbox.
_SOURCE = f"sent to {_PATH}"


class LeakedApplication:
    """Answers ``/leaked``, and passes on what else there is."""

    def __init__(self, next_application: WSGIApplication, *, headers: Mapping[str, str]) -> None:
        self._next = next_application
        self._headers = [*headers.items(), ("Cache-Control", "no-store"), ("Content-Type", "text/plain; charset=utf-8")]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = wsgi.found_below([_PATH], environ)
        if found is None:
            return self._next(environ, start_response)
        origin = begin(environ)
        request_started.send(LeakedApplication, environ=environ)
        try:
            status, text, more = _answer(found[1], environ, origin)
        finally:
            request_finished.send(LeakedApplication)
        body = f"{text}\n".encode()
        headers = [*self._headers, ("X-Request-ID", origin.request_id), ("Content-Length", str(len(body))), *more]
        start_response(f"{status.value} {status.phrase}", [*headers, *wsgi.transport_security(environ)])
        return () if environ["REQUEST_METHOD"] == "HEAD" else (body,)


_Answer = tuple[http.HTTPStatus, str, list[tuple[str, str]]]


def _answer(path: str, environ: Environ, origin: Origin) -> _Answer:
    """Return status, text and further headers of the answer to a request, whatever happens on the way to it."""
    try:
        return _refusal(path, environ) or _reported(environ, origin)
    except sent.Unreadable as error:
        return http.HTTPStatus(error.status), f"Nothing was reported: {error}", []
    except mishaps.AWAY as error:
        _log.error("leaked keys could not be reported: %s", type(error).__name__)
        return http.HTTPStatus.SERVICE_UNAVAILABLE, mishaps.AWAY_TEXT, [("Retry-After", str(mishaps.RETRY_AFTER))]
    except Exception as error:  # noqa: BLE001 - what was sent holds values: the kind of the error alone is logged
        _log.error("leaked keys could not be reported: %s", type(error).__name__)
        return http.HTTPStatus.INTERNAL_SERVER_ERROR, mishaps.went_wrong(origin), []


def _refusal(path: str, environ: Environ) -> _Answer | None:
    """Return the answer to what is no report, or comes in a way in which none may come; none for a report."""
    if path.strip("/") != _PATH.strip("/"):
        # To a proxy that is to close this address, /leaked/../x is another one.
        return http.HTTPStatus.NOT_FOUND, "There is nothing at this address.", []
    if environ["REQUEST_METHOD"] != "POST":
        text = "POST a text to report the leaked IBM Cloud API keys in it."
        return http.HTTPStatus.METHOD_NOT_ALLOWED, text, [("Allow", "POST")]
    if sent.is_from_other_site(environ):
        return http.HTTPStatus.FORBIDDEN, "Pages of other sites may not report.", []
    if wsgi.came_in_clear(environ):
        return http.HTTPStatus.FORBIDDEN, "Report by https: what is sent in clear can be read on its way.", []
    return None


def _reported(environ: Environ, origin: Origin) -> _Answer:
    """Report what came. Raises sent.Unreadable and the database's errors."""
    body = sent.body(environ)
    if (full := throttle.count_from(throttle.LEAKS, origin.address)) is not None:
        text = "Nothing was reported: there were too many reports from your address. Report again later."
        return http.HTTPStatus.TOO_MANY_REQUESTS, text, [("Retry-After", str(full.seconds))]
    try:
        # Any form of text will do: values consist of characters that all encodings of forms leave as they are.
        found = leaks.report_all([body.decode("latin-1")], source=_SOURCE, origin=origin, most=MOST_VALUES).found
    except leaks.TooManyValues:
        text = f"Nothing was reported: report at most {MOST_VALUES} values at once."
        return http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, []
    text = f"Received, with {found} of the form of a key. What is a key is treated as its user chose."
    return http.HTTPStatus.ACCEPTED, text, []
