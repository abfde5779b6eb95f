"""The interface without its methods: what is asked of them is kept, and their answer is what a test says.

Requests go through the WSGI application as a server sends them, and every answer is looked at as clients would:
headers, status, shape.
"""

import io
import json
import re
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import is_hop_by_hop, setup_testing_defaults
from wsgiref.validate import validator
from xml.parsers.expat import ExpatError

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.http import HttpResponse

from console.middleware import ALWAYS
from keys.api.application import ApiApplication
from keys.api.calls import Answer, Call, Caller
from keys.wsgi import WSGIApplication
from tests.keys.calls import django
from tests.web.asking import assert_headers

#: Priya's API username, and a call over each transport.
PRIYA = "1234567_priya@acme.example"
PATHS = ("/rest/v3.1/SoftLayer_Account/getObject", "/xmlrpc/v3.1/SoftLayer_Account")
#: The whole of what every answer over XML-RPC begins with.
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_OF_GO = re.compile(r'^<\?xml version="1.0" encoding=".+"\?>\s*<params>\s*<param>\s*<value>\s*<array>')


@dataclass
class Reply:
    """What came back over either transport."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The result over REST."""
        return json.loads(self.body)

    @property
    def xml(self) -> Any:
        """The result over XML-RPC, as the Python client reads it. Raises xmlrpc.client.Fault."""
        ((value,), _) = xmlrpc.client.loads(self.body)
        return value

    @property
    def fault(self) -> tuple[str, str]:
        """Code and text of an error."""
        if self.headers["Content-Type"] == "application/json":
            assert set(self.json) == {"error", "code"}
            return self.json["code"], self.json["error"]
        try:
            xmlrpc.client.loads(self.body)
        except xmlrpc.client.Fault as error:
            return error.faultCode, error.faultString
        raise AssertionError(self.body)

    @property
    def is_list_for_go(self) -> bool:
        return bool(_OF_GO.match(self.body.decode()))


def send(
    application: WSGIApplication,
    verb: str,
    address: str,
    body: bytes | str = b"",
    *,
    headers: Mapping[str, str] | None = None,
    **environ: Any,
) -> Reply:
    """Send a request as a server does, and return the answer, having looked at what every answer must have."""
    path, _, query = address.partition("?")
    body = body.encode() if isinstance(body, str) else body
    request: dict[str, Any] = {
        "REQUEST_METHOD": verb,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.encode().decode("latin-1"),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        **({"CONTENT_LENGTH": str(len(body))} if body else {}),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
        **environ,
    }
    setup_testing_defaults(request)
    if "HTTP_CONTENT_TYPE" in request:  # which servers put where no other header is
        request["CONTENT_TYPE"] = request.pop("HTTP_CONTENT_TYPE")
    started: list[Any] = []
    with connection_kept():
        answer = validator(application)(request, lambda *said: started.append(said) or io.BytesIO().write)
        try:
            sent = b"".join(answer)
        finally:
            answer.close()
    ((line, told),) = started
    return looked_at(verb, request["SCRIPT_NAME"] + path, Reply(int(line.split()[0]), dict(told), sent))


@dataclass(repr=False)
class Wire:
    """An application whose methods answer ``gives``, or raise it."""

    gives: Any = None
    total: int | None = None
    calls: list[Call] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.application = ApiApplication(django, headers=ALWAYS, answer=self._answer)

    def _answer(self, call: Call, caller: Caller) -> Answer:
        self.calls.append(call)
        self.callers.append(caller)
        if isinstance(self.gives, Exception):
            raise self.gives
        return Answer(self.gives, self.total)

    @property
    def call(self) -> Call:
        """The one call that reached the methods since the last time."""
        (call,) = self.calls
        self.calls.clear()
        return call

    def send(self, verb: str, address: str, body: bytes | str = b"", **more: Any) -> Reply:
        """Send a request to the application."""
        return send(self.application, verb, address, body, **more)

    def rest(self, verb: str, address: str, body: bytes | str = b"", **more: Any) -> Reply:
        """Call below ``/rest/v3.1/``."""
        return self.send(verb, f"/rest/v3.1/{address}", body, **more)

    def xmlrpc(self, service: str, document: bytes | str, **more: Any) -> Reply:
        """Call below ``/xmlrpc/v3.1/``."""
        return self.send("POST", f"/xmlrpc/v3.1/{service}", document, **more)


@contextmanager
def connection_kept() -> Iterator[None]:
    """Keep the connection at the ends of a request, as Django's test client does, if a test is one transaction."""
    if not connection.in_atomic_block:
        yield
        return
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def looked_at(verb: str, path: str, reply: Reply) -> Reply:
    """Return ``reply``, which must be one that every client can read, whatever was asked."""
    if reply.headers.get("X-Answered-By") == "Django":
        return reply
    assert_headers(HttpResponse(reply.body, headers=reply.headers, status=reply.status), verb)
    where = f"{verb} {path}: {reply.status}"
    for name, value in reply.headers.items():
        assert not is_hop_by_hop(name)
        assert value.isascii()
        assert value.isprintable()
    if verb == "HEAD":
        assert reply.body == b""
        return reply
    assert int(reply.headers.get("Content-Length", len(reply.body))) == len(reply.body), where
    if "/rest" in path:
        assert reply.headers["Content-Type"] == "application/json", where
        assert reply.body.isascii()
        value = reply.json
        if reply.status >= 400:
            assert set(value) == {"error", "code"}, where
            assert all(isinstance(text, str) and text for text in value.values()), where
        assert (reply.status == 401) == ("WWW-Authenticate" in reply.headers), where
    else:
        assert reply.headers["Content-Type"] == "text/xml", where
        assert reply.status in ((200,) if verb == "POST" else (405,)), where
        text = reply.body.decode()
        assert text.startswith(f"{DECLARATION}\n<"), where
        assert "<nil" not in text, where
        assert "methodResponse" not in text, where
        try:
            reply.xml  # noqa: B018 - reads it
        except xmlrpc.client.Fault as error:
            assert isinstance(error.faultCode, str), where
            assert isinstance(error.faultString, str), where
        except ExpatError as error:
            raise AssertionError(f"{where}: {text}") from error
    return reply


def headed(name: str, value: str, **members: Any) -> dict[str, Any]:
    """Return the header struct with a classic key."""
    return {"headers": {"authenticate": {"username": name, "apiKey": value}, **members}}


def document(method: str, *parameters: Any) -> bytes:
    """Return a call as the Python client writes it: it declares Latin-1, and sends UTF-8."""
    text = xmlrpc.client.dumps(parameters, methodname=method, allow_none=True, encoding="iso-8859-1")
    return text.encode()


def items(number: int) -> Iterator[dict[str, Any]]:
    """Yield records, one after the other."""
    for pk in range(number):
        yield {"id": pk, "username": f"{pk}_somebody@example.com"}


def raising(error: Exception) -> Callable[..., Any]:
    """Return a function that raises, whatever it is called with."""

    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail
