"""The order of rows within one instant."""
# mypy: allow-untyped-defs
# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0911, PLR0912, PLR0913 - compiled: Numba infers types; one argument a column

from __future__ import annotations

import numpy as np
from numba import njit

from factory_sim.plant.states import Outcome, State

_STARVED, _BUSY, _BLOCKED = int(State.STARVED), int(State.BUSY), int(State.BLOCKED)
_WAITING, _DOWN, _REPAIR = int(State.WAITING), int(State.DOWN), int(State.REPAIR)
_MAINTENANCE, _SETUP, _OFF = int(State.MAINTENANCE), int(State.SETUP), int(State.OFF)
_NONE, _TOOK, _MERGED = int(Outcome.NONE), int(Outcome.TOOK), int(Outcome.MERGED)
_PASSED, _REWORK, _SCRAPPED = int(Outcome.PASSED), int(Outcome.REWORK), int(Outcome.SCRAPPED)
_LEFT, _ENTERED, _LOST = int(Outcome.LEFT), int(Outcome.ENTERED), int(Outcome.LOST)
_MOVING_EMPTY, _MOVING_LOADED, _LOADING = int(State.MOVING_EMPTY), int(State.MOVING_LOADED), int(State.LOADING)
_EARLY = 1 << 40
LARGEST_INSTANT = 4096  # rows of one instant that are put in order; more come from no line, and cost their square


@njit(cache=True)
def arrange(t_us, unit, seq, state, part, outcome, detail, role, operation, fed, buffer, capacity, n_parts, order):
    """Put rows of one instant into the order in which the line makes its moves; rows come sorted by (t, unit, seq).

    buffer (n_operations, n_units): the buffer a unit's part goes to, -1 where its room is not known; capacity
    (n_buffers,), 0: no waiting places. `order` (n,) receives row indices. First rows, then repairs and people, then
    moves, always the most downstream possible one, then the states that nothing else explains.
    """
    n_units = len(role)
    last = np.full(n_units, -1)
    offered_us = np.zeros(n_units, np.int64)
    held = np.zeros(len(capacity), np.int64)
    lies = np.full(n_parts, -1)  # the buffer a part lies in
    needs, leads = np.full(len(t_us), -1), np.full(len(t_us), -1)
    after = np.full(len(t_us), -1)  # the carrier's row that follows the row which gave it the part
    client = np.full(n_units, -1)  # whom a member of a pool serves
    load, most = np.zeros(n_units, np.int64), _fullest(t_us, unit, outcome, n_units)  # parts on each carrier
    done = np.zeros(len(t_us), np.bool_)
    n, i = 0, 0
    while i < len(t_us):
        j = i + 1
        while j < len(t_us) and t_us[j] == t_us[i]:
            j += 1
        choose = unit[i] != unit[j - 1] and j - i <= LARGEST_INSTANT
        if choose:
            _find_needs(i, j, unit, part, outcome, detail, state, role, operation, needs, leads, after)
        stop, head, level = n + j - i, i, -2
        while n < stop:
            if choose:
                h = _choose(i, j, t_us, unit, seq, state, outcome, detail, role, operation, fed, buffer, capacity,
                            last, offered_us, client, held, load, most, needs, leads, after, done, level)
                carried = after[h] >= 0 and state[after[h]] == _MOVING_LOADED
                if outcome[h] not in (_NONE, _LOST) and not carried and state[h] in (_STARVED, _BUSY, _BLOCKED):
                    level = _target(h, outcome, detail, unit, operation, fed)
            else:
                h, head = head, head + 1
            while True:  # a join's and a furnace's parts are taken together, a carrier takes what it is given at once
                order[n] = h
                n += 1
                done[h] = True
                load[unit[h]] += int(outcome[h] == _TOOK) - int(outcome[h] == _PASSED)
                _note(h, t_us, unit, state, part, outcome, detail, operation, fed, buffer, last, offered_us, held, lies)
                if role[unit[h]] == 2:
                    client[unit[h]] = detail[h] if state[h] == _BUSY else -1
                f, h = after[h], h + 1
                if f >= 0 and not done[f] and (unit[f - 1] != unit[f] or done[f - 1]):
                    h = f
                    continue
                if not (choose and h < j and unit[h] == unit[h - 1] and role[unit[h]] == 1 and not done[h]):
                    break
                if outcome[h - 1] not in (_TOOK, _MERGED) or outcome[h] not in (_TOOK, _MERGED):
                    break
        i = j


@njit(cache=True)
def _fullest(t_us, unit, outcome, n_units):
    # the most parts each carrier held between instants: a full belt's capacity, which nobody tells us
    load, most = np.zeros(n_units, np.int64), np.zeros(n_units, np.int64)
    for i in range(len(t_us)):
        load[unit[i]] += int(outcome[i] == _TOOK) - int(outcome[i] == _PASSED)
        if i + 1 == len(t_us) or unit[i + 1] != unit[i] or t_us[i + 1] != t_us[i]:
            most[unit[i]] = max(most[unit[i]], load[unit[i]])
    return most


@njit(cache=True)
def _target(h, outcome, detail, unit, operation, fed):
    # where a move happens: parts given count at their destination, the exit is above all operations
    if outcome[h] == _ENTERED:
        return fed[unit[h]]
    if outcome[h] in (_PASSED, _REWORK):
        return detail[h]
    return 1 << 20 if outcome[h] in (_SCRAPPED, _LEFT) else operation[unit[h]]


@njit(cache=True)
def _note(h, t_us, unit, state, part, outcome, detail, operation, fed, buffer, last, offered_us, held, lies):
    u, p, o = unit[h], part[h], outcome[h]
    if _PASSED <= o <= _ENTERED or (last[u] >= 0 and state[last[u]] == _BUSY and state[h] != _BUSY):
        offered_us[u] = t_us[h]
    last[u] = h
    if p < 0:
        return
    if o in (_TOOK, _MERGED) and lies[p] >= 0:
        held[lies[p]] -= 1
        lies[p] = -1
    elif o in (_PASSED, _REWORK, _ENTERED):
        d = _target(h, outcome, detail, unit, operation, fed)
        if lies[p] >= 0:  # among opening rows the way between may be missing
            held[lies[p]] -= 1
        lies[p] = buffer[d, u] if 0 <= d < len(buffer) else -1
        if lies[p] >= 0:
            held[lies[p]] += 1


@njit(cache=True)
def _find_needs(i, j, unit, part, outcome, detail, state, role, operation, needs, leads, after):
    # needs[h]: row of this instant that must stand before h; leads[k]: the take that pool row k directly precedes
    for h in range(i, j):
        for k in range(i, j):
            if unit[k] == unit[h]:
                continue
            sent = role[unit[k]] == 2 and state[k] == _BUSY and detail[k] == unit[h]
            if outcome[h] in (_TOOK, _MERGED):
                gives = outcome[k] in (_PASSED, _REWORK, _ENTERED) and part[k] == part[h]
                if gives and (role[unit[h]] != 1 or outcome[k] == _ENTERED or detail[k] == operation[unit[h]]):
                    needs[h] = k
                    if role[unit[h]] == 3:
                        after[k] = h
                if sent and outcome[h] == _TOOK and leads[k] < 0:
                    leads[k] = h
            elif sent and outcome[h] == _NONE and state[h] == _MAINTENANCE:
                leads[k] = h
            elif sent and outcome[h] == _NONE and state[h] in (_REPAIR, _BUSY, _SETUP):
                needs[h] = k


@njit(cache=True)
def _choose(i, j, t_us, unit, seq, state, outcome, detail, role, operation, fed, buffer, capacity, last, offered_us,
            client, held, load, most, needs, leads, after, done, level):
    best, key = -1, (0, 0, np.int64(0), 0)
    for strict in (True, False):  # with lost rows no move may look possible: then take the first anyway
        for h in range(i, j):
            u, o = unit[h], outcome[h]
            if done[h] or (h > i and unit[h - 1] == u and not done[h - 1]):
                continue
            if strict and leads[h] >= 0 and not done[leads[h]]:
                continue
            moves = o not in (_NONE, _LOST)
            at = _target(h, outcome, detail, unit, operation, fed) if moves else operation[u]
            b, taker = -1, unit[after[h]] if after[h] >= 0 else -1
            if 0 <= at < len(buffer) and _PASSED <= o <= _ENTERED:
                b = buffer[at, u if taker < 0 else taker]
            if strict and not _ready(h, j, unit, outcome, needs, done):
                continue
            was = state[last[u]] if last[u] >= 0 else _STARVED
            carried = taker >= 0 and state[after[h]] == _MOVING_LOADED  # given when loading ends
            if strict and taker >= 0 and not carried and load[taker] >= most[taker]:
                continue
            if strict and taker < 0 <= b and held[b] >= (capacity[b] or _free(at, operation, state, last)):
                continue
            since = t_us[h]
            if _PASSED <= o <= _ENTERED and was != _BUSY:
                since = offered_us[u]
            elif (o == _TOOK or state[h] == _MAINTENANCE) and last[u] >= 0:
                since = t_us[last[u]]
            elif role[u] == 2 and state[h] == _BUSY and 0 <= detail[h] < len(last) and last[detail[h]] >= 0:
                was = state[last[detail[h]]]
            major = _major(seq[h], state[h], o, was, role[u], at, needs[h] >= 0, level)
            if carried:
                major, u = _EARLY + 4, taker
            elif major == _EARLY + 5:  # robots and crews serve one after the other
                b = u if role[u] == 2 else unit[needs[h]]
            mine = (major, 2 * b + int(taker >= 0), since, _rank(u, state[h], detail[h], role, client))
            if best < 0 or mine < key:
                best, key = h, mine
        if best >= 0:
            break
    for k in range(i, j):
        if leads[k] == best and not done[k] and (k == i or unit[k - 1] != unit[k] or done[k - 1]):
            return k
    return best


@njit(cache=True)
def _ready(h, j, unit, outcome, needs, done):
    # what must stand before h, and before what is taken together with h, stands
    k = h
    while k < j and unit[k] == unit[h] and (k == h or (outcome[h] == _TOOK and outcome[k] in (_TOOK, _MERGED))):
        if needs[k] >= 0 and not done[needs[k]]:
            return False
        k += 1
    return True


@njit(cache=True)
def _free(at, operation, state, last):
    # machines of an operation that could take a part now: the room of a buffer without places
    free = 0
    for v in range(len(last)):
        free += operation[v] == at and last[v] >= 0 and state[last[v]] == _STARVED
    return free


@njit(cache=True)
def _rank(u, state, detail, role, client):
    # units in order; a pool member comes just before the unit it is sent to and just after the one it leaves
    if role[u] != 2:
        return 4 * u
    if state == _BUSY:
        return 4 * detail - 1
    return 4 * client[u] + 1 if client[u] >= 0 else 4 * u


@njit(cache=True)
def _major(seq, state, outcome, was, role, at, granted, level):
    # phase of the instant; of the moves those at the place under way first, then at the most downstream one; there
    # buffers are filled before machines take from them
    early, move, dispatch, late = _EARLY, 2 << 40, 3 << 40, 4 << 40
    if seq == 0 and outcome == _NONE:
        return 0
    if role == 3:
        if outcome == _NONE and state in (_MOVING_EMPTY, _LOADING) and was not in (_MOVING_EMPTY, _MOVING_LOADED):
            return dispatch
        if state != _BLOCKED and (outcome == _NONE or was == _LOADING):
            return early + 4
    if outcome not in (_NONE, _LOST) or (state == _MAINTENANCE and was == _STARVED):
        kind = 2 if outcome == _TOOK else int(state == _MAINTENANCE)
        return move + (0 if at == level else 4 * ((1 << 21) - at)) + kind
    stopped = state in (_BLOCKED, _DOWN) or (state == _WAITING and was in (_BUSY, _BLOCKED))
    if outcome == _LOST or (stopped and was not in (_REPAIR, _OFF)):
        return late
    if was == _OFF:
        return early
    if was != _REPAIR and (granted or (role == 2 and state == _BUSY)):
        return early + 5
    if role == 2:
        return early + 1
    if state == _BUSY and was not in (_STARVED, _REPAIR):
        return early + 2
    return early + (1 if was == _REPAIR else 3 if state == _REPAIR else 0)
