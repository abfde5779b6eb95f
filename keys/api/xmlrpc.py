"""XML-RPC as SoftLayer clients speak it: a header struct before the arguments, answers without ``methodResponse``.

*Source:* XML-RPC specification; "Specification for Fault Code Interoperability" (the numbers of faults); SoftLayer API
reference, "XML-RPC"; docs/clients.md says what each client sends and insists on.
"""

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import InputSource

from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from keys.api.calls import Answer, Call, Credentials, LoginToken, Value
from keys.api.faults import BadCall, Fault, NotAuthenticated
from keys.api.logins import is_login
from keys.api.transport import Asked, Request, Transport, header_credentials, login_token
from keys.sent import MOST_DIGITS, MOST_LEVELS, MOST_VALUES


class _NotWellFormed(Fault):
    def __init__(self) -> None:
        super().__init__("parse error. not well formed", code="-32700")


class _NotXMLRPC(Fault):
    def __init__(self, more: str = "") -> None:
        super().__init__("server error. invalid xml-rpc. not conforming to spec" + more, code="-32600")


class _NoMethod(Fault):
    def __init__(self) -> None:
        super().__init__("server error. requested method not found", code="-32601")


class _BadHeaders(Fault):
    def __init__(self) -> None:
        super().__init__("server error. invalid method init parameters", code="-32602")


# --- Requests ---------------------------------------------------------------------------------------------------------


def _read(request: Request) -> Asked:
    """Return what a request asks for. Raises Fault."""
    if len(request.parts) != 1:
        raise Fault("Service does not exist")
    method, arguments = _document(request.body)
    first = arguments[0] if arguments else None
    headers = first.get("headers") if isinstance(first, dict) else None
    if not isinstance(headers, dict):
        raise _BadHeaders
    service, credentials = request.parts[0], None
    if not is_login(service, method):
        presented = headers.get("authenticate")
        credentials = header_credentials(request) if presented is None else _credentials(presented)
    return Asked(credentials, partial(_call, service, method, headers, arguments[1:]))


def _credentials(presented: Value) -> Credentials | LoginToken:
    """Return the pair of the header struct, or the login token. Raises NotAuthenticated."""
    pair = presented if isinstance(presented, dict) else {}
    token = pair.get("authToken")
    if isinstance(token, str):
        return login_token(pair.get("userId"), token)
    username, value = pair.get("username"), pair.get("apiKey")
    if not isinstance(username, str) or not isinstance(value, str):
        raise NotAuthenticated
    return Credentials.of(username, value)


def _call(service: str, method: str, headers: Mapping[str, Value], arguments: list[Value]) -> Call:
    offset, limit = _offset_and_limit(headers.get("resultLimit"))
    return Call(
        service=service,
        method=method,
        object_id=_object_id(headers.get(f"{service}InitParameters")),
        arguments=arguments,
        mask=_mask(headers.get("SoftLayer_ObjectMask")) or _mask(headers.get(f"{service}ObjectMask")),
        object_filter=_struct(headers.get(f"{service}ObjectFilter")),
        limit=limit,
        offset=offset,
    )


def _struct(value: Value) -> dict[str, Any]:
    """Return a struct; an empty one for null. Raises Fault for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _BadHeaders
    return value


def _object_id(entry: Value) -> int | None:
    """Return the id of ``{id}``, which the command line sends as a text."""
    if entry is None:
        return None
    given = _struct(entry).get("id")
    if isinstance(given, str) and re.fullmatch(f"[0-9]{{1,{MOST_DIGITS}}}", given):
        given = int(given)
    number = _whole_number(given)
    if number is None:
        raise _BadHeaders
    return number


def _mask(entry: Value) -> str | Mapping[str, Value] | None:
    asked = _struct(entry).get("mask")
    if asked is not None and not isinstance(asked, (str, dict)):
        raise _BadHeaders
    return asked or None


def _offset_and_limit(entry: Value) -> tuple[int, int | None]:
    """Return offset and limit of ``{limit, offset}``; a limit of 0 is none."""
    asked = _struct(entry)
    offset, limit = (_whole_number(asked.get(name) or 0) for name in ("offset", "limit"))
    if offset is None or limit is None:
        raise BadCall("Bad request: limit and offset of resultLimit are whole numbers.")
    return offset, limit or None


def _whole_number(value: Value) -> int | None:
    """Return a whole number from 0; none for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 10**MOST_DIGITS else None


# --- Documents --------------------------------------------------------------------------------------------------------

_INTEGERS = {"int", "i4", "i8"}
_TYPES = _INTEGERS | {"boolean", "double", "string", "nil", "ex:nil", "dateTime.iso8601"}
#: What is directly in an element, in this order; the document itself has no name. Parameters may be left out.
_ORDERS: dict[str, tuple[str, ...]] = {
    "": ("methodCall",),
    "methodCall": ("methodName", "params"),
    "param": ("value",),
    "array": ("data",),
    "member": ("name", "value"),
}
#: What is in an element any number of times.
_REPEATED = {"params": "param", "data": "value", "struct": "member"}
_OF_VALUES = _TYPES | {"array", "struct"}
_TEXTS = _TYPES | {"methodName", "name", "value"}
_INTEGER = re.compile(f"[+-]?[0-9]{{1,{MOST_DIGITS}}}").fullmatch
_DOUBLE = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?").fullmatch


@dataclass
class _Element:
    """An element that has begun: the text in it, and what the elements in it have come to."""

    name: str
    texts: list[str] = field(default_factory=list)
    found: list[Any] = field(default_factory=list)


def _document(body: bytes) -> tuple[str, list[Value]]:
    """Return name and arguments of the call in a document. Raises Fault.

    The bytes are UTF-8 whatever the document declares, as the Python client sends them; what is not UTF-8 is Latin-1,
    as for Basic credentials.
    """
    handler = _Handler()
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(handler)
    source = InputSource()
    source.setByteStream(io.BytesIO(body))
    source.setEncoding("utf-8" if _is_utf8(body) else "iso-8859-1")
    try:
        parser.parse(source)
    except (SAXException, DefusedXmlException, ValueError, LookupError):
        raise _NotWellFormed from None
    return handler.call()


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Handler(ContentHandler):
    """Makes values of elements while they are read, without ever going down into them."""

    def __init__(self) -> None:
        super().__init__()
        self._open = [_Element("")]
        self._seen = 0

    def call(self) -> tuple[str, list[Value]]:
        """Return name and arguments."""
        name, arguments = self._open[0].found[0]
        return name, arguments

    def startElement(self, name: str, attrs: object) -> None:  # noqa: N802 - named by the SAX interface
        """Begin an element, if it may stand here."""
        self._seen += 1
        if self._seen > MOST_VALUES:
            raise _NotXMLRPC(f": more than {MOST_VALUES:,} elements")
        if len(self._open) > MOST_LEVELS:
            raise _NotXMLRPC(f": elements lie more than {MOST_LEVELS} deep in each other")
        if not _may_stand(name, self._open[-1]):
            raise _NotXMLRPC
        self._open.append(_Element(name))

    def characters(self, content: str) -> None:
        """Take text, where there may be any."""
        around = self._open[-1]
        if around.name in _TEXTS:
            around.texts.append(content)
        elif content.strip():
            raise _NotXMLRPC

    def endElement(self, name: str) -> None:  # noqa: N802 - named by the SAX interface
        """End an element, and give what it has come to to the one that it is in."""
        element = self._open.pop()
        self._open[-1].found.append(_result(element))


def _may_stand(name: str, around: _Element) -> bool:
    if around.name == "value":
        return name in _OF_VALUES and not around.found and not "".join(around.texts).strip()
    if around.name in _REPEATED:
        return name == _REPEATED[around.name]
    order = _ORDERS.get(around.name, ())
    return len(around.found) < len(order) and name == order[len(around.found)]


def _result(element: _Element) -> Any:
    """Return what an element has come to. Raises Fault."""
    name, text = element.name, "".join(element.texts)
    if name == "value":
        return _of_value(text, element.found)
    if name in _TYPES:
        return _scalar(name, text)
    if name in _TEXTS:
        return text
    return _of_parts(name, element.found)


def _of_parts(name: str, found: list[Any]) -> Any:
    if name == "struct":
        members = dict(found)
        if len(members) < len(found):
            raise _NotXMLRPC(": a member of a struct is there twice")
        return members
    if name in _REPEATED:
        return found
    if name == "methodCall":
        if not found or not found[0].strip():
            raise _NoMethod
        return found[0].strip(), [value for params in found[1:] for value in params]
    if len(found) < len(_ORDERS[name]):
        raise _NotXMLRPC
    return tuple(found) if name == "member" else found[0]


def _of_value(text: str, found: list[Any]) -> Value:
    if not found:
        # Without a type, text is a string; an empty one is how softlayer-go writes null.
        return text if text.strip() else None
    if text.strip():
        raise _NotXMLRPC
    value: Value = found[0]
    return value


def _scalar(name: str, text: str) -> Value:
    """Return the value of a text that has a type. Raises Fault for a text that is none of its type."""
    plain = text.strip()
    if name in _INTEGERS and _INTEGER(plain):
        return int(plain)
    if name == "boolean" and plain in {"0", "1"}:
        return plain == "1"
    if name == "double" and _DOUBLE(plain) and math.isfinite(number := float(plain)):
        return number
    if name in {"string", "dateTime.iso8601"}:
        return text
    if name in {"nil", "ex:nil"} and not plain:
        return None
    raise _NotXMLRPC(f": that is no {name}")


# --- Answers ----------------------------------------------------------------------------------------------------------

#: softlayer-go knows a list by exactly this beginning; around it, it would take a list for one empty object.
_BEGINNING = '<?xml version="1.0" encoding="utf-8"?>\n<params>\n<param>\n<value>'
_END = "</value>\n</param>\n</params>\n"
#: What XML cannot say at all, not even escaped, and what it reads as something else.
_ODD = re.compile("[&<>\r\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def _written(answer: Answer) -> Iterator[str]:
    if answer.total is None:
        yield f"{_BEGINNING}{_value(answer.value)}{_END}"
        return
    yield f"{_BEGINNING}<array><data>"
    for item in answer.value:  # type: ignore[union-attr]  # what has a total is a list
        yield f"<value>{_value(item)}</value>\n"
    yield f"</data></array>{_END}"


def _value(value: Any) -> str:
    """Return a value with its type. Clients do not know null: members that are null are left out, others empty."""
    if isinstance(value, Mapping):
        members = (
            f"<member><name>{_text(name)}</name><value>{_value(part)}</value></member>\n"
            for name, part in value.items()
            if part is not None
        )
        return f"<struct>{''.join(members)}</struct>"
    if isinstance(value, (list, tuple)):
        return f"<array><data>{''.join(f'<value>{_value(part)}</value>' for part in value)}</data></array>"
    if isinstance(value, bool):
        return f"<boolean>{value:d}</boolean>"
    if isinstance(value, (int, float)):
        name = "int" if isinstance(value, int) else "double"
        return f"<{name}>{value!r}</{name}>"
    return f"<string>{_text(value or '')}</string>"


def _text(text: str) -> str:
    return _ODD.sub(lambda odd: _ESCAPED.get(odd[0], "\N{REPLACEMENT CHARACTER}"), text)


def _fault(error: Fault) -> str:
    """Return an error as clients read it. Its code is a text: softlayer-go knows no other."""
    code = {"faultCode": error.code, "faultString": str(error)}
    return f'<?xml version="1.0" encoding="utf-8"?>\n<fault>\n<value>{_value(code)}</value>\n</fault>\n'


XMLRPC = Transport("text/xml", ("POST",), has_statuses=False, read=_read, written=_written, fault=_fault)
