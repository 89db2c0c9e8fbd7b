"""Vehicles and their dispatch. Twin of sim/reference/transport.py and sim/policies/."""

from __future__ import annotations

from factory_sim.jit import inner_njit
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.event_list import schedule
from factory_sim.sim.calendar.moves import give_front
from factory_sim.sim.calendar.places import enqueue, leave_queue, room
from factory_sim.sim.calendar.row_output import draw, mark, row, unsettle

_IDLE, _MOVING_EMPTY, _LOADING, _CHARGING = (
    int(State.IDLE),
    int(State.MOVING_EMPTY),
    int(State.LOADING),
    int(State.CHARGING),
)
_NO_MOVE, _PASSED = int(Outcome.NONE), int(Outcome.PASSED)


@inner_njit
def travel_us(w, fleet, origin, stop):
    """Driving time between two stops."""
    return w.a[w.f[fleet, c.TRAVEL0] + origin * w.f[fleet, c.N_STOPS] + stop]


@inner_njit
def dispatch(w, fleet):
    """Send free vehicles to calls while the policy finds a pair."""
    w.s[fleet, c.FLEET_DIRTY] = 0
    while True:
        unit, vehicle = _choose(w, fleet)
        if unit < 0 or vehicle < 0:
            break
        w.s[fleet, c.REQUESTS] = leave_queue(w, w.s[fleet, c.REQUESTS], unit)
        unsettle(w, unit)
        calls = w.s[unit, c.SEND_ORIGIN]
        w.s[w.f[calls, c.BUFFER], c.RESERVED] += 1
        w.s[unit, c.ASSIGNED] = 1
        _serve(w, vehicle, unit, calls)
    unit = w.s[fleet, c.REQUESTS]
    while unit >= 0:
        unsettle(w, unit)
        unit = w.s[unit, c.SEND_NEXT]


@inner_njit
def _choose(w, fleet):
    """The policy's pair (caller, vehicle), (-1, -1) if there is none."""
    policy = w.f[fleet, c.POLICY]
    best, best_vehicle, least, least_stock = -1, -1, 0, 0.0
    unit = w.s[fleet, c.REQUESTS]
    while unit >= 0:
        calls = w.s[unit, c.SEND_ORIGIN]
        buffer = w.f[calls, c.BUFFER]
        if room(w, buffer) > 0:
            if policy == c.NEAREST:
                vehicle = _nearest_vehicle(w, fleet, w.f[calls, c.ORIGIN])
                if vehicle < 0:
                    return -1, -1
                way = travel_us(w, fleet, w.s[vehicle, c.AT_STOP], w.f[calls, c.ORIGIN])
                if best < 0 or way < least:
                    best, best_vehicle, least = unit, vehicle, way
            elif policy == c.MOST_URGENT:
                stock = (w.s[buffer, c.COUNT] + w.s[buffer, c.RESERVED]) * w.x[w.f[buffer, c.PACE]]
                if best < 0 or stock < least_stock:
                    best, least_stock = unit, stock
            else:
                return unit, _longest_free(w, fleet)
        unit = w.s[unit, c.SEND_NEXT]
    if policy == c.MOST_URGENT and best >= 0:
        best_vehicle = _nearest_vehicle(w, fleet, w.f[w.s[best, c.SEND_ORIGIN], c.ORIGIN])
    return best, best_vehicle


@inner_njit
def _longest_free(w, fleet):
    best = -1
    for unit in range(w.g[c.N_UNITS]):
        own = w.f[unit, c.ROLE] == c.ROLE_VEHICLE and w.f[unit, c.OF_FLEET] == fleet
        if own and w.s[unit, c.FREE] and (best < 0 or w.s[unit, c.FREE_SINCE] < w.s[best, c.FREE_SINCE]):
            best = unit
    return best


@inner_njit
def _nearest_vehicle(w, fleet, stop):
    """Shortest way to `stop`; then free longest, then lowest unit."""
    best, least, since = -1, 0, 0
    for unit in range(w.g[c.N_UNITS]):
        if w.f[unit, c.ROLE] == c.ROLE_VEHICLE and w.f[unit, c.OF_FLEET] == fleet:
            u = w.s[unit]
            if u[c.FREE]:
                way = travel_us(w, fleet, u[c.AT_STOP], stop)
                if best < 0 or way < least or (way == least and u[c.FREE_SINCE] < since):
                    best, least, since = unit, way, u[c.FREE_SINCE]
    return best


@inner_njit
def _serve(w, vehicle, caller, calls):
    u = w.s[vehicle]
    own = w.f[vehicle]
    u[c.FREE], u[c.CALLER], u[c.CALLED_FROM], u[c.GOES_TO] = 0, caller, calls, w.f[calls, c.INDEX]
    if u[c.AT_STOP] != w.f[calls, c.ORIGIN] and own[c.TRIP_LAW] < 0:
        _write(w, vehicle, _MOVING_EMPTY, w.s[caller, c.LAST_ROW])
        u[c.TASK] = c.TO_PICK_UP
        _drive(w, vehicle, w.f[calls, c.ORIGIN])
    else:
        _load(w, vehicle, w.s[caller, c.LAST_ROW])


@inner_njit
def _write(w, vehicle, state, cause):
    u = w.s[vehicle]
    row(w, vehicle, state, u[c.PART], _NO_MOVE, u[c.GOES_TO] if state != _IDLE else 0, max(cause, u[c.LAST_ROW]))


@inner_njit
def _load(w, vehicle, cause):
    u = w.s[vehicle]
    _write(w, vehicle, _LOADING, cause)
    u[c.TASK] = c.TO_LOAD
    duration = draw(w, w.f[vehicle, c.LOAD_LAW], vehicle, c.LOADS, u[c.K_LOAD])
    u[c.K_LOAD] += 1
    schedule(w, w.f[vehicle, c.SLOT_TRANSPORT], duration)


@inner_njit
def _drive(w, vehicle, stop):
    u = w.s[vehicle]
    own = w.f[vehicle]
    if own[c.TRIP_LAW] >= 0:
        duration = draw(w, own[c.TRIP_LAW], vehicle, c.TRIPS, u[c.K_TRIP])
        u[c.K_TRIP] += 1
    else:
        duration = travel_us(w, own[c.OF_FLEET], u[c.AT_STOP], stop)
    u[c.AT_STOP] = stop
    u[c.BATTERY] -= duration
    schedule(w, w.f[vehicle, c.SLOT_TRANSPORT], duration)


@inner_njit
def vehicle_goes_on(w, vehicle):
    """The vehicle's present task is done."""
    u = w.s[vehicle]
    calls, task = u[c.CALLED_FROM], u[c.TASK]
    if task == c.TO_PICK_UP:
        _load(w, vehicle, -1)
    elif task == c.TO_LOAD:
        w.s[u[c.CALLER], c.ASSIGNED] = 0
        give_front(w, u[c.CALLER], -vehicle - 2)
        u[c.TASK] = c.TO_DELIVER
        _drive(w, vehicle, w.f[calls, c.STOP])
    elif task == c.TO_DELIVER:
        _write(w, vehicle, _LOADING, -1)
        u[c.TASK] = c.TO_UNLOAD
        duration = draw(w, w.f[vehicle, c.UNLOAD_LAW], vehicle, c.UNLOADS, u[c.K_UNLOAD])
        u[c.K_UNLOAD] += 1
        schedule(w, w.f[vehicle, c.SLOT_TRANSPORT], duration)
    elif task == c.TO_UNLOAD:
        _hand_over(w, vehicle, w.f[calls, c.BUFFER])
    else:
        u[c.BATTERY] = w.f[vehicle, c.FULL_US]
        _write(w, vehicle, _IDLE, -1)
        _become_free(w, vehicle)


@inner_njit
def _hand_over(w, vehicle, buffer):
    u = w.s[vehicle]
    part, u[c.PART] = u[c.PART], -1
    charge_us = _charge_us(w, vehicle)
    written = row(w, vehicle, _CHARGING if charge_us else _IDLE, part, _PASSED, u[c.GOES_TO], u[c.LAST_ROW])
    w.s[buffer, c.RESERVED] -= 1
    enqueue(w, buffer, part, written)
    mark(w, w.f[buffer, c.AT])
    if charge_us:
        u[c.TASK] = c.TO_CHARGE
        schedule(w, w.f[vehicle, c.SLOT_TRANSPORT], charge_us)
    else:
        _become_free(w, vehicle)


@inner_njit
def _charge_us(w, vehicle):
    own = w.f[vehicle]
    left = max(0, w.s[vehicle, c.BATTERY])
    if not own[c.FULL_US] or left >= own[c.LOW_US]:
        return 0
    return (own[c.FULL_US] - left) * own[c.CHARGE_US] // own[c.FULL_US]


@inner_njit
def _become_free(w, vehicle):
    w.s[vehicle, c.FREE], w.s[vehicle, c.FREE_SINCE] = 1, w.g[c.NOW]
    w.s[w.f[vehicle, c.OF_FLEET], c.FLEET_DIRTY] = 1
