"""The order of rows within one instant (rules ORDER-3 and ORDER-4 of docs/model.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from factory_sim.analysis.kernels.row_tables import Role, record
from factory_sim.jit import inner_njit, njit
from factory_sim.plant.states import Outcome, State
from factory_sim.records import I4, I8  # noqa: TC001 - a NamedTuple's fields

LARGEST_INSTANT = 4096  # rows of one instant; a larger one stays as it is, since the cost grows with the square
_EXIT = 1 << 20  # place of the exit, above all operations
# phases of an instant in their order; moves take the numbers from _MOVE to _DISPATCH, by place
_FIRST, _CALENDAR, _REPAIRED, _SET_UP, _REPAIR_STARTS, _TRANSPORT, _SERVICE, _MOVE = range(8)
_DISPATCH, _STATES = 1 << 40, 2 << 40
# of a unit: its last row, the time from which its part could leave, the unit it serves, parts it carries, their maximum
_UNIT = record("last", "offered_us", "client", "load", "most")
# of a row: the row that must precede it, the take that directly follows it, the carrier's row that follows it, placed
_LINKS = record("needs", "leads", "after", "done")
_BUFFER = record("capacity", "held", "rack")


class Line(NamedTuple):
    """The rows to put in order, the topology, and the state of units and buffers up to the last row placed."""

    rows: np.ndarray  # (n_rows,) of row_tables.ROW, by (time, unit, sequence number)
    units: np.ndarray  # (n_units,) of row_tables.UNIT
    way: I4  # (n_operations, n_units): the buffer a unit's part goes to, -1 where its room is not known
    buffers: np.ndarray  # (n_buffers,)
    now: np.ndarray  # (n_units,)
    links: np.ndarray  # (n_rows,)
    lies: I8  # (n_parts,): the buffer a part lies in, -1: none


def line(rows: np.ndarray, n_parts: int, units: np.ndarray, way: I4, capacity: I8, rack: I8, loads: I8) -> Line:
    """Return the line before its first row; allocating in compiled code would compile slowly.

    loads (2, n_units): parts that each unit carries at first, and the largest number known.
    """
    buffers, now, links = np.zeros(len(capacity), _BUFFER), np.zeros(len(units), _UNIT), np.zeros(len(rows), _LINKS)
    buffers["capacity"], buffers["rack"] = capacity, rack
    now["load"], now["most"] = loads
    for table, names in ((now, ("last", "client")), (links, ("needs", "leads", "after"))):
        for name in names:
            table[name] = -1
    return Line(rows, units, way, buffers, now, links, np.full(n_parts, -1))


@njit
def arrange(line, order, n_placed):
    """Write row indices to `order` (n_rows,) so that the rows of each instant follow the order of the line's moves.

    The first n_placed rows, whole instants, are in order already.
    """
    rows, n = line.rows, np.int64(0)
    _count_fullest(line)
    while n < len(rows):
        i, j = n, n + 1
        while j < len(rows) and rows[j].t_us == rows[i].t_us:
            j += 1
        alone = rows[i].unit == rows[j - 1].unit or j - i > LARGEST_INSTANT or i < n_placed
        if not alone:
            _link(line, i, j)
        place = np.int64(-2)
        while n < j:
            h = n if alone else _choose(line, i, j, place)
            place = _place_after(line, h, place)
            while h >= 0:
                order[n], line.links[h].done = h, 1
                n += 1
                _follow(line, h)
                h = np.int64(-1) if alone else _follower(line, h, j)


@inner_njit
def _takes(outcome):
    return Outcome.TOOK <= outcome <= Outcome.MERGED


@inner_njit
def _gives(outcome):
    return Outcome.PASSED <= outcome <= Outcome.REWORK or outcome == Outcome.ENTERED


@inner_njit
def _count_fullest(line):
    """Set `most` to the largest load of each carrier between instants: its capacity is not described."""
    rows, now = line.rows, line.now
    for i in range(len(rows)):
        u = rows[i].unit
        now[u].load += int(rows[i].outcome == Outcome.TOOK) - int(rows[i].outcome == Outcome.PASSED)
        if i + 1 == len(rows) or rows[i + 1].unit != u or rows[i + 1].t_us != rows[i].t_us:
            now[u].most = max(now[u].most, now[u].load)
    for i in range(len(rows)):
        now[rows[i].unit].load -= int(rows[i].outcome == Outcome.TOOK) - int(rows[i].outcome == Outcome.PASSED)


@inner_njit
def _target(line, h):
    """Return the place of a move: the destination of a part given, the exit, or the operation itself."""
    row, unit = line.rows[h], line.units[line.rows[h].unit]
    if row.outcome == Outcome.ENTERED:
        return unit.fed
    if row.outcome in (Outcome.PASSED, Outcome.REWORK):
        return row.detail
    return np.int64(_EXIT) if Outcome.SCRAPPED <= row.outcome <= Outcome.LEFT else unit.operation


@inner_njit
def _follow(line, h):
    """Carry the state of units and buffers past row h."""
    row, now, lies = line.rows[h], line.now, line.lies
    u, p, o, last = row.unit, row.part, row.outcome, now[row.unit].last
    ends = last >= 0 and line.rows[last].state == State.BUSY and row.state != State.BUSY
    if ends or Outcome.PASSED <= o <= Outcome.ENTERED:
        now[u].offered_us = row.t_us
    now[u].last = h
    now[u].load += int(o == Outcome.TOOK) - int(o == Outcome.PASSED)
    if line.units[u].role == Role.POOL:
        now[u].client = row.detail if row.state == State.BUSY else -1
    if p < 0 or not (_takes(o) or _gives(o) or Outcome.SCRAPPED <= o <= Outcome.LEFT):
        return
    if lies[p] >= 0:
        line.buffers[lies[p]].held -= 1
    d = _target(line, h)
    lies[p] = line.way[d, u] if _gives(o) and 0 <= d < len(line.way) else -1
    if lies[p] >= 0:
        line.buffers[lies[p]].held += 1


@inner_njit
def _link(line, i, j):
    """Link the rows of an instant that belong together: giving and taking, service and its client (rule ORDER-2)."""
    rows, links = line.rows, line.links
    for h in range(i, j):
        u, o, state, unit = rows[h].unit, rows[h].outcome, rows[h].state, line.units[rows[h].unit]
        for k in range(i, j):
            other, given = rows[k].unit, rows[k].outcome
            if other == u:
                continue
            sent = line.units[other].role == Role.POOL and rows[k].state == State.BUSY and rows[k].detail == u
            if _takes(o) and _gives(given) and rows[k].part == rows[h].part:
                if unit.role == Role.CARRIER:
                    links[k].after = h
                if unit.role != Role.MACHINE or given == Outcome.ENTERED or rows[k].detail == unit.operation:
                    links[h].needs = k
            elif sent and (o == Outcome.TOOK or (o == Outcome.NONE and state == State.MAINTENANCE)):
                links[k].leads = h if links[k].leads < 0 else links[k].leads
            elif sent and o == Outcome.NONE and state in (State.SETUP, State.BUSY, State.REPAIR):
                links[h].needs = k


@inner_njit
def _choose(line, i, j, place):
    """Return the row that comes next: the possible one with the smallest key, or a pool's row that leads to it."""
    links = line.links
    best, key = np.int64(-1), (np.int64(0), np.int64(0), np.int64(0), np.int64(0))
    for strict in (True, False):  # with lost rows no move may look possible: then the first one counts
        for h in range(i, j):
            if links[h].done or not _is_next(line, h, i):
                continue
            buffer, taker = _buffer(line, h), _taker(line, h)
            if strict and not (_is_ready(line, h, j) and _has_room(line, h, buffer, taker)):
                continue
            mine = _key(line, h, buffer, taker, place)
            if best < 0 or mine < key:
                best, key = np.int64(h), mine
        if best >= 0:
            break
    for k in range(i, j):
        if links[k].leads == best and not links[k].done and _is_next(line, k, i):
            return np.int64(k)
    return best


@inner_njit
def _is_next(line, h, i):
    """Return whether h is the next row of its unit in the instant that begins at row i."""
    return h == i or line.rows[h - 1].unit != line.rows[h].unit or line.links[h - 1].done == 1


@inner_njit
def _buffer(line, h):
    """Return the buffer a given part goes to, directly or on a conveyor; -1: none."""
    outcome, after = line.rows[h].outcome, line.links[h].after
    at = _target(line, h) if Outcome.PASSED <= outcome <= Outcome.ENTERED else np.int64(-1)
    if not 0 <= at < len(line.way):
        return np.int64(-1)
    return np.int64(line.way[at, line.rows[h].unit if after < 0 else line.rows[after].unit])


@inner_njit
def _taker(line, h):
    """Return the conveyor that takes a given part at once, else -1; a vehicle takes its part when loading ends."""
    after = line.links[h].after
    at_once = after >= 0 and line.rows[after].state != State.MOVING_LOADED
    return line.rows[after].unit if at_once else np.int64(-1)


@inner_njit
def _is_ready(line, h, j):
    """Return whether the rows that must precede h, and the rows taken together with h, have been placed."""
    rows, links, k = line.rows, line.links, h
    if links[h].leads >= 0 and not links[links[h].leads].done:
        return False
    while k < j and rows[k].unit == rows[h].unit:
        if k > h and not (rows[h].outcome == Outcome.TOOK and _takes(rows[k].outcome)):
            break
        if links[k].needs >= 0 and not links[links[k].needs].done:
            return False
        k += 1
    return True


@inner_njit
def _has_room(line, h, buffer, taker):
    """Return whether a part given in row h has room (rule MOVE-4)."""
    if taker >= 0:
        return line.now[taker].load < line.now[taker].most
    if buffer < 0:
        return True
    held, at, rack = line.buffers[buffer].held, _target(line, h), line.buffers[buffer].rack
    if line.buffers[buffer].capacity > 0:
        return held < line.buffers[buffer].capacity
    if rack >= 0:
        held += line.buffers[rack].held
    idle = 0
    for v in range(len(line.units)):
        last = line.now[v].last
        idle += int(line.units[v].operation == at and last >= 0 and line.rows[last].state == State.STARVED)
    return idle > held


@inner_njit
def _key(line, h, buffer, taker, place):
    """Return the sort key of row h: phase and place, buffer, waiting since, unit."""
    rows, row, now = line.rows, line.rows[h], line.now
    u, o, last, pool = row.unit, row.outcome, now[row.unit].last, line.units[row.unit].role == Role.POOL
    was, since = rows[last].state if last >= 0 else np.int64(State.STARVED), row.t_us
    serves = pool and row.state == State.BUSY
    if Outcome.PASSED <= o <= Outcome.ENTERED and was != State.BUSY:
        since = now[u].offered_us
    elif (o == Outcome.TOOK or row.state == State.MAINTENANCE) and last >= 0:
        since = rows[last].t_us
    elif serves and 0 <= row.detail < len(line.units):
        served = now[row.detail].last
        was = rows[served].state if served >= 0 else was
    after = line.links[h].after
    if after >= 0 and taker < 0:  # a vehicle's loading ends
        return np.int64(_TRANSPORT), np.int64(-1), since, 4 * rows[after].unit
    phase = _phase(line, h, was, place)
    if phase == _SERVICE:  # robots and crews serve one after the other
        buffer = u if pool else rows[line.links[h].needs].unit
    rank = 4 * u  # a pool's member comes just before the unit it is sent to and just after the one it leaves
    if serves:
        rank = 4 * row.detail - 1
    elif pool and now[u].client >= 0:
        rank = 4 * now[u].client + 1
    return phase, np.int64(2 * buffer + int(taker >= 0)), since, rank


@inner_njit
def _phase(line, h, was, place):  # noqa: PLR0911 - one return a phase
    """Return the phase of row h in its instant (rules INST-2 to INST-5); `was`: the state before.

    Moves at the place under way come first, then those at the most downstream one; there buffers are filled before
    machines take from them.
    """
    row, role = line.rows[h], line.units[line.rows[h].unit].role
    state, o, serves = row.state, row.outcome, role == Role.POOL and row.state == State.BUSY
    if row.seq == 0 and o == Outcome.NONE:
        return np.int64(_FIRST)
    sets_out = State.MOVING_EMPTY <= state <= State.LOADING and not State.MOVING_EMPTY <= was <= State.MOVING_LOADED
    if role == Role.CARRIER and o == Outcome.NONE and sets_out:
        return np.int64(_DISPATCH)
    if role == Role.CARRIER and state != State.BLOCKED and (o == Outcome.NONE or was == State.LOADING):
        return np.int64(_TRANSPORT)
    if Outcome.NONE < o < Outcome.LOST or (state == State.MAINTENANCE and was == State.STARVED):
        kind = 2 if o == Outcome.TOOK else int(state == State.MAINTENANCE)
        at = _target(line, h)
        return np.int64(_MOVE + (0 if at == place else 4 * (2 * _EXIT - at)) + kind)
    stopped = state in (State.BLOCKED, State.DOWN) or (state == State.WAITING and was in (State.BUSY, State.BLOCKED))
    if o == Outcome.LOST or (stopped and was not in (State.REPAIR, State.OFF)):
        return np.int64(_STATES)
    if was == State.OFF:
        return np.int64(_CALENDAR)
    if was != State.REPAIR and (serves or line.links[h].needs >= 0):
        return np.int64(_SERVICE)
    if role == Role.POOL or was == State.REPAIR:
        return np.int64(_REPAIRED)
    if state == State.BUSY and was != State.STARVED:
        return np.int64(_SET_UP)
    return np.int64(_REPAIR_STARTS if state == State.REPAIR else _CALENDAR)


@inner_njit
def _place_after(line, h, place):
    """Return the place at which moves continue after row h (rule MOVE-1)."""
    row, after = line.rows[h], line.links[h].after
    loaded = after >= 0 and line.rows[after].state == State.MOVING_LOADED
    moves = Outcome.NONE < row.outcome < Outcome.LOST and State.STARVED <= row.state <= State.BLOCKED
    return _target(line, h) if moves and not loaded else place


@inner_njit
def _follower(line, h, j):
    """Return the row that directly follows h, or -1: a carrier's take, or the next part of a join or a batch."""
    rows, links, after, k = line.rows, line.links, line.links[h].after, h + 1
    if after >= 0 and not links[after].done and (rows[after - 1].unit != rows[after].unit or links[after - 1].done):
        return after
    same = k < j and rows[k].unit == rows[h].unit and line.units[rows[h].unit].role == Role.MACHINE
    if same and not links[k].done and _takes(rows[h].outcome) and _takes(rows[k].outcome):
        return np.int64(k)
    return np.int64(-1)
