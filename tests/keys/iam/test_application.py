"""What holds for every request below the two places: who calls, what is refused before, and what is never a page."""

import io
import json
import logging
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts import memberships
from accounts.enums import MemberStatus
from accounts.models import Account, Event, Member
from accounts.origin import COMMAND_LINE, request_id
from keys import access_tokens, verification
from keys.iam.methods import CALLS
from keys.models import ClassicKey, PlatformKey
from keys.platform.lifecycle import delete_platform_key
from tests.keys.calls import basic, forgeries
from tests.keys.iam.asking import KEYS

pytestmark = pytest.mark.django_db

INVALID = (401, "BXNIM0407E", "Provided access token is invalid.")
#: An address and a verb of each kind of call, with a token.
ADDRESSES = [
    (verb, "/" + "/".join("ApiKey-x" if part == "*" else part for part in parts))
    for parts, verbs in CALLS.items()
    for verb in verbs
]


# --- Who calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "address"), ADDRESSES)
def test_no_call_is_answered_without_a_token(iam, verb, address):
    assert iam(verb, address).error == (401, "BXNIM0308E", "No authorization header found.")


@pytest.mark.parametrize(
    "change",
    [
        lambda key, _: PlatformKey.objects.filter(pk=key.pk).update(is_enabled=False),
        lambda key, _: PlatformKey.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
        lambda key, _: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.SUSPENDED),
        lambda key, _: Member.objects.filter(pk=key.holder_id).update(status=MemberStatus.DISABLED_CLASSIC),
        lambda key, _: ClassicKey.objects.filter(holder_id=key.holder_id).update(allowed_addresses="10.0.0.0/8"),
        lambda key, _: Account.objects.filter(pk=key.account_id).update(allowed_addresses="10.0.0.0/8"),
        lambda _, cast: memberships.freeze_branch(
            member=cast["marcus"], reason="An audit", by=cast["olivia"], origin=COMMAND_LINE
        ),
        lambda key, cast: delete_platform_key(key=key, by=cast["priya"], origin=COMMAND_LINE),
    ],
)
def test_token_is_refused_from_the_next_call_on_when_its_key_is(priya, cast, change):
    assert priya("GET", KEYS).status == 200
    assert priya.ask_token(priya.value).status == 200
    change(priya.key, cast)
    assert all(priya(verb, address).error == INVALID for verb, address in ADDRESSES)
    assert priya.ask_token(priya.value).error == (400, "BXNIM0415E", "Provided API key could not be found.")


def test_token_whose_time_is_over_is_refused(priya, monkeypatch):
    now = access_tokens.time.time()
    monkeypatch.setattr(access_tokens.time, "time", lambda: now + access_tokens.LIFE + 1)
    assert priya("GET", KEYS).error == (401, "BXNIM0407E", "Provided access token has expired.")


@pytest.mark.parametrize("status", [MemberStatus.VPN_ONLY, MemberStatus.INVALID])
def test_caller_who_can_do_nothing_is_told_why(priya, collector, status):
    Member.objects.filter(pk=priya.key.holder_id).update(status=status)
    told = f"Your status in this account is {status.label}, which allows nothing here."
    assert all(priya(verb, address).error == (403, "forbidden", told) for verb, address in ADDRESSES)
    collector.flush()
    event = Event.objects.get(action="platform_key.call_refused", outcome="refused")
    details = json.loads(event.details)
    assert details["why"] == "an IBM Cloud client called, but the user's status allows nothing in the account"
    assert (event.subject_id, event.address) == (priya.key.holder_id, "127.0.0.1")


def test_a_call_is_a_use_of_the_key_and_a_refused_one_an_event(priya, collector):
    priya("GET", KEYS)
    collector.flush()
    key = PlatformKey.objects.get(pk=priya.key.pk)
    assert (key.last_used_at is not None, key.last_used_from) == (True, "127.0.0.1")
    PlatformKey.objects.update(is_enabled=False)
    priya("GET", KEYS)
    collector.flush()
    details = json.loads(Event.objects.get(action="platform_key.call_refused").details)
    assert (details["key"], details["why"]) == (priya.key.record_id, "the key is disabled")


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER", "Bearer  "])
def test_scheme_is_read_as_the_standard_says(iam, priya, scheme):
    assert iam("GET", KEYS, headers={"Authorization": f"{scheme} {priya.token}"}).status == 200


def test_only_a_token_in_its_header_counts(iam, priya, value_of, sign_in):
    token, value = priya.token, priya.value
    for header in (
        "Bearer", "Bearer x", f"Basic {token}", token, f"Bearer {token} x", f"Bearer {value}", basic("apikey", value),
        basic("1234567_priya@acme.example", value_of("priya")), f"Bearer {token}, Bearer {token}",
        "Bearer " + "x" * 9000,
    ):  # fmt: skip
        assert iam("GET", KEYS, headers={"Authorization": header}).error == INVALID, header
    for name in ("X-Authorization", "Proxy-Authorization", "IAM-ApiKey", "Cookie"):
        assert iam("GET", KEYS, headers={name: f"Bearer {token}"}).status == 401
    for query in (f"access_token={token}", f"Authorization=Bearer {token}", f"apikey={value}"):
        assert iam("GET", f"{KEYS}?{query}").status == 401
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in sign_in("priya").cookies.items())
    assert iam("GET", KEYS, headers={"Cookie": cookies}).status == 401


def test_address_is_the_connections_or_what_a_declared_proxy_says(priya, settings):
    Account.objects.update(allowed_addresses="17.5.7.0/24")
    for forgery in forgeries("17.5.7.8", "10.0.0.1"):
        assert priya("GET", KEYS, headers=forgery, REMOTE_ADDR="203.0.113.9").error == INVALID, forgery
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    assert priya("GET", KEYS, headers={"X-Forwarded-For": "17.5.7.8"}, REMOTE_ADDR="10.0.0.1").status == 200
    assert priya("GET", KEYS, REMOTE_ADDR="17.5.7.8").status == 200


# --- How calls may come -----------------------------------------------------------------------------------------------

EVERY = [*ADDRESSES, ("POST", "/identity/token")]


def test_what_comes_in_clear_from_elsewhere_is_refused_and_not_redirected(priya, settings):
    settings.IS_HTTPS, settings.SECURE_HSTS_SECONDS = True, 63_072_000
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    for verb, address in EVERY:
        reply = priya(verb, address, headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR="17.5.7.8")
        assert reply.error == (403, "forbidden", "Call by https: what is sent in clear can be read on its way.")
        reply = priya(verb, address, headers={"X-Forwarded-Proto": "http"}, REMOTE_ADDR="10.0.0.1")
        assert reply.error[0] == 403
    https = priya("GET", KEYS, REMOTE_ADDR="17.5.7.8", **{"wsgi.url_scheme": "https"})
    assert (https.status, "Strict-Transport-Security" in https.headers) == (200, True)
    assert priya("GET", KEYS).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything"])
def test_request_that_another_sites_page_makes_is_refused(priya, site):
    for verb, address in EVERY:
        reply = priya(verb, address, headers={"Sec-Fetch-Site": site, "Origin": "https://evil.example"})
        assert reply.error == (403, "forbidden", "Pages of other sites may not call.")


@pytest.mark.parametrize("verb", ["HEAD", "OPTIONS", "PATCH", "TRACE", "GET", "POST", "PUT", "DELETE"])
def test_verb_that_an_address_has_not_runs_nothing(priya, verb):
    verbs = {address: {one for one, other in EVERY if other == address} for _, address in EVERY}
    for address, allowed in verbs.items():
        if verb not in allowed:
            reply = priya(verb, address, {"name": "x"}, headers={"X-HTTP-Method-Override": "POST"})
            assert reply.status == 405
            assert set(reply.headers["Allow"].split(", ")) == allowed
    assert PlatformKey.objects.count() == 1


# --- Where calls are answered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/v1x", "/v2x", "/v3/apikeys", "/identityx", "/a/v1/apikeys", "/V1/apikeys", "/iam"]
)
def test_other_paths_are_passed_on(iam, path):
    assert iam("GET", path).headers["X-Answered-By"] == "Django"


@pytest.mark.parametrize(
    "place", ["v1", "v2", "identity", "v1/apikeys/x/y", "v2/accounts/1234567/users/x", "identity/token"]
)
@pytest.mark.parametrize(
    "path", ["/", "//x", "/login", "/../../login", "/%2e%2e/login", "/%00", "/%ff%fe", "/;x", "/é"]
)
def test_nothing_below_is_a_page(priya, place, path):
    for verb in ("GET", "POST"):
        assert priya(verb, f"/{place}{path}").headers["Content-Type"] == "application/json"


def test_slash_at_the_end_is_none(priya):
    assert priya("GET", f"{KEYS}/").status == 200


def test_script_name_that_a_client_sent_does_not_lead_to_a_page(priya):
    for place in ("v1", "v2", "identity"):
        for script_name, path in ((f"/{place}", "/login"), (f"/{place}", ""), (f"/{place}/apikeys", "/x")):
            assert "X-Answered-By" not in priya("GET", path, SCRIPT_NAME=script_name).headers


# --- Bodies, and what goes wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "address"), EVERY)
def test_body_that_is_too_large_is_not_read(priya, verb, address):
    class Body(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("the body was read")

    for length in (str(2**20 + 1), "9" * 4_000):
        reply = priya(verb, address, CONTENT_LENGTH=length, **{"wsgi.input": Body()})
        assert reply.error == (413, "BXNIM0106E", "Bad request: the body is larger than 1 MiB.")
    assert priya(verb, address, CONTENT_LENGTH="7", **{"wsgi.input": io.BytesIO(b"half")}).status == 400


@pytest.mark.parametrize("error", [OperationalError("on purpose"), InterfaceError(), verification.Unavailable()])
def test_database_that_is_away_is_told_and_never_a_yes(priya, monkeypatch, error):
    def away(*_: object) -> None:
        raise error

    monkeypatch.setattr(verification, "_find", away)
    for reply in (priya("GET", KEYS), priya.ask_token(priya.value)):
        assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
        assert "on purpose" not in reply.body.decode()


def test_fault_of_ours_is_logged_and_told_without_what_it_was(priya, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(verification, "verify_platform", fail)
    monkeypatch.setattr(verification, "verify_key", fail)
    for ask in (lambda: priya.ask_token(priya.value), lambda: priya("GET", KEYS)):
        told = ask().error
        assert told == (
            500,
            "internal_error",
            f"Something went wrong in Keytree. Its log has it under {request_id.get()}.",
        )
    assert [record.levelno for record in caplog.records if record.exc_text] == [logging.ERROR] * 2


def test_refusals_are_lines_of_the_log_without_what_was_sent(iam, priya, caplog):
    caplog.set_level(logging.INFO)
    iam.ask_token(priya.value[:-1] + "-")
    iam.ask_token(priya.value)
    iam("GET", KEYS, headers={"Authorization": f"Bearer {priya.token}x"})
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("keys.iam")]
    assert lines == ["not_found for POST /identity/token", "unauthorized for GET /v1/apikeys"]


def test_time_left_is_that_of_the_key_if_that_is_shorter(priya):
    PlatformKey.objects.update(expires_at=timezone.now() + timedelta(seconds=90))
    assert 85 <= priya.ask_token(priya.value).json["expires_in"] <= 90
