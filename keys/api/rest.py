"""REST: an address and JSON in, JSON out; the status carries the meaning of errors.

Go and Java leave out names of methods, or the beginning of them, and curl sends JSON as if it were a form: what is
read does not depend on the type of content.

*Source:* SoftLayer API reference, "REST"; docs/clients.md says what each client sends.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import parse_qsl

from keys.api.answers import resolve
from keys.api.calls import Answer, Call, Value
from keys.api.faults import BadCall, Fault, NotFound, shown
from keys.api.logins import is_login
from keys.api.transport import Asked, Request, Transport, header_credentials
from keys.sent import MOST_DIGITS, check_text, from_json

#: Service, id and method.
_MOST_PARTS = 3
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}").fullmatch
_DIGITS = re.compile("[0-9]+").fullmatch
_LIMIT = re.compile(f"(?:([0-9]{{1,{MOST_DIGITS}}}),)?([0-9]{{1,{MOST_DIGITS}}})").fullmatch
_PARAMETERS = ("objectMask", "objectFilter", "resultLimit")
_MOST_PARAMETERS = 100


# --- Requests ---------------------------------------------------------------------------------------------------------


def _read(request: Request) -> Asked:
    """Return what a request asks for. Raises Fault."""
    if not 1 <= len(request.parts) <= _MOST_PARTS:
        raise Fault("There is nothing at this address: it is …/rest/v3.1/SERVICE/ID/METHOD.json.", status=404)
    service, method = request.parts[0], request.parts[-1].removesuffix(".json")
    credentials = None if is_login(service, method) else header_credentials(request)
    return Asked(credentials, partial(_call, request))


def _call(request: Request) -> Call:
    *before, last = request.parts
    service, *further = [*before, last.removesuffix(".json")]
    if not _NAME(service):
        raise Fault("Service does not exist")
    object_id = None
    if further and (_DIGITS(further[0]) or len(further) == _MOST_PARTS - 1):
        object_id = _number(further.pop(0))
    if further and not _NAME(further[0]):
        raise Fault(f'Function ("{shown(further[0])}") is not a valid method for this service.')
    query = _query(request.environ.get("QUERY_STRING", ""))
    offset, limit = _offset_and_limit(query.get("resultLimit", ""))
    return Call(
        service=service,
        method=resolve(service, further[0] if further else None, request.verb),
        object_id=object_id,
        arguments=_arguments(request.verb, request.body),
        mask=query.get("objectMask") or None,
        object_filter=_filter(query.get("objectFilter", "")),
        limit=limit,
        offset=offset,
        includes_types=request.environ.get("HTTP_SOFTLAYER_INCLUDE_TYPES", "").lower() == "true",
        is_post=request.verb == "POST",
    )


def _number(text: str) -> int:
    if not _DIGITS(text) or len(text) > MOST_DIGITS:
        raise NotFound(shown(text))
    return int(text)


def _query(sent: str) -> dict[str, str]:
    """Return the parameters that there are; all others, credentials among them, are not looked at.

    People who use curl send brackets, braces and other letters as they are.
    """
    text = sent.encode("latin-1").decode(errors="surrogateescape")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise BadCall("Bad request: the query has too many parameters.") from None
    known = [(name, text) for name, text in pairs if name in _PARAMETERS]
    found = dict(known)
    if len(found) < len(known):
        raise BadCall("Bad request: a parameter of the query is there twice.")
    for text in found.values():
        check_text(text)
    return found


def _offset_and_limit(text: str) -> tuple[int, int | None]:
    """Return offset and limit of ``OFFSET,LIMIT`` or ``LIMIT``; a limit of 0 is none."""
    if not text:
        return 0, None
    found = _LIMIT(text.replace(" ", ""))
    if found is None:
        raise BadCall("Bad request: resultLimit is OFFSET,LIMIT or LIMIT, whole numbers.")
    return int(found[1] or 0), int(found[2]) or None


def _filter(text: str) -> Mapping[str, Value]:
    asked = from_json(text) if text else {}
    if not isinstance(asked, dict):
        raise BadCall("Bad request: objectFilter is a JSON object.")
    return asked


def _arguments(verb: str, body: bytes) -> Sequence[Value]:
    if not body.strip():
        return ()
    if verb == "GET":
        # No client sends one. A template in it would change something by GET, and proxies may drop it.
        raise BadCall("Bad request: a GET has no body. Send arguments by POST.")
    try:
        sent = from_json(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadCall("Bad request: the body is not UTF-8.") from None
    arguments = sent.get("parameters") if isinstance(sent, dict) else sent
    if arguments is None:
        return ()
    if not isinstance(sent, dict) or not isinstance(arguments, list):
        raise BadCall('Bad request: the body is a JSON object like {"parameters": [1, 2]}.')
    return arguments


# --- Answers ----------------------------------------------------------------------------------------------------------

# Escaped, so that neither half of a character nor a line separator comes out as it is.
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


def _written(answer: Answer) -> Iterator[str]:
    if answer.total is None:
        yield _encode(answer.value)
        return
    before = "["
    for item in answer.value:  # type: ignore[union-attr]  # what has a total is a list
        yield before + _encode(item)
        before = ","
    yield "[]" if before == "[" else "]"


def _fault(error: Fault) -> str:
    """Return an error as the Python client insists on it: it fails at any other JSON."""
    return _encode({"error": str(error), "code": error.code})


REST = Transport(
    "application/json", ("GET", "POST", "PUT", "DELETE"), has_statuses=True, read=_read, written=_written, fault=_fault
)
