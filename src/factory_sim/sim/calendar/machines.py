"""The work instruction of a machine, its states and its interruptions. Twin of sim/reference/machine.py."""

from __future__ import annotations

import math

from factory_sim.random_streams import uniform
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.life_clocks import count_for_upkeep, sync, wear
from factory_sim.sim.calendar.linkage import frequent_njit, inner_njit, rare_njit
from factory_sim.sim.calendar.primitives import cancel, mark, next_cycle, row, schedule
from factory_sim.sim.calendar.queues import (
    call,
    no_longer_waits,
    offer,
    release,
    room,
    try_take,
    waits_for_part,
    withdraw_call,
)
from factory_sim.sim.calendar.world import most

STEP_TAKEN, STEP_SETUP, STEP_NEEDS = range(3)


# ---- state and rows


@inner_njit
def state_now(w, unit):  # noqa: PLR0911 - a table of states
    """Return the state of the machine (rules STATE-1 and STATE-2)."""
    u = w.unit[unit]
    if u.halted:
        if u.off:
            return c.OFF
        if u.failed < 0:
            return c.MAINTENANCE
        return c.REPAIR if u.repairing else c.DOWN
    phase = u.phase
    if phase == c.DONE:
        return c.WAITING if awaits_vehicle(w, unit) else c.BLOCKED
    if phase == c.EMPTY:
        return c.STARVED
    if phase == c.CHANGEOVER:
        return c.SETUP
    return c.BUSY if phase == c.WORK else c.WAITING


@inner_njit
def awaits_vehicle(w, unit):
    """Return whether only a vehicle is missing for the finished part: a place is free or reserved."""
    place = w.unit[unit].place
    if w.place[place].kind != c.CALLS:
        return False
    return w.unit[unit].assigned == 1 or room(w, w.place[place].buffer) > 0


@inner_njit
def detail_of(w, unit, state):
    """Return the detail of a row (rule ROW-13)."""
    u = w.unit[unit]
    if state == c.BUSY:
        return wear(w, unit)
    if state == c.WAITING:
        return c.FOR_VEHICLE if u.calls_on < 0 else w.pool[u.calls_on].wait_kind
    if state == c.SETUP:
        return u.variant
    if state == c.MAINTENANCE:
        return u.upkeep
    return u.failed if state in (c.DOWN, c.REPAIR) else 0


@inner_njit
def write_state(w, unit, cause):
    """Write a row without an outcome."""
    state, u = state_now(w, unit), w.unit[unit]
    part = u.held if u.n_held else -1
    return row(w, unit, state, part, c.NO_MOVE, detail_of(w, unit, state), most(cause, u.last_row))


# ---- the words of behaviours


@frequent_njit
def proceed(w, unit):
    """Continue with the part: change over, get robot and operator, start to process (rule WORK-1)."""
    u = w.unit[unit]
    station = w.station[u.station]
    step = u.step
    if step == STEP_TAKEN:
        u.setup_us = _changeover(w, unit, station)
        step = STEP_SETUP if u.setup_us > 0 else STEP_NEEDS
        if step == STEP_SETUP and u.setup_pool >= 0 and not _hold(w, u.setup_pool, unit, c.AS_SETUP):
            u.step = STEP_SETUP
            return
    if step == STEP_SETUP:
        u.phase, u.left_us, u.step = c.CHANGEOVER, u.setup_us, STEP_NEEDS
        run_clock(w, unit)
        return
    for i in range(step - STEP_NEEDS, u.n_needs):
        if not _hold(w, u.needs[i], unit, c.AS_NEED0 + i):
            u.step = STEP_NEEDS + i + 1
            return
    _work(w, unit, station)


@frequent_njit
def become_empty(w, unit):
    """Let the machine wait for its next part; the work instruction begins again (rule WORK-1)."""
    u = w.unit[unit]
    u.phase, u.step = c.EMPTY, STEP_TAKEN
    if not u.halted:
        waits_for_part(w, u.station, unit)


@inner_njit
def _changeover(w, unit, station):
    if station.setup0 < 0:
        return 0
    u = w.unit[unit]
    before, variant = u.variant, w.part[u.held].variant
    u.variant = variant
    return w.whole[station.setup0 + before * w.line.n_variants + variant] if before >= 0 else 0


@inner_njit
def _hold(w, pool, unit, purpose):
    if try_take(w, pool, unit, purpose):
        return True
    w.unit[unit].phase, w.unit[unit].calls_on, w.unit[unit].need_as = c.NEEDS, pool, purpose
    call(w, pool, unit, purpose, 0)
    return False


@frequent_njit
def _work(w, unit, station):
    u = w.unit[unit]
    drawn = next_cycle(w, unit)
    if station.factor0 >= 0:
        drawn = math.floor(drawn * w.numbers[station.factor0 + w.part[u.held].variant] + 0.5)
    u.phase, u.left_us, u.drawn_us = c.WORK, drawn, drawn
    run_clock(w, unit)


@inner_njit
def _give(w, unit):
    u = w.unit[unit]
    u.phase = c.DONE
    for i in range(u.n_needs):
        release(w, u.needs[i], unit, c.AS_NEED0 + i)
    if u.n_plans:
        count_for_upkeep(w, unit)
    if u.closing:
        switch_off(w, unit)
    offer_front(w, unit)


@frequent_njit
def offer_front(w, unit):
    """Offer the front part to its place; an inspection decides with one uniform (rule QUAL-1)."""
    u = w.unit[unit]
    station = w.station[w.unit[unit].station]
    u.offered = w.line.now
    if station.inspects == 1:
        x = uniform(w.unit[unit].verdicts, u.k_verdict)
        u.k_verdict += 1
        u.outcome, u.place = station.passes, station.destination
        if x < station.scrap_or_rework:
            part = u.held
            loops = w.part[part].loops
            if x >= station.scrap and loops < station.max_loops and station.rework_to >= 0:
                w.part[part].loops = loops + 1
                w.line.n_rework += 1
                u.outcome, u.place = c.REWORK, station.rework_to
            else:
                u.outcome, u.place = c.SCRAPPED, w.line.exit
    offer(w, u.place, unit)


# ---- clock


@frequent_njit
def run_clock(w, unit):
    """Let setup or processing run to its end or to an earlier failure (rule WORK-3)."""
    u = w.unit[unit]
    u.started, u.clock_on = w.line.now, c.CLOCK_END
    slot, delay_us = u.slot_end, u.left_us
    if u.phase == c.WORK and u.busy_due - u.busy_us < delay_us:
        u.clock_on, slot, delay_us = c.CLOCK_WEAR, u.slot_wear, u.busy_due - u.busy_us
    schedule(w, slot, delay_us)


@inner_njit
def _stop_clock(w, unit):
    u = w.unit[unit]
    elapsed = w.line.now - u.started
    u.left_us -= elapsed
    if u.phase == c.WORK:
        u.busy_us += elapsed
    cancel(w, u.slot_end if u.clock_on == c.CLOCK_END else u.slot_wear)
    u.clock_on = c.CLOCK_OFF


@inner_njit
def clock_ends(w, unit):
    """End setup or processing."""
    u = w.unit[unit]
    u.clock_on = c.CLOCK_OFF
    if u.phase == c.WORK:
        u.busy_us += u.left_us
        _give(w, unit)
        return
    if w.unit[unit].setup_pool >= 0:
        release(w, w.unit[unit].setup_pool, unit, c.AS_SETUP)
    proceed(w, unit)
    write_state(w, unit, -1)


# ---- interruptions


@inner_njit
def pause(w, unit):
    """Halt the machine (rule STATE-3)."""
    u = w.unit[unit]
    if u.halted:
        return
    u.halted = 1
    if u.clock_on:
        _stop_clock(w, unit)
    elif u.phase == c.EMPTY:
        no_longer_waits(w, w.unit[unit].station, unit)
        mark(w, w.unit[unit].station)
    elif u.phase == c.NEEDS and u.calls_on >= 0:
        withdraw_call(w, u.calls_on, unit)


@inner_njit
def dismiss(w, unit):
    """Release the operator of an interrupted setup or processing; one is called again later (rule POOL-4)."""
    u = w.unit[unit]
    pool, purpose = -1, c.AS_SETUP
    if u.phase == c.CHANGEOVER:
        pool = u.setup_pool
    elif u.phase == c.WORK and u.n_needs:
        last = u.n_needs - 1  # operators come after robots
        if w.pool[u.needs[last]].wait_kind == c.FOR_OPERATOR:
            pool, purpose = u.needs[last], c.AS_NEED0 + last
    if pool >= 0:
        release(w, pool, unit, purpose)
        u.interrupted, u.phase, u.calls_on, u.need_as = u.phase, c.NEEDS, pool, purpose


@inner_njit
def resume(w, unit, cause):
    """Resume the machine if no other reason for a halt remains (rule STATE-4)."""
    sync(w, unit)
    u = w.unit[unit]
    u.halted = 1 if u.off == 1 or u.upkeep >= 0 or u.failed >= 0 else 0
    needs = u.calls_on
    if u.halted or u.phase == c.DONE:
        pass
    elif u.phase == c.EMPTY:
        waits_for_part(w, w.unit[unit].station, unit)
    elif u.phase != c.NEEDS or needs < 0:
        run_clock(w, unit)
    elif try_take(w, needs, unit, u.need_as):
        granted(w, unit)
        return
    else:
        call(w, needs, unit, u.need_as, 0)
    write_state(w, unit, cause)


@inner_njit
def granted(w, unit):
    """Continue with the robot or operator that was called."""
    u = w.unit[unit]
    u.calls_on = -1
    if u.interrupted:
        u.phase, u.interrupted = u.interrupted, c.EMPTY
        run_clock(w, unit)
    else:
        proceed(w, unit)
    write_state(w, unit, w.line.rows - 1)


@inner_njit
def switch_off(w, unit):
    """Switch the machine off at the end of its shift."""
    pause(w, unit)
    w.unit[unit].off, w.unit[unit].closing = 1, 0
    sync(w, unit)


@rare_njit
def shift_ends(w, unit, finish):
    """End the shift of the machine, at once or after the part in work (rule CAL-2)."""
    if finish and c.CHANGEOVER <= w.unit[unit].phase <= c.WORK:
        w.unit[unit].closing = 1
        return
    switch_off(w, unit)
    write_state(w, unit, -1)
    dismiss(w, unit)


@rare_njit
def shift_begins(w, unit):
    """Start the shift of the machine."""
    w.unit[unit].closing = 0
    if w.unit[unit].off:
        w.unit[unit].off = 0
        resume(w, unit, -1)
