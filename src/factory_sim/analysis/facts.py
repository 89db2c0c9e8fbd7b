"""What every KPI is made of, computed once: integer times and counts by unit, and their sums over groups."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis import bottleneck, causes, topology, unit_energy
from factory_sim.analysis.kernels import part_visits as part_kernels
from factory_sim.analysis.kernels import state_times
from factory_sim.analysis.kernels.row_tables import OPERATION
from factory_sim.plant.states import N_STATES, State
from factory_sim.records import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.bottleneck import Periods
    from factory_sim.records import F8, I8, EventLog, Meta


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Quantities that add up, of n groups of machines; shapes (n,) but state_us and planned_state_us (n, N_STATES + 1).

    The last column of the state times is time of which nothing is known.
    """

    machines: I8
    window_us: I8
    state_us: I8
    planned_state_us: I8  # within planned production
    parts: I8  # given away in the window
    timed: I8  # of these, with a start that was seen
    cycle_us: I8  # busy time of the timed parts' cycles, also before the window
    unit_us: F8  # planned unit time x parts
    good: I8
    scrap: I8
    rework: I8
    tried: I8  # parts that came to their operation for the first time
    passed: I8  # of these, good
    failures: I8
    crew_wait_us: I8
    repair_us: I8
    kwh: F8
    kwh_audit: F8  # state times x power

    def summed(self, group: I8, n_groups: int) -> Totals:
        """The sums over groups; group (n,) says which each belongs to."""
        return Totals(*(_sums(getattr(self, f.name), group, n_groups) for f in fields(self)))


def _sums(values: Any, group: I8, n_groups: int) -> Any:
    out = np.zeros((n_groups, *values.shape[1:]), values.dtype)
    np.add.at(out, group, values)
    return out


@dataclass(frozen=True, slots=True)
class Flow:
    """Parts through the whole line within the window."""

    entered: int
    left: int
    scrapped: int
    merged: int
    lost: int
    inside_at_start: int
    inside_us: int  # sum over parts of their time inside
    seen: int  # parts left whose entry was seen
    lead_us: int  # their time from entry to exit
    first_time: int  # parts left without rework


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """The window of one run."""

    meta: Meta
    window: Window
    log: EventLog  # with inferred causes
    planned_us: int
    state_us: I8  # (n_units, N_STATES + 1)
    flow: Flow
    mode_count: I8  # (n_units, n_modes) failures
    mode_us: I8  # (n_units, n_modes) in repair
    path_us: I8  # (n_units,) on the critical path
    periods: Periods
    machine: Totals
    unit_kwh: float  # of all units, vehicles and robots included
    energy_cost: float  # base load included
    entered_of: dict[int, int]  # source unit -> parts entered
    _levels: dict[str, Totals] = field(default_factory=dict)

    def at(self, level: str) -> Totals:
        """Sums by "machine", "operation", "section" or "line"; a group without machines is all zeros."""
        if level not in self._levels:
            self._levels[level] = self.machine.summed(*groups(self.meta, level))
        return self._levels[level]


def machine_units(meta: Meta) -> I8:
    """Ids of the units that are machines, in their order."""
    return np.array([u for u, info in enumerate(meta.units) if info.role == "machine"], np.int64)


def sections(meta: Meta) -> tuple[str, ...]:
    """Names of the sections, in the order of their operations."""
    return tuple(dict.fromkeys(each.section for each in meta.operations))


def groups(meta: Meta, level: str) -> tuple[I8, int]:
    """Which group of `level` each machine belongs to, and how many groups there are."""
    machines = machine_units(meta)
    place = np.array([meta.units[u].operation for u in machines], np.int64)
    if level == "operation":
        return place, len(meta.operations)
    if level == "section":
        names = sections(meta)
        index = np.array([names.index(each.section) for each in meta.operations], np.int64)
        return index[place], len(names)
    return (np.arange(len(machines)), len(machines)) if level == "machine" else (np.zeros_like(machines), 1)


def collect(log: EventLog, meta: Meta, blocks: Sequence[Blocks] | None = None, window: Window | None = None) -> Facts:
    """All facts of `window` (default: the feed's). Causes are inferred here; those in `log` are not looked at."""
    window = window or meta.window
    log = causes.infer(log, meta)
    planned = clipped(meta.planned_us, window)
    state_us = _state_times(log, meta, [window])
    modes = _failures(log, meta, window)
    edges_us, prices = unit_energy.price_edges(meta, window)
    kwh, audit = unit_energy.measured(blocks, log, meta, edges_us)
    base_kwh = meta.base_load_w * np.diff(edges_us) / 1e6 / unit_energy.J_PER_KWH
    planned_state_us = state_us if planned == [window] else _state_times(log, meta, planned)
    flow, entered_of = _flow(log, meta, window)
    return Facts(
        meta,
        window,
        log,
        sum(w.t1_us - w.t0_us for w in planned),
        state_us,
        flow,
        modes[0],
        modes[2],
        bottleneck.path_us(log, meta, window),
        bottleneck.active_periods(log, meta, window),
        _machines(log, meta, window, (state_us, planned_state_us), modes, (kwh.sum(axis=0), audit.sum(axis=0))),
        float(kwh.sum()),
        float((kwh.sum(axis=1) + base_kwh) @ prices),
        entered_of,
    )


def clipped(stretches_us: Sequence[tuple[int, int]], window: Window) -> list[Window]:
    """The parts of some stretches that lie within a window."""
    cut = [Window(max(t0, window.t0_us), min(t1, window.t1_us)) for t0, t1 in stretches_us]
    return [each for each in cut if each.t0_us < each.t1_us]


def _state_times(log: EventLog, meta: Meta, windows: Sequence[Window]) -> I8:
    out = np.zeros((len(meta.units), N_STATES + 1), np.int64)
    for each in windows:
        state_times.state_times(log.t_us, log.unit, log.state, each.t0_us, each.t1_us, out)
    return out


def _failures(log: EventLog, meta: Meta, window: Window) -> tuple[I8, I8, I8]:
    shape = (len(meta.units), max((len(names) for names in meta.failure_modes), default=0) or 1)
    count, wait_us, repair_us = (np.zeros(shape, np.int64) for _ in range(3))
    state_times.failures(
        log.t_us, log.unit, log.state, log.outcome, log.detail, window.t0_us, window.t1_us, count, wait_us, repair_us
    )
    return count, wait_us, repair_us


def _flow(log: EventLog, meta: Meta, window: Window) -> tuple[Flow, dict[int, int]]:
    part, n_parts = topology.numbered(log.part)
    out, enter_us = np.zeros(10, np.int64), np.full(n_parts, part_kernels.NEVER)
    entered = np.zeros(len(meta.units), np.int64)
    part_kernels.flow(
        log.t_us,
        log.unit,
        part,
        log.outcome,
        n_parts,
        window.t0_us,
        window.t1_us,
        enter_us,
        np.zeros(n_parts, np.bool_),
        entered,
        out,
    )
    return Flow(*out.tolist()), {int(u): int(entered[u]) for u in np.flatnonzero(entered)}


def _machines(
    log: EventLog, meta: Meta, window: Window, state_us: tuple[I8, I8], modes: tuple[I8, I8, I8], kwh: tuple[F8, F8]
) -> Totals:
    n = len(meta.units)
    parts, timed, cycle_us, good, scrap, rework, tried, passed = (np.zeros(n, np.int64) for _ in range(8))
    t0, t1 = window.t0_us, window.t1_us
    part_kernels.cycles(log.t_us, log.unit, log.state, log.outcome, t0, t1, parts, timed, cycle_us, good, scrap, rework)
    part, n_parts = topology.numbered(log.part)
    place = topology.of(meta).units[:, OPERATION]
    part_kernels.first_passes(log.t_us, log.unit, part, log.outcome, place, n_parts, t0, t1, tried, passed)
    unit_us = np.array([_unit_us(meta, u) for u in range(n)]) * parts
    ones = np.ones(n, np.int64)
    columns = (
        ones,
        ones * (t1 - t0),
        *state_us,
        parts,
        timed,
        cycle_us,
        unit_us,
        good,
        scrap,
        rework,
        tried,
        passed,
        *(each.sum(axis=1) for each in modes),
        *kwh,
    )
    units = machine_units(meta)
    return Totals(*(column[units] for column in columns))


def _unit_us(meta: Meta, unit: int) -> float:
    place = meta.units[unit].operation
    return meta.operations[place].unit_time_s * 1e6 / meta.operations[place].batch if place >= 0 else 0.0


def planned_busy_us(totals: Totals) -> I8:
    """Planned busy time [µs]: planned production without planned maintenance and closed shifts."""
    outside = totals.planned_state_us[:, State.OFF] + totals.planned_state_us[:, State.MAINTENANCE]
    planned: I8 = totals.planned_state_us.sum(axis=1)
    return planned - outside
