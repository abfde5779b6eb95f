"""What addresses mean, by an oracle that knows only bits: they are strings of 32 or 128, compared as strings."""

import ipaddress

from hypothesis import strategies as st

MAPPED = "0" * 80 + "1" * 16


def bits_of_ipv4(text: str) -> str | None:
    octets = text.split(".")
    if len(octets) != 4:
        return None
    for octet in octets:
        if not (octet.isascii() and octet.isdigit() and len(octet) <= 3 and int(octet) <= 255):
            return None
        if octet != "0" and octet.startswith("0"):
            return None
    return "".join(f"{int(octet):08b}" for octet in octets)


def bits_of_groups(text: str) -> str | None:
    """The bits of `2001:db8:1.2.3.4` and the like, without `::`; of nothing, none."""
    bits = ""
    groups = text.split(":") if text else []
    for place, group in enumerate(groups):
        if "." in group:
            tail = bits_of_ipv4(group)
            if tail is None or place != len(groups) - 1:
                return None
            bits += tail
        elif 1 <= len(group) <= 4 and all(c in "0123456789abcdefABCDEF" for c in group):
            bits += f"{int(group, 16):016b}"
        else:
            return None
    return bits


def bits_of(text: str) -> str | None:
    if ":" not in text:
        return bits_of_ipv4(text)
    head, gap, tail = text.partition("::")
    if "." in head and gap:
        return None
    left, right = bits_of_groups(head), bits_of_groups(tail)
    if left is None or right is None:
        return None
    missing = 128 - len(left) - len(right)
    if gap:
        return left + "0" * missing + right if missing >= 16 else None
    return left if missing == 0 else None


def ends_of(entry: str) -> tuple[str, str] | None:
    """The first and last address of an entry, as bits; None for what must be refused."""
    if "-" in entry:
        first, last = (bits_of(end.strip(" \t\r")) for end in entry.split("-", 1))
    elif "/" in entry:
        text, length = entry.split("/", 1)
        first = last = bits_of(text)
        if first is None or length not in {str(n) for n in range(len(first) + 1)} or "1" in first[int(length) :]:
            return None
        last = first[: int(length)].ljust(len(first), "1")
    else:
        first = last = bits_of(entry)
    if first is None or last is None or len(first) != len(last) or first > last:
        return None
    if len(first) == 32:
        return first, last
    if first.startswith(MAPPED) and last.startswith(MAPPED):
        return first[96:], last[96:]
    disjoint = last < MAPPED + "0" * 32 or first > MAPPED + "1" * 32
    return (first, last) if disjoint else None


def entries_of(text: str) -> list[str]:
    entries: list[str] = []
    for line in text.split("\n"):
        pieces = [piece.strip(" \t\r") for piece in line.split(",")]
        entries += pieces[:-1] if pieces[-1] == "" else pieces
    return entries


def matches(ends: list[tuple[str, str]], address: str) -> bool:
    bits = bits_of(address)
    assert bits is not None
    if bits.startswith(MAPPED) and len(bits) == 128:
        bits = bits[96:]
    return any(len(first) == len(bits) and first <= bits <= last for first, last in ends)


def ipv4(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def ipv6(number: int) -> str:
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))


# --- Strategies -----------------------------------------------------------------------------------

# Few values, close together and at the edges, so that entries touch, overlap and nest.
numbers4 = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(0x0A000000, 0x0A000010),
    st.sampled_from([0, 1, 2**31, 2**32 - 2, 2**32 - 1]),
)
numbers6 = st.one_of(
    st.integers(0, 2**128 - 1),
    st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + 16),
    st.integers((0xFFFF << 32) - 3, (0xFFFF << 32) + 3),
    st.integers((0x10000 << 32) - 3, (0x10000 << 32) + 3),
    st.sampled_from([0, 1, 2**127, 2**128 - 2, 2**128 - 1]),
)
dashes = st.sampled_from(["-", " - ", " -", "-  ", "\t-\t"])


@st.composite
def written_addresses(draw: st.DrawFn) -> str:
    number4 = draw(numbers4)
    return draw(
        st.sampled_from(
            [
                ipv4(number4),
                f"::ffff:{ipv4(number4)}",
                f"::FFFF:{number4 >> 16:x}:{number4 & 0xFFFF:04x}",
                ipv6(draw(numbers6)),
                ipv6(draw(numbers6)).upper(),
                str(ipaddress.IPv6Address(draw(numbers6))),
            ]
        )
    )


@st.composite
def entries(draw: st.DrawFn) -> str:
    """Entries that are right in their parts; ranges in order, subnets without host bits."""
    kind = draw(st.sampled_from(["address", "range", "subnet"]))
    if kind == "address":
        return draw(written_addresses())
    if draw(st.booleans()):
        numbers, write, width = numbers4, ipv4, 32
    else:
        numbers, write, width = numbers6, ipv6, 128
    if kind == "range":
        first, last = sorted((draw(numbers), draw(numbers)))
        return f"{write(first)}{draw(dashes)}{write(last)}"
    length = draw(st.integers(0, width))
    return f"{write(draw(numbers) >> width - length << width - length)}/{length}"
