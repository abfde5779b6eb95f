"""What tests of the interface share: ways to ask its methods, to write filters, and to send requests.

Requests go through the WSGI application as a server sends them, to methods that answer what a test says. Every answer
is looked at as clients would: headers, status, shape.
"""

import io
import json
import re
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import is_hop_by_hop, setup_testing_defaults
from wsgiref.validate import validator
from xml.parsers.expat import ExpatError

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.db.models import Q
from django.http import HttpResponse

from accounts import queries
from accounts.models import Member
from accounts.names import canonical_email
from accounts.origin import Origin
from console.middleware import ALWAYS
from keys import material
from keys.api.answers import answer
from keys.api.application import ApiApplication
from keys.api.calls import Answer, Call, Caller
from keys.api.faults import Fault
from keys.api.filter_conditions import Column, Seconds
from keys.api.filters import Columns, Related, narrowed
from keys.material import PlainValue
from keys.models import ClassicKey
from keys.wsgi import WSGIApplication
from tests.keys.calls import django
from tests.web.asking import assert_headers

# --- Methods, asked as a transport asks them --------------------------------------------------------------------------

ORIGIN = Origin("17.5.7.8", "asked")


def caller_of(member: Member) -> Caller:
    """The member as the caller with their own key, or as if there had been one that was deleted meanwhile."""
    key = ClassicKey.objects.filter(holder=member).first()
    value = material.take(key) if key else PlainValue("0" * 64)
    present = queries.member_of(member.account_id, member.pk)
    assert present is not None
    return Caller(present, key.pk if key else 0, value, ORIGIN)


def ask(caller: Caller | Member, method: str, object_id: int | None = None, *arguments: Any, **more: Any) -> Any:
    """What a call gives; ``method`` is like ``User_Customer::getObject``. Lists are complete."""
    found = asked(caller, method, object_id, *arguments, **more)
    return found.value if found.total is None else list(found.value)


def asked(caller: Caller | Member, method: str, object_id: int | None = None, *arguments: Any, **more: Any) -> Answer:
    """The answer as transports get it."""
    service, name = method.split("::")
    call = Call(f"SoftLayer_{service}", name, object_id=object_id, arguments=arguments, **more)
    return answer(call, caller_of(caller) if isinstance(caller, Member) else caller)


@dataclass(frozen=True)
class Refusal:
    """A fault, as far as clients see it."""

    code: str
    text: str
    status: int


def refused(
    caller: Caller | Member, method: str, object_id: int | None = None, *arguments: Any, **more: Any
) -> Refusal:
    """The fault that a call ends with, before anything of its answer is there."""
    try:
        found = asked(caller, method, object_id, *arguments, **more)
    except Fault as fault:
        return Refusal(fault.code, str(fault), fault.status)
    raise AssertionError(f"{method} is not refused, but answers {found}")


def not_found(object_id: object) -> Refusal:
    """What is answered for something that is not there, or that the caller may not know of."""
    text = f"Unable to find object with id of '{object_id}'."
    return Refusal("SoftLayer_Exception_ObjectNotFound", text, 404)


def public(text: str) -> Refusal:
    return Refusal("SoftLayer_Exception_Public", text, 500)


def denied(text: str) -> Refusal:
    return Refusal("SoftLayer_Exception_PermissionDenied", text, 500)


def invalid(text: str) -> Refusal:
    return Refusal("SoftLayer_Exception_InvalidValue", text, 500)


def everything_in(value: Any) -> Iterator[dict[str, Any]]:
    """Each record of an answer, however deep."""
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from everything_in(below)
    elif isinstance(value, list):
        for item in value:
            yield from everything_in(item)


# --- Filters ----------------------------------------------------------------------------------------------------------

Leaf = Mapping[str, Any]


def op(operation: Any, **options: Any) -> Leaf:
    """An operation as clients write it."""
    if not options:
        return {"operation": operation}
    return {"operation": operation, "options": [{"name": name, "value": value} for name, value in options.items()]}


def own_columns(prefix: str = "") -> dict[str, Column | Related | Columns]:
    """Columns of each kind, none of which a member must have; ``prefix`` leads to them from elsewhere."""
    return {
        "id": Column(f"{prefix}pk", int),
        "username": Column(f"{prefix}api_username", str, canonical=canonical_email),
        "name": Column(f"{prefix}name_here", str),
        "number": Column(f"{prefix}notifications_read", int),
        "date": Column(f"{prefix}signed_in_at", datetime),
        "seconds": Column(f"{prefix}joined_at", Seconds),
        "flag": Column(f"{prefix}user_managed_login", bool),
        "shownName": Column(f"{prefix}name_here", str, known=Q(**{f"{prefix}user_managed_login": True})),
        "isMasterUserFlag": Column(Q(**{f"{prefix}parent": None}), bool),
    }


def columns() -> Columns:
    """All that is filtered by in these tests: a member's own, the parent's, and those of children and keys."""
    return {
        **own_columns(),
        "parent": own_columns("parent__"),
        "childUsers": Related(
            Member.objects.all(),
            "parent",
            {**own_columns(), "childUsers": Related(Member.objects.all(), "parent", own_columns())},
        ),
        "apiAuthenticationKeys": Related(ClassicKey.objects.all(), "holder", {"id": Column("pk", int)}),
    }


def found(members: Sequence[Member], asked: Any, *, root: str = "") -> list[int]:
    """The places in ``members`` of those that a filter finds, in its order."""
    places = {member.pk: place for place, member in enumerate(members)}
    rows = Member.objects.filter(account=members[0].account_id)
    return [places[pk] for pk in narrowed(rows, asked, columns(), root=root).values_list("pk", flat=True)]


# --- Requests, and the application without its methods ----------------------------------------------------------------

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
    request = request_of(verb, address, body, headers=headers, **environ)
    return looked_at(
        verb, request["SCRIPT_NAME"] + address.partition("?")[0], Reply(*whole_answer(application, request))
    )


def request_of(
    verb: str, address: str, body: bytes | str = b"", *, headers: Mapping[str, str] | None = None, **environ: Any
) -> dict[str, Any]:
    """Return a request as a server hands it to an application."""
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
    return request


def whole_answer(application: WSGIApplication, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body that an application answers, which must keep to the protocol."""
    started: list[Any] = []
    with connection_kept():
        answer = validator(application)(request, lambda *said: started.append(said) or io.BytesIO().write)
        try:
            sent = b"".join(answer)
        finally:
            answer.close()
    ((line, told),) = started
    return int(line.split()[0]), dict(told), sent


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
