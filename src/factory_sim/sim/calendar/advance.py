"""The instants of a run: events, service, moves, dispatch, states (rules INST-1 to INST-5).

Twin of sim/reference/line.py.
"""

from __future__ import annotations

from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.deadlock_search import is_deadlocked
from factory_sim.sim.calendar.failures import alarm_rings, fails, next_alarm, repair, repaired, upkeep_ends
from factory_sim.sim.calendar.fleets import become_idle, continue_trip, dispatch
from factory_sim.sim.calendar.life_clocks import find_due, new_life, sync
from factory_sim.sim.calendar.linkage import entry_njit, frequent_njit, inner_njit, rare_njit
from factory_sim.sim.calendar.machines import (
    become_empty,
    clock_ends,
    granted,
    shift_begins,
    shift_ends,
    state_now,
    write_state,
)
from factory_sim.sim.calendar.moves import belt_arrives, next_arrival, visit
from factory_sim.sim.calendar.primitives import highest, mark, pop, row, schedule, unsettle
from factory_sim.sim.calendar.queues import become_free, send, shift_of_pool, source_offers, withdraw_offer
from factory_sim.sim.calendar.world import highest_bit, least, world_at

# ruff: noqa: C901 - compiled: types are inferred; a switch is a switch
FINISHED, FULL_ROWS, FULL_PARTS, DEADLOCK = range(4)


@rare_njit
def _begin(w):
    """Start the run: shifts, first rows, first moves (rules UNIT-4 and ROW-2)."""
    for shift in range(len(w.shift)):
        _begin_shift(w, shift)
    for unit in range(len(w.unit)):
        role = w.unit[unit].role
        if role == c.SOURCE:
            row(w, unit, c.STARVED, -1, c.NO_MOVE, 0, -1)
            if w.unit[unit].saturated:
                source_offers(w, unit)
            else:
                next_arrival(w, unit)
        elif role == c.MACHINE:
            _begin_machine(w, unit)
        elif role == c.CONVEYOR:
            row(w, unit, c.STARVED, -1, c.NO_MOVE, 0, -1)
        else:
            _begin_work(w, unit)
    w.line.stage = c.SERVING


@inner_njit
def _begin_work(w, unit):
    """Start a vehicle with a full battery at the first stop, a robot, or a member of a crew."""
    if w.unit[unit].role == c.VEHICLE:
        w.unit[unit].battery_us = w.unit[unit].full_us
        become_idle(w, unit)
        row(w, unit, c.IDLE, -1, c.NO_MOVE, 0, -1)
        return
    pool = w.unit[unit].pool
    row(w, unit, c.IDLE if w.pool[pool].open else c.OFF, -1, c.NO_MOVE, 0, -1)
    become_free(w, pool, unit)


@inner_njit
def _reconsider(w):
    """Start the units that have joined and look at every place where a part may move: parameters differ (SNAP-4)."""
    w.line.changed = 0
    if w.line.stage == c.BEGINNING:
        return
    for unit in range(len(w.unit)):
        if w.unit[unit].role == c.SOURCE:
            source_offers(w, unit)
        elif w.unit[unit].now_state < 0:
            _begin_work(w, unit)
    w.line.pools_called = 1
    for station in range(len(w.station) - 1):
        mark(w, station)
    for fleet in range(len(w.fleet)):
        w.fleet[fleet].dirty = 1
    w.line.stage = c.SERVING


@inner_njit
def _begin_machine(w, unit):
    u = w.unit[unit]
    station = w.station[u.station]
    u.outcome, u.place, u.now_state = station.passes, station.destination, -1
    for mode in range(w.unit[unit].mode0, w.unit[unit].mode0 + w.unit[unit].n_modes):
        new_life(w, unit, mode)
    find_due(w, unit)
    for plan in range(w.unit[unit].plan0, w.unit[unit].plan0 + w.unit[unit].n_plans):
        if w.plan[plan].every_us:
            schedule(w, w.plan[plan].slot, w.plan[plan].every_us)
    sync(w, unit)
    write_state(w, unit, -1)
    become_empty(w, unit)


@inner_njit
def _begin_shift(w, shift):
    """Close machines and crews that are not open at the start (rule UNIT-4)."""
    if not w.shift[shift].is_open:
        for unit in range(len(w.unit)):
            if w.unit[unit].role == c.MACHINE and w.unit[unit].shift == shift:
                w.unit[unit].off, w.unit[unit].halted = 1, 1
        for pool in range(len(w.pool)):
            if w.pool[pool].shift == shift:
                w.pool[pool].open = 0


@rare_njit
def _prepare(w):
    """Read new edges and alarms of the calendar, apply changed parameters, carry out a command if there is one."""
    if w.line.new_calendar:
        w.line.new_calendar = 0
        for shift in range(len(w.shift)):
            _wait_for_edge(w, shift)
        for plan in range(len(w.plan)):
            next_alarm(w, plan)
    if w.line.changed:
        _reconsider(w)
    if w.line.command < 0:
        return False
    _carry_out(w)
    return True


@inner_njit
def _wait_for_edge(w, shift):
    if w.shift[shift].next_edge < w.shift[shift].end_edge:
        schedule(w, w.shift[shift].slot, w.edges[w.shift[shift].next_edge] - w.line.now)


@rare_njit
def _turn_shift(w, shift):
    opens = w.shift[shift].is_open == 0
    for unit in range(len(w.unit)):
        if w.unit[unit].role == c.MACHINE and w.unit[unit].shift == shift:
            if opens:
                shift_begins(w, unit)
            else:
                shift_ends(w, unit, w.shift[shift].finish)
    for pool in range(len(w.pool)):
        if w.pool[pool].shift == shift:
            shift_of_pool(w, pool, opens)
    w.shift[shift].is_open = opens
    w.shift[shift].next_edge += 1
    _wait_for_edge(w, shift)


@inner_njit
def _carry_out(w):
    """Carry out a command, an event of this instant among those of the calendar (rules CMD-1 to CMD-4)."""
    line, unit, command = w.line, w.line.commanded, w.line.command
    while line.next_key >> line.slot_bits == line.now:
        slot = line.next_key & ((1 << line.slot_bits) - 1)
        if w.slot[slot].kind != c.CALENDAR or w.slot[slot].subject > unit:
            break
        _turn_shift(w, w.slot[pop(w)].subject)
    if command == c.SPEED:
        w.unit[unit].speed, w.ahead[unit].block = line.command_value, -1
    elif command == c.START:
        shift_begins(w, unit)
    elif command == c.POLICY:
        w.fleet[w.unit[unit].fleet].policy, w.fleet[w.unit[unit].fleet].dirty = int(line.command_value), 1
    elif not w.unit[unit].off:
        shift_ends(w, unit, 0)
    line.command = -1
    line.stage = c.EVENTS if line.next_key >> line.slot_bits == line.now else c.SERVING


@frequent_njit
def _happen(w, slot):
    """Run one event, which changes state only (rule INST-3)."""
    kind, subject = w.slot[slot].kind, w.slot[slot].subject
    if kind == c.PROCESSING_END:
        clock_ends(w, subject)
    elif kind == c.FAILURE:
        fails(w, subject, 0)
    elif kind == c.STRIKE:
        fails(w, subject, 1)
    elif kind == c.REPAIR_END:
        repaired(w, subject)
    elif kind == c.UPKEEP_END:
        upkeep_ends(w, subject)
    elif kind == c.TRANSPORT_END:
        if w.unit[subject].role == c.VEHICLE:
            continue_trip(w, subject)
        else:
            belt_arrives(w, subject)
    elif kind == c.ARRIVAL:
        w.unit[subject].outside += 1
        source_offers(w, subject)
        unsettle(w, subject)
        next_arrival(w, subject)
    elif kind == c.ALARM:
        alarm_rings(w, w.plan[subject].unit, subject)
    elif kind == c.CALENDAR:
        _turn_shift(w, subject)
    else:
        mark(w, subject)


@inner_njit
def _serve(w):
    w.line.pools_called = 0
    for pool in range(len(w.pool)):
        p = w.pool[pool]
        while p.calls >= 0 and p.free >= 0 and p.open:
            unit = p.calls
            p.calls = w.unit[unit].call_next
            send(w, pool, unit, w.unit[unit].call_as)
            if w.unit[unit].call_as == c.AS_BREAKDOWN:
                repair(w, unit, w.line.rows - 1)
            else:
                granted(w, unit)


@inner_njit
def _settle_states(w):
    """Write the state rows of the end of the instant, in the order of units (rule INST-5)."""
    w.line.any_unsettled = 0
    for word in range(len(w.unsettled)):
        while w.unsettled[word]:
            bits = w.unsettled[word]
            w.unsettled[word] = bits & (bits - 1)
            _settle(w, (word << c.WORD_BITS) + highest_bit(bits & -bits))


@inner_njit
def _settle(w, unit):
    u = w.unit[unit]
    if u.role == c.MACHINE:
        if state_now(w, unit) != u.now_state:
            write_state(w, unit, -1)
    elif u.role == c.SOURCE:
        _settle_source(w, unit)
    elif u.arrived and u.now_state != c.BLOCKED:
        row(w, unit, c.BLOCKED, w.place[u.belt].head, c.NO_MOVE, 0, u.last_row)


@inner_njit
def _settle_source(w, unit):
    u = w.unit[unit]
    if not u.outside:
        return
    if u.loses:
        for _ in range(u.outside):
            row(w, unit, c.STARVED, -1, c.LOST, 0, u.last_row)
        w.line.lost += u.outside
        u.outside = 0
        if u.offered >= 0:
            withdraw_offer(w, u.gives_to, unit)
        u.offered = -1
    elif u.now_state != c.BLOCKED:
        row(w, unit, c.BLOCKED, -1, c.NO_MOVE, 0, u.last_row)


@entry_njit
def advance(address, until_us, margin):
    """Run every instant before `until_us`; return FINISHED, or why it stopped. The next call resumes there.

    `margin`: rows and parts that one step can need at most.
    """
    w = world_at(address)
    line = w.line
    most_rows = line.first_row + len(w.row) - margin if line.storing else c.NEVER
    most_parts = len(w.part) - margin
    if line.rows <= most_rows and _prepare(w):
        return FINISHED
    while True:
        limit = least(most_rows, line.rows + most_parts - line.n_parts)  # there is a row for each new part
        if line.rows > limit:
            return FULL_ROWS if line.rows > most_rows else FULL_PARTS
        while line.rows <= limit:
            if line.stage >= c.MOVING:
                if _move(w, limit) and _dispatch_and_settle(w):
                    return DEADLOCK
                continue
            if line.stage == c.BETWEEN:
                due = line.next_key >> line.slot_bits
                if due >= until_us:
                    line.now = until_us
                    return FINISHED
                line.now, line.stage = due, c.EVENTS
            if line.stage == c.EVENTS:
                _happen(w, pop(w))
                if line.next_key >> line.slot_bits == line.now:
                    continue
            elif line.stage == c.BEGINNING:
                _begin(w)
            if line.pools_called:
                _serve(w)
            line.stage = c.MOVING


@frequent_njit
def _move(w, limit):
    """Visit marked stations until there is none; return False if the run may have to stop before."""
    line = w.line
    station = line.visited if line.stage == c.FILLING else highest(w)
    line.stage = c.MOVING
    while station >= 0:
        if visit(w, station) or line.rows > limit:
            return False
        station = highest(w)
    return True


@frequent_njit
def _dispatch_and_settle(w):
    """Dispatch the fleets; if nothing else can happen at this instant, end it and return whether it is a deadlock."""
    line = w.line
    for fleet in range(len(w.fleet)):
        if w.fleet[fleet].dirty:
            dispatch(w, fleet)
    if line.pools_called or line.marked:
        line.stage = c.SERVING
        return False
    line.stage = c.BETWEEN
    if line.next_key >> line.slot_bits == line.now:
        return False  # another round of events of this instant
    if line.any_unsettled:
        _settle_states(w)
    return line.check_deadlock and (line.n_rework or line.now >= line.look_at) and is_deadlocked(w)
