"""What surrounds every request of the console: where it came from, and the headers of its answer."""

import logging
import secrets
from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.addresses import client_address, forwarded_scheme_is_https
from accounts.origin import Origin, trusted_proxies
from accounts.requests import MemberRequest
from console.logs import request_id

_log = logging.getLogger(__name__)

_CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("style", "script", "img", "font", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    ]
)
_NO_FEATURES = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "camera", "display-capture", "fullscreen", "geolocation", "gyroscope", "magnetometer",
        "microphone", "midi", "payment", "usb",
    )
)  # fmt: skip


class RequestOriginMiddleware:
    """Sets ``request.origin`` from the connection, and drops headers that only a declared proxy may send."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Decide once, for restrictions, throttle and audit alike, who the client is and whether it speaks https."""
        meta, proxies = request.META, trusted_proxies()
        peer = meta.get("REMOTE_ADDR")
        if not forwarded_scheme_is_https(peer, meta.get("HTTP_X_FORWARDED_PROTO"), proxies):
            meta.pop("HTTP_X_FORWARDED_PROTO", None)
        address = client_address(peer, meta.get("HTTP_X_FORWARDED_FOR"), proxies)
        origin = Origin(address=address, request_id=secrets.token_hex(8))
        cast(MemberRequest, request).origin = origin
        token = request_id.set(origin.request_id)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = origin.request_id
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a database that is away or busy with a page that says so: the transaction was undone."""
        if not isinstance(exception, OperationalError):
            return None
        _log.error("database unavailable: %s", type(exception).__name__)
        response = render(request, "503.html", {"title": "Busy"}, status=503)
        response["Retry-After"] = "5"
        return response


class ContentPolicyMiddleware:
    """Adds the headers that Django's own security middleware does not, to static files and errors too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Call the view and complete its answer's headers. Only static files may be kept by anybody."""
        response = self.get_response(request)
        response["Content-Security-Policy"] = _CONTENT_POLICY
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response["Permissions-Policy"] = _NO_FEATURES
        if not request.path.startswith(settings.STATIC_URL) or response.status_code >= 400:  # noqa: PLR2004 - an error
            response["Cache-Control"] = "no-store"
        # WhiteNoise allows other sites to read static files; nothing of ours is for them.
        del response["Access-Control-Allow-Origin"]
        return response
