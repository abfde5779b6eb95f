"""How moments and counts read on every page and in every file."""

from datetime import UTC, date, datetime, time, timedelta


def date_and_time(at: datetime, *, seconds: bool = False) -> tuple[str, str]:
    """Return a moment as the console prints it, ``14-03-2025 04:54 GMT``, in two parts that lines do not break."""
    return printed(iso(at), seconds=seconds)


def printed(text: str, *, seconds: bool = False) -> tuple[str, str]:
    """Return what ``date_and_time`` does of a moment as ``iso`` gives it, for those who need both."""
    return f"{text[8:10]}-{text[5:7]}-{text[:4]}", f"{text[11:19] if seconds else text[11:16]} GMT"


def day(on: date) -> str:
    """Return a day as the console prints it: ``14-03-2025``."""
    return f"{on.day:02}-{on.month:02}-{on.year:04}"


def moment(at: datetime) -> str:
    """Return a moment as one text, for mails and sentences."""
    return " ".join(date_and_time(at))


def end(at: datetime) -> str:
    """Return when something ends: a moment, or the day with whose end it does, which pages print as its last one."""
    last = at.astimezone(UTC) - timedelta.resolution
    return f"at the end of {day(last)} GMT" if last.time() == time.max else moment(at)


def iso(at: datetime | None) -> str:
    """Return a moment as machines read it: ``2025-03-14T04:54:07Z``; empty for none."""
    if at is None:
        return ""
    return at.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def ago(at: datetime, now: datetime) -> str:
    """Return how long before ``now`` something was, in the largest whole unit: ``2 hours ago``."""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = seconds // length
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "Just now"


def span(seconds: float) -> str:
    """Return a duration in words, without units of which there are none: ``1 hour 30 minutes``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    counts = zip((*divmod(minutes, 60), rest), ("hour", "minute", "second"), strict=True)
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counts if count) or "0 seconds"
