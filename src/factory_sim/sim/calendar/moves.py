"""Moves of parts: into buffers, into machines, on and off belts. Twin of sim/station.py, source.py and of Conveyor."""

from __future__ import annotations

import numpy as np
from numba import njit

from factory_sim.plant.states import Outcome, State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.events import schedule
from factory_sim.sim.calendar.machines import detail_of, offer_front, proceed, start_due, state_now
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
from factory_sim.sim.calendar.rows import append, chance, draw, mark, pop_front, row, unsettle

# ruff: noqa: ANN001, ANN201, PLR0913 - compiled: types are inferred
_STARVED, _BUSY, _BLOCKED, _MOVING = int(State.STARVED), int(State.BUSY), int(State.BLOCKED), int(State.MOVING_LOADED)
_TOOK, _MERGED, _PASSED = int(Outcome.TOOK), int(Outcome.MERGED), int(Outcome.PASSED)
_SCRAPPED, _LEFT, _ENTERED = int(Outcome.SCRAPPED), int(Outcome.LEFT), int(Outcome.ENTERED)


# ---- giving


@njit(cache=True)
def give_front(f, s, k, unit, target):
    """`unit` hands its front part over to `target`: a place, or a vehicle named by a negative number."""
    role = f.unit[unit, c.ROLE]
    if role == c.ROLE_MACHINE:
        _machine_gives(f, s, k, unit, target)
    elif role == c.ROLE_SOURCE:
        _source_gives(f, s, k, unit, target)
    else:
        _belt_gives(f, s, unit, target)


@njit(cache=True)
def _index(f, s, target):
    return f.place[target, c.INDEX] if target >= 0 else s.unit[vehicle_of(target), c.GOES_TO]


@njit(cache=True)
def _put(f, s, target, part, row_index):
    if target < 0:
        vehicle = vehicle_of(target)
        s.unit[vehicle, c.PART] = part
        cause = max(row_index, s.unit[vehicle, c.LAST_ROW])
        row(s, vehicle, _MOVING, part, _TOOK, s.unit[vehicle, c.GOES_TO], cause)
        return
    kind = f.place[target, c.KIND]
    if kind == c.BUFFER_KIND:
        enqueue(s, target, part, row_index)
    elif kind == c.EXIT_KIND:
        gone(f, s, part)
    else:
        _board(f, s, target, part, row_index)


@njit(cache=True)
def _machine_gives(f, s, k, unit, target):
    u, now = s.unit[unit], s.line[c.NOW]
    part = u[c.HELD]
    u[c.HELD] = s.part[part, c.PART_NEXT]
    u[c.N_HELD] -= 1
    cause = u[c.LAST_ROW]
    if u[c.OFFERED] < now:
        cause = max(cause, freed_by(f, s, target))
    if s.line[c.T0] <= now < s.line[c.T1]:
        s.tally[unit, c.T_PARTS] += 1
        s.tally[unit, c.T_BUSY] += 0 if u[c.N_HELD] else u[c.DRAWN_US]
    if not u[c.N_HELD]:
        u[c.PHASE] = c.EMPTY
    state = state_now(f, s, unit) if u[c.N_HELD] or u[c.HALTED] else _STARVED
    written = row(s, unit, state, part, u[c.OUTCOME], _index(f, s, target), cause)
    if u[c.OUTCOME] == _SCRAPPED:
        s.line[c.SCRAPPED_N] += 1
        s.tally[unit, c.T_SCRAPPED] += s.line[c.T0] <= now < s.line[c.T1]
    elif u[c.OUTCOME] == _LEFT:
        s.line[c.LEFT_N] += 1
        s.line[c.GOOD_N] += s.line[c.T0] <= now < s.line[c.T1]
    _put(f, s, target, part, written)
    if u[c.N_HELD]:
        offer_front(f, s, k, unit)
    else:
        proceed(f, s, k, unit)


@njit(cache=True)
def _source_gives(f, s, k, unit, target):
    u, source = s.unit[unit], f.source[f.unit[unit, c.SOURCE]]
    cause = -1
    if u[c.OFFERED] < s.line[c.NOW] or source[c.SATURATED]:
        cause = freed_by(f, s, target)
    u[c.OFFERED] = -1
    if not source[c.SATURATED]:
        u[c.OUTSIDE] -= 1
    u[c.INSIDE] += 1
    s.line[c.ENTERED_N] += 1
    variant = _next_variant(f, s, k, unit, source)
    part = s.line[c.N_PARTS]
    s.line[c.N_PARTS] = part + 1
    s.part[part, c.PART_VARIANT], s.part[part, c.PART_ORIGIN], s.part[part, c.PART_LOOPS] = variant, unit, 0
    state = _BLOCKED if source[c.SATURATED] or u[c.OUTSIDE] else _STARVED
    cause = max(cause, u[c.CARD_ROW], u[c.LAST_ROW])
    written = row(s, unit, state, part, _ENTERED, variant, cause)
    _put(f, s, target, part, written)
    source_offers(f, s, unit)


@njit(cache=True)
def _next_variant(f, s, k, unit, source):
    u = s.unit[unit]
    n = u[c.K_VARIANT]
    u[c.K_VARIANT] = n + 1
    if source[c.N_SEQUENCE]:
        return f.sequence[source[c.SEQUENCE0] + n % source[c.N_SEQUENCE]]
    if not source[c.N_MIX]:
        return 0
    x = chance(k.variant[unit], n)
    for variant in range(source[c.N_MIX] - 1):
        if x < f.mix_f[source[c.MIX0] + variant]:
            return variant
    return source[c.N_MIX] - 1


@njit(cache=True)
def next_arrival(f, s, k, unit):
    """Let the source wait for its next part, if there is one."""
    u, source = s.unit[unit], f.source[f.unit[unit, c.SOURCE]]
    n = u[c.K_ARRIVAL]
    if source[c.ARRIVAL_LAW] >= 0:
        gap = draw(f, source[c.ARRIVAL_LAW], k.arrival[unit], n)
    elif n < source[c.N_GAPS]:
        gap = f.gaps[source[c.GAP0] + n]
    else:
        return
    u[c.K_ARRIVAL] = n + 1
    schedule(s, f.unit[unit, c.SLOT_ARRIVAL], gap)


# ---- belts


@njit(cache=True)
def _board(f, s, belt, part, row_index):
    unit = f.place[belt, c.BELT_UNIT]
    append(s, belt, part)
    s.part[part, c.PART_AT] = s.line[c.NOW] + f.place[belt, c.DELAY_US]
    state = _BLOCKED if s.unit[unit, c.NOW_STATE] == _BLOCKED else _BUSY
    row(s, unit, state, part, _TOOK, 0, row_index)
    if s.place[belt, c.TRAVELS] < 0:
        s.place[belt, c.TRAVELS] = part
        schedule(s, f.unit[unit, c.SLOT_TRANSPORT], f.place[belt, c.DELAY_US])


@njit(cache=True)
def belt_arrives(f, s, unit):
    """The first travelling part reaches the end of the belt."""
    belt = f.unit[unit, c.BELT]
    following = s.part[s.place[belt, c.TRAVELS], c.PART_NEXT]
    s.place[belt, c.TRAVELS] = following
    if following >= 0:
        schedule(s, f.unit[unit, c.SLOT_TRANSPORT], s.part[following, c.PART_AT] - s.line[c.NOW])
    s.unit[unit, c.ARRIVED] += 1
    if s.unit[unit, c.ARRIVED] == 1:
        _offer_belt(f, s, unit, belt)


@njit(cache=True)
def _offer_belt(f, s, unit, belt):
    s.unit[unit, c.OFFERED] = s.line[c.NOW]
    offer(f, s, f.place[belt, c.BUFFER], unit)
    unsettle(s, unit)


@njit(cache=True)
def _belt_gives(f, s, unit, target):
    belt, u = f.unit[unit, c.BELT], s.unit[unit]
    part = pop_front(s, belt)
    u[c.ARRIVED] -= 1
    cause = u[c.LAST_ROW]
    if u[c.OFFERED] != s.line[c.NOW]:
        cause = max(cause, freed_by(f, s, target))
    written = row(s, unit, _BUSY if s.place[belt, c.COUNT] else _STARVED, part, _PASSED, f.place[belt, c.INDEX], cause)
    _put_in_buffer(s, target, part, written)
    if u[c.ARRIVED]:
        _offer_belt(f, s, unit, belt)
    mark(s, f.place[belt, c.INDEX])


@njit(cache=True)
def _put_in_buffer(s, buffer, part, written):
    enqueue(s, buffer, part, written)


# ---- a station's moves


@njit(cache=True)
def visit(f, s, k, station):
    """Make every move that is possible at a station: fill the buffers, start a machine, until none can start."""
    row_of = f.station[station]
    while True:
        for buffer in range(row_of[c.IN0], row_of[c.IN0] + row_of[c.N_IN]):
            if s.place[buffer, c.SENDERS] >= 0:
                _fill(f, s, k, buffer)
            belt = f.place[buffer, c.BELT_IN]
            while belt >= 0 and s.place[belt, c.SENDERS] >= 0 and s.place[belt, c.COUNT] < f.place[belt, c.CAPACITY]:
                _let_in(f, s, k, belt)
            if f.place[buffer, c.FLEET_IN] >= 0:
                s.fleet[f.place[buffer, c.FLEET_IN], c.FLEET_DIRTY] = 1
        if row_of[c.HAS_UPKEEP]:
            _maintain(f, s, k, station)
        machine = s.idle[station, 0]
        if machine < 0:
            return
        n_kept = _ready(f, s, station, row_of)
        if n_kept == 0:
            return
        no_longer_waits(s, station, machine)
        _start(f, s, k, machine, row_of, n_kept)


@njit(cache=True)
def _let_in(f, s, k, place):
    sender = s.place[place, c.SENDERS]
    s.place[place, c.SENDERS] = leave_queue(s, sender, sender)
    give_front(f, s, k, sender, place)


@njit(cache=True)
def _fill(f, s, k, buffer):
    free = room(f, s, buffer)
    while free > 0:
        _let_in(f, s, k, buffer)
        if s.place[buffer, c.SENDERS] < 0:
            return
        free -= 1
    sender = s.place[buffer, c.SENDERS]
    while sender >= 0:
        if s.unit[sender, c.SEND_SINCE] == s.line[c.NOW]:
            unsettle(s, sender)
        sender = s.unit[sender, c.SEND_NEXT]


@njit(cache=True)
def _maintain(f, s, k, station):
    machine = s.idle[station, 0]
    while machine >= 0:
        following = s.unit[machine, c.IDLE_NEXT]
        if f.unit[machine, c.N_PLANS]:
            start_due(f, s, k, machine)
        machine = following


@njit(cache=True)
def _ready(f, s, station, row_of):
    first = row_of[c.IN0]
    waiting = s.place[first, c.COUNT]
    if row_of[c.TAKES] == c.TAKES_ONE:
        return 1 if waiting else 0
    if row_of[c.TAKES] == c.TAKES_SET:
        for buffer in range(first, first + row_of[c.N_IN]):
            if s.place[buffer, c.COUNT] < f.place[buffer, c.QUANTITY]:
                return 0
        return 1
    if not waiting:
        return 0
    timeout, now = row_of[c.BATCH_US], s.line[c.NOW]
    due = s.part[s.place[first, c.HEAD], c.PART_AT] + timeout
    if waiting >= row_of[c.BATCH_MIN] or (timeout and due <= now):
        return min(row_of[c.BATCH_SIZE], waiting)
    if timeout and s.alarm[station] < due:
        s.alarm[station] = due
        schedule(s, row_of[c.SLOT_TIMEOUT], due - now)
    return 0


@njit(cache=True)
def _start(f, s, k, unit, row_of, n_kept):
    u, first = s.unit[unit], row_of[c.IN0]
    cause, n_merged = u[c.LAST_ROW], 0
    u[c.HELD], u[c.N_HELD] = -1, n_kept
    last = -1
    for _ in range(n_kept):
        part = pop_front(s, first)
        cause = max(cause, s.part[part, c.PART_ROW])
        s.part[part, c.PART_NEXT] = -1
        if last < 0:
            u[c.HELD] = part
        else:
            s.part[last, c.PART_NEXT] = part
        last = part
    merged = np.empty(_components(f, row_of), np.int64)
    if row_of[c.TAKES] == c.TAKES_SET:
        for buffer in range(first, first + row_of[c.N_IN]):
            for _ in range(f.place[buffer, c.QUANTITY] - (buffer == first)):
                part = pop_front(s, buffer)
                cause = max(cause, s.part[part, c.PART_ROW])
                merged[n_merged] = part
                n_merged += 1
    proceed(f, s, k, unit)
    began, state = s.line[c.ROWS], state_now(f, s, unit)
    detail = detail_of(f, s, unit, state)
    part = u[c.HELD]
    for _ in range(n_kept):
        row(s, unit, state, part, _TOOK, detail, cause)
        part = s.part[part, c.PART_NEXT]
    for i in range(n_merged):
        row(s, unit, state, merged[i], _MERGED, detail, began)
        s.line[c.MERGED_N] += 1
        gone(f, s, merged[i])
    for buffer in range(first, first + row_of[c.N_IN]):
        s.place[buffer, c.ROOM_ROW] = began


@njit(cache=True)
def _components(f, row_of):
    total = 0
    if row_of[c.TAKES] == c.TAKES_SET:
        for buffer in range(row_of[c.IN0], row_of[c.IN0] + row_of[c.N_IN]):
            total += f.place[buffer, c.QUANTITY]
    return total


@njit(cache=True)
def leave(f, s, k, place):
    """Let everything out of the exit."""
    while s.place[place, c.SENDERS] >= 0:
        _let_in(f, s, k, place)
