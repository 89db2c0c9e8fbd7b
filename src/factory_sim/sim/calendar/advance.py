"""Time: events of an instant, then moves, then states. Twin of sim/reference/line.py and build.py's first moment."""

from __future__ import annotations

from factory_sim.clock import NEVER_US
from factory_sim.jit import inner_njit, njit
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.deadlock_search import in_circle
from factory_sim.sim.calendar.event_list import pop, schedule
from factory_sim.sim.calendar.failures import alarm_rings, fails, repair, repaired, upkeep_ends
from factory_sim.sim.calendar.fleets import dispatch, vehicle_goes_on
from factory_sim.sim.calendar.life_clocks import find_due, new_life, sync
from factory_sim.sim.calendar.machines import (
    clock_ends,
    granted,
    proceed,
    shift_begins,
    shift_ends,
    state_now,
    write_state,
)
from factory_sim.sim.calendar.moves import belt_arrives, leave, next_arrival, visit
from factory_sim.sim.calendar.places import exit_place, source_offers, withdraw_offer
from factory_sim.sim.calendar.pools import become_free, send, shift_of_pool
from factory_sim.sim.calendar.row_output import any_marked, highest, mark, row, unsettle
from factory_sim.sim.calendar.world import world_at
from factory_sim.sim.event_classes import Class

# ruff: noqa: C901, PLR0912 - compiled: types are inferred; a switch is a switch
FINISHED, FULL_ROWS, FULL_PARTS, CIRCLE = range(4)
_CALENDAR, _ALARM, _REPAIR_END, _UPKEEP_END, _PROCESSING_END, _WEAR, _TRANSPORT, _ARRIVAL = (
    2 * int(kind)
    for kind in (
        Class.CALENDAR,
        Class.ALARM,
        Class.REPAIR_END,
        Class.UPKEEP_END,
        Class.PROCESSING_END,
        Class.FAILURE,
        Class.TRANSPORT_END,
        Class.ARRIVAL,
    )
)
_STRIKE = _WEAR + 1
_STARVED, _BLOCKED, _IDLE, _OFF = int(State.STARVED), int(State.BLOCKED), int(State.IDLE), int(State.OFF)
_NO_MOVE, _LOST = int(Outcome.NONE), int(Outcome.LOST)
NEVER = NEVER_US


@inner_njit
def _begin(w):
    """The run's first moment: shifts, first rows, first moves."""
    for shift in range(w.g[c.SHIFT0], w.g[c.SHIFT0] + w.g[c.N_SHIFTS]):
        _begin_shift(w, shift)
    for unit in range(w.g[c.N_UNITS]):
        role = w.f[unit, c.ROLE]
        if role == c.ROLE_SOURCE:
            row(w, unit, _STARVED, -1, _NO_MOVE, 0, -1)
            if w.f[unit, c.SATURATED]:
                source_offers(w, unit)
            else:
                next_arrival(w, unit)
        elif role == c.ROLE_MACHINE:
            _begin_machine(w, unit)
        elif role == c.ROLE_CONVEYOR:
            row(w, unit, _STARVED, -1, _NO_MOVE, 0, -1)
        else:
            _begin_work(w, unit)
    w.g[c.STAGE] = c.SERVING


@inner_njit
def _begin_work(w, unit):
    """A vehicle with a full battery at the first stop, a robot, or somebody of a crew."""
    if w.f[unit, c.ROLE] == c.ROLE_VEHICLE:
        w.s[unit, c.FREE], w.s[unit, c.FREE_SINCE], w.s[unit, c.BATTERY] = 1, w.g[c.NOW], w.f[unit, c.FULL_US]
        row(w, unit, _IDLE, -1, _NO_MOVE, 0, -1)
        return
    pool = w.f[unit, c.POOL_OF]
    row(w, unit, _IDLE if w.s[pool, c.OPEN] else _OFF, -1, _NO_MOVE, 0, -1)
    become_free(w, pool, unit)


@njit
def reconsider(address):
    """The plant is another from now on: who joins begins, and every place where a part may move is looked at."""
    w = world_at(address)
    if w.g[c.STAGE] == c.BEGINNING:
        return
    for unit in range(w.g[c.N_UNITS]):
        if w.f[unit, c.ROLE] == c.ROLE_SOURCE:
            source_offers(w, unit)
        elif w.s[unit, c.NOW_STATE] < 0:
            _begin_work(w, unit)
    w.g[c.POOLS_CALLED] = 1
    for station in range(w.g[c.STATION0], w.g[c.STATION0] + w.g[c.N_STATIONS]):
        mark(w, station)
    for fleet in range(w.g[c.FLEET0], w.g[c.FLEET0] + w.g[c.N_FLEETS]):
        w.s[fleet, c.FLEET_DIRTY] = 1
    w.g[c.STAGE] = c.SERVING


@inner_njit
def _begin_machine(w, unit):
    station = w.f[w.f[unit, c.STATION]]
    u = w.s[unit]
    u[c.OUTCOME], u[c.PLACE], u[c.NOW_STATE] = station[c.PASSES], station[c.DESTINATION], -1
    for mode in range(w.f[unit, c.MODE0], w.f[unit, c.MODE0] + w.f[unit, c.N_MODES]):
        new_life(w, unit, mode)
    find_due(w, unit)
    for plan in range(w.f[unit, c.PLAN0], w.f[unit, c.PLAN0] + w.f[unit, c.N_PLANS]):
        if w.f[plan, c.EVERY_US]:
            schedule(w, w.f[plan, c.PLAN_SLOT], w.f[plan, c.EVERY_US])
    sync(w, unit)
    write_state(w, unit, -1)
    u[c.STEP] = 20  # the work instruction begins with taking a part
    proceed(w, unit)


@inner_njit
def _begin_shift(w, shift):
    first, n = w.f[shift, c.EDGE0], w.f[shift, c.N_EDGES]
    is_open = False
    for edge in range(first, first + n, 2):
        is_open = is_open or w.a[edge] <= 0 < w.a[edge + 1]
    if not is_open:
        for unit in range(w.g[c.N_UNITS]):
            if w.f[unit, c.ROLE] == c.ROLE_MACHINE and w.f[unit, c.SHIFT] == shift:
                w.s[unit, c.OFF], w.s[unit, c.HALTED] = 1, 1
        for pool in range(w.g[c.POOL0], w.g[c.POOL0] + w.g[c.N_POOLS]):
            if w.f[pool, c.POOL_SHIFT] == shift:
                w.s[pool, c.OPEN] = 0
    w.s[shift, c.CYCLE], w.s[shift, c.EDGE] = 0, 1 if is_open else 0
    _wait_for_edge(w, shift)


@inner_njit
def _wait_for_edge(w, shift):
    if w.s[shift, c.EDGE] == w.f[shift, c.N_EDGES]:
        w.s[shift, c.CYCLE] += 1
        w.s[shift, c.EDGE] = 0
    due = w.s[shift, c.CYCLE] * w.f[shift, c.CYCLE_US] + w.a[w.f[shift, c.EDGE0] + w.s[shift, c.EDGE]]
    schedule(w, w.f[shift, c.SHIFT_SLOT], due - w.g[c.NOW])


@inner_njit
def _turn_shift(w, shift):
    opens = w.s[shift, c.EDGE] % 2 == 0
    for unit in range(w.g[c.N_UNITS]):
        if w.f[unit, c.ROLE] == c.ROLE_MACHINE and w.f[unit, c.SHIFT] == shift:
            if opens:
                shift_begins(w, unit)
            else:
                shift_ends(w, unit, w.f[shift, c.FINISH])
    for pool in range(w.g[c.POOL0], w.g[c.POOL0] + w.g[c.N_POOLS]):
        if w.f[pool, c.POOL_SHIFT] == shift:
            shift_of_pool(w, pool, opens)
    w.s[shift, c.EDGE] += 1
    _wait_for_edge(w, shift)


@inner_njit
def _happen(w, slot):
    """One event: change state only."""
    kind, who = w.a[2 * slot], w.a[2 * slot + 1]
    if kind == _PROCESSING_END:
        clock_ends(w, who)
    elif kind == _WEAR:
        fails(w, who, 0)
    elif kind == _STRIKE:
        fails(w, who, 1)
    elif kind == _REPAIR_END:
        repaired(w, who)
    elif kind == _UPKEEP_END:
        upkeep_ends(w, who)
    elif kind == _TRANSPORT:
        if w.f[who, c.ROLE] == c.ROLE_VEHICLE:
            vehicle_goes_on(w, who)
        else:
            belt_arrives(w, who)
    elif kind == _ARRIVAL:
        w.s[who, c.OUTSIDE] += 1
        source_offers(w, who)
        unsettle(w, who)
        next_arrival(w, who)
    elif kind == _ALARM:
        alarm_rings(w, w.f[who, c.PLAN_UNIT], who)
    elif kind == _CALENDAR:
        _turn_shift(w, who)
    else:
        mark(w, who)


@inner_njit
def _serve(w):
    w.g[c.POOLS_CALLED] = 0
    for pool in range(w.g[c.POOL0], w.g[c.POOL0] + w.g[c.N_POOLS]):
        p = w.s[pool]
        while p[c.CALL_HEAD] >= 0 and p[c.FREE_HEAD] >= 0 and p[c.OPEN]:
            unit = p[c.CALL_HEAD]
            p[c.CALL_HEAD] = w.s[unit, c.CALL_NEXT]
            send(w, pool, unit, w.s[unit, c.CALL_AS])
            if w.s[unit, c.CALL_AS] == c.AS_BREAKDOWN:
                repair(w, unit, w.g[c.ROWS] - 1)
            else:
                granted(w, unit)


@inner_njit
def _settle_states(w):
    w.g[c.ANY_UNSETTLED] = 0
    for unit in range(w.g[c.N_UNITS]):
        if w.s[unit, c.UNSETTLED]:
            w.s[unit, c.UNSETTLED] = 0
            role = w.f[unit, c.ROLE]
            if role == c.ROLE_MACHINE:
                if state_now(w, unit) != w.s[unit, c.NOW_STATE]:
                    write_state(w, unit, -1)
            elif role == c.ROLE_SOURCE:
                _settle_source(w, unit)
            elif w.s[unit, c.ARRIVED] and w.s[unit, c.NOW_STATE] != _BLOCKED:
                part = w.s[w.f[unit, c.BELT], c.HEAD]
                row(w, unit, _BLOCKED, part, _NO_MOVE, 0, w.s[unit, c.LAST_ROW])


@inner_njit
def _settle_source(w, unit):
    u, source = w.s[unit], w.f[unit]
    if not u[c.OUTSIDE]:
        return
    if source[c.LOSES]:
        for _ in range(u[c.OUTSIDE]):
            row(w, unit, _STARVED, -1, _LOST, 0, u[c.LAST_ROW])
        w.g[c.LOST_N] += u[c.OUTSIDE]
        u[c.OUTSIDE] = 0
        if u[c.OFFERED] >= 0:
            withdraw_offer(w, source[c.GIVES_TO], unit)
        u[c.OFFERED] = -1
    elif u[c.NOW_STATE] != _BLOCKED:
        row(w, unit, _BLOCKED, -1, _NO_MOVE, 0, u[c.LAST_ROW])


@njit
def advance(address, until_us, margin):
    """Run every instant before `until_us`; FINISHED, or why it stopped. Called again, it goes on where it stopped.

    `margin`: rows and parts that one step can need at most.
    """
    w = world_at(address)
    line = w.g
    while True:
        if line[c.STORING] and line[c.ROWS] - line[c.FIRST_ROW] + margin > w.n_r:
            return FULL_ROWS
        if line[c.N_PARTS] + margin > w.n_p:
            return FULL_PARTS
        stage = line[c.STAGE]
        if stage == c.BEGINNING:
            _begin(w)
        elif stage == c.BETWEEN:
            due = line[c.NEXT_DUE]
            if due >= until_us:
                line[c.NOW] = until_us
                return FINISHED
            line[c.NOW], line[c.STAGE] = due, c.EVENTS
        elif stage == c.EVENTS:
            slot = pop(w, line[c.NOW])
            if slot >= 0:
                _happen(w, slot)
            else:
                line[c.STAGE] = c.SERVING
        elif stage == c.SERVING:
            if line[c.POOLS_CALLED]:
                _serve(w)
            line[c.STAGE] = c.MOVING
        elif stage == c.MOVING:
            station = line[c.VISITED] or highest(w)
            if station < 0:
                line[c.STAGE] = c.DISPATCHING
            elif station == line[c.STATION0] + line[c.N_STATIONS]:
                leave(w, exit_place(w))
            else:
                visit(w, station)
        elif _dispatch_and_settle(w):
            return CIRCLE


@inner_njit
def _dispatch_and_settle(w):
    line = w.g
    for fleet in range(w.g[c.FLEET0], w.g[c.FLEET0] + w.g[c.N_FLEETS]):
        if w.s[fleet, c.FLEET_DIRTY]:
            dispatch(w, fleet)
    if line[c.POOLS_CALLED] or any_marked(w):
        line[c.STAGE] = c.SERVING
    elif line[c.NEXT_DUE] == line[c.NOW]:
        line[c.STAGE] = c.EVENTS
    else:
        line[c.STAGE] = c.BETWEEN
        if line[c.ANY_UNSETTLED]:
            _settle_states(w)
        if line[c.CHECK_CIRCLES] and (line[c.BLOCKED_NEW] or line[c.NOW] >= line[c.LOOK_AT]):
            return in_circle(w)
    return False
