"""Calibration: the pairs behind the line's gain are kept, resumed, and summed up honestly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factory_sim import registry
from factory_sim.errors import TrialError
from factory_sim.study.pool import Pool
from factory_sim.study.trial import Setting
from factory_sim.validation import calibration
from factory_sim.validation.calibration import Calibration, Pair, summarize
from factory_sim.validation.ledger import Ledger, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.plant.spec import Plant

SMALL = """
plant: two
pacing: B
sections:
  line:
    operations:
      A: {kind: press, from: parts, cycle_time: "lognormal(30 s, cv 0.1)", buffer: 2}
      B: {kind: press, cycle_time: "lognormal(56 s, cv 0.03)", buffer: 2}
kinds: {press: {}}
sources: {parts: {interarrival: saturated}}
"""
FAST = """
extends: two.yaml
set: {B.cycle_time: "lognormal(37 s, cv 0.03)"}
"""


@pytest.fixture
def plants(tmp_path: Path) -> tuple[Plant, Plant]:
    (tmp_path / "two.yaml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "fast.yaml").write_text(FAST, encoding="utf-8")
    return registry.load(tmp_path / "two.yaml"), registry.load(tmp_path / "fast.yaml")


SETTING = Setting(1, 600.0, 7200.0, 300.0)


def calibrate(
    plants: tuple[Plant, Plant], setting: Setting, path: Path, on_progress: Callable[[int], None] = lambda _: None
) -> Calibration:
    with Ledger(path, calibration.header(plants, setting)) as ledger:
        return calibration.calibrate(plants, setting, 4, pool=Pool(1), ledger=ledger, on_progress=on_progress)


@pytest.mark.slow
def test_a_stopped_calibration_goes_on_where_it_was(plants: tuple[Plant, Plant], tmp_path: Path) -> None:
    whole = calibrate(plants, SETTING, tmp_path / "whole.jsonl")
    kept = tmp_path / "kept.jsonl"
    lines = (tmp_path / "whole.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept.write_text("".join(lines[:3]) + lines[3][:20], encoding="utf-8")  # killed while it wrote the third pair
    progress: list[int] = []
    assert calibrate(plants, SETTING, kept, progress.append) == whole
    assert progress == [2, 3, 4]
    assert whole.line_rate_pct.mean == pytest.approx(100 * (56 / 37 - 1), abs=2)
    assert whole.station_cycle_time_s[1].mean == pytest.approx(37, abs=0.5)


def test_pairs_of_another_plant_are_refused(plants: tuple[Plant, Plant], tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    finished = [Pair(r, (100, 130), (56.0, 37.0)) for r in range(2)]
    assert summarize(finished, SETTING, 2.0).line_rate_pct.mean == pytest.approx(30)
    kept.write_text('{"baseline": "another"}\n', encoding="utf-8")
    with pytest.raises(LedgerError, match="belongs to another"):
        calibrate(plants, SETTING, kept)
    kept.write_text("not ours\n", encoding="utf-8")
    with pytest.raises(LedgerError, match="not a file of finished work"):
        calibrate(plants, SETTING, kept)


@pytest.mark.parametrize(
    ("retrofit", "inside"),
    [((1301, 1302, 1303), True), ((1200, 1202, 1204), False), ((1100, 1302, 1504), False)],
    ids=["right and narrow", "wrong", "right but wide"],
)
def test_the_published_gain_must_lie_in_a_narrow_interval(retrofit: tuple[int, ...], *, inside: bool) -> None:
    pairs = [Pair(r, (1000, parts), (56.0, 37.0)) for r, parts in enumerate(retrofit)]
    assert summarize(pairs, SETTING, 2.0).inside is inside


@pytest.mark.slow
def test_a_failed_replication_stops_and_says_how_to_reproduce_it(plants: tuple[Plant, Plant], tmp_path: Path) -> None:
    too_long = replace(SETTING, duration_s=1e14)  # overflows the clock
    with pytest.raises(TrialError, match="--replication"):
        calibrate(plants, too_long, tmp_path / "kept.jsonl")
