"""Vehicles and their dispatch. Twin of sim/reference/fleet.py and policies.py."""

from __future__ import annotations

from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.linkage import inner_njit, rare_njit
from factory_sim.sim.calendar.moves import give_front
from factory_sim.sim.calendar.primitives import draw, mark, row, schedule, unsettle
from factory_sim.sim.calendar.queues import enqueue, leave_queue, room
from factory_sim.sim.calendar.world import most


@inner_njit
def travel_us(w, fleet, origin, stop):
    """Return the driving time between two stops."""
    return w.whole[w.fleet[fleet].travel0 + origin * w.fleet[fleet].n_stops + stop]


@inner_njit
def dispatch(w, fleet):
    """Send free vehicles to calls while the policy finds a pair (rule VEH-3)."""
    w.fleet[fleet].dirty = 0
    while w.fleet[fleet].n_free > 0 and w.fleet[fleet].requests >= 0:
        unit, vehicle = _choose(w, fleet)
        if unit < 0 or vehicle < 0:
            break
        w.fleet[fleet].requests = leave_queue(w, w.fleet[fleet].requests, unit)
        unsettle(w, unit)
        calls = w.unit[unit].calls_from
        w.place[w.place[calls].buffer].reserved += 1
        w.unit[unit].assigned = 1
        _serve(w, vehicle, unit, calls)
    unit = w.fleet[fleet].requests
    while unit >= 0:
        unsettle(w, unit)
        unit = w.unit[unit].next


@rare_njit
def _choose(w, fleet):
    """Return the policy's pair (caller, vehicle), with -1 if there is none."""
    policy = w.fleet[fleet].policy
    best, best_vehicle, shortest, least_stock = -1, -1, 0, 0.0
    unit = w.fleet[fleet].requests
    while unit >= 0:
        calls = w.unit[unit].calls_from
        buffer = w.place[calls].buffer
        if room(w, buffer) > 0:
            if policy == c.NEAREST:
                vehicle = _nearest_vehicle(w, fleet, w.place[calls].origin)
                if vehicle < 0:
                    return -1, -1
                way = travel_us(w, fleet, w.unit[vehicle].at_stop, w.place[calls].origin)
                if best < 0 or way < shortest:
                    best, best_vehicle, shortest = unit, vehicle, way
            elif policy == c.MOST_URGENT:
                stock = (w.place[buffer].count + w.place[buffer].reserved) * w.place[buffer].pace
                if best < 0 or stock < least_stock:
                    best, least_stock = unit, stock
            else:
                return unit, _nearest_vehicle(w, fleet, -1)
        unit = w.unit[unit].next
    if policy == c.MOST_URGENT and best >= 0:
        best_vehicle = _nearest_vehicle(w, fleet, w.place[w.unit[best].calls_from].origin)
    return best, best_vehicle


@inner_njit
def _nearest_vehicle(w, fleet, stop):
    """Return the free vehicle with the shortest way to `stop` (-1: anywhere); then free longest, then lowest unit."""
    best, shortest, since, first = -1, 0, 0, w.fleet[fleet].vehicle0
    for i in range(first, first + w.fleet[fleet].n_vehicles):
        unit = w.whole[i]
        u = w.unit[unit]
        if u.free:
            way = travel_us(w, fleet, u.at_stop, stop) if stop >= 0 else 0
            if best < 0 or way < shortest or (way == shortest and u.since < since):
                best, shortest, since = unit, way, u.since
    return best


@inner_njit
def _serve(w, vehicle, caller, calls):
    u = w.unit[vehicle]
    w.fleet[u.fleet].n_free -= 1
    u.free, u.caller, u.called_from, u.goes_to = 0, caller, calls, w.place[calls].index
    if u.at_stop != w.place[calls].origin and u.trip_law < 0:
        _write(w, vehicle, c.MOVING_EMPTY, w.unit[caller].last_row)
        u.task = c.TO_PICK_UP
        _drive(w, vehicle, w.place[calls].origin)
    else:
        _load(w, vehicle, w.unit[caller].last_row)


@inner_njit
def _write(w, vehicle, state, cause):
    u = w.unit[vehicle]
    row(w, vehicle, state, u.part, c.NO_MOVE, u.goes_to if state != c.IDLE else 0, most(cause, u.last_row))


@inner_njit
def _load(w, vehicle, cause):
    u = w.unit[vehicle]
    _write(w, vehicle, c.LOADING, cause)
    u.task = c.TO_LOAD
    duration = draw(w, w.unit[vehicle].load_law, w.unit[vehicle].loads, u.k_load)
    u.k_load += 1
    schedule(w, w.unit[vehicle].slot_transport, duration)


@inner_njit
def _drive(w, vehicle, stop):
    u = w.unit[vehicle]
    if u.trip_law >= 0:
        duration = draw(w, u.trip_law, w.unit[vehicle].trips, u.k_trip)
        u.k_trip += 1
    else:
        duration = travel_us(w, u.fleet, u.at_stop, stop)
    u.at_stop = stop
    u.battery_us -= duration
    schedule(w, w.unit[vehicle].slot_transport, duration)


@rare_njit
def continue_trip(w, vehicle):
    """Continue the trip: the vehicle's present task is done."""
    u = w.unit[vehicle]
    calls, task = u.called_from, u.task
    if task == c.TO_PICK_UP:
        _load(w, vehicle, -1)
    elif task == c.TO_LOAD:
        w.unit[u.caller].assigned = 0
        give_front(w, u.caller, -vehicle - 2)
        u.task = c.TO_DELIVER
        _drive(w, vehicle, w.place[calls].stop)
    elif task == c.TO_DELIVER:
        _write(w, vehicle, c.LOADING, -1)
        u.task = c.TO_UNLOAD
        duration = draw(w, w.unit[vehicle].unload_law, w.unit[vehicle].unloads, u.k_unload)
        u.k_unload += 1
        schedule(w, w.unit[vehicle].slot_transport, duration)
    elif task == c.TO_UNLOAD:
        _hand_over(w, vehicle, w.place[calls].buffer)
    else:
        u.battery_us = w.unit[vehicle].full_us
        _write(w, vehicle, c.IDLE, -1)
        become_idle(w, vehicle)


@inner_njit
def _hand_over(w, vehicle, buffer):
    u = w.unit[vehicle]
    part, u.part = u.part, -1
    charge_us = _charge_us(w, vehicle)
    written = row(w, vehicle, c.CHARGING if charge_us else c.IDLE, part, c.PASSED, u.goes_to, u.last_row)
    w.place[buffer].reserved -= 1
    enqueue(w, buffer, part, written)
    mark(w, w.place[buffer].at)
    if charge_us:
        u.task = c.TO_CHARGE
        schedule(w, w.unit[vehicle].slot_transport, charge_us)
    else:
        become_idle(w, vehicle)


@inner_njit
def _charge_us(w, vehicle):
    u = w.unit[vehicle]
    left = most(0, u.battery_us)
    if not u.full_us or left >= u.low_us:
        return 0
    return (u.full_us - left) * u.charge_us // u.full_us


@inner_njit
def become_idle(w, vehicle):
    """Let the vehicle be free for the calls of its fleet."""
    u = w.unit[vehicle]
    u.free, u.since = 1, w.line.now
    w.fleet[u.fleet].n_free += 1
    w.fleet[u.fleet].dirty = 1
