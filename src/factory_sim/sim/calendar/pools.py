"""Repair crews, operators and shared robots. Twin of sim/reference/resource_pool.py."""

from __future__ import annotations

from factory_sim.jit import inner_njit
from factory_sim.plant.states import State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.row_output import mark, row

_IDLE, _OFF, _BUSY = int(State.IDLE), int(State.OFF), int(State.BUSY)


@inner_njit
def try_take(w, pool, unit, client):
    """Serve a client now if a member is free and nobody waits."""
    p = w.s[pool]
    if p[c.CALL_HEAD] >= 0 or p[c.FREE_HEAD] < 0 or not p[c.OPEN]:
        return False
    send(w, pool, unit, client)
    return True


@inner_njit
def send(w, pool, unit, client):
    """The member that has been free longest goes to the client."""
    member = w.s[pool, c.FREE_HEAD]
    w.s[pool, c.FREE_HEAD] = w.s[member, c.FREE_NEXT]
    w.s[unit, c.SERVED0 + client] = member
    cause = max(w.s[member, c.LAST_ROW], w.s[unit, c.LAST_ROW])
    row(w, member, _BUSY, -1, 0, unit, cause)


@inner_njit
def release(w, pool, unit, client):
    """The member that serves the client is free."""
    member = w.s[unit, c.SERVED0 + client]
    w.s[unit, c.SERVED0 + client] = -1
    cause = max(w.s[member, c.LAST_ROW], w.s[unit, c.LAST_ROW])
    row(w, member, _IDLE if w.s[pool, c.OPEN] else _OFF, -1, 0, 0, cause)
    become_free(w, pool, member)
    wake(w)


@inner_njit
def become_free(w, pool, member):
    """Queue up with the free members by (since, unit)."""
    u = w.s[member]
    u[c.FREE_SINCE] = w.g[c.NOW]
    at, behind = w.s[pool, c.FREE_HEAD], -1
    while at >= 0:
        since = w.s[at, c.FREE_SINCE]
        if since > u[c.FREE_SINCE] or (since == u[c.FREE_SINCE] and at > member):
            break
        at, behind = w.s[at, c.FREE_NEXT], at
    u[c.FREE_NEXT] = at
    if behind < 0:
        w.s[pool, c.FREE_HEAD] = member
    else:
        w.s[behind, c.FREE_NEXT] = member


@inner_njit
def wake(w):
    """Someone may be served now; stations whose maintenance waits for a member look again."""
    w.g[c.POOLS_CALLED] = 1
    for station in range(w.g[c.STATION0], w.g[c.STATION0] + w.g[c.N_STATIONS]):
        if w.s[station, c.WANTED]:
            w.s[station, c.WANTED] = 0
            mark(w, station)


@inner_njit
def call(w, pool, unit, client, priority):
    """Queue up by (priority, since, unit)."""
    u = w.s[unit]
    u[c.CALL_PRIORITY], u[c.CALL_SINCE], u[c.CALL_AS] = priority, w.g[c.NOW], client
    w.g[c.POOLS_CALLED] = 1
    at, behind = w.s[pool, c.CALL_HEAD], -1
    while at >= 0 and not _goes_first(w, unit, at):
        at, behind = w.s[at, c.CALL_NEXT], at
    u[c.CALL_NEXT] = at
    if behind < 0:
        w.s[pool, c.CALL_HEAD] = unit
    else:
        w.s[behind, c.CALL_NEXT] = unit


@inner_njit
def _goes_first(w, unit, other):
    a, b = w.s[unit], w.s[other]
    if a[c.CALL_PRIORITY] != b[c.CALL_PRIORITY]:
        return a[c.CALL_PRIORITY] < b[c.CALL_PRIORITY]
    if a[c.CALL_SINCE] != b[c.CALL_SINCE]:
        return a[c.CALL_SINCE] < b[c.CALL_SINCE]
    return unit < other


@inner_njit
def withdraw_call(w, pool, unit):
    """Leave the queue."""
    at, behind = w.s[pool, c.CALL_HEAD], -1
    while at >= 0 and at != unit:
        at, behind = w.s[at, c.CALL_NEXT], at
    if at < 0:
        return
    if behind < 0:
        w.s[pool, c.CALL_HEAD] = w.s[unit, c.CALL_NEXT]
    else:
        w.s[behind, c.CALL_NEXT] = w.s[unit, c.CALL_NEXT]


@inner_njit
def shift_of_pool(w, pool, is_open):
    """The pool's shift begins or ends: free members say so, in the order in which they became free."""
    w.s[pool, c.OPEN] = is_open
    member = w.s[pool, c.FREE_HEAD]
    while member >= 0:
        row(w, member, _IDLE if is_open else _OFF, -1, 0, 0, w.s[member, c.LAST_ROW])
        member = w.s[member, c.FREE_NEXT]
    wake(w)
