"""A running line, slice by slice: the sums of each slice are kept, its log is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import DOWN_STATES, N_STATES, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Plant
    from factory_sim.records import I8, EventLog
    from factory_sim.sim.run import Simulation

_GAVE = (Outcome.PASSED, Outcome.LEFT)


@dataclass(frozen=True, slots=True, eq=False)
class Customers:
    """Parts that left the line, in order of entry. Times in µs, shapes (n,) and (n, n_operations)."""

    entered: I8
    took: I8
    gave: I8


@dataclass(frozen=True, eq=False)
class Sight:
    """One slice [t0_us, t1_us) of a run."""

    t0_us: int
    t1_us: int
    log: EventLog
    parts: I8  # cycles that ended, shape (n_units,)
    busy_us: I8  # their drawn times
    _watch: Watch = field(repr=False)

    @property
    def length_us(self) -> int:
        """The length of the slice [µs]."""
        return self.t1_us - self.t0_us

    @cached_property
    def stays(self) -> tuple[I8, I8]:
        """The time in every state [µs], shape (n_units, N_STATES), and failures, shape (n_units,)."""
        return self._watch.stays(self)

    @cached_property
    def customers(self) -> Customers:
        """The parts whose last predecessor and they themselves have left by the end of this slice."""
        return self._watch.customers(self.log)


class Watch:
    """The state carried from slice to slice: unit states, counters, parts under way.

    `stays` and `customers` must be read in every slice or in none.
    """

    def __init__(self, plant: Plant) -> None:
        n = len(plant.units)
        self._state = np.full(n, -1, np.int64)  # -1: nothing known yet
        self._parts, self._busy_us = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._operation = np.full(n, -1, np.int64)
        for machine in plant.machines:
            self._operation[machine.unit] = machine.operation
        self._columns = 2 * len(plant.operations) + 1
        self._first = 0  # part id of the oldest part under way
        self._under_way = np.full((0, self._columns), -1, np.int64)

    def slices(self, simulation: Simulation, slice_us: int) -> Iterator[Sight]:
        """Yield the slices of the run from its start, without end."""
        t0 = 0
        while True:
            t1 = t0 + slice_us
            log = simulation.advance(t1)
            truth = simulation.truth()
            sight = Sight(t0, t1, log, truth.parts - self._parts, truth.busy_us - self._busy_us, self)
            self._parts, self._busy_us = truth.parts, truth.busy_us
            yield sight
            t0 = t1

    def stays(self, sight: Sight) -> tuple[I8, I8]:
        """Return the time in every state and the number of failures of each unit."""
        n, log = len(self._state), sight.log
        known = np.flatnonzero(self._state >= 0)
        unit = np.concatenate([known, log.unit.astype(np.int64)])
        state = np.concatenate([self._state[known], log.state.astype(np.int64)])
        since = np.concatenate([np.full(len(known), sight.t0_us), log.t_us])
        order = np.argsort(unit, kind="stable")
        unit, state, since = unit[order], state[order], since[order]
        same = unit[1:] == unit[:-1]
        until = np.full(len(unit), sight.t1_us)
        until[:-1][same] = since[1:][same]
        spent = np.bincount(unit * N_STATES + state, weights=until - since, minlength=n * N_STATES)
        down = np.isin(state, DOWN_STATES)
        fails = same & down[1:] & ~down[:-1]
        failures = np.bincount(unit[1:][fails], minlength=n)
        self._state[unit] = state  # the last assignment wins
        return spent.astype(np.int64).reshape(n, N_STATES), failures

    def customers(self, log: EventLog) -> Customers:
        """Return the parts that left the line after the rows of `log`."""
        outcome, operation = log.outcome, self._operation[log.unit]
        machine = operation >= 0  # vehicles and conveyors take and give too
        column = np.select(
            [outcome == Outcome.ENTERED, machine & (outcome == Outcome.TOOK), machine & np.isin(outcome, _GAVE)],
            [0, 1 + 2 * operation, 2 + 2 * operation],
            -1,
        )
        moved = column >= 0
        row = log.part[moved] - self._first
        n = max(len(self._under_way), int(row.max(initial=-1)) + 1)
        table = np.full((n, self._columns), -1, np.int64)
        table[: len(self._under_way)] = self._under_way
        table[row, column[moved]] = log.t_us[moved]
        still = np.flatnonzero(table[:, -1] < 0)
        through = int(still[0]) if len(still) else n
        self._under_way, self._first = table[through:], self._first + through
        done = table[:through]
        return Customers(done[:, 0], done[:, 1::2], done[:, 2::2])
