"""The grammar of IP address restrictions, their match, and the client's address behind proxies.

Text in, plain answers out: no request, no setting, no model. Which restriction applies to whom is
decided where people sign in and keys are verified; this module says what a text means.

Input is judged in three steps: length and ASCII first, the patterns below second, `ipaddress`
last. The order matters. Left to itself, `ipaddress` takes host masks (`/0.0.0.255`), `/08` and
scope ids (`fe80::1%eth0`), copies an input of any size into its message, and does not see that
`::ffff:10.0.0.1` is `10.0.0.1`.

*Source:* IBM Cloud Docs, "Allowing specific IP addresses" (the kinds of entry); RFC 4291, section
2.5.5.2 (IPv4-mapped addresses); RFC 5952 (how an IPv6 address is written).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple, Self

MAX_CHARACTERS = 2_000
MAX_ENTRIES = 100
MAX_FORWARDED_CHARACTERS = 4_000
MAX_FORWARDED_ENTRIES = 50
_SHOWN_CHARACTERS = 60

# Digits are spelled 0-9, because \d matches those of every script.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
# Looser than the rule: eight groups and a single "::" are left to `ipaddress`.
_IPV6 = rf"(?:[0-9A-Fa-f]{{0,4}}:){{2,8}}(?:{_IPV4}|[0-9A-Fa-f]{{0,4}})"
_ADDRESS = re.compile(rf"(?P<ipv4>{_IPV4})|{_IPV6}")
_PORT = r"(?::[0-9]{1,5})?"
_FORWARDED = re.compile(rf"({_IPV4}){_PORT}|\[({_IPV6})\]{_PORT}|({_IPV6})")
_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_LEADING_ZERO = re.compile(r"(?:^|[.:])0[0-9]+(?:\.|$)")
_BLANKS = " \t\r"


class _Span(NamedTuple):
    """A run of addresses as numbers: the family (4 or 6), the first and the last of them."""

    version: int
    first: int
    last: int


_MAPPED = _Span(6, int(IPv6Address("::ffff:0:0")), int(IPv6Address("::ffff:ffff:ffff")))
_EVERY_IPV4 = _Span(4, 0, 2**32 - 1)
# All but the mapped addresses, which are IPv4 and have to be named as such.
_EVERY_IPV6 = (_Span(6, 0, _MAPPED.first - 1), _Span(6, _MAPPED.last + 1, 2**128 - 1))


class AddressError(ValueError):
    """A text that is no list of addresses; made from one plain sentence for each bad entry."""

    def __init__(self, *problems: str) -> None:
        """Take the sentences; each names its entry as typed, cut to a length safe to show."""
        super().__init__(*problems)
        self.problems: tuple[str, ...] = problems

    def __str__(self) -> str:
        """Return all sentences in one line."""
        return " ".join(self.problems)


@dataclass(frozen=True, slots=True)
class AddressSet:
    """The addresses a restriction allows; made by `parse` and `stored`.

    The empty set means "no restriction". Two sets are equal when they are written alike.
    """

    text: str = ""  # canonical: entries normalised, in the order typed
    spans: tuple[_Span, ...] = ()  # sorted, without overlap

    def __str__(self) -> str:
        """Return the canonical text, which parses back to an equal set."""
        return self.text

    def __bool__(self) -> bool:
        """Return whether anything is restricted."""
        return bool(self.text)

    def allows(self, address: str | None) -> bool:
        """Return whether a client at this address passes the restriction.

        No restriction lets everybody pass, an unknown address (None) included. Any restriction
        stops an unknown address and a text that is not one plain address.
        """
        return not self or self.covers(address)

    def covers(self, address: str | None) -> bool:
        """Return whether this is an address inside one of the entries; never, without entries."""
        known = _unmapped(address or "")
        if known is None:
            return False
        # The span that begins last at or before the address is the only one that can hold it.
        needle = _Span(known.version, int(known), 2**128)
        index = bisect_right(self.spans, needle) - 1
        span = self.spans[index] if index >= 0 else None
        return span is not None and span.version == known.version and needle.first <= span.last


# Restricts without allowing anything. Its text does not parse, so that saving it again by mistake
# cannot lift the restriction.
UNREADABLE = AddressSet("(unreadable)")


def parse(text: str) -> AddressSet:
    """Return the addresses that a typed text lists.

    Entries are separated by commas or line ends: `17.5.7.8`, `17.5.7.8 - 17.5.9.5`, `17.5.7.0/24`
    or the same in IPv6. A blank text is the empty set: no restriction. Entries wholly inside
    `::ffff:0:0/96` become the IPv4 addresses they stand for.

    Raises AddressError, naming all bad entries, or when the text (typed or canonical) has more
    than MAX_CHARACTERS or MAX_ENTRIES.

    *Source:* IBM Cloud Docs, "Allowing specific IP addresses".
    """
    return _read_all(_split(text))


@lru_cache(maxsize=4096)
def stored(text: str) -> AddressSet:
    """Return the set of a text that was saved; UNREADABLE, which allows nothing, if damaged.

    Answers are kept, since every verification asks. The text itself is the key, so a restriction
    that changes is a new question and takes effect at once.
    """
    try:
        return parse(text)
    except AddressError:
        return UNREADABLE


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose X-Forwarded-* headers are believed; none by default."""

    networks: AddressSet = AddressSet()
    unix: bool = False

    @classmethod
    def parse(cls, networks: str | Iterable[str]) -> Self:
        """Return the proxies of a setting: the entries of the function `parse`, and two words.

        `unix` stands for peers on a unix socket, which have no address. `::/0` is understood so
        that a start-up check can name it, by `covers_everything`, as it does `0.0.0.0/0`.

        Raises AddressError as the function `parse` does.
        """
        words = _split(networks if isinstance(networks, str) else ",".join(networks))
        entries: list[str] = []
        for word in words:
            entries += map(_written, _EVERY_IPV6) if word == "::/0" else [word]
        return cls(_read_all([entry for entry in entries if entry != "unix"]), "unix" in words)

    def __contains__(self, peer: str | None) -> bool:
        """Return whether the peer is listed; None and an empty text are a unix socket's peer."""
        return self.networks.covers(peer) if peer else self.unix

    @property
    def covers_everything(self) -> bool:
        """Whether every IPv4 or every IPv6 address is listed: then anybody can forge theirs."""
        spans = set(self.networks.spans)
        return _EVERY_IPV4 in spans or spans.issuperset(_EVERY_IPV6)


def normalise_client(text: str) -> str | None:
    """Return the canonical text of an X-Forwarded-For entry; None if it is not one address.

    A port is dropped (`1.2.3.4:5678`), and so are brackets (`[2001:db8::1]:1234`); an IPv4-mapped
    address becomes IPv4. Scope ids, names and RFC 7239's `unknown` are no addresses.
    """
    match = _FORWARDED.fullmatch(text.strip(_BLANKS))
    address = match and _unmapped(match[1] or match[2] or match[3])
    return str(address) if address else None


def client_address(peer: str | None, forwarded_for: str | None, trusted: TrustedProxies) -> str | None:
    """Return the canonical address of the client, or None when it is unknown.

    `peer` is the other end of the connection, `forwarded_for` the X-Forwarded-For lines joined by
    commas, as WSGI hands them over. A peer that is not listed is the client, whatever it claims.
    Behind a listed one, the client is the first entry from the right that is not a listed proxy:
    what stands further left was sent by the client itself and is not even looked at. When all are
    listed, the leftmost is the client.

    Unknown is: no header from a listed peer, an entry met on the way that is no address, a header
    of more than MAX_FORWARDED_CHARACTERS or MAX_FORWARDED_ENTRIES. No restriction accepts it.

    *Source:* MDN, "X-Forwarded-For", section "Selecting an IP address".
    """
    if peer not in trusted:
        address = _unmapped(peer or "")
        return str(address) if address else None
    if not forwarded_for or len(forwarded_for) > MAX_FORWARDED_CHARACTERS:
        return None
    entries = forwarded_for.split(",")
    if len(entries) > MAX_FORWARDED_ENTRIES:
        return None
    client = None
    for entry in reversed(entries):
        client = normalise_client(entry)
        if client is None or client not in trusted:
            break
    return client


def forwarded_scheme_is_https(peer: str | None, forwarded_proto: str | None, trusted: TrustedProxies) -> bool:
    """Return whether a listed peer says, by X-Forwarded-Proto, that its client came over https.

    Only exactly `https` counts: a list of values means that somebody else wrote one of them.
    """
    return peer in trusted and forwarded_proto == "https"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the one plain address that is the whole text, of the family it is written in."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    try:
        return IPv4Address(text) if match["ipv4"] else IPv6Address(text)
    except AddressValueError:
        return None


def _unmapped(text: str) -> IPv4Address | IPv6Address | None:
    """Return the one plain address that is the whole text, an IPv4-mapped one as IPv4."""
    address = _address(text)
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _split(text: str) -> list[str]:
    """Return the entries of a text, without blank lines and the comma that may end a line."""
    if len(text) > MAX_CHARACTERS:
        raise AddressError(_too_long(len(text)))
    lines = (line.strip(_BLANKS) for line in text.split("\n"))
    return [
        entry.strip(_BLANKS)
        for line in lines
        if line  # A lone comma is an entry, a bad one: it must not pass for "no restriction".
        for entry in line.removesuffix(",").split(",")
    ]


def _read_all(entries: list[str]) -> AddressSet:
    """Return the set of the entries, or raise AddressError with what is wrong in each."""
    if len(entries) > MAX_ENTRIES:
        raise AddressError(
            f"This lists {len(entries):,} entries, but at most {MAX_ENTRIES} are allowed: "
            "write ranges or subnets instead."
        )
    spans: list[_Span] = []
    texts: list[str] = []
    problems: list[str] = []
    for number, entry in enumerate(entries, start=1):
        if not entry:
            problems.append(f"Entry {number} is empty: remove the extra comma.")
            continue
        try:
            spans.append(_read(entry))
            texts.append(_written(spans[-1], as_subnet="/" in entry))
        except AddressError as error:
            problems += error.problems
    if problems:
        raise AddressError(*problems)
    text = ", ".join(dict.fromkeys(texts))
    # The spaces added may make it longer than what was typed; what is saved must stay readable.
    if len(text) > MAX_CHARACTERS:
        raise AddressError(_too_long(len(text)))
    return AddressSet(text, _merged(spans))


def _read(entry: str) -> _Span:
    """Return the addresses of one entry.

    What takes in some of `::ffff:0:0/96` and more is refused: as a client seen as IPv6 may be
    IPv4 in disguise, it would quietly allow, or seem to allow, IPv4 as well.
    """
    if not entry.isascii():
        raise AddressError(
            f"{_shown(entry)} has a character that cannot be in an address: type it again with plain digits, letters, "
            "periods, colons and hyphens."
        )
    if "-" in entry:
        span = _read_range(entry)
    elif "/" in entry:
        span = _read_subnet(entry)
    else:
        span = _read_address(entry, entry)
    if span.version != _MAPPED.version or span.last < _MAPPED.first or _MAPPED.last < span.first:
        return span
    first, last = max(span.first, _MAPPED.first), min(span.last, _MAPPED.last)
    inside = _Span(4, first - _MAPPED.first, last - _MAPPED.first)
    if (first, last) == span[1:]:
        return inside
    below, above = _Span(6, span.first, first - 1), _Span(6, last + 1, span.last)
    parts = [_written(part) for part in (below, inside, above) if part.first <= part.last]
    raise AddressError(
        f"{_shown(entry)} includes IPv4 addresses (::ffff:0:0/96) without saying so: write those that you mean of "
        f"{', '.join(parts)}."
    )


def _read_address(text: str, entry: str) -> _Span:
    """Return the one address that is the text: all of the entry or a part of it."""
    address = _address(text)
    if address is not None:
        return _Span(address.version, int(address), int(address))
    subject = _shown(text) if text == entry else f"{_shown(entry)}: {_shown(text)}"
    if "%" in text:
        raise AddressError(f"{subject} names a network interface: leave out % and what follows.")
    if _LEADING_ZERO.search(text):
        raise AddressError(f"{subject} has a leading zero: write 17.5.7.8, not 017.005.007.008.")
    raise AddressError(f"{subject} is not an IP address: write one like 17.5.7.8 or 2001:db8::1.")


def _read_range(entry: str) -> _Span:
    """Return the addresses from the one before the first `-` to the one after it."""
    first, last = (_read_address(end.strip(_BLANKS), entry) for end in entry.split("-", 1))
    if first.version != last.version:
        raise AddressError(f"{_shown(entry)} mixes IPv4 and IPv6: write a range for each, such as 17.5.7.8 - 17.5.9.5.")
    if first > last:
        raise AddressError(f"{_shown(entry)} runs backwards: write {_written(last)} - {_written(first)}.")
    return _Span(first.version, first.first, last.last)


def _read_subnet(entry: str) -> _Span:
    """Return the addresses of a network, given by its first address and its prefix length."""
    text, length = entry.split("/", 1)
    address = _read_address(text, entry)
    bits = 32 if address.version == _EVERY_IPV4.version else 128
    if not _PREFIX_LENGTH.fullmatch(length) or int(length) > bits:
        raise AddressError(
            f"{_shown(entry)} has no valid prefix length: after the / write a plain number from 0 "
            f"to {bits}, such as /{bits * 3 // 4}; masks and leading zeros are not accepted."
        )
    hosts = (1 << bits - int(length)) - 1
    span = _Span(address.version, address.first & ~hosts, address.first | hosts)
    if span.first != address.first:
        raise AddressError(
            f"{_shown(entry)} does not begin with its network's first address: write "
            f"{_written(span, as_subnet=True)} for the network, {text} for the one address."
        )
    return span


def _written(span: _Span, *, as_subnet: bool = False) -> str:
    """Return the canonical text of one entry."""
    address = IPv4Address if span.version == _EVERY_IPV4.version else IPv6Address
    first, last = address(span.first), address(span.last)
    if first == last:
        return f"{first}"
    if as_subnet:
        return f"{first}/{first.max_prefixlen - (span.last - span.first).bit_length()}"
    return f"{first} - {last}"


def _merged(spans: list[_Span]) -> tuple[_Span, ...]:
    """Return the spans sorted, those that touch or overlap made one."""
    merged: list[_Span] = []
    for span in sorted(spans):
        before = merged[-1] if merged else None
        if before and before.version == span.version and span.first <= before.last + 1:
            merged[-1] = before._replace(last=max(before.last, span.last))
        else:
            merged.append(span)
    return tuple(merged)


def _shown(entry: str) -> str:
    """Return an entry in quotes, cut to _SHOWN_CHARACTERS, without any that do not print.

    Control and bidirectional override characters could make a page or a log line lie.
    """
    short = entry if len(entry) <= _SHOWN_CHARACTERS else f"{entry[: _SHOWN_CHARACTERS - 1]}…"
    printed = (c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)
    return f"“{''.join(printed)}”"


def _too_long(characters: int) -> str:
    """Return the sentence about a text above MAX_CHARACTERS, without the text."""
    return (
        f"This comes to {characters:,} characters, but at most {MAX_CHARACTERS:,} are allowed: write "
        "ranges or subnets instead."
    )
