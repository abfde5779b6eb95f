"""Dates as filters name them: several forms of text, each of which stands for all the moments that it leaves open."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

_TIME = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})(?::(?P<second>[0-9]{1,2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
_ZONE = r"(?P<zone>Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
_CENTURY = 2000  # of years in two digits
_WRITTEN = re.compile(
    r"(?:(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4}|[0-9]{2})"
    r"|(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}))"
    rf"(?:(?:T|\s+){_TIME}\s*{_ZONE}?)?",
    re.ASCII,
)
_RELATIVE = re.compile(
    r"(?:sysdate|currentdate)\s*(?:(?P<sign>[+-])\s*(?P<days>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)


class Moments(NamedTuple):
    """All moments from ``first`` until right before ``end``."""

    first: datetime
    end: datetime


def moments(text: str) -> Moments:
    """Return the moments that ``text`` stands for: a day, a minute, a second or a microsecond, as far as it is exact.

    So what a client saw in an answer, where times have no fractions, equals what is stored with one. Forms:
    ``10/24/2026``, ``10/24/26``, ``2026-10-24``, each with a time such as ``9:05:00``, ISO's with fractions and a zone
    too; and ``sysdate - 30``, also ``currentDate``, days from now. Without a zone it is UTC, as in answers.

    Raises ValueError for any other text, and for days and times that there are not.
    """
    text = text.strip()
    if relative := _RELATIVE.fullmatch(text):
        days = int(relative["days"] or 0)
        return _during(
            timezone.now(), timedelta(days=-days if relative["sign"] == "-" else days), timedelta(microseconds=1)
        )
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError("no date")
    day = _day(written)
    if written["hour"] is None:
        return _during(day, timedelta(0), timedelta(days=1))
    second, fraction = written["second"], written["fraction"]
    time = day.replace(
        hour=int(written["hour"]),
        minute=int(written["minute"]),
        second=int(second or 0),
        microsecond=int((fraction or "0")[:6].ljust(6, "0")),
    )
    exact = timedelta(microseconds=1) if fraction else timedelta(seconds=1) if second else timedelta(minutes=1)
    return _during(time, -_offset(written["zone"]), exact)


def _day(written: re.Match[str]) -> datetime:
    """Return the beginning of the day, as if in UTC."""
    if written["iso"]:
        return datetime.fromisoformat(written["iso"]).replace(tzinfo=UTC)
    year = int(written["year"]) + (_CENTURY if len(written["year"]) == len("26") else 0)
    return datetime(year, int(written["month"]), int(written["day"]), tzinfo=UTC)


def _offset(zone: str | None) -> timedelta:
    """Return how much later clocks in the zone are than in UTC."""
    if zone in (None, "Z"):
        return timedelta(0)
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -size if zone[0] == "-" else size


def _during(start: datetime, later: timedelta, length: timedelta) -> Moments:
    try:
        first = start + later
        return Moments(first, first + length)
    except OverflowError:
        raise ValueError("no date that can be reckoned with") from None
