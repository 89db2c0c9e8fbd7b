"""The run of one row: the engine is simulated until the interval is precise."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.sim.run import Simulation
from factory_sim.validation.exact.batch_means import BATCHES, Estimate, estimate, quantile
from factory_sim.validation.exact.case import Once
from factory_sim.validation.exact.models import case_of
from factory_sim.validation.exact.slices import Watch

if TYPE_CHECKING:
    from factory_sim.records import F8
    from factory_sim.validation.exact.case import Case
    from factory_sim.validation.exact.meters import Meter
    from factory_sim.validation.exact.table_rows import Row

_CLOCK = 1e-6  # of a value: what rounding every drawn time to 1 µs can change
_GROWTH = (1.3, 6.0)  # how much longer the next look may be than the last


@dataclass(frozen=True, slots=True)
class Order:
    """The settings of a row's run."""

    confidence: float  # of its interval, corrected for the number of rows
    input_confidence: float  # that all of its inputs are as their distributions say
    precision: float = 0.005  # half-width, as a share of the exact value
    seed: int = 1
    replication: int = 0
    engine: str = "auto"
    end_s: float = math.inf  # time.monotonic() at which the row returns what it has, but after at least one look


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a row."""

    row: Row
    estimate: Estimate  # in the row's own unit
    inside: bool  # the interval holds the exact value
    precise: bool  # the interval is as narrow as asked for
    sound: bool  # drawn times and arrivals are as their distributions say
    parts: int  # that machines gave, the warm-up included
    seconds: float
    engine: str

    @property
    def ok(self) -> bool:
        """Whether the row holds."""
        return self.inside and self.precise and self.sound


def answer(row: Row, order: Order, *, pilot: int = 0) -> Result:
    """Run `row` until it is precise or its time is over.

    pilot : parts in the first look; 0: the number that the model requires.
    """
    began = time.perf_counter()
    case = case_of(row)
    until_us = math.ceil(case.until_s * 1e6) + 1 if isinstance(case, Once) else _AGES_US
    simulation = Simulation(
        case.plant, seed=order.seed, replication=order.replication, until_us=until_us, engine=order.engine
    )
    if isinstance(case, Once):
        value = case.read(simulation.advance(until_us))
        found, parts = Estimate(value, 0.0, value, 0.0, 0.0, ()), int(simulation.truth().parts.sum())
    else:
        slices = _Slices(replace(case, pilot_parts=pilot or case.pilot_parts), simulation)
        factor = case.measure.factor
        found, parts = _long_run(slices, order, order.precision * abs(row.value) / factor), slices.parts
        found = found.scaled(factor)
    slack = _CLOCK * abs(row.value)
    allowed = quantile(1.0 - (1.0 - order.input_confidence) / max(1, len(found.inputs)), BATCHES - 1)
    return Result(
        row=row,
        estimate=found,
        inside=found.low - slack <= row.value <= found.high + slack,
        precise=found.half_width <= order.precision * abs(row.value) + slack,
        sound=all(abs(off) <= allowed for off in found.inputs),
        parts=parts,
        seconds=time.perf_counter() - began,
        engine=simulation.choice.engine,
    )


def _long_run(slices: _Slices, order: Order, target: float) -> Estimate:
    """Lengthen the run until the half-width is at most `target`."""
    n = BATCHES
    while True:
        complete = slices.extend(n, order.end_s)
        found = estimate(slices.table(), order.confidence)
        if not complete or found.half_width <= target:
            return found
        ratio = (found.half_width / target) ** 2 * 1.1 if target else math.inf
        n = BATCHES * math.ceil(n / BATCHES * min(max(ratio, _GROWTH[0]), _GROWTH[1]))


_AGES_US = 1000 * 365 * 86_400_000_000  # a thousand years: a row ends when its interval is narrow enough


class _Slices:
    """The sums of a run, slice by slice; the log itself is discarded."""

    def __init__(self, case: Case, simulation: Simulation) -> None:
        self._meters: tuple[Meter, ...] = (case.measure.top, case.measure.bottom, *case.controls)
        slice_us = round(case.pilot_parts / BATCHES / case.parts_per_s * 1e6)
        self._sights = Watch(case.plant).slices(simulation, slice_us)
        self._warm_up = math.ceil(case.warm_up_s * 1e6 / slice_us)
        self._rows: list[list[float]] = []
        self.parts = 0

    def extend(self, n: int, end_s: float) -> bool:
        """Continue until there are `n` slices; return False if the time ends before, after the first batches."""
        while len(self._rows) < n + self._warm_up:
            if time.monotonic() > end_s and len(self._rows) >= BATCHES + self._warm_up:
                return False
            sight = next(self._sights)
            self._rows.append([meter(sight) for meter in self._meters])
            self.parts += int(sight.parts.sum())
        return True

    def table(self) -> F8:
        """Return all slices after the warm-up."""
        return np.array(self._rows[self._warm_up :], np.float64)
