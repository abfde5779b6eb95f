"""Passwords and login tokens of SoftLayer clients: a token is in one answer, a password in none, neither is kept."""

import json
import secrets
from typing import Any

import pytest

from accounts import login_tokens, signin
from accounts.models import Member, User
from console.middleware import ALWAYS
from keys.api.application import ApiApplication
from keys.api.calls import Call, LoginToken
from tests.keys.api.calling import PRIYA, Reply, document, send
from tests.keys.calls import basic, django
from tests.leaks.search import Seeker, everything_kept

pytestmark = pytest.mark.django_db

USER = "SoftLayer_User_Customer"
LOGIN = f"/rest/v3.1/{USER}/getPortalLoginToken.json"
CURRENT = "/rest/v3.1/SoftLayer_Account/getCurrentUser"


@pytest.fixture
def password(cast, monkeypatch) -> str:
    """Priya's and Marcus's."""
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    word = f"a pass phrase {secrets.token_hex(8)}"
    for name in ("priya", "marcus"):
        user = User.objects.get(email=f"{name}@acme.example")
        user.set_password(word)
        user.save()
    return word


class Client:
    def __init__(self) -> None:
        self.application, self.replies = ApiApplication(django, headers=ALWAYS), []

    def __call__(self, address: str, arguments: Any = None, **headers: str) -> Reply:
        body = json.dumps({"parameters": arguments}) if arguments is not None else ""
        self.replies.append(send(self.application, "POST" if body else "GET", address, body, headers=headers))
        return self.replies[-1]

    def by_xml(self, service: str, method: str, headers: dict[str, Any], *arguments: Any) -> None:
        sent = document(method, {"headers": headers}, *arguments)
        self.replies.append(send(self.application, "POST", f"/xmlrpc/v3.1/{service}", sent))


def test_passwords_and_tokens_are_kept_nowhere_and_answered_once(cast, known, password, log):
    client, vpn = Client(), f"the VPN's {secrets.token_hex(8)}"
    token = client(LOGIN, [PRIYA, password, None, None]).json
    marcus = client(LOGIN, ["1234567_marcus@acme.example", password]).json
    client.replies.clear()
    header, text = {"Authorization": basic(str(token["userId"]), token["hash"])}, token["hash"]
    for name in (PRIYA, "priya@acme.example", "1234567_nobody@acme.example"):
        client(LOGIN, [name, f"{password}x"])
    for arguments in ([PRIYA, [password]], [password], [PRIYA, password * 200]):
        client(LOGIN, arguments)
    client(f"{LOGIN}?password={password.replace(' ', '+')}&authToken={text}")
    client(f"/rest/v3.1/{USER}/{text}")
    client(CURRENT, **header)
    client(CURRENT, Authorization=basic(str(token["userId"]), f"{text}x"))
    client(CURRENT, Authorization=basic(PRIYA, text))
    client(CURRENT, Authorization=f"Bearer {text}")
    presented = {"complexType": "PortalLoginToken", "userId": token["userId"], "authToken": text}
    client.by_xml("SoftLayer_Account", "getUsers", {"authenticate": presented})
    client.by_xml("SoftLayer_Account", text, {"authenticate": {**presented, "userId": text}})
    client.by_xml(USER, "getPortalLoginToken", {}, PRIYA, text)
    by_marcus = {"Authorization": basic(str(marcus["userId"]), marcus["hash"])}
    lisbon = {"email": "lisbon@acme.example", "userStatusId": 1022, "displayName": "Lisbon"}
    for template, *given in ((lisbon, vpn), (lisbon, None, vpn), ({"email": "new@acme.example"}, vpn), ({vpn: vpn},)):
        client(f"/rest/v3.1/{USER}/createObject.json", [template, *given], **by_marcus)
    assert Member.objects.get(user__email="lisbon@acme.example").vpn_password
    seeker = Seeker([password, vpn, text, marcus["hash"]])
    found = [
        place for place, reply in enumerate(client.replies) if seeker.finds(reply.body + str(reply.headers).encode())
    ]
    assert [client.replies[place].status for place in found] == []
    assert not [place for place, content in everything_kept() if seeker.finds(content)]
    assert any("accounts_attemptcount" in line for line in log.made)  # statements of the database are among them
    assert not seeker.finds(log.printed.getvalue())
    held = (
        Call(USER, "getPortalLoginToken", arguments=[PRIYA, password]),
        LoginToken(token["userId"], text),
        login_tokens.LoginToken(text, token["userId"]),
    )
    assert not seeker.finds(repr(held).encode())  # as whoever looks for a mistake prints it


@pytest.mark.parametrize("place", ["accounts.audit.record", "accounts.models.User.check_password"])
def test_an_error_in_a_login_does_not_print_what_was_given(cast, password, log, monkeypatch, place):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(place, fail)
    reply = Client()(LOGIN, [PRIYA, password, None, None])
    assert (reply.status, reply.fault[1].startswith("Something went wrong")) == (500, True)
    assert "on purpose" in log.printed.getvalue()
    assert not Seeker([password]).finds(log.printed.getvalue() + reply.body.decode())
