"""Queues of units: for room, for parts, and for members of pools. Twin of station.py and resource_pool.py."""

from __future__ import annotations

from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.linkage import frequent_njit, inner_njit
from factory_sim.sim.calendar.primitives import append, mark, mark_wanted, row, unsettle
from factory_sim.sim.calendar.world import most


@inner_njit
def room(w, place):
    """Return the room of a buffer, a conveyor or the exit (rule MOVE-4)."""
    p = w.place[place]
    capacity = p.capacity
    if capacity == 0:
        s = w.station[p.at]
        capacity = s.n_idle
        if s.rack >= 0 and place == s.in0:
            capacity -= w.place[s.rack].count
    return capacity - p.count - p.reserved


@inner_njit
def _before(w, unit, other):
    a, b = w.unit[unit], w.unit[other]
    return a.since < b.since or (a.since == b.since and unit < other)


@inner_njit
def queue_up(w, head, unit):
    """Insert a unit into the queue that starts with `head`, ordered by time and unit; return the new head."""
    w.unit[unit].since = w.line.now
    if head < 0 or _before(w, unit, head):
        w.unit[unit].next = head
        return unit
    at = head
    while w.unit[at].next >= 0 and _before(w, w.unit[at].next, unit):
        at = w.unit[at].next
    w.unit[unit].next = w.unit[at].next
    w.unit[at].next = unit
    return head


@inner_njit
def leave_queue(w, head, unit):
    """Take a unit out of the queue that starts with `head`; return the new head."""
    if head == unit:
        return w.unit[unit].next
    at = head
    while at >= 0:
        if w.unit[at].next == unit:
            w.unit[at].next = w.unit[unit].next
            break
        at = w.unit[at].next
    return head


@frequent_njit
def offer(w, place, unit):
    """Offer the front part of `unit` to `place` (rule MOVE-3)."""
    if w.place[place].kind == c.CALLS:
        fleet = w.place[place].fleet
        w.unit[unit].calls_from = place
        w.fleet[fleet].requests = queue_up(w, w.fleet[fleet].requests, unit)
        w.fleet[fleet].dirty = 1
        unsettle(w, unit)
        return
    w.place[place].senders = queue_up(w, w.place[place].senders, unit)
    mark(w, w.place[place].at)


@inner_njit
def withdraw_offer(w, place, unit):
    """Withdraw the offer of `unit`."""
    if w.place[place].kind == c.CALLS:
        fleet = w.place[place].fleet
        w.fleet[fleet].requests = leave_queue(w, w.fleet[fleet].requests, unit)
    else:
        w.place[place].senders = leave_queue(w, w.place[place].senders, unit)


@inner_njit
def source_offers(w, unit):
    """Let the source offer a part if it has one and a card (rules SRC-2 and SRC-5)."""
    u = w.unit[unit]
    has_card = u.cards == 0 or u.inside < u.cards
    if u.offered < 0 and has_card and (u.saturated or u.outside > 0):
        u.offered = w.line.now
        offer(w, u.gives_to, unit)


@inner_njit
def gone(w, part):
    """Return the card of a part that left, was scrapped or merged (rule SRC-5)."""
    unit = w.part[part].origin
    w.unit[unit].inside -= 1
    if w.unit[unit].cards:
        w.unit[unit].card_row = w.line.rows - 1
        source_offers(w, unit)


@frequent_njit
def enqueue(w, buffer, part, row):
    """Put a part into a buffer."""
    append(w, buffer, part)
    w.part[part].row = row
    w.part[part].at_us = w.line.now


@inner_njit
def freed_by(w, target):
    """Return the row that made room for a sender that had to wait, -1 for none (rule CAUSE-3)."""
    if target < 0:
        return w.unit[vehicle_of(target)].last_row
    kind = w.place[target].kind
    if kind == c.EXIT:
        return -1
    if kind == c.BELT:
        return w.unit[w.place[target].belt_unit].last_row
    idle = w.station[w.place[target].at].idle
    if w.place[target].capacity > 0 or idle < 0:
        return w.place[target].room_row
    return w.unit[idle].last_row


@inner_njit
def vehicle_of(target):
    """Return the vehicle that a negative target names."""
    return -target - 2


@frequent_njit
def waits_for_part(w, station, unit):
    """Let `unit`, which is ready for a part, join the idle machines of its station (rule TAKE-1)."""
    w.unit[unit].idling = 1
    s = w.station[station]
    s.n_idle += 1
    s.idle = queue_up(w, s.idle, unit)
    mark(w, station)


@inner_njit
def no_longer_waits(w, station, unit):
    """Take `unit` out of the idle machines of its station, if it is among them."""
    if w.unit[unit].idling:
        w.unit[unit].idling = 0
        s = w.station[station]
        s.n_idle -= 1
        s.idle = leave_queue(w, s.idle, unit)


# ---- pools of crews, operators and shared robots


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
    row(w, member, c.BUSY, -1, 0, unit, cause)


@inner_njit
def release(w, pool, unit, client):
    """Release the member that serves the client."""
    member = w.unit[unit].served[client]
    w.unit[unit].served[client] = -1
    cause = most(w.unit[member].last_row, w.unit[unit].last_row)
    row(w, member, c.IDLE if w.pool[pool].open else c.OFF, -1, 0, 0, cause)
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
    at = w.pool[pool].calls
    if at == unit:
        w.pool[pool].calls = w.unit[unit].call_next
    while at >= 0:
        if w.unit[at].call_next == unit:
            w.unit[at].call_next = w.unit[unit].call_next
        at = w.unit[at].call_next


@inner_njit
def shift_of_pool(w, pool, is_open):
    """Open or close the pool; free members write rows, longest free first (rule ROW-12)."""
    w.pool[pool].open = is_open
    member = w.pool[pool].free
    while member >= 0:
        row(w, member, c.IDLE if is_open else c.OFF, -1, 0, 0, w.unit[member].last_row)
        member = w.unit[member].next
    wake(w)
