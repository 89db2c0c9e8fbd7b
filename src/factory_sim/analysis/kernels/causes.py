"""Which row enabled which, and the walk back over them."""
# mypy: allow-untyped-defs
# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0912, PLR0913, SIM102 - compiled: Numba infers types; one argument a column, one branch a rule

from __future__ import annotations

import numpy as np
from numba import njit

from factory_sim.plant.states import Outcome, State

_STARVED, _BUSY, _BLOCKED = int(State.STARVED), int(State.BUSY), int(State.BLOCKED)
_MOVING_EMPTY, _LOADING, _SETUP = int(State.MOVING_EMPTY), int(State.LOADING), int(State.SETUP)
_NONE, _TOOK, _MERGED = int(Outcome.NONE), int(Outcome.TOOK), int(Outcome.MERGED)
_PASSED, _REWORK, _SCRAPPED = int(Outcome.PASSED), int(Outcome.REWORK), int(Outcome.SCRAPPED)
_LEFT, _ENTERED = int(Outcome.LEFT), int(Outcome.ENTERED)


@njit(cache=True)
def infer(t_us, unit, state, part, outcome, detail, role, operation, fed, direct, n_parts, cause):
    """Fill `cause` (n,) by the rules of docs/design.md; `part` counts from 0 without gaps, -1 for none.

    role (n_units,): 0 source, 1 machine, 2 member of a pool, 3 carrier; operation and fed (n_units,): where a machine
    stands, where a source's parts go; direct (n_operations, n_units): what the unit sends there needs a free machine.
    """
    last = np.full(len(role), -1)  # each unit's last row
    before = np.full(len(t_us), -1)  # the same unit's row before this one
    offered_us = np.zeros(len(role), np.int64)  # since when its part could go on
    client = np.full(len(role), -1)  # whom a pool member serves
    sent = np.full(len(role), -1)  # row of the pool member sent to a machine
    room = np.full(len(direct), -1)  # first row of the last take at an operation: it made room
    arrived = np.full(n_parts, -1)  # row that brought the part
    origin = np.full(n_parts, -1)  # the source of a part
    gone = np.full(len(role), -1)  # last row by which a part of this source left the line
    for i in range(len(t_us)):
        u, o, t, p = unit[i], outcome[i], t_us[i], part[i]
        own = last[u]
        before[i], best = own, own
        if own >= 0 and state[own] == _BUSY and state[i] != _BUSY:
            offered_us[u] = t
        waited = own >= 0 and offered_us[u] < t
        if role[u] == 2:
            best = _of_pool(i, own, state, detail, unit, last, client, sent)
        elif o == _ENTERED and own >= 0 and state[own] == _BLOCKED and fed[u] >= 0:
            best = max(own, _room(fed[u], u, room, direct, t_us, state, operation, last))
            if t_us[best] < t and gone[u] >= 0 and t_us[gone[u]] == t:  # neither place nor arrival: a card came back
                best = gone[u]
        elif o == _TOOK and own >= 0 and t_us[own] == t and outcome[own] == _TOOK and role[u] == 1:
            best = cause[own]  # a furnace's next part
        elif o == _TOOK:
            best = _latest_arrival(i, t_us, unit, part, outcome, arrived, own)
            if operation[u] >= 0:
                room[operation[u]] = i
            if role[u] == 3 and p >= 0 and arrived[p] >= 0:
                _call(own, arrived[p], state, outcome, before, cause)
        elif o == _MERGED and own >= 0 and outcome[own] == _MERGED:
            best = cause[own]
        elif _PASSED <= o <= _LEFT and waited and i + 1 < len(t_us) and role[unit[i + 1]] == 3 and part[i + 1] == p:
            best = max(own, last[unit[i + 1]])
        elif o in (_PASSED, _REWORK) and waited and 0 <= detail[i] < len(direct):
            if role[u] == 1 or state[own] == _BLOCKED:
                best = max(own, _room(detail[i], u, room, direct, t_us, state, operation, last))
        elif o == _NONE and sent[u] >= 0 and t_us[sent[u]] == t and state[own] != _SETUP:  # it had to be called
            best = max(own, sent[u])
        cause[i], last[u] = best, i
        if p >= 0 and o in (_PASSED, _REWORK, _ENTERED):
            arrived[p], offered_us[u] = i, t
        if p >= 0 and o == _ENTERED:
            origin[p] = u
        elif p >= 0 and o in (_SCRAPPED, _LEFT, _MERGED) and origin[p] >= 0:
            gone[origin[p]] = i


@njit(cache=True)
def _sets_out(row, state, outcome):
    return row >= 0 and outcome[row] == _NONE and state[row] in (_MOVING_EMPTY, _LOADING)


@njit(cache=True)
def _room(d, u, room, direct, t_us, state, operation, last):
    # the row that made room at operation d: a take, or where nothing can wait the machine idle longest becoming so
    if not direct[d, u]:
        return room[d]
    best = -1
    for v in range(len(last)):
        if operation[v] == d and last[v] >= 0 and state[last[v]] == _STARVED:
            if best < 0 or t_us[last[v]] < t_us[best]:
                best = last[v]
    return best if best >= 0 else room[d]


@njit(cache=True)
def _of_pool(i, own, state, detail, unit, last, client, sent):
    u = unit[i]
    if state[i] == _BUSY and 0 <= detail[i] < len(last):
        client[u] = detail[i]
        sent[detail[i]] = i
    best = max(own, last[client[u]]) if client[u] >= 0 else own
    if state[i] != _BUSY:
        client[u] = -1
    return best


@njit(cache=True)
def _call(row, given, state, outcome, before, cause):
    # a carrier set out when it was free and the part's holder had called: find its first row of this trip
    while row >= 0 and _sets_out(before[row], state, outcome):
        row = before[row]
    if _sets_out(row, state, outcome):
        caller = before[given]
        while caller > row:
            caller = before[caller]
        cause[row] = max(cause[row], caller)


@njit(cache=True)
def _latest_arrival(i, t_us, unit, part, outcome, arrived, own):
    best = own
    k = i
    while k < len(t_us) and unit[k] == unit[i] and t_us[k] == t_us[i] and outcome[k] in (_TOOK, _MERGED):
        if part[k] >= 0:
            best = max(best, arrived[part[k]])
        k += 1
    return best


@njit(cache=True)
def walk(t_us, unit, cause, last, t0_us, out_us):
    """Walk back over `cause` from row `last` to t0; a step's time goes to the earlier row's unit, out_us (n_units,)."""
    i = last
    while t_us[i] > t0_us:
        j = cause[i]
        if not 0 <= j < i:
            return
        out_us[unit[j]] += t_us[i] - max(t_us[j], t0_us)
        i = j


@njit(cache=True)
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
            row = i if i < len(t_us) and outcome[i] != _NONE and t_us[i] <= t1_us else -1
            while row >= 0 and end > begin:
                row = cause[row] if cause[row] < row else -1
                if row >= 0 and t_us[row] < end:
                    out_us[operation[u], kind, unit[row]] += end - max(t_us[row], begin)
                    end = max(t_us[row], begin)
            if end > begin:
                out_us[operation[u], kind, n_units] += end - begin
        if i < len(t_us):
            last[u] = i
