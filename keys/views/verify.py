"""``/verify``: answers proxies whether a call may pass, before Django is reached.

HTTP Basic in, 204 or 401 out; ``keys.verification`` decides. The method, the body and whatever follows the path are
ignored: nothing there can turn a no into a yes.

*Source:* RFC 7617 (Basic); docs/verification.md says what proxies are to send and to expect.
"""

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

from accounts.origin import address_of
from keys import wsgi
from keys.verification import Unavailable, Verdict, verify
from keys.wsgi import Environ, StartResponse, WSGIApplication, is_below

_log = logging.getLogger(__name__)

_PATH = "/verify"
#: Envoy takes no other status than 200 for a yes. *Source:* Envoy API, ext_authz ``HttpService``.
_PATH_FOR_ENVOY = "/verify/envoy"

_ALWAYS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]
_NO_BODY = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0")]
_REFUSED = [*_ALWAYS, *_NO_BODY, wsgi.CHALLENGE]
_UNAVAILABLE = [*_ALWAYS, *_NO_BODY, ("Retry-After", "5")]

#: The characters, besides letters and digits, that are put into a header as they are: those of e-mail addresses, but
#: "%".
_PLAIN = "!#$&'*+-/=?^_`{|}~@."
_IS_PLAIN = re.compile(f"[A-Za-z0-9{re.escape(_PLAIN)}]*").fullmatch  # as most are: encoding takes ten times as long


class VerifyApplication:
    """Answers ``/verify`` and everything below it, and passes on what else there is."""

    def __init__(self, next_application: WSGIApplication) -> None:
        self._next = next_application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = wsgi.found_below((_PATH,), environ)
        if found is None:
            return self._next(environ, start_response)
        _, path = found
        try:
            verdict = _verdict(environ)
        except Unavailable as error:
            _log.error("verification unavailable: %s", type(error.__cause__).__name__)
            start_response("503 Service Unavailable", [*_UNAVAILABLE, *wsgi.transport_security(environ)])
            return ()
        except Exception:  # noqa: BLE001 - whatever goes wrong while deciding, the answer is no
            _log.exception("verification failed")
            verdict = None
        if verdict is None or not verdict.accepted:
            start_response("401 Unauthorized", [*_REFUSED, *wsgi.transport_security(environ)])
        elif is_below(_PATH_FOR_ENVOY, path):
            start_response("200 OK", [*_identity(verdict), *_NO_BODY, *wsgi.transport_security(environ)])
        else:
            start_response("204 No Content", [*_identity(verdict), *wsgi.transport_security(environ)])
        return ()


def _verdict(environ: Environ) -> Verdict | None:
    """Return the verdict on the presented key; none when no credentials came, or not in a way they may come."""
    credentials = wsgi.credentials(environ.get("HTTP_AUTHORIZATION", ""))
    if credentials is None or not wsgi.may_carry_credentials(environ):
        return None
    return verify(*credentials, address_of(environ))


def _identity(verdict: Verdict) -> list[tuple[str, str]]:
    """Return the headers of an acceptance: whose call it is."""
    return [
        ("X-Keytree-Account", str(verdict.account_id)),
        ("X-Keytree-Username", _header_text(verdict.api_username)),
        ("X-Keytree-User", _header_text(verdict.email)),
        *_ALWAYS,
    ]


def _header_text(text: str) -> str:
    """Return ``text`` for a header, percent-encoded in UTF-8 but for what e-mail addresses are usually made of.

    No line can end in it, and it reads back to one text alone.
    """
    return text if _IS_PLAIN(text) else quote(text, safe=_PLAIN)
