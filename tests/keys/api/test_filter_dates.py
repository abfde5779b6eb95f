"""Dates in filters: the forms that clients write, what each stands for, and what is none."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from keys.api.filter_dates import moments

pytestmark = pytest.mark.sqlite_only

DAY, MINUTE, SECOND, TICK = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1), timedelta(microseconds=1)

WRITTEN = [
    ("10/24/2026 0:0:0", datetime(2026, 10, 24, tzinfo=UTC), SECOND),
    ("2026-10-24T00:00:00", datetime(2026, 10, 24, tzinfo=UTC), SECOND),
    ("2019-01-01T00:00:00.000000+00:00", datetime(2019, 1, 1, tzinfo=UTC), TICK),
    ("10/24/2026 13:05:09", datetime(2026, 10, 24, 13, 5, 9, tzinfo=UTC), SECOND),
    ("2026-10-24 13:05:09", datetime(2026, 10, 24, 13, 5, 9, tzinfo=UTC), SECOND),
    ("2026-12-21T05:46:47.386584-06:00", datetime(2026, 12, 21, 11, 46, 47, 386584, tzinfo=UTC), TICK),
    ("2026-12-21T05:46:47-0600", datetime(2026, 12, 21, 11, 46, 47, tzinfo=UTC), SECOND),
    ("2026-12-21T05:46:47+05:30", datetime(2026, 12, 21, 0, 16, 47, tzinfo=UTC), SECOND),
    ("2026-12-21T05:46:47Z", datetime(2026, 12, 21, 5, 46, 47, tzinfo=UTC), SECOND),
    ("2026-12-21T05:46:47.5Z", datetime(2026, 12, 21, 5, 46, 47, 500_000, tzinfo=UTC), TICK),
    ("2026-12-21T05:46:47.123456789Z", datetime(2026, 12, 21, 5, 46, 47, 123_456, tzinfo=UTC), TICK),
    ("2026-12-21T05:46", datetime(2026, 12, 21, 5, 46, tzinfo=UTC), MINUTE),
    ("10/24/2026", datetime(2026, 10, 24, tzinfo=UTC), DAY),
    ("1/2/2026", datetime(2026, 1, 2, tzinfo=UTC), DAY),
    ("01/01/01", datetime(2001, 1, 1, tzinfo=UTC), DAY),
    ("2026-10-24", datetime(2026, 10, 24, tzinfo=UTC), DAY),
    ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC), DAY),
    (" 10/24/2026  0:0:0 ", datetime(2026, 10, 24, tzinfo=UTC), SECOND),
]


@pytest.mark.parametrize(("text", "first", "length"), WRITTEN)
def test_a_date_stands_for_all_that_it_leaves_open(text: str, first: datetime, length: timedelta) -> None:
    assert moments(text) == (first, first + length)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("sysdate", 0), ("currentDate", 0), ("sysdate - 30", -30), ("currentDate - 30", -30), ("SYSDATE-1", -1),
        ("sysdate + 2", 2), ("currentDate -  0", 0),
    ],
)  # fmt: skip
def test_days_are_counted_from_now(text: str, days: int) -> None:
    before = timezone.now()
    first, end = moments(text)
    assert before <= first - timedelta(days=days) <= timezone.now()
    assert end - first == TICK


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "today", "13/01/2026", "02/30/2026", "2023-02-29", "0/0/0", "2026-1-2", "20261024", "2026-W01-1",
        "0000-01-01", "10/24/2026 24:00:00", "10/24/2026 0:60:0", "10/24/2026 0:0:60", "10/24/2026T", "10/24/2026 5",
        "2026-10-24T00:00:00+24:00", "2026-10-24T00:00:00+05:60", "2026-10-24T00:00:00+5", "2026-10-24+00:00",
        "9999-12-31", "9999-12-31T23:59:59", "0001-01-01T00:00:00+01:00", "sysdate - 999999", "sysdate + 9999999",
        "sysdate - 99999999999999", "sysdate -", "sysdate * 2", "sysdate 30", "١٠/٢٤/٢٠٢٦", "2026-10-24T00:00:00.",
        "10/24/126", "1" * 1_000, " " * 1_000 + "1", "1/" * 500,
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        moments(text)


@given(
    st.datetimes(min_value=datetime(1000, 1, 3), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001 - the zone follows
    st.integers(-14 * 60, 14 * 60),
)
def test_what_was_written_is_read(local: datetime, offset: int) -> None:
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    exact = local.replace(tzinfo=UTC) - timedelta(minutes=offset)
    assert moments(f"{local:%Y-%m-%dT%H:%M:%S.%f}{zone}") == (exact, exact + TICK)
    second = exact.replace(microsecond=0)
    assert moments(f"{local.month}/{local.day}/{local.year} {local:%H:%M:%S}{zone}") == (second, second + SECOND)


@given(st.text(alphabet="0123456789/-:.TZ+ sydatecurn", max_size=40) | st.text(max_size=40))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        first, end = moments(text)
    except ValueError:
        return
    assert first < end <= first + DAY
