"""How tests ask as browsers do, and what every answer has to say."""

import re
from functools import cache

from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from console import demo
from tests.visitors import body_of, routes

SESSION = django_settings.SESSION_COOKIE_NAME
#: A session that there is not.
NOBODYS = "00000000-0000-4000-8000-000000000000"


POLICY = {
    "default-src": "'none'", "style-src": "'self'", "script-src": "'self'", "img-src": "'self'", "font-src": "'self'",
    "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "object-src": "'none'",
    "frame-ancestors": "'none'",
}  # fmt: skip
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FEATURES = {
    "camera", "clipboard-read", "display-capture", "fullscreen", "geolocation", "hid", "idle-detection", "local-fonts",
    "microphone", "midi", "otp-credentials", "payment", "serial", "usb",
}  # fmt: skip
#: What pages do: copy a text, use a passkey.
USED_FEATURES = {"clipboard-write", "publickey-credentials-create", "publickey-credentials-get"}
NEVER = ("Server", "X-Powered-By", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "X-Debug")


def address_of(route: str, numbers: dict[str, int]) -> str:
    return reverse(route, kwargs={name: numbers[name] for name in routes()[route].pattern.converters})


@cache
def _somebody() -> Client:
    """One client for all who need no other: making its middleware takes as long as an answer."""
    return Client()


def log_in(name: str, password: str = demo.PASSWORD, *, client: Client | None = None, **environ: str) -> HttpResponse:
    email = name if "@" in name else f"{name}@acme.example"
    if client is None:
        client = _somebody()
        client.cookies.clear()
    return client.post("/login", {"username": email, "password": password}, **environ)


def is_signed_in(client: Client) -> bool:
    return client.get("/iam/activity").status_code == 200


def holds_value(response: HttpResponse) -> bool:
    return bool(re.search(rb"\b[0-9a-f]{64}\b", body_of(response)))


def assert_headers(response: HttpResponse, where: object, *, may_be_kept: bool = False) -> None:
    """The headers that every answer has, whatever its status; only static files may be kept by anybody."""
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    assert policy == POLICY, where
    is_secret = ("invitation" in str(where) and "invite" not in str(where)) or re.search(
        "reset-password|/reset/", str(where)
    )
    for name, text in {**ALWAYS, **({"Referrer-Policy": "strict-origin"} if is_secret else {})}.items():
        assert response.headers.get(name) == text, f"{name} of {where}"
    features = dict(part.strip().split("=") for part in response["Permissions-Policy"].split(","))
    assert set(features) >= FEATURES, where
    assert not USED_FEATURES & set(features), where
    assert set(features.values()) == {"()"}, where
    assert not [name for name in NEVER if name in response.headers], where
    assert re.fullmatch(r"[0-9a-f]{16}", response["X-Request-ID"]), where
    kind = response.headers.get("Content-Type", "")
    assert "charset=" in kind or not kind.startswith("text/") or kind == "text/xml", where
    assert (response.headers.get("Cache-Control") == "no-store") is not may_be_kept, where
    for cookie in response.cookies.values():
        if cookie.value:
            assert cookie["httponly"], f"{cookie.key} of {where}"
            assert cookie["samesite"] == "Lax", f"{cookie.key} of {where}"
            assert not cookie["domain"], f"{cookie.key} of {where}"
            assert cookie["path"] == "/", f"{cookie.key} of {where}"
