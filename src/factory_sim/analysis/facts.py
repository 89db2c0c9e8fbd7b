"""The facts behind every KPI, computed once: integer times and counts by unit, and their sums over groups."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis import bottleneck, causes, needs, topology, unit_energy
from factory_sim.plant.opening_rows import numbered
from factory_sim.plant.states import N_STATES, State
from factory_sim.records import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.bottleneck import Periods
    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.records import B1, F8, I8, EventLog, Meta


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Totals:
    """Additive quantities of n groups of machines, shapes (n,); state times have shape (n, N_STATES)."""

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
    tried: I8  # parts at the first visit to their operation
    passed: I8  # of these, good
    failures: I8
    crew_wait_us: I8
    repair_us: I8
    worked_us: I8  # repair time worked, also while the shift is closed
    kwh: F8
    kwh_low: F8  # bounds, where the state was unknown for some time
    kwh_high: F8
    kwh_audit: F8  # state times x power
    metered: I8  # machines whose energy is that of a meter

    def summed(self, group: I8, n_groups: int) -> Totals:
        """Return the sums over groups; group (n,) is the index of each machine's group."""
        return Totals(**{f.name: _sums(getattr(self, f.name), group, n_groups) for f in fields(self)})

    @property
    def planned_busy_us(self) -> I8:
        """Planned busy time [µs]: known time of planned production without planned maintenance and closed shifts."""
        outside: I8 = self.planned_state_us[:, (State.OFF, State.MAINTENANCE, State.UNKNOWN)].sum(axis=1)
        planned: I8 = self.planned_state_us.sum(axis=1)
        return planned - outside

    @property
    def unknown_us(self) -> I8:
        """Unknown time of planned production [µs]."""
        unknown: I8 = self.planned_state_us[:, State.UNKNOWN]
        return unknown


def _sums(values: Any, group: I8, n_groups: int) -> Any:
    out = np.zeros((n_groups, *values.shape[1:]), values.dtype)
    np.add.at(out, group, values)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Parts through the whole line within the window; field names as in `part_visits.FLOW`."""

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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Facts:
    """The facts of one window of a run."""

    meta: Meta
    window: Window
    log: EventLog  # with inferred causes
    planned_us: int
    state_us: I8  # (n_units, N_STATES)
    flow: Flow
    mode_us: I8  # (n_units, n_modes) in state REPAIR
    path_us: I8  # (n_units,) on the critical path
    periods: Periods
    machine: Totals
    unit_kwh: tuple[float, float, float]  # of all units, vehicles and robots included; its bounds
    metered: B1  # (n_units,)
    energy_cost: float  # base load included
    entered_of: dict[int, int]  # source unit -> parts entered
    lacking: frozenset[str]  # needs of `needs.NEEDS` that the whole feed does not meet
    power_w: F8  # (n_units, N_STATES); NaN where it is not known
    clocks: tuple[Finding, ...]  # of units whose clocks disagree with those of others in the window
    _levels: dict[str, Totals] = field(default_factory=dict)

    def at(self, level: str) -> Totals:
        """Return the sums by "machine", "operation", "section" or "line"; zeros for a group without machines."""
        if level not in self._levels:
            self._levels[level] = self.machine.summed(*groups(self.meta, level))
        return self._levels[level]

    def lacks(self, need: str, level: str) -> B1:
        """Return for each thing of a level whether a need of `needs.NEEDS` is not met, shape (n,)."""
        totals = self.at(level)
        if need in self.lacking:
            return np.ones(len(totals.machines), np.bool_)
        if need == "energy" and level == "line":
            return np.isnan(self.unit_kwh[:1])
        known = {"energy": totals.kwh, "power": totals.kwh_audit, "unit_time": totals.unit_us}
        return np.isnan(known[need]) if need in known else np.zeros(len(totals.machines), np.bool_)


def machine_units(meta: Meta) -> I8:
    """Return the ids of the units that are machines, in their order."""
    return np.array([u for u, info in enumerate(meta.units) if info.role == "machine"], np.int64)


def sections(meta: Meta) -> tuple[str, ...]:
    """Return the names of the sections, in the order of their operations."""
    return tuple(dict.fromkeys(each.section for each in meta.operations))


def groups(meta: Meta, level: str) -> tuple[I8, int]:
    """Return the group of `level` that each machine belongs to, and the number of groups."""
    machines = machine_units(meta)
    place = np.array([meta.units[u].operation for u in machines], np.int64)
    if level == "operation":
        return place, len(meta.operations)
    if level == "section":
        names = sections(meta)
        index = np.array([names.index(each.section) for each in meta.operations], np.int64)
        return index[place], len(names)
    return (np.arange(len(machines)), len(machines)) if level == "machine" else (np.zeros_like(machines), 1)


def collect(
    log: EventLog,
    meta: Meta,
    blocks: Sequence[Blocks] | None = None,
    window: Window | None = None,
    findings: Iterable[Finding] = (),
) -> Facts:
    """Return the facts of `window` (default: the feed's). Causes are inferred; those in `log` are not read."""
    from factory_sim.analysis.kernels import part_visits  # noqa: PLC0415 - numba is slow to import

    window = window or meta.window
    log = causes.infer(log, meta)
    planned = clipped(meta.planned_us, window)
    state_us = _state_times(log, meta, [window])
    planned_state_us = state_us if planned == [window] else _state_times(log, meta, planned)
    failures, crew_wait_us, repair_us, worked_us = _failures(log, meta, window)
    edges_us, prices = unit_energy.price_edges(meta, window)
    energy, audit, metered = unit_energy.measured(blocks, log, meta, edges_us)
    base_kwh = meta.base_load_w * np.diff(edges_us) / 1e6 / unit_energy.J_PER_KWH
    flow, entered_of = _flow(log, meta, window)
    visits, units = _visits(log, meta, window), machine_units(meta)
    ones = np.ones(len(units), np.int64)
    return Facts(
        meta=meta,
        window=window,
        log=log,
        planned_us=sum(w.t1_us - w.t0_us for w in planned),
        state_us=state_us,
        flow=flow,
        mode_us=repair_us,
        path_us=bottleneck.path_us(log, meta, window),
        periods=bottleneck.active_periods(log, meta, window),
        machine=Totals(
            machines=ones,
            window_us=ones * (window.t1_us - window.t0_us),
            state_us=state_us[units],
            planned_state_us=planned_state_us[units],
            **{name: visits[name][units] for name in part_visits.VISITS.names or ()},
            unit_us=_unit_us(meta)[units] * visits["parts"][units],
            failures=failures[units].sum(axis=1),
            crew_wait_us=crew_wait_us[units].sum(axis=1),
            repair_us=repair_us[units].sum(axis=1),
            worked_us=worked_us[units].sum(axis=1),
            kwh=energy.kwh.sum(axis=0)[units],
            kwh_low=energy.low.sum(axis=0)[units],
            kwh_high=energy.high.sum(axis=0)[units],
            kwh_audit=audit.kwh.sum(axis=0)[units],
            metered=metered[units].astype(np.int64),
        ),
        unit_kwh=(float(energy.kwh.sum()), float(energy.low.sum()), float(energy.high.sum())),
        metered=metered,
        energy_cost=float((energy.kwh.sum(axis=1) + base_kwh) @ prices) if prices.any() else 0.0,
        entered_of=entered_of,
        lacking=needs.lacking(log, meta),
        power_w=unit_energy.power_w(meta),
        clocks=_clock_findings(findings, window),
    )


def _clock_findings(findings: Iterable[Finding], window: Window) -> tuple[Finding, ...]:
    return tuple(
        each for each in findings if each.is_clock_skew and window.t0_us < each.t1_us and each.t0_us < window.t1_us
    )


def clipped(stretches_us: Sequence[tuple[int, int]], window: Window) -> list[Window]:
    """Return the parts of some stretches that lie within a window."""
    cut = [Window(max(t0, window.t0_us), min(t1, window.t1_us)) for t0, t1 in stretches_us]
    return [each for each in cut if each.t0_us < each.t1_us]


def _state_times(log: EventLog, meta: Meta, windows: Sequence[Window]) -> I8:
    from factory_sim.analysis.kernels import state_times  # noqa: PLC0415 - numba is slow to import

    out = np.zeros((len(meta.units), N_STATES), np.int64)
    for each in windows:
        state_times.state_times(log.t_us, log.unit, log.state, each.t0_us, each.t1_us, out)
    return out


def _failures(log: EventLog, meta: Meta, window: Window) -> tuple[I8, I8, I8, I8]:
    from factory_sim.analysis.kernels import state_times  # noqa: PLC0415 - numba is slow to import

    shape = (len(meta.units), max((len(names) for names in meta.failure_modes), default=0) or 1)
    count, wait_us, repair_us, worked_us = (np.zeros(shape, np.int64) for _ in range(4))
    columns = (log.t_us, log.unit, log.state, log.outcome, log.detail)
    state_times.failures(*columns, window.t0_us, window.t1_us, count, wait_us, repair_us, worked_us)
    return count, wait_us, repair_us, worked_us


def _flow(log: EventLog, meta: Meta, window: Window) -> tuple[Flow, dict[int, int]]:
    from factory_sim.analysis.kernels import part_visits  # noqa: PLC0415 - numba is slow to import

    part, n_parts = numbered(log.part)
    parts, out = np.empty(n_parts, part_visits.PART), np.zeros(1, part_visits.FLOW)
    entered = np.zeros(len(meta.units), np.int64)
    part_visits.flow(log.t_us, log.unit, part, log.outcome, window.t0_us, window.t1_us, parts, entered, out)
    found = Flow(**{f.name: int(out[f.name][0]) for f in fields(Flow)})
    return found, {int(u): int(entered[u]) for u in np.flatnonzero(entered)}


def _visits(log: EventLog, meta: Meta, window: Window) -> topology.Records:
    """Return the fields of Totals that count parts, shape (n_units,) of part_visits.VISITS."""
    from factory_sim.analysis.kernels import part_visits  # noqa: PLC0415 - numba is slow to import

    visits, (part, n_parts) = np.zeros(len(meta.units), part_visits.VISITS), numbered(log.part)
    t0, t1, operation = window.t0_us, window.t1_us, topology.of(meta).units["operation"]
    part_visits.cycles(log.t_us, log.unit, log.state, log.outcome, t0, t1, visits)
    part_visits.first_passes(log.t_us, log.unit, part, log.outcome, operation, n_parts, t0, t1, visits)
    return visits


def _unit_us(meta: Meta) -> F8:
    """Return the planned time of a part at the operation of each unit, shape (n_units,) [µs]; NaN: not stated."""
    times = [(each.unit_time_s or np.nan) * 1e6 / each.batch for each in meta.operations]
    return np.array([times[unit.operation] if unit.operation >= 0 else 0.0 for unit in meta.units])
