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
