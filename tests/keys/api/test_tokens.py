"""Calls of SoftLayer clients with an access token of IAM, over both transports."""

import pytest

from accounts.enums import MemberStatus
from accounts.models import Member
from console.middleware import ALWAYS
from keys import access_tokens
from keys.access_tokens import issue
from keys.api.application import ApiApplication
from keys.models import PlatformKey
from tests.keys.api.calling import PATHS, PRIYA, Reply, Wire, document, headed, send
from tests.keys.calls import django

pytestmark = pytest.mark.django_db

WRONG = ("SoftLayer_Exception", "Invalid API token.")


@pytest.fixture
def key(platform_key_of) -> PlatformKey:
    return platform_key_of("priya")[0]


@pytest.fixture
def wire(cast) -> Wire:
    return Wire(gives={})


@pytest.fixture
def bearer(wire):
    """A function that sends a token over each transport, and returns both answers."""

    def call(token: str) -> list[Reply]:
        header = {"Authorization": f"Bearer {token}"}
        return [
            wire.send("GET", PATHS[0], headers=header),
            wire.send("POST", PATHS[1], document("getObject", {"headers": {}}), headers=header),
        ]

    return call


def test_caller_is_whose_key_the_token_was_given_for(wire, cast, key, bearer):
    assert [reply.status for reply in bearer(issue(key).text)] == [200, 200]
    assert [(caller.member, caller.key_id, caller.value) for caller in wire.callers] == [
        (cast["priya"], None, None)
    ] * 2


def test_token_whose_time_is_over_has_the_code_that_clients_get_another_one_upon(wire, key, bearer, monkeypatch):
    token, now = issue(key).text, access_tokens.time.time()
    monkeypatch.setattr(access_tokens.time, "time", lambda: now + access_tokens.LIFE)
    rest, xmlrpc = bearer(token)
    fault = ("SoftLayer_Exception_Account_Authentication_AccessTokenValidation", "The access token has expired.")
    assert (rest.status, rest.fault, xmlrpc.fault) == (500, fault, fault)
    assert bearer(token[:-1] + ("A" if token[-1] != "A" else "B"))[0].fault == WRONG  # for a genuine one alone
    assert wire.calls == []


@pytest.mark.parametrize(
    "change",
    [
        lambda key: PlatformKey.objects.filter(pk=key.pk).update(is_enabled=False),
        lambda key: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.SUSPENDED),
        lambda key: key.delete(),
    ],
)
def test_token_is_refused_from_the_next_call_on_when_its_key_is(wire, key, bearer, change):
    token = issue(key).text
    assert [reply.status for reply in bearer(token)] == [200, 200]
    wire.calls.clear()
    change(key)
    rest, xmlrpc = bearer(token)
    assert (rest.status, rest.fault, xmlrpc.fault) == (401, WRONG, WRONG)
    assert wire.calls == []


def test_what_is_no_token_is_refused_like_a_wrong_key(wire, platform_key_of, value_of, bearer):
    _, value = platform_key_of("priya")
    for token in ("", "x", value, value_of("priya"), "a.b.c", "x" * 9_000):
        assert [reply.fault for reply in bearer(token)] == [WRONG, WRONG]
    assert wire.calls == []


def test_pair_in_the_document_counts_and_not_the_token_beside_it(wire, key, value_of):
    header = {"Authorization": f"Bearer {issue(key).text}"}
    wrong = document("getObject", headed(PRIYA, "0" * 64))
    assert wire.send("POST", PATHS[1], wrong, headers=header).fault == WRONG
    right = document("getObject", headed(PRIYA, value_of("priya")))
    assert wire.send("POST", PATHS[1], right, headers={"Authorization": "Bearer x"}).status == 200
    assert wire.callers[-1].value.text == value_of("priya")


def test_value_of_the_classic_key_is_not_given_for_a_token(cast, key):
    application, header = ApiApplication(django, headers=ALWAYS), {"Authorization": f"Bearer {issue(key).text}"}
    mask = "objectMask=mask[id,apiAuthenticationKeys[id,authenticationKey]]"
    reply = send(application, "GET", f"/rest/v3.1/SoftLayer_Account/getCurrentUser?{mask}", headers=header)
    assert reply.json["id"] == cast["priya"].pk
    assert [set(found) for found in reply.json["apiAuthenticationKeys"]] == [{"id"}]
