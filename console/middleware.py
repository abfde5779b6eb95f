"""Middleware of all requests: determines where a request came from, and adds headers to its answer."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from accounts import origin, uploads
from accounts.addresses import forwarded_scheme_is_https
from accounts.origin import trusted_proxies
from accounts.requests import MemberRequest
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
#: Headers of every answer, gunicorn's error pages included.
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _CONTENT_POLICY,
    "Permissions-Policy": _NO_FEATURES,
    "X-Frame-Options": "DENY",
}
#: Paths that contain a secret token, which no page that is opened from there may learn. The policy for them is not
#: "no-referrer": browsers then send forms with the origin "null", which the CSRF check refuses.
#: *Source:* Fetch standard, "append a request Origin header".
_SECRET_PATHS = ("/invitations/", "/reset/")
_PROBES = ("/healthz", "/readyz")


def _is_too_large(request: HttpRequest) -> bool:
    """Whether the body is larger than its page accepts; such a body is refused without being read."""
    size = uploads.body_size(request)
    return size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and size > uploads.largest_body(request)


def _is_unreadable(request: HttpRequest) -> bool:
    """Whether a form declares an encoding other than ours, which no browser does.

    Django reads unknown character sets as UTF-8 and drops what is not base64, so a field could arrive changed, or
    empty, which has a meaning of its own. *Source:* RFC 7578, sections 4.7 and 5.1.
    """
    if request.content_type not in _FORMS:
        return False
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() != "utf-8":
        return True
    # A large body is an uploaded file, which is never read into memory; Django itself refuses files in broken base64.
    is_small = uploads.body_size(request) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return is_small and request.content_type == _FORMS[1] and b"content-transfer-encoding:" in request.body.lower()


def _refused_body(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a body that must not be read; None if it may be."""
    if _is_too_large(request):
        return uploads.too_large(request)
    return bad_request(request) if _is_unreadable(request) else None


class RequestOriginMiddleware:
    """Sets ``request.origin``, and drops the X-Forwarded-Proto header unless a trusted proxy sent it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Determine the client's address and scheme once, for IP restrictions, throttling and the audit trail alike."""
        meta, proxies = request.META, trusted_proxies()
        peer = meta.get("REMOTE_ADDR")
        if not forwarded_scheme_is_https(peer, meta.get("HTTP_X_FORWARDED_PROTO"), proxies):
            meta.pop("HTTP_X_FORWARDED_PROTO", None)
        if request.path_info in _PROBES:
            # Load balancers ask by any name or address they know this server by; the answers do not depend on it.
            request.get_host = lambda: "probe"  # type: ignore[method-assign]  # of this request alone
        cast(MemberRequest, request).origin = started = origin.begin(meta)
        response = self.get_response(request)
        response["X-Request-ID"] = started.request_id
        return response


class ContentPolicyMiddleware:
    """Adds the headers that Django's security middleware does not set, also to static files and errors."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, and complete the headers. Only static files may be cached."""
        response = _refused_body(request) or self.get_response(request)
        # Django's own middleware sets some of these too, but not when another middleware refused the request first.
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
    """Gives people who open the URL of a form a page with a way on, instead of an empty answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Call the view. Programs get the empty answer: browsers use no other methods than these."""
        response = self.get_response(request)
        is_browser = request.method in {"GET", "HEAD", "POST"} and request.accepts("text/html")
        if isinstance(response, HttpResponseNotAllowed) and is_browser:
            return method_not_allowed(request, response["Allow"])
        return response
