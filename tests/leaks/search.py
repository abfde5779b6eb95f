"""The search for known values: in every spelling that something could have kept, in every place that keeps anything."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Any

from django.core import mail
from django.core.cache import caches
from django.db import connection
from django.http import HttpResponse

from accounts.models import Session
from tests.visitors import body_of


def spellings(value: str) -> dict[str, set[bytes]]:
    """Every form that a value may have been kept in, by name.

    Base64 looks different at each of three offsets; what its neighbours change at either end is left out.
    """
    text = value.encode()
    in_base64, in_url_base64 = set(), set()
    for before in range(3):
        for encode, found in ((base64.b64encode, in_base64), (base64.urlsafe_b64encode, in_url_base64)):
            padded = encode(b"~" * before + text + b"~" * ((3 - (before + len(text)) % 3) % 3))
            found.add(padded[2 * before : len(padded) - 4])
    raw = bytes.fromhex(value) if re.fullmatch("[0-9a-f]+", value) else text  # a token is no number
    return {
        "plain": {text, value.casefold().encode()},
        "upper": {value.upper().encode()},
        "hex": {text.hex().encode(), text.hex().upper().encode()},
        "base64": in_base64 | {base64.b64encode(raw).rstrip(b"=")},
        "url-safe base64": in_url_base64 | {base64.urlsafe_b64encode(raw).rstrip(b"=")},
        "reversed": {text[::-1], value.upper()[::-1].encode(), value.casefold()[::-1].encode()},
        "raw": {raw},
    }


class Seeker:
    """Finds known values in anything."""

    def __init__(self, values: Iterable[str]) -> None:
        self._needles = {n for value in values for forms in spellings(value).values() for n in forms}

    def finds(self, data: Any) -> bool:
        """Whether any value is in there, in any spelling, also where HTML writes its characters by number."""
        if isinstance(data, str):
            data = data.encode(errors="surrogatepass")
        elif isinstance(data, memoryview):
            data = bytes(data)
        elif not isinstance(data, bytes):
            data = repr(data).encode()
        if b"&#" in data:
            data += unescape(data.decode("latin-1")).encode(errors="replace")
        return any(needle in data for needle in self._needles)


def parts_of(response: HttpResponse) -> Iterator[tuple[str, bytes]]:
    """The parts of an answer by name: its headers, its cookies, its body."""
    yield "headers", "\n".join(f"{name}: {value}" for name, value in response.headers.items()).encode()
    yield "reason", response.reason_phrase.encode()
    yield "cookies", response.cookies.output().encode()
    yield "body", body_of(response)


def database_cells() -> Iterator[tuple[str, Any]]:
    """Every value in every column of every table, by "table.column"; and the database file, where it is one."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, cell in zip(names, row, strict=True):
                    yield f"{table}.{name}", cell
    if connection.vendor == "sqlite":
        yield "the database file", connection.connection.serialize()


def session_contents() -> Iterator[tuple[str, Any]]:
    """What the sessions hold, unpacked: their rows hold it compressed."""
    for session in Session.objects.all():
        for name, content in session.get_decoded().items():
            yield f"session {name}", json.dumps(content)


def cache_contents() -> Iterator[tuple[str, Any]]:
    """What the caches hold."""
    for cache in caches.all(initialized_only=True):
        for name, content in getattr(cache, "_cache", {}).items():
            yield f"cache {name}", content


def mails() -> Iterator[tuple[str, Any]]:
    """What was sent."""
    for message in getattr(mail, "outbox", []):
        yield f"mail {message.subject}", message.message().as_bytes()


def everything_kept() -> Iterator[tuple[str, Any]]:
    """All that outlives a request."""
    yield from database_cells()
    yield from session_contents()
    yield from cache_contents()
    yield from mails()


VALUE = "0123456789abcdef" * 3 + "fedcba9876543210"
#: Of an IBM Cloud API key, its checksum included.
PLATFORM_VALUE = "ktp_" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg" + "4F3rC4"
