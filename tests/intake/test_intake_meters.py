"""Energy of meters that restart or cover a part of the feed, and of power that is fed back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import factory_sim as fs

if TYPE_CHECKING:
    from pathlib import Path

FEED = """
feed: cell
units: [M1]
states: {RUN: busy, WAIT: starved}
sources:
  - {csv: "m1.csv", layout: wide, unit: M1, state: state, %s}
"""


def kwh(folder: Path, item: str, values: list[float | None]) -> tuple[float, float, float]:
    """Return energy and bounds of an hour with one value per minute."""
    rows = [
        f"2026-05-04T{6 + minute // 60:02}:{minute % 60:02}:00Z,{('RUN', 'WAIT')[minute % 2]},"
        f"{'' if value is None else value}"
        for minute, value in enumerate(values)
    ]
    (folder / "m1.csv").write_text("\n".join(["time,state,meter", *rows]), encoding="utf-8")
    (folder / "feed.yaml").write_text(FEED % item, encoding="utf-8")
    table = fs.read(map=folder / "feed.yaml").to_pandas()
    [row] = table[(table.kpi == "machine.kwh") & (table.name == "M1")].to_dict("records")
    return row["value"], row["low"], row["high"]


def test_a_meter_that_restarts_leaves_a_minute_open(tmp_path: Path) -> None:
    values = [100.0 + minute for minute in range(30)] + [float(minute) for minute in range(31)]
    value, low, high = kwh(tmp_path, "energy: {column: meter, unit: kWh, resets: yes}", [*values])
    assert low <= value == pytest.approx(59)
    assert high == pytest.approx(60)


def test_a_meter_of_a_quarter_of_the_hour_leaves_the_rest_open(tmp_path: Path) -> None:
    values = [100.0 + minute if 15 <= minute <= 30 else None for minute in range(61)]
    value, low, high = kwh(tmp_path, "energy: {column: meter, unit: kWh}", values)
    assert low <= value < 20
    assert high >= 60


def test_power_that_is_fed_back_counts_as_none_and_is_reported(tmp_path: Path) -> None:
    value, _, _ = kwh(tmp_path, "power: {column: meter, unit: kW}", [(6.0, -2.0)[m % 2] for m in range(61)])
    assert value == pytest.approx(3.0, rel=1e-3)
    [skipped] = fs.read(map=tmp_path / "feed.yaml").result.skipped
    assert (skipped.reason, skipped.count, skipped.example) == ("power below 0, counted as 0", 30, "-2000 W")
