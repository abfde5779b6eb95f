"""Whatever is sent, the answer is one that clients can read; and what is written is read as what was meant."""

import json
import xmlrpc.client

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.middleware import ALWAYS
from keys.api.application import ApiApplication
from keys.api.calls import Answer
from keys.api.rest import REST
from keys.api.xmlrpc import XMLRPC
from tests.keys.api.calling import PRIYA, Wire, document, headed, send
from tests.keys.calls import basic, django
from tests.visitors import undone

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

several = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

VERBS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"])
#: What is worth sending, besides anything.
WORDS = [
    *(
        "SoftLayer_Account",
        "getUsers",
        "Users",
        "5",
        "9" * 21,
        ".json",
        "/",
        "//",
        "..",
        "%00",
        "%ff",
        "%2f",
        "é",
        "NaN",
    ),
    *("objectMask=", "objectFilter=", "resultLimit=", "mask[id]", "{}", "1,2", "&", ";", "=", "+", "[", "{", '"'),
]
TAGS = "methodCall methodName params param value struct member name array data string int nil".split()
PIECES = [f"{form}{tag}>" for form in ("<", "</") for tag in TAGS] + [
    "<value/>",
    "headers",
    "authenticate",
    "5",
    "x",
    "&",
]
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
whole = st.integers(-(10**18) + 1, 10**18 - 1)
numbers = whole | st.floats(-1e17, 1e17, allow_nan=False)


def values(leaves, names=texts):
    """Return what makes values of such leaves, some of them in lists and structs."""
    inner = lambda below: st.lists(below, max_size=4) | st.dictionaries(names, below, max_size=4)
    return st.recursive(leaves, inner, max_leaves=20)


plain = values(st.none() | st.booleans() | numbers | texts)


@pytest.fixture
def wire(cast) -> Wire:
    return Wire(gives={})


@pytest.fixture
def header(value_of) -> dict[str, str]:
    return {"Authorization": basic(PRIYA, value_of("priya"))}


@several
@given(
    verb=VERBS,
    place=st.sampled_from(["/rest", "/xmlrpc"]),
    path=st.lists(st.sampled_from(WORDS) | texts).map("".join),
    body=st.binary(max_size=200),
)
def test_any_address_and_body_get_an_answer_that_clients_can_read(wire, header, *, verb, place, path, body):
    """What every answer must have is looked at where it is received."""
    address = f"{place}/v3.1/{path}".replace("?", "%3F")
    wire.send(verb, address, body, headers=header)
    wire.send(verb, f"{place}/v3.1/SoftLayer_Account/getUsers?{path}", body, headers=header)


@several
@given(
    body=st.binary() | st.lists(st.sampled_from(PIECES) | texts, max_size=40).map(lambda parts: "".join(parts).encode())
)
def test_any_document_gets_an_answer_that_clients_can_read(wire, body):
    wire.xmlrpc("SoftLayer_Account", body)
    assert wire.calls == []


@several
@given(data=st.data())
def test_any_change_of_a_call_gets_an_answer_that_clients_can_read(wire, value_of, data):
    whole = document(
        "getUsers", headed(PRIYA, value_of("priya"), resultLimit={"limit": 5}), [1, {"a": "é"}, None, True, 0.5]
    )
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(start + 20, len(whole))))
    wire.xmlrpc("SoftLayer_Account", whole[:start] + data.draw(st.binary(max_size=5)) + whole[end:])


@several
@given(header=st.text(st.characters(codec="latin-1")) | st.binary().map(lambda sent: "Basic " + sent.decode("latin-1")))
def test_any_header_of_credentials_gets_an_answer_that_clients_can_read(wire, header):
    for verb, path in (("GET", "/rest/v3.1/SoftLayer_Account"), ("POST", "/xmlrpc/v3.1/SoftLayer_Account")):
        wire.send(verb, path, document("getObject", {"headers": {}}), headers={"Authorization": header})
    assert wire.calls == []


@several
@given(arguments=st.lists(plain, max_size=4))
def test_arguments_are_read_as_they_were_meant(wire, header, value_of, arguments):
    wire.rest("POST", "SoftLayer_Account/getUsers", json.dumps({"parameters": arguments}), headers=header)
    assert wire.call.arguments == arguments


#: What a template and the arguments of a login are made of, besides anything.
MEANT = st.sampled_from(["new@acme.example", PRIYA, "keytree-demo", 1001, "1022", 1022, 1004, "Lisbon", "lisbon"])
NAMES = st.sampled_from(["email", "username", "userStatusId", "firstName", "displayName", "parentId", "roles"]) | texts


@several
@given(
    template=st.dictionaries(NAMES, MEANT | plain, max_size=6) | plain, more=st.lists(MEANT | plain, max_size=3)
)  # fmt: skip
def test_any_template_and_any_login_get_an_answer_that_clients_can_read(value_of, template, more, monkeypatch):
    header = {"Authorization": basic("1234567_marcus@acme.example", value_of("marcus"))}
    monkeypatch.setattr("accounts.signin._REFUSAL_SECONDS", 0)
    application = ApiApplication(django, headers=ALWAYS)
    for method, arguments in (("createObject", [template, *more]), ("getPortalLoginToken", more)):
        address, body = f"/rest/v3.1/SoftLayer_User_Customer/{method}", json.dumps({"parameters": arguments})
        with undone():
            reply = send(application, "POST", address, body, headers=header)
        if reply.status >= 400:
            assert reply.fault[0].startswith("SoftLayer_Exception_"), (arguments, reply.fault)


def for_xml(value):
    """The value as XML can say it: it has fewer characters, and one line end."""
    if isinstance(value, dict):
        return {for_xml(name): for_xml(part) for name, part in value.items()}
    if isinstance(value, list):
        return list(map(for_xml, value))
    if isinstance(value, str):
        odd = set(range(32)) - {9, 10} | {0xFFFE, 0xFFFF}
        return "".join(sign for sign in value if ord(sign) not in odd)
    return value


@several
@given(
    arguments=st.lists(
        values(st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | texts).map(for_xml), max_size=4
    )
)
def test_arguments_in_a_document_are_read_as_they_were_meant(wire, value_of, arguments):
    wire.xmlrpc("SoftLayer_Account", document("getUsers", headed(PRIYA, value_of("priya")), *arguments))
    assert wire.call.arguments == arguments


@several
@given(
    value=values(
        st.booleans() | numbers | st.text(), names=st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF))
    )
)
def test_results_are_read_as_they_were_meant(value):
    assert json.loads("".join(REST.written(Answer(value)))) == value
    ((read,), _) = xmlrpc.client.loads("".join(XMLRPC.written(Answer(value))))
    assert shown(read) == shown(value)


def shown(value):
    """The value as XML shows it: what it has no character for is one and the same."""
    if isinstance(value, dict):
        return {name: shown(part) for name, part in value.items()}
    if isinstance(value, list):
        return list(map(shown, value))
    if isinstance(value, str):
        odd = set(range(32)) - {9, 10, 13} | {0xFFFE, 0xFFFF} | set(range(0xD800, 0xE000))
        return "".join("\ufffd" if ord(sign) in odd else sign for sign in value)
    return value
