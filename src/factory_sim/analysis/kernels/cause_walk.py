"""Which row enabled which, and the walk back over them."""
# mypy: allow-untyped-defs
# ruff: noqa: PLR0911 - compiled: types are inferred, one branch a rule

from __future__ import annotations

import numpy as np

from factory_sim.analysis.kernels.row_tables import (
    BLOCKED,
    BUSY,
    CARRIER,
    DETAIL,
    ENTERED,
    FED,
    LEFT,
    LOADING,
    MACHINE,
    MERGED,
    MOVING_EMPTY,
    NONE,
    OPERATION,
    OUTCOME,
    PART,
    PASSED,
    POOL,
    REWORK,
    ROLE,
    SETUP,
    STARVED,
    STATE,
    TOOK,
    UNIT,
    T,
)
from factory_sim.jit import njit

# what is known of a unit so far: its last row, since when its part could go on, whom it serves, the row of the pool
# member sent to it, the last row by which a part of this source left the line
_LAST, _OFFERED, _CLIENT, _SENT, _GONE = range(5)
_ARRIVED, _ORIGIN = range(2)  # of a part: the row that brought it, its source


@njit
def infer(rows, units, direct, now, room, parts, before, cause):
    """Fill `cause` (n,) by the rules of docs/design.md for rows (n, 7), parts counted from 0 without gaps, -1 for none.

    units (n_units, 3); direct (n_operations, n_units): what the unit sends there needs a free machine. Memory that
    comes as -1: now (n_units, 5); room (n_operations,), the first row of the last take, which made room; parts
    (n_parts, 2); before (n,), the same unit's row before this one.
    """
    for i in range(len(rows)):
        u, o, p = rows[i, UNIT], rows[i, OUTCOME], rows[i, PART]
        own = before[i] = now[u, _LAST]
        if own >= 0 and rows[own, STATE] == BUSY and rows[i, STATE] != BUSY:
            now[u, _OFFERED] = rows[i, T]
        cause[i] = _enabler(i, rows, units, direct, now, room, parts, cause)
        if o == TOOK and units[u, ROLE] == CARRIER and p >= 0 and parts[p, _ARRIVED] >= 0:
            _call(own, parts[p, _ARRIVED], rows, before, cause)
        if o == TOOK and units[u, OPERATION] >= 0 and (own < 0 or cause[own] != cause[i] or rows[own, OUTCOME] != TOOK):
            room[units[u, OPERATION]] = i
        now[u, _LAST] = i
        if p >= 0 and (PASSED <= o <= REWORK or o == ENTERED):
            parts[p, _ARRIVED], now[u, _OFFERED] = i, rows[i, T]
            if o == ENTERED:
                parts[p, _ORIGIN] = u
        elif p >= 0 and (o == MERGED or REWORK < o <= LEFT) and parts[p, _ORIGIN] >= 0:
            now[parts[p, _ORIGIN], _GONE] = i


@njit
def _enabler(i, rows, units, direct, now, room, parts, cause):
    row = rows[i]
    u, o, t, role = row[UNIT], row[OUTCOME], row[T], units[row[UNIT], ROLE]
    own = now[u, _LAST]
    if role == POOL:
        return _of_pool(i, rows, units, now)
    if o == ENTERED:
        return _entry(row, rows, units, direct, now, room)
    again = own >= 0 and rows[own, OUTCOME] == o
    if again and ((o == TOOK and role == MACHINE and rows[own, T] == t) or o == MERGED):
        return cause[own]  # a furnace's or a join's next part
    if o == TOOK:
        return _latest_arrival(i, rows, parts, own)
    if PASSED <= o <= LEFT and own >= 0 and now[u, _OFFERED] < t:  # the part had to wait
        after = rows[i + 1] if i + 1 < len(rows) else row
        if units[after[UNIT], ROLE] == CARRIER and after[PART] == row[PART] and after[UNIT] != u:
            return max(own, now[after[UNIT], _LAST])
        waited = role == MACHINE or rows[own, STATE] == BLOCKED
        if o <= REWORK and waited and 0 <= row[DETAIL] < len(direct):
            return max(own, _room(row[DETAIL], u, rows, units, direct, now, room))
    sent = now[u, _SENT]
    if o == NONE and sent >= 0 and rows[sent, T] == t and rows[own, STATE] != SETUP:  # it had to be called
        return max(own, sent)
    return own


@njit
def _of_pool(i, rows, units, now):
    u, served = rows[i, UNIT], rows[i, DETAIL]
    if rows[i, STATE] == BUSY and 0 <= served < len(now) and units[served, ROLE] == MACHINE:
        now[u, _CLIENT] = served
        now[served, _SENT] = i
    client = now[u, _CLIENT]
    if rows[i, STATE] != BUSY:
        now[u, _CLIENT] = -1
    return max(now[u, _LAST], now[client, _LAST]) if client >= 0 else now[u, _LAST]


@njit
def _entry(row, rows, units, direct, now, room):
    u, t = row[UNIT], row[T]
    own, d, gone = now[u, _LAST], units[u, FED], now[u, _GONE]
    if own < 0 or rows[own, STATE] != BLOCKED or d < 0:
        return own
    best = max(own, _room(d, u, rows, units, direct, now, room))
    if rows[best, T] < t and gone >= 0 and rows[gone, T] == t:  # neither place nor arrival: a card came back
        return gone
    return best


@njit
def _room(d, u, rows, units, direct, now, room):
    # the row that made room at operation d: a take, or where nothing can wait the machine idle longest becoming so
    best = np.int64(-1)
    for v in range(len(units) if direct[d, u] else 0):
        last = now[v, _LAST]
        if units[v, OPERATION] == d and last >= 0 and rows[last, STATE] == STARVED:
            best = last if best < 0 or rows[last, T] < rows[best, T] else best
    return best if best >= 0 else room[d]


@njit
def _latest_arrival(i, rows, parts, own):
    # of all parts taken together
    best, k = own, i
    while k < len(rows) and rows[k, UNIT] == rows[i, UNIT] and rows[k, T] == rows[i, T]:
        if not TOOK <= rows[k, OUTCOME] <= MERGED:
            break
        if rows[k, PART] >= 0:
            best = max(best, parts[rows[k, PART], _ARRIVED])
        k += 1
    return best


@njit
def _call(row, given, rows, before, cause):
    # a carrier set out when it was free and the part's holder had called: find its first row of this trip
    while row >= 0 and _sets_out(before[row], rows):
        row = before[row]
    if _sets_out(row, rows):
        caller = before[given]
        while caller > row:
            caller = before[caller]
        cause[row] = max(cause[row], caller)


@njit
def _sets_out(row, rows):
    return row >= 0 and rows[row, OUTCOME] == NONE and MOVING_EMPTY <= rows[row, STATE] <= LOADING


@njit
def walk(t_us, unit, cause, last, t0_us, out_us):
    """Walk back over `cause` from row `last` to t0; a step's time goes to the earlier row's unit, out_us (n_units,)."""
    i = last
    while t_us[i] > t0_us:
        j = cause[i]
        if not 0 <= j < i:
            return
        out_us[unit[j]] += t_us[i] - max(t_us[j], t0_us)
        i = j


@njit
def blame(t_us, unit, state, outcome, cause, operation, waits, t0_us, t1_us, out_us):
    """Whose work each waiting stretch within [t0, t1) waited for; out_us (n_operations, n_kinds, n_units + 1).

    waits (N_STATES,): the kind of waiting in each state, -1 for none. A stretch of a machine that ends by taking or
    giving a part is walked back over `cause` to its beginning, each step's time goes to the unit of the earlier row;
    what the walk does not reach, and stretches that end otherwise, go to the last column.
    """
    n_units = len(operation)
    last = np.full(n_units, -1)
    for i in range(len(t_us) + n_units):
        u = unit[i] if i < len(t_us) else i - len(t_us)
        end = min(t_us[i], t1_us) if i < len(t_us) else t1_us
        kind = waits[state[last[u]]] if last[u] >= 0 and operation[u] >= 0 else -1
        if kind >= 0:
            begin = max(t_us[last[u]], t0_us)
            row = i if i < len(t_us) and outcome[i] != NONE and t_us[i] <= t1_us else -1
            while row >= 0 and end > begin:
                row = cause[row] if cause[row] < row else -1
                if row >= 0 and t_us[row] < end:
                    out_us[operation[u], kind, unit[row]] += end - max(t_us[row], begin)
                    end = max(t_us[row], begin)
            if end > begin:
                out_us[operation[u], kind, n_units] += end - begin
        if i < len(t_us):
            last[u] = i
