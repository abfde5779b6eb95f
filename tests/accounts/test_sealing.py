"""Subkeys, and who holds the library that encrypts."""

import base64
import hmac
import sys

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from accounts import audit, login_tokens, sealing, tokens
from keys import access_tokens, material
from tests.console.programs import run
from tests.rings import put_first


def test_subkeys_are_those_of_the_rfc():
    """RFC 5869, appendix A.3: neither salt nor info."""
    assert sealing.derived(b"\x0b" * 22, "").hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )


@given(st.binary(max_size=200), st.text(max_size=200).filter(str.isprintable))
def test_subkeys_are_those_of_the_library(master, info):
    assert sealing.derived(master, info) == HKDF(SHA256(), 32, salt=None, info=info.encode()).derive(master)


@pytest.mark.sqlite_only
def test_a_process_that_opens_no_value_goes_without_the_library(tmp_path):
    """It is 7 MiB of the memory of each."""
    asked = "import sys, console.wsgi; print('cryptography' in sys.modules)"
    (tmp_path / "static").mkdir()  # is complained of
    done = run(sys.executable, "-c", asked, KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path))
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("elsewhere", [("1", "23"), ("123", ""), ("123",), ("12", "3", "")])
def test_parts_of_what_a_value_belongs_to_cannot_run_over_into_each_other(elsewhere):
    blob = sealing.seal(b"secret", purpose="test", belongs_to=("12", "3"))
    assert sealing.open_sealed(blob, purpose="test", belongs_to=("12", "3")) == b"secret"
    with pytest.raises(sealing.SealError):
        sealing.open_sealed(blob, purpose="test", belongs_to=elsewhere)


@pytest.mark.parametrize("purpose", ["test", "classic-key-value"])
def test_same_value_sealed_twice_looks_different(purpose):
    """A nonce is used once: GCM tells all to whoever sees two texts under one."""
    blobs = {sealing.seal(b"secret", purpose=purpose, belongs_to=(1,)) for _ in range(20)}
    assert len(blobs) == 20
    start = sealing._HEADER_BYTES + len(sealing.configured_ring().current)
    assert len({blob[start : start + 12] for blob in blobs}) == 20


def test_blob_that_is_damaged_anywhere_or_cut_anywhere_does_not_open():
    blob = sealing.seal(b"secret", purpose="test", belongs_to=(1,))
    damaged = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(len(blob))]
    for wrong in (*damaged, *(blob[:end] for end in range(len(blob))), blob + b"\0"):
        with pytest.raises(sealing.SealError):
            sealing.open_sealed(wrong, purpose="test", belongs_to=(1,))


def test_blob_of_another_purpose_does_not_open():
    blob = sealing.seal(b"secret", purpose="test", belongs_to=(1,))
    with pytest.raises(sealing.SealError):
        sealing.open_sealed(blob, purpose="another", belongs_to=(1,))


def test_digest_is_that_of_the_purpose_and_of_the_master_key(settings):
    """Digests are stored: another way of making them would find no key again."""
    put_first(settings)
    digests = {
        sealing.keyed_digest(b"value", purpose=purpose, key_id=key_id): hmac.digest(
            sealing.subkey(key_id, f"digest/{purpose}"), b"value", "sha256"
        )
        for purpose in ("test", "another")
        for key_id in sealing.configured_ring().keys
    }
    assert len(digests) == 4
    assert all(made == expected for made, expected in digests.items())


def test_what_is_made_for_one_purpose_is_of_no_use_for_another():
    purposes = [
        material._LOOKUP, material._PLATFORM_LOOKUP, access_tokens._PURPOSE, login_tokens._PURPOSE, audit._PURPOSE,
        tokens._PURPOSE, tokens._RESET_PURPOSE,
    ]  # fmt: skip
    assert len({*purposes}) == len(purposes)


def test_ring_prints_its_ids_and_never_a_key():
    key = b"0123456789abcdef0123456789abcdef"
    ring = sealing.Ring.parse("new:" + base64.b64encode(key).decode())
    assert repr(ring) == str(ring) == "<Ring new>"


@pytest.mark.parametrize("length", [0, 16, 31, 33, 48, 64])
def test_ring_takes_keys_of_32_bytes_alone(length):
    with pytest.raises(sealing.RingError, match="is not 32 bytes"):
        sealing.Ring.parse("1:" + base64.b64encode(b"A" * length).decode())


@pytest.mark.parametrize("wrong", ["!", "*", "=", "\0"])
def test_ring_does_not_pass_over_what_is_no_base64(wrong):
    text = base64.b64encode(b"A" * 32).decode()
    with pytest.raises(sealing.RingError, match="is not 32 bytes in base64"):
        sealing.Ring.parse(f"1:{text[:10]}{wrong}{text[10:]}")
