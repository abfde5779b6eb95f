"""What holds for every request below the two addresses: who calls, what is refused before, and how requests end."""

import io
import json
import logging
from itertools import product
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from accounts import queries
from accounts.enums import MemberStatus
from accounts.models import Event, Member
from accounts.origin import request_id
from keys import verification
from keys.api.faults import Fault
from keys.models import ClassicKey
from tests.keys.api.calling import PATHS, PRIYA, connection_kept, document, headed, raising
from tests.keys.calls import REFUSING, basic, forgeries

pytestmark = pytest.mark.django_db

WRONG = ("SoftLayer_Exception", "Invalid API token.")
DENIED = "SoftLayer_Exception_PermissionDenied"


def is_refused(reply) -> bool:
    """Whether the key was refused, in the one way in which keys are."""
    if reply.headers["Content-Type"] == "application/json" and reply.status == 200:
        return False
    if b"<fault>" not in reply.body and reply.status == 200:
        return False
    assert reply.fault == WRONG
    assert reply.status in (200, 401)
    return True


# --- Who calls --------------------------------------------------------------------------------------------------------


def test_caller_is_whose_key_it_is(wire, ways, cast, key_of, value_of):
    for way in ways:
        assert way({"User-Agent": "curl/8"}).status == 200
        (caller,) = wire.callers
        wire.callers.clear()
        assert (caller.member, caller.key_id, caller.value.text) == (
            cast["priya"],
            key_of("priya").pk,
            value_of("priya"),
        )
        assert (caller.origin.address, caller.origin.request_id) == ("127.0.0.1", request_id.get())
        assert value_of("priya") not in repr(caller)


@pytest.mark.parametrize("change", REFUSING)
def test_key_is_refused_from_the_next_call_on_and_always_alike(wire, ways, key_of, change):
    assert not any(is_refused(way()) for way in ways)
    change(key_of("priya"))
    wire.calls.clear()
    assert all(is_refused(way()) for way in ways)
    assert wire.calls == []


@pytest.mark.parametrize("status", [MemberStatus.VPN_ONLY, MemberStatus.INVALID])
def test_key_that_works_elsewhere_is_told_why_it_can_do_nothing_here(wire, ways, cast, collector, status):
    Member.objects.filter(pk=cast["priya"].pk).update(status=status)
    for way in ways:
        reply = way()
        assert reply.fault == (DENIED, f"Your status in this account is {status.label}, which allows nothing here.")
    assert wire.calls == []
    collector.flush()
    event = Event.objects.get(action="classic_key.call_refused", outcome="refused")
    told = {"why": "a SoftLayer client called, but the user's status allows nothing in the account", "count": len(ways)}
    assert (event.subject_id, event.address, json.loads(event.details)) == (cast["priya"].pk, "127.0.0.1", told)


def test_member_who_is_gone_between_the_two_looks_is_refused(ways, monkeypatch):
    monkeypatch.setattr(queries, "member_of", lambda *_: None)
    assert all(is_refused(way()) for way in ways)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (None, ("SoftLayer_Exception", "No valid authentication headers found.")),
        ("", ("SoftLayer_Exception", "No valid authentication headers found.")),
        ("Basic", WRONG), ("Basic x", WRONG), ("Bearer eyJ", WRONG), (basic(PRIYA, "0" * 64), WRONG),
        (basic("apikey", "x" * 44), WRONG), (basic("", ""), WRONG), (basic("12", "token"), WRONG),
    ],
)  # fmt: skip
def test_rest_without_a_key_that_works_is_401(wire, header, fault):
    for path in ("SoftLayer_Account", "Nonsense/nonsense", "SoftLayer_Account?resultLimit=x"):
        reply = wire.rest("GET", path, headers={} if header is None else {"Authorization": header})
        assert (reply.status, reply.fault) == (401, fault)
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="Keytree", charset="UTF-8"'


def test_credentials_in_the_query_or_in_other_headers_are_not_read(wire, value_of):
    header, value = basic(PRIYA, value_of("priya")), value_of("priya")
    for query in (f"username={PRIYA}&apiKey={value}", f"Authorization={header}", f"user={PRIYA}&password={value}"):
        assert wire.rest("GET", f"SoftLayer_Account?{query}").status == 401
    for name in ("Proxy-Authorization", "X-Authorization", "Cookie", "IAM-ApiKey"):
        assert wire.rest("GET", "SoftLayer_Account", headers={name: header}).status == 401


def test_a_session_of_the_console_opens_nothing(wire, sign_in):
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in sign_in("priya").cookies.items())
    assert wire.rest("GET", "SoftLayer_Account", headers={"Cookie": cookies}).status == 401


def test_address_is_the_connections_or_what_a_declared_proxy_says(ways, key_of, settings):
    ClassicKey.objects.filter(pk=key_of("priya").pk).update(allowed_addresses="17.5.7.0/24")
    for forgery in forgeries("17.5.7.8", "10.0.0.1"):
        assert all(is_refused(way(forgery, REMOTE_ADDR="203.0.113.9")) for way in ways), forgery
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    for way in ways:
        assert not is_refused(way({"X-Forwarded-For": "17.5.7.8"}, REMOTE_ADDR="10.0.0.1"))
        assert not is_refused(way(REMOTE_ADDR="17.5.7.8"))
        assert is_refused(way({"X-Forwarded-For": "17.5.7.8, 203.0.113.9"}, REMOTE_ADDR="10.0.0.1"))


# --- How calls may come -----------------------------------------------------------------------------------------------


def test_key_in_clear_from_elsewhere_is_refused_and_not_redirected(wire, ways, settings):
    settings.IS_HTTPS, settings.SECURE_HSTS_SECONDS = True, 63_072_000
    settings.KEYTREE_TRUSTED_PROXIES = "10.0.0.0/8"
    said = (("17.5.7.8", "https"), ("10.0.0.1", "http"), ("10.0.0.1", "https, http"), ("10.0.0.1", ""))
    for way, (peer, scheme) in product(ways, said):
        reply = way({"X-Forwarded-Proto": scheme}, REMOTE_ADDR=peer)
        assert reply.fault == (DENIED, "Call by https: a key that is sent in clear can be read on its way.")
        assert reply.status in (403, 200)
        assert "Location" not in reply.headers
        assert "Strict-Transport-Security" not in reply.headers
    assert wire.calls == []
    for way in ways:
        for peer, more in (
            ("17.5.7.8", {"wsgi.url_scheme": "https"}),
            ("127.0.0.1", {}),
            ("::1", {}),
            ("10.0.0.1", {}),
            ("10.0.0.1", {"HTTP_X_FORWARDED_PROTO": "https"}),
            ("127.0.0.1", {"HTTP_X_FORWARDED_PROTO": "http"}),  # which is not for it to say
        ):
            assert not is_refused(way({"X-Forwarded-For": "17.5.7.8"}, REMOTE_ADDR=peer, **more))
    settings.IS_HTTPS = False  # then keys are sent in clear everywhere
    for way in ways:
        said = {"X-Forwarded-For": "17.5.7.8", "X-Forwarded-Proto": "http"}
        assert not is_refused(way(said, REMOTE_ADDR="10.0.0.1"))


def test_answers_by_https_keep_browsers_to_it(ways, settings):
    settings.IS_HTTPS, settings.SECURE_HSTS_SECONDS = True, 63_072_000
    kept = "max-age=63072000; includeSubDomains; preload"
    for way in ways:
        assert way(**{"wsgi.url_scheme": "https"}).headers["Strict-Transport-Security"] == kept
        assert "Strict-Transport-Security" not in way().headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything", "none, cross-site"])
def test_request_that_another_sites_page_makes_is_refused(wire, ways, site):
    """A browser that remembers the key would send it along, and a GET makes a key."""
    for way in ways:
        assert way({"Sec-Fetch-Site": site}).fault == (DENIED, "Pages of other sites may not call.")
    assert wire.calls == []


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_request_that_a_person_makes_is_answered(ways, site):
    assert not any(is_refused(way({"Sec-Fetch-Site": site})) for way in ways)


@pytest.mark.parametrize("verb", ["HEAD", "OPTIONS", "PATCH", "TRACE"])
def test_other_verbs_run_nothing(wire, value_of, verb):
    header = {"Authorization": basic(PRIYA, value_of("priya"))}
    for path, allowed in zip(PATHS, ("GET, POST, PUT, DELETE", "POST"), strict=True):
        reply = wire.send(verb, path, headers={**header, "X-HTTP-Method-Override": "POST"})
        assert (reply.status, reply.headers["Allow"]) == (405, allowed)
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert wire.calls == []


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "HEAD"])
def test_xmlrpc_is_posted(wire, ways, verb):
    assert wire.send(verb, PATHS[1]).headers["Allow"] == "POST"


def test_head_tells_nothing_of_what_get_would_have_made(wire, value_of):
    header = {"Authorization": basic(PRIYA, value_of("priya"))}
    for path in ("/rest/v3.1/SoftLayer_User_Customer/1/addApiAuthenticationKey", "/rest/", "/xmlrpc/"):
        reply = wire.send("HEAD", path, headers=header)
        assert (reply.status, wire.calls) == (405, [])


# --- Where calls are answered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/restx", "/rests/v3.1", "/Rest/v3.1", "/xmlrpc2/", "/a/rest/v3.1", "/verify", "/xmlrp"]
)
def test_other_paths_are_passed_on(wire, path):
    assert wire.send("GET", path).headers["X-Answered-By"] == "Django"


@pytest.mark.parametrize("place", ["rest", "xmlrpc"])
@pytest.mark.parametrize(
    "path", ["", "/", "//", "/login", "/v3.1/../../login", "/v3.1/%2e%2e/login", "/%00", "/%ff%fe", "/v3.1/%ff", "/;x"]
)
def test_nothing_below_is_a_page(wire, place, path):
    for verb in ("GET", "POST"):
        reply = wire.send(verb, f"/{place}{path}")
        assert reply.headers["Content-Type"] in ("application/json", "text/xml")
    assert wire.calls == []


@pytest.mark.parametrize("path", ["/v3.1/../../x", "/v3.1/SoftLayer_Account/../../../x", "/v3.1/.."])
def test_address_that_leads_out_is_nothing_whoever_calls(wire, value_of, path):
    """A proxy that closes these interfaces may have looked at where it leads, and must not be asked whose a key is."""
    header = {"Authorization": basic(PRIYA, value_of("priya"))}
    for verb, place in (("GET", "rest"), ("POST", "xmlrpc")):
        for headers in (header, {}):
            reply = wire.send(verb, f"/{place}{path}", headers=headers)
            assert reply.fault[1] == "There is nothing at this address: calls are answered below /v3.1/."
    assert wire.calls == []


def test_script_name_that_a_client_sent_does_not_lead_to_a_page(wire):
    for place in ("rest", "xmlrpc"):
        for script_name, path in ((f"/{place}", "/login"), (f"/{place}", ""), (f"/{place}/v3.1", "/x")):
            reply = wire.send("GET", path, SCRIPT_NAME=script_name)
            assert "X-Answered-By" not in reply.headers
        assert "X-Answered-By" not in wire.send("GET", f"/{place}/v3.1/x", SCRIPT_NAME="/keytree").headers


# --- Bodies -----------------------------------------------------------------------------------------------------------


class Body(io.BytesIO):
    """Keeps how much of it was read."""

    asked = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.asked += size
        return super().read(size)


MEBIBYTE = 1024 * 1024


def bad_request(reply) -> bool:
    return reply.fault[0] == "SoftLayer_Exception_WebService_BadRequest"


@pytest.mark.parametrize("length", [str(MEBIBYTE + 1), "9" * 18, "9" * 4_000])
def test_body_that_is_too_large_is_not_read(wire, ways, length):
    for way in ways:
        body = Body(b"x" * 10)
        reply = way(CONTENT_LENGTH=length, **{"wsgi.input": body})
        assert bad_request(reply)
        assert reply.fault[1] == "Bad request: the body is larger than 1 MiB."
        assert reply.status in (413, 200)
        assert body.asked == 0
    assert wire.calls == []


def test_body_without_a_length_is_read_up_to_the_limit(wire, ways, value_of):
    """Sent in chunks, whose end the server knows."""
    for way in ways:
        body = Body(b"x" * 3 * MEBIBYTE)
        reply = way(CONTENT_LENGTH="", **{"wsgi.input": body, "wsgi.input_terminated": True})
        assert reply.fault[1] == "Bad request: the body is larger than 1 MiB."
        assert body.tell() == MEBIBYTE + 1
    sent = document("getObject", headed(PRIYA, value_of("priya")))
    more: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input": Body(sent), "wsgi.input_terminated": True}
    assert not is_refused(wire.send("POST", PATHS[1], **more))


def test_body_of_1_mib_is_read(wire, value_of):
    sent = json.dumps({"parameters": ["x" * (MEBIBYTE - 20)]})
    header = {"Authorization": basic(PRIYA, value_of("priya"))}
    assert len(sent) == MEBIBYTE
    assert wire.rest("POST", "SoftLayer_Account/getUsers", sent, headers=header).status == 200
    assert wire.rest("POST", "SoftLayer_Account/getUsers", sent + " ", headers=header).status == 413


def test_half_of_a_body_is_none(wire, ways):
    """What arrived of it could be a call of its own."""
    for way in ways:
        assert bad_request(way(CONTENT_LENGTH="100", **{"wsgi.input": io.BytesIO(b"{}" + b" " * 50)}))
    assert wire.calls == []


@pytest.mark.parametrize(
    ("length", "why"),
    [*((length, b"is no number") for length in ("x", "-1", "1.5", "٣", "1 1")), ("9" * 5_000, b"is larger than 1 MiB")],
)
def test_length_that_servers_refuse_before(wire, length, why):
    for path, verb in zip(PATHS, ("GET", "POST"), strict=True):
        environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": verb, "wsgi.url_scheme": "http"}
        environ.update({"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"{}")})
        with connection_kept():
            answer = wire.application(environ, lambda *_: None)
            assert why in b"".join(answer)
            answer.close()


def test_connection_that_ends_in_the_body_is_no_fault_of_ours(ways, caplog):
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("timed out")

    for way in ways:
        assert bad_request(way(CONTENT_LENGTH="10", **{"wsgi.input": Broken()}))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# --- What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OperationalError("secret"), InterfaceError("secret")])
@pytest.mark.parametrize("place", ["_ask", "member_of", "method", "item"])
def test_database_away_is_told_as_what_may_pass(wire, ways, monkeypatch, caplog, *, error, place):
    if place == "_ask":
        monkeypatch.setattr(verification, "_ask", raising(error))
    elif place == "member_of":
        monkeypatch.setattr(queries, "member_of", raising(error))
    elif place == "method":
        wire.gives = error
    else:
        wire.gives, wire.total = map(raising(error), [1]), 1
    for way in ways:
        if place == "item":
            wire.gives = map(raising(error), [1])
        reply = way()
        assert reply.status in (503, 200)
        assert reply.headers["Retry-After"] == "5"
        assert reply.fault[1] == "Keytree cannot reach its database at the moment. Try again in a few seconds."
    assert "secret" not in caplog.text
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    assert all(record.getMessage().endswith(f": {type(error).__name__}") for record in caplog.records)


def test_fault_of_ours_is_told_by_its_number_alone(wire, ways, caplog):
    for way in ways:
        wire.gives = RuntimeError("on purpose")
        reply = way()
        assert reply.status in (500, 200)
        number = reply.headers["X-Request-ID"]
        assert reply.fault == (
            "SoftLayer_Exception",
            f"Something went wrong in Keytree. Its log has it under {number}.",
        )
    assert caplog.text.count("RuntimeError: on purpose") == 3


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), UnicodeError(), KeyError("x"), AssertionError()])
def test_any_error_has_the_shape_that_clients_read(wire, ways, error):
    for way in ways:
        wire.gives = error
        assert way().fault[0] == "SoftLayer_Exception"


def test_log_names_refused_calls_without_what_they_were_made_with(wire, ways, value_of, caplog):
    caplog.set_level(logging.DEBUG)
    value = value_of("priya")
    wire.gives = Fault("text")
    for way in ways:
        way(QUERY_STRING=f"apiKey={value}")
    wire.rest("GET", f"SoftLayer_Account?apiKey={value}", headers={"Authorization": basic(PRIYA, value + "x")})
    wire.xmlrpc("SoftLayer_Account", document("getObject", headed(PRIYA, value + "x")))
    messages = [record.getMessage() for record in caplog.records if record.name == "keys.api.application"]
    assert messages == [
        f"SoftLayer_Exception_Public for GET {PATHS[0]}",
        f"SoftLayer_Exception_Public for POST {PATHS[1]}",
        f"SoftLayer_Exception_Public for POST {PATHS[1]}",
        "SoftLayer_Exception for GET /rest/v3.1/SoftLayer_Account",
        "SoftLayer_Exception for POST /xmlrpc/v3.1/SoftLayer_Account",
    ]
    assert value not in caplog.text
    assert "apiKey" not in caplog.text
