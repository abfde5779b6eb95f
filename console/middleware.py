"""What surrounds every request of the console: where it came from, and the headers of its answer."""

import secrets
from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from accounts import agents, uploads
from accounts.addresses import client_address, forwarded_scheme_is_https
from accounts.origin import Origin, trusted_proxies
from accounts.requests import MemberRequest
from console.logs import request_id
from console.views import bad_request, method_not_allowed

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
#: Whatever a browser would let a page do, but for what pages here do: copy a text, and use a passkey.
_NO_FEATURES = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "browsing-topics", "camera", "clipboard-read", "display-capture",
        "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "identity-credentials-get",
        "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "otp-credentials", "payment",
        "picture-in-picture", "screen-wake-lock", "serial", "usb", "window-management", "xr-spatial-tracking",
    )
)  # fmt: skip
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
#: What every answer says, whoever gives it.
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _CONTENT_POLICY,
    "Permissions-Policy": _NO_FEATURES,
    "X-Frame-Options": "DENY",
}
#: Where an address is itself a secret: no page that is opened from there, and no style sheet, may learn it. Not
#: "no-referrer", with which browsers send forms as from nowhere, and the check against forged ones refuses them.
#: *Source:* Fetch standard, "append a request Origin header".
_SECRET_PATHS = ("/invitations/", "/reset/")
_PROBES = ("/healthz", "/readyz")


def _is_too_large(request: HttpRequest) -> bool:
    """Whether a body is larger than what its page takes: it is refused before anything reads it."""
    size = uploads.body_size(request)
    return size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and size > uploads.largest_body(request)


def _is_unreadable(request: HttpRequest) -> bool:
    """Whether a form says that it is in another encoding than ours, which no browser does.

    Django takes unknown character sets for UTF-8 and drops what is no base64: a field would arrive otherwise than it
    was sent, and empty means something. *Source:* RFC 7578, sections 4.7 and 5.1.
    """
    if request.content_type not in _FORMS:
        return False
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in {"utf-8", "utf8"}:
        return True
    # A large body is a file, which is never all in memory. Django refuses a file that is no base64 and says it is.
    is_small = uploads.body_size(request) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return is_small and request.content_type == _FORMS[1] and b"content-transfer-encoding:" in request.body.lower()


def _refused_body(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a body that must not be read, none for one that may."""
    if _is_too_large(request):
        return uploads.too_large(request)
    return bad_request(request) if _is_unreadable(request) else None


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
        if request.path_info in _PROBES:
            # Asked by whatever name or address a load balancer has for this server; the answers say nothing of it.
            request.get_host = lambda: "probe"  # type: ignore[method-assign]  # of this request alone
        agent = agents.in_words(meta.get("HTTP_USER_AGENT", ""))
        origin = Origin(address=address, request_id=secrets.token_hex(8), agent=agent)
        cast(MemberRequest, request).origin = origin
        request_id.set(origin.request_id)  # stays to the next request: Django logs refusals after this returns
        response = self.get_response(request)
        response["X-Request-ID"] = origin.request_id
        return response


class ContentPolicyMiddleware:
    """Adds the headers that Django's own security middleware does not, to static files and errors too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Call the view and complete its answer's headers. Only static files may be kept by anybody."""
        response = _refused_body(request) or self.get_response(request)
        # Django's own middleware sets some too, but not where it was itself what refused the request.
        for name, text in ALWAYS.items():
            response.headers.setdefault(name, text)
        if not request.path.startswith(settings.STATIC_URL) or response.status_code >= 400:  # noqa: PLR2004 - an error
            response["Cache-Control"] = "no-store"
        if request.path.startswith(_SECRET_PATHS):
            response["Referrer-Policy"] = "strict-origin"
        # WhiteNoise allows other sites to read static files; nothing of ours is for them.
        del response["Access-Control-Allow-Origin"]
        return response


class NotAllowedPageMiddleware:
    """Gives people who open an address that only takes a form a page to go on from, instead of an empty answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Call the view. Programs keep the empty answer: no browser opens anything by another method than these."""
        response = self.get_response(request)
        is_browser = request.method in {"GET", "HEAD", "POST"} and request.accepts("text/html")
        if isinstance(response, HttpResponseNotAllowed) and is_browser:
            return method_not_allowed(request, response["Allow"])
        return response
