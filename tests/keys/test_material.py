"""The values of IBM Cloud API keys: their form, their checksum, and the digests by which they are found."""

import base64
import re
import string
import zlib
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import sealing
from keys import material
from keys.models import PlatformKey

LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 4 + 43 + 6
#: What scanners of source code are given: see docs/security.md.
FORM = re.compile(r"ktp_[0-9A-Za-z]{49}")


def ring(*ids: str) -> str:
    """A ring of these master keys, each of the bytes of its own id."""
    return ",".join(f"{each}:{base64.b64encode(each.ljust(32, '.').encode()).decode()}" for each in ids)


def checksum(text: str) -> str:
    """CRC-32 in base 62, worked out from the left: by which powers go in."""
    rest, letters = zlib.crc32(text.encode()), ""
    for power in (62**place for place in reversed(range(6))):
        letters += LETTERS[rest // power]
        rest %= power
    return letters


def test_values_have_the_form_that_scanners_look_for_and_never_repeat():
    values = {material.new_platform_value().text for _ in range(2_000)}
    assert len(values) == 2_000
    assert all(FORM.fullmatch(value) and len(value) == LENGTH for value in values)
    assert all(value[-6:] == checksum(value[:-6]) for value in values)
    assert all(material.is_platform_value(value) for value in values)


def test_every_letter_comes_as_often_as_any_other_in_every_place():
    """62 letters, 43 places: 256 random bits."""
    values = [material.new_platform_value().text[4:47] for _ in range(3_000)]
    assert all(set(place) == set(LETTERS) for place in zip(*values, strict=True))
    expected = 3_000 * 43 / 62
    assert all(abs(found - expected) < 8 * expected**0.5 for found in Counter("".join(values)).values())


def test_any_single_letter_that_is_another_is_refused():
    value = material.new_platform_value().text
    for place, letter in product(range(LENGTH), LETTERS + "_-+/ \n\0é"):
        changed = value[:place] + letter + value[place + 1 :]
        assert material.is_platform_value(changed) is (changed == value), (place, letter)


def test_two_neighbours_that_changed_places_are_refused():
    value = material.new_platform_value().text
    for place in range(LENGTH - 1):
        changed = value[:place] + value[place + 1] + value[place] + value[place + 2 :]
        assert material.is_platform_value(changed) is (changed == value)


def test_a_letter_too_few_or_too_many_is_refused():
    value = material.new_platform_value().text
    for place in range(LENGTH):
        assert not material.is_platform_value(value[:place] + value[place + 1 :])
        assert not material.is_platform_value(value[:place] + "0" + value[place:])
    for wrapped in (f" {value}", f"{value}\n", f"{value} ", value.upper(), value.lower(), value[::-1], value * 2, ""):
        assert not material.is_platform_value(wrapped)


@given(st.text(max_size=80) | st.from_regex(FORM, fullmatch=True))
def test_nothing_else_is_a_value(text):
    """Whatever is presented, lone surrogates included: asked without an error, and a value only by its checksum."""
    expected = FORM.fullmatch(text) is not None and text[-6:] == checksum(text[:-6])
    assert material.is_platform_value(text) is expected


@given(st.text(LETTERS, min_size=43, max_size=43))
def test_all_letters_make_values(text):
    assert material.is_platform_value(f"ktp_{text}{checksum(f'ktp_{text}')}")


def test_values_of_classic_keys_are_none():
    assert not any(material.is_platform_value(material.new_value().text) for _ in range(100))
    assert not material.is_platform_value("ktp_" + "a" * 43 + "000000")


def test_digests_are_those_of_every_master_key_the_current_first(settings):
    settings.KEYTREE_KEY_RING = ring("new", "old")
    value = material.new_platform_value().text
    digests = list(material.platform_digests(value))
    assert [key_id for key_id, _ in digests] == ["new", "old"]
    assert len({digest for _, digest in digests}) == 2
    assert all(len(digest) == 32 for _, digest in digests)
    settings.KEYTREE_KEY_RING = ring("old", "new")
    assert list(material.platform_digests(value)) == digests[::-1]
    settings.KEYTREE_KEY_RING = ring("old")
    assert list(material.platform_digests(value)) == digests[1:]


def test_a_key_is_given_the_digest_of_the_current_master_key(settings):
    settings.KEYTREE_KEY_RING = ring("new", "old")
    key, value = PlatformKey(), material.new_platform_value()
    material.put_platform(key, value)
    assert (key.ring_key_id, key.digest) == next(material.platform_digests(value.text))
    assert key.ring_key_id == "new"


def test_digests_are_no_classic_ones(settings):
    """A subkey for each purpose: what is stored of one kind of key says nothing about the other."""
    settings.KEYTREE_KEY_RING = ring("one")
    value = material.new_platform_value().text
    ((key_id, digest),) = material.platform_digests(value)
    assert not material.matches(value, digest, key_id)
    assert digest != sealing.keyed_digest(value.encode(), purpose="classic-key-lookup", key_id="one")


def test_digest_of_a_value_under_a_ring_is_always_the_same(settings):
    """Another would be found by nobody: a change of the purpose's name or of the digest refuses every key there is."""
    settings.KEYTREE_KEY_RING = ring("one")
    value = f"ktp_{'A' * 43}{checksum('ktp_' + 'A' * 43)}"
    ((_, digest),) = material.platform_digests(value)
    assert digest.hex() == "68013363cb9831d84c9e93180d885fa54f38063c3dd3db93af934bf1b27d33c0"


def test_a_key_prints_its_name_alone():
    key = PlatformKey(name="CI", digest=b"d" * 32)
    assert str(key) == "CI"
    assert "d" * 8 not in repr(key)


@pytest.mark.parametrize("text", [str, repr, "{}".format, "%s".__mod__])
def test_a_fresh_value_prints_as_dots(text):
    value = material.new_platform_value()
    assert value.text not in text(value)
    assert value.text not in text([value])
