"""Bottleneck detection: the critical path and the classic detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import N_STATES, Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import F8, I8, EventLog, Meta, Window

# BUSY, DOWN, SETUP and MAINTENANCE are active; waiting for parts, room, people or the shift is not [Roser 2001]
_INACTIVE = (State.OFF, State.STARVED, State.BLOCKED, State.WAITING, State.IDLE, State.UNKNOWN)
ACTIVE = np.array([state not in _INACTIVE for state in range(N_STATES)])


def path_us(log: EventLog, meta: Meta, window: Window | None = None) -> I8:
    """Return the time of each unit on the critical path (rule CAUSE-10 of docs/model.md), shape (n_units,) [µs].

    Zero everywhere when no part reached the sink in the window.
    """
    from factory_sim.analysis.kernels import cause_walk  # noqa: PLC0415 - numba is slow to import

    window = window or meta.window
    out = np.zeros(len(meta.units), np.int64)
    if (last := _last_exit(log, window)) >= 0:
        cause_walk.walk(log.t_us, log.unit, log.cause, last, window.t0_us, out)
    return out


def path_length_us(log: EventLog, window: Window) -> int:
    """Return the length of the critical path; more than the times of its units where a cause is not known."""
    last = _last_exit(log, window)
    return int(log.t_us[last]) - window.t0_us if last >= 0 else 0


def _last_exit(log: EventLog, window: Window) -> int:
    """Return the position of the row with which the last good part left in the window, -1: none did."""
    left = np.flatnonzero((log.outcome == Outcome.LEFT) & (log.t_us >= window.t0_us) & (log.t_us < window.t1_us))
    return int(left[-1]) if len(left) else -1


def critical_path(log: EventLog, meta: Meta, window: Window | None = None) -> F8:
    """Return the share of each operation in the critical path's time in operations, shape (n_operations,), sum 1.

    NaN when the path contains no operation. Time at sources and on vehicles is in `path_us` only.
    """
    return shares(path_us(log, meta, window), meta)


def shares(unit_us: I8, meta: Meta) -> F8:
    """Return times by unit as shares of the operations, shape (n_operations,)."""
    seconds = np.array([unit_us[list(each.machines)].sum() for each in meta.operations], np.float64)
    total = seconds.sum()
    return seconds / total if total else np.full(len(seconds), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Uninterrupted active stretches of machines, shapes (n,)."""

    unit: I8
    start_us: I8
    end_us: I8


def active_periods(log: EventLog, meta: Meta, window: Window | None = None) -> Periods:
    """Return every active stretch of every machine, clipped to the window."""
    from factory_sim.analysis.kernels import state_times  # noqa: PLC0415 - numba is slow to import

    window, n = window or meta.window, len(meta.units)
    inside = slice(int(np.searchsorted(log.t_us, window.t1_us)))  # later rows must not decide between equal stretches
    owner, start, end = (np.zeros(len(log) + n, np.int64) for _ in range(3))
    columns = (log.t_us[inside], log.unit[inside], log.state[inside])
    count = state_times.active_periods(*columns, ACTIVE, window.t0_us, window.t1_us, n, owner, start, end)
    machine = np.array([u.role == "machine" for u in meta.units])[owner[:count]]
    return Periods(owner[:count][machine], start[:count][machine], end[:count][machine])


def average_active_period(periods: Periods, meta: Meta) -> F8:
    """Return the mean active stretch of each operation's machines, shape (n_operations,) [s]; the longest limits.

    Roser, Nakano and Tanaka 2001, "A practical bottleneck detection method".
    """
    place = _places(meta)[periods.unit]
    n = len(meta.operations)
    total_us = np.bincount(place, periods.end_us - periods.start_us, n)
    count = np.bincount(place, minlength=n)
    return np.divide(total_us / 1e6, count, out=np.zeros(n), where=count > 0)


def momentary_active_period(periods: Periods, meta: Meta, window: Window | None = None) -> F8:
    """Return the share of the window in which each operation has the longest active stretch, shape (n_operations,).

    Roser, Nakano and Tanaka 2002, "Shifting bottleneck detection". While the stretches of two successive bottlenecks
    overlap the bottleneck is shifting: that time is shared between them.
    """
    window, place, share = window or meta.window, _places(meta), np.zeros(len(meta.operations))
    by_start = np.argsort(periods.start_us, kind="stable")
    start, end, at = periods.start_us[by_start], periods.end_us[by_start], place[periods.unit[by_start]]
    latest_end = np.maximum.accumulate(end)
    begin = now = window.t0_us
    k = -1  # the bottleneck's stretch, alone from `begin` to `now`
    while now < window.t1_us:
        first, stop = int(np.searchsorted(latest_end, now, "right")), int(np.searchsorted(start, now, "right"))
        running = first + np.flatnonzero(end[first:stop] > now)  # earlier ones have ended
        if len(running):
            length = end[running] - start[running]
            longest = running[length == length.max()]
            new = int(longest[np.argmin(by_start[longest])])
            if k >= 0:
                shift = max(int(start[new]), begin)
                share[at[k]] += shift - begin + (now - shift) / 2
                share[at[new]] += (now - shift) / 2
            begin, now, k = now, int(end[new]), new
            continue
        if k >= 0:
            share[at[k]] += now - begin
        begin = now = min(int(start[stop]), window.t1_us) if stop < len(start) else window.t1_us
        k = -1
    if k >= 0:
        share[at[k]] += now - begin
    return share / (window.t1_us - window.t0_us)


def _places(meta: Meta) -> I8:
    return np.array([u.operation for u in meta.units], np.int64)


def utilisation(state_us: I8, meta: Meta) -> F8:
    """Return the share of the window in which each operation's machines are active; state_us (n_units, n_states)."""
    by_state = _by_operation(state_us, meta)
    total = by_state.sum(axis=1)
    share: F8 = np.divide(by_state @ ACTIVE, total, out=np.zeros(len(total)), where=total > 0)
    return share


def turning_point(state_us: I8, meta: Meta) -> F8:
    """Return the turning-point index of each operation, shape (n_operations,); the largest limits, 0: none.

    Machines upstream of the bottleneck are blocked more than starved, those downstream the other way round, and it
    waits less than its neighbours. Index = mean wait of the neighbours / own wait.
    Li, Chang and Ni 2009, "Data driven bottleneck detection of manufacturing systems".
    """
    blocked, starved = _waits(state_us, meta)
    wait, index = blocked + starved, np.zeros(len(blocked))
    for i, (before, after) in enumerate(_neighbours(meta)):
        turns = all(blocked[j] >= starved[j] for j in before) and all(starved[j] >= blocked[j] for j in after)
        around = [wait[j] for j in (*before, *after)]
        if turns and around and wait[i] <= min(around):
            index[i] = np.mean(around) / max(wait[i], 1e-6)
    return index


def arrow(state_us: I8, meta: Meta) -> F8:
    """Return the severity of each operation that no arrow leaves, shape (n_operations,); 0: an arrow leaves it.

    Between neighbours the arrow points downstream when the upper one is blocked more than the lower one is starved,
    else upstream. Severity = sum of these differences at the operation, as a share of the window.
    Kuo, Lim and Meerkov 1996, "Bottlenecks in serial production lines: a system-theoretic approach".
    """
    blocked, starved = _waits(state_us, meta)
    severity = np.zeros(len(blocked))
    for i, (before, after) in enumerate(_neighbours(meta)):
        pulls = [blocked[j] - starved[i] for j in before] + [starved[j] - blocked[i] for j in after]
        if pulls and min(pulls) > 0:
            severity[i] = sum(pulls)
    return severity


def _by_operation(state_us: I8, meta: Meta) -> I8:
    return np.array([state_us[list(each.machines)].sum(axis=0) for each in meta.operations])


def _waits(state_us: I8, meta: Meta) -> tuple[F8, F8]:
    by_state = _by_operation(state_us, meta).astype(np.float64)
    total = np.maximum(by_state.sum(axis=1), 1.0)
    return by_state[:, State.BLOCKED] / total, by_state[:, State.STARVED] / total


def _neighbours(meta: Meta) -> list[tuple[list[int], list[int]]]:
    """Return the operations upstream and downstream of each one."""
    before = [[way.operation for way in each.inputs if way.operation >= 0] for each in meta.operations]
    after = [[each.destination] if each.destination >= 0 else [] for each in meta.operations]
    return list(zip(before, after, strict=True))
