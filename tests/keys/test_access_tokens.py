"""Access tokens: what they say, and that none but ours is taken for one."""

import base64
import json
import time
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from accounts import sealing
from keys import access_tokens
from keys.access_tokens import NotGenuine, TokenExpired, issue, key_of
from keys.models import PlatformKey
from tests.rings import NEWER, put_first

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(cast, platform_key_of) -> PlatformKey:
    return platform_key_of("priya")[0]


@pytest.fixture
def at(monkeypatch):
    """A function that moves the clock of tokens."""

    def move(now: float) -> None:
        monkeypatch.setattr(access_tokens.time, "time", lambda: now)

    return move


def packed(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def ring_subkey() -> tuple[str, bytes]:
    ring_key_id = sealing.configured_ring().current
    return ring_key_id, sealing.subkey(ring_key_id, "digest/access-token")


def test_token_is_one_that_a_library_verifies_too(key, at):
    at(1_900_000_000.5)
    made = issue(key)
    ring_key_id, secret = ring_subkey()
    assert jwt.get_unverified_header(made.text) == {"alg": "HS256", "typ": "JWT", "kid": ring_key_id}
    assert jwt.decode(made.text, secret, algorithms=["HS256"], options={"verify_iat": False}) == {
        "iam_id": f"IBMid-{key.holder_id}", "sub": "priya@acme.example", "account": {"bss": "1234567"},
        "iat": 1_900_000_000, "exp": 1_900_001_200, "key": key.token_id.hex,
    }  # fmt: skip
    assert (made.issued_at, made.expires_at) == (1_900_000_000, 1_900_001_200)
    assert made.text not in repr(made)
    assert key_of(made.text) == key.token_id


def test_token_of_another_library_is_as_good_if_it_is_written_alike(key):
    """The signature is that of the standard: nothing of ours is needed to make it, but the subkey."""
    ring_key_id, secret = ring_subkey()
    claims = {"exp": int(time.time()) + 60, "key": key.token_id.hex}
    header = {"alg": "HS256", "typ": "JWT", "kid": ring_key_id}
    said = ".".join(packed(json.dumps(part, separators=(",", ":"))) for part in (header, claims))
    signature = jwt.algorithms.HMACAlgorithm("sha256").sign(said.encode(), secret)
    assert key_of(f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}") == key.token_id


def test_token_ends_at_its_second_and_not_before(key, at):
    at(1_900_000_000)
    token = issue(key).text
    at(1_900_001_199.9)
    assert key_of(token) == key.token_id
    for late in (1_900_001_200, 1_900_001_201, 2_000_000_000):
        at(late)
        with pytest.raises(TokenExpired):
            key_of(token)


def test_token_ends_with_its_key(key):
    key.expires_at = timezone.now() + timedelta(minutes=5)
    made = issue(key)
    assert made.expires_at == int(key.expires_at.timestamp())
    key.expires_at = timezone.now() + timedelta(days=5)
    made = issue(key)
    assert made.expires_at - made.issued_at == access_tokens.LIFE == 20 * 60


def test_any_token_with_one_letter_changed_is_none(key):
    token = issue(key).text
    for place, letter in enumerate(token):
        for other in {"A", "B", ".", "=", "\xe9", ""} - {letter}:
            with pytest.raises(NotGenuine):
                key_of(token[:place] + other + token[place + 1 :])
    for text in ("", ".", "..", "...", token + "=", token + ".", "." + token, token * 20, f"{token}.{token}", "é" * 9):
        with pytest.raises(NotGenuine):
            key_of(text)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "JWT"},
        {"alg": "None", "typ": "JWT", "kid": "1"},
        {"alg": "HS512", "typ": "JWT", "kid": "1"},
        {"alg": "RS256", "typ": "JWT", "kid": "1"},
        {"typ": "JWT", "alg": "HS256"},
        {"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"},
        {"alg": "HS256", "typ": "JWT", "jwk": {"kty": "oct", "k": "AA"}},
    ],
)
def test_token_has_no_say_in_how_it_is_checked(key, header):
    _, claims, signature = issue(key).text.split(".")
    _, secret = ring_subkey()
    said = f"{packed(header)}.{claims}"
    for given in ("", signature, packed(header)):
        with pytest.raises(NotGenuine):
            key_of(f"{said}.{given}")
    signed = base64.urlsafe_b64encode(jwt.algorithms.HMACAlgorithm("sha256").sign(said.encode(), secret))
    with pytest.raises(NotGenuine):  # even the right subkey signs no other header
        key_of(f"{said}.{signed.rstrip(b'=').decode()}")


def test_what_was_made_for_another_purpose_is_no_signature(key):
    said = issue(key).text.rpartition(".")[0]
    for purpose in ("platform-key-lookup", "classic-key-lookup", ""):
        ring_key_id = sealing.configured_ring().current
        digest = sealing.keyed_digest(said.encode(), purpose=purpose, key_id=ring_key_id)
        with pytest.raises(NotGenuine):
            key_of(f"{said}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}")


def test_master_key_that_is_no_longer_current_still_signed_and_one_that_is_gone_did_not(key, settings):
    before = issue(key).text
    put_first(settings)
    assert key_of(before) == key.token_id
    after = issue(key).text
    assert jwt.get_unverified_header(after)["kid"] == "2"
    assert key_of(after) == key.token_id
    settings.KEYTREE_KEY_RING = NEWER
    assert key_of(after) == key.token_id
    with pytest.raises(NotGenuine):
        key_of(before)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("IBMid-7", 7), ("IBMid-0", 0), ("7", None), ("IBMid-", None), ("IBMid--7", None), ("ibmid-7", None),
        ("IBMid-7 ", None), ("IBMid-\u0667", None), (f"IBMid-{2**63}", None), ("iam-ServiceId-7", None),
    ],
)  # fmt: skip
def test_member_is_called_by_a_number_alone(text, number):
    assert access_tokens.member_number(text) == number
    assert access_tokens.member_number(access_tokens.iam_id(7)) == 7
