"""Calls the WSGI application as a server does: Django's test client begins behind where /verify is answered."""

import base64
import io
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote
from wsgiref.util import is_hop_by_hop

from accounts.enums import MemberStatus
from accounts.models import Account, Member
from keys.models import ClassicKey
from keys.views.verify import VerifyApplication


class Answer(NamedTuple):
    """What came back, whole: two answers that are equal look the same to a caller."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the header's value."""
        return dict(self.headers).get(name)


class UnreadableBody(io.BytesIO):
    """A body that may not even be touched."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("the body was read")

    readline = readlines = __iter__ = read


def django(environ, start_response):
    """Stands where Django does."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Answered-By", "Django")])
    return [b"a page"]


application = VerifyApplication(django)


def basic(username: str, password: str) -> str:
    """Return the header that names them."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


#: Changes of a key, or of whom it belongs to, after which calls with it are refused.
REFUSING = [
    lambda key: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.SUSPENDED),
    lambda key: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.DISABLED_CLASSIC),
    lambda key: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.PENDING),
    lambda key: ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses="10.0.0.0/8"),
    lambda key: ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses="damaged"),
    lambda key: Account.objects.filter(pk=key.account_id).update(allowed_addresses="10.0.0.0/8"),
    lambda key: ClassicKey.objects.filter(pk=key.pk).update(ring_key_id="lost"),
    lambda key: key.delete(),
]


def forgeries(office: str, proxy: str) -> list[dict[str, str]]:
    """Return what a stranger may send to be taken for somebody at ``office``."""
    return [
        {"X-Forwarded-For": office},
        {"X-Forwarded-For": f"{office}, {office}"},
        {"X-Forwarded-For": f"{office},"},
        {"X-Forwarded-For": f" {office} "},
        {"X-Forwarded-For": f"{office}:443"},
        {"X-Forwarded-For": f"::ffff:{office}"},
        {"X-Forwarded-For": f"[::ffff:{office}]:80"},
        {"X-Forwarded-For": f"{office}, {proxy}"},
        {"X-Forwarded-For": f"unknown, {office}"},
        {"X-Real-IP": office},
        {"Forwarded": f"for={office}"},
        {"Forwarded": f'for="{office}:443";proto=https;by={proxy}'},
        {"CF-Connecting-IP": office},
        {"True-Client-IP": office},
        {"X-Client-IP": office},
        {"X-Cluster-Client-IP": office},
        {"X-Forwarded": office},
        {"Forwarded-For": office},
        {"X-Original-Forwarded-For": office},
        {"X-Envoy-External-Address": office},
        {"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
        {"Connection": "X-Forwarded-For, close", "X-Forwarded-For": office},
        {"X-Original-URL": "/", "X-Rewrite-URL": "/healthz", "X-Original-Method": "OPTIONS"},
        {"X-Forwarded-Uri": "/healthz", "X-Forwarded-Method": "OPTIONS", "X-HTTP-Method-Override": "OPTIONS"},
        {"X-Keytree-Account": "1234567", "X-Keytree-User": "olivia@acme.example", "Remote-Addr": office},
    ]


def call(
    path: str = "/verify",
    *,
    method: str = "GET",
    peer: str = "127.0.0.1",
    headers: Mapping[str, str] | None = None,
    query: str = "",
    **environ: str,
) -> Answer:
    """Ask, with headers named as on the wire, and return the answer; its headers must be fit for any server."""
    request = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, encoding="latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": "http",
        "wsgi.input": UnreadableBody(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
        **environ,
    }
    started: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(application(request, lambda *said: started.append(said)))
    ((status, sent),) = started
    for name, value in sent:
        assert not is_hop_by_hop(name)
        assert value.isascii()
        assert value.isprintable()
    return Answer(status, tuple(sent), body)
