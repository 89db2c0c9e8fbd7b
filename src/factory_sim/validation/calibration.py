"""Calibration of the reference line: many paired replications of baseline and retrofit, and the gain of the line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import mean_estimate, paired_percent_change
from factory_sim.errors import FactoryError, TrialError
from factory_sim.plant.describe import planned
from factory_sim.results.record import Json, Result
from factory_sim.sim.run import count
from factory_sim.study.trial import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.results.estimate import Estimate
    from factory_sim.study.pool import Pool
    from factory_sim.validation.ledger import Ledger

PUBLISHED_GAIN_PCT = 30.19
SHIFT_S = 8 * 3600.0
WIDEST_PCT = 0.4  # largest accepted half-width of the gain's interval


@dataclass(frozen=True, slots=True)
class Pair:
    """One replication of both plants on common random numbers."""

    number: int
    good_parts: Sequence[int]  # baseline, retrofit
    station_cycle_time_s: Sequence[float]  # of the pacing station


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


def setting(seed: int) -> Setting:
    """Return the runs: one counted shift after one in which the empty line fills, as in `demo`."""
    return Setting(seed, SHIFT_S, SHIFT_S, SHIFT_S)


def header(plants: tuple[Plant, Plant], setting: Setting) -> Mapping[str, object]:
    """Return what identifies the finished pairs of a ledger."""
    digests = {"baseline": plants[0].digest, "retrofit": plants[1].digest}
    return {**digests, "seed": setting.seed, "warm_up_s": setting.warm_up_s, "duration_s": setting.duration_s}


def calibrate(
    plants: tuple[Plant, Plant],
    setting: Setting,
    replications: int,
    *,
    pool: Pool,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Simulate the pairs of baseline and retrofit that the ledger does not contain yet, and sum all up.

    Raises TrialError when a replication fails.
    """
    jobs = [(plants, setting, number) for number in range(replications)]
    pairs = ledger.results(Pair, simulate_pair, jobs, pool, on_progress)
    planned_us = sum(end - begin for begin, end in planned(plants[0], setting.window))
    return summarize(pairs, setting, planned_us / 3.6e9)


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


def simulate_pair(plants: tuple[Plant, Plant], setting: Setting, number: int) -> Pair:
    """Run one replication of both plants. Raises TrialError."""
    parts, times = zip(*(_count(plant, setting, number) for plant in plants), strict=True)
    return Pair(number, parts, times)


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
