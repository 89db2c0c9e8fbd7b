"""Counters: those with few numbers, readings out of order, and which parts good and scrap alone count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import factory_sim as fs
from factory_sim.intake.tally import Tally
from factory_sim.intake.unit_events import steps_of

if TYPE_CHECKING:
    from pathlib import Path

FEED = """
feed: cell
units: {M1: {unit_time: 30 s}}
states: {RUN: busy, WAIT: starved}
sources:
  - {csv: "m1.csv", layout: wide, unit: M1, state: state, %s}
"""


@pytest.mark.parametrize(
    ("values", "wraps", "resets", "made"),
    [
        ([0, 1, 2, 3, 4] * 8, 0, True, 32),  # lots of four parts
        ([0, 1] * 8, 0, True, 8),  # a pulse for each part
        ([0, 1] * 8, 2, False, 15),  # a bit that toggles with each part
        ([0, 1, 2, 3] * 8, 4, False, 31),
        ([98, 99, 100, 0, 101, 102], 0, True, 4),  # one reading of 0 while a gateway starts
        ([98, 99, 100, 98, 101, 102], 0, True, 4),
        ([65534, 65535, 1, 2, 65535, 3], 65536, False, 5),
        ([59997, 59998, 59999, 0, 1, 2], 65536, True, 4),  # a restart, far from the wrap
        ([65534, 65535, 0, 1, 2], 65536, True, 4),
        ([98, 99, 0, 1, 2], 8, False, 3),  # more than `wraps`: the step at the fall is not known
    ],
)
def test_a_counter_with_few_numbers_restarts_and_a_reading_out_of_order_is_no_part(
    values: list[int], wraps: int, resets: bool, made: int
) -> None:
    steps = steps_of(np.array(values, np.float64), wraps, resets=resets, tally=Tally())
    assert steps.min() >= 0
    assert steps.sum() == made


def read(folder: Path, items: str, columns: str) -> fs.Reading:
    """Return what 20 cycles a minute apart yield, of which 16 parts are good."""
    rows = [f"time,state,{columns}"]
    made = {"good": 0, "scrap": 0}
    for minute in range(20):
        values = ",".join(str(made[column]) for column in columns.split(","))
        rows.append(f"2026-05-04T06:{minute:02}:00Z,RUN,{values}")
        made["good" if minute % 5 else "scrap"] += 1
        values = ",".join(str(made[column]) for column in columns.split(","))
        rows.append(f"2026-05-04T06:{minute:02}:30Z,WAIT,{values}")
    (folder / "m1.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "feed.yaml").write_text(FEED % items, encoding="utf-8")
    return fs.read(folder / "m1.csv", map=folder / "feed.yaml")


@pytest.mark.parametrize("counts", [[f"{1000 + k:,}".replace(",", ".") for k in range(20)], [k / 4 for k in range(20)]])
def test_a_counter_with_fractions_is_refused(tmp_path: Path, counts: list[float | str]) -> None:
    rows = [f"2026-05-04T06:{minute:02}:00Z,RUN,{count}" for minute, count in enumerate(counts)]
    (tmp_path / "m1.csv").write_text("\n".join(["time,state,count", *rows]), encoding="utf-8")
    (tmp_path / "feed.yaml").write_text(FEED % "count: count", encoding="utf-8")
    with pytest.raises(fs.ConfigError, match=r'counter of parts with a fraction: (1.001|0.25)\n.*decimal: ","'):
        fs.read(map=tmp_path / "feed.yaml")


def test_a_counter_of_scrap_alone_does_not_count_the_good_parts(tmp_path: Path) -> None:
    found = read(tmp_path, "scrap: scrap", "scrap")
    kpis = found.kpis()
    assert [kpis[f"machine.{name}", "M1"] for name in ("parts", "good_parts", "scrap_parts")] == [20, 16, 4]
    assert kpis["machine.quality", "M1"] == pytest.approx(0.8)
    assert found.derivable()["machine.parts"] == "assumed"


def test_a_counter_of_good_parts_alone_yields_no_quality(tmp_path: Path) -> None:
    found = read(tmp_path, "good: good", "good")
    assert found.kpis()["machine.good_parts", "M1"] == 16
    assert np.isnan(found.kpis()["machine.quality", "M1"])
    assert np.isnan(found.kpis()["machine.scrap_parts", "M1"])
    assert found.derivable()["machine.quality"] == "no"
    [parts] = [each for each in found.result.derivable if each.kpi == "machine.parts"]
    assert (parts.status, parts.assumption) == ("assumed", "only good parts are counted: no part is scrapped")


def test_counters_of_good_and_scrapped_parts_yield_quality(tmp_path: Path) -> None:
    found = read(tmp_path, "good: good, scrap: scrap", "good,scrap")
    assert found.kpis()["machine.parts", "M1"] == 20
    assert found.kpis()["machine.quality", "M1"] == pytest.approx(0.8)
    assert found.derivable()["machine.quality"] == "yes"


def test_the_assumption_of_parts_without_a_counter_names_their_units(tmp_path: Path) -> None:
    for unit in ("m1", "m2"):
        rows = [
            f"2026-05-04T06:{i // 2:02}:{30 * (i % 2):02}Z,{'WAIT' if i % 2 else 'RUN'},{i // 2}" for i in range(40)
        ]
        (tmp_path / f"{unit}.csv").write_text("\n".join(["time,state,count", *rows]), encoding="utf-8")
    path = tmp_path / "feed.yaml"
    second = '  - {csv: "m2.csv", layout: wide, unit: M2, state: state}\n'
    path.write_text(FEED.replace("units: {", "units: {M2: {unit_time: 30 s}, ") % "count: count" + second, "utf-8")
    found = {each.kpi: each for each in fs.read(map=path).result.derivable}
    assert found["machine.parts"].status == "assumed"
    assert found["machine.parts"].assumption.startswith("for M2: each busy period")
