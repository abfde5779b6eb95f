"""What the applications in front of Django share: credentials, how they came, and what servers call them with."""

import binascii
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Any

from django.conf import settings

from accounts.addresses import forwarded_scheme_is_https
from accounts.origin import trusted_proxies

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

#: What a refusal asks for.
CHALLENGE = ("WWW-Authenticate", 'Basic realm="Keytree", charset="UTF-8"')
_LONGEST_HEADER = 8 * 1024  # characters


class LoadedWhenCalled:
    """Stands for an application at certain places, which it loads with the first request there; passes on all else.

    A process in which nobody asks for it does without what it takes of the memory.

    Args:
        next_application: what all else is passed on to.
        places: the paths at and below which it answers.
        load: imports the application and makes one in front of another.
    """

    def __init__(
        self,
        next_application: WSGIApplication,
        *,
        places: Collection[str],
        load: Callable[[WSGIApplication], WSGIApplication],
    ) -> None:
        self._next, self._places, self._load = next_application, places, load

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answering = self._next if found_below(self._places, environ) is None else self._loaded
        return answering(environ, start_response)

    @cached_property
    def _loaded(self) -> WSGIApplication:
        return self._load(self._next)


def is_below(place: str, path: str) -> bool:
    """Whether ``path`` is ``place`` or below it."""
    return path.startswith(place) and path[len(place) : len(place) + 1] in {"", "/"}


def found_below(places: Iterable[str], environ: Environ) -> tuple[str, str] | None:
    """Return which of ``places`` the request's path is at or below, and the path; none if it is below none of them.

    Also where a part of it is the script name: servers may take that from a header, and proxies may pass on a client's.
    It must not lead to a page, least of all to one whose 200 could be taken for the yes of a verification.
    """
    path = environ.get("PATH_INFO", "")
    for way in (path, environ.get("SCRIPT_NAME", "") + path):
        for place in places:
            if is_below(place, way):
                return place, way
    return None


def credentials(header: str) -> tuple[str, str] | None:
    """Return user name and password of a Basic header; none for any other text.

    Strict, so that nothing is read here that a proxy in front reads otherwise: one header, and only base64. The text is
    UTF-8, as the challenge asks for; bytes that are not UTF-8 are read as Latin-1, which some clients, such as Python's
    ``requests``, send all the same.

    *Source:* RFC 7617 (Basic).
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


def bearer(header: str) -> str | None:
    """Return the access token of a Bearer header; none for any other text. *Source:* RFC 6750, section 2.1."""
    scheme, _, token = header.partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" and len(header) <= _LONGEST_HEADER else None


def may_carry_credentials(environ: Environ) -> bool:
    """Whether the key came in a permissible way: by https, from a declared proxy, or from this machine.

    If Keytree is public by https, a key that was sent in clear over a network is refused, so that nobody gets used to
    it. The scheme is that of the server: only a declared proxy could vouch for another, and those are accepted anyway.
    """
    if not settings.IS_HTTPS or environ["wsgi.url_scheme"] == "https":
        return True
    peer = environ.get("REMOTE_ADDR") or ""
    return peer == "" or peer in {"::1", "::ffff:127.0.0.1"} or peer.startswith("127.") or peer in trusted_proxies()


def came_in_clear(environ: Environ) -> bool:
    """Whether a call of Keytree's own interfaces came in clear over a network, where Keytree is public by https.

    By the connection, or by what a declared proxy says of that to its client: one that answers by http as well must not
    take keys there. One that says nothing is believed. (To ``/verify`` it would speak of a call to another service.)
    """
    if not may_carry_credentials(environ):
        return True
    proto = environ.get("HTTP_X_FORWARDED_PROTO", "https")
    return settings.IS_HTTPS and proto != "https" and environ.get("REMOTE_ADDR") in trusted_proxies()


def transport_security(environ: Environ) -> list[tuple[str, str]]:
    """Return the header that keeps browsers to https, as Django writes it for pages, for what was asked by https."""
    if not settings.IS_HTTPS:
        return []
    proto = environ.get("HTTP_X_FORWARDED_PROTO")
    if environ["wsgi.url_scheme"] == "https" or forwarded_scheme_is_https(
        environ.get("REMOTE_ADDR"), proto, trusted_proxies()
    ):
        return [("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload")]
    return []
