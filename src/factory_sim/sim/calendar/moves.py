"""Moves of parts into buffers, machines and conveyors. Twin of sim/reference/station.py, source.py, transport.py."""

from __future__ import annotations

from factory_sim.random_streams import uniform
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.failures import start_due
from factory_sim.sim.calendar.linkage import frequent_njit, inner_njit
from factory_sim.sim.calendar.machines import become_empty, detail_of, offer_front, proceed, state_now
from factory_sim.sim.calendar.primitives import append, draw, mark, pop_front, row, schedule, unsettle
from factory_sim.sim.calendar.queues import enqueue, freed_by, gone, leave_queue, offer, room, source_offers, vehicle_of
from factory_sim.sim.calendar.world import least, most

# ---- giving


@inner_njit
def give_front(w, unit, target):
    """Hand the front part of `unit` over to `target`: a place, or a vehicle named by a negative number."""
    role = w.unit[unit].role
    if role == c.MACHINE:
        _machine_gives(w, unit, target)
    elif role == c.SOURCE:
        _source_gives(w, unit, target)
    else:
        _belt_gives(w, unit, target)


@inner_njit
def _index(w, target):
    return w.place[target].index if target >= 0 else w.unit[vehicle_of(target)].goes_to


@frequent_njit
def _put(w, target, part, row_index):
    if target < 0:
        vehicle = vehicle_of(target)
        w.unit[vehicle].part = part
        cause = most(row_index, w.unit[vehicle].last_row)
        row(w, vehicle, c.MOVING_LOADED, part, c.TOOK, w.unit[vehicle].goes_to, cause)
        return
    kind = w.place[target].kind
    if kind == c.BUFFER:
        enqueue(w, target, part, row_index)
    elif kind == c.EXIT:
        gone(w, part)
    else:
        _board(w, target, part, row_index)


@inner_njit
def _machine_gives(w, unit, target):
    u, now = w.unit[unit], w.line.now
    part = u.held
    u.held = w.part[part].next
    u.n_held -= 1
    cause = u.last_row
    if u.offered < now:
        cause = most(cause, freed_by(w, target))
    if w.line.t0 <= now < w.line.t1:
        w.unit[unit].parts += 1
        w.unit[unit].parts_us += 0 if u.n_held else u.drawn_us
    if not u.n_held:
        u.phase = c.EMPTY
    state = state_now(w, unit) if u.n_held or u.halted else c.STARVED
    written = row(w, unit, state, part, u.outcome, _index(w, target), cause)
    if u.outcome == c.REWORK:
        w.line.n_rework -= 1
    elif u.outcome == c.SCRAPPED:
        w.line.scrapped += 1
        w.unit[unit].scrapped_parts += w.line.t0 <= now < w.line.t1
    elif u.outcome == c.LEFT:
        w.line.left += 1
        w.line.good += w.line.t0 <= now < w.line.t1
    _put(w, target, part, written)
    if u.n_held:
        offer_front(w, unit)
    else:
        become_empty(w, unit)


@inner_njit
def _source_gives(w, unit, target):
    u = w.unit[unit]
    cause = -1
    if u.offered < w.line.now or u.saturated:
        cause = freed_by(w, target)
    u.offered = -1
    if not u.saturated:
        u.outside -= 1
    u.inside += 1
    w.line.entered += 1
    w.line.at_once += 1
    variant = _next_variant(w, unit)
    part = w.line.n_parts
    w.line.n_parts = part + 1
    w.part[part].variant, w.part[part].origin, w.part[part].loops = variant, unit, 0
    state = c.BLOCKED if u.saturated or u.outside else c.STARVED
    cause = most(most(cause, u.card_row), u.last_row)
    written = row(w, unit, state, part, c.ENTERED, variant, cause)
    _put(w, target, part, written)
    source_offers(w, unit)


@inner_njit
def _next_variant(w, unit):
    u = w.unit[unit]
    n = u.k_variant
    u.k_variant = n + 1
    if u.n_sequence:
        return w.whole[u.sequence0 + n % u.n_sequence]
    if not u.n_mix:
        return 0
    x = uniform(w.unit[unit].variants, n)
    for variant in range(u.n_mix - 1):
        if x < w.numbers[u.mix0 + variant]:
            return variant
    return u.n_mix - 1


@inner_njit
def next_arrival(w, unit):
    """Schedule the source's next arrival, if there is one (rule SRC-1)."""
    u = w.unit[unit]
    n = u.k_arrival
    if u.arrival_law >= 0:
        gap = draw(w, u.arrival_law, w.unit[unit].arrivals, n)
    elif n < u.n_gaps:
        gap = w.whole[u.gap0 + n]
    else:
        return
    u.k_arrival = n + 1
    schedule(w, w.unit[unit].slot_arrival, gap)


# ---- belts


@inner_njit
def _board(w, belt, part, row_index):
    unit = w.place[belt].belt_unit
    append(w, belt, part)
    w.part[part].at_us = w.line.now + w.place[belt].delay_us
    state = c.BLOCKED if w.unit[unit].now_state == c.BLOCKED else c.BUSY
    row(w, unit, state, part, c.TOOK, 0, row_index)
    if w.place[belt].travels < 0:
        w.place[belt].travels = part
        schedule(w, w.unit[unit].slot_transport, w.place[belt].delay_us)


@inner_njit
def belt_arrives(w, unit):
    """Let the first travelling part reach the end of the conveyor."""
    belt = w.unit[unit].belt
    following = w.part[w.place[belt].travels].next
    w.place[belt].travels = following
    if following >= 0:
        schedule(w, w.unit[unit].slot_transport, w.part[following].at_us - w.line.now)
    w.unit[unit].arrived += 1
    if w.unit[unit].arrived == 1:
        _offer_belt(w, unit, belt)


@inner_njit
def _offer_belt(w, unit, belt):
    w.unit[unit].offered = w.line.now
    offer(w, w.place[belt].buffer, unit)
    unsettle(w, unit)


@inner_njit
def _belt_gives(w, unit, target):
    u = w.unit[unit]
    belt = u.belt
    part = pop_front(w, belt)
    u.arrived -= 1
    cause = u.last_row
    if u.offered != w.line.now:
        cause = most(cause, freed_by(w, target))
    written = row(w, unit, c.BUSY if w.place[belt].count else c.STARVED, part, c.PASSED, w.place[belt].index, cause)
    enqueue(w, target, part, written)
    if u.arrived:
        _offer_belt(w, unit, belt)
    mark(w, w.place[belt].at)


# ---- a station's moves


@frequent_njit
def visit(w, station):
    """Make every move that is possible at a station (rule MOVE-2); return whether the visit must be continued.

    Sources may have more to give than there is room for rows.
    """
    row_of = w.station[station]
    w.line.at_once = 0
    while True:
        if row_of.has_upkeep:
            _maintain(w, station)
        if _fill_all(w, row_of):
            w.line.stage, w.line.visited = c.FILLING, station
            return True
        machine = row_of.idle
        if machine < 0:
            return False
        n_kept = _ready(w, station, row_of)
        if n_kept == 0:
            return False
        row_of.idle = w.unit[machine].next
        row_of.n_idle -= 1
        w.unit[machine].idling = 0
        _start(w, machine, row_of, n_kept)


@frequent_njit
def _fill_all(w, row_of):
    """Fill the places of a station; rack, buffers and conveyors in order. Return whether sources have more to give."""
    place = row_of.gate
    while True:
        if w.place[place].senders >= 0:
            if _fill(w, place):
                return True
        elif w.place[place].kind == c.CALLS:
            w.fleet[w.place[place].fleet].dirty = 1
        place = w.place[place].next_gate
        if place < 0:
            return False


@frequent_njit
def _fill(w, place):
    """Let senders give while there is room; the state of those that begin to wait is settled (rule INST-5)."""
    free = room(w, place)
    sender = w.place[place].senders
    while sender >= 0 and free > 0:
        if w.line.at_once == c.MOST_AT_ONCE:
            return True
        w.place[place].senders = leave_queue(w, sender, sender)
        give_front(w, sender, place)
        sender = w.place[place].senders
        free -= 1
    while sender >= 0:
        if w.unit[sender].since == w.line.now:
            unsettle(w, sender)
        sender = w.unit[sender].next
    return False


@inner_njit
def _maintain(w, station):
    machine = w.station[station].idle
    while machine >= 0:
        following = w.unit[machine].next
        if w.unit[machine].n_plans:
            start_due(w, machine)
        machine = following


@frequent_njit
def _ready(w, station, row_of):
    first = row_of.in0
    waiting = w.place[first].count
    if row_of.rack >= 0:
        waiting += w.place[row_of.rack].count
    if row_of.takes == c.TAKES_ONE:
        return 1 if waiting else 0
    if row_of.takes == c.TAKES_SET:
        return int(_complete(w, row_of, first) or _joins_again(w, row_of))
    if not waiting:
        return 0
    timeout, now = row_of.batch_us, w.line.now
    due = least(_oldest_us(w, row_of.rack), _oldest_us(w, first)) + timeout
    if waiting >= row_of.batch_min or (timeout and due <= now):
        return least(row_of.batch_size, waiting)
    if timeout and w.station[station].alarm < due:
        w.station[station].alarm = due
        schedule(w, row_of.slot_timeout, due - now)
    return 0


@inner_njit
def _complete(w, row_of, begin):
    """Return whether the inputs from `begin` on hold their quantities."""
    for buffer in range(begin, row_of.in0 + row_of.n_in):  # noqa: SIM110 - compiled code has no generators
        if w.place[buffer].count < w.place[buffer].quantity:
            return False
    return True


@inner_njit
def _joins_again(w, row_of):
    """Return whether a join takes a reworked part now (rule QUAL-5)."""
    if row_of.rack < 0 or not w.place[row_of.rack].count:
        return False
    complete = _complete(w, row_of, row_of.in0 + 1)
    if not complete and row_of.rework_components:
        return False
    new = complete and w.place[row_of.in0].count >= w.place[row_of.in0].quantity
    return not new or _next_queue(w, row_of) == row_of.rack


@inner_njit
def _next_queue(w, row_of):
    """Return where the next part comes from: the rework rack or the first buffer (rule QUAL-4)."""
    rack, first = row_of.rack, row_of.in0
    if rack < 0 or not w.place[rack].count:
        return first
    return rack if row_of.rework_first or _oldest_us(w, rack) <= _oldest_us(w, first) else first


@inner_njit
def _oldest_us(w, place):
    """Return the arrival of the first part in a place; NEVER without a part."""
    return w.part[w.place[place].head].at_us if place >= 0 and w.place[place].count else c.NEVER


@inner_njit
def _keep(w, unit, row_of, n_kept, again):
    """Let a machine take the parts that it keeps; return the latest of its last row and the rows that brought them."""
    u = w.unit[unit]
    queue = row_of.rack if again else row_of.in0
    if row_of.takes != c.TAKES_SET:
        queue = _next_queue(w, row_of)
    part = pop_front(w, queue)
    u.held, u.n_held = part, n_kept
    cause = most(u.last_row, w.part[part].row)
    for _ in range(n_kept - 1):
        last, part = part, pop_front(w, _next_queue(w, row_of))
        cause = most(cause, w.part[part].row)
        w.part[last].next = part
    w.part[part].next = -1
    return cause


@inner_njit
def _take_components(w, row_of, again, cause):
    """Take the components of a join; return them, chained, and the latest of `cause` and the rows that brought them."""
    merged, last = -1, -1
    for buffer in range(row_of.in0, row_of.in0 + (row_of.n_in if row_of.rework_components or not again else 0)):
        n = w.place[buffer].quantity
        if buffer == row_of.in0:
            n = 0 if again else n - 1
        for _ in range(n):
            part = pop_front(w, buffer)
            cause = most(cause, w.part[part].row)
            w.part[part].next = -1
            if merged < 0:
                merged = part
            else:
                w.part[last].next = part
            last = part
    return merged, cause


@inner_njit
def _start(w, unit, row_of, n_kept):
    u, first, merged = w.unit[unit], row_of.in0, -1
    again = row_of.takes == c.TAKES_SET and _joins_again(w, row_of)
    cause = _keep(w, unit, row_of, n_kept, again)
    if row_of.takes == c.TAKES_SET:
        merged, cause = _take_components(w, row_of, again, cause)
    proceed(w, unit)
    state = state_now(w, unit)
    detail = detail_of(w, unit, state)
    part = u.held
    began = row(w, unit, state, part, c.TOOK, detail, cause)
    for _ in range(n_kept - 1):
        part = w.part[part].next
        row(w, unit, state, part, c.TOOK, detail, cause)
    while merged >= 0:
        following = w.part[merged].next
        row(w, unit, state, merged, c.MERGED, detail, began)
        w.line.merged += 1
        gone(w, merged)
        merged = following
    for buffer in range(first, first + row_of.n_in):
        w.place[buffer].room_row = began
    if row_of.rack >= 0:
        w.place[row_of.rack].room_row = began
