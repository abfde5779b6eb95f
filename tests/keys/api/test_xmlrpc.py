"""XML-RPC as each client sends it, what is asked of the methods, and what comes back."""

import xmlrpc.client

import pytest

from keys.api.faults import Denied, Fault, NotFound
from tests.keys.api.calling import DECLARATION, PRIYA, document, headed, items
from tests.keys.calls import basic

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

PARSE, SPEC, NO_METHOD, HEADERS = "-32700", "-32600", "-32601", "-32602"


@pytest.fixture
def headers(value_of):
    """The header struct with Priya's key, and more members."""
    return lambda **members: headed(PRIYA, value_of("priya"), **members)


@pytest.fixture
def python(wire, headers):
    """A call as the Python client makes it."""

    def python(service, method, *arguments, **members):
        more = {"Content-Type": "application/xml", "User-Agent": "softlayer-python/v6.2.9"}
        return wire.xmlrpc(service, document(method, headers(**members), *arguments), headers=more)

    return python


# --- What clients send ------------------------------------------------------------------------------------------------


def test_python_lists_users(wire, python):
    python(
        "SoftLayer_Account",
        "getUsers",
        SoftLayer_ObjectMask={"mask": "mask[id,userStatus[name]]"},
        SoftLayer_AccountObjectFilter={
            "users": {"username": {"operation": "_= zoë 𝟙"}},
            "id": {"operation": "orderBy"},
        },
        resultLimit={"limit": 100, "offset": 200},
    )
    call = wire.call
    assert (call.service, call.method, call.object_id, list(call.arguments)) == (
        "SoftLayer_Account", "getUsers", None, [],
    )  # fmt: skip
    assert call.mask == "mask[id,userStatus[name]]"
    assert call.object_filter == {"users": {"username": {"operation": "_= zoë 𝟙"}}, "id": {"operation": "orderBy"}}
    assert (call.limit, call.offset, call.includes_types) == (100, 200, False)


@pytest.mark.parametrize("sent", [102, "102", "0102"])
def test_python_names_an_object_by_number_or_text(wire, python, sent):
    python("SoftLayer_User_Customer", "addApiAuthenticationKey", SoftLayer_User_CustomerInitParameters={"id": sent})
    call = wire.call
    assert (call.method, call.object_id) == ("addApiAuthenticationKey", 102)


def test_python_asks_with_a_struct_and_an_empty_filter(wire, python):
    asked = {"userStatus": {}, "parent": {"apiAuthenticationKeys": []}}
    python(
        "SoftLayer_User_Customer",
        "getObject",
        SoftLayer_User_CustomerObjectMask={"mask": asked},
        SoftLayer_User_CustomerObjectFilter={},
    )
    call = wire.call
    assert (call.mask, call.object_filter) == (asked, {})


def test_python_sends_arguments_of_every_kind(wire, python):
    template = {"ipAddressRestriction": "", "note": 'a\n<&>\t"é', "n": [1, -2, 0.5, True, None, {}], "t": "  "}
    python("SoftLayer_User_Customer", "createObject", template, "secret", None)
    assert wire.call.arguments == [template, "secret", None]


@pytest.mark.parametrize("version", ["v3", "v3.1"])
def test_python_with_basic_credentials_sends_empty_headers(wire, value_of, version):
    for headers in ({"headers": {}}, {"headers": {"authenticate": None}}):
        wire.send(
            "POST",
            f"/xmlrpc/{version}/SoftLayer_Account",
            document("getObject", headers),
            headers={"Authorization": basic(PRIYA, value_of("priya"))},
        )
        assert wire.call.method == "getObject"
        assert wire.callers[-1].member.api_username == PRIYA


def test_go_sends_its_own_name_and_null(wire, value_of):
    """Its unsigned numbers are i4, its null is an empty value, and its texts have no type."""
    wire.xmlrpc(
        "SoftLayer_User_Customer",
        '<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>createObject</methodName><params>'
        "<param><value><struct><member><name>headers</name><value><struct>"
        "<member><name>authenticate</name><value><struct>"
        f"<member><name>apiKey</name><value><string>{value_of('priya')}</string></value></member>"
        f"<member><name>username</name><value><string>{PRIYA}</string></value></member></struct></value></member>"
        "<member><name>User-Agent</name><value><string>softlayer-go/v1.2.0 (go1.21)</string></value></member>"
        "<member><name>SoftLayer_User_CustomerInitParameters</name><value><struct><member><name>id</name>"
        "<value><int>101</int></value></member></struct></value></member>"
        "<member><name>resultLimit</name><value><struct><member><name>limit</name><value><int>10</int></value></member>"
        "<member><name>offset</name><value><int>0</int></value></member></struct></value></member>"
        "</struct></value></member></struct></value></param>"
        "<param><value><i4>7002</i4></value></param><param><value/></param><param><value></value></param>"
        "<param><value>plain &amp; simple</value></param><param><value><i8>7</i8></value></param>"
        "</params></methodCall>",
        headers={"Content-Type": "text/xml"},
    )
    call = wire.call
    assert (call.object_id, call.limit, call.offset) == (101, 10, 0)
    assert call.arguments == [7002, None, None, "plain & simple", 7]


def test_ruby_sends_i4_and_lines(wire, value_of):
    wire.xmlrpc(
        "SoftLayer_Account",
        '<?xml version="1.0" ?><methodCall><methodName>getUsers</methodName><params><param><value><struct><member>'
        "<name>headers</name><value><struct><member><name>authenticate</name><value><struct><member><name>username</name>"
        f"<value><string>{PRIYA}</string></value></member><member><name>apiKey</name>"
        f"<value><string>{value_of('priya')}</string></value></member></struct></value></member><member>"
        "<name>SoftLayer_ObjectMask</name><value><struct><member><name>mask</name><value><string>[mask[id],mask.username]"
        "</string></value></member></struct></value></member><member><name>resultLimit</name><value><struct><member>"
        "<name>limit</name><value><i4>2</i4></value></member><member><name>offset</name><value><i4>1</i4></value></member>"
        "</struct></value></member></struct></value></member></struct></value></param>"
        "<param>\n <value>\n  <boolean> 1 </boolean>\n </value>\n</param></params>\n</methodCall>\n",
        headers={"Content-Type": "text/xml; charset=utf-8"},
    )
    call = wire.call
    assert (call.mask, call.limit, call.offset, call.arguments) == ("[mask[id],mask.username]", 2, 1, [True])


@pytest.mark.parametrize("declared", ["iso-8859-1", "utf-8", "US-ASCII", "UTF-16", "windows-1252", "nonsense", None])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_bytes_are_believed_and_not_what_is_declared(wire, headers, declared, encoding):
    declaration = f"<?xml version='1.0' encoding='{declared}'?>" if declared else ""
    text = document("getUsers", headers(), "Zoë").decode().partition("?>")[2]
    wire.xmlrpc("SoftLayer_Account", (declaration + text.strip()).encode(encoding))
    assert wire.call.arguments == ["Zoë"]


@pytest.mark.parametrize("limit", [{"limit": 0}, {}, None, {"limit": None, "offset": None}, {"offset": 0}])
def test_limit_that_is_none(wire, python, limit):
    python("SoftLayer_Account", "getUsers", resultLimit=limit)
    call = wire.call
    assert (call.limit, call.offset) == (None, 0)


def test_deepest_filter_that_clients_send_is_read(wire, python):
    listed = {"operation": "in", "options": [{"name": "data", "value": ["a", "b"]}]}
    asked = {"users": {"parent": {"username": listed}}}
    python("SoftLayer_Account", "getUsers", SoftLayer_AccountObjectFilter=asked)
    assert wire.call.object_filter == asked


# --- Who calls --------------------------------------------------------------------------------------------------------

WRONG = ("SoftLayer_Exception", "Invalid API token.")


@pytest.mark.parametrize(
    "presented",
    [
        {"username": PRIYA, "apiKey": "0" * 64},
        {"username": PRIYA, "apiKey": ""},
        {"username": PRIYA},
        {"username": PRIYA, "apiKey": None},
        {"username": None, "apiKey": None},
        {"username": 5, "apiKey": 5},
        {"username": 5, "apiKey": "0" * 64},
        {"apiKey": "0" * 64},
        {"username": "nobody", "apiKey": "0" * 64},
        {"username": "apikey", "apiKey": "x" * 44},
        {"complexType": "PortalLoginToken", "userId": 1, "authToken": "x"},
        {}, "", "text", 5, [], True,
    ],
)  # fmt: skip
def test_wrong_credentials_look_the_same_whatever_is_wrong(wire, value_of, presented):
    """Credentials in the document are those that count, right ones in the header or not."""
    for header in ({}, {"Authorization": basic(PRIYA, value_of("priya"))}):
        call = document("getObject", {"headers": {"authenticate": presented}})
        reply = wire.xmlrpc("SoftLayer_Account", call, headers=header)
        assert (reply.status, reply.fault, wire.calls) == (200, WRONG, [])


def test_no_credentials_are_told_apart(wire):
    reply = wire.xmlrpc("SoftLayer_Account", document("getObject", {"headers": {}}))
    assert reply.fault == ("SoftLayer_Exception", "No valid authentication headers found.")
    for header in ("Basic x", "Bearer eyJ", "Basic", basic(PRIYA, "x")):
        reply = wire.xmlrpc(
            "SoftLayer_Account", document("getObject", {"headers": {}}), headers={"Authorization": header}
        )
        assert reply.fault == WRONG


# --- What cannot be read ----------------------------------------------------------------------------------------------


def call_of(inside: str) -> str:
    return f"<methodCall><methodName>getUsers</methodName>{inside}</methodCall>"


def argument(inside: str) -> str:
    return call_of(f"<params><param><value>{inside}</value></param></params>")


NOT_WELL_FORMED = [
    "", " ", "x", "<", "<methodCall>", "<methodCall></methodcall>", "{}", "\0", argument("a\0b"), argument("&#0;"),
    argument("&#xD800;"), argument("&#xFFFE;"), argument("&nbsp;"), argument("a & b"), argument("\x01"),
    argument("<string a=b></string>"), f"{argument('x')}x", f" {DECLARATION}{argument('x')}", "<" * 100_000,
    f'<!DOCTYPE methodCall>{argument("x")}', f'<!DOCTYPE methodCall SYSTEM "file:///etc/passwd">{argument("x")}',
    f'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>{argument("&x;")}',
    f'<!DOCTYPE m [<!ENTITY a "{"x" * 1_000}"><!ENTITY b "{"&a;" * 1_000}">]>{argument("&b;")}',
    f'<!DOCTYPE m [<!ENTITY % p SYSTEM "http://127.0.0.1:1/">%p;]>{argument("x")}',
    f'<!DOCTYPE methodCall PUBLIC "-//X//Y" "http://127.0.0.1:1/">{argument("x")}',
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_WELL_FORMED, ids=lambda text: repr(text[:50]))
def test_document_that_is_not_well_formed(wire, text):
    """A document type is as good as none: nothing of it is looked at."""
    reply = wire.xmlrpc("SoftLayer_Account", text)
    assert reply.fault == (PARSE, "parse error. not well formed")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp037", "utf-7"])
def test_document_in_another_encoding_is_not_well_formed(wire, encoding):
    text = f"<?xml version='1.0' encoding='{encoding}'?>" + argument("&é;")
    assert wire.xmlrpc("SoftLayer_Account", text.encode(encoding)).fault[0] == PARSE


NO_CALL = [
    "<a/>", "<x:methodCall/>", "<params/>", "<methodResponse><params/></methodResponse>", "<methodCall>x</methodCall>",
    "<methodCall><params/><methodName>a</methodName></methodCall>", call_of("<methodName>b</methodName>"),
    call_of("<params/><params/>"), call_of("<params>x</params>"), call_of("<params><value/></params>"),
    call_of("<params><param/></params>"), call_of("<params><param>x</param></params>"),
    call_of("<params><param><value/><value/></param></params>"), argument("<int>1</int><int>1</int>"),
    argument("x<int>1</int>"), argument("<int>1</int>x"), argument("<int/>"), argument("<int></int>"),
    argument("<int>x</int>"), argument("<int>1.5</int>"), argument("<int>0x10</int>"), argument("<int>1_0</int>"),
    argument("<int>١</int>"), argument("<int>1e3</int>"), argument(f"<int>{'9' * 19}</int>"),
    argument(f"<i8>{'9' * 100_000}</i8>"), argument("<int><int>1</int></int>"), argument("<boolean>2</boolean>"),
    argument("<boolean>true</boolean>"), argument("<boolean/>"), argument("<double>nan</double>"),
    argument("<double>inf</double>"), argument("<double>1e999</double>"), argument(f"<double>{'9' * 1000}</double>"),
    argument("<double/>"), argument("<nil>x</nil>"), argument("<base64>eA==</base64>"), argument("<i2>1</i2>"),
    argument("<array/>"), argument("<array><value/></array>"), argument("<array><data/><data/></array>"),
    argument("<array><data>x</data></array>"), argument("<array>x<data/></array>"), argument("<struct>x</struct>"),
    argument("<struct><member/></struct>"), argument("<struct><member><name>a</name></member></struct>"),
    argument("<struct><member><value/></member></struct>"), argument("<struct><value/></struct>"),
    argument("<struct><member><value/><name>a</name></member></struct>"),
    argument("<struct>" + "<member><name>a</name><value/></member>" * 2 + "</struct>"), argument("<methodCall/>"),
    argument("<string><b>x</b></string>"), argument("<value>x</value>"),
    argument("<array><data>" * 2 + "</data></array>" * 2), "<methodCall>" * 2,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_CALL, ids=lambda text: repr(text[-60:]))
def test_document_that_is_no_call(wire, text):
    reply = wire.xmlrpc("SoftLayer_Account", text[: 1024 * 1024])
    assert reply.fault[0] == SPEC
    assert reply.fault[1].startswith("server error. invalid xml-rpc. not conforming to spec")


def deep(arrays: int) -> str:
    """Elements in each other: the argument itself is the fourth, and each array is three more."""
    return "<array><data><value>" * arrays + "<int>1</int>" + "</value></data></array>" * arrays


def many(elements: int) -> str:
    """Elements next to each other, with the seven around them and before them."""
    return "<array><data>" + "<value/>" * (elements - 7) + "</data></array>"


def test_elements_up_to_the_limits_are_read(wire):
    """They get as far as the headers, which are missing."""
    for inside in (deep(9), many(10_000)):
        assert wire.xmlrpc("SoftLayer_Account", argument(inside)).fault[0] == HEADERS


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (deep(10), "elements lie more than 32 deep in each other"),
        ("<array><data><value>" * 50_000, "elements lie more than 32 deep in each other"),
        (many(10_001), "more than 10,000 elements"),
        (many(100_000), "more than 10,000 elements"),
    ],
    ids=["33", "150,000", "10,001", "100,000"],
)
def test_elements_beyond_the_limits_are_refused(wire, inside, why):
    reply = wire.xmlrpc("SoftLayer_Account", argument(inside)[: 1024 * 1024])
    assert reply.fault == (SPEC, f"server error. invalid xml-rpc. not conforming to spec: {why}")


@pytest.mark.parametrize("text", ["<methodCall/>", "<methodCall><methodName> </methodName><params/></methodCall>"])
def test_call_without_a_method(wire, text):
    assert wire.xmlrpc("SoftLayer_Account", text).fault == (NO_METHOD, "server error. requested method not found")


@pytest.mark.parametrize("first", [[], [None], [5], [[]], ["headers"], [{}], [{"headers": None}], [{"headers": []}]])
def test_call_without_headers(wire, first):
    reply = wire.xmlrpc("SoftLayer_Account", document("getObject", *first))
    assert reply.fault == (HEADERS, "server error. invalid method init parameters")


@pytest.mark.parametrize(
    "member",
    [
        {"SoftLayer_AccountInitParameters": value}
        for value in (5, "5", [], {"id": "x"}, {"id": ""}, {"id": -1}, {"id": 1.5}, {"id": True}, {"id": None},
                      {"id": "9" * 19}, {"id": "١"}, {"id": {}}, {"name": "x"}, {})
    ] + [{"SoftLayer_ObjectMask": value} for value in ("mask[id]", [], {"mask": 5}, {"mask": [1]})]
    + [{"SoftLayer_AccountObjectMask": value} for value in ("mask[id]", {"mask": True})]
    + [{"SoftLayer_AccountObjectFilter": value} for value in ("{}", [1], 5)]
    + [{"resultLimit": value} for value in (5, [1])],
)  # fmt: skip
def test_header_that_cannot_be_read(wire, python, member):
    assert python("SoftLayer_Account", "getObject", **member).fault[0] == HEADERS
    assert wire.calls == []


@pytest.mark.parametrize("limit", [{"limit": -1}, {"limit": "5"}, {"limit": 1.5}, {"offset": -1}, {"offset": True}])
def test_limit_that_cannot_be_read(wire, python, limit):
    assert python("SoftLayer_Account", "getUsers", resultLimit=limit).fault[0].endswith("BadRequest")


def test_another_services_headers_are_not_this_ones(wire, python):
    python("SoftLayer_Account", "getUsers", SoftLayer_User_CustomerInitParameters={"id": 5}, nonsense=[1])
    assert wire.call.object_id is None


@pytest.mark.parametrize("path", ["", "/", "v3.1", "v3.1/", "v2/SoftLayer_Account", "v3.1/SoftLayer_Account/getObject"])
def test_address_of_nothing_is_a_fault(wire, path):
    reply = wire.send("POST", f"/xmlrpc/{path}", document("getObject", {"headers": {}}))
    assert (reply.status, reply.fault[0]) == (200, "SoftLayer_Exception_Public")


# --- What comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "<boolean>1</boolean>"),
        (False, "<boolean>0</boolean>"),
        (7, "<int>7</int>"),
        (None, "<string></string>"),
        (0.5, "<double>0.5</double>"),
        ("", "<string></string>"),
        ("a<&>\r\n", "<string>a&lt;&amp;&gt;&#13;\n</string>"),
        ("\x00\x1f\ud800\ufffe", "<string>\ufffd\ufffd\ufffd\ufffd</string>"),
        ([], "<array><data></data></array>"),
        (
            {"a": None, "b": (1,)},
            "<struct><member><name>b</name><value><array><data><value><int>1</int></value></data></array></value>"
            "</member>\n</struct>",
        ),
        (
            {"<a&\x01>": "x"},
            "<struct><member><name>&lt;a&amp;\ufffd&gt;</name><value><string>x</string></value></member>\n</struct>",
        ),
    ],
)
def test_result_has_its_type_and_no_envelope(wire, python, value, written):
    wire.gives = value
    reply = python("SoftLayer_Account", "getObject")
    expected = f"{DECLARATION}\n<params>\n<param>\n<value>{written}</value>\n</param>\n</params>\n"
    assert reply.body.decode() == expected
    assert "SoftLayer-Total-Items" not in reply.headers


@pytest.mark.parametrize("number", [0, 1, 30])
def test_list_is_one_to_go_and_says_how_many_there_are_in_all(wire, python, number):
    wire.gives, wire.total = items(number), 4_321
    reply = python("SoftLayer_Account", "getUsers")
    assert reply.is_list_for_go
    assert reply.xml == list(items(number))
    assert reply.headers["SoftLayer-Total-Items"] == "4321"


@pytest.mark.parametrize(
    "error",
    [Fault("Each user can only have a single API key."), NotFound(5), Denied("No <i>."), Fault("x", code="-32603")],
)
def test_fault_is_a_200_whose_code_is_a_text(wire, python, error):
    wire.gives = error
    reply = python("SoftLayer_User_Customer", "addApiAuthenticationKey")
    assert (reply.status, reply.fault) == (200, (error.code, str(error)))
    with pytest.raises(xmlrpc.client.Fault):
        reply.xml  # noqa: B018 - reads it
