"""Output of runs by shift, per calendar day and per week: the same for studies and for published runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.describe import planned, planned_h_per_week, shift_spans
from factory_sim.results.compare import ShiftOutput
from factory_sim.results.feed import RunOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.records import I8, Window

PER_WEEK = {"good_parts_per_day": 7.0, "good_parts_per_week": 1.0}  # quantity -> of these in a week


def parts_by_shift(left_us: I8, plant: Plant, window: Window) -> tuple[int, ...]:
    """Return the good parts of each whole shift of the window; they left the plant at the times `left_us`."""
    edges = np.searchsorted(left_us, shift_spans(plant, window)).reshape(-1, 2)
    return tuple(np.diff(edges, axis=1)[:, 0].tolist())


def shift_output(parts: Sequence[int]) -> ShiftOutput:
    """Return the distribution of the good parts of some shifts."""
    p10, median, p90 = np.percentile(parts, [10, 50, 90]).tolist() if parts else [math.nan] * 3
    return ShiftOutput(p10=p10, median=median, p90=p90, n=len(parts))


def run_output(left: Sequence[I8], plant: Plant, window: Window) -> RunOutput | None:
    """Return the output of a run whose good parts left at the times `left`; None without planned time."""
    left_us = np.concatenate([np.empty(0, np.int64), *left])
    planned_h = sum(t1 - t0 for t0, t1 in planned(plant, window)) / 3.6e9
    if planned_h <= 0:
        return None
    rate = len(left_us) / planned_h
    calendar = {name: rate * planned_h_per_week(plant) / number for name, number in PER_WEEK.items()}
    shifts = shift_output(parts_by_shift(left_us, plant, window))
    return RunOutput(good_parts_per_h=rate, **calendar, shifts=shifts)
