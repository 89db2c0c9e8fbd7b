"""Where parts can go next: offers, room, and the queues of those who wait for room. Twin of sim/station.py."""

from __future__ import annotations

from numba import njit

from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.rows import append, mark, unsettle

# ruff: noqa: ANN001, ANN201, PLR0913 - compiled: types are inferred


@njit(cache=True)
def room(f, s, buffer):
    """Free places of a buffer. One without places passes parts straight to machines that wait."""
    p = s.place[buffer]
    capacity = f.place[buffer, c.CAPACITY]
    if capacity == 0:
        capacity = s.idle[f.place[buffer, c.INDEX], 1]
    return capacity - p[c.COUNT] - p[c.RESERVED]


@njit(cache=True)
def _before(s, unit, other):
    a, b = s.unit[unit], s.unit[other]
    return a[c.SEND_SINCE] < b[c.SEND_SINCE] or (a[c.SEND_SINCE] == b[c.SEND_SINCE] and unit < other)


@njit(cache=True)
def queue_up(s, head, unit):
    """Insert a sender by (since, unit) into the list that begins with `head`; the new head."""
    s.unit[unit, c.SENDING], s.unit[unit, c.SEND_SINCE] = 1, s.line[c.NOW]
    if head < 0 or _before(s, unit, head):
        s.unit[unit, c.SEND_NEXT] = head
        return unit
    at = head
    while s.unit[at, c.SEND_NEXT] >= 0 and _before(s, s.unit[at, c.SEND_NEXT], unit):
        at = s.unit[at, c.SEND_NEXT]
    s.unit[unit, c.SEND_NEXT] = s.unit[at, c.SEND_NEXT]
    s.unit[at, c.SEND_NEXT] = unit
    return head


@njit(cache=True)
def leave_queue(s, head, unit):
    """Take a sender out of the list that begins with `head`; the new head."""
    s.unit[unit, c.SENDING] = 0
    if head == unit:
        return s.unit[unit, c.SEND_NEXT]
    at = head
    while at >= 0:
        if s.unit[at, c.SEND_NEXT] == unit:
            s.unit[at, c.SEND_NEXT] = s.unit[unit, c.SEND_NEXT]
            break
        at = s.unit[at, c.SEND_NEXT]
    return head


@njit(cache=True)
def offer(f, s, place, unit):
    """`unit` holds a part for `place`."""
    kind = f.place[place, c.KIND]
    if kind == c.CALLS_KIND:
        fleet = f.place[place, c.FLEET]
        s.unit[unit, c.SEND_ORIGIN] = place
        s.fleet[fleet, c.REQUESTS] = queue_up(s, s.fleet[fleet, c.REQUESTS], unit)
        s.fleet[fleet, c.FLEET_DIRTY] = 1
        unsettle(s, unit)
        return
    s.place[place, c.SENDERS] = queue_up(s, s.place[place, c.SENDERS], unit)
    if kind == c.EXIT_KIND:
        mark(s, len(f.station))
        return
    mark(s, f.place[place, c.INDEX])
    if kind == c.CONVEYOR_KIND:
        unsettle(s, unit)


@njit(cache=True)
def withdraw_offer(f, s, place, unit):
    """`unit` takes its offer back."""
    if f.place[place, c.KIND] == c.CALLS_KIND:
        fleet = f.place[place, c.FLEET]
        s.fleet[fleet, c.REQUESTS] = leave_queue(s, s.fleet[fleet, c.REQUESTS], unit)
    else:
        s.place[place, c.SENDERS] = leave_queue(s, s.place[place, c.SENDERS], unit)


@njit(cache=True)
def source_offers(f, s, unit):
    """The source queues up if it has a part and a card."""
    source, u = f.source[f.unit[unit, c.SOURCE]], s.unit[unit]
    has_card = source[c.CARDS] == 0 or u[c.INSIDE] < source[c.CARDS]
    if u[c.OFFERED] < 0 and has_card and (source[c.SATURATED] or u[c.OUTSIDE] > 0):
        u[c.OFFERED] = s.line[c.NOW]
        offer(f, s, source[c.GIVES_TO], unit)


@njit(cache=True)
def gone(f, s, part):
    """The part left the line, was scrapped or merged: its card is free."""
    unit = s.part[part, c.PART_ORIGIN]
    s.unit[unit, c.INSIDE] -= 1
    if f.source[f.unit[unit, c.SOURCE], c.CARDS]:
        s.unit[unit, c.CARD_ROW] = s.line[c.ROWS] - 1
        source_offers(f, s, unit)


@njit(cache=True)
def enqueue(s, buffer, part, row):
    """A part takes a free place of a buffer."""
    append(s, buffer, part)
    s.part[part, c.PART_ROW] = row
    s.part[part, c.PART_AT] = s.line[c.NOW]


@njit(cache=True)
def freed_by(f, s, target):
    """The row that made room for a sender that had to wait; -1: there is always room. Negative targets are vehicles."""
    if target < 0:
        return s.unit[vehicle_of(target), c.LAST_ROW]
    kind = f.place[target, c.KIND]
    if kind == c.EXIT_KIND:
        return -1
    if kind == c.CONVEYOR_KIND:
        return s.unit[f.place[target, c.BELT_UNIT], c.LAST_ROW]
    idle = s.idle[f.place[target, c.INDEX], 0]
    if f.place[target, c.CAPACITY] > 0 or idle < 0:
        return s.place[target, c.ROOM_ROW]
    return s.unit[idle, c.LAST_ROW]


@njit(cache=True)
def vehicle_of(target):
    """The vehicle that a negative target names."""
    return -target - 2


@njit(cache=True)
def waits_for_part(s, station, unit):
    """`unit` is ready for a part: it queues by (since, unit)."""
    u = s.unit[unit]
    u[c.IDLING], u[c.IDLE_SINCE] = 1, s.line[c.NOW]
    s.idle[station, 1] += 1
    mark(s, station)
    at, behind = s.idle[station, 0], -1
    while at >= 0:
        since = s.unit[at, c.IDLE_SINCE]
        if since > u[c.IDLE_SINCE] or (since == u[c.IDLE_SINCE] and at > unit):
            break
        at, behind = s.unit[at, c.IDLE_NEXT], at
    u[c.IDLE_NEXT] = at
    if behind < 0:
        s.idle[station, 0] = unit
    else:
        s.unit[behind, c.IDLE_NEXT] = unit


@njit(cache=True)
def no_longer_waits(s, station, unit):
    """`unit` takes no part now."""
    if not s.unit[unit, c.IDLING]:
        return
    s.unit[unit, c.IDLING] = 0
    s.idle[station, 1] -= 1
    at, behind = s.idle[station, 0], -1
    while at != unit:
        at, behind = s.unit[at, c.IDLE_NEXT], at
    if behind < 0:
        s.idle[station, 0] = s.unit[unit, c.IDLE_NEXT]
    else:
        s.unit[behind, c.IDLE_NEXT] = s.unit[unit, c.IDLE_NEXT]


@njit(cache=True)
def exit_place(f):
    """The place behind the line: it follows the buffers."""
    last = f.station[len(f.station) - 1]
    return last[c.IN0] + last[c.N_IN]
