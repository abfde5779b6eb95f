"""The address grammar against tables and an oracle that knows only bits."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.addresses import (
    UNREADABLE,
    AddressError,
    AddressSet,
    TrustedProxies,
    client_address,
    normalise_client,
    parse,
    stored,
)
from tests.accounts.address_oracle import (
    MAPPED,
    bits_of,
    ends_of,
    entries,
    entries_of,
    ipv4,
    ipv6,
    matches,
    written_addresses,
)

pytestmark = pytest.mark.sqlite_only

# --- Good entries ---------------------------------------------------------------------------------

GOOD = [
    ("17.5.7.8", "17.5.7.8"),
    ("0.0.0.0", "0.0.0.0"),
    ("255.255.255.255", "255.255.255.255"),
    ("127.0.0.1,10.1.2.3 ,192.168.0.1", "127.0.0.1, 10.1.2.3, 192.168.0.1"),
    ("17.5.7.8 - 17.5.9.5", "17.5.7.8 - 17.5.9.5"),
    ("17.5.7.8-17.5.9.5", "17.5.7.8 - 17.5.9.5"),
    ("  17.5.7.8\t -    17.5.9.5  ", "17.5.7.8 - 17.5.9.5"),
    ("17.5.7.8 - 17.5.7.8", "17.5.7.8"),
    ("10.0.0.0 - 10.255.255.255", "10.0.0.0 - 10.255.255.255"),
    ("17.5.7.0/24", "17.5.7.0/24"),
    ("17.5.7.8/32", "17.5.7.8"),
    ("17.5.7.8/31", "17.5.7.8/31"),
    ("0.0.0.0/0", "0.0.0.0/0"),
    ("128.0.0.0/1", "128.0.0.0/1"),
    ("2001:db8::1", "2001:db8::1"),
    ("2001:0DB8:0:0:0:0:0:0001", "2001:db8::1"),
    ("2001:db8::/32", "2001:db8::/32"),
    ("2001:db8::1/128", "2001:db8::1"),
    ("2001:db8::1 - 2001:db8::ff", "2001:db8::1 - 2001:db8::ff"),
    ("::", "::"),
    ("::1", "::1"),
    ("1::", "1::"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ("8000::/1", "8000::/1"),
    ("::fffe:ffff:ffff", "::fffe:ffff:ffff"),
    ("::1:0:0:0", "::1:0:0:0"),
    ("::ffff:10.0.0.1", "10.0.0.1"),
    ("::FFFF:0a00:1", "10.0.0.1"),
    ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ("::ffff:0:0/96", "0.0.0.0/0"),
    ("::ffff:10.0.0.1 - ::ffff:10.0.0.9", "10.0.0.1 - 10.0.0.9"),
    ("1.2.3.4,", "1.2.3.4"),
    ("1.2.3.4 , ", "1.2.3.4"),
    ("1.2.3.4\n5.6.7.8", "1.2.3.4, 5.6.7.8"),
    ("1.2.3.4,\r\n\r\n 5.6.7.8,\r\n", "1.2.3.4, 5.6.7.8"),
    ("1.2.3.4, 1.2.3.4, ::ffff:1.2.3.4", "1.2.3.4"),
    ("9.9.9.9, 1.1.1.1, 2001:db8::, 5.5.5.5", "9.9.9.9, 1.1.1.1, 2001:db8::, 5.5.5.5"),
]


@pytest.mark.parametrize(("text", "canonical"), GOOD)
def test_parse_good_entries(text: str, canonical: str) -> None:
    found = parse(text)

    assert found
    assert str(found) == canonical
    assert parse(str(found)) == found


@pytest.mark.parametrize("text", ["", " ", "\n", " \t\r\n \n"])
def test_parse_blank_text_restricts_nothing(text: str) -> None:
    found = parse(text)

    assert found == AddressSet()
    assert not found
    assert str(found) == ""
    assert found.allows("1.2.3.4")
    assert found.allows("nonsense")
    assert found.allows(None)
    assert not found.covers("1.2.3.4")


# --- Bad entries ----------------------------------------------------------------------------------

NOT_AN_ADDRESS = "is not an IP address: write one like 17.5.7.8 or 2001:db8::1."
LEADING_ZERO = "has a leading zero: write 17.5.7.8, not 017.005.007.008."
INTERFACE = "names a network interface: leave out % and what follows."
WRONG_CHARACTER = (
    "has a character that cannot be in an address: "
    "type it again with plain digits, letters, periods, colons and hyphens."
)
MIXED = "mixes IPv4 and IPv6: write a range for each, such as 17.5.7.8 - 17.5.9.5."
LENGTH4 = (
    "has no valid prefix length: after the / write a plain number from 0 to 32, such as /24; "
    "masks and leading zeros are not accepted."
)
LENGTH6 = LENGTH4.replace("32", "128").replace("/24", "/96")
MAPPED_TOO = "includes IPv4 addresses (::ffff:0:0/96) without saying so: write those that you mean of"

BAD = [
    # Not addresses.
    ("everything", f"“everything” {NOT_AN_ADDRESS}"),
    ("*", f"“*” {NOT_AN_ADDRESS}"),
    ("10.0.*.*", f"“10.0.*.*” {NOT_AN_ADDRESS}"),
    ("17.5.7.256", f"“17.5.7.256” {NOT_AN_ADDRESS}"),
    ("17.5.7", f"“17.5.7” {NOT_AN_ADDRESS}"),
    ("17.5.7.8.9", f"“17.5.7.8.9” {NOT_AN_ADDRESS}"),
    ("17.5.7.8.", f"“17.5.7.8.” {NOT_AN_ADDRESS}"),
    ("17.5..8", f"“17.5..8” {NOT_AN_ADDRESS}"),
    ("285542152", f"“285542152” {NOT_AN_ADDRESS}"),
    ("0x11.5.7.8", f"“0x11.5.7.8” {NOT_AN_ADDRESS}"),
    ("+1.2.3.4", f"“+1.2.3.4” {NOT_AN_ADDRESS}"),
    ("1.2.3.4 5.6.7.8", f"“1.2.3.4 5.6.7.8” {NOT_AN_ADDRESS}"),
    ("1.2.3.4;5.6.7.8", f"“1.2.3.4;5.6.7.8” {NOT_AN_ADDRESS}"),
    ("1.2.3.4:80", f"“1.2.3.4:80” {NOT_AN_ADDRESS}"),
    ("[2001:db8::1]", f"“[2001:db8::1]” {NOT_AN_ADDRESS}"),
    ("example.com", f"“example.com” {NOT_AN_ADDRESS}"),
    ("unix", f"“unix” {NOT_AN_ADDRESS}"),
    (":", f"“:” {NOT_AN_ADDRESS}"),
    (":::", f"“:::” {NOT_AN_ADDRESS}"),
    ("1::2::3", f"“1::2::3” {NOT_AN_ADDRESS}"),
    ("1:2:3:4:5:6:7", f"“1:2:3:4:5:6:7” {NOT_AN_ADDRESS}"),
    ("1:2:3:4:5:6:7:8:9", f"“1:2:3:4:5:6:7:8:9” {NOT_AN_ADDRESS}"),
    ("1:2:3:4::5:6:7:8", f"“1:2:3:4::5:6:7:8” {NOT_AN_ADDRESS}"),
    ("2001:db8::12345", f"“2001:db8::12345” {NOT_AN_ADDRESS}"),
    ("2001:db8::g", f"“2001:db8::g” {NOT_AN_ADDRESS}"),
    ("::1.2.3", f"“::1.2.3” {NOT_AN_ADDRESS}"),
    ("::1.2.3.4:5", f"“::1.2.3.4:5” {NOT_AN_ADDRESS}"),
    # Leading zeros, which some programs read as octal.
    ("017.5.7.8", f"“017.5.7.8” {LEADING_ZERO}"),
    ("17.5.7.08", f"“17.5.7.08” {LEADING_ZERO}"),
    ("17.00.7.8", f"“17.00.7.8” {LEADING_ZERO}"),
    ("::ffff:010.0.0.1", f"“::ffff:010.0.0.1” {LEADING_ZERO}"),
    # Scope ids.
    ("fe80::1%eth0", f"“fe80::1%eth0” {INTERFACE}"),
    ("fe80::%1/64", f"“fe80::%1/64”: “fe80::%1” {INTERFACE}"),
    # Ranges.
    ("17.5.7.8 -", f"“17.5.7.8 -”: “” {NOT_AN_ADDRESS}"),
    ("-", f"“-”: “” {NOT_AN_ADDRESS}"),
    ("1.2.3.4 - nine", f"“1.2.3.4 - nine”: “nine” {NOT_AN_ADDRESS}"),
    ("1.2.3.4-9", f"“1.2.3.4-9”: “9” {NOT_AN_ADDRESS}"),
    ("1.2.3.4 - 1.2.3.5 - 1.2.3.6",
     f"“1.2.3.4 - 1.2.3.5 - 1.2.3.6”: “1.2.3.5 - 1.2.3.6” {NOT_AN_ADDRESS}"),
    ("1.2.3.0/24 - 1.2.9.0", f"“1.2.3.0/24 - 1.2.9.0”: “1.2.3.0/24” {NOT_AN_ADDRESS}"),
    ("17.5.9.5 - 17.5.7.8",
     "“17.5.9.5 - 17.5.7.8” runs backwards: write 17.5.7.8 - 17.5.9.5."),
    ("2001:db8::2-2001:DB8::1",
     "“2001:db8::2-2001:DB8::1” runs backwards: write 2001:db8::1 - 2001:db8::2."),
    ("1.2.3.4 - 2001:db8::1", f"“1.2.3.4 - 2001:db8::1” {MIXED}"),
    ("::ffff:1.2.3.4 - 1.2.3.9", f"“::ffff:1.2.3.4 - 1.2.3.9” {MIXED}"),
    # Subnets.
    ("17.5.7.0/0.0.0.255", f"“17.5.7.0/0.0.0.255” {LENGTH4}"),
    ("17.5.7.0/255.255.255.0", f"“17.5.7.0/255.255.255.0” {LENGTH4}"),
    ("17.0.0.0/08", f"“17.0.0.0/08” {LENGTH4}"),
    ("17.5.7.0/33", f"“17.5.7.0/33” {LENGTH4}"),
    ("17.5.7.0/-1", f"“17.5.7.0/-1”: “17.5.7.0/” {NOT_AN_ADDRESS}"),
    ("17.5.7.0/+8", f"“17.5.7.0/+8” {LENGTH4}"),
    ("17.5.7.0/", f"“17.5.7.0/” {LENGTH4}"),
    ("17.5.7.0/ 24", f"“17.5.7.0/ 24” {LENGTH4}"),
    ("17.5.7.0/24/24", f"“17.5.7.0/24/24” {LENGTH4}"),
    ("17.5.7.0/1_0", f"“17.5.7.0/1_0” {LENGTH4}"),
    ("2001:db8::/129", f"“2001:db8::/129” {LENGTH6}"),
    ("2001:db8::/9999", f"“2001:db8::/9999” {LENGTH6}"),
    ("/24", f"“/24”: “” {NOT_AN_ADDRESS}"),
    ("17.5/16", f"“17.5/16”: “17.5” {NOT_AN_ADDRESS}"),
    ("17.5.7.8/24",
     ("“17.5.7.8/24” does not begin with its network's first address: write 17.5.7.0/24 for the "
     "network, 17.5.7.8 for the one address.")),
    ("2001:db8::1/32",
     ("“2001:db8::1/32” does not begin with its network's first address: write 2001:db8::/32 for "
     "the network, 2001:db8::1 for the one address.")),
    # IPv6 that takes in IPv4.
    ("::/0",
     (f"“::/0” {MAPPED_TOO} :: - ::fffe:ffff:ffff, 0.0.0.0 - 255.255.255.255, "
     "::1:0:0:0 - ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff.")),
    ("::/80",
     f"“::/80” {MAPPED_TOO} :: - ::fffe:ffff:ffff, 0.0.0.0 - 255.255.255.255."),
    ("::1 - ::ffff:10.0.0.1",
     f"“::1 - ::ffff:10.0.0.1” {MAPPED_TOO} ::1 - ::fffe:ffff:ffff, 0.0.0.0 - 10.0.0.1."),
    ("::ffff:255.255.255.255 - ::1:0:0:0",
     f"“::ffff:255.255.255.255 - ::1:0:0:0” {MAPPED_TOO} 255.255.255.255, ::1:0:0:0."),
    # Characters beyond ASCII: an en dash, digits of another script, an override, a full-width comma.
    ("1.2.3.4 – 1.2.3.9", f"“1.2.3.4 – 1.2.3.9” {WRONG_CHARACTER}"),
    ("١.2.3.4", f"“١.2.3.4” {WRONG_CHARACTER}"),
    ("1.2.3.4\u202e", f"“1.2.3.4\N{REPLACEMENT CHARACTER}” {WRONG_CHARACTER}"),
    ("1.2.3.4\N{FULLWIDTH COMMA}5.6.7.8", f"“1.2.3.4\N{FULLWIDTH COMMA}5.6.7.8” {WRONG_CHARACTER}"),
    ("1.2.3.4\N{NO-BREAK SPACE}", f"“1.2.3.4\N{REPLACEMENT CHARACTER}” {WRONG_CHARACTER}"),
    ("1.2.3.4\ud800", f"“1.2.3.4\N{REPLACEMENT CHARACTER}” {WRONG_CHARACTER}"),
    # Control characters.
    ("1.2.3.4\0", f"“1.2.3.4\N{REPLACEMENT CHARACTER}” {NOT_AN_ADDRESS}"),
    ("1.2.3.4\v5.6.7.8", f"“1.2.3.4\N{REPLACEMENT CHARACTER}5.6.7.8” {NOT_AN_ADDRESS}"),
    # Empty entries.
    (",", "Entry 1 is empty: remove the extra comma."),
    (",1.2.3.4", "Entry 1 is empty: remove the extra comma."),
    ("1.2.3.4,,5.6.7.8", "Entry 2 is empty: remove the extra comma."),
    ("1.2.3.4,,", "Entry 2 is empty: remove the extra comma."),
    ("1.2.3.4\n,\n5.6.7.8", "Entry 2 is empty: remove the extra comma."),
    # Long ones are cut.
    ("x" * 60, f"“{'x' * 60}” {NOT_AN_ADDRESS}"),
    ("x" * 61, f"“{'x' * 59}…” {NOT_AN_ADDRESS}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_parse_bad_entry_is_named(text: str, problem: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)

    assert caught.value.problems == (problem,)
    assert str(caught.value) == problem


def test_parse_reports_all_bad_entries_together() -> None:
    with pytest.raises(AddressError) as caught:
        parse("nine, 17.5.7.8, 17.5.7.8/24,, 10.0.0.0/8, 2.2.2.2 - 1.1.1.1")

    assert [problem.split(" ")[0] for problem in caught.value.problems] == [
        "“nine”",
        "“17.5.7.8/24”",
        "Entry",
        "“2.2.2.2",
    ]
    assert str(caught.value) == " ".join(caught.value.problems)


@pytest.mark.parametrize("text", ["::/0", "::/1", "::8000:0:0/81", "::1 - ::ffff:10.0.0.1", "::ffff:0:0 - f::"])
def test_parse_suggestion_for_mapped_networks_parses(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    suggestion = str(caught.value).rsplit(" mean of ", 1)[1].removesuffix(".")

    found = parse(suggestion)

    assert found.allows("10.0.0.1")
    assert str(found) == suggestion


# --- Limits ---------------------------------------------------------------------------------------


def test_parse_limit_of_characters() -> None:
    assert parse("1.2.3.4" + " " * 1_993)

    with pytest.raises(AddressError, match=r"^This comes to 2,001 characters, but at most 2,000 are "):
        parse("1.2.3.4" + " " * 1_994)
    with pytest.raises(AddressError) as caught:
        parse("9" * 400_000)
    assert len(str(caught.value)) < 120


def test_parse_limit_of_entries() -> None:
    hundred = ",".join(f"10.0.0.{n}" for n in range(100))
    assert len(parse(hundred).text.split(", ")) == 100

    with pytest.raises(AddressError, match=r"^This lists 101 entries, but at most 100 are allowed: "):
        parse(f"{hundred},10.0.0.100")


def test_parse_limit_holds_for_the_canonical_text() -> None:
    typed = ",".join(f"10.0.0.{n}-10.0.0.{n + 1}" for n in range(100, 200))[:1_999]
    assert len(typed) == 1_999
    typed = typed.rsplit(",", 1)[0]

    with pytest.raises(AddressError, match=r"^This comes to 2,\d\d\d characters"):
        parse(typed)


# --- Matching -------------------------------------------------------------------------------------

MATCHES = [
    ("17.5.7.8", "17.5.7.8", True),
    ("17.5.7.8", "17.5.7.9", False),
    ("17.5.7.8", "::ffff:17.5.7.8", True),
    ("17.5.7.8", "::ffff:1105:708", True),
    ("17.5.7.8", "::17.5.7.8", False),
    ("::ffff:17.5.7.8", "17.5.7.8", True),
    ("17.5.7.8 - 17.5.9.5", "17.5.7.7", False),
    ("17.5.7.8 - 17.5.9.5", "17.5.7.8", True),
    ("17.5.7.8 - 17.5.9.5", "17.5.8.255", True),
    ("17.5.7.8 - 17.5.9.5", "17.5.9.5", True),
    ("17.5.7.8 - 17.5.9.5", "17.5.9.6", False),
    ("10.0.0.0/8", "10.255.255.255", True),
    ("10.0.0.0/8", "11.0.0.0", False),
    ("10.0.0.0/8", "9.255.255.255", False),
    ("0.0.0.0/0", "::1", False),
    ("0.0.0.0/0", "255.255.255.255", True),
    ("2001:db8::/32", "2001:DB8:FFFF::", True),
    ("2001:db8::/32", "2001:db9::", False),
    ("2001:db8::/32", "32.1.13.184", False),
    ("::", "0.0.0.0", False),
    ("10.0.0.0/8, 10.1.0.0/16", "10.200.0.1", True),
    ("10.1.0.0/16, 10.0.0.0 - 10.1.0.5", "10.1.200.1", True),
]


@pytest.mark.parametrize(("text", "address", "expected"), MATCHES)
def test_allows(text: str, address: str, expected: bool) -> None:
    assert parse(text).allows(address) is expected
    assert parse(text).covers(address) is expected
    assert stored(text).allows(address) is expected


@pytest.mark.parametrize(
    "address",
    [None, "", " ", "unknown", "10.0.0.1 ", "10.0.0.1:80", "010.0.0.1", "10.0.0.1\n", "10.0.0.0/8",
     "fe80::1%eth0", "::ffff:10.0.0.1%1", "[::1]", "1" * 5_000, ":" * 5_000, "1:" * 5_000],
)  # fmt: skip
def test_allows_no_unknown_address(address: str | None) -> None:
    everything = parse("0.0.0.0/0, :: - ::fffe:ffff:ffff, ::1:0:0:0 - ffff:" + ":".join(["ffff"] * 7))

    assert not everything.allows(address)
    assert not everything.allows(address)


@settings(max_examples=400, deadline=None)
@given(st.lists(entries(), min_size=1, max_size=8), st.lists(written_addresses(), max_size=8))
def test_parse_and_match_agree_with_bits(listed: list[str], clients: list[str]) -> None:
    ends = [ends_of(entry) for entry in listed]
    if None in ends:
        with pytest.raises(AddressError) as caught:
            parse(", ".join(listed))
        assert len(caught.value.problems) == ends.count(None)
        return

    found = parse(", ".join(listed))

    known = [end for end in ends if end is not None]
    for first, last in known:
        write = ipv4 if len(first) == 32 else ipv6
        clients = [*clients, *(write(int(end, 2)) for end in (first, last))]
        clients += [write(max(int(first, 2) - 1, 0))]
        clients += [write(min(int(last, 2) + 1, 2 ** len(last) - 1))]
    for client in clients:
        assert found.allows(client) == matches(known, client)
    assert parse(str(found)) == found
    assert stored(str(found)) == found


@settings(max_examples=300, deadline=None)
@given(written_addresses())
def test_normalise_client_agrees_with_bits(address: str) -> None:
    canonical = normalise_client(address)

    assert canonical is not None
    bits, mapped = bits_of(canonical), bits_of(address)
    assert mapped is not None
    assert bits == (mapped[96:] if mapped.startswith(MAPPED) else mapped)
    assert normalise_client(canonical) == canonical


# --- Fuzz: 50,000 texts in each run ---------------------------------------------------------------

SEEDS = [text for text, _ in GOOD] * 3 + [text for text, _ in BAD if len(text) < 50]
PIECES = [
    *"0123456789abcfF.:,-/%*[] \t\r\n\0",
    "::", "255", "256", "00", "ffff:", "::ffff:", " - ", "/0", "/24", "/32", "/33", "/128", "/96",
    "\u0661", "–", "\u202e", "\ud800", "%eth0", "1.2.3.4", "0.0.0.0", "2001:db8::", "x" * 70,
]  # fmt: skip


def mutated(chance: random.Random) -> str:
    text = chance.choice(SEEDS)
    if chance.random() < 0.4:
        text += chance.choice([",", ", ", "\n", "-", ",\n"]) + chance.choice(SEEDS)
    for _ in range(chance.randrange(1, 4)):
        here = chance.randrange(len(text) + 1)
        if text[here : here + 1].isdigit() and chance.random() < 0.7:
            # Another digit in place of one, which often leaves a text that is right.
            text = text[:here] + chance.choice("0123456789") + text[here + 1 :]
        else:
            there = here + chance.randrange(3)
            text = text[:here] + chance.choice(["", *chance.choices(PIECES, k=3)]) + text[there:]
    return text


def test_parse_random_texts() -> None:
    chance = random.Random(20_250_601)
    clients = ["1.2.3.4", "17.5.7.8", "10.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1"]
    texts: set[str] = set()
    while len(texts) < 50_000:
        texts.add(mutated(chance))
    accepted = 0
    for text in texts:
        ends = [ends_of(entry) if entry else None for entry in entries_of(text)]
        try:
            found = parse(text)
        except AddressError as error:
            assert None in ends, text
            assert len(error.problems) == ends.count(None), text
            assert all(problem.isprintable() for problem in error.problems), text
            assert all(len(problem) < 400 for problem in error.problems), text
            assert stored(text) is UNREADABLE
        else:
            accepted += 1
            known = [end for end in ends if end is not None]
            assert len(known) == len(ends), text
            assert parse(str(found)) == found, text
            for client in clients:
                assert found.allows(client) == (not known or matches(known, client)), text
    assert accepted > 3_000


def test_client_address_random_headers() -> None:
    chance = random.Random(20_250_602)
    trusted = TrustedProxies.parse("10.0.0.0/8, 2001:db8::/32")
    for _ in range(10_000):
        found = client_address("10.0.0.1", mutated(chance), trusted)
        assert found is None or (bits_of(found) is not None and normalise_client(found) == found)


# --- Saved texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.0/8, 1.2.3", ",", "\0", "9" * 2_001])
def test_stored_damaged_text_allows_nothing(text: str) -> None:
    found = stored(text)

    assert found is UNREADABLE
    assert found
    assert not found.allows("10.0.0.1")
    assert not found.allows("::1")
    assert not found.allows(None)
    assert not stored(text).allows("1.2.3.4")
    with pytest.raises(AddressError):
        parse(str(found))


def test_stored_parses_a_text_once() -> None:
    stored.cache_clear()

    assert stored("10.0.0.0/8") is stored("10.0.0.0/8")
    assert stored.cache_info().misses == 1
    assert stored.cache_info().maxsize == 4096


def test_stored_text_that_changes_takes_effect_at_once() -> None:
    assert stored("").allows(None)
    assert stored("10.0.0.0/8").allows("10.0.0.1")
    assert not stored("10.0.0.2").allows("10.0.0.1")
    assert not stored("10.0.0.2").allows(None)
