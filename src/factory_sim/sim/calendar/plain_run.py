"""Runs that are only counted, of plants in which only machines, buffers and sources decide."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.clock import NEVER_US
from factory_sim.inverse_cdf import EMPIRICAL
from factory_sim.plant.states import N_STATES, State
from factory_sim.random_streams import key, law
from factory_sim.records import F8, I8, EventLog, Truth
from factory_sim.sim.calendar import plain_loop as c
from factory_sim.sim.calendar.flatten import BEHAVIOUR_CODES
from factory_sim.sim.calendar.world import header

if TYPE_CHECKING:
    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Machine, Operation, Plant, Source
    from factory_sim.records import Window


def obstacle(plant: Plant, until_us: int) -> str:
    """Why the plain loop cannot count this run; empty if it can."""
    if len(plant.units) != len(plant.sources) + len(plant.machines):
        return "it has robots, vehicles, conveyors or crews"
    if until_us > NEVER_US >> len(plant.units).bit_length():
        return f"{until_us} µs are too long for {len(plant.units)} units"
    found = [_of_operation(each) for each in plant.operations]
    found += [_of_machine(each) for each in plant.machines] + [_of_source(each) for each in plant.sources]
    return next(filter(None, found), "")


def _of_operation(o: Operation) -> str:
    if o.behaviour not in BEHAVIOUR_CODES:
        return f"{o.name} has the behaviour {o.behaviour!r}"
    if o.batch is not None or o.behaviour == "batching":
        return f"{o.name} has batches"
    if o.inspection is not None:
        return f"{o.name} has an inspection"
    return f"{o.name} has times by variant" if o.variant_factor or o.setup_s else ""


def _of_machine(m: Machine) -> str:
    if m.failures:
        return f"{m.name} has failures"
    if m.maintenance:
        return f"{m.name} has maintenance"
    return f"{m.name} has a shift" if m.shift >= 0 else ""


def _of_source(s: Source) -> str:
    if s.cards:
        return f"{s.name} has cards"
    if s.arrivals_s:
        return f"{s.name} has a schedule"
    return f"{s.name} loses arrivals" if s.when_full == "lose" else ""


class _Tables(NamedTuple):
    """A run at its first moment, in the order of plain.plain_world_at; the last is empty: names of streams."""

    u: I8
    s: I8
    b: I8
    g: I8
    e: I8
    m: I8
    d: I8
    x: F8
    v: F8


class PlainRun:
    """Like engine.CalendarRun without its log, four times as fast; the same counters to the last digit."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, window: Window) -> None:
        """Only for plants without an `obstacle`."""
        self.plant, self.window = plant, window
        first = _first_moment(plant)
        self._t = _Tables._make(each.copy() for each in first)
        self._t.g[c.T0] = window.t0_us
        purposes = ["arrival"] * len(plant.sources) + ["cycle"] * len(plant.machines)
        names = [key(seed, replication, name, purpose) for name, purpose in zip(plant.units, purposes, strict=True)]
        self._names = np.array(names, np.uint64)
        self._now_us = 0

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`, which is not behind the window; no rows, because none are kept."""
        held = header((*self._t, self._names))  # as long as it runs
        c.advance(held.ctypes.data, until_us)
        self._now_us = until_us
        return EventLog.empty()

    def truth(self) -> Truth:
        """What has been counted so far in the window."""
        u = self._t.u
        parts, busy = u[:, c.PARTS].copy(), u[:, c.PARTS_US].copy()
        return Truth(self.window, parts, busy, np.zeros_like(parts), good_parts=int(self._t.g[c.GOOD]))

    def state_times(self) -> I8:
        """µs in each state within the window so far, shape (n_units, N_STATES)."""
        u, t0_us = self._t.u, self.window.t0_us
        spent = np.zeros((len(u), N_STATES), np.int64)
        spent[:, [State.STARVED, State.BUSY, State.BLOCKED]] = u[:, [c.STARVED_US, c.BUSY_US, c.BLOCKED_US]]
        spent[np.arange(len(u)), u[:, c.STATE]] += np.maximum(self._now_us - np.maximum(u[:, c.SINCE], t0_us), 0)
        return spent

    def balance(self) -> tuple[int, int, int, int, int]:
        """Parts since the start: entered, left good, scrapped, merged into others, inside."""
        entered, left, merged = (int(self._t.g[i]) for i in (c.ENTERED, c.LEFT, c.MERGED))
        return entered, left, 0, merged, entered - left - merged


@lru_cache(maxsize=8)
def _first_moment(plant: Plant) -> _Tables:
    n_units, n_stations = len(plant.units), len(plant.operations) + 1
    n_blocks = -(-n_units >> c.BLOCK_BITS)
    u = np.zeros((n_units, c.U_WIDTH), np.int64)
    u[:, [c.STATION, c.NEXT, c.QUEUED, c.LAW]] = -1
    u[:, c.STATE] = State.STARVED
    x, values = np.zeros((n_units, 3)), [0.0]
    for machine in plant.machines:
        _set_law(u, x, values, machine.unit, plant.operations[machine.operation].cycle_time)
    for source in plant.sources:
        if source.interarrival is not None:
            _set_law(u, x, values, source.unit, source.interarrival)
    line = np.zeros(c.DIRTY0 + (n_stations >> c.WORD_BITS) + 1, np.int64)
    line[c.UNIT_BITS] = n_units.bit_length()
    line[c.LATEST] = NEVER_US >> n_units.bit_length()
    line[c.N_BLOCKS], line[c.N_DRAWS], line[c.NEXT_KEY] = n_blocks, c.DRAWS, NEVER_US
    line[c.TOP] = len(line) - 1 - c.DIRTY0
    for station in range(n_stations - 1):
        line[c.DIRTY0 + (station >> c.WORD_BITS)] |= 1 << (station & c.IN_WORD)
    s, b = _stations(plant, u)
    never = np.full(n_blocks << c.BLOCK_BITS, NEVER_US, np.int64)
    drawn = np.zeros((n_units, c.DRAWS), np.int64)
    return _Tables(u, s, b, line, never, never[:n_blocks], drawn, x, np.array(values))


def _set_law(u: I8, x: F8, values: list[float], unit: int, distribution: Distribution) -> None:
    own = law(distribution)
    u[unit, c.LAW], x[unit] = own.code, (own.p0, own.p1, own.p2)
    if own.code == EMPIRICAL:
        u[unit, c.VALUES0], x[unit, 0] = len(values), len(own.values)
        values += own.values.tolist()


def _stations(plant: Plant, u: I8) -> tuple[I8, I8]:
    """Stations and buffers; units learn where they stand and where they give to, and queue up."""
    inputs = [(i, spec) for i, operation in enumerate(plant.operations) for spec in operation.inputs]
    s, b = np.zeros((len(plant.operations) + 1, c.S_WIDTH), np.int64), np.zeros((len(inputs) + 1, c.B_WIDTH), np.int64)
    b[:, c.SENDERS] = -1
    b[-1, c.LEADS_TO], s[-1, c.IN0] = len(plant.operations), len(inputs)
    for i, operation in enumerate(plant.operations):
        units = list(operation.machines)
        u[units, c.STATION], u[units, c.GOES_TO], u[units, c.QUEUED] = i, len(inputs), 0
        u[units[:-1], c.NEXT] = units[1:]
        s[i] = (sum(j < i for j, _ in inputs), len(operation.inputs), units[0], len(units))
    for buffer, (i, spec) in enumerate(inputs):
        b[buffer] = (0, spec.capacity, spec.quantity, -1, i)
        if spec.source < 0:
            u[list(plant.operations[spec.operation].machines), c.GOES_TO] = buffer
            continue
        source = plant.sources[spec.source]
        u[source.unit, c.GOES_TO] = buffer
        if source.interarrival is None:
            u[source.unit, c.STATE], u[source.unit, c.QUEUED], b[buffer, c.SENDERS] = State.BLOCKED, 0, source.unit
    return s, b
