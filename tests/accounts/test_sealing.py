"""Subkeys, and who holds the library that encrypts."""

import sys

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from accounts import sealing
from tests.console.programs import run


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
