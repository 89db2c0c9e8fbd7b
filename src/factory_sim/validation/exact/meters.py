"""Meters: small objects, called once per slice in order, that return what a slice adds to an estimate.

A control is a meter whose long-run mean is zero by theory, whatever the line does with its inputs: it reads drawn
times and times of arrival, never a queue. The unit of all sums of time is the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.records import B1, EventLog
    from factory_sim.validation.exact.slices import Sight


class Meter(Protocol):
    """One number per slice."""

    def __call__(self, sight: Sight) -> float:
        """Return what this slice adds."""


def elapsed(sight: Sight) -> float:
    """Return the length of the slice [s]."""
    return sight.length_us / 1e6


@dataclass(frozen=True, slots=True)
class Count:
    """Rows with one of the outcomes, of all units or of some."""

    outcomes: tuple[int, ...]
    units: tuple[int, ...] = ()

    def __call__(self, sight: Sight) -> float:
        """Return the number of rows."""
        return float(np.count_nonzero(chosen(sight.log, self.outcomes, self.units)))


def chosen(log: EventLog, outcomes: Sequence[int], units: Sequence[int] = (), detail: int | None = None) -> B1:
    """Return the mask of rows with one of the outcomes, of all units or some, with any detail or this one."""
    mask: B1 = np.isin(log.outcome, outcomes)
    if units:
        mask &= np.isin(log.unit, units)
    if detail is not None:
        mask &= log.detail == detail
    return mask


class Level:
    """Part-seconds: the time integral of the number of parts between two kinds of rows."""

    def __init__(self, comes: Callable[[EventLog], B1], goes: Callable[[EventLog], B1]) -> None:
        self._comes, self._goes = comes, goes
        self._level = 0

    def __call__(self, sight: Sight) -> float:
        """Return the part-seconds in the slice."""
        came, went = (sight.t1_us - sight.log.t_us[mask(sight.log)] for mask in (self._comes, self._goes))
        total = self._level * sight.length_us + int(came.sum()) - int(went.sum())
        self._level += len(came) - len(went)
        return total / 1e6


def inside() -> Level:
    """Return the level of parts in the line: entered, and not yet out as good, scrap or component."""
    ends = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
    return Level(lambda log: chosen(log, (Outcome.ENTERED,)), lambda log: chosen(log, ends))


def queued(operation: int, machines: Sequence[int]) -> Level:
    """Return the level of parts that wait in front of an operation."""

    def comes(log: EventLog) -> B1:
        came = chosen(log, (Outcome.PASSED, Outcome.REWORK), detail=operation)
        return came | chosen(log, (Outcome.ENTERED,)) if operation == 0 else came

    return Level(comes, lambda log: chosen(log, (Outcome.TOOK,), machines))


@dataclass(frozen=True, slots=True)
class Stay:
    """Unit-seconds of some units in some states."""

    units: tuple[int, ...]
    states: tuple[int, ...]

    def __call__(self, sight: Sight) -> float:
        """Return the unit-seconds in the slice."""
        return float(sight.stays[0][np.ix_(self.units, self.states)].sum()) / 1e6


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures of some machines."""

    units: tuple[int, ...]

    def __call__(self, sight: Sight) -> float:
        """Return the number of failures."""
        return float(sight.stays[1][list(self.units)].sum())


# ---- controls


@dataclass(frozen=True, slots=True)
class Services:
    """Drawn service times of identical machines, less their mean."""

    units: tuple[int, ...]
    mean_s: float

    def __call__(self, sight: Sight) -> float:
        """Return the time less its mean [s]."""
        units = list(self.units)
        return float(sight.busy_us[units].sum()) / 1e6 - self.mean_s * float(sight.parts[units].sum())


@dataclass(frozen=True, slots=True)
class Batches:
    """Drawn times of furnaces' cycles, less their mean."""

    units: tuple[int, ...]
    mean_s: float

    def __call__(self, sight: Sight) -> float:
        """Return the time less its mean [s]."""
        units, log = list(self.units), sight.log
        ended = chosen(log, (Outcome.PASSED, Outcome.LEFT), self.units) & (log.state != State.BLOCKED)
        return float(sight.busy_us[units].sum()) / 1e6 - self.mean_s * float(np.count_nonzero(ended))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Arrivals at a source, less their rate times the time."""

    unit: int
    rate_per_s: float

    def __call__(self, sight: Sight) -> float:
        """Return the arrivals less their mean."""
        came = chosen(sight.log, (Outcome.ENTERED, Outcome.LOST), (self.unit,))
        return float(np.count_nonzero(came)) - self.rate_per_s * sight.length_us / 1e6


@dataclass(frozen=True, slots=True)
class Lives:
    """The time that the failure clocks of identical machines ran, less failures times the mean life."""

    units: tuple[int, ...]
    mean_s: float
    clock: tuple[int, ...]  # the states in which it runs

    def __call__(self, sight: Sight) -> float:
        """Return the life less its mean [s]."""
        stays, failures = sight.stays
        units = list(self.units)
        ran = float(stays[np.ix_(units, self.clock)].sum()) / 1e6
        return ran - self.mean_s * float(failures[units].sum())


@dataclass(frozen=True, slots=True)
class Repairs:
    """Repair time of identical machines, less its mean times the failures."""

    units: tuple[int, ...]
    mean_s: float

    def __call__(self, sight: Sight) -> float:
        """Return the repair time less its mean [s]."""
        stays, failures = sight.stays
        units = list(self.units)
        return float(stays[units, State.REPAIR].sum()) / 1e6 - self.mean_s * float(failures[units].sum())
