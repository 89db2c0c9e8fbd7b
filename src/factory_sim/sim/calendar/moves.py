"""Moves of parts into buffers, machines and conveyors. Twin of sim/reference/station.py, source.py, transport.py."""

from __future__ import annotations

from factory_sim.jit import inner_njit
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.event_list import schedule
from factory_sim.sim.calendar.failures import start_due
from factory_sim.sim.calendar.machines import detail_of, offer_front, proceed, state_now
from factory_sim.sim.calendar.places import (
    enqueue,
    freed_by,
    gone,
    leave_queue,
    no_longer_waits,
    offer,
    room,
    source_offers,
    vehicle_of,
)
from factory_sim.sim.calendar.row_output import append, chance, draw, mark, pop_front, row, unsettle

_STARVED, _BUSY, _BLOCKED, _MOVING = int(State.STARVED), int(State.BUSY), int(State.BLOCKED), int(State.MOVING_LOADED)
_TOOK, _MERGED, _PASSED = int(Outcome.TOOK), int(Outcome.MERGED), int(Outcome.PASSED)
_SCRAPPED, _LEFT, _ENTERED = int(Outcome.SCRAPPED), int(Outcome.LEFT), int(Outcome.ENTERED)


# ---- giving


@inner_njit
def give_front(w, unit, target):
    """`unit` hands its front part over to `target`: a place, or a vehicle named by a negative number."""
    role = w.f[unit, c.ROLE]
    if role == c.ROLE_MACHINE:
        _machine_gives(w, unit, target)
    elif role == c.ROLE_SOURCE:
        _source_gives(w, unit, target)
    else:
        _belt_gives(w, unit, target)


@inner_njit
def _index(w, target):
    return w.f[target, c.INDEX] if target >= 0 else w.s[vehicle_of(target), c.GOES_TO]


@inner_njit
def _put(w, target, part, row_index):
    if target < 0:
        vehicle = vehicle_of(target)
        w.s[vehicle, c.PART] = part
        cause = max(row_index, w.s[vehicle, c.LAST_ROW])
        row(w, vehicle, _MOVING, part, _TOOK, w.s[vehicle, c.GOES_TO], cause)
        return
    kind = w.f[target, c.KIND]
    if kind == c.BUFFER_KIND:
        enqueue(w, target, part, row_index)
    elif kind == c.EXIT_KIND:
        gone(w, part)
    else:
        _board(w, target, part, row_index)


@inner_njit
def _machine_gives(w, unit, target):
    u, now = w.s[unit], w.g[c.NOW]
    part = u[c.HELD]
    u[c.HELD] = w.p[part, c.PART_NEXT]
    u[c.N_HELD] -= 1
    cause = u[c.LAST_ROW]
    if u[c.OFFERED] < now:
        cause = max(cause, freed_by(w, target))
    if w.g[c.T0] <= now < w.g[c.T1]:
        w.s[unit, c.T_PARTS] += 1
        w.s[unit, c.T_BUSY] += 0 if u[c.N_HELD] else u[c.DRAWN_US]
    if not u[c.N_HELD]:
        u[c.PHASE] = c.EMPTY
    state = state_now(w, unit) if u[c.N_HELD] or u[c.HALTED] else _STARVED
    written = row(w, unit, state, part, u[c.OUTCOME], _index(w, target), cause)
    if u[c.OUTCOME] == _SCRAPPED:
        w.g[c.SCRAPPED_N] += 1
        w.s[unit, c.T_SCRAPPED] += w.g[c.T0] <= now < w.g[c.T1]
    elif u[c.OUTCOME] == _LEFT:
        w.g[c.LEFT_N] += 1
        w.g[c.GOOD_N] += w.g[c.T0] <= now < w.g[c.T1]
    _put(w, target, part, written)
    if u[c.N_HELD]:
        offer_front(w, unit)
    else:
        proceed(w, unit)


@inner_njit
def _source_gives(w, unit, target):
    u, source = w.s[unit], w.f[unit]
    cause = -1
    if u[c.OFFERED] < w.g[c.NOW] or source[c.SATURATED]:
        cause = freed_by(w, target)
    u[c.OFFERED] = -1
    if not source[c.SATURATED]:
        u[c.OUTSIDE] -= 1
    u[c.INSIDE] += 1
    w.g[c.ENTERED_N] += 1
    w.g[c.AT_ONCE] += 1
    variant = _next_variant(w, unit, source)
    part = w.g[c.N_PARTS]
    w.g[c.N_PARTS] = part + 1
    w.p[part, c.PART_VARIANT], w.p[part, c.PART_ORIGIN], w.p[part, c.PART_LOOPS] = variant, unit, 0
    state = _BLOCKED if source[c.SATURATED] or u[c.OUTSIDE] else _STARVED
    cause = max(cause, u[c.CARD_ROW], u[c.LAST_ROW])
    written = row(w, unit, state, part, _ENTERED, variant, cause)
    _put(w, target, part, written)
    source_offers(w, unit)


@inner_njit
def _next_variant(w, unit, source):
    u = w.s[unit]
    n = u[c.K_VARIANT]
    u[c.K_VARIANT] = n + 1
    if source[c.N_SEQUENCE]:
        return w.a[source[c.SEQUENCE0] + n % source[c.N_SEQUENCE]]
    if not source[c.N_MIX]:
        return 0
    x = chance(w, unit, c.VARIANTS, n)
    for variant in range(source[c.N_MIX] - 1):
        if x < w.x[source[c.MIX0] + variant]:
            return variant
    return source[c.N_MIX] - 1


@inner_njit
def next_arrival(w, unit):
    """Let the source wait for its next part, if there is one."""
    u, source = w.s[unit], w.f[unit]
    n = u[c.K_ARRIVAL]
    if source[c.ARRIVAL_LAW] >= 0:
        gap = draw(w, source[c.ARRIVAL_LAW], unit, c.ARRIVALS, n)
    elif n < source[c.N_GAPS]:
        gap = w.a[source[c.GAP0] + n]
    else:
        return
    u[c.K_ARRIVAL] = n + 1
    schedule(w, w.f[unit, c.SLOT_ARRIVAL], gap)


# ---- belts


@inner_njit
def _board(w, belt, part, row_index):
    unit = w.f[belt, c.BELT_UNIT]
    append(w, belt, part)
    w.p[part, c.PART_AT] = w.g[c.NOW] + w.f[belt, c.DELAY_US]
    state = _BLOCKED if w.s[unit, c.NOW_STATE] == _BLOCKED else _BUSY
    row(w, unit, state, part, _TOOK, 0, row_index)
    if w.s[belt, c.TRAVELS] < 0:
        w.s[belt, c.TRAVELS] = part
        schedule(w, w.f[unit, c.SLOT_TRANSPORT], w.f[belt, c.DELAY_US])


@inner_njit
def belt_arrives(w, unit):
    """The first travelling part reaches the end of the belt."""
    belt = w.f[unit, c.BELT]
    following = w.p[w.s[belt, c.TRAVELS], c.PART_NEXT]
    w.s[belt, c.TRAVELS] = following
    if following >= 0:
        schedule(w, w.f[unit, c.SLOT_TRANSPORT], w.p[following, c.PART_AT] - w.g[c.NOW])
    w.s[unit, c.ARRIVED] += 1
    if w.s[unit, c.ARRIVED] == 1:
        _offer_belt(w, unit, belt)


@inner_njit
def _offer_belt(w, unit, belt):
    w.s[unit, c.OFFERED] = w.g[c.NOW]
    offer(w, w.f[belt, c.BUFFER], unit)
    unsettle(w, unit)


@inner_njit
def _belt_gives(w, unit, target):
    belt, u = w.f[unit, c.BELT], w.s[unit]
    part = pop_front(w, belt)
    u[c.ARRIVED] -= 1
    cause = u[c.LAST_ROW]
    if u[c.OFFERED] != w.g[c.NOW]:
        cause = max(cause, freed_by(w, target))
    written = row(w, unit, _BUSY if w.s[belt, c.COUNT] else _STARVED, part, _PASSED, w.f[belt, c.INDEX], cause)
    _put_in_buffer(w, target, part, written)
    if u[c.ARRIVED]:
        _offer_belt(w, unit, belt)
    mark(w, w.f[belt, c.AT])


@inner_njit
def _put_in_buffer(w, buffer, part, written):
    enqueue(w, buffer, part, written)


# ---- a station's moves


@inner_njit
def visit(w, station):
    """Make every move that is possible at a station: fill the buffers, start a machine, until none can start.

    Sources may have more to give than there is room for rows: then the visit goes on in the next step.
    """
    row_of = w.f[station]
    w.g[c.AT_ONCE], w.g[c.VISITED] = 0, 0
    while True:
        if row_of[c.HAS_UPKEEP]:
            _maintain(w, station)
        for buffer in range(row_of[c.IN0], row_of[c.IN0] + row_of[c.N_IN]):
            if w.s[buffer, c.SENDERS] >= 0:
                _fill(w, buffer)
            if w.f[buffer, c.BELT_IN] >= 0:
                _let_aboard(w, w.f[buffer, c.BELT_IN])
            if w.g[c.AT_ONCE] == c.MOST_AT_ONCE:
                w.g[c.VISITED] = station
                return
            if w.f[buffer, c.FLEET_IN] >= 0:
                w.s[w.f[buffer, c.FLEET_IN], c.FLEET_DIRTY] = 1
        machine = w.s[station, c.IDLE_HEAD]
        if machine < 0:
            return
        n_kept = _ready(w, station, row_of)
        if n_kept == 0:
            return
        no_longer_waits(w, station, machine)
        _start(w, machine, row_of, n_kept)


@inner_njit
def _let_in(w, place):
    sender = w.s[place, c.SENDERS]
    w.s[place, c.SENDERS] = leave_queue(w, sender, sender)
    give_front(w, sender, place)


@inner_njit
def _let_aboard(w, belt):
    while w.s[belt, c.SENDERS] >= 0 and w.s[belt, c.COUNT] < w.f[belt, c.CAPACITY] and w.g[c.AT_ONCE] < c.MOST_AT_ONCE:
        _let_in(w, belt)


@inner_njit
def _fill(w, buffer):
    free = room(w, buffer)
    while free > 0:
        if w.g[c.AT_ONCE] == c.MOST_AT_ONCE:
            return
        _let_in(w, buffer)
        if w.s[buffer, c.SENDERS] < 0:
            return
        free -= 1
    sender = w.s[buffer, c.SENDERS]
    while sender >= 0:
        if w.s[sender, c.SEND_SINCE] == w.g[c.NOW]:
            unsettle(w, sender)
        sender = w.s[sender, c.SEND_NEXT]


@inner_njit
def _maintain(w, station):
    machine = w.s[station, c.IDLE_HEAD]
    while machine >= 0:
        following = w.s[machine, c.IDLE_NEXT]
        if w.f[machine, c.N_PLANS]:
            start_due(w, machine)
        machine = following


@inner_njit
def _ready(w, station, row_of):
    first = row_of[c.IN0]
    waiting = w.s[first, c.COUNT]
    if row_of[c.TAKES] == c.TAKES_ONE:
        return 1 if waiting else 0
    if row_of[c.TAKES] == c.TAKES_SET:
        for buffer in range(first, first + row_of[c.N_IN]):
            if w.s[buffer, c.COUNT] < w.f[buffer, c.QUANTITY]:
                return 0
        return 1
    if not waiting:
        return 0
    timeout, now = row_of[c.BATCH_US], w.g[c.NOW]
    due = w.p[w.s[first, c.HEAD], c.PART_AT] + timeout
    if waiting >= row_of[c.BATCH_MIN] or (timeout and due <= now):
        return min(row_of[c.BATCH_SIZE], waiting)
    if timeout and w.s[station, c.ALARM] < due:
        w.s[station, c.ALARM] = due
        schedule(w, row_of[c.SLOT_TIMEOUT], due - now)
    return 0


@inner_njit
def _start(w, unit, row_of, n_kept):
    u, first = w.s[unit], row_of[c.IN0]
    cause, last_merged = u[c.LAST_ROW], -1
    u[c.HELD], u[c.N_HELD] = -1, n_kept
    last = -1
    for _ in range(n_kept):
        part = pop_front(w, first)
        cause = max(cause, w.p[part, c.PART_ROW])
        w.p[part, c.PART_NEXT] = -1
        if last < 0:
            u[c.HELD] = part
        else:
            w.p[last, c.PART_NEXT] = part
        last = part
    merged = -1  # components, chained
    if row_of[c.TAKES] == c.TAKES_SET:
        for buffer in range(first, first + row_of[c.N_IN]):
            for _ in range(w.f[buffer, c.QUANTITY] - (buffer == first)):
                part = pop_front(w, buffer)
                cause = max(cause, w.p[part, c.PART_ROW])
                w.p[part, c.PART_NEXT] = -1
                if merged < 0:
                    merged = part
                else:
                    w.p[last_merged, c.PART_NEXT] = part
                last_merged = part
    proceed(w, unit)
    began, state = w.g[c.ROWS], state_now(w, unit)
    detail = detail_of(w, unit, state)
    part = u[c.HELD]
    for _ in range(n_kept):
        row(w, unit, state, part, _TOOK, detail, cause)
        part = w.p[part, c.PART_NEXT]
    while merged >= 0:
        following = w.p[merged, c.PART_NEXT]
        row(w, unit, state, merged, _MERGED, detail, began)
        w.g[c.MERGED_N] += 1
        gone(w, merged)
        merged = following
    for buffer in range(first, first + row_of[c.N_IN]):
        w.s[buffer, c.ROOM_ROW] = began


@inner_njit
def leave(w, place):
    """Let everything out of the exit."""
    while w.s[place, c.SENDERS] >= 0:
        _let_in(w, place)
