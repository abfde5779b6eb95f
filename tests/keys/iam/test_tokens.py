"""A token for the value of a key: what is read of the request, and who gets one."""

from urllib.parse import quote

import jwt
import pytest

from keys import access_tokens, material
from keys.access_tokens import issue, key_of
from keys.models import PlatformKey
from tests.keys.calls import basic
from tests.keys.iam.asking import GRANT, KEYS

pytestmark = pytest.mark.django_db

NOT_FOUND = (400, "BXNIM0415E", "Provided API key could not be found.")


def test_token_for_a_value_is_answered_as_the_original_does(as_user):
    priya = as_user("priya")
    reply = priya.ask_token(priya.value)
    claims = jwt.decode(reply.json["access_token"], options={"verify_signature": False})
    assert (claims["exp"] - claims["iat"], claims["account"]) == (access_tokens.LIFE, {"bss": "1234567"})
    assert (claims["iam_id"], claims["sub"]) == (priya.own_id, "priya@acme.example")
    assert reply.json == {
        "access_token": reply.json["access_token"],
        "refresh_token": "not_supported",
        "token_type": "Bearer",
        "expires_in": reply.json["expires_in"],
        "expiration": claims["exp"],
        "scope": "ibm openid",
    }
    assert access_tokens.LIFE - 5 <= reply.json["expires_in"] <= access_tokens.LIFE
    assert key_of(reply.json["access_token"]) == priya.key.token_id
    assert priya("GET", KEYS, headers={"Authorization": f"Bearer {reply.json['access_token']}"}).status == 200


def test_only_the_value_of_an_ibm_cloud_api_key_gets_one_and_all_refusals_are_alike(as_user, value_of):
    priya = as_user("priya")
    others = [
        "", "x", priya.value[:-1] + ("x" if priya.value[-1] != "x" else "y"), priya.value + "\n", " " + priya.value,
        value_of("priya"), material.new_platform_value().text, priya.key.record_id, priya.token, "k" * 100_000,
        "é\u2028",
    ]  # fmt: skip
    assert {priya.ask_token(value).error for value in others} == {NOT_FOUND}


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"Authorization": basic("bx", "bx")}},  # a client id, which the library sends if it is given one
        {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"headers": {"Content-Type": "application/json"}},
        {"headers": {"Content-Type": ""}},
        {"headers": {"Accept": "text/html"}},
    ],
)
def test_form_is_read_whatever_the_headers_say(as_user, iam, more):
    value = as_user("priya").value
    body = f"grant_type={quote(GRANT, safe='')}&apikey={value}&response_type=cloud_iam&scope=x&more="
    assert iam("POST", "/identity/token", body, **more).status == 200
    assert iam("POST", "/identity/token", body.replace("&response_type=cloud_iam", ""), **more).status == 200


@pytest.mark.parametrize(
    "body",
    [
        "", "x", "{}", b"\xff\xfe", "grant_type=password&apikey={value}", "grant_type={grant}x&apikey={value}",
        "apikey={value}", "grant_type={grant}&apikey={value}&response_type=uaa",
        "grant_type={grant}&apikey={value}&apikey={value}", "grant_type={grant}&grant_type={grant}&apikey={value}",
        "grant_type=refresh_token&refresh_token=not_supported", "grant_type={grant}&apikey={value}&x=%00",
        "grant_type={grant}&apikey={value}&x=%ff", "grant_type={grant}&apikey={value}&x=%ed%a0%80",
        "&".join(["a=b"] * 200),
    ],
)  # fmt: skip
def test_any_other_form_is_a_bad_request(as_user, iam, body):
    value = as_user("priya").value
    if isinstance(body, str):
        body = body.replace("{value}", value).replace("{grant}", GRANT)
    reply = iam("POST", "/identity/token", body)
    assert reply.error[:2] == (400, "BXNIM0106E")
    assert value not in reply.body.decode()


def test_value_in_the_address_is_not_read(as_user, iam):
    value = as_user("priya").value
    reply = iam("POST", f"/identity/token?grant_type={GRANT}&apikey={value}&response_type=cloud_iam")
    assert reply.error[:2] == (400, "BXNIM0106E")


def test_ring_and_what_is_told_of_a_key_make_no_token(as_user):
    """Somebody who could read the ring may have left: its old entries stay in it."""
    priya = as_user("priya")
    assert priya("GET", KEYS, headers={"Authorization": f"Bearer {issue(priya.key).text}"}).status == 200
    priya.key.token_id = priya.key.uuid
    forged = issue(priya.key).text
    assert key_of(forged) == priya.key.uuid
    assert priya("GET", KEYS, headers={"Authorization": f"Bearer {forged}"}).error[:2] == (401, "BXNIM0407E")


def test_asking_writes_nothing_but_the_use(as_user, collector):
    priya = as_user("priya")
    before = list(PlatformKey.objects.values())
    priya.ask_token(priya.value)
    assert list(PlatformKey.objects.values()) == before
    collector.flush()
    assert PlatformKey.objects.get().last_used_from == "127.0.0.1"
