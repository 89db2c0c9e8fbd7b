"""Clock offsets: a part cannot be taken before it is given.

In feeds of this program a starved machine takes it in the instant in which it is given, and a blocked machine gives its
part in the instant in which the next operation takes one. Plants need time for both, so that for foreign feeds the
order alone counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import topology
from factory_sim.analysis.trust.finding import CLOCK_SKEW, Finding
from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import B1, F8, I8, EventLog, Meta

_TOLERANCE_S = 0.0021  # formats that round to the millisecond move both ends by half a millisecond
_GIVES = (Outcome.PASSED, Outcome.REWORK, Outcome.ENTERED)
_FEWEST, _SHARE = 3, 0.01  # moves between two units that must be out of order: so many, or this share of them
_MOST = 1000  # maximum number of clocks that are corrected


def skews(log: EventLog, meta: Meta, resolution_s: float = 0.0, *, by_order_alone: bool = False) -> Iterator[Finding]:
    """Yield units whose clocks are off, starting with the one that explains the most impossible handovers.

    A handover is a part that one unit gives and another takes. With correct clocks taken - given is 0 if the taker was
    starved, and never negative. Two clocks disagree when three handovers between their units, or 1 % of them, are out
    of order. Handovers that remain impossible after one correction are attributed to the next clock.

    resolution_s : of time stamps, as stated; lags up to it are possible. by_order_alone : parts need time to be moved.
    """
    tolerance_s = max(resolution_s, _TOLERANCE_S)
    pairs = [_handovers(log, meta)] if by_order_alone else [_handovers(log, meta), _releases(log, meta)]
    is_move = np.arange(sum(len(each[0]) for each in pairs)) < len(pairs[0][0])
    giver, taker, t_us, lag_s, at_once = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
    if by_order_alone:
        at_once[:] = False
    for _ in range(_MOST):
        reverse = is_move & (lag_s < -tolerance_s)
        wrong = reverse | (at_once & (np.abs(lag_s) > tolerance_s))
        wrong &= _disagree(giver * len(meta.units) + taker, wrong, reverse, is_move)
        found = _worst(giver, taker, lag_s, wrong, at_once, len(meta.units))
        if found is None:
            return
        unit, ahead_s, mine = found
        reason = (
            f"{int(mine.sum())} handovers of parts are impossible by its clock: "
            "taken before they were given, or not at the instant of a starved or blocked machine"
        )
        t0, t1 = int(t_us[mine].min()), int(t_us[mine].max()) + 1
        yield Finding(kind=CLOCK_SKEW, unit=unit, t0_us=t0, t1_us=t1, size=ahead_s, reason=reason)
        keep = (giver != unit) & (taker != unit)
        columns = (giver, taker, t_us, lag_s, at_once, is_move)
        giver, taker, t_us, lag_s, at_once, is_move = (each[keep] for each in columns)


def _disagree(pair: I8, wrong: B1, reverse: B1, is_move: B1) -> B1:
    """Return whether the two units of each handover have enough impossible ones, shape (n,)."""
    _, index = np.unique(pair, return_inverse=True)
    n_wrong, n_reverse, n_moves = (np.bincount(index, weights=each) for each in (wrong, reverse, is_move))
    enough = (n_wrong >= _FEWEST) | ((n_reverse > 0) & (n_reverse >= _SHARE * n_moves))
    found: B1 = enough[index]
    return found


def _worst(giver: I8, taker: I8, lag_s: F8, wrong: B1, at_once: B1, n: int) -> tuple[int, float, B1] | None:
    """Return the unit with the largest share of impossible handovers, its offset [s], and a mask of them."""
    if not wrong.any():
        return None
    bad, exact = (np.bincount(np.concatenate((giver[m], taker[m])), minlength=n) for m in (wrong, at_once | wrong))
    partners = np.zeros(n, np.int64)
    pairs = np.unique(np.stack((giver[wrong], taker[wrong])), axis=1)
    np.add.at(partners, pairs.ravel(), 1)
    unit = int(np.argmax(bad * (bad / np.maximum(exact, 1)) * partners))
    mine = wrong & ((giver == unit) | (taker == unit))
    ahead = np.where(taker == unit, lag_s, -lag_s)[mine]
    sure = at_once[mine]
    return unit, float(np.median(ahead[sure] if sure.any() else ahead)), mine


def _handovers(log: EventLog, meta: Meta) -> tuple[I8, I8, I8, F8, B1]:
    """Return giver, taker, time of taking [µs], lag [s], and whether the lag must be 0; shapes (n,)."""
    role = np.array([unit.role for unit in meta.units])
    carrier, is_vehicle = np.isin(role, ("vehicle", "conveyor"))[log.unit], (role == "vehicle")[log.unit]
    operation = np.array([u.operation if u.role == "machine" else -1 for u in meta.units])
    carried = np.array([any(way.transport for way in o.inputs) for o in meta.operations] or [False])
    gives = np.isin(log.outcome, _GIVES)
    to = np.where(log.outcome == Outcome.ENTERED, topology.fed(meta)[log.unit], log.detail)
    gives &= (to >= 0) & (to < len(meta.operations))
    place = operation[log.unit]
    takes = ((log.outcome == Outcome.TOOK) | (log.outcome == Outcome.MERGED)) & ((place >= 0) | is_vehicle)
    for_op = np.where(is_vehicle, log.detail, place)
    # a carried part is handed over twice: to the carrier and by it
    layer_g = carrier
    layer_t = ~is_vehicle & carried[np.clip(for_op, 0, len(carried) - 1)] & (place >= 0)
    g, t = np.flatnonzero(gives), np.flatnonzero(takes)
    n_ops = len(meta.operations)
    key_g = (log.part[g].astype(np.int64) * n_ops + to[g]) * 2 + layer_g[g]
    key_t = (log.part[t].astype(np.int64) * n_ops + for_op[t]) * 2 + layer_t[t]
    i, j = _once_each(key_g, key_t)
    g, t = g[i], t[j]
    single = np.array([len(o.inputs) == 1 and o.inputs[0].quantity == 1 and o.batch == 1 for o in meta.operations])
    starved = _was(log, State.STARVED)[t] & (log.outcome[t] == Outcome.TOOK)
    at_once = starved & (place[t] >= 0) & single[np.maximum(place[t], 0)]
    at_once |= is_vehicle[t]  # the part leaves its machine when loading ends
    lag_s = (log.t_us[t] - log.t_us[g]) / 1e6
    return log.unit[g].astype(np.int64), log.unit[t].astype(np.int64), log.t_us[t], lag_s, at_once


def _releases(log: EventLog, meta: Meta) -> tuple[I8, I8, I8, F8, B1]:
    """Return what `_handovers` does, for parts that leave a blocked machine: another one has just been taken.

    Only where an operation has one input: then nothing else frees a place in its buffer.
    """
    machine_of = np.array([u.operation if u.role == "machine" else -1 for u in meta.units])
    single = [len(each.inputs) == 1 and not each.inputs[0].transport for each in meta.operations]
    place = machine_of[log.unit]
    gives = np.flatnonzero(_was(log, State.BLOCKED) & (log.outcome == Outcome.PASSED) & (place >= 0))
    takes = np.flatnonzero((log.outcome == Outcome.TOOK) & (place >= 0))
    found = []
    for to in np.flatnonzero(single).tolist():
        g, t = gives[log.detail[gives] == to], takes[place[takes] == to]
        if not len(g) or not len(t):
            continue
        after = (
            np.clip(np.searchsorted(log.t_us[t], log.t_us[g]), 1, len(t) - 1) if len(t) > 1 else np.zeros(len(g), int)
        )
        before = np.maximum(after - 1, 0)
        is_before = np.abs(log.t_us[t[before]] - log.t_us[g]) < np.abs(log.t_us[t[after]] - log.t_us[g])
        found.append((g, t[np.where(is_before, before, after)]))
    g, t = (np.concatenate([pair[k] for pair in found] or [np.empty(0, np.int64)]) for k in (0, 1))
    lag_s = (log.t_us[t] - log.t_us[g]) / 1e6
    return log.unit[g].astype(np.int64), log.unit[t].astype(np.int64), log.t_us[t], lag_s, np.ones(len(g), np.bool_)


def _once_each(one: I8, other: I8) -> tuple[I8, I8]:
    """Return the positions of the keys that occur exactly once in both."""
    singles = []
    for keys in (one, other):
        values, index, count = np.unique(keys, return_index=True, return_counts=True)
        singles.append((values[count == 1], index[count == 1]))
    _, i, j = np.intersect1d(singles[0][0], singles[1][0], assume_unique=True, return_indices=True)
    return singles[0][1][i], singles[1][1][j]


def _was(log: EventLog, before_it: State) -> B1:
    """Return whether the unit's previous row was in this state at an earlier time, shape (n,)."""
    order = np.argsort(log.unit, kind="stable")
    unit, state, t_us = log.unit[order], log.state[order], log.t_us[order]
    before = np.zeros(len(log), np.bool_)
    before[1:] = (unit[1:] == unit[:-1]) & (state[:-1] == before_it) & (t_us[1:] > t_us[:-1])
    out = np.empty(len(log), np.bool_)
    out[order] = before
    return out
