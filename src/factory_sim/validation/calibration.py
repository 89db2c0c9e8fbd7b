"""Calibration of the reference line: many paired replications of baseline and retrofit, and the gain of the line.

Every finished pair is appended to a file at once, so an interrupted run resumes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import mean_estimate, paired_percent_change
from factory_sim.clock import us_from_s
from factory_sim.errors import FactoryError, TrialError
from factory_sim.plant.describe import planned
from factory_sim.records import Window
from factory_sim.results.record import Json, Result
from factory_sim.sim.run import count
from factory_sim.study.pool import Pool
from factory_sim.validation.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from factory_sim.plant.spec import Plant
    from factory_sim.results.estimate import Estimate

PUBLISHED_GAIN_PCT = 30.19
WIDEST_PCT = 0.4  # largest accepted half-width of the gain's interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The runs: one counted shift after one in which the empty line fills, as in `demo`."""

    replications: int = 200
    seed: int = 1
    warm_up_s: float = 8 * 3600.0
    duration_s: float = 8 * 3600.0
    workers: int = 2

    @property
    def window(self) -> Window:
        """The part of each run that is counted."""
        t0 = us_from_s(self.warm_up_s)
        return Window(t0, t0 + us_from_s(self.duration_s))


@dataclass(frozen=True, slots=True)
class Pair:
    """One replication of both plants on common random numbers."""

    replication: int
    good_parts: tuple[int, int]  # baseline, retrofit
    station_cycle_time_s: tuple[float, float]  # of the pacing station


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration(Result):
    """Means and intervals over the pairs, beside the published gain."""

    replications: int
    seed: int
    warm_up_s: float
    duration_s: float
    station_cycle_time_s: tuple[Estimate, Estimate]
    good_parts_per_h: tuple[Estimate, Estimate]
    line_rate_pct: Estimate
    published_pct: float
    half_width_pct: float
    inside: bool  # the published gain lies in the interval, and the interval is narrow enough

    def to_dict(self) -> dict[str, Json]:
        """Return the content of `--json`; each estimate also states its number of pairs."""
        return {name: _with_n(value, self.replications) for name, value in Result.to_dict(self).items()}


def calibrate(
    baseline: Plant, retrofit: Plant, setting: Setting, path: Path, on_progress: Callable[[int], None] = lambda _: None
) -> Calibration:
    """Simulate the pairs that the file `path` does not contain yet; `on_progress` receives the number finished.

    Raises LedgerError when `path` belongs to other plants or another setting, TrialError when a replication fails.
    """
    plants = (baseline, retrofit)
    header = {
        "baseline": baseline.digest,
        "retrofit": retrofit.digest,
        "seed": setting.seed,
        "warm_up_s": setting.warm_up_s,
        "duration_s": setting.duration_s,
    }
    with Ledger(path, header) as ledger, Pool(setting.workers) as pool:
        pairs = {pair.replication: pair for pair in map(_pair, ledger.pieces)}
        missing = [r for r in range(setting.replications) if r not in pairs]
        on_progress(setting.replications - len(missing))
        for _, pair in pool.each(simulate_pair, [(plants, setting, r) for r in missing]):
            pairs[pair.replication] = pair
            ledger.add(asdict(pair))
            on_progress(len(pairs))
    planned_us = sum(end - begin for begin, end in planned(baseline, setting.window))
    return summarize([pairs[r] for r in range(setting.replications)], setting, planned_us / 3.6e9)


def summarize(pairs: Sequence[Pair], setting: Setting, planned_h: float) -> Calibration:
    """Return means and intervals over at least two pairs of windows with `planned_h` hours of planned production."""
    parts = np.array([pair.good_parts for pair in pairs], np.float64)
    times = np.array([pair.station_cycle_time_s for pair in pairs], np.float64)
    gain = paired_percent_change(parts[:, 0], parts[:, 1])
    return Calibration(
        replications=len(pairs),
        seed=setting.seed,
        warm_up_s=setting.warm_up_s,
        duration_s=setting.duration_s,
        station_cycle_time_s=(mean_estimate(times[:, 0]), mean_estimate(times[:, 1])),
        good_parts_per_h=(mean_estimate(parts[:, 0] / planned_h), mean_estimate(parts[:, 1] / planned_h)),
        line_rate_pct=gain,
        published_pct=PUBLISHED_GAIN_PCT,
        half_width_pct=gain.half_width,
        inside=bool(gain.low <= PUBLISHED_GAIN_PCT <= gain.high and gain.half_width <= WIDEST_PCT),
    )


def simulate_pair(plants: tuple[Plant, Plant], setting: Setting, replication: int) -> Pair:
    """Run one replication of both plants. Raises TrialError."""
    parts, times = zip(*(_count(plant, setting, replication) for plant in plants), strict=True)
    return Pair(replication, parts, times)


def _count(plant: Plant, setting: Setting, replication: int) -> tuple[int, float]:
    """Return the good parts of the window and the mean busy seconds per part at the pacing station."""
    try:
        truth = count(plant, setting.window, seed=setting.seed, replication=replication)
    except FactoryError as error:
        name = plant.scenario.name if plant.scenario else plant.name
        window_s = setting.warm_up_s, setting.duration_s
        raise TrialError(name, replication, setting.seed, str(error), window_s) from error
    units = list(plant.operations[plant.pacing].machines)
    parts, busy_us = int(truth.parts[units].sum()), int(truth.busy_us[units].sum())
    return truth.good_parts, busy_us / 1e6 / parts / len(units) if parts else math.nan


def _with_n(value: Json, n: int) -> Json:
    if isinstance(value, list):
        return [_with_n(each, n) for each in value]
    return {**value, "n": n} if isinstance(value, dict) else value


def _pair(piece: Mapping[str, Any]) -> Pair:
    return Pair(piece["replication"], tuple(piece["good_parts"]), tuple(piece["station_cycle_time_s"]))
