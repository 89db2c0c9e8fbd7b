"""Bounds of every KPI where a feed is incomplete: the KPI at the extremes of what the feed leaves open.

Unknown time is given to each state in turn, uncounted parts are added or not, and each KPI is computed again; the
smallest and the largest value are its bounds. A KPI that depends on the order of all moves has no such extremes: it
gets the share of time that is open as its uncertainty, or is not defined.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import facts as facts_of
from factory_sim.analysis.kpis import KPIS, constraint, flow
from factory_sim.analysis.unit_energy import J_PER_KWH
from factory_sim.plant.states import DOWN_STATES, State
from factory_sim.records import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.facts import Facts, Totals
    from factory_sim.records import B1, F8, I8, Kpi, KpiTable

INCOMPLETE = "the feed is incomplete: states are unknown for some time, or reports are missing"
_OF_PATH = ("critical_path_share", "momentary_active_share")
_OF_TIMES = {*_OF_PATH, "active_share"}
_WHOLE = {*constraint.KINDS, *flow.KINDS, "first_pass_yield", "rework_parts", "rework_ratio"} - _OF_TIMES
_OF_SCRAP = ("scrap_parts", "scrap_ratio", "quality", "cost_scrap_per_part")
_SIGMAS = 3.0
_NEGLIGIBLE = 1e-9
_ENDLESS = 1000.0  # times the value: no bound


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Gaps:
    """What a feed leaves open about each machine beside its unknown states; shapes (n_machines,)."""

    lost: F8  # share of reports that are missing, 3 standard deviations added
    vague_us: I8  # time between the two observations on either side of a change of a state that is polled
    outside_us: I8  # time of which the feed has nothing, because a clock was set back
    parts: I8  # parts that may have been given away uncounted
    kwh: F8  # energy that may have been metered meanwhile


def bounded(table: KpiTable, facts: Facts, gaps: Gaps) -> KpiTable:
    """Return a table whose KPIs have bounds where the feed is incomplete, and are not defined where it has none."""
    unknown_us = facts.machine.state_us[:, State.UNKNOWN]
    open_us = unknown_us + gaps.outside_us + gaps.vague_us
    if not (open_us.any() or gaps.lost.any() or gaps.parts.any() or gaps.kwh.any()):
        return table
    variants = list(_variants(facts, gaps))
    unsure = bool(gaps.lost.any() or unknown_us.any() or gaps.outside_us.any())
    open_share = ((unknown_us + gaps.outside_us).sum() + gaps.vague_us.max()) / facts.machine.window_us.max(initial=1)
    share = min(1.0, float(open_share))
    found = {}
    for name, kpi in table.kpis.items():
        level, _, short = name.partition(".")
        if short in _OF_PATH:
            found[name] = _undefined(kpi) if gaps.lost.any() else _around(kpi, share)
        elif short in _WHOLE:
            is_clear = short == "constraint" and not gaps.lost.any() and _leads(table, 2 * share)
            found[name] = kpi if is_clear or not unsure else _undefined(kpi)
        elif short in _OF_SCRAP and gaps.parts.any():
            found[name] = _undefined(kpi)
        else:
            found[name] = _within(
                kpi, [KPIS[short].compute(each, level).reshape(kpi.values.shape) for each in variants]
            )
    return replace(table, kpis=found)


def _leads(table: KpiTable, by: float) -> bool:
    shares = np.sort(np.nan_to_num(table.kpis["operation.critical_path_share"].values))[::-1]
    return len(shares) == 1 or bool(shares[0] - shares[1] > by)


def _within(kpi: Kpi, values: list[F8]) -> Kpi:
    every = np.stack([kpi.values, *values])
    low, high = np.min(every, axis=0), np.max(every, axis=0)  # NaN wins: it has no extreme
    if kpi.low is not None and kpi.high is not None:
        low, high = np.minimum(low, kpi.low), np.maximum(high, kpi.high)
    is_bounded = np.isfinite(low) & np.isfinite(high) & (high <= _ENDLESS * np.maximum(np.abs(kpi.values), 1))
    lacking = np.isfinite(kpi.values) & ~is_bounded
    low, high = (np.where(lacking, np.nan, each) for each in (low, high))
    return replace(_undefined(kpi, lacking), low=low, high=high)


def _around(kpi: Kpi, by: float) -> Kpi:
    if by == 0:
        return kpi
    return replace(kpi, low=np.clip(kpi.values - by, 0, None), high=np.clip(kpi.values + by, None, 1))


def _undefined(kpi: Kpi, where: B1 | None = None) -> Kpi:
    where = np.isfinite(kpi.values) if where is None else where
    if not where.any():
        return kpi
    flat = np.reshape(where, -1)
    reasons = [INCOMPLETE if new else old for new, old in zip(flat, kpi.reasons or [""] * len(flat), strict=True)]
    return replace(kpi, values=np.where(where, np.nan, kpi.values), reasons=tuple(reasons))


def _variants(facts: Facts, gaps: Gaps) -> Iterator[Facts]:
    """Yield the facts at every extreme: which state has the open time and which lost it, parts, energy, window."""
    totals = facts.machine
    states = [s for s in range(State.UNKNOWN) if totals.state_us[:, s].any() or s in (State.BUSY, State.DOWN)]
    moves = [(int(State.BUSY), s) for s in states] + [(s, int(State.BUSY)) for s in states if s != State.BUSY]
    zero = np.zeros_like(gaps.parts)
    parts = [(zero, zero), *([(gaps.parts, gaps.parts), (gaps.parts, zero)] if gaps.parts.any() else [])]
    outside = [zero, *([gaps.outside_us] if gaps.outside_us.any() else [])]
    energy = _energy(facts, gaps)
    for move, (made, good), longer_us in product(moves, parts, outside):
        hides = (False, True) if {*move} <= {State.BUSY, *DOWN_STATES} else (False,)  # failures meet busy or lost time
        used = energy if move == moves[0] else energy[:1]  # energy does not depend on the state
        for kwh, hidden in product(used, hides):
            yield _variant(facts, gaps, move, made, good, longer_us, kwh, hides=hidden)


def _energy(facts: Facts, gaps: Gaps) -> list[F8]:
    """Return the differences of energy at its extremes: the open time at no power and at the greatest."""
    t = facts.machine
    watts = np.nan_to_num(facts.power_w[facts_of.machine_units(facts.meta)]).max(axis=1)
    most = np.where(t.metered > 0, 0.0, watts / 1e6 / J_PER_KWH)  # kWh per us
    open_us = gaps.lost * t.window_us + gaps.vague_us
    low = np.nan_to_num(t.kwh_low - t.kwh) - gaps.kwh - most * open_us
    high = np.nan_to_num(t.kwh_high - t.kwh) + gaps.kwh + most * (open_us + gaps.outside_us)
    return [np.maximum(low, -np.nan_to_num(t.kwh)), high] if low.any() or high.any() else [low]


def _variant(  # noqa: PLR0913 - one argument a dimension
    facts: Facts, gaps: Gaps, move: tuple[int, int], made: I8, good: I8, longer_us: I8, kwh: F8, *, hides: bool
) -> Facts:
    t, meta = facts.machine, facts.meta
    open_us = (gaps.vague_us + gaps.lost * t.window_us).astype(np.int64)
    state_us, free_us = _given(t.state_us, open_us, longer_us, *move)
    count = t.parts + made
    is_open = (free_us > 0) | (made > 0)
    busy_us = state_us[:, State.BUSY] - t.state_us[:, State.BUSY]
    worked_us = np.maximum(t.cycle_us, t.state_us[:, State.BUSY])  # also of cycles that were cut by unknown time
    rate = t.failures / np.maximum(t.window_us - free_us, 1)
    hidden = np.where(free_us > 0, np.ceil(rate * free_us + _SIGMAS * np.sqrt(rate * free_us + 1)), 0)
    doubled = np.ceil(gaps.lost * t.failures)  # one of which a report is missing may be counted twice
    hidden = (hidden if hides else -doubled).astype(np.int64)
    down_us = state_us[:, DOWN_STATES].sum(axis=1) - t.state_us[:, DOWN_STATES].sum(axis=1)
    totals: Totals = replace(
        t,
        window_us=t.window_us + longer_us,
        state_us=state_us,
        planned_state_us=_given(t.planned_state_us, open_us, longer_us, *move)[0],
        parts=count,
        good=t.good + good,
        unit_us=t.unit_us * np.where(t.parts > 0, count / np.maximum(t.parts, 1), 1),
        timed=np.where(is_open, np.maximum(count, t.timed), t.timed),
        cycle_us=np.maximum(np.where(is_open & (busy_us > 0), worked_us, t.cycle_us) + busy_us, 0),
        failures=t.failures + hidden,
        repair_us=np.maximum(t.repair_us + down_us, 0),
        worked_us=np.maximum(t.worked_us + down_us, 0),
        crew_wait_us=np.maximum(t.crew_wait_us + down_us, 0),
        kwh=t.kwh + kwh,
    )
    units = facts_of.machine_units(meta)
    times_us = facts.state_us.copy()
    times_us[units] = state_us
    last = np.array([meta.operations[meta.units[u].operation].destination < 0 for u in units.tolist()], np.bool_)
    longest_us = int(longer_us.max(initial=0))
    total_kwh = facts.unit_kwh[0]
    used = total_kwh + float(np.nan_to_num(kwh).sum())
    return replace(
        facts,
        machine=totals,
        state_us=times_us,
        window=Window(facts.window.t0_us, facts.window.t1_us + longest_us),
        planned_us=facts.planned_us + longest_us,
        flow=replace(facts.flow, left=facts.flow.left + int(good[last].sum())),
        unit_kwh=(used, used, used),
        energy_cost=facts.energy_cost * (used / total_kwh if total_kwh > _NEGLIGIBLE else 1.0),
        _levels={},
    )


def _given(times_us: I8, open_us: I8, longer_us: I8, giver: int, taker: int) -> tuple[I8, I8]:
    """Return state times in which one state has all open time, first at the expense of another, and that time.

    times_us, and the times returned: shape (n, N_STATES); all others (n,).
    """
    out = times_us.copy()
    out[:, State.UNKNOWN] = 0
    taken = np.where(
        giver == taker, 0, np.minimum(open_us, np.maximum(out[:, giver] - 1, 0))
    )  # a microsecond stays: no 0 / 0
    out[:, giver] -= taken
    rest = np.ones(out.shape[1], np.bool_)
    rest[[giver, taker]] = False
    total = out[:, rest].sum(axis=1)
    more = np.minimum(open_us - taken, total)
    out[:, rest] = out[:, rest] * (1 - more / np.maximum(total, 1))[:, None]
    out[:, taker] += times_us.sum(axis=1) + longer_us - out.sum(axis=1)
    free: I8 = times_us[:, State.UNKNOWN] + longer_us + taken + more
    return out, free
