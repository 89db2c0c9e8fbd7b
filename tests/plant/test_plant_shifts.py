"""Working hours mean what a calendar on the wall would say, also where the local clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.clock import ns_from_datetime
from factory_sim.plant.describe import planned
from factory_sim.plant.spec import Plant, Shift, Source
from factory_sim.plant.wall_clock import alarms, all_edges, edges, named_hours, open_spans
from factory_sim.plant.yaml.clock_texts import clock_time, dates, hours, time_of_day
from factory_sim.records import Window
from factory_sim.validation.exact.lines import Stop, exponential, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.errors import Problem

HOUR = 3_600_000_000
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


def at(start: str, timezone: str) -> Plant:
    return replace(line([Stop(exponential(1.0), 1, 0)], Source("in", 0)), start=start, timezone=timezone)


def shift(open_: list[str], breaks: list[str] | None = None, **more: str) -> Shift:
    """A shift; `more`: date (with underscores) -> its hours."""
    other = [
        (date.fromisoformat(day.strip("_").replace("_", "-")), (hours(of),) if of else ()) for day, of in more.items()
    ]
    return Shift("s", tuple(map(hours, open_)), tuple(map(hours, breaks or [])), tuple(other))


def local(plant: Plant, t_us: int) -> datetime:
    """The wall-clock time of an instant, the slow way."""
    start = datetime.fromisoformat(plant.start).replace(tzinfo=ZoneInfo(plant.timezone))
    return (start.astimezone(UTC) + timedelta(microseconds=t_us)).astimezone(ZoneInfo(plant.timezone))


ZONES = ["UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]
YEAR = datetime(2026, 1, 1)  # noqa: DTZ001


@given(
    st.lists(spans, min_size=1, max_size=3),
    st.lists(spans, max_size=2),
    st.integers(0, 365 * 96),
    st.integers(0, 14 * 96),
    st.sampled_from(ZONES),
)
def test_a_shift_is_open_in_the_hours_of_the_calendar(
    open_: list[str], breaks: list[str], start: int, later: int, timezone: str
) -> None:
    begin = ns_from_datetime(YEAR + timedelta(minutes=15 * start), timezone)
    first = datetime.fromtimestamp(begin // 10**9, tz=ZoneInfo(timezone))
    plant = at(first.isoformat(), timezone)
    t = later * HOUR // 4
    moment = (first.astimezone(UTC) + timedelta(microseconds=t)).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    near = [moment + timedelta(hours=n) for n in (-27, -26, -25, -24, -2, -1, 0, 1)]
    if len({each.replace(tzinfo=ZoneInfo(timezone)).utcoffset() for each in near}) == 1:  # changes are tested below
        found = any(a <= t < b for a, b in open_spans(plant, shift(open_, breaks), 0, 15 * 24 * HOUR))
        assert found == is_open(open_, breaks, moment)


@given(
    st.lists(spans, min_size=1, max_size=3), st.lists(spans, max_size=2), st.integers(0, 365), st.sampled_from(ZONES)
)
def test_stretches_of_the_calendar_join_to_the_whole(
    open_: list[str], breaks: list[str], day: int, timezone: str
) -> None:
    plant, of = at((YEAR + timedelta(days=day, hours=12)).isoformat(), timezone), shift(open_, breaks)
    spans_ = open_spans(plant, of, 0, 14 * 24 * HOUR)
    assert all(a < b for a, b in spans_)
    assert all(b < c for (_, b), (c, _) in pairwise(spans_))
    was_open, found = bool(spans_) and spans_[0][0] == 0, []
    for t0 in range(0, 14 * 24 * HOUR, 7 * HOUR):
        for edge in edges(plant, of, t0, t0 + 7 * HOUR, was_open=was_open):
            found.append(edge)
            was_open = not was_open
    assert found == [t for span in spans_ for t in span if 0 < t < 14 * 24 * HOUR]
    assert list(islice(all_edges(plant, of), len(found))) == found


def test_a_shift_that_is_always_open_has_no_edges() -> None:
    assert list(all_edges(at("2026-01-05 06:00", "Europe/Berlin"), shift(["00:00-24:00"]))) == []


@pytest.mark.parametrize(
    ("start", "of", "expected"),
    [
        ("2026-03-28 12:00", "22:00-06:00", 7),  # the clock is set forward at 02:00
        ("2026-10-24 12:00", "22:00-06:00", 9),  # set back at 03:00
        ("2026-03-28 12:00", "Sun 01:30-02:30", 0.5),  # ends in the hour that does not exist
        ("2026-03-28 12:00", "Sun 02:15-04:00", 1),  # begins in it
        ("2026-10-24 12:00", "Sun 02:30-03:00", 1.5),  # of two half past two the first
    ],
)
def test_an_interval_across_a_change_of_the_clock_has_its_real_length(start: str, of: str, expected: float) -> None:
    ((begin, end),) = open_spans(at(start, "Europe/Berlin"), shift([of]), 0, 24 * HOUR)
    assert (end - begin) / HOUR == expected


def test_an_edge_in_the_hour_that_does_not_exist_takes_effect_after_it() -> None:
    plant = at("2026-03-29 00:00", "Europe/Berlin")
    assert open_spans(plant, shift(["02:30-05:00"]), 0, 12 * HOUR) == ((2 * HOUR, 4 * HOUR),)
    assert open_spans(plant, shift(["02:15-02:45"]), 0, 12 * HOUR) == ()


def test_a_date_has_hours_of_its_own_and_a_night_shift_keeps_those_of_the_day_on_which_it_begins() -> None:
    plant = at("2026-12-24 00:00", "Europe/Berlin")
    of = shift(["22:00-06:00"], ["02:00-02:30"], _2026_12_24="20:00-23:00", _2026_12_25="")
    opened = [(a / HOUR, b / HOUR) for a, b in open_spans(plant, of, 0, 72 * HOUR)]
    assert opened == [(0, 2), (2.5, 6), (20, 23), (70, 72)]


def test_maintenance_by_the_clock_is_due_on_its_days_at_its_local_time() -> None:
    plant = at("2026-03-27 00:00", "Europe/Berlin")
    due = alarms(plant, (clock_time("Sun 06:00"), clock_time("Mon 02:30")), 0, 5 * 24 * HOUR)
    assert [str(local(plant, t)) for t in due] == ["2026-03-29 06:00:00+02:00", "2026-03-30 02:30:00+02:00"]


def test_named_hours_are_reported_one_by_one() -> None:
    plant = at("2026-01-05 06:00", "UTC")
    of = Shift("s", (replace(hours("06:00-14:00"), name="early"), replace(hours("14:00-22:00"), name="late")))
    found = [(name, a / HOUR, b / HOUR) for name, a, b in named_hours(plant, of, 0, 24 * HOUR)]
    assert found == [("early", 0, 8), ("late", 8, 16)]
    assert open_spans(plant, of, 0, 24 * HOUR) == ((0, 16 * HOUR),)  # no edge between them


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6-14",
        "06:00",
        "06:00:61-07:00",
        "25:00-26:00",
        "06:00-06:60",
        "Xyz 06:00-07:00",
        "Mon-Foo 06:00-07:00",
        "08:00-08:00",
    ],
)
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        hours(text)


def test_a_time_of_day_is_in_seconds() -> None:
    assert (time_of_day("06:30"), time_of_day("24:00")) == (23400, 86400)
    with pytest.raises(ValueError, match="a time of day"):
        time_of_day("Sun 06:00")


@pytest.mark.parametrize("text", ["2026-02-30", "tomorrow", "2026-12-25 to 2026-12-24", "2026-1-1"])
def test_dates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dates(text)


LINE = """\
plant: p
start: {start}
timezone: Europe/Berlin
holidays: [2026-12-25 to 2026-12-26]
shift: day
shifts:
  day: {{open: {{early: "06:00-14:00", late: ["14:00-22:00"]}}, exceptions: {{{exceptions}}}}}
sources: {{s: {{interarrival: saturated}}}}
sections: {{a: {{operations: {{A: {{cycle_time: 1 s, buffer: 0, from: s, maintenance: {{oil: {{at: {at}, duration: 1 min}}}}}}}}}}}}
"""  # noqa: E501 - one line a thing


TWICE = "2026-12-24: 06:00-10:00, 2026-12-23 to 2026-12-25: closed"
PRICED = "shift: day\ntariff: {'06:00': 1 EUR/kWh, '6:00': 2 EUR/kWh}"


def test_a_file_states_holidays_and_days_with_other_hours(read: Callable[..., Plant]) -> None:
    text = LINE.format(start="2026-12-24 00:00", at="[Sun 06:00, '22:00']", exceptions="2026-12-24: 06:00-10:00")
    plant = read(text)
    opened = [(a / HOUR, b / HOUR) for a, b in planned(plant, Window(0, 96 * HOUR))]
    assert opened == [(6, 10), (78, 94)]
    assert len(plant.machines[0].maintenance[0].at) == 2
    assert planned(
        read(text.replace("2026-12-24: 06:00-10:00", "2026-12-26: 08:00-09:00")), Window(48 * HOUR, 72 * HOUR)
    )


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("2026-12-24 00:00", "2026-03-29 02:30", "start", "does not exist in Europe/Berlin"),
        ("2026-12-24: 06", "2026-02-30: 06", "shifts.day.exceptions.2026-02-30", "expected a date"),
        ("2026-12-24: 06:00-10:00", "2026-03-29: 02:30-10:00", "shifts.day.exceptions", "does not exist"),
        ("2026-12-24: 06", "2026-12-24: Mon 06", "shifts.day.exceptions", "days of the week"),
        ("2026-12-24: 06:00-10:00", TWICE, "shifts.day.exceptions", "2026-12-24 appears twice"),
        ("shift: day", PRICED, "tariff", "'06:00' and '6:00' are the same time"),
        ("2026-12-26]", "2026-12-24]", "holidays.0", "is not a range of dates"),
        ("at: 06:00", "at: Sum 06:00", "operations.A.maintenance.oil.at", "not a day of the week"),
        ("at: 06:00", "at: 06:00, every: 1 h", "operations.A.maintenance.oil.at", "cannot be combined"),
    ],
)
def test_times_and_dates_that_do_not_exist_are_refused(
    old: str, new: str, key: str, words: str, problems: Callable[..., list[Problem]]
) -> None:
    text = LINE.format(start="2026-12-24 00:00", at="06:00", exceptions="2026-12-24: 06:00-10:00")
    assert old in text
    (problem,) = problems(text.replace(old, new))
    assert problem.key == key
    assert words in problem.message
