"""Working hours mean what a calendar on the wall would say."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.plant.resolve.calendars import clock_s, hours, schedule

MONDAY_6 = datetime(2026, 1, 5, 6)  # noqa: DTZ001
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
times = st.integers(0, 24 * 4 - 1).map(lambda q: f"{q // 4:02}:{q % 4 * 15:02}")
spans = (
    st.tuples(st.sampled_from(["", *DAYS, "Mon-Fri ", "Sat-Mon "]), times, times)
    .filter(lambda s: s[1] != s[2])
    .map(lambda s: f"{s[0]} {s[1]}-{s[2]}".strip())
)


def is_open(open_: list[str], breaks: list[str], moment: datetime) -> bool:
    return any(covers(text, moment) for text in open_) and not any(covers(text, moment) for text in breaks)


def covers(text: str, moment: datetime) -> bool:
    """The slow way: is the moment within these hours of its own day, or within those of the day before?"""
    days, _, span = text.rpartition(" ")
    begin, end = (timedelta(hours=int(t[:2]), minutes=int(t[3:])) for t in span.split("-"))
    end += timedelta(days=1) if end < begin else timedelta(0)
    for back in (0, 1):
        day = (moment - timedelta(days=back)).replace(hour=0, minute=0)
        if on(days.strip(), day.weekday()) and day + begin <= moment < day + end:
            return True
    return False


def on(days: str, weekday: int) -> bool:
    if not days:
        return True
    first, _, last = days.partition("-")
    a, b = DAYS.index(first), DAYS.index(last or first)
    return (weekday - a) % 7 <= (b - a) % 7


@given(
    st.lists(spans, min_size=1, max_size=3),
    st.lists(spans, max_size=2),
    st.integers(0, 7 * 96),
    st.integers(0, 14 * 96),
)
def test_a_schedule_is_open_in_the_hours_of_the_calendar(
    open_: list[str], breaks: list[str], start: int, later: int
) -> None:
    begin = MONDAY_6 + timedelta(minutes=15 * start)
    cycle, intervals = schedule(open_, breaks, begin)
    t = later * 900.0
    assert any(a <= t % cycle < b for a, b in intervals) == is_open(open_, breaks, begin + timedelta(seconds=t))
    assert all(0 <= a < b <= cycle for a, b in intervals)
    assert list(intervals) == sorted(intervals)


def test_a_day_repeats_daily_and_named_days_weekly() -> None:
    assert schedule(["06:00-14:00"], [], MONDAY_6) == (86400, ((0, 8 * 3600),))
    assert schedule(["Mon 06:00-14:00"], [], MONDAY_6) == (7 * 86400, ((0, 8 * 3600),))


def test_a_night_shift_wraps_around_the_start() -> None:
    assert schedule(["22:00-07:00"], [], MONDAY_6)[1] == ((0, 3600), (16 * 3600, 86400))


@pytest.mark.parametrize(
    "text", ["", "6-14", "06:00", "25:00-26:00", "06:00-06:60", "Xyz 06:00-07:00", "Mon-Foo 06:00-07:00", "08:00-08:00"]
)
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        hours(text)


def test_a_time_of_day_is_in_seconds() -> None:
    assert (clock_s("06:30"), clock_s("24:00")) == (23400, 86400)
