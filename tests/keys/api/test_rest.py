"""REST as each client sends it, what is asked of the methods, and what comes back."""

import json
import math

import pytest

from keys.api.faults import Fault, NotFound
from tests.keys.api.calling import PRIYA, Wire, items
from tests.keys.calls import basic

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


@pytest.fixture
def wire(value_of) -> Wire:
    """The application, called as Priya."""
    made = Wire()
    header = basic(PRIYA, value_of("priya"))
    send = made.send

    def as_priya(verb, address, body=b"", *, headers=None, **environ):
        return send(verb, address, body, headers={"Authorization": header, **(headers or {})}, **environ)

    made.send = as_priya
    return made


# --- What clients send ------------------------------------------------------------------------------------------------

PYTHON_LIST = (
    "SoftLayer_Account/getUsers.json?objectMask=mask%5Bid%2C+username%2C+displayName%2C+userStatus%5Bname%5D%2C+"
    "hardwareCount%2C+virtualGuestCount%2C+email%2C+roles%2C+externalBindingCount%2CapiAuthenticationKeyCount%2C+"
    "sslVpnAllowedFlag%5D"
)


def test_python_lists_users(wire):
    wire.rest("GET", PYTHON_LIST, headers={"Content-Type": "application/json"})
    call = wire.call
    assert (call.service, call.method, call.object_id, call.arguments) == ("SoftLayer_Account", "getUsers", None, ())
    assert call.mask == (
        "mask[id, username, displayName, userStatus[name], hardwareCount, virtualGuestCount, email, roles, "
        "externalBindingCount,apiAuthenticationKeyCount, sslVpnAllowedFlag]"
    )
    assert (call.object_filter, call.limit, call.offset, call.includes_types) == ({}, None, 0, False)


def test_python_asks_for_a_page_by_a_filter(wire):
    wire.rest(
        "GET",
        "SoftLayer_Account/getUsers.json?objectFilter=%7B%22users%22%3A+%7B%22username%22%3A+%7B%22operation%22%3A+"
        "%22_%3D+sl-m%C3%BCller%22%7D%7D%2C+%22id%22%3A+%7B%22operation%22%3A+%22orderBy%22%7D%7D&resultLimit=100%2C50",
    )
    call = wire.call
    assert call.object_filter == {
        "users": {"username": {"operation": "_= sl-müller"}},
        "id": {"operation": "orderBy"},
    }
    assert (call.limit, call.offset) == (50, 100)


def test_python_makes_a_key_by_get(wire):
    wire.gives = "f" * 64
    reply = wire.rest("GET", "SoftLayer_User_Customer/102/addApiAuthenticationKey.json")
    assert (wire.call.method, reply.json, reply.status) == ("addApiAuthenticationKey", "f" * 64, 200)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", None])
def test_arguments_are_read_whatever_the_type_of_content(wire, content_type):
    """A body is a form to curl, which says so, and Go says nothing."""
    headers = {"Content-Type": content_type} if content_type else {}
    for verb in ("POST", "PUT", "DELETE"):
        wire.rest(verb, "SoftLayer_User_Customer/removeApiAuthenticationKey", '{"parameters": [7008]}', headers=headers)
        call = wire.call
        assert (call.method, call.object_id, call.arguments) == ("removeApiAuthenticationKey", None, [7008])


def test_python_edits_by_post_and_creates_with_null(wire):
    body = '{"parameters": [{"ipAddressRestriction": "10.0.0.0/8", "note": "Zoë 𝟙"}, "secret", null]}'
    wire.rest("POST", "SoftLayer_User_Customer_ApiAuthentication/7002/editObject.json", body)
    call = wire.call
    assert (call.method, call.object_id) == ("editObject", 7002)
    assert call.arguments == [{"ipAddressRestriction": "10.0.0.0/8", "note": "Zoë 𝟙"}, "secret", None]


@pytest.mark.parametrize(
    ("verb", "path", "method", "object_id"),
    [
        # Go leaves out what the verb says.
        ("GET", "SoftLayer_User_Customer/101.json", "getObject", 101),
        ("GET", "SoftLayer_Account.json", "getObject", None),
        ("POST", "SoftLayer_User_Customer.json", "createObject", None),
        ("PUT", "SoftLayer_User_Customer_ApiAuthentication/7002.json", "editObject", 7002),
        ("DELETE", "SoftLayer_User_Customer/5.json", "deleteObject", 5),
        ("GET", "SoftLayer_Account/getUsers.json", "getUsers", None),
        # Java cuts off "get".
        ("GET", "SoftLayer_Account/Users.json", "getUsers", None),
        ("POST", "SoftLayer_User_Customer/5/ApiAuthenticationKeys.json", "getApiAuthenticationKeys", 5),
        # curl, as the reference has it, and as people type.
        ("GET", "SoftLayer_Account", "getObject", None),
        ("GET", "SoftLayer_User_Customer/101/getApiAuthenticationKeys", "getApiAuthenticationKeys", 101),
        ("GET", "/SoftLayer_User_Customer//0101/getObject/", "getObject", 101),
    ],
)
def test_addresses_of_every_client(wire, verb, path, method, object_id):
    assert wire.rest(verb, path).status == 200
    call = wire.call
    assert (call.service, call.method, call.object_id) == (
        next(part for part in path.replace(".json", "").split("/") if part), method, object_id,
    )  # fmt: skip


def test_both_versions_are_answered(wire):
    for version in ("v3", "v3.1"):
        assert wire.send("GET", f"/rest/{version}/SoftLayer_Account").status == 200


def test_java_wants_the_types(wire):
    for said, wanted in (("true", True), ("True", True), ("false", False), ("", False)):
        wire.rest("GET", "SoftLayer_Account", headers={"SoftLayer-Include-Types": said})
        assert wire.call.includes_types is wanted


@pytest.mark.parametrize(
    ("text", "offset", "limit"),
    [
        ("10", 0, 10), ("20,10", 20, 10), ("20%2C10", 20, 10), ("20,%2010", 20, 10), ("20,0", 20, None), ("0", 0, None),
        ("0,0", 0, None), ("", 0, None), ("999999999999999999,1", 10**18 - 1, 1),
    ],
)  # fmt: skip
def test_both_forms_of_limits(wire, text, offset, limit):
    wire.rest("GET", f"SoftLayer_Account/getUsers?resultLimit={text}")
    call = wire.call
    assert (call.offset, call.limit) == (offset, limit)


def test_people_send_brackets_and_letters_as_they_are(wire):
    """``curl -g``; and masks have lines."""
    wire.rest(
        "GET", 'SoftLayer_Account/getUsers?objectFilter={"users":{"email":{"operation":"^= zoë"}}}&objectMask=id;é'
    )
    call = wire.call
    assert (call.object_filter, call.mask) == ({"users": {"email": {"operation": "^= zoë"}}}, "id;é")
    wire.rest("GET", "SoftLayer_Account/getUsers?objectMask=mask[%0A%20id,%09username%0A]")
    assert wire.call.mask == "mask[\n id,\tusername\n]"


def test_other_parameters_are_not_looked_at(wire):
    """A client with a token of the portal puts a part of its own code there."""
    wire.rest("GET", "SoftLayer_Account?authenticate=complexType&authenticate=userId&x=%00&%FF=1&objectMask=")
    assert wire.call.mask is None


@pytest.mark.parametrize(
    "body", [b"", b" \r\n", b"{}", b'{"parameters": []}', b'{"parameters": null}', b'\xef\xbb\xbf{"parameters": []}']
)
def test_no_arguments_in_any_form(wire, body):
    assert wire.rest("POST", "SoftLayer_Account/getUsers", body).status == 200
    assert list(wire.call.arguments) == []


def test_get_has_no_arguments(wire):
    """By which it could change something."""
    sent = b'{"parameters": [{"userStatusId": 1005}]}'
    for path in ("SoftLayer_User_Customer/3/editObject", "SoftLayer_User_Customer/3"):
        reply = wire.rest("GET", path, sent)
        assert (reply.status, reply.fault) == (400, (BAD, "Bad request: a GET has no body. Send arguments by POST."))
        assert wire.calls == []
        assert wire.rest("GET", path, b" \n").status == 200
        assert wire.call.arguments == ()
    for verb in ("POST", "PUT"):
        assert wire.rest(verb, path, sent).status == 200
        assert wire.call.arguments == [{"userStatusId": 1005}]


# --- What cannot be read ----------------------------------------------------------------------------------------------

BAD = "SoftLayer_Exception_WebService_BadRequest"


def nested(depth: int, opens: str = "[", closes: str = "]") -> str:
    return opens * depth + closes * depth


BODIES = [
    b"{", b"x", b"[1]", b"7", b'"text"', b"null []", b'{"parameters": {}}', b'{"parameters": 5}', b"parameters=1",
    b'{"parameters": [NaN]}', b'{"parameters": [Infinity]}', b'{"parameters": [-Infinity]}', b'{"parameters": [1e999]}',
    b'{"parameters": [1000000000000000000]}', b'{"parameters": [-1000000000000000000]}', b'{"parameters": [1e18]}',
    b'{"parameters": [' + b"9" * 5_000 + b"]}", b'{"parameters": [-' + b"9" * 400 + b"]}",
    b'{"parameters": ["\\u0000"]}', b'{"parameters": ["\\ud800"]}',
    b'{"parameters": [{"\\udfff": 1}]}', b'{"parameters": [{"a\\u0000": 1}]}', b'{"parameters": ["\xff"]}',
    b'{"parameters": ["\xed\xa0\x80"]}', b"\xff\xfe{\x00}\x00", b"\x00", b'{"parameters": ["a\nb"]}',
    b'{"parameters": ' + nested(32).encode() + b"}", nested(100_000).encode(), b'{"parameters": ' + b"[" * 500_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"parameters": [' + b"1," * 10_000 + b"1]}",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
def test_body_that_cannot_be_read_is_400(wire, body):
    reply = wire.rest("POST", "SoftLayer_Account/getUsers", body)
    assert (reply.status, reply.fault[0], wire.calls) == (400, BAD, [])


def test_body_at_the_limits_is_read(wire):
    for parameters in (f"[{nested(30)}]", json.dumps(["x"] * 9_990), "[999999999999999999, -0.5, 1e17]"):
        assert wire.rest("POST", "SoftLayer_Account/getUsers", f'{{"parameters": {parameters}}}').status == 200
        assert wire.call.arguments == json.loads(parameters)


@pytest.mark.parametrize(
    "query",
    [
        "resultLimit=x", "resultLimit=-1", "resultLimit=1,2,3", "resultLimit=,", "resultLimit=1,", "resultLimit=1.5",
        "resultLimit=1000000000000000000", "resultLimit=%D9%A1", "resultLimit=1&resultLimit=2", "resultLimit=+1",
        "objectFilter=x", "objectFilter=[]", "objectFilter=5", "objectFilter=null", 'objectFilter={"a":NaN}',
        'objectFilter={"a":"%00"}', 'objectFilter={"a":"\\ud800"}', "objectFilter={}&objectFilter={}",
        "objectFilter=" + '{"a":' * 32 + "1" + "}" * 32, "objectFilter=" + "[" * 4_000,
        "objectMask=%00", "objectMask=%FF", "objectMask=%ED%A0%80", "objectMask=id&objectMask=username",
        "&".join(f"a{number}=1" for number in range(101)),
    ],
)  # fmt: skip
def test_query_that_cannot_be_read_is_400(wire, query):
    if query == "resultLimit=+1":
        query = "resultLimit=%2B1"
    reply = wire.rest("GET", f"SoftLayer_Account/getUsers?{query}")
    assert (reply.status, reply.fault[0], wire.calls) == (400, BAD, [])


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("SoftLayer_User_Customer/9999999999999999999999/getObject", 404, "id of '9999999999999999999999'."),
        ("SoftLayer_User_Customer/five/getObject", 404, "id of 'five'."),
        ("SoftLayer_User_Customer/%C3%A9%00%FF'<x>/getObject", 404, "id of 'é\ufffd\ufffd'<x>'."),
        ("SoftLayer_User_Customer/" + "7" * 7_000 + "/getObject", 404, "id of '" + "7" * 59 + "…'."),
        ("SoftLayer_Account/get-users", 500, 'Function ("get-users") is not a valid method for this service.'),
        ("SoftLayer_Account/.json", 500, 'Function ("") is not a valid method for this service.'),
        ("SoftLayer_Account/getUsers.xml", 500, 'Function ("getUsers.xml") is not a valid method for this service.'),
        (
            "SoftLayer_Account/%3Cscript%3E%0D%0A",
            500,
            'Function ("<script>\ufffd\ufffd") is not a valid method for this service.',
        ),
        ("SoftLayer_%C3%84ccount", 500, "Service does not exist"),
        ("..", 404, "There is nothing at this address: calls are answered below /v3.1/."),
        (".json", 500, "Service does not exist"),
    ],
)
def test_address_of_what_there_is_not(wire, path, status, text):
    reply = wire.rest("GET", path)
    assert reply.status == status
    assert reply.fault[1].endswith(text)
    assert wire.calls == []


@pytest.mark.parametrize("path", ["", "/", "v3.1", "v3.1/", "v2/SoftLayer_Account", "v3.1/SoftLayer_Account/1/a/b"])
def test_address_of_nothing_is_404_whoever_asks(path):
    reply = Wire().send("GET", f"/rest/{path}")
    assert (reply.status, reply.fault[0]) == (404, "SoftLayer_Exception_Public")


# --- What comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (True, b"true"), (False, b"false"), (None, b"null"), (7, b"7"), ("", b'""'), ("zoë", b'"zo\\u00eb"'),
        ({}, b"{}"), ({"id": 1, "a": {"b": [True, None, 0.5]}}, b'{"id":1,"a":{"b":[true,null,0.5]}}'),
        ("\ud800\x00\u2028</script>", b'"\\ud800\\u0000\\u2028</script>"'),
    ],
)  # fmt: skip
def test_result_is_bare_json(wire, value, body):
    wire.gives = value
    reply = wire.rest("GET", "SoftLayer_Account")
    assert (reply.status, reply.body) == (200, body)
    assert "SoftLayer-Total-Items" not in reply.headers


@pytest.mark.parametrize("number", [0, 1, 2, 30])
def test_list_says_how_many_there_are_in_all(wire, number):
    wire.gives, wire.total = items(number), 4_321
    reply = wire.rest("GET", "SoftLayer_Account/getUsers")
    assert reply.json == list(items(number))
    assert reply.headers["SoftLayer-Total-Items"] == "4321"


def test_error_is_an_object_with_its_status(wire):
    wire.gives = Fault("Each user can only have a single API key.")
    reply = wire.rest("GET", "SoftLayer_User_Customer/1/addApiAuthenticationKey")
    assert (reply.status, reply.json) == (
        500, {"error": "Each user can only have a single API key.", "code": "SoftLayer_Exception_Public"},
    )  # fmt: skip
    wire.gives = NotFound(5)
    reply = wire.rest("GET", "SoftLayer_User_Customer/5")
    assert (reply.status, reply.fault) == (
        404, ("SoftLayer_Exception_ObjectNotFound", "Unable to find object with id of '5'."),
    )  # fmt: skip


def test_number_that_is_none_is_an_error_and_not_half_an_answer(wire):
    wire.gives = [{"id": 1}, {"id": math.nan}]
    wire.total = 2
    assert wire.rest("GET", "SoftLayer_Account/getUsers").status == 500
