"""Whose address a request comes from: proxies that are trusted, and headers that clients forge."""

import pytest

from accounts.addresses import (
    AddressError,
    TrustedProxies,
    client_address,
    forwarded_scheme_is_https,
    normalise_client,
)

pytestmark = pytest.mark.sqlite_only

CLIENTS = [
    ("1.2.3.4", "1.2.3.4"),
    (" 1.2.3.4\t", "1.2.3.4"),
    ("1.2.3.4:5678", "1.2.3.4"),
    ("2001:DB8::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:1234", "2001:db8::1"),
    ("::ffff:1.2.3.4", "1.2.3.4"),
    ("[::ffff:102:304]:80", "1.2.3.4"),
    ("2001:db8::1:1234", "2001:db8::1:1234"),
    ("", None),
    ("unknown", None),
    ("_hidden", None),
    ("localhost", None),
    ("1.2.3.4:", None),
    ("1.2.3.4:123456", None),
    ("1.2.3.4:http", None),
    ("1.2.3.4:80:80", None),
    ("[1.2.3.4]", None),
    ("[2001:db8::1", None),
    ("2001:db8::1]", None),
    ("[2001:db8::1]80", None),
    ("[[2001:db8::1]]", None),
    ("fe80::1%eth0", None),
    ("[fe80::1%25eth0]:80", None),
    ('"1.2.3.4"', None),
    ("for=1.2.3.4", None),
    ("01.2.3.4", None),
    ("1.2.3.4/32", None),
    ("1.2.3.4 5.6.7.8", None),
    ("1.2.3.4\n", None),
    ("١.2.3.4", None),
    ("1.2.3.4\0", None),
]


@pytest.mark.parametrize(("text", "expected"), CLIENTS)
def test_normalise_client(text: str, expected: str | None) -> None:
    assert normalise_client(text) == expected


PROXIES = TrustedProxies.parse("10.0.0.0/8, 2001:db8:ffff::/48")
PROXY = "10.0.0.1"

# What arrives from the listed proxy, and whom it must mean. 203.0.113.9 is the real client, which
# the proxy appended; 198.51.100.1 is whom it pretends to be.
FORGERIES = [
    ("leftmost entry", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
    ("leftmost of many", "198.51.100.1, 198.51.100.2, 198.51.100.3, 203.0.113.9", "203.0.113.9"),
    ("two lines joined", "198.51.100.1,203.0.113.9", "203.0.113.9"),
    ("second line is the forged one's proxy", "203.0.113.9,10.0.0.7", "203.0.113.9"),
    ("claims to be a listed proxy", "10.0.0.9, 203.0.113.9", "203.0.113.9"),
    ("forged chain of proxies", "198.51.100.1, 10.0.0.8, 10.0.0.9, 203.0.113.9", "203.0.113.9"),
    ("real chain of proxies", "198.51.100.1, 203.0.113.9, 10.0.0.8, 10.0.0.9", "203.0.113.9"),
    ("proxy of the other family", "203.0.113.9, 2001:db8:ffff::7", "203.0.113.9"),
    ("proxy with brackets and port", "203.0.113.9, [2001:db8:ffff::7]:443", "203.0.113.9"),
    ("proxy written as mapped", "203.0.113.9, ::ffff:10.0.0.7", "203.0.113.9"),
    ("neighbour of the proxies", "198.51.100.1, 11.0.0.1", "11.0.0.1"),
    ("garbage to the left", "%$§\0, 203.0.113.9", "203.0.113.9"),
    ("empty to the left", ",,,, 203.0.113.9", "203.0.113.9"),
    ("no spaces, tabs", "198.51.100.1,\t203.0.113.9\t", "203.0.113.9"),
    ("client with port", "198.51.100.1, 203.0.113.9:49152", "203.0.113.9"),
    ("client in brackets with port", "198.51.100.1, [2001:db8:1::9]:49152", "2001:db8:1::9"),
    ("client mapped", "198.51.100.1, ::ffff:203.0.113.9", "203.0.113.9"),
    ("client mapped in hex", "198.51.100.1, ::ffff:cb00:7109", "203.0.113.9"),
    ("client unknown", "198.51.100.1, unknown", None),
    ("client obfuscated", "198.51.100.1, _hidden", None),
    ("client empty", "198.51.100.1,", None),
    ("client empty before a proxy", "198.51.100.1, , 10.0.0.7", None),
    ("client a name", "198.51.100.1, localhost", None),
    ("client with a scope", "198.51.100.1, fe80::1%eth0", None),
    ("client octal", "198.51.100.1, 0313.0.113.9", None),
    ("client in other digits", "198.51.100.1, ٢٠٣.0.113.9", None),
    ("two clients in one entry", "198.51.100.1 203.0.113.9", None),
    ("Forwarded syntax", "for=198.51.100.1;proto=https", None),
    ("line end inside", "198.51.100.1, 203.0.113.9\r\nX-Real-IP: 198.51.100.1", None),
    ("huge header", "198.51.100.1, " * 286 + "203.0.113.9", None),
    ("huge entry", "1" * 3_980 + ", 203.0.113.9", "203.0.113.9"),
    ("as long as it may be", "1" * 3_987 + ", 203.0.113.9", "203.0.113.9"),
    ("one character too many", "1" * 3_988 + ", 203.0.113.9", None),
    ("fifty entries", "198.51.100.1, " * 49 + "203.0.113.9", "203.0.113.9"),
    ("fifty-one entries", "198.51.100.1, " * 50 + "203.0.113.9", None),
    ("only proxies", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
    ("the proxy alone", "10.0.0.1", "10.0.0.1"),
    ("empty header", "", None),
    ("blank header", "  ", None),
    ("no header", None, None),
]


@pytest.mark.parametrize(("header", "client"), [row[1:] for row in FORGERIES], ids=[row[0] for row in FORGERIES])
def test_client_address_forged_header(header: str | None, client: str | None) -> None:
    # Behind the proxy, however its own address is written.
    assert client_address(PROXY, header, PROXIES) == client
    assert client_address("::ffff:10.0.0.1", header, PROXIES) == client
    assert client_address("2001:DB8:ffff::1", header, PROXIES) == client
    # Direct, where proxies are declared; and where none is.
    assert client_address("203.0.113.9", header, PROXIES) == "203.0.113.9"
    assert client_address(PROXY, header, TrustedProxies()) == PROXY


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8:0::9", "2001:db8::9"),
        ("fe80::1%eth0", None),
        ("10.0.0.1:80", None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_client_address_unlisted_peer(peer: str | None, client: str | None) -> None:
    assert client_address(peer, "198.51.100.1", PROXIES) == client
    assert client_address(peer, None, PROXIES) == client


@pytest.mark.parametrize("peer", ["", None])
def test_client_address_unix_socket_is_listed_by_its_word(peer: str | None) -> None:
    listed = TrustedProxies.parse("unix, 10.0.0.0/8")

    assert client_address(peer, "198.51.100.1, 203.0.113.9, 10.0.0.7", listed) == "203.0.113.9"
    assert client_address(peer, None, listed) is None
    # An entry that is no address is not mistaken for a unix socket, and so not walked past.
    assert client_address(peer, "203.0.113.9, unknown", listed) is None
    assert client_address(peer, "203.0.113.9", TrustedProxies.parse("0.0.0.0/0")) is None
    assert client_address("203.0.113.9", "198.51.100.1", TrustedProxies.parse("unix")) == ("203.0.113.9")


def test_trusted_proxies_none_by_default() -> None:
    for nobody in (TrustedProxies(), TrustedProxies.parse(""), TrustedProxies.parse([])):
        assert "127.0.0.1" not in nobody
        assert "" not in nobody
        assert None not in nobody
        assert "nonsense" not in nobody
        assert not nobody.covers_everything


def test_trusted_proxies_from_a_list_of_texts() -> None:
    listed = TrustedProxies.parse(["127.0.0.1", "10.0.0.0/8", "::1", "unix"])

    assert listed == TrustedProxies.parse("127.0.0.1, 10.0.0.0/8\n::1, unix")
    assert "127.0.0.1" in listed
    assert "127.0.0.2" not in listed
    assert "::ffff:10.9.9.9" in listed
    assert "::1" in listed
    assert "" in listed
    assert None in listed


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "unix,,10.0.0.0/8", "UNIX", "::/1", ","])
def test_trusted_proxies_bad_entry(text: str) -> None:
    with pytest.raises(AddressError):
        TrustedProxies.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0/0", True),
        ("::/0", True),
        ("10.0.0.0/8, ::/0", True),
        ("0.0.0.0/1, 128.0.0.0/1", True),
        ("0.0.0.0 - 255.255.255.255", True),
        ("::ffff:0:0/96", True),
        ("0.0.0.0/1, 128.0.0.0/2", False),
        ("8000::/1", False),
        ("127.0.0.1", False),
        ("unix", False),
    ],
)
def test_trusted_proxies_covers_everything(text: str, expected: bool) -> None:
    assert TrustedProxies.parse(text).covers_everything is expected


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        (PROXY, "https", True),
        ("::ffff:10.0.0.1", "https", True),
        (PROXY, "http", False),
        (PROXY, "HTTPS", False),
        (PROXY, " https", False),
        (PROXY, "https,http", False),
        (PROXY, "http, https", False),
        (PROXY, "", False),
        (PROXY, None, False),
        ("203.0.113.9", "https", False),
        ("", "https", False),
        (None, "https", False),
    ],
)
def test_forwarded_scheme_is_https(peer: str | None, header: str | None, expected: bool) -> None:
    assert forwarded_scheme_is_https(peer, header, PROXIES) is expected
