"""Meters: functions that are called once per slice, in order, and return what the slice adds to an estimate.

A control is a meter whose long-run mean is zero by theory, whatever the line does with its inputs: it reads drawn
times and times of arrival, never a queue. The unit of all sums of time is the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import Outcome, State
from factory_sim.validation.exact.slices import Sight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import B1, EventLog

Meter = Callable[[Sight], float]
Mask = Callable[["EventLog"], "B1"]


def elapsed(sight: Sight) -> float:
    """Return the length of the slice [s]."""
    return sight.length_us / 1e6


def chosen(log: EventLog, outcomes: Sequence[int], units: Sequence[int] = (), detail: int | None = None) -> B1:
    """Return the mask of rows with one of the outcomes, of all units or some, with any detail or this one."""
    mask: B1 = np.isin(log.outcome, outcomes)
    if units:
        mask &= np.isin(log.unit, units)
    if detail is not None:
        mask &= log.detail == detail
    return mask


def count(*outcomes: int, units: Sequence[int] = ()) -> Meter:
    """Return the number of rows with one of the outcomes, of all units or of some."""
    return lambda sight: float(np.count_nonzero(chosen(sight.log, outcomes, units)))


def level(comes: Mask, goes: Mask) -> Meter:
    """Return part-seconds: the time integral of the number of parts between two kinds of rows."""
    now = 0

    def meter(sight: Sight) -> float:
        nonlocal now
        came, went = (sight.t1_us - sight.log.t_us[mask(sight.log)] for mask in (comes, goes))
        total = now * sight.length_us + int(came.sum()) - int(went.sum())
        now += len(came) - len(went)
        return total / 1e6

    return meter


def inside() -> Meter:
    """Return the level of parts in the line: entered, and not yet out as good, scrap or component."""
    ends = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
    return level(lambda log: chosen(log, (Outcome.ENTERED,)), lambda log: chosen(log, ends))


def queued(operation: int, machines: Sequence[int]) -> Meter:
    """Return the level of parts that wait in front of an operation."""

    def comes(log: EventLog) -> B1:
        came = chosen(log, (Outcome.PASSED, Outcome.REWORK), detail=operation)
        return came | chosen(log, (Outcome.ENTERED,)) if operation == 0 else came

    return level(comes, lambda log: chosen(log, (Outcome.TOOK,), machines))


def stay(units: Sequence[int], *states: int) -> Meter:
    """Return the unit-seconds of some units in some states."""
    return lambda sight: float(sight.stays[0][np.ix_(units, states)].sum()) / 1e6


def failures(units: Sequence[int]) -> Meter:
    """Return the failures of some machines."""
    return lambda sight: float(sight.stays[1][list(units)].sum())


def _above(total: Meter, number: Meter, mean: float) -> Meter:
    return lambda sight: total(sight) - mean * number(sight)


def _drawn(units: Sequence[int]) -> Meter:
    return lambda sight: float(sight.busy_us[list(units)].sum()) / 1e6


def services(units: Sequence[int], mean_s: float) -> Meter:
    """Return a control: drawn service times of identical machines, less their mean."""
    return _above(_drawn(units), lambda sight: float(sight.parts[list(units)].sum()), mean_s)


def batches(units: Sequence[int], mean_s: float) -> Meter:
    """Return a control: drawn times of the cycles of furnaces, less their mean."""

    def ended(sight: Sight) -> float:
        gave = chosen(sight.log, (Outcome.PASSED, Outcome.LEFT), units)
        return float(np.count_nonzero(gave & (sight.log.state != State.BLOCKED)))

    return _above(_drawn(units), ended, mean_s)


def arrivals(unit: int, rate_per_s: float) -> Meter:
    """Return a control: arrivals at a source, less their rate times the time."""
    return _above(count(Outcome.ENTERED, Outcome.LOST, units=(unit,)), elapsed, rate_per_s)


def lives(units: Sequence[int], mean_s: float, clock: Sequence[int]) -> Meter:
    """Return a control: the time that failure clocks ran (in the states `clock`), less failures times the mean life."""
    return _above(stay(units, *clock), failures(units), mean_s)


def repairs(units: Sequence[int], mean_s: float) -> Meter:
    """Return a control: the repair time of identical machines, less failures times its mean."""
    return _above(stay(units, State.REPAIR), failures(units), mean_s)
