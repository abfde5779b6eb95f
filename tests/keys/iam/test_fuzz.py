"""Whatever is sent, the answer is one that clients can read, and no fault of ours."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.keys.iam.asking import GRANT, KEYS, USERS, Iam

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

several = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

VERBS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"])
texts = st.text(max_size=20)
WORDS = st.sampled_from(
    (
        "v1 apikeys details lock disable identity token v2 accounts users settings / // .. %00 %ff %2f ApiKey- IBMid- é"
    ).split()
)
PARAMETERS = st.sampled_from(
    (
        "account_id iam_id pagesize pagetoken scope type sort order include_history filter at "
        "limit include_settings search user_id _start"
    ).split()
)
SEARCHES = st.lists(
    st.tuples(st.sampled_from("email userId firstname lastname state iam_id realm".split()), texts).map(":".join),
    max_size=9,
).map(",".join)
MEMBERS = st.sampled_from(
    "name iam_id description account_id apikey store_value support_sessions action_when_leaked expires_at".split()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["none", "2037-01-01T00:00Z"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3),
    max_leaves=10,
)
HEADERS = st.dictionaries(
    st.sampled_from(["If-Match", "Entity-Lock", "Entity-Disable", "IAM-ApiKey", "Content-Type", "Sec-Fetch-Site"]),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30) | st.sampled_from(["*", "true"]),
)


def ask(iam: Iam, *request, **more) -> None:
    """What every answer must have is looked at where it is received."""
    assert iam(*request, **more).status < 500


@several
@given(verb=VERBS, path=st.lists(WORDS | texts).map("/".join), body=st.binary(max_size=100), headers=HEADERS)
def test_any_address_body_and_headers(priya, *, verb, path, body, headers):
    path = path.replace("?", "%3F").encode(errors="replace").decode()
    for place in ("/v1/", "/identity/", f"{USERS}/", f"{KEYS}/", f"{KEYS}/{priya.key.record_id}/"):
        ask(priya, verb, place + path, body, headers=headers)


@several
@given(asked=st.lists(st.tuples(PARAMETERS, texts | st.text("0123456789-", max_size=30) | SEARCHES), max_size=4))
def test_any_list(priya, *, asked):
    query = "&".join(f"{name}={text}" for name, text in asked).encode(errors="replace").decode()
    for address in (KEYS, USERS):
        ask(priya, "GET", f"{address}?{query}")


@several
@given(record=st.dictionaries(MEMBERS | texts, VALUES, max_size=6), headers=HEADERS)
def test_any_record(priya, *, record, headers):
    sent = json.dumps(record)
    ask(priya, "POST", KEYS, sent, headers=headers)
    ask(priya, "PUT", f"{KEYS}/{priya.key.record_id}", sent, headers={"If-Match": "*", **headers})


@several
@given(value=st.text() | st.binary().map(lambda sent: sent.decode("latin-1")))
def test_any_value_and_any_token(iam, *, value):
    sent = value.encode(errors="replace").decode()
    ask(iam, "POST", "/identity/token", f"grant_type={GRANT}&apikey={sent}")
    ask(iam, "POST", "/identity/token", sent)
    header = sent.encode().decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")
    ask(iam, "GET", KEYS, headers={"Authorization": f"Bearer {header}"})


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"name":' * 50_000, b'{"name": "' + b"\\u0301" * 150_000 + b'"}',
        b'{"name": 1' + b"0" * 900_000 + b"}",
        b'{"expires_at": "' + b"9" * 900_000 + b'"}', b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b'{"name": NaN}',
        b"\xff\xfe{\x00}\x00", b"null", b"[]", b'"x"', b"{}x", b'{"a":[' + b"1," * 20_000 + b"1]}",
        b'{"name": "' + "e\u0301".encode() * 300_000 + b'"}',
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_large_and_odd_bodies_are_refused_soon(priya, body):
    for verb, address in (("POST", KEYS), ("PUT", f"{KEYS}/{priya.key.record_id}"), ("POST", "/identity/token")):
        began = time.process_time()
        assert priya(verb, address, body, headers={"If-Match": "*"}).status == 400
        assert time.process_time() - began < 1  # of this process alone, however busy the machine is
