"""Columns of time stamps as text."""

from __future__ import annotations

import pyarrow as pa
import pytest

from factory_sim.intake import time_stamps
from factory_sim.intake.mapping import ClockRule
from factory_sim.intake.tally import Tally

CLOCK = ClockRule(zone="UTC")


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
