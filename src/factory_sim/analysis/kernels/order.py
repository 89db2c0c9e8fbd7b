"""The order of rows within one instant (rules ORDER-3 and ORDER-4 of docs/model.md)."""
# ruff: noqa: PLR0911 - one return a case

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from factory_sim.analysis.kernels.row_tables import Role, record
from factory_sim.jit import njit
from factory_sim.plant.states import Outcome, State
from factory_sim.records import I8  # noqa: TC001 - a NamedTuple's field

LARGEST_INSTANT = 4096  # rows of one instant; a larger one stays as it is, since the cost grows with the square
_EARLY, _MOVE, _DISPATCH, _LATE = 1 << 40, 2 << 40, 3 << 40, 4 << 40  # phases of an instant
_EXIT = 1 << 20
# of a unit: its last row, the time from which its part could leave, the unit it serves, parts it carries, their maximum
_UNIT = record("last", "offered_us", "client", "load", "most")
# of a row: the row that must precede it, the take that directly follows it, the carrier's row that follows it, placed
_LINKS = record("needs", "leads", "after", "done")
_BUFFER = record("capacity", "held")


class Memory(NamedTuple):
    """The working memory of `arrange`."""

    buffers: np.ndarray  # (n_buffers,)
    now: np.ndarray  # (n_units,)
    links: np.ndarray  # (n_rows,)
    lies: I8  # (n_parts,): the buffer a part lies in, -1: none


def memory(n_rows: int, n_units: int, n_parts: int, capacity: I8) -> Memory:
    """Return the working memory before the first row; allocating it in compiled code compiles slowly."""
    buffers, now, links = np.zeros(len(capacity), _BUFFER), np.zeros(n_units, _UNIT), np.zeros(n_rows, _LINKS)
    buffers["capacity"] = capacity
    for table, fields in ((now, ("last", "client")), (links, ("needs", "leads", "after"))):
        for name in fields:
            table[name] = -1
    return Memory(buffers, now, links, np.full(n_parts, -1))


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
        while j < len(rows) and rows[j].t_us == rows[i].t_us:
            j += 1
        if rows[i].unit == rows[j - 1].unit or j - i > LARGEST_INSTANT:
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
                    order[n], links[h].done = h, 1
                    n += 1
                    _note(h, rows, units, way, now, buffers, lies)
                    h = _follower(h, j, rows, links, units)
        i = j


@njit
def _count_fullest(rows, now):
    # the most parts each carrier held between instants: a full belt's capacity, which nobody tells us
    for i in range(len(rows)):
        u = rows[i].unit
        now[u].load += int(rows[i].outcome == Outcome.TOOK) - int(rows[i].outcome == Outcome.PASSED)
        if i + 1 == len(rows) or rows[i + 1].unit != u or rows[i + 1].t_us != rows[i].t_us:
            now[u].most = max(now[u].most, now[u].load)
    for u in range(len(now)):
        now[u].load = 0


@njit
def _target(h, rows, units):
    # where a move happens: parts given count at their destination, the exit is above all operations
    if rows[h].outcome == Outcome.ENTERED:
        return units[rows[h].unit].fed
    if rows[h].outcome == Outcome.PASSED or rows[h].outcome == Outcome.REWORK:
        return rows[h].detail
    return np.int64(_EXIT) if Outcome.SCRAPPED <= rows[h].outcome <= Outcome.LEFT else units[rows[h].unit].operation


@njit
def _note(h, rows, units, way, now, buffers, lies):
    # carry the state of units and buffers past row h
    u, p, o, last = rows[h].unit, rows[h].part, rows[h].outcome, now[rows[h].unit].last
    if Outcome.PASSED <= o <= Outcome.ENTERED or (
        last >= 0 and rows[last].state == State.BUSY and rows[h].state != State.BUSY
    ):
        now[u].offered_us = rows[h].t_us
    now[u].last = h
    now[u].load += int(o == Outcome.TOOK) - int(o == Outcome.PASSED)
    if units[u].role == Role.POOL:
        now[u].client = rows[h].detail if rows[h].state == State.BUSY else -1
    takes, gives = Outcome.TOOK <= o <= Outcome.MERGED, Outcome.PASSED <= o <= Outcome.REWORK or o == Outcome.ENTERED
    if p < 0 or not (takes or gives):
        return
    if lies[p] >= 0:
        buffers[lies[p]].held -= 1
    d = _target(h, rows, units)
    lies[p] = way[d, u] if gives and 0 <= d < len(way) else -1
    if lies[p] >= 0:
        buffers[lies[p]].held += 1


@njit
def _link(i, j, rows, units, links):
    for h in range(i, j):
        u, o, state = rows[h].unit, rows[h].outcome, rows[h].state
        takes = Outcome.TOOK <= o <= Outcome.MERGED
        for k in range(i, j):
            other, given = rows[k].unit, rows[k].outcome
            if other == u:
                continue
            sent = units[other].role == Role.POOL and rows[k].state == State.BUSY and rows[k].detail == u
            gives = Outcome.PASSED <= given <= Outcome.REWORK or given == Outcome.ENTERED
            if takes and gives and rows[k].part == rows[h].part:
                if units[u].role == Role.CARRIER:
                    links[k].after = h
                if units[u].role != Role.MACHINE or given == Outcome.ENTERED or rows[k].detail == units[u].operation:
                    links[h].needs = k
            elif (
                sent
                and (o == Outcome.TOOK or (o == Outcome.NONE and state == State.MAINTENANCE))
                and links[k].leads < 0
            ):
                links[k].leads = h
            elif sent and o == Outcome.NONE and state in (State.SETUP, State.BUSY, State.REPAIR):
                links[h].needs = k


@njit
def _choose(i, j, rows, links, units, now, way, buffers, level):
    best, key = np.int64(-1), (np.int64(0), np.int64(0), np.int64(0), np.int64(0))
    for strict in (True, False):  # with lost rows no move may look possible: then take the first anyway
        for h in range(i, j):
            u = rows[h].unit
            if links[h].done or (h > i and rows[h - 1].unit == u and not links[h - 1].done):
                continue
            leads, b, taker = links[h].leads, _place(h, rows, links, units, way), _taker(h, rows, links)
            if strict and ((leads >= 0 and not links[leads].done) or not _ready(h, j, rows, links)):
                continue
            if strict and not _room(h, b, taker, rows, units, now, buffers):
                continue
            mine = _key(h, b, taker, rows, links, units, now, level)
            if best < 0 or mine < key:
                best, key = np.int64(h), mine
        if best >= 0:
            break
    for k in range(i, j):
        free = k == i or rows[k - 1].unit != rows[k].unit or links[k - 1].done
        if links[k].leads == best and not links[k].done and free:
            return np.int64(k)
    return best


@njit
def _place(h, rows, links, units, way):
    # the buffer a given part goes to, by itself or on a conveyor
    o, after = rows[h].outcome, links[h].after
    at = _target(h, rows, units) if Outcome.PASSED <= o <= Outcome.ENTERED else np.int64(-1)
    if not 0 <= at < len(way):
        return np.int64(-1)
    return np.int64(way[at, rows[h].unit if after < 0 else rows[after].unit])


@njit
def _taker(h, rows, links):
    # the conveyor that takes a given part at once, else -1; vehicles take theirs when loading ends
    after = links[h].after
    return rows[after].unit if after >= 0 and rows[after].state != State.MOVING_LOADED else np.int64(-1)


@njit
def _ready(h, j, rows, links):
    # what must stand before h, and before what is taken together with h, stands
    k = h
    while k < j and rows[k].unit == rows[h].unit:
        together = rows[h].outcome == Outcome.TOOK and Outcome.TOOK <= rows[k].outcome <= Outcome.MERGED
        if k > h and not together:
            break
        if links[k].needs >= 0 and not links[links[k].needs].done:
            return False
        k += 1
    return True


@njit
def _room(h, b, taker, rows, units, now, buffers):
    if taker >= 0:
        return now[taker].load < now[taker].most
    if b < 0:
        return True
    if buffers[b].capacity > 0:
        return buffers[b].held < buffers[b].capacity
    free, at = -buffers[b].held, _target(h, rows, units)  # without places a part needs a machine that could take it
    for v in range(len(units)):
        last = now[v].last
        free += int(units[v].operation == at and last >= 0 and rows[last].state == State.STARVED)
    return free > 0


@njit
def _key(h, b, taker, rows, links, units, now, level):
    # phase and place, buffer, since when, unit: the smallest goes first
    u, o, last = rows[h].unit, rows[h].outcome, now[rows[h].unit].last
    was = rows[last].state if last >= 0 else np.int64(State.STARVED)
    since = rows[h].t_us
    if Outcome.PASSED <= o <= Outcome.ENTERED and was != State.BUSY:
        since = now[u].offered_us
    elif (o == Outcome.TOOK or rows[h].state == State.MAINTENANCE) and last >= 0:
        since = rows[last].t_us
    elif units[u].role == Role.POOL and rows[h].state == State.BUSY and 0 <= rows[h].detail < len(units):
        served = now[rows[h].detail].last
        was = rows[served].state if served >= 0 else was
    phase = _phase(h, rows, was, units, links[h].needs >= 0, level)
    if links[h].after >= 0 and taker < 0:  # a vehicle's loading ends
        return np.int64(_EARLY + 4), np.int64(-1), since, 4 * rows[links[h].after].unit
    if phase == _EARLY + 5:  # robots and crews serve one after the other
        b = u if units[u].role == Role.POOL else rows[links[h].needs].unit
    rank = 4 * u  # a pool's member comes just before the unit it is sent to and just after the one it leaves
    if units[u].role == Role.POOL and rows[h].state == State.BUSY:
        rank = 4 * rows[h].detail - 1
    elif units[u].role == Role.POOL and now[u].client >= 0:
        rank = 4 * now[u].client + 1
    return phase, np.int64(2 * b + int(taker >= 0)), since, rank


@njit
def _phase(h, rows, was, units, granted, level):
    # of the moves those at the place under way first, then at the most downstream one; there buffers are filled before
    # machines take from them
    state, o, role = rows[h].state, rows[h].outcome, units[rows[h].unit].role
    if rows[h].seq == 0 and o == Outcome.NONE:
        return np.int64(0)
    if role == Role.CARRIER:
        if (
            o == Outcome.NONE
            and State.MOVING_EMPTY <= state <= State.LOADING
            and not State.MOVING_EMPTY <= was <= State.MOVING_LOADED
        ):
            return np.int64(_DISPATCH)
        if state != State.BLOCKED and (o == Outcome.NONE or was == State.LOADING):
            return np.int64(_EARLY + 4)
    if Outcome.NONE < o < Outcome.LOST or (state == State.MAINTENANCE and was == State.STARVED):
        kind = 2 if o == Outcome.TOOK else int(state == State.MAINTENANCE)
        at = _target(h, rows, units)
        return np.int64(_MOVE + (0 if at == level else 4 * (2 * _EXIT - at)) + kind)
    stopped = state in (State.BLOCKED, State.DOWN) or (state == State.WAITING and was in (State.BUSY, State.BLOCKED))
    if o == Outcome.LOST or (stopped and was not in (State.REPAIR, State.OFF)):
        return np.int64(_LATE)
    if was == State.OFF:
        return np.int64(_EARLY)
    if was != State.REPAIR and (granted or (role == Role.POOL and state == State.BUSY)):
        return np.int64(_EARLY + 5)
    if role == Role.POOL or was == State.REPAIR:
        return np.int64(_EARLY + 1)
    ends_setup = state == State.BUSY and was != State.STARVED
    return np.int64(_EARLY + (2 if ends_setup else 3 if state == State.REPAIR else 0))


@njit
def _level(h, rows, links, units, level):
    # the place where moves go on after row h
    o, state, after = rows[h].outcome, rows[h].state, links[h].after
    loaded = after >= 0 and rows[after].state == State.MOVING_LOADED
    if Outcome.NONE < o < Outcome.LOST and not loaded and State.STARVED <= state <= State.BLOCKED:
        return _target(h, rows, units)
    return level


@njit
def _follower(h, j, rows, links, units):
    # a join's and a furnace's parts are taken together, a carrier takes what it is given at once
    after, k = links[h].after, h + 1
    first = after >= 0 and (rows[after - 1].unit != rows[after].unit or links[after - 1].done)
    if first and not links[after].done:
        return after
    same = k < j and rows[k].unit == rows[h].unit and units[rows[h].unit].role == Role.MACHINE
    if (
        same
        and not links[k].done
        and Outcome.TOOK <= rows[h].outcome <= Outcome.MERGED
        and Outcome.TOOK <= rows[k].outcome <= Outcome.MERGED
    ):
        return np.int64(k)
    return np.int64(-1)
