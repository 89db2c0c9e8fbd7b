"""Time: events of an instant, then moves, then states. Twin of sim/simpy_engine.py and build.py's first moment."""

from __future__ import annotations

from numba import njit

from factory_sim.clock import NEVER_US
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.circles import blocked_in_circle
from factory_sim.sim.calendar.events import earliest, pop, schedule
from factory_sim.sim.calendar.fleets import dispatch, vehicle_goes_on
from factory_sim.sim.calendar.machines import (
    alarm_rings,
    clock_ends,
    fails,
    find_due,
    granted,
    new_life,
    proceed,
    repair,
    repaired,
    shift_begins,
    shift_ends,
    state_now,
    sync,
    upkeep_ends,
    write_state,
)
from factory_sim.sim.calendar.moves import belt_arrives, leave, next_arrival, visit
from factory_sim.sim.calendar.places import exit_place, source_offers, withdraw_offer
from factory_sim.sim.calendar.pools import become_free, send, shift_of_pool
from factory_sim.sim.calendar.rows import highest, mark, row, unsettle
from factory_sim.sim.simpy_engine import Class

# ruff: noqa: ANN001, ANN201, C901, PLR0911, PLR0912, PLR0913 - compiled: types are inferred; a switch is a switch
FINISHED, FULL_ROWS, FULL_PARTS, CIRCLE = range(4)
_CALENDAR, _ALARM, _REPAIR_END, _UPKEEP_END, _PROCESSING_END, _WEAR, _TRANSPORT, _ARRIVAL = (
    2 * int(kind) for kind in (Class.CALENDAR, Class.ALARM, Class.REPAIR_END, Class.UPKEEP_END, Class.PROCESSING_END,
                               Class.FAILURE, Class.TRANSPORT_END, Class.ARRIVAL))  # fmt: skip
_STRIKE = _WEAR + 1
_STARVED, _BLOCKED, _IDLE, _OFF = int(State.STARVED), int(State.BLOCKED), int(State.IDLE), int(State.OFF)
_NO_MOVE, _LOST = int(Outcome.NONE), int(Outcome.LOST)
NEVER = NEVER_US


@njit(cache=True)
def begin(f, s, k):
    """The run's first moment: shifts, first rows, first moves."""
    for shift in range(len(f.shift)):
        _begin_shift(f, s, shift)
    for unit in range(len(f.unit)):
        role = f.unit[unit, c.ROLE]
        if role == c.ROLE_SOURCE:
            row(s, unit, _STARVED, -1, _NO_MOVE, 0, -1)
            if f.source[f.unit[unit, c.SOURCE], c.SATURATED]:
                source_offers(f, s, unit)
            else:
                next_arrival(f, s, k, unit)
        elif role == c.ROLE_MACHINE:
            _begin_machine(f, s, k, unit)
        elif role == c.ROLE_VEHICLE:
            s.unit[unit, c.FREE], s.unit[unit, c.BATTERY] = 1, f.vehicle[f.unit[unit, c.VEHICLE], c.FULL_US]
            row(s, unit, _IDLE, -1, _NO_MOVE, 0, -1)
        elif role == c.ROLE_CONVEYOR:
            row(s, unit, _STARVED, -1, _NO_MOVE, 0, -1)
        else:
            pool = f.unit[unit, c.POOL_OF]
            row(s, unit, _IDLE if s.pool[pool, c.OPEN] else _OFF, -1, _NO_MOVE, 0, -1)
            become_free(s, pool, unit)
    s.line[c.STAGE] = c.SERVING


@njit(cache=True)
def _begin_machine(f, s, k, unit):
    station = f.station[f.unit[unit, c.STATION]]
    u = s.unit[unit]
    u[c.OUTCOME], u[c.PLACE], u[c.NOW_STATE] = station[c.PASSES], station[c.DESTINATION], -1
    for mode in range(f.unit[unit, c.MODE0], f.unit[unit, c.MODE0] + f.unit[unit, c.N_MODES]):
        new_life(f, s, k, unit, mode)
    find_due(f, s, unit)
    for plan in range(f.unit[unit, c.PLAN0], f.unit[unit, c.PLAN0] + f.unit[unit, c.N_PLANS]):
        if f.plan[plan, c.EVERY_US]:
            schedule(s, f.plan[plan, c.PLAN_SLOT], f.plan[plan, c.EVERY_US])
    sync(f, s, unit)
    write_state(f, s, unit, -1)
    u[c.STEP] = 20  # the work instruction begins with taking a part
    proceed(f, s, k, unit)


@njit(cache=True)
def _begin_shift(f, s, shift):
    first, n = f.shift[shift, c.EDGE0], f.shift[shift, c.N_EDGES]
    is_open = False
    for edge in range(first, first + n, 2):
        is_open = is_open or f.edges[edge] <= 0 < f.edges[edge + 1]
    if not is_open:
        for unit in range(len(f.unit)):
            if f.unit[unit, c.ROLE] == c.ROLE_MACHINE and f.unit[unit, c.SHIFT] == shift:
                s.unit[unit, c.OFF], s.unit[unit, c.HALTED] = 1, 1
        for pool in range(len(f.pool)):
            if f.pool[pool, c.POOL_SHIFT] == shift:
                s.pool[pool, c.OPEN] = 0
    s.shift[shift, c.CYCLE], s.shift[shift, c.EDGE] = 0, 1 if is_open else 0
    _wait_for_edge(f, s, shift)


@njit(cache=True)
def _wait_for_edge(f, s, shift):
    if s.shift[shift, c.EDGE] == f.shift[shift, c.N_EDGES]:
        s.shift[shift, c.CYCLE] += 1
        s.shift[shift, c.EDGE] = 0
    due = s.shift[shift, c.CYCLE] * f.shift[shift, c.CYCLE_US] + f.edges[f.shift[shift, c.EDGE0] + s.shift[shift, c.EDGE]]
    schedule(s, f.shift[shift, c.SHIFT_SLOT], due - s.line[c.NOW])


@njit(cache=True)
def _turn_shift(f, s, k, shift):
    opens = s.shift[shift, c.EDGE] % 2 == 0
    for unit in range(len(f.unit)):
        if f.unit[unit, c.ROLE] == c.ROLE_MACHINE and f.unit[unit, c.SHIFT] == shift:
            if opens:
                shift_begins(f, s, k, unit)
            else:
                shift_ends(f, s, unit, f.shift[shift, c.FINISH])
    for pool in range(len(f.pool)):
        if f.pool[pool, c.POOL_SHIFT] == shift:
            shift_of_pool(f, s, pool, opens)
    s.shift[shift, c.EDGE] += 1
    _wait_for_edge(f, s, shift)


@njit(cache=True)
def _happen(f, s, k, slot):
    """One event: change state only."""
    kind, who = f.slot_kind[slot], f.slot_who[slot]
    if kind == _PROCESSING_END:
        clock_ends(f, s, k, who)
    elif kind == _WEAR:
        fails(f, s, k, who, 0)
    elif kind == _STRIKE:
        fails(f, s, k, who, 1)
    elif kind == _REPAIR_END:
        repaired(f, s, k, who)
    elif kind == _UPKEEP_END:
        upkeep_ends(f, s, k, who)
    elif kind == _TRANSPORT:
        if f.unit[who, c.ROLE] == c.ROLE_VEHICLE:
            vehicle_goes_on(f, s, k, who)
        else:
            belt_arrives(f, s, who)
    elif kind == _ARRIVAL:
        s.unit[who, c.OUTSIDE] += 1
        source_offers(f, s, who)
        unsettle(s, who)
        next_arrival(f, s, k, who)
    elif kind == _ALARM:
        alarm_rings(f, s, _unit_of_plan(f, who), who)
    elif kind == _CALENDAR:
        _turn_shift(f, s, k, who)
    else:
        mark(s, who)


@njit(cache=True)
def _unit_of_plan(f, plan):
    for unit in range(len(f.unit)):
        if f.unit[unit, c.N_PLANS] > 0 and f.unit[unit, c.PLAN0] <= plan < f.unit[unit, c.PLAN0] + f.unit[unit, c.N_PLANS]:
            return unit
    return -1


@njit(cache=True)
def _serve(f, s, k):
    s.line[c.POOLS_CALLED] = 0
    for pool in range(len(f.pool)):
        p = s.pool[pool]
        while p[c.CALL_HEAD] >= 0 and p[c.FREE_HEAD] >= 0 and p[c.OPEN]:
            unit = p[c.CALL_HEAD]
            p[c.CALL_HEAD] = s.unit[unit, c.CALL_NEXT]
            s.unit[unit, c.CALLING] = 0
            send(s, pool, unit, s.unit[unit, c.CALL_AS])
            if s.unit[unit, c.CALL_AS] == c.AS_MACHINE:
                granted(f, s, k, unit)
            else:
                repair(f, s, k, unit, s.line[c.ROWS] - 1)


@njit(cache=True)
def _settle_states(f, s):
    s.line[c.ANY_UNSETTLED], s.line[c.BLOCKED_NEW] = 0, 0
    for unit in range(len(f.unit)):
        if s.unit[unit, c.UNSETTLED]:
            s.unit[unit, c.UNSETTLED] = 0
            role = f.unit[unit, c.ROLE]
            if role == c.ROLE_MACHINE:
                if state_now(f, s, unit) != s.unit[unit, c.NOW_STATE]:
                    write_state(f, s, unit, -1)
            elif role == c.ROLE_SOURCE:
                _settle_source(f, s, unit)
            elif s.unit[unit, c.ARRIVED] and s.unit[unit, c.NOW_STATE] != _BLOCKED:
                part = s.place[f.unit[unit, c.BELT], c.HEAD]
                row(s, unit, _BLOCKED, part, _NO_MOVE, 0, s.unit[unit, c.LAST_ROW])


@njit(cache=True)
def _settle_source(f, s, unit):
    u, source = s.unit[unit], f.source[f.unit[unit, c.SOURCE]]
    if not u[c.OUTSIDE]:
        return
    if source[c.LOSES]:
        for _ in range(u[c.OUTSIDE]):
            row(s, unit, _STARVED, -1, _LOST, 0, u[c.LAST_ROW])
        s.line[c.LOST_N] += u[c.OUTSIDE]
        u[c.OUTSIDE] = 0
        if u[c.OFFERED] >= 0:
            withdraw_offer(f, s, source[c.GIVES_TO], unit)
        u[c.OFFERED] = -1
    elif u[c.NOW_STATE] != _BLOCKED:
        row(s, unit, _BLOCKED, -1, _NO_MOVE, 0, u[c.LAST_ROW])


@njit(cache=True)
def advance(f, s, k, until_us, margin):
    """Run every instant before `until_us`; FINISHED, or why it stopped. Called again, it goes on where it stopped.

    `margin`: rows and parts that one step can need at most.
    """
    line = s.line
    while True:
        if line[c.STORING] and line[c.ROWS] - line[c.FIRST_ROW] + margin > len(s.rows):
            return FULL_ROWS
        if line[c.N_PARTS] + margin > len(s.part):
            return FULL_PARTS
        stage = line[c.STAGE]
        if stage == c.BETWEEN:
            due = earliest(s)
            if due >= until_us:
                line[c.NOW] = until_us
                return FINISHED
            line[c.NOW], line[c.STAGE] = due, c.EVENTS
        elif stage == c.EVENTS:
            slot = pop(s, line[c.NOW])
            if slot >= 0:
                _happen(f, s, k, slot)
            else:
                line[c.STAGE] = c.SERVING
        elif stage == c.SERVING:
            if line[c.POOLS_CALLED]:
                _serve(f, s, k)
            line[c.STAGE] = c.MOVING
        elif stage == c.MOVING:
            station = highest(s)
            if station < 0:
                line[c.STAGE] = c.DISPATCHING
            elif station == len(f.station):
                leave(f, s, k, exit_place(f))
            else:
                visit(f, s, k, station)
        else:
            if _dispatch_and_settle(f, s, k):
                return CIRCLE


@njit(cache=True)
def _dispatch_and_settle(f, s, k):
    line = s.line
    for fleet in range(len(f.fleet)):
        if s.fleet[fleet, c.FLEET_DIRTY]:
            dispatch(f, s, k, fleet)
    if line[c.POOLS_CALLED] or s.dirty.any():
        line[c.STAGE] = c.SERVING
    elif earliest(s) == line[c.NOW]:
        line[c.STAGE] = c.EVENTS
    else:
        line[c.STAGE] = c.BETWEEN
        if line[c.ANY_UNSETTLED]:
            _settle_states(f, s)
            if line[c.CHECK_CIRCLES] == 1 and line[c.BLOCKED_NEW] == 1:
                return blocked_in_circle(f, s)
    return False
