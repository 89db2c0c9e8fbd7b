"""Repair crews, operators and shared robots. Twin of sim/pool.py."""

from __future__ import annotations

from numba import njit

from factory_sim.plant.states import State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.rows import mark, row

# ruff: noqa: ANN001, ANN201, PLR0913 - compiled: types are inferred
_IDLE, _OFF, _BUSY = int(State.IDLE), int(State.OFF), int(State.BUSY)


@njit(cache=True)
def try_take(s, pool, unit, client):
    """Serve a client now if a member is free and nobody waits."""
    p = s.pool[pool]
    if p[c.CALL_HEAD] >= 0 or p[c.FREE_HEAD] < 0 or not p[c.OPEN]:
        return False
    send(s, pool, unit, client)
    return True


@njit(cache=True)
def send(s, pool, unit, client):
    """The member that has been free longest goes to the client."""
    member = s.pool[pool, c.FREE_HEAD]
    s.pool[pool, c.FREE_HEAD] = s.unit[member, c.FREE_NEXT]
    s.serves[pool, client, unit] = member
    cause = max(s.unit[member, c.LAST_ROW], s.unit[unit, c.LAST_ROW])
    row(s, member, _BUSY, -1, 0, unit, cause)


@njit(cache=True)
def release(s, pool, unit, client):
    """The member that serves the client is free."""
    member = s.serves[pool, client, unit]
    s.serves[pool, client, unit] = -1
    cause = max(s.unit[member, c.LAST_ROW], s.unit[unit, c.LAST_ROW])
    row(s, member, _IDLE if s.pool[pool, c.OPEN] else _OFF, -1, 0, 0, cause)
    become_free(s, pool, member)
    wake(s, pool)


@njit(cache=True)
def become_free(s, pool, member):
    """Queue up with the free members by (since, unit)."""
    u = s.unit[member]
    u[c.FREE_SINCE] = s.line[c.NOW]
    at, behind = s.pool[pool, c.FREE_HEAD], -1
    while at >= 0:
        since = s.unit[at, c.FREE_SINCE]
        if since > u[c.FREE_SINCE] or (since == u[c.FREE_SINCE] and at > member):
            break
        at, behind = s.unit[at, c.FREE_NEXT], at
    u[c.FREE_NEXT] = at
    if behind < 0:
        s.pool[pool, c.FREE_HEAD] = member
    else:
        s.unit[behind, c.FREE_NEXT] = member


@njit(cache=True)
def wake(s, pool):
    """Someone may be served now; stations whose maintenance waits for a member look again."""
    s.line[c.POOLS_CALLED] = 1
    for station in range(s.wanted.shape[1]):
        if s.wanted[pool, station]:
            s.wanted[pool, station] = 0
            mark(s, station)


@njit(cache=True)
def call(s, pool, unit, client, priority):
    """Queue up by (priority, since, unit)."""
    u = s.unit[unit]
    u[c.CALLING], u[c.CALL_PRIORITY], u[c.CALL_SINCE], u[c.CALL_AS] = 1, priority, s.line[c.NOW], client
    s.line[c.POOLS_CALLED] = 1
    at, behind = s.pool[pool, c.CALL_HEAD], -1
    while at >= 0 and not _goes_first(s, unit, at):
        at, behind = s.unit[at, c.CALL_NEXT], at
    u[c.CALL_NEXT] = at
    if behind < 0:
        s.pool[pool, c.CALL_HEAD] = unit
    else:
        s.unit[behind, c.CALL_NEXT] = unit


@njit(cache=True)
def _goes_first(s, unit, other):
    a, b = s.unit[unit], s.unit[other]
    if a[c.CALL_PRIORITY] != b[c.CALL_PRIORITY]:
        return a[c.CALL_PRIORITY] < b[c.CALL_PRIORITY]
    if a[c.CALL_SINCE] != b[c.CALL_SINCE]:
        return a[c.CALL_SINCE] < b[c.CALL_SINCE]
    return unit < other


@njit(cache=True)
def withdraw_call(s, pool, unit):
    """Leave the queue."""
    s.unit[unit, c.CALLING] = 0
    at, behind = s.pool[pool, c.CALL_HEAD], -1
    while at >= 0 and at != unit:
        at, behind = s.unit[at, c.CALL_NEXT], at
    if at < 0:
        return
    if behind < 0:
        s.pool[pool, c.CALL_HEAD] = s.unit[unit, c.CALL_NEXT]
    else:
        s.unit[behind, c.CALL_NEXT] = s.unit[unit, c.CALL_NEXT]


@njit(cache=True)
def shift_of_pool(f, s, pool, is_open):
    """The pool's shift begins or ends: free members say so, in the order in which they became free."""
    s.pool[pool, c.OPEN] = is_open
    member = s.pool[pool, c.FREE_HEAD]
    while member >= 0:
        row(s, member, _IDLE if is_open else _OFF, -1, 0, 0, s.unit[member, c.LAST_ROW])
        member = s.unit[member, c.FREE_NEXT]
    wake(s, pool)
