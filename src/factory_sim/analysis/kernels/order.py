"""The order of rows within one instant."""
# mypy: allow-untyped-defs
# ruff: noqa: PLR0911 - compiled: types are inferred, loops are one pass

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.kernels.row_tables import (
    BLOCKED,
    BUSY,
    CARRIER,
    DETAIL,
    DOWN,
    ENTERED,
    FED,
    LEFT,
    LOADING,
    LOST,
    MACHINE,
    MAINTENANCE,
    MERGED,
    MOVING_EMPTY,
    MOVING_LOADED,
    NONE,
    OFF,
    OPERATION,
    OUTCOME,
    PART,
    PASSED,
    POOL,
    REPAIR,
    REWORK,
    ROLE,
    SCRAPPED,
    SEQ,
    SETUP,
    STARVED,
    STATE,
    TOOK,
    UNIT,
    WAITING,
    T,
)
from factory_sim.jit import njit

if TYPE_CHECKING:
    from factory_sim.records import I8

LARGEST_INSTANT = 4096  # rows of one instant that are put in order; more come from no line, and cost their square
_EARLY, _MOVE, _DISPATCH, _LATE = 1 << 40, 2 << 40, 3 << 40, 4 << 40  # phases of an instant
_EXIT = 1 << 20
# what is known of a unit so far: its last row, since when its part could go on, whom it serves, parts it carries
_LAST, _OFFERED, _CLIENT, _LOAD, _MOST = range(5)
# of a row: a row that must stand before it, the take it directly precedes, the carrier's row that follows it, placed
_NEEDS, _LEADS, _AFTER, _DONE = range(4)
_CAPACITY, _HELD = range(2)  # of a buffer


def start(n_rows: int, n_units: int, n_parts: int, capacity: I8) -> tuple[I8, I8, I8, I8]:
    """What `arrange` works with before the first row; made here because allocating compiles slowly (2.5 of 7 s)."""
    shapes = ((len(capacity), 2), (n_units, 5), (n_rows, 4))
    buffers, now, links = (np.zeros(shape, np.int64) for shape in shapes)
    buffers[:, _CAPACITY] = capacity
    now[:, [_LAST, _CLIENT]] = -1
    links[:, [_NEEDS, _LEADS, _AFTER]] = -1
    return buffers, now, links, np.full(n_parts, -1)  # the last: the buffer a part lies in


@njit
def arrange(rows, units, way, buffers, now, links, lies, order):
    """Put rows (n, 7) of one instant into the order in which the line makes its moves; they come by (t, unit, seq).

    way (n_operations, n_units): the buffer a unit's part goes to, -1 where its room is not known. Memory that comes
    from `start`: buffers (n_buffers, 2), now (n_units, 5), links (n, 4), lies (n_parts,). `order` (n,) receives row
    indices: first rows, then repairs and people, then moves, always the most downstream possible one, then the states
    that nothing else explains.
    """
    _count_fullest(rows, now)
    i = np.int64(0)
    while i < len(rows):
        j = i + 1
        while j < len(rows) and rows[j, T] == rows[i, T]:
            j += 1
        if rows[i, UNIT] == rows[j - 1, UNIT] or j - i > LARGEST_INSTANT:
            for h in range(i, j):
                order[h] = h
                _note(h, rows, units, way, now, buffers, lies)
        else:
            _link(i, j, rows, units, links)
            n, level = i, np.int64(-2)
            while n < j:
                h = _choose(i, j, rows, links, units, now, way, buffers, level)
                level = _level(h, rows, links, units, level)
                while h >= 0:
                    order[n], links[h, _DONE] = h, 1
                    n += 1
                    _note(h, rows, units, way, now, buffers, lies)
                    h = _follower(h, j, rows, links, units)
        i = j


@njit
def _count_fullest(rows, now):
    # the most parts each carrier held between instants: a full belt's capacity, which nobody tells us
    for i in range(len(rows)):
        u = rows[i, UNIT]
        now[u, _LOAD] += int(rows[i, OUTCOME] == TOOK) - int(rows[i, OUTCOME] == PASSED)
        if i + 1 == len(rows) or rows[i + 1, UNIT] != u or rows[i + 1, T] != rows[i, T]:
            now[u, _MOST] = max(now[u, _MOST], now[u, _LOAD])
    for u in range(len(now)):
        now[u, _LOAD] = 0


@njit
def _target(h, rows, units):
    # where a move happens: parts given count at their destination, the exit is above all operations
    if rows[h, OUTCOME] == ENTERED:
        return units[rows[h, UNIT], FED]
    if rows[h, OUTCOME] == PASSED or rows[h, OUTCOME] == REWORK:
        return rows[h, DETAIL]
    return np.int64(_EXIT) if SCRAPPED <= rows[h, OUTCOME] <= LEFT else units[rows[h, UNIT], OPERATION]


@njit
def _note(h, rows, units, way, now, buffers, lies):
    # carry the state of units and buffers past row h
    u, p, o, last = rows[h, UNIT], rows[h, PART], rows[h, OUTCOME], now[rows[h, UNIT], _LAST]
    if PASSED <= o <= ENTERED or (last >= 0 and rows[last, STATE] == BUSY and rows[h, STATE] != BUSY):
        now[u, _OFFERED] = rows[h, T]
    now[u, _LAST] = h
    now[u, _LOAD] += int(o == TOOK) - int(o == PASSED)
    if units[u, ROLE] == POOL:
        now[u, _CLIENT] = rows[h, DETAIL] if rows[h, STATE] == BUSY else -1
    takes, gives = TOOK <= o <= MERGED, PASSED <= o <= REWORK or o == ENTERED
    if p < 0 or not (takes or gives):
        return
    if lies[p] >= 0:
        buffers[lies[p], _HELD] -= 1
    d = _target(h, rows, units)
    lies[p] = way[d, u] if gives and 0 <= d < len(way) else -1
    if lies[p] >= 0:
        buffers[lies[p], _HELD] += 1


@njit
def _link(i, j, rows, units, links):
    for h in range(i, j):
        u, o, state = rows[h, UNIT], rows[h, OUTCOME], rows[h, STATE]
        takes = TOOK <= o <= MERGED
        for k in range(i, j):
            other, given = rows[k, UNIT], rows[k, OUTCOME]
            if other == u:
                continue
            sent = units[other, ROLE] == POOL and rows[k, STATE] == BUSY and rows[k, DETAIL] == u
            gives = PASSED <= given <= REWORK or given == ENTERED
            if takes and gives and rows[k, PART] == rows[h, PART]:
                if units[u, ROLE] == CARRIER:
                    links[k, _AFTER] = h
                if units[u, ROLE] != MACHINE or given == ENTERED or rows[k, DETAIL] == units[u, OPERATION]:
                    links[h, _NEEDS] = k
            elif sent and (o == TOOK or (o == NONE and state == MAINTENANCE)) and links[k, _LEADS] < 0:
                links[k, _LEADS] = h
            elif sent and o == NONE and state in (SETUP, BUSY, REPAIR):
                links[h, _NEEDS] = k


@njit
def _choose(i, j, rows, links, units, now, way, buffers, level):
    best, key = np.int64(-1), (np.int64(0), np.int64(0), np.int64(0), np.int64(0))
    for strict in (True, False):  # with lost rows no move may look possible: then take the first anyway
        for h in range(i, j):
            u = rows[h, UNIT]
            if links[h, _DONE] or (h > i and rows[h - 1, UNIT] == u and not links[h - 1, _DONE]):
                continue
            leads, b, taker = links[h, _LEADS], _place(h, rows, links, units, way), _taker(h, rows, links)
            if strict and ((leads >= 0 and not links[leads, _DONE]) or not _ready(h, j, rows, links)):
                continue
            if strict and not _room(h, b, taker, rows, units, now, buffers):
                continue
            mine = _key(h, b, taker, rows, links, units, now, level)
            if best < 0 or mine < key:
                best, key = np.int64(h), mine
        if best >= 0:
            break
    for k in range(i, j):
        free = k == i or rows[k - 1, UNIT] != rows[k, UNIT] or links[k - 1, _DONE]
        if links[k, _LEADS] == best and not links[k, _DONE] and free:
            return np.int64(k)
    return best


@njit
def _place(h, rows, links, units, way):
    # the buffer a given part goes to, by itself or on a conveyor
    o, after = rows[h, OUTCOME], links[h, _AFTER]
    at = _target(h, rows, units) if PASSED <= o <= ENTERED else np.int64(-1)
    if not 0 <= at < len(way):
        return np.int64(-1)
    return np.int64(way[at, rows[h, UNIT] if after < 0 else rows[after, UNIT]])


@njit
def _taker(h, rows, links):
    # the conveyor that takes a given part at once, else -1; vehicles take theirs when loading ends
    after = links[h, _AFTER]
    return rows[after, UNIT] if after >= 0 and rows[after, STATE] != MOVING_LOADED else np.int64(-1)


@njit
def _ready(h, j, rows, links):
    # what must stand before h, and before what is taken together with h, stands
    k = h
    while k < j and rows[k, UNIT] == rows[h, UNIT]:
        together = rows[h, OUTCOME] == TOOK and TOOK <= rows[k, OUTCOME] <= MERGED
        if k > h and not together:
            break
        if links[k, _NEEDS] >= 0 and not links[links[k, _NEEDS], _DONE]:
            return False
        k += 1
    return True


@njit
def _room(h, b, taker, rows, units, now, buffers):
    if taker >= 0:
        return now[taker, _LOAD] < now[taker, _MOST]
    if b < 0:
        return True
    if buffers[b, _CAPACITY] > 0:
        return buffers[b, _HELD] < buffers[b, _CAPACITY]
    free, at = -buffers[b, _HELD], _target(h, rows, units)  # without places a part needs a machine that could take it
    for v in range(len(units)):
        last = now[v, _LAST]
        free += int(units[v, OPERATION] == at and last >= 0 and rows[last, STATE] == STARVED)
    return free > 0


@njit
def _key(h, b, taker, rows, links, units, now, level):
    # phase and place, buffer, since when, unit: the smallest goes first
    u, o, last = rows[h, UNIT], rows[h, OUTCOME], now[rows[h, UNIT], _LAST]
    was = rows[last, STATE] if last >= 0 else np.int64(STARVED)
    since = rows[h, T]
    if PASSED <= o <= ENTERED and was != BUSY:
        since = now[u, _OFFERED]
    elif (o == TOOK or rows[h, STATE] == MAINTENANCE) and last >= 0:
        since = rows[last, T]
    elif units[u, ROLE] == POOL and rows[h, STATE] == BUSY and 0 <= rows[h, DETAIL] < len(units):
        served = now[rows[h, DETAIL], _LAST]
        was = rows[served, STATE] if served >= 0 else was
    phase = _phase(h, rows, was, units, links[h, _NEEDS] >= 0, level)
    if links[h, _AFTER] >= 0 and taker < 0:  # a vehicle's loading ends
        return np.int64(_EARLY + 4), np.int64(-1), since, 4 * rows[links[h, _AFTER], UNIT]
    if phase == _EARLY + 5:  # robots and crews serve one after the other
        b = u if units[u, ROLE] == POOL else rows[links[h, _NEEDS], UNIT]
    rank = 4 * u  # a pool's member comes just before the unit it is sent to and just after the one it leaves
    if units[u, ROLE] == POOL and rows[h, STATE] == BUSY:
        rank = 4 * rows[h, DETAIL] - 1
    elif units[u, ROLE] == POOL and now[u, _CLIENT] >= 0:
        rank = 4 * now[u, _CLIENT] + 1
    return phase, np.int64(2 * b + int(taker >= 0)), since, rank


@njit
def _phase(h, rows, was, units, granted, level):
    # of the moves those at the place under way first, then at the most downstream one; there buffers are filled before
    # machines take from them
    state, o, role = rows[h, STATE], rows[h, OUTCOME], units[rows[h, UNIT], ROLE]
    if rows[h, SEQ] == 0 and o == NONE:
        return np.int64(0)
    if role == CARRIER:
        if o == NONE and MOVING_EMPTY <= state <= LOADING and not MOVING_EMPTY <= was <= MOVING_LOADED:
            return np.int64(_DISPATCH)
        if state != BLOCKED and (o == NONE or was == LOADING):
            return np.int64(_EARLY + 4)
    if NONE < o < LOST or (state == MAINTENANCE and was == STARVED):
        kind = 2 if o == TOOK else int(state == MAINTENANCE)
        at = _target(h, rows, units)
        return np.int64(_MOVE + (0 if at == level else 4 * (2 * _EXIT - at)) + kind)
    stopped = state in (BLOCKED, DOWN) or (state == WAITING and was in (BUSY, BLOCKED))
    if o == LOST or (stopped and was not in (REPAIR, OFF)):
        return np.int64(_LATE)
    if was == OFF:
        return np.int64(_EARLY)
    if was != REPAIR and (granted or (role == POOL and state == BUSY)):
        return np.int64(_EARLY + 5)
    if role == POOL or was == REPAIR:
        return np.int64(_EARLY + 1)
    ends_setup = state == BUSY and was != STARVED
    return np.int64(_EARLY + (2 if ends_setup else 3 if state == REPAIR else 0))


@njit
def _level(h, rows, links, units, level):
    # the place where moves go on after row h
    o, state, after = rows[h, OUTCOME], rows[h, STATE], links[h, _AFTER]
    loaded = after >= 0 and rows[after, STATE] == MOVING_LOADED
    if NONE < o < LOST and not loaded and STARVED <= state <= BLOCKED:
        return _target(h, rows, units)
    return level


@njit
def _follower(h, j, rows, links, units):
    # a join's and a furnace's parts are taken together, a carrier takes what it is given at once
    after, k = links[h, _AFTER], h + 1
    first = after >= 0 and (rows[after - 1, UNIT] != rows[after, UNIT] or links[after - 1, _DONE])
    if first and not links[after, _DONE]:
        return after
    same = k < j and rows[k, UNIT] == rows[h, UNIT] and units[rows[h, UNIT], ROLE] == MACHINE
    if same and not links[k, _DONE] and TOOK <= rows[h, OUTCOME] <= MERGED and TOOK <= rows[k, OUTCOME] <= MERGED:
        return np.int64(k)
    return np.int64(-1)
