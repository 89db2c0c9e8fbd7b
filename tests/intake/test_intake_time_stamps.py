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
