"""Where parts can go next: offers, room, and the queues for room. Twin of sim/reference/station.py."""

from __future__ import annotations

from factory_sim.jit import inner_njit
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.row_output import append, mark, unsettle


@inner_njit
def room(w, buffer):
    """Free places of a buffer. One without places passes parts straight to machines that wait."""
    p = w.s[buffer]
    capacity = w.f[buffer, c.CAPACITY]
    if capacity == 0:
        capacity = w.s[w.f[buffer, c.AT], c.N_IDLE]
    return capacity - p[c.COUNT] - p[c.RESERVED]


@inner_njit
def _before(w, unit, other):
    a, b = w.s[unit], w.s[other]
    return a[c.SEND_SINCE] < b[c.SEND_SINCE] or (a[c.SEND_SINCE] == b[c.SEND_SINCE] and unit < other)


@inner_njit
def queue_up(w, head, unit):
    """Insert a sender by (since, unit) into the list that begins with `head`; the new head."""
    w.s[unit, c.SEND_SINCE] = w.g[c.NOW]
    if head < 0 or _before(w, unit, head):
        w.s[unit, c.SEND_NEXT] = head
        return unit
    at = head
    while w.s[at, c.SEND_NEXT] >= 0 and _before(w, w.s[at, c.SEND_NEXT], unit):
        at = w.s[at, c.SEND_NEXT]
    w.s[unit, c.SEND_NEXT] = w.s[at, c.SEND_NEXT]
    w.s[at, c.SEND_NEXT] = unit
    return head


@inner_njit
def leave_queue(w, head, unit):
    """Take a sender out of the list that begins with `head`; the new head."""
    if head == unit:
        return w.s[unit, c.SEND_NEXT]
    at = head
    while at >= 0:
        if w.s[at, c.SEND_NEXT] == unit:
            w.s[at, c.SEND_NEXT] = w.s[unit, c.SEND_NEXT]
            break
        at = w.s[at, c.SEND_NEXT]
    return head


@inner_njit
def offer(w, place, unit):
    """`unit` holds a part for `place`."""
    kind = w.f[place, c.KIND]
    if kind == c.CALLS_KIND:
        fleet = w.f[place, c.FLEET]
        w.s[unit, c.SEND_ORIGIN] = place
        w.s[fleet, c.REQUESTS] = queue_up(w, w.s[fleet, c.REQUESTS], unit)
        w.s[fleet, c.FLEET_DIRTY] = 1
        unsettle(w, unit)
        return
    w.s[place, c.SENDERS] = queue_up(w, w.s[place, c.SENDERS], unit)
    if kind == c.EXIT_KIND:
        mark(w, w.g[c.STATION0] + w.g[c.N_STATIONS])
        return
    mark(w, w.f[place, c.AT])
    if kind == c.CONVEYOR_KIND:
        unsettle(w, unit)


@inner_njit
def withdraw_offer(w, place, unit):
    """`unit` takes its offer back."""
    if w.f[place, c.KIND] == c.CALLS_KIND:
        fleet = w.f[place, c.FLEET]
        w.s[fleet, c.REQUESTS] = leave_queue(w, w.s[fleet, c.REQUESTS], unit)
    else:
        w.s[place, c.SENDERS] = leave_queue(w, w.s[place, c.SENDERS], unit)


@inner_njit
def source_offers(w, unit):
    """The source queues up if it has a part and a card."""
    source, u = w.f[unit], w.s[unit]
    has_card = source[c.CARDS] == 0 or u[c.INSIDE] < source[c.CARDS]
    if u[c.OFFERED] < 0 and has_card and (source[c.SATURATED] or u[c.OUTSIDE] > 0):
        u[c.OFFERED] = w.g[c.NOW]
        offer(w, source[c.GIVES_TO], unit)


@inner_njit
def gone(w, part):
    """The part left the line, was scrapped or merged: its card is free."""
    unit = w.p[part, c.PART_ORIGIN]
    w.s[unit, c.INSIDE] -= 1
    if w.f[unit, c.CARDS]:
        w.s[unit, c.CARD_ROW] = w.g[c.ROWS] - 1
        source_offers(w, unit)


@inner_njit
def enqueue(w, buffer, part, row):
    """A part takes a free place of a buffer."""
    append(w, buffer, part)
    w.p[part, c.PART_ROW] = row
    w.p[part, c.PART_AT] = w.g[c.NOW]


@inner_njit
def freed_by(w, target):
    """The row that made room for a sender that had to wait; -1: there is always room. Negative targets are vehicles."""
    if target < 0:
        return w.s[vehicle_of(target), c.LAST_ROW]
    kind = w.f[target, c.KIND]
    if kind == c.EXIT_KIND:
        return -1
    if kind == c.CONVEYOR_KIND:
        return w.s[w.f[target, c.BELT_UNIT], c.LAST_ROW]
    idle = w.s[w.f[target, c.AT], c.IDLE_HEAD]
    if w.f[target, c.CAPACITY] > 0 or idle < 0:
        return w.s[target, c.ROOM_ROW]
    return w.s[idle, c.LAST_ROW]


@inner_njit
def vehicle_of(target):
    """The vehicle that a negative target names."""
    return -target - 2


@inner_njit
def waits_for_part(w, station, unit):
    """`unit` is ready for a part: it queues by (since, unit)."""
    u = w.s[unit]
    u[c.IDLING], u[c.IDLE_SINCE] = 1, w.g[c.NOW]
    w.s[station, c.N_IDLE] += 1
    mark(w, station)
    at, behind = w.s[station, c.IDLE_HEAD], -1
    while at >= 0:
        since = w.s[at, c.IDLE_SINCE]
        if since > u[c.IDLE_SINCE] or (since == u[c.IDLE_SINCE] and at > unit):
            break
        at, behind = w.s[at, c.IDLE_NEXT], at
    u[c.IDLE_NEXT] = at
    if behind < 0:
        w.s[station, c.IDLE_HEAD] = unit
    else:
        w.s[behind, c.IDLE_NEXT] = unit


@inner_njit
def no_longer_waits(w, station, unit):
    """`unit` takes no part now."""
    if not w.s[unit, c.IDLING]:
        return
    w.s[unit, c.IDLING] = 0
    w.s[station, c.N_IDLE] -= 1
    at, behind = w.s[station, c.IDLE_HEAD], -1
    while at != unit:
        at, behind = w.s[at, c.IDLE_NEXT], at
    if behind < 0:
        w.s[station, c.IDLE_HEAD] = w.s[unit, c.IDLE_NEXT]
    else:
        w.s[behind, c.IDLE_NEXT] = w.s[unit, c.IDLE_NEXT]


@inner_njit
def exit_place(w):
    """The place behind the line: it follows the buffers."""
    last = w.f[w.g[c.STATION0] + w.g[c.N_STATIONS] - 1]
    return last[c.IN0] + last[c.N_IN]
