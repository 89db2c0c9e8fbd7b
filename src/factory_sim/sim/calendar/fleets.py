"""Vehicles and their dispatch. Twin of sim/transport.py and sim/policies/."""

from __future__ import annotations

from numba import njit

from factory_sim.plant.states import Outcome, State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.events import schedule
from factory_sim.sim.calendar.moves import give_front
from factory_sim.sim.calendar.places import enqueue, leave_queue, room
from factory_sim.sim.calendar.rows import draw, mark, row, unsettle

# ruff: noqa: ANN001, ANN201, PLR0913 - compiled: types are inferred
_IDLE, _MOVING_EMPTY, _LOADING, _CHARGING = (
    int(State.IDLE), int(State.MOVING_EMPTY), int(State.LOADING), int(State.CHARGING))  # fmt: skip
_NO_MOVE, _PASSED = int(Outcome.NONE), int(Outcome.PASSED)


@njit(cache=True)
def travel_us(f, fleet, origin, stop):
    """Driving time between two stops."""
    return f.travel[f.fleet[fleet, c.TRAVEL0] + origin * f.fleet[fleet, c.N_STOPS] + stop]


@njit(cache=True)
def dispatch(f, s, k, fleet):
    """Send free vehicles to calls while the policy finds a pair."""
    s.fleet[fleet, c.FLEET_DIRTY] = 0
    while True:
        unit, vehicle = _choose(f, s, fleet)
        if unit < 0:
            break
        s.fleet[fleet, c.REQUESTS] = leave_queue(s, s.fleet[fleet, c.REQUESTS], unit)
        calls = s.unit[unit, c.SEND_ORIGIN]
        s.place[f.place[calls, c.BUFFER], c.RESERVED] += 1
        s.unit[unit, c.ASSIGNED] = 1
        _serve(f, s, k, vehicle, unit, calls)
    unit = s.fleet[fleet, c.REQUESTS]
    while unit >= 0:
        unsettle(s, unit)
        unit = s.unit[unit, c.SEND_NEXT]


@njit(cache=True)
def _choose(f, s, fleet):
    """The policy's pair (caller, vehicle), (-1, -1) if there is none."""
    policy = f.fleet[fleet, c.POLICY]
    best, best_vehicle, least, least_stock = -1, -1, 0, 0.0
    unit = s.fleet[fleet, c.REQUESTS]
    while unit >= 0:
        calls = s.unit[unit, c.SEND_ORIGIN]
        buffer = f.place[calls, c.BUFFER]
        if room(f, s, buffer) > 0:
            if policy == c.NEAREST:
                vehicle = _nearest_vehicle(f, s, fleet, f.place[calls, c.ORIGIN])
                if vehicle < 0:
                    return -1, -1
                way = travel_us(f, fleet, s.unit[vehicle, c.AT_STOP], f.place[calls, c.ORIGIN])
                if best < 0 or way < least:
                    best, best_vehicle, least = unit, vehicle, way
            elif policy == c.MOST_URGENT:
                stock = (s.place[buffer, c.COUNT] + s.place[buffer, c.RESERVED]) * f.pace_f[buffer]
                if best < 0 or stock < least_stock:
                    best, least_stock = unit, stock
            else:
                return unit, _longest_free(f, s, fleet)
        unit = s.unit[unit, c.SEND_NEXT]
    if policy == c.MOST_URGENT and best >= 0:
        best_vehicle = _nearest_vehicle(f, s, fleet, f.place[s.unit[best, c.SEND_ORIGIN], c.ORIGIN])
    return best, best_vehicle


@njit(cache=True)
def _longest_free(f, s, fleet):
    best = -1
    for unit in range(len(f.unit)):
        if f.unit[unit, c.ROLE] == c.ROLE_VEHICLE and f.vehicle[f.unit[unit, c.VEHICLE], c.OF_FLEET] == fleet:
            if s.unit[unit, c.FREE] and (best < 0 or s.unit[unit, c.FREE_SINCE] < s.unit[best, c.FREE_SINCE]):
                best = unit
    return best


@njit(cache=True)
def _nearest_vehicle(f, s, fleet, stop):
    """Shortest way to `stop`; then free longest, then lowest unit."""
    best, least, since = -1, 0, 0
    for unit in range(len(f.unit)):
        if f.unit[unit, c.ROLE] == c.ROLE_VEHICLE and f.vehicle[f.unit[unit, c.VEHICLE], c.OF_FLEET] == fleet:
            u = s.unit[unit]
            if u[c.FREE]:
                way = travel_us(f, fleet, u[c.AT_STOP], stop)
                if best < 0 or way < least or (way == least and u[c.FREE_SINCE] < since):
                    best, least, since = unit, way, u[c.FREE_SINCE]
    return best


@njit(cache=True)
def _serve(f, s, k, vehicle, caller, calls):
    u = s.unit[vehicle]
    own = f.vehicle[f.unit[vehicle, c.VEHICLE]]
    u[c.FREE], u[c.CALLER], u[c.CALLED_FROM], u[c.GOES_TO] = 0, caller, calls, f.place[calls, c.INDEX]
    if u[c.AT_STOP] != f.place[calls, c.ORIGIN] and own[c.TRIP_LAW] < 0:
        _write(s, vehicle, _MOVING_EMPTY, s.unit[caller, c.LAST_ROW])
        u[c.TASK] = c.TO_PICK_UP
        _drive(f, s, k, vehicle, f.place[calls, c.ORIGIN])
    else:
        _load(f, s, k, vehicle, s.unit[caller, c.LAST_ROW])


@njit(cache=True)
def _write(s, vehicle, state, cause):
    u = s.unit[vehicle]
    row(s, vehicle, state, u[c.PART], _NO_MOVE, u[c.GOES_TO] if state != _IDLE else 0, max(cause, u[c.LAST_ROW]))


@njit(cache=True)
def _load(f, s, k, vehicle, cause):
    u = s.unit[vehicle]
    _write(s, vehicle, _LOADING, cause)
    u[c.TASK] = c.TO_LOAD
    duration = draw(f, f.vehicle[f.unit[vehicle, c.VEHICLE], c.LOAD_LAW], k.load[vehicle], u[c.K_LOAD])
    u[c.K_LOAD] += 1
    schedule(s, f.unit[vehicle, c.SLOT_TRANSPORT], duration)


@njit(cache=True)
def _drive(f, s, k, vehicle, stop):
    u = s.unit[vehicle]
    own = f.vehicle[f.unit[vehicle, c.VEHICLE]]
    if own[c.TRIP_LAW] >= 0:
        duration = draw(f, own[c.TRIP_LAW], k.trip[vehicle], u[c.K_TRIP])
        u[c.K_TRIP] += 1
    else:
        duration = travel_us(f, own[c.OF_FLEET], u[c.AT_STOP], stop)
    u[c.AT_STOP] = stop
    u[c.BATTERY] -= duration
    schedule(s, f.unit[vehicle, c.SLOT_TRANSPORT], duration)


@njit(cache=True)
def vehicle_goes_on(f, s, k, vehicle):
    """The vehicle's present task is done."""
    u = s.unit[vehicle]
    calls, task = u[c.CALLED_FROM], u[c.TASK]
    if task == c.TO_PICK_UP:
        _load(f, s, k, vehicle, -1)
    elif task == c.TO_LOAD:
        s.unit[u[c.CALLER], c.ASSIGNED] = 0
        give_front(f, s, k, u[c.CALLER], -vehicle - 2)
        u[c.TASK] = c.TO_DELIVER
        _drive(f, s, k, vehicle, f.place[calls, c.STOP])
    elif task == c.TO_DELIVER:
        _write(s, vehicle, _LOADING, -1)
        u[c.TASK] = c.TO_UNLOAD
        duration = draw(f, f.vehicle[f.unit[vehicle, c.VEHICLE], c.UNLOAD_LAW], k.unload[vehicle], u[c.K_UNLOAD])
        u[c.K_UNLOAD] += 1
        schedule(s, f.unit[vehicle, c.SLOT_TRANSPORT], duration)
    elif task == c.TO_UNLOAD:
        _hand_over(f, s, vehicle, f.place[calls, c.BUFFER])
    else:
        u[c.BATTERY] = f.vehicle[f.unit[vehicle, c.VEHICLE], c.FULL_US]
        _write(s, vehicle, _IDLE, -1)
        _become_free(f, s, vehicle)


@njit(cache=True)
def _hand_over(f, s, vehicle, buffer):
    u = s.unit[vehicle]
    part, u[c.PART] = u[c.PART], -1
    charge_us = _charge_us(f, s, vehicle)
    written = row(s, vehicle, _CHARGING if charge_us else _IDLE, part, _PASSED, u[c.GOES_TO], u[c.LAST_ROW])
    s.place[buffer, c.RESERVED] -= 1
    enqueue(s, buffer, part, written)
    mark(s, f.place[buffer, c.INDEX])
    if charge_us:
        u[c.TASK] = c.TO_CHARGE
        schedule(s, f.unit[vehicle, c.SLOT_TRANSPORT], charge_us)
    else:
        _become_free(f, s, vehicle)


@njit(cache=True)
def _charge_us(f, s, vehicle):
    own = f.vehicle[f.unit[vehicle, c.VEHICLE]]
    left = max(0, s.unit[vehicle, c.BATTERY])
    if not own[c.FULL_US] or left >= own[c.LOW_US]:
        return 0
    return (own[c.FULL_US] - left) * own[c.CHARGE_US] // own[c.FULL_US]


@njit(cache=True)
def _become_free(f, s, vehicle):
    s.unit[vehicle, c.FREE], s.unit[vehicle, c.FREE_SINCE] = 1, s.line[c.NOW]
    s.fleet[f.vehicle[f.unit[vehicle, c.VEHICLE], c.OF_FLEET], c.FLEET_DIRTY] = 1
