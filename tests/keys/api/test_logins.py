"""``getPortalLoginToken`` and the calls with its token, through the whole interface."""

import base64
import json
from typing import Any

import pytest

from accounts import login_tokens, signin
from accounts.enums import MemberStatus
from accounts.models import Account, BranchFreeze, Event, Member, Passkey, User
from console import demo
from console.middleware import ALWAYS
from keys import lifecycle
from keys.api.application import ApiApplication
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.keys.api.calling import PRIYA, Reply, document, send
from tests.keys.calls import basic, call, django
from tests.rings import NEWER, put_first

pytestmark = pytest.mark.django_db

NOOR = "1234567_noor@acme.example"
LOGIN = "/rest/v3.1/SoftLayer_User_Customer/getPortalLoginToken.json"
CURRENT = "SoftLayer_Account/getCurrentUser"
#: What slcli setup asks for.
KEYS = "mask[id,apiAuthenticationKeys]"
#: What is told of a key to whoever may know of it.
LOCAL = ("id", "ipAddressRestriction", "timestampKey", "userId")
FAILED = "SoftLayer_Exception_User_Customer_LoginFailed"
WRONG_TOKEN = (401, "SoftLayer_Exception", "Invalid API token.")
CONSOLE = "Log in to the console and create your key there."

Token = tuple[int, str]


class Client:
    """Logs in and calls as Python does over XML-RPC, and as Go and curl do over REST."""

    def __init__(self) -> None:
        self.application, self.peer = ApiApplication(django, headers=ALWAYS), "127.0.0.1"

    def send(self, verb: str, address: str, body: Any = None, **headers: str) -> Reply:
        sent = b"" if body is None else json.dumps({"parameters": body})
        reply = send(self.application, verb, address, sent, headers=headers, REMOTE_ADDR=self.peer)
        assert "Set-Cookie" not in reply.headers
        return reply

    def log_in(self, name: object, password: object = demo.PASSWORD) -> Reply:
        return self.send("POST", LOGIN, [name, password, None, None])

    def token(self, name: str) -> Token:
        reply = self.log_in(name)
        assert reply.status == 200, reply.body
        return reply.json["userId"], reply.json["hash"]

    def rest(self, token: Token, address: str, verb: str = "GET", body: Any = None) -> Reply:
        return self.send(verb, f"/rest/v3.1/{address}", body, Authorization=basic(str(token[0]), token[1]))

    def xmlrpc(self, token: Token, method: str, service: str = "SoftLayer_Account", **members: Any) -> Reply:
        presented = {"complexType": "PortalLoginToken", "userId": token[0], "authToken": token[1]}
        sent = document(method, {"headers": {"authenticate": presented, **members}})
        return send(self.application, "POST", f"/xmlrpc/v3.1/{service}", sent, REMOTE_ADDR=self.peer)

    def use(self, token: Token) -> tuple[str, str] | None:
        """What both transports say against the token; none if it is accepted."""
        rest, xmlrpc = self.rest(token, CURRENT), self.xmlrpc(token, "getCurrentUser")
        if rest.status == 200:
            assert rest.json["id"] == xmlrpc.xml["id"] == token[0]
            return None
        assert rest.fault == xmlrpc.fault
        return rest.fault


@pytest.fixture
def client(cast, monkeypatch) -> Client:
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)  # of a wrong password; looked at where people sign in
    return Client()


def outcome(reply: Reply) -> tuple[int, str, str]:
    return reply.status, *reply.fault


def refusals() -> list[str]:
    """Why, of each event that keeps somebody out of Acme Robotics."""
    actions = ("user.sign_in_refused", "console.refused")
    return [event.facts["why"] for event in Event.objects.filter(account_id=ACME, action__in=actions).order_by("pk")]


# --- What a password is good for --------------------------------------------------------------------------------------


def test_password_logs_in_to_the_account_of_the_api_username(client, cast):
    elsewhere = Member.objects.get(account=BOREALIS, user=cast["noor"].user)
    for name, member in ((NOOR, cast["noor"]), (" 7654321_Noor@Acme.example ", elsewhere)):
        token = client.token(name)
        event = Event.objects.latest("pk")
        assert (event.action, event.account_id, event.actor_id) == ("user.signed_in", member.account_id, member.pk)
        assert (event.facts, event.address) == ({"for": "a SoftLayer client"}, "127.0.0.1")
        member.refresh_from_db()
        assert member.signed_in_at >= event.at
        assert (token[0], client.use(token)) == (member.pk, None)
        assert client.xmlrpc(token, "getObject").xml["id"] == member.account_id
    for _ in range(6):
        client.token(NOOR)  # whoever succeeds has not guessed


def test_who_logs_in_need_not_have_credentials_and_those_sent_are_not_looked_at(client):
    arguments = [NOOR, demo.PASSWORD, None, None]
    for address in (LOGIN, LOGIN.replace("getPortal", "Portal").removesuffix(".json")):
        assert client.send("POST", address, arguments, Authorization="Basic nonsense").status == 200
    for headers in ({}, {"authenticate": {"username": NOOR, "apiKey": "wrong"}}):
        sent = document("getPortalLoginToken", {"headers": headers}, *arguments)
        assert set(send(client.application, "POST", "/xmlrpc/v3.1/SoftLayer_User_Customer", sent).xml) == {
            "hash", "userId",
        }  # fmt: skip
    for address in (LOGIN.replace("User_Customer", "Account"), LOGIN.replace("getPortal", "getImpersonated")):
        assert client.send("POST", address, arguments).fault[1] == "No valid authentication headers found."


def test_user_without_a_key_creates_it_as_in_the_console(client, cast):
    token = client.token(NOOR)
    assert client.rest(token, f"{CURRENT}?objectMask={KEYS}", "POST", []).json["apiAuthenticationKeys"] == []
    add = f"SoftLayer_User_Customer/{token[0]}/addApiAuthenticationKey"
    value = client.rest(token, add).json
    assert call(headers={"Authorization": basic(NOOR, value)}).status == "204 No Content"
    key = ClassicKey.objects.get(holder=cast["noor"])
    assert key.creator_id == cast["noor"].pk
    others = f"SoftLayer_User_Customer/{cast['priya'].pk}/addApiAuthenticationKey"
    assert client.rest(token, others).fault[0] == "SoftLayer_Exception_ObjectNotFound"


def test_own_key_is_shown_once_asked_for_by_post_and_nobody_elses(client, cast, value_of):
    token, value = client.token(PRIYA), value_of("priya")
    asked = {"SoftLayer_ObjectMask": {"mask": KEYS}}
    found = client.xmlrpc(token, "getCurrentUser", **asked).xml["apiAuthenticationKeys"]
    assert [key["authenticationKey"] for key in found] == [value]
    shown = Event.objects.latest("pk")
    assert (shown.action, shown.actor_id, shown.subject_id) == ("classic_key.shown", token[0], token[0])
    for mask, told in (
        (KEYS, [*LOCAL, "authenticationKey"]),
        ("id,apiAuthenticationKeys[authenticationKey]", ["authenticationKey"]),
        ("mask[apiAuthenticationKeys[id,authenticationKey]]", ["id", "authenticationKey"]),
        ("mask[apiAuthenticationKeys,apiAuthenticationKeys[user[id]]]", [*LOCAL, "user", "authenticationKey"]),
        ("id,apiAuthenticationKeys[id]", ["id"]),
        ("id,apiAuthenticationKeys[user[id]]", [*LOCAL, "user"]),
        ("id,apiAuthenticationKeyCount", []),
        ("", []),
    ):
        before = Event.objects.count()
        address = f"{CURRENT}?objectMask={mask}"
        reply = client.rest(token, address, "POST", [])
        assert sorted(*reply.json.get("apiAuthenticationKeys", [()])) == sorted(told)
        assert (value.encode() in reply.body) is ("authenticationKey" in told)
        assert Event.objects.count() - before == ("authenticationKey" in told)
        assert value.encode() not in client.rest(token, address).body  # a GET holds no stored value
    assert Event.objects.filter(action="classic_key.shown").count() == 5
    key = {"Authorization": basic(PRIYA, value)}
    assert value not in client.send("POST", f"/rest/v3.1/{CURRENT}?objectMask={KEYS}", [], **key).body.decode()
    ClassicKey.objects.filter(holder=cast["priya"]).update(creator=cast["marcus"])
    (key,) = client.xmlrpc(token, "getCurrentUser", **asked).xml["apiAuthenticationKeys"]
    assert "authenticationKey" not in key


def test_key_that_is_deleted_before_it_is_shown_is_not_there(client, monkeypatch):
    token, show = client.token(PRIYA), lifecycle.show_value

    def show_late(*, key, by, origin):
        ClassicKey.objects.filter(pk=key.pk).delete()
        return show(key=key, by=by, origin=origin)

    monkeypatch.setattr(lifecycle, "show_value", show_late)
    assert client.rest(token, f"{CURRENT}?objectMask={KEYS}", "POST", []).json["apiAuthenticationKeys"] == []


def test_no_other_call_shows_a_value_to_a_token(client, cast, value_of):
    token = client.token("1234567_marcus@acme.example")
    below = "mask[id,apiAuthenticationKeys[id,authenticationKey],childUsers[apiAuthenticationKeys[authenticationKey]]]"
    for address in ("SoftLayer_Account/getUsers", f"SoftLayer_User_Customer/{token[0]}/getObject", CURRENT):
        body = client.rest(token, f"{address}?objectMask={below}", "POST", []).body.decode()
        shown = [name for name in ("marcus", "priya", "berlin") if value_of(name) in body]
        assert shown == (["marcus"] if address == CURRENT else [])
    ClassicKey.objects.filter(holder=cast["marcus"]).delete()  # there is the key that he made for the Berlin office
    before = Event.objects.count()
    assert value_of("berlin") not in client.rest(token, f"{CURRENT}?objectMask={below}", "POST", []).body.decode()
    assert Event.objects.count() == before


# --- Who is not logged in ---------------------------------------------------------------------------------------------


def test_unknown_names_and_wrong_passwords_are_told_the_same_and_counted_like_those_of_the_login_page(client, sign_in):
    tries = [
        (NOOR, "wrong"), ("noor@acme.example", "wrong"), ("7654321_noor@acme.example", "wrong"),
        ("9999999_noor@acme.example", "wrong"), ("1234567_NOOR@acme.example", "wrong"),
        ("1234567_nobody@acme.example", demo.PASSWORD), ("1234567_vpn-berlin@acme.example", demo.PASSWORD),
        ("1234567_lena@acme.example", demo.PASSWORD), ("1234567_", demo.PASSWORD), ("apikey", demo.PASSWORD),
        ("'; --", "\u200b"),
    ]  # fmt: skip
    replies = [client.log_in(*given) for given in tries]
    assert {(reply.status, reply.body) for reply in replies} == {
        (
            401,
            json.dumps(
                {"error": "Invalid login credentials provided.", "code": FAILED}, separators=(",", ":")
            ).encode(),
        )
    }
    assert refusals() == ["wrong password"] * 7  # of those who are known: Noor, the Berlin office and Lena
    full = client.log_in(NOOR)
    assert (full.status, full.fault[0]) == (429, FAILED)
    assert full.fault[1].startswith("Too many attempts. Try again in ")
    assert 0 < int(full.headers["Retry-After"]) <= 300
    with pytest.raises(AssertionError, match="Too many attempts"):
        sign_in("noor")
    client.peer = "198.51.100.7"
    assert client.log_in(NOOR).status == 200


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Please provide an API username and a password."),
        ([NOOR, None], "Please provide an API username and a password."),
        ([NOOR, ""], "Please provide an API username and a password."),
        (["  ", "x"], "Please provide an API username and a password."),
        ([5, {"a": []}], "Please provide an API username and a password."),
        (["x" * 300, "x"], "The API username or the password is longer than any can be."),
        ([NOOR, "x" * 4097], "The API username or the password is longer than any can be."),
    ],
)
def test_what_cannot_be_a_name_and_a_password_is_neither_tried_nor_counted(client, arguments, text):
    for _ in range(6):
        reply = client.send("POST", LOGIN, arguments)
        assert outcome(reply) == (500, "SoftLayer_Exception_InvalidValue", text)
    assert client.send("GET", LOGIN).fault[0] == "SoftLayer_Exception_InvalidValue"
    assert refusals() == []


def with_passkey(name: str) -> None:
    user = User.objects.get(email=f"{name}@acme.example")
    Passkey.objects.create(
        user=user, credential_id=b"1", public_key=b"2", sign_count=0, name="Phone", created_at="2026-01-01T00:00Z"
    )


def frozen(name: str) -> None:
    member = Member.objects.get(account=ACME, user__email=f"{name}@acme.example")
    BranchFreeze.objects.create(account_id=ACME, member=member, reason="Left", at="2026-01-01T00:00Z")


def set_noor(**values: Any) -> None:
    Member.objects.filter(account=ACME, user__email="noor@acme.example").update(**values)


def set_status(status: MemberStatus) -> None:
    set_noor(status=status)


def set_account(**values: Any) -> None:
    Account.objects.filter(pk=ACME).update(**values)


NO_FACTOR = f"This account requires a second factor. {CONSOLE}"
ASK = "Log in with your API username:"
OTHER = "7654321_noor@acme.example"
FROM_ELSEWHERE = ("address not allowed", "You cannot log in from this address. Ask the person who invited you.")


@pytest.mark.parametrize(
    ("change", "name", "why", "text"),
    [
        (None, "noor@acme.example", "not the API username", f"{ASK} {NOOR} or {OTHER}."),
        (None, "1_noor@acme.example", "not the API username", f"{ASK} {NOOR} or {OTHER}."),
        (lambda: with_passkey("noor"), NOOR, "second factor needed", f"You log in with a second factor. {CONSOLE}"),
        (lambda: set_account(require_second_factor=True), NOOR, "no second factor", NO_FACTOR),
        (lambda: set_account(allowed_addresses="10.0.0.0/8"), NOOR, *FROM_ELSEWHERE),
        (lambda: Account.objects.update(allowed_addresses="10.0.0.0/8"), "noor@acme.example", *FROM_ELSEWHERE),
        (
            lambda: [with_passkey("noor"), Account.objects.update(allowed_addresses="10.0.0.0/8")], NOOR,
            *FROM_ELSEWHERE,
        ),
        (
            lambda: set_status(MemberStatus.SUSPENDED), NOOR, "suspended",
            "Your status in this account is Suspended, which allows nothing here.",
        ),
        (
            lambda: frozen("priya"), NOOR, "frozen",
            "Your branch of users is frozen. Until it is thawed, you cannot do anything here.",
        ),
        (lambda: set_status(MemberStatus.INVALID), NOOR, "not the API username", f"{ASK} {OTHER}."),
        (
            lambda: Member.objects.filter(user__email="noor@acme.example").update(status=MemberStatus.INVALID), NOOR,
            "no membership to sign in to",
            "Your user cannot log in to any account. Ask the person who invited you.",
        ),
        (lambda: set_status(MemberStatus.VPN_ONLY), NOOR, "not the API username", f"{ASK} {OTHER}."),
    ],
)  # fmt: skip
def test_what_keeps_people_out_of_the_console_is_told_after_the_right_password_alone(client, change, name, why, text):
    if change:
        change()
    assert client.log_in(name, "wrong").fault == (FAILED, "Invalid login credentials provided.")
    assert outcome(client.log_in(name)) == (401, FAILED, text)
    assert refusals() == ["wrong password", why]
    assert not Event.objects.filter(action="user.signed_in", account_id=ACME, details__contains="SoftLayer").exists()
    for _ in range(3):
        client.log_in(name)
    assert client.log_in(name).status == 429  # so that nobody fills the trail with it


# --- Which tokens are accepted ----------------------------------------------------------------------------------------


def test_token_is_over_with_the_time_of_a_fresh_proof(client, monkeypatch):
    token, now = client.token(NOOR), login_tokens.time.time()
    monkeypatch.setattr(login_tokens.time, "time", lambda: now + signin.FRESH_PROOF.total_seconds() - 2)
    assert client.use(token) is None
    monkeypatch.setattr(login_tokens.time, "time", lambda: now + signin.FRESH_PROOF.total_seconds())
    assert client.use(token) == WRONG_TOKEN[1:]


NO_TOKEN = WRONG_TOKEN[1:]
DENIED = "SoftLayer_Exception_PermissionDenied"


@pytest.mark.parametrize(
    ("change", "fault", "noted"),
    [
        (lambda: User.objects.filter(email="noor@acme.example").update(password="another"), NO_TOKEN, []),
        (lambda: with_passkey("noor"), NO_TOKEN, []),
        (lambda: set_status(MemberStatus.INVALID), NO_TOKEN, []),
        (lambda: set_status(MemberStatus.VPN_ONLY), NO_TOKEN, []),
        (lambda: Member.objects.filter(account=ACME, user__email="noor@acme.example").delete(), NO_TOKEN, []),
        (lambda: set_noor(name_here="Noor"), NO_TOKEN, []),  # as of an owner whom others added, once they are none
        (lambda: set_account(allowed_addresses="10.0.0.0/8"), NO_TOKEN, ["address not allowed"]),
        (
            lambda: [set_status(MemberStatus.SUSPENDED), set_account(allowed_addresses="10.0.0.0/8")], NO_TOKEN,
            ["address not allowed"],
        ),
        (
            lambda: set_status(MemberStatus.SUSPENDED),
            (DENIED, "Your status in this account is Suspended, which allows nothing here."), ["suspended"],
        ),
        (
            lambda: frozen("marcus"),
            (DENIED, "Your branch of users is frozen. Until it is thawed, you cannot do anything here."), ["frozen"],
        ),
        (lambda: set_account(require_second_factor=True), (DENIED, NO_FACTOR), ["no second factor"]),
    ],
)  # fmt: skip
def test_token_ends_with_the_next_call_when_the_console_would_be_closed(client, change, fault, noted):
    token = client.token(NOOR)
    assert client.use(token) is None
    change()
    assert client.use(token) == client.use(token) == fault
    assert refusals() == noted  # once a minute


def test_restriction_of_the_console_counts_and_not_that_of_the_key(client, cast):
    token = client.token(PRIYA)
    ClassicKey.objects.filter(holder=cast["priya"]).update(allowed_addresses="10.0.0.0/8")
    assert client.use(token) is None
    Member.objects.filter(pk=cast["priya"].pk).update(allowed_addresses="10.0.0.0/8")
    assert client.use(token) == NO_TOKEN
    client.peer = "10.1.2.3"
    assert client.use(token) is None
    noor, marcus = client.token(NOOR), client.token("1234567_marcus@acme.example")
    set_account(allowed_addresses="17.0.0.0/8")
    assert client.use(noor) == client.use(marcus) == NO_TOKEN
    refused = Event.objects.filter(action="console.refused").values_list("actor_id", flat=True)
    assert {*refused} == {cast[name].pk for name in ("priya", "noor", "marcus")}  # an event of each


def test_no_other_text_is_a_token(client, cast, settings):
    noor, priya = client.token(NOOR), client.token(PRIYA)
    later = base64.urlsafe_b64decode(noor[1].removeprefix("ktl_") + "==")
    later = "ktl_" + base64.urlsafe_b64encode(b"\xff" * 8 + later[8:]).decode().rstrip("=")
    swapped = noor[1][:-2] + ("A" if noor[1][-2] != "A" else "B") + noor[1][-1]
    same_bytes = noor[1][:-1] + chr(ord(noor[1][-1]) + 1)  # the last letter has bits that say nothing
    elsewhere = Member.objects.get(account=BOREALIS, user=cast["noor"].user).pk
    for token in (
        (priya[0], noor[1]), (elsewhere, noor[1]), (2**31 - 1, noor[1]), (0, noor[1]), (-noor[0], noor[1]),
        (noor[0], swapped), (noor[0], same_bytes), (noor[0], later), (noor[0], "ktl_"), (noor[0], "ktl_AAAA"),
        (noor[0], "ktl_é"), (noor[0], f"{noor[1]}A"), (noor[0], f"{noor[1]}=="),
        (noor[0], noor[1].replace("ktl_", "ktr_")),
    ):  # fmt: skip
        assert client.use(token) == NO_TOKEN, token
    for name in ("noor", NOOR, "", "-1", "9" * 30):
        assert outcome(client.rest((name, noor[1]), CURRENT)) == WRONG_TOKEN
    for presented in (
        {"userId": noor[0]},
        {"authToken": noor[1]},
        {"userId": [], "authToken": noor[1]},
        {"userId": noor[0], "authToken": 5},
    ):
        sent = document("getCurrentUser", {"headers": {"authenticate": presented}})
        assert send(client.application, "POST", "/xmlrpc/v3.1/SoftLayer_Account", sent).fault == NO_TOKEN
    put_first(settings)
    assert client.use(noor) is None
    newer = client.token(NOOR)
    settings.KEYTREE_KEY_RING = NEWER
    assert (client.use(noor), client.use(newer)) == (NO_TOKEN, None)


def test_token_opens_nothing_else(client):
    number, text = client.token(NOOR)
    for name in (str(number), NOOR, "apikey"):
        assert call(headers={"Authorization": basic(name, text)}).status.startswith("401")
    assert outcome(client.send("GET", f"/rest/v3.1/{CURRENT}", Authorization=f"Bearer {text}")) == WRONG_TOKEN
    query = f"?userId={number}&authToken={text}"
    assert client.send("GET", f"/rest/v3.1/{CURRENT}{query}").fault[1] == "No valid authentication headers found."
