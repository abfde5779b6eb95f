"""Requests of clients that no Python package brings, byte for byte: softlayer-go, -ruby and -java, and curl.

They are what these clients were seen to send, or send by their source; docs/clients.md says which versions.
"""

import http.client
import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote
from xmlrpc.client import loads

import pytest

from tests.journeys.clients import A_VALUE, Cast, Login, rename
from tests.journeys.live import LiveServer
from tests.journeys.visit import verify
from tests.keys.calls import basic

pytest_plugins = ["tests.journeys.callers"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("literal-requests")]

#: By what softlayer-go tells a list from one record: anything else before it makes one empty record of a list.
_AS_GO_READS_IT = re.compile(rb'<\?xml version="1.0" encoding="utf-8"\?>\s*<params>\s*<param>\s*<value>\s*<').match


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def total(self) -> str | None:
        """How many there are in all, where it is a list."""
        return self.headers.get("softlayer-total-items")

    @property
    def json(self) -> Any:
        """The body of an answer over REST."""
        assert self.headers["content-type"] == "application/json"
        assert self.headers["cache-control"] == "no-store"
        return json.loads(self.body)

    @property
    def xml(self) -> Any:
        """The body of an answer over XML-RPC: a bare list of parameters, which is what softlayer-go looks for."""
        assert (self.status, self.headers["content-type"].partition(";")[0]) == (200, "text/xml")
        assert self.headers["cache-control"] == "no-store"
        assert b"<nil/>" not in self.body  # softlayer-go knows no such type
        assert _AS_GO_READS_IT(self.body), self.body[:200]
        ((value,), _) = loads(self.body)
        return value

    @property
    def fault(self) -> tuple[str, str]:
        """Code and text of an error over XML-RPC; the code is a text, or softlayer-go panics."""
        assert (self.status, self.headers["content-type"].partition(";")[0]) == (200, "text/xml")
        found = dict(re.findall(rb"<name>(\w+)</name>\s*<value><string>(.*?)</string></value>", self.body, re.DOTALL))
        return found[b"faultCode"].decode(), found[b"faultString"].decode()


@dataclass(frozen=True)
class Wire:
    """Sends requests as they stand, filling in only who calls and about whom."""

    server: LiveServer
    people: Cast

    @property
    def login(self) -> Login:
        """Whom it calls as."""
        return self.people.logins["marcus"]

    def filled(self, text: str) -> str:
        """Put names, values and numbers in for «these»."""
        words = {"name": self.login.name, "value": self.login.value}
        words |= {name: str(number) for name, number in self.people.users.items()}
        words |= {f"key of {name}": str(number) for name, number in self.people.keys.items()}
        return re.sub("«([^»]+)»", lambda found: words[found[1]], text)

    def __call__(self, method: str, target: str, body: str | None = None, **headers: str) -> Answer:
        """Send it and read the answer; headers are named with underscores, and nothing is added to them but lengths."""
        sent = {"Authorization": basic(*self.login)} if target.startswith("/rest") else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.putrequest(method, self.filled(target), skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            content = None if body is None else self.filled(body).encode()
            if content is not None:
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            with connection.getresponse() as response:
                found = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, found, response.read())
        finally:
            connection.close()


@pytest.fixture
def wire(restored: LiveServer, people: Cast) -> Wire:
    """The wire to the module's server, with Marcus at this end."""
    return Wire(restored, people)


def mask(text: str) -> str:
    """Return it as the libraries encode it."""
    return "objectMask=" + quote(text, safe="")


# --- softlayer-go 1.2.0 over REST -------------------------------------------------------------------------------------

GO = {"User_Agent": "softlayer-go/v1.2.0", "Accept": "application/json", "Accept_Encoding": "identity"}


def test_go_reads_a_user_without_naming_the_method(wire, people):
    answer = wire("GET", f"/rest/v3.1/SoftLayer_User_Customer/«noor».json?{mask('id,parent.username')}", **GO)
    assert answer.json == {"id": people.users["noor"], "parent": {"username": "1234567_priya@acme.example"}}
    assert answer.total is None


def test_go_reads_a_page_of_users(wire, people):
    asked = quote('{"users":{"userStatusId":{"operation":1001}}}')
    answer = wire(
        "GET",
        f"/rest/v3.1/SoftLayer_Account/getUsers.json?objectFilter={asked}&{mask('mask[id]')}&resultLimit=1%2C2",
        **GO,
    )
    assert answer.json == [{"id": people.users["marcus"]}, {"id": people.users["priya"]}]
    assert answer.total == "5"


def test_go_restricts_a_key_by_put(wire, people):
    target, template = "/rest/v3.1/SoftLayer_User_Customer_ApiAuthentication/«key of priya».json", "10.0.0.0/8"
    answer = wire("PUT", target, f'{{"parameters":[{{"ipAddressRestriction":"{template}"}}]}}', **GO)
    assert answer.status == 200
    assert wire("GET", target, **GO).json["ipAddressRestriction"] == template
    assert verify(wire.server, *people.logins["priya"]) == 401


def test_go_suspends_a_user_by_put(wire, people):
    body = '{"parameters":[{"userStatusId":1005}]}'
    assert wire("PUT", "/rest/v3.1/SoftLayer_User_Customer/«priya».json", body, **GO).json is True
    assert verify(wire.server, *people.logins["priya"]) == 401


def test_go_keeps_code_and_text_of_an_error(wire):
    answer = wire("GET", "/rest/v3.1/SoftLayer_User_Customer/99999999.json", **GO)
    assert answer.status == 404
    assert answer.json == {
        "error": "Unable to find object with id of '99999999'.",
        "code": "SoftLayer_Exception_ObjectNotFound",
    }


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", "/rest/v3.1/SoftLayer_User_Customer/«noor».json"),
        ("POST", "/rest/v3.1/SoftLayer_User_Customer.json"),
        ("GET", "/rest/v3.1/SoftLayer_Hardware_Server/7.json"),
        ("GET", "/rest/v3.1/SoftLayer_Account/getVirtualServers.json"),
    ],
)
def test_go_is_told_what_is_not_there(wire, method, target):
    answer = wire(method, target, "{}" if method == "POST" else None, **GO)
    assert answer.status in {400, 500}
    assert set(answer.json) == {"error", "code"}
    assert answer.json["code"].startswith("SoftLayer_Exception")


# --- softlayer-java over REST -----------------------------------------------------------------------------------------

JAVA = {"SoftLayer_Include_Types": "true", "Content_Type": "application/json", "Accept": "*/*"}


def test_java_cuts_off_get_and_reads_types_first(wire, people):
    answer = wire("GET", f"/rest/v3.1/SoftLayer_Account/Users.json?{mask('mask[id,userStatus[name]]')}", **JAVA)
    assert answer.total == "8"
    for user in answer.json:
        assert next(iter(user.items())) == ("complexType", "SoftLayer_User_Customer")
        assert next(iter(user["userStatus"].items())) == ("complexType", "SoftLayer_User_Customer_Status")
    assert answer.json[0]["id"] == people.users["olivia"]


def test_java_reads_keys_children_and_the_object_itself(wire, people):
    (key,) = wire("GET", "/rest/v3.1/SoftLayer_User_Customer/«priya»/ApiAuthenticationKeys.json", **JAVA).json
    assert list(key)[0] == "complexType"  # noqa: RUF015 - the order is what it is about
    assert (key["complexType"], key["id"]) == ("SoftLayer_User_Customer_ApiAuthentication", people.keys["priya"])
    children = wire("GET", "/rest/v3.1/SoftLayer_User_Customer/«priya»/ChildUsers.json", **JAVA).json
    assert [child["id"] for child in children] == [people.users["noor"]]
    user = wire("GET", "/rest/v3.1/SoftLayer_User_Customer/«priya».json", **JAVA).json
    assert (user["complexType"], user["id"]) == ("SoftLayer_User_Customer", people.users["priya"])
    assert wire("GET", "/rest/v3.1/SoftLayer_Account/CurrentUser.json", **JAVA).json["id"] == people.users["marcus"]


def test_java_sends_a_body_with_its_call(wire, people):
    body = '{"parameters":[«key of priya»]}'
    target = "/rest/v3.1/SoftLayer_User_Customer/removeApiAuthenticationKey.json"
    assert wire("POST", target, body, **JAVA).json is True
    assert verify(wire.server, *people.logins["priya"]) == 401


# --- curl, as the vendor's reference shows it -------------------------------------------------------------------------

CURL = {"User_Agent": "curl/7.88.1", "Accept": "*/*"}
FORM = {**CURL, "Content_Type": "application/x-www-form-urlencoded"}


def test_curl_sends_brackets_and_braces_as_they_are(wire, people):
    answer = wire(
        "GET", "/rest/v3.1/SoftLayer_User_Customer/«noor»/getObject?objectMask=mask[id,userStatus[name]]", **CURL
    )
    assert answer.json == {"id": people.users["noor"], "userStatus": {"name": "Active"}}
    asked = 'objectFilter={"users":{"email":{"operation":"noor@acme.example"}}}'
    answer = wire("GET", f"/rest/v3/SoftLayer_Account/getUsers?objectMask=id;userStatus.name&{asked}", **CURL)
    assert answer.json == [{"id": people.users["noor"], "userStatus": {"name": "Active"}}]


@pytest.mark.parametrize(
    ("limit", "names"),
    [("2", ["olivia", "marcus"]), ("1,2", ["marcus", "priya"]), ("6,0", ["sam", "dmitri"]), ("0,1", ["olivia"])],
)
def test_curl_limits(wire, people, limit, names):
    answer = wire("GET", f"/rest/v3.1/SoftLayer_Account/getUsers.json?objectMask=mask[id]&resultLimit={limit}", **CURL)
    assert [user["id"] for user in answer.json] == [people.users[name] for name in names]
    assert answer.total == "8"


def test_curl_sends_json_as_a_form(wire, people):
    body = '{"parameters": [{"ipAddressRestriction": "127.0.0.1", "id": 5}]}'
    target = "/rest/v3.1/SoftLayer_User_Customer_ApiAuthentication/«key of priya»/editObject.json"
    assert wire("POST", target, body, **FORM).status == 200
    assert wire("GET", target.replace("editObject", "getObject"), **CURL).json["ipAddressRestriction"] == "127.0.0.1"


def test_curl_adds_a_key_by_get_and_head_adds_none(wire, people):
    wire(
        "POST",
        "/rest/v3.1/SoftLayer_User_Customer/removeApiAuthenticationKey",
        '{"parameters": [«key of berlin»]}',
        **FORM,
    )
    target = "/rest/v3.1/SoftLayer_User_Customer/«berlin»/addApiAuthenticationKey"
    assert wire("HEAD", target, **CURL).body == b""
    for site in ("cross-site", "same-site"):
        assert wire("GET", target, Sec_Fetch_Site=site, **CURL).status >= 400
    assert wire("GET", "/rest/v3.1/SoftLayer_User_Customer/«berlin»/getApiAuthenticationKeys", **CURL).json == []
    value = wire("GET", target, **CURL).json
    assert A_VALUE.fullmatch(value)
    assert verify(wire.server, people.logins["berlin"].name, value) == 204


def test_curl_without_credentials(wire):
    for headers in ({"Authorization": "Basic"}, {"Authorization": ""}, {"Authorization": "Bearer abc"}):
        answer = wire("GET", "/rest/v3.1/SoftLayer_Account/getObject.json", **CURL, **headers)
        assert answer.status == 401
        assert answer.json["error"] in {"No valid authentication headers found.", "Invalid API token."}
        assert answer.json["code"] == "SoftLayer_Exception"


_ACCOUNT = "/rest/v3.1/SoftLayer_Account"
NONSENSE = [
    "/rest", "/rest/", "/rest/v3.1", "/rest/v3.1/", "/rest/v4/SoftLayer_Account", f"{_ACCOUNT}/a/b/c/d",
    f"{_ACCOUNT}/getUsers.xml", "/rest/v3.1/../login", "/rest/v3.1/%00", "/rest/v3.1/%ff%fe",
    "/rest/v3.1/SoftLayer_User_Customer/99999999999999999999/getObject", f"{_ACCOUNT}/getUsers?objectMask=%ff",
    f"{_ACCOUNT}/getUsers?objectFilter={{", f"{_ACCOUNT}/getUsers?resultLimit=-1", f"{_ACCOUNT}/getUsers?resultLimit=x",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_nonsense_is_answered_in_the_form_of_the_interface(wire, method):
    for target in NONSENSE:
        answer = wire(method, target, "" if method == "POST" else None, **CURL)
        assert 400 <= answer.status <= 500, target
        assert set(answer.json) == {"error", "code"}, target
        assert "Traceback" not in answer.body.decode()
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers


# --- XML-RPC ----------------------------------------------------------------------------------------------------------

GO_XML = {"Content_Type": "text/xml", "User_Agent": "Go-http-client/1.1", "Accept_Encoding": "gzip"}
RUBY = {
    "Content_Type": "text/xml; charset=utf-8",
    "User_Agent": "softlayer_api gem/3.2.3 (Ruby 3.1.2)",
    "Accept_Encoding": "identity",
}
PYTHON = {
    "Content_Type": "application/xml",
    "User_Agent": "softlayer-python/v6.2.9",
    "Accept_Encoding": "gzip, deflate, compress",
}

_WHO = (
    "<member><name>authenticate</name><value><struct>"
    "<member><name>username</name><value><string>«name»</string></value></member>"
    "<member><name>apiKey</name><value><string>«value»</string></value></member>"
    "</struct></value></member>"
)


def go(method: str, headers: str = "", arguments: str = "") -> str:
    """Return a request as softlayer-go writes it: its own name inside the headers, no white space."""
    agent = "<member><name>User-Agent</name><value><string>softlayer-go/v1.2.0</string></value></member>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>{method}</methodName><params><param><value>'
        f"<struct><member><name>headers</name><value><struct>{agent}{_WHO}{headers}</struct></value></member></struct>"
        f"</value></param>{arguments}</params></methodCall>"
    )


def ruby(method: str, headers: str = "", arguments: str = "") -> str:
    """Return a request as Ruby's library writes it: <i4> for numbers, a line end after the declaration and the call."""
    return (
        f'<?xml version="1.0" ?><methodCall><methodName>{method}</methodName><params><param><value><struct><member>'
        f"<name>headers</name><value><struct>{_WHO}{headers}</struct></value></member></struct></value></param>"
        f"{arguments}</params></methodCall>\n"
    )


def on(number: str, service: str = "SoftLayer_User_Customer", form: str = "int") -> str:
    return (
        f"<member><name>{service}InitParameters</name><value><struct><member><name>id</name>"
        f"<value><{form}>{number}</{form}></value></member></struct></value></member>"
    )


def seen(text: str) -> str:
    return (
        "<member><name>SoftLayer_ObjectMask</name><value><struct><member><name>mask</name>"
        f"<value><string>{text}</string></value></member></struct></value></member>"
    )


def page(limit: int, offset: int, form: str = "int") -> str:
    return (
        f"<member><name>resultLimit</name><value><struct><member><name>limit</name><value><{form}>{limit}</{form}></value>"
        f"</member><member><name>offset</name><value><{form}>{offset}</{form}></value></member></struct></value></member>"
    )


USER_XML, ACCOUNT_XML = "/xmlrpc/v3.1/SoftLayer_User_Customer", "/xmlrpc/v3/SoftLayer_Account"


def test_go_reads_lists_and_objects_by_xml(wire, people):
    answer = wire("POST", ACCOUNT_XML, go("getUsers", seen("mask[id,username]") + page(3, 1)), **GO_XML)
    assert [user["id"] for user in answer.xml] == [people.users[name] for name in ("marcus", "priya", "noor")]
    assert answer.total == "8"
    user = wire("POST", USER_XML, go("getObject", on("«noor»") + seen("id,userStatus.name")), **GO_XML)
    assert user.xml == {"id": people.users["noor"], "userStatus": {"name": "Active"}}
    empty = wire("POST", USER_XML, go("getApiAuthenticationKeys", on("«noor»")), **GO_XML)
    assert (empty.xml, empty.total) == ([], "0")
    assert b"<array><data></data></array>" in re.sub(rb">\s+<", b"><", empty.body)


def test_go_sends_unsigned_numbers_and_empty_values_for_what_is_left_out(wire, people):
    arguments = "<param><value><i4>«key of priya»</i4></value></param><param><value/></param>"
    answer = wire("POST", USER_XML, go("removeApiAuthenticationKey", "", arguments), **GO_XML)
    assert answer.xml is True
    assert verify(wire.server, *people.logins["priya"]) == 401


def test_go_puts_two_slashes_before_the_service_where_its_address_ends_with_one(wire, people):
    answer = wire("POST", "/xmlrpc/v3.1//SoftLayer_User_Customer", go("getObject", on("«noor»") + seen("id")), **GO_XML)
    assert answer.xml == {"id": people.users["noor"]}
    assert wire("GET", "/rest/v3.1//SoftLayer_User_Customer/«noor».json?objectMask=id", **GO).json == answer.xml


def test_go_reads_errors_by_xml(wire):
    answer = wire("POST", USER_XML, go("getObject", on("99999999")), **GO_XML)
    assert answer.fault == ("SoftLayer_Exception_ObjectNotFound", "Unable to find object with id of '99999999'.")


def test_ruby_reads_and_changes(wire, people):
    answer = wire(
        "POST", USER_XML, ruby("getObject", on("«priya»", form="i4") + seen("mask[id,childUsers[id]]")), **RUBY
    )
    assert answer.xml == {"id": people.users["priya"], "childUsers": [{"id": people.users["noor"]}]}
    two = "[mask[id],mask.userStatus.name]"
    answer = wire("POST", ACCOUNT_XML, ruby("getUsers", seen(two) + page(1, 7, "i4")), **RUBY)
    assert answer.xml == [{"id": people.users["dmitri"], "userStatus": {"name": "Suspended"}}]
    template = "<struct><member><name>userStatusId</name><value><i4>1005</i4></value></member></struct>"
    body = ruby("editObject", on("«priya»", form="i4"), f"<param><value>{template}</value></param>")
    assert wire("POST", USER_XML, body, **RUBY).xml is True
    assert verify(wire.server, *people.logins["priya"]) == 401


def test_texts_without_a_type_and_an_id_as_text(wire, people):
    """``slcli call-api --id`` sends the number as a text."""
    body = ruby("getObject", on("«noor»", form="string") + seen("mask[id]"))
    untyped = body.replace("<string>", "").replace("</string>", "")
    assert wire("POST", USER_XML, untyped, **RUBY).xml == {"id": people.users["noor"]}


def test_python_declares_latin_1_and_sends_utf_8(wire, people):
    rename(wire.server, "noor@acme.example", "Zoë")
    asked = (
        "<member><name>SoftLayer_AccountObjectFilter</name><value><struct><member><name>users</name><value><struct>"
        "<member><name>displayName</name><value><struct><member><name>operation</name><value><string>Zoë</string></value>"
        "</member></struct></value></member></struct></value></member></struct></value></member>"
    )
    body = ruby("getUsers", asked + seen("mask[displayName]"))
    body = body.replace('<?xml version="1.0" ?>', "<?xml version='1.0' encoding='iso-8859-1'?>\n")
    assert wire("POST", ACCOUNT_XML, body, **PYTHON).xml == [{"displayName": "Zoë"}]


def test_credentials_may_come_by_basic_with_empty_headers(wire, people):
    body = (
        "<?xml version='1.0' encoding='iso-8859-1'?>\n<methodCall>\n<methodName>getCurrentUser</methodName>\n<params>\n"
        "<param>\n<value><struct>\n<member>\n<name>headers</name>\n<value><struct>\n</struct></value>\n</member>\n"
        "</struct></value>\n</param>\n</params>\n</methodCall>\n"
    )
    authorization = basic(*people.logins["priya"])
    assert wire("POST", ACCOUNT_XML, body, Authorization=authorization, **PYTHON).xml["id"] == people.users["priya"]
    code, text = wire("POST", ACCOUNT_XML, body, **PYTHON).fault
    assert (code, text) == ("SoftLayer_Exception", "No valid authentication headers found.")


_BOMB = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "-32700"),
        ("nonsense", "-32700"),
        ("<methodCall>", "-32700"),
        (go("getUsers").replace("<methodCall>", _BOMB + "<methodCall>"), "-32700"),
        (go(""), "-32601"),
        (go("").replace("<methodName></methodName>", ""), "-32600"),
        (go("getObject", on("«noor»", "SoftLayer_Account").replace("<int>", "<nonsense>")), "-32600"),
    ],
    ids=["empty", "nonsense", "unfinished", "entities", "no name", "no method", "no type"],
)
def test_xml_that_cannot_be_read_is_a_fault(wire, body, code):
    assert wire("POST", ACCOUNT_XML, body, **GO_XML).fault[0] == code


@pytest.mark.parametrize(
    "target", ["/xmlrpc", "/xmlrpc/", "/xmlrpc/v3.1/", "/xmlrpc/v9/SoftLayer_Account", "/xmlrpc/v3.1/a/b"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nonsense_is_a_fault_too(wire, method, target):
    answer = wire(method, target, go("getUsers"), **GO_XML)
    assert answer.status == (200 if method == "POST" else 405)
    code, text = replace(answer, status=200).fault
    assert code.startswith("SoftLayer_Exception")
    assert text
