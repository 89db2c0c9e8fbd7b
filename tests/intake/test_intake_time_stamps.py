"""Columns of time stamps as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from factory_sim.intake import time_stamps
from factory_sim.intake.mapping import ClockRule
from factory_sim.intake.tally import Tally

CLOCK = ClockRule(zone="UTC")
BERLIN = ClockRule(zone="Europe/Berlin")


def test_seconds_with_a_fraction_are_parsed_as_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["1777874400", None, "1777874400.5", "1777874401.25"]
    expected = [each if each is None else time_stamps.one(each, CLOCK, Tally()) for each in texts]
    monkeypatch.setattr(time_stamps, "one", None)
    tally = Tally()
    found = time_stamps.column(pa.array(texts), CLOCK, tally)
    assert found.tolist() == [time_stamps.MISSING if each is None else each for each in expected]
    assert [entry.count for entry in tally.entries()] == [1]


@pytest.mark.parametrize("text", ["inf", "nan", "soon"])
def test_a_stamp_that_is_not_finite_is_skipped(text: str) -> None:
    tally = Tally()
    found = time_stamps.column(pa.array(["1777874400.5", text]), CLOCK, tally)
    assert found.tolist() == [1_777_874_400_500_000_000, time_stamps.MISSING]
    assert [entry.count for entry in tally.entries()] == [1]


@pytest.mark.parametrize("form", ["", "%Y-%m-%d %H:%M:%S"])
def test_a_local_time_that_the_clock_skips_is_not_a_time(form: str) -> None:
    clock = ClockRule(zone="Europe/Berlin", format=form)
    texts = ["2026-03-29 01:59:59", "2026-03-29 02:10:00", "2026-03-29 02:50:00", "2026-03-29 03:00:00"]
    tally, single = Tally(), Tally()
    found = time_stamps.column(pa.array(texts), clock, tally, lambda row: f"feed.csv, line {row + 2}")
    before = 1_774_745_999 * 10**9  # 2026-03-29T00:59:59Z
    assert found.tolist() == [before, time_stamps.MISSING, time_stamps.MISSING, before + 10**9]
    assert found.tolist() == [time_stamps.one(text, clock, single) for text in texts]
    (entry,) = tally.entries()
    assert (entry.reason, entry.count) == (time_stamps.NO_LOCAL, 2)
    assert entry.example.startswith("feed.csv, line 3: 2026-03-29 02:10:00 in Europe/Berlin")
    assert [each.count for each in single.entries()] == [2]


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("0", False),  # a controller whose clock has not been set
        ("1970-01-01T00:00:12Z", False),
        ("20260504080000", False),  # would be milliseconds, of the year 2612
        ("202605040800", False),
        ("9999-12-31T00:00:00Z", False),
        ("1704123000000", True),  # passes for a date of the year 1704
        ("1777874400", True),
        ("2026-05-04T06:00:00Z", True),
    ],
)
def test_a_stamp_of_no_plausible_year_is_skipped_alone_and_in_a_column(text: str, usable: bool) -> None:
    tally = Tally()
    alone = time_stamps.one(text, CLOCK, tally)
    mixed = time_stamps.column(pa.array([text, "2026-05-04 06:00"]), CLOCK, tally)[0]
    column = time_stamps.column(pa.array([text, text]), CLOCK, tally)[0]
    assert {alone, mixed, column} == {alone}
    assert (alone > 1.6e18) == usable
    assert sum(entry.count for entry in tally.entries()) == (0 if usable else 4)


@pytest.mark.parametrize("minutes", [1, 7, 50])
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S"])
def test_the_local_hour_that_is_passed_twice_is_told_apart_by_the_order_of_rows(minutes: int, form: str) -> None:
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    true = [begin + timedelta(minutes=minutes * k) for k in range(300 // minutes)]
    texts = [each.astimezone(ZoneInfo("Europe/Berlin")).strftime(form) for each in true]
    clock = replace(BERLIN, format="" if form.startswith("%Y") else form)
    blocks = pa.array(texts * 2)  # of two machines, one after the other
    found = time_stamps.column(blocks, clock, Tally())
    assert found.tolist() == [round(each.timestamp()) * 1_000_000_000 for each in true] * 2


def test_a_late_row_in_the_hour_that_is_passed_twice_is_of_the_first_pass() -> None:
    texts = ["2026-10-25 02:10:00", "2026-10-25 02:20:00", "2026-10-25 02:19:50", "2026-10-25 02:30:00"]
    found = time_stamps.column(pa.array(texts), BERLIN, Tally())
    assert found.tolist() == [time_stamps.one(each, BERLIN, Tally()) for each in texts]
