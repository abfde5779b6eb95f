"""``/verify``: answers proxies whether a call may pass, before Django is reached.

HTTP Basic in, 204 or 401 out; ``keys.verification`` decides. The method, the body and whatever follows the path are
ignored: nothing there can turn a no into a yes.

*Source:* RFC 7617 (Basic); docs/verification.md says what proxies are to send and to expect.
"""

import binascii
import logging
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.conf import settings

from accounts.addresses import client_address, forwarded_scheme_is_https
from accounts.origin import trusted_proxies
from keys.verification import Unavailable, Verdict, verify

_log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

_PATH = "/verify"
#: Envoy takes no other status than 200 for a yes. *Source:* Envoy API, ext_authz ``HttpService``.
_PATH_FOR_ENVOY = "/verify/envoy"
_LONGEST_HEADER = 8 * 1024  # characters

_ALWAYS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]
_NO_BODY = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0")]
_REFUSED = [*_ALWAYS, *_NO_BODY, ("WWW-Authenticate", 'Basic realm="Keytree", charset="UTF-8"')]
_UNAVAILABLE = [*_ALWAYS, *_NO_BODY, ("Retry-After", "5")]

#: The characters, besides letters and digits, that are put into a header as they are: those of e-mail addresses, but
#: "%".
_PLAIN = "!#$&'*+-/=?^_`{|}~@."
_IS_PLAIN = re.compile(f"[A-Za-z0-9{re.escape(_PLAIN)}]*").fullmatch  # as most are: encoding takes ten times as long


# Parsing addresses is a third of the work of an answer, and the same callers come again and again. The result depends
# only on the arguments, so caching it is safe.
_client_address = lru_cache(maxsize=1024)(client_address)


class VerifyApplication:
    """Answers ``/verify`` and everything below it, and passes on what else there is."""

    def __init__(self, next_application: WSGIApplication) -> None:
        self._next = next_application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not _is_below(_PATH, path):
            # Servers may take a script name from a header, and a proxy may pass on a client's. A request to /verify
            # must not reach a page of the console, whose 200 could be taken for a yes.
            path = environ.get("SCRIPT_NAME", "") + path
            if not _is_below(_PATH, path):
                return self._next(environ, start_response)
        try:
            verdict = _verdict(environ)
        except Unavailable as error:
            _log.error("verification unavailable: %s", type(error.__cause__).__name__)
            start_response("503 Service Unavailable", [*_UNAVAILABLE, *_transport(environ)])
            return ()
        except Exception:  # noqa: BLE001 - whatever goes wrong while deciding, the answer is no
            _log.exception("verification failed")
            verdict = None
        if verdict is None or not verdict.accepted:
            start_response("401 Unauthorized", [*_REFUSED, *_transport(environ)])
        elif _is_below(_PATH_FOR_ENVOY, path):
            start_response("200 OK", [*_identity(verdict), *_NO_BODY, *_transport(environ)])
        else:
            start_response("204 No Content", [*_identity(verdict), *_transport(environ)])
        return ()


def _is_below(place: str, path: str) -> bool:
    return path.startswith(place) and path[len(place) : len(place) + 1] in {"", "/"}


def _verdict(environ: Environ) -> Verdict | None:
    """Return the verdict on the presented key; none when no credentials came, or not in a way they may come."""
    credentials = _credentials(environ.get("HTTP_AUTHORIZATION", ""))
    if credentials is None or not _may_carry_credentials(environ):
        return None
    address = _client_address(environ.get("REMOTE_ADDR"), environ.get("HTTP_X_FORWARDED_FOR"), trusted_proxies())
    return verify(*credentials, address)


def _credentials(header: str) -> tuple[str, str] | None:
    """Return user name and password of a Basic header; none for any other text.

    Strict, so that nothing is read here that a proxy in front reads otherwise: one header, and only base64. The text is
    UTF-8, as the challenge asks for; bytes that are not UTF-8 are read as Latin-1, which some clients, such as Python's
    ``requests``, send all the same.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > _LONGEST_HEADER:
        return None
    try:
        presented = binascii.a2b_base64(encoded.strip(" "), strict_mode=True)
    except ValueError:
        return None
    try:
        text = presented.decode()
    except UnicodeDecodeError:
        text = presented.decode("latin-1")
    username, colon, password = text.partition(":")
    return (username, password) if colon else None


def _may_carry_credentials(environ: Environ) -> bool:
    """Whether the key came in a permissible way: by https, from a declared proxy, or from this machine.

    If Keytree is public by https, a key that was sent in clear over a network is refused, so that nobody gets used to
    it. The scheme is that of the server: only a declared proxy could vouch for another, and those are accepted anyway.
    """
    if not settings.IS_HTTPS or environ["wsgi.url_scheme"] == "https":
        return True
    peer = environ.get("REMOTE_ADDR") or ""
    return peer == "" or peer in {"::1", "::ffff:127.0.0.1"} or peer.startswith("127.") or peer in trusted_proxies()


def _transport(environ: Environ) -> list[tuple[str, str]]:
    """Return the header that keeps browsers to https, as Django writes it for pages, for what was asked by https."""
    if not settings.IS_HTTPS:
        return []
    proto = environ.get("HTTP_X_FORWARDED_PROTO")
    if environ["wsgi.url_scheme"] == "https" or forwarded_scheme_is_https(
        environ.get("REMOTE_ADDR"), proto, trusted_proxies()
    ):
        return [("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload")]
    return []


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
