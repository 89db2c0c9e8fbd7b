"""Repair crews, operators and shared robots. Twin of sim/reference/resource_pool.py."""

from __future__ import annotations

from factory_sim.plant.states import State
from factory_sim.sim.calendar.linkage import inner_njit
from factory_sim.sim.calendar.places import queue_up
from factory_sim.sim.calendar.primitives import mark_wanted, row
from factory_sim.sim.calendar.world import most

_IDLE, _OFF, _BUSY = int(State.IDLE), int(State.OFF), int(State.BUSY)


@inner_njit
def try_take(w, pool, unit, client):
    """Serve a client now if a member is free and no call waits (rule POOL-3)."""
    p = w.pool[pool]
    if p.calls >= 0 or p.free < 0 or not p.open:
        return False
    send(w, pool, unit, client)
    return True


@inner_njit
def send(w, pool, unit, client):
    """Send the member that has been free longest to the client (rule POOL-2)."""
    member = w.pool[pool].free
    w.pool[pool].free = w.unit[member].next
    w.unit[unit].served[client] = member
    cause = most(w.unit[member].last_row, w.unit[unit].last_row)
    row(w, member, _BUSY, -1, 0, unit, cause)


@inner_njit
def release(w, pool, unit, client):
    """Release the member that serves the client."""
    member = w.unit[unit].served[client]
    w.unit[unit].served[client] = -1
    cause = most(w.unit[member].last_row, w.unit[unit].last_row)
    row(w, member, _IDLE if w.pool[pool].open else _OFF, -1, 0, 0, cause)
    become_free(w, pool, member)
    wake(w)


@inner_njit
def become_free(w, pool, member):
    """Let a member join the free ones (rule POOL-2)."""
    w.pool[pool].free = queue_up(w, w.pool[pool].free, member)


@inner_njit
def wake(w):
    """Let pools serve their calls, and visit the stations whose maintenance waits for a member."""
    w.line.pools_called = 1
    mark_wanted(w)


@inner_njit
def call(w, pool, unit, client, priority):
    """Add a call to the queue, which is ordered by priority, time and unit (rule POOL-2)."""
    u = w.unit[unit]
    u.call_priority, u.call_since, u.call_as = priority, w.line.now, client
    w.line.pools_called = 1
    at, behind = w.pool[pool].calls, -1
    while at >= 0 and not _goes_first(w, unit, at):
        at, behind = w.unit[at].call_next, at
    u.call_next = at
    if behind < 0:
        w.pool[pool].calls = unit
    else:
        w.unit[behind].call_next = unit


@inner_njit
def _goes_first(w, unit, other):
    a, b = w.unit[unit], w.unit[other]
    if a.call_priority != b.call_priority:
        return a.call_priority < b.call_priority
    if a.call_since != b.call_since:
        return a.call_since < b.call_since
    return unit < other


@inner_njit
def withdraw_call(w, pool, unit):
    """Withdraw a call."""
    at, behind = w.pool[pool].calls, -1
    while at >= 0 and at != unit:
        at, behind = w.unit[at].call_next, at
    if at < 0:
        return
    if behind < 0:
        w.pool[pool].calls = w.unit[unit].call_next
    else:
        w.unit[behind].call_next = w.unit[unit].call_next


@inner_njit
def shift_of_pool(w, pool, is_open):
    """Open or close the pool; free members write rows, longest free first (rule ROW-12)."""
    w.pool[pool].open = is_open
    member = w.pool[pool].free
    while member >= 0:
        row(w, member, _IDLE if is_open else _OFF, -1, 0, 0, w.unit[member].last_row)
        member = w.unit[member].next
    wake(w)
