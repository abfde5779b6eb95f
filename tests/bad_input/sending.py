"""Odd values of every make, the forms and fields that they are sent to, and how they are sent."""

from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import Account, Member, User
from keys.models import ClassicKey, PlatformKey
from tests.visitors import body_of

#: As bytes: what they are is decided by whoever reads them.
NASTY = {
    "huge": b"x" * 200_000,
    "NUL": b"a\x00b",
    "a lone surrogate": "a\ud800b".encode(errors="surrogatepass"),
    "bad UTF-8": b"\xff\xfe\xc0\x80",
    "overlong UTF-8": b"\xc0\xbc\xc0\xaf",
    "control characters": b"\x01\x02\x1b[31m\x7f\x85",
    "line ends": b"a\r\nSet-Cookie: b=c\r\n\r\n<h1>",
    "bidi": "\u202e\u2066evil\u2069".encode(),
    "no character": "\ufdd0\U0010ffff".encode(),
    "combining": ("a" + "\u0301" * 3_000).encode(),
    "script": b"\"'><script>alert(1)</script>",
    "template": b"{{ 7|add:42 }}{% debug %}{#",
    "SQL": b"'; DROP TABLE accounts_member; -- \\' OR 1=1",
    "wildcards": b"%_%\\%*?[a-z]",
    "format": b"%s%n%x{0.__class__}",
    "formula": b"=cmd|' /C calc'!A0",
    "a giant number": b"9" * 5_000,
    "a number too large": str(2**63).encode(),
    "a negative number": b"-1",
    "other digits": "\u0661\u0662\u0663".encode(),
    "an infinite number": b"1e999",
    "JSON": b'{"$gt": ""}',
    "path": b"../../../../etc/passwd\x00.png",
    "blank": b" \t\n\x0b\x0c\xc2\xa0",
    "empty": b"",
}


#: What databases take in different ways; the rest is the same to both, before it reaches them.
_TO_DATABASES = {
    "NUL", "a lone surrogate", "bad UTF-8", "no character", "wildcards", "a giant number", "a number too large",
    "a negative number", "other digits", "blank",
}  # fmt: skip


assert set(NASTY) >= _TO_DATABASES


each_nasty = pytest.mark.parametrize(
    "nasty", [pytest.param(name, marks=() if name in _TO_DATABASES else pytest.mark.sqlite_only) for name in NASTY]
)


#: The tables of what people change.
_STATE = (Account, User, Member, ClassicKey, PlatformKey)
STATE = {model._meta.db_table for model in _STATE}


def state() -> dict[str, list[tuple[object, ...]]]:
    """Everything that people change, as it is now: not what is counted of attempts, nor the trail."""
    return {model.__name__: list(model.objects.order_by("pk").values_list()) for model in _STATE}


def post(
    client: Client, url: str, body: bytes, content_type: str = "application/x-www-form-urlencoded"
) -> HttpResponse:
    return client.generic("POST", url, body, content_type)


def encoded(fields: dict[str, bytes]) -> bytes:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()


def text_of(response: HttpResponse) -> str:
    return body_of(response).decode()


#: Fields of each form, by route.
FIELDS = {
    "accounts:login": ("username", "password"),
    "console:theme": ("theme", "next"),
    "accounts:switch-account": ("account",),
    "accounts:vpn-password": ("password",),
    "keys:classic-restrict": ("classic",),
    "keys:restrictions": ("platform", "classic", "confirm_lockout"),
    "keys:classic-create": ("password",),
    "keys:revoke-branch": ("named", "others", "key", "unlisted", "reason", "name"),
    "keys:classic-show": ("password",),
    "keys:classic-download": ("password",),
    "keys:classic-delete": (),
    "keys:platform-create": ("name", "description", "expires", "leaked_action", "password"),
    "keys:platform-edit": ("name", "description", "expires", "leaked_action"),
    **{f"keys:platform-{action}": () for action in ("lock", "unlock", "enable", "disable", "delete")},
    "accounts:logout": (),
    "accounts:session-end": (),
    "console:navigation": ("folded", "next"),
    "accounts:notifications": ("until",),
    "accounts:status": ("status",),
    "accounts:parent": ("parent", "seen"),
    "accounts:user-managed-login": ("is_on",),
    # Boxes alone: whatever is sent for one has ticked it.
    "accounts:permissions": (),
    "accounts:remove": (),
    "accounts:freeze": ("reason", "password"),
    "accounts:thaw": ("password",),
    "accounts:invite": ("addresses", "permissions"),
    "accounts:import": ("act", "file_id"),
    "accounts:add-vpn-user": ("name", "email", "api_username", "password"),
    "accounts:resend-invite": (),
    "accounts:cancel-invite": (),
    "accounts:accept-invitation": (),
    "accounts:end-session": (),
    "accounts:end-all-sessions": ("password",),
    "accounts:end-user-sessions": ("password",),
    "accounts:login-code": ("code",),
    "accounts:reset": ("email",),
    "accounts:reset-password": ("password",),
    "accounts:change-password": ("current", "password"),
    "accounts:passcode": ("password",),
    "accounts:remove-passcode": ("password",),
    "accounts:replace-passcode": ("password",),
    "accounts:recovery-codes": ("password",),
    "accounts:add-passkey": ("password",),
    "accounts:remove-passkey": ("password",),
    "accounts:login-passkey": ("credential",),
    "accounts:settings-user-list": ("is_on",),
    "accounts:settings-key-creation": ("is_on",),
    "accounts:settings-own-key-creation": ("is_on",),
    "accounts:settings-second-factor": ("is_on",),
    "accounts:settings-addresses": ("addresses",),
    "accounts:settings-domains": ("domains",),
    "accounts:settings-remove-domain": ("pattern",),
    "accounts:settings-login-session": ("hours", "idle_hours", "idle_minutes", "concurrent", "most"),
}

#: What nobody does to themselves.
ABOUT_OTHERS = (
    "accounts:status", "accounts:parent", "accounts:user-managed-login", "accounts:invite", "accounts:add-vpn-user",
    "accounts:end-user-sessions", "accounts:freeze", "accounts:thaw", "accounts:import",
)  # fmt: skip
