"""Calls of the interface for IBM Cloud's clients, as a server gets them; every answer is looked at as clients would."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from django.http import HttpResponse

from console.middleware import ALWAYS
from keys.access_tokens import iam_id, issue
from keys.iam.application import IamApplication
from keys.models import PlatformKey
from tests.keys.api.calling import request_of, whole_answer
from tests.keys.calls import django
from tests.web.asking import assert_headers

GRANT = "urn:ibm:params:oauth:grant-type:apikey"
KEYS = "/v1/apikeys"
USERS = "/v2/accounts/1234567/users"
#: What every record has.
ALWAYS_THERE = {
    "id", "entity_tag", "crn", "locked", "disabled", "created_at", "created_by", "modified_at", "name", "iam_id",
    "account_id", "support_sessions", "action_when_leaked", "apikey",
}  # fmt: skip
#: What every profile of a user has.
OF_A_USER = {"id", "iam_id", "realm", "user_id", "firstname", "lastname", "state", "email", "account_id"}
SETTINGS = {"language", "notification_language", "allowed_ip_addresses", "self_manage"}


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The value of the answer."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and text of an error."""
        value = self.json
        if "errors" not in value:
            return self.status, value["errorCode"], value["errorMessage"]
        (error,) = value["errors"]
        return self.status, error.get("message_code", error["code"]), error["message"]


@dataclass(repr=False)
class Iam:
    """The application, and a token that is sent along."""

    token: str = ""
    key: PlatformKey | None = None
    value: str = ""

    @classmethod
    def of(cls, key: PlatformKey, value: str = "") -> "Iam":
        """The application as it is called with a token for this key."""
        return cls(issue(key).text, key, value)

    @property
    def own_id(self) -> str:
        """What clients call whoever calls."""
        assert self.key
        return iam_id(self.key.holder_id)

    def __call__(
        self,
        verb: str,
        address: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> Reply:
        """Send a request: a mapping as JSON, bytes and texts as they are."""
        if isinstance(body, Mapping):
            body = json.dumps(body)
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = request_of(verb, address, body or b"", headers={**sent, **(headers or {})}, **environ)
        status, told, answer = whole_answer(IamApplication(django, headers=ALWAYS), request)
        return _looked_at(verb, request["SCRIPT_NAME"] + address, Reply(status, told, answer))

    def ask_token(self, value: str, **fields: str) -> Reply:
        """Ask for a token, as the library does."""
        form = {"grant_type": GRANT, "apikey": value, "response_type": "cloud_iam", **fields}
        return self("POST", "/identity/token", urlencode(form), headers={"Authorization": ""})

    def pages(self, address: str, *, following: str, token: str, **asked: object) -> list[dict[str, Any]]:
        """All pages of a list, each by the token in the one before, as the library's pagers go.

        Args:
            address: of the list.
            following: the property with the address of the next page.
            token: the parameter of that address that a pager takes for the next page.
            asked: the other parameters.
        """
        found, given = [], dict(asked)
        while True:
            reply = self("GET", f"{address}?{urlencode(given)}")
            assert reply.status == 200, reply
            found.append(reply.json)
            if following not in reply.json:
                return found
            (place,) = parse_qs(urlsplit(reply.json[following]).query, strict_parsing=True)[token]
            given[token] = place
            by_address = self("GET", reply.json[following]).json
            assert by_address == self("GET", f"{address}?{urlencode(given)}").json

    def create(self, name: str = "Made", **more: Any) -> dict[str, Any]:
        """Create a key and return its record."""
        made = self("POST", KEYS, {"name": name, "iam_id": self.own_id, **more})
        assert made.status == 201, made
        return dict(made.json)


def _looked_at(verb: str, address: str, reply: Reply) -> Reply:
    """Return ``reply``, which must be one that every client can read, whatever was asked."""
    if reply.headers.get("X-Answered-By") == "Django":
        return reply
    where = f"{verb} {address}: {reply.status}"
    assert_headers(HttpResponse(reply.body, headers=reply.headers, status=reply.status), verb)
    assert all(text.isascii() and text.isprintable() for text in reply.headers.values()), where
    assert ("WWW-Authenticate" in reply.headers) is (reply.status == 401), where
    if reply.status == 204:
        assert not {"Content-Type", "Content-Length"} & set(reply.headers), where
    if reply.status == 204 or verb == "HEAD":
        assert reply.body == b"", where
        return reply
    assert reply.headers["Content-Type"] == "application/json", where
    assert int(reply.headers["Content-Length"]) == len(reply.body), where
    assert reply.body.isascii(), where
    value = reply.json
    if reply.status >= 400 and address.startswith("/identity"):
        assert set(value) == {"errorCode", "errorMessage", "context"}, where
        assert value["context"] == {"requestId": reply.headers["X-Request-ID"]}, where
    elif reply.status >= 400:
        assert set(value) == {"trace", "errors"}, where
        assert value["trace"] == reply.headers["X-Request-ID"], where
        (error,) = value["errors"]
        assert {"code", "message"} <= set(error) <= {"code", "message", "message_code"}, where
        assert all(isinstance(text, str) and text for text in error.values()), where
    for record in value.get("apikeys", [value] if "entity_tag" in value else []):
        assert set(record) - {"description", "expires_at"} == ALWAYS_THERE, where
        assert bool(record["apikey"]) is (reply.status == 201), where
    for user in value.get("resources", [value] if "user_id" in value else []):
        assert set(user) - {"added_on", "settings"} == OF_A_USER, where
        assert set(user.get("settings", SETTINGS)) == SETTINGS, where
    if "entity_tag" in value:
        assert reply.headers["ETag"] == f'"{value["entity_tag"]}"', where
    return reply
