"""A machine's work, breakdowns and maintenance. Twin of sim/machine.py, breakdowns.py and upkeep.py."""

from __future__ import annotations

import math

from numba import njit

from factory_sim.clock import NEVER_US
from factory_sim.plant.states import Outcome, State, Wait
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.events import cancel, schedule
from factory_sim.sim.calendar.places import exit_place, no_longer_waits, offer, room, waits_for_part
from factory_sim.sim.calendar.pools import call, release, try_take, withdraw_call
from factory_sim.sim.calendar.rows import chance, draw, mark, row, unsettle

# ruff: noqa: ANN001, ANN201, PLR0913 - compiled: types are inferred
_OFF, _SETUP, _STARVED, _BUSY = int(State.OFF), int(State.SETUP), int(State.STARVED), int(State.BUSY)
_BLOCKED, _WAITING, _UPKEEP = int(State.BLOCKED), int(State.WAITING), int(State.MAINTENANCE)
_DOWN, _REPAIR = int(State.DOWN), int(State.REPAIR)
_VEHICLE = int(Wait.VEHICLE)
_NO_MOVE, _REWORK, _SCRAPPED = int(Outcome.NONE), int(Outcome.REWORK), int(Outcome.SCRAPPED)
STEP_TAKEN, STEP_SETUP, STEP_NEEDS, STEP_WORKED, STEP_GAVE = 0, 1, 2, 10, 20
NEVER = NEVER_US


# ---- state and rows


@njit(cache=True)
def state_now(f, s, unit):
    """The one state the machine is in; what keeps it from going on comes first."""
    u = s.unit[unit]
    if u[c.HALTED]:
        if u[c.OFF]:
            return _OFF
        if u[c.FAILED] < 0:
            return _UPKEEP
        return _REPAIR if u[c.REPAIRING] else _DOWN
    phase = u[c.PHASE]
    if phase == c.DONE:
        return _WAITING if _awaits_vehicle(f, s, unit) else _BLOCKED
    if phase == c.EMPTY:
        return _STARVED
    if phase == c.SETUP:
        return _SETUP
    return _BUSY if phase == c.WORK else _WAITING


@njit(cache=True)
def _awaits_vehicle(f, s, unit):
    place = s.unit[unit, c.PLACE]
    if f.place[place, c.KIND] != c.CALLS_KIND:
        return False
    return s.unit[unit, c.ASSIGNED] == 1 or room(f, s, f.place[place, c.BUFFER]) > 0


@njit(cache=True)
def detail_of(f, s, unit, state):
    """What a row says beside the state."""
    u = s.unit[unit]
    if state == _BUSY:
        return wear(f, s, unit)
    if state == _WAITING:
        return _VEHICLE if u[c.CALLS_ON] < 0 else f.pool[u[c.CALLS_ON], c.WAIT_KIND]
    if state == _SETUP:
        return u[c.VARIANT]
    if state == _UPKEEP:
        return u[c.UPKEEP]
    return u[c.FAILED] if state in (_DOWN, _REPAIR) else 0


@njit(cache=True)
def write_state(f, s, unit, cause):
    """Write a row without a part movement."""
    state, u = state_now(f, s, unit), s.unit[unit]
    part = u[c.HELD] if u[c.N_HELD] else -1
    if state == _BLOCKED:
        s.line[c.BLOCKED_NEW] = 1
    return row(s, unit, state, part, _NO_MOVE, detail_of(f, s, unit, state), max(cause, u[c.LAST_ROW]))


@njit(cache=True)
def wear(f, s, unit):
    """Millionths of the way to the nearest failure that wear causes."""
    worst = 0
    if f.unit[unit, c.WEARS]:
        for i in range(f.unit[unit, c.MODE0], f.unit[unit, c.MODE0] + f.unit[unit, c.N_MODES]):
            if f.mode[i, c.WEARING] and not f.mode[i, c.CLOCK]:
                life = s.mode[i, c.LIFE_US]
                share = 1_000_000
                if life:
                    share -= int((s.mode[i, c.DUE] - s.unit[unit, c.BUSY_US]) * 1e6 / life)
                worst = max(worst, share)
    return worst


# ---- the words of behaviours


@njit(cache=True)
def proceed(f, s, k, unit):
    """Go on with the work instruction: change over, get robot and operator, work, give, take (behaviours/machining.py)."""
    u, kind = s.unit[unit], f.unit[unit]
    station = f.station[kind[c.STATION]]
    step = u[c.STEP]
    if step == STEP_TAKEN:
        u[c.SETUP_US] = _changeover(f, s, unit, station)
        step = STEP_SETUP if u[c.SETUP_US] > 0 else STEP_NEEDS
        if step == STEP_SETUP and kind[c.SETUP_POOL] >= 0 and not _hold(s, kind[c.SETUP_POOL], unit):
            u[c.STEP] = STEP_SETUP
            return
    if step == STEP_SETUP:
        u[c.PHASE], u[c.LEFT_US], u[c.STEP] = c.SETUP, u[c.SETUP_US], STEP_NEEDS
        run_clock(f, s, unit)
        return
    if step < STEP_WORKED:
        for i in range(step - STEP_NEEDS, kind[c.N_NEEDS]):
            if not _hold(s, kind[c.NEED0 + i], unit):
                u[c.STEP] = STEP_NEEDS + i + 1
                return
        _work(f, s, k, unit, station)
    elif step == STEP_WORKED:
        _give(f, s, k, unit)
    else:
        u[c.PHASE], u[c.STEP] = c.EMPTY, STEP_TAKEN
        if not u[c.HALTED]:
            waits_for_part(s, kind[c.STATION], unit)


@njit(cache=True)
def _changeover(f, s, unit, station):
    if station[c.SETUP0] < 0:
        return 0
    u = s.unit[unit]
    before, variant = u[c.VARIANT], s.part[u[c.HELD], c.PART_VARIANT]
    u[c.VARIANT] = variant
    return f.setup[station[c.SETUP0] + before * f.n_variants + variant] if before >= 0 else 0


@njit(cache=True)
def _hold(s, pool, unit):
    if try_take(s, pool, unit, c.AS_MACHINE):
        return True
    s.unit[unit, c.PHASE], s.unit[unit, c.CALLS_ON] = c.NEEDS, pool
    call(s, pool, unit, c.AS_MACHINE, 0)
    return False


@njit(cache=True)
def _work(f, s, k, unit, station):
    u = s.unit[unit]
    drawn = draw(f, f.unit[unit, c.CYCLE_LAW], k.cycle[unit], u[c.K_CYCLE])
    u[c.K_CYCLE] += 1
    if station[c.FACTOR0] >= 0:
        drawn = int(math.floor(drawn * f.factor_f[station[c.FACTOR0] + s.part[u[c.HELD], c.PART_VARIANT]] + 0.5))
    u[c.PHASE], u[c.LEFT_US], u[c.DRAWN_US], u[c.STEP] = c.WORK, drawn, drawn, STEP_WORKED
    run_clock(f, s, unit)


@njit(cache=True)
def _give(f, s, k, unit):
    u, kind = s.unit[unit], f.unit[unit]
    u[c.PHASE], u[c.STEP] = c.DONE, STEP_GAVE
    for i in range(kind[c.N_NEEDS]):
        release(s, kind[c.NEED0 + i], unit, c.AS_MACHINE)
    if kind[c.N_PLANS]:
        _count_for_upkeep(f, s, unit)
    if u[c.CLOSING]:
        switch_off(f, s, unit)
    offer_front(f, s, k, unit)


@njit(cache=True)
def offer_front(f, s, k, unit):
    """Offer the front part where it goes; inspection decides with one uniform."""
    u = s.unit[unit]
    station = f.station[f.unit[unit, c.STATION]]
    u[c.OFFERED] = s.line[c.NOW]
    if station[c.INSPECTS]:
        x = chance(k.quality[unit], u[c.K_QUALITY])
        u[c.K_QUALITY] += 1
        u[c.OUTCOME], u[c.PLACE] = station[c.PASSES], station[c.DESTINATION]
        if x < f.verdict_f[f.unit[unit, c.STATION], 1]:
            part = u[c.HELD]
            loops = s.part[part, c.PART_LOOPS]
            if x >= f.verdict_f[f.unit[unit, c.STATION], 0] and loops < station[c.MAX_LOOPS] and station[c.REWORK_TO] >= 0:
                s.part[part, c.PART_LOOPS] = loops + 1
                u[c.OUTCOME], u[c.PLACE] = _REWORK, station[c.REWORK_TO]
            else:
                u[c.OUTCOME], u[c.PLACE] = _SCRAPPED, exit_place(f)
    offer(f, s, u[c.PLACE], unit)


# ---- clock


@njit(cache=True)
def run_clock(f, s, unit):
    """Let setup or work run, to its end or to the failure that comes first."""
    u = s.unit[unit]
    u[c.STARTED] = s.line[c.NOW]
    if u[c.PHASE] == c.WORK and u[c.BUSY_DUE] - u[c.BUSY_US] < u[c.LEFT_US]:
        u[c.CLOCK_ON] = c.CLOCK_WEAR
        schedule(s, f.unit[unit, c.SLOT_WEAR], u[c.BUSY_DUE] - u[c.BUSY_US])
        return
    u[c.CLOCK_ON] = c.CLOCK_END
    schedule(s, f.unit[unit, c.SLOT_END], u[c.LEFT_US])


@njit(cache=True)
def _stop_clock(f, s, unit):
    u = s.unit[unit]
    elapsed = s.line[c.NOW] - u[c.STARTED]
    u[c.LEFT_US] -= elapsed
    if u[c.PHASE] == c.WORK:
        u[c.BUSY_US] += elapsed
    cancel(s, f.unit[unit, c.SLOT_END if u[c.CLOCK_ON] == c.CLOCK_END else c.SLOT_WEAR])
    u[c.CLOCK_ON] = c.CLOCK_OFF


@njit(cache=True)
def clock_ends(f, s, k, unit):
    """Setup or work is done."""
    u = s.unit[unit]
    u[c.CLOCK_ON] = c.CLOCK_OFF
    if u[c.PHASE] == c.WORK:
        u[c.BUSY_US] += u[c.LEFT_US]
        proceed(f, s, k, unit)
        return
    if f.unit[unit, c.SETUP_POOL] >= 0:
        release(s, f.unit[unit, c.SETUP_POOL], unit, c.AS_MACHINE)
    proceed(f, s, k, unit)
    write_state(f, s, unit, -1)


# ---- interruptions


@njit(cache=True)
def pause(f, s, unit):
    """Stop where it stands: something keeps it from going on."""
    u = s.unit[unit]
    if u[c.HALTED]:
        return
    u[c.HALTED] = 1
    if u[c.CLOCK_ON]:
        _stop_clock(f, s, unit)
    elif u[c.PHASE] == c.EMPTY:
        no_longer_waits(s, f.unit[unit, c.STATION], unit)
        mark(s, f.unit[unit, c.STATION])
    elif u[c.PHASE] == c.NEEDS and u[c.CALLS_ON] >= 0:
        withdraw_call(s, u[c.CALLS_ON], unit)


@njit(cache=True)
def go_on(f, s, k, unit, cause):
    """One thing that kept it from going on is over."""
    sync(f, s, unit)
    u = s.unit[unit]
    u[c.HALTED] = 1 if u[c.OFF] == 1 or u[c.UPKEEP] >= 0 or u[c.FAILED] >= 0 else 0
    needs = u[c.CALLS_ON]
    if u[c.HALTED] or u[c.PHASE] == c.DONE:
        pass
    elif u[c.PHASE] == c.EMPTY:
        waits_for_part(s, f.unit[unit, c.STATION], unit)
    elif u[c.PHASE] != c.NEEDS or needs < 0:
        run_clock(f, s, unit)
    elif try_take(s, needs, unit, c.AS_MACHINE):
        granted(f, s, k, unit)
        return
    else:
        call(s, needs, unit, c.AS_MACHINE, 0)
    write_state(f, s, unit, cause)


@njit(cache=True)
def granted(f, s, k, unit):
    """The robot or operator that was called is here."""
    s.unit[unit, c.CALLS_ON] = -1
    proceed(f, s, k, unit)
    write_state(f, s, unit, s.line[c.ROWS] - 1)


@njit(cache=True)
def switch_off(f, s, unit):
    """Out of its shift."""
    pause(f, s, unit)
    s.unit[unit, c.OFF], s.unit[unit, c.CLOSING] = 1, 0
    sync(f, s, unit)


@njit(cache=True)
def shift_ends(f, s, unit, finish):
    """Go off, at once or after the part in work."""
    if finish and c.SETUP <= s.unit[unit, c.PHASE] <= c.WORK:
        s.unit[unit, c.CLOSING] = 1
        return
    switch_off(f, s, unit)
    write_state(f, s, unit, -1)


@njit(cache=True)
def shift_begins(f, s, k, unit):
    """Come back."""
    s.unit[unit, c.CLOSING] = 0
    if s.unit[unit, c.OFF]:
        s.unit[unit, c.OFF] = 0
        go_on(f, s, k, unit, -1)


# ---- breakdowns


@njit(cache=True)
def find_due(f, s, unit):
    """The earliest operation-dependent failure, in busy time."""
    due = NEVER
    for i in range(f.unit[unit, c.MODE0], f.unit[unit, c.MODE0] + f.unit[unit, c.N_MODES]):
        if not f.mode[i, c.CLOCK]:
            due = min(due, s.mode[i, c.DUE])
    s.unit[unit, c.BUSY_DUE] = due


@njit(cache=True)
def _first_due(f, s, unit, clock):
    best = -1
    for i in range(f.unit[unit, c.MODE0], f.unit[unit, c.MODE0] + f.unit[unit, c.N_MODES]):
        if f.mode[i, c.CLOCK] == clock and (best < 0 or s.mode[i, c.DUE] < s.mode[best, c.DUE]):
            best = i
    return best


@njit(cache=True)
def new_life(f, s, k, unit, mode):
    """Mode `mode` (an index of all modes) draws a new life."""
    life = draw(f, f.mode[mode, c.LIFE_LAW], k.life[mode], s.mode[mode, c.K_LIFE])
    s.mode[mode, c.K_LIFE] += 1
    s.mode[mode, c.LIFE_US] = life
    s.mode[mode, c.DUE] = life + (s.unit[unit, c.RAN_US] if f.mode[mode, c.CLOCK] else s.unit[unit, c.BUSY_US])
    find_due(f, s, unit)


@njit(cache=True)
def sync(f, s, unit):
    """Let the time-dependent clocks run or stand, as the machine's state says."""
    first = _first_due(f, s, unit, 1)
    if first < 0:
        return
    u, now = s.unit[unit], s.line[c.NOW]
    running = not u[c.OFF] and u[c.FAILED] < 0
    if running and u[c.SINCE] < 0:
        u[c.SINCE] = now
        schedule(s, f.unit[unit, c.SLOT_STRIKE], s.mode[first, c.DUE] - u[c.RAN_US])
    elif not running and u[c.SINCE] >= 0:
        u[c.RAN_US] += now - u[c.SINCE]
        u[c.SINCE] = -1
        cancel(s, f.unit[unit, c.SLOT_STRIKE])


@njit(cache=True)
def fails(f, s, k, unit, clock):
    """The earliest mode of a clock (0: operation-dependent, 1: time-dependent) strikes."""
    mode = _first_due(f, s, unit, clock)
    if not s.unit[unit, c.HALTED]:
        pause(f, s, unit)
    s.unit[unit, c.FAILED], s.unit[unit, c.REPAIRING] = mode - f.unit[unit, c.MODE0], 0
    sync(f, s, unit)
    if f.mode[mode, c.CREW] < 0:
        repair(f, s, k, unit, -1)
    else:
        unsettle(s, unit)
        call(s, f.mode[mode, c.CREW], unit, c.AS_BREAKDOWN, f.mode[mode, c.PRIORITY])


@njit(cache=True)
def repair(f, s, k, unit, cause):
    """The repair begins."""
    s.unit[unit, c.REPAIRING] = 1
    mode = f.unit[unit, c.MODE0] + s.unit[unit, c.FAILED]
    duration = draw(f, f.mode[mode, c.REPAIR_LAW], k.repair[mode], s.mode[mode, c.K_REPAIR])
    s.mode[mode, c.K_REPAIR] += 1
    schedule(s, f.unit[unit, c.SLOT_REPAIR], duration)
    write_state(f, s, unit, cause)


@njit(cache=True)
def repaired(f, s, k, unit):
    """The repair is over."""
    mode = f.unit[unit, c.MODE0] + s.unit[unit, c.FAILED]
    s.unit[unit, c.FAILED], s.unit[unit, c.REPAIRING] = -1, 0
    new_life(f, s, k, unit, mode)
    go_on(f, s, k, unit, -1)
    if f.mode[mode, c.CREW] >= 0:
        release(s, f.mode[mode, c.CREW], unit, c.AS_BREAKDOWN)


# ---- planned maintenance


@njit(cache=True)
def _count_for_upkeep(f, s, unit):
    u = s.unit[unit]
    u[c.PARTS_DONE] += u[c.N_HELD]
    worn = wear(f, s, unit)
    for i in range(f.unit[unit, c.PLAN0], f.unit[unit, c.PLAN0] + f.unit[unit, c.N_PLANS]):
        every = f.plan[i, c.EVERY_PARTS]
        counted = every > 0 and u[c.PARTS_DONE] - s.plan[i, c.DONE_AT] >= every
        if (counted or (f.wear_f[i] > 0.0 and worn >= f.wear_f[i])) and not s.plan[i, c.DUE_SEQ]:
            falls_due(f, s, unit, i)


@njit(cache=True)
def falls_due(f, s, unit, plan):
    """Maintenance is asked for."""
    s.unit[unit, c.DUE_COUNT] += 1
    s.plan[plan, c.DUE_SEQ] = s.unit[unit, c.DUE_COUNT]
    mark(s, f.unit[unit, c.STATION])


@njit(cache=True)
def alarm_rings(f, s, unit, plan):
    """Maintenance by calendar."""
    schedule(s, f.plan[plan, c.PLAN_SLOT], f.plan[plan, c.EVERY_US])
    if not s.plan[plan, c.DUE_SEQ] and plan - f.unit[unit, c.PLAN0] != s.unit[unit, c.UPKEEP]:
        falls_due(f, s, unit, plan)


@njit(cache=True)
def start_due(f, s, k, unit):
    """Begin what is due, if its crew is free. The machine is empty and available."""
    first, n = f.unit[unit, c.PLAN0], f.unit[unit, c.N_PLANS]
    after = 0
    while True:
        plan = -1  # the one that fell due next after `after`
        for i in range(first, first + n):
            if s.plan[i, c.DUE_SEQ] > after and (plan < 0 or s.plan[i, c.DUE_SEQ] < s.plan[plan, c.DUE_SEQ]):
                plan = i
        if plan < 0:
            return
        crew = f.plan[plan, c.PLAN_CREW]
        if crew < 0 or try_take(s, crew, unit, c.AS_UPKEEP):
            s.plan[plan, c.DUE_SEQ] = 0
            pause(f, s, unit)
            s.unit[unit, c.UPKEEP] = plan - first
            duration = draw(f, f.plan[plan, c.PLAN_LAW], k.upkeep[plan], s.plan[plan, c.K_PLAN])
            s.plan[plan, c.K_PLAN] += 1
            schedule(s, f.unit[unit, c.SLOT_UPKEEP], duration)
            write_state(f, s, unit, -1 if crew < 0 else s.line[c.ROWS] - 1)
            return
        s.wanted[crew, f.unit[unit, c.STATION]] = 1
        after = s.plan[plan, c.DUE_SEQ]


@njit(cache=True)
def upkeep_ends(f, s, k, unit):
    """Maintenance is over: every wearing mode starts a new life."""
    plan = f.unit[unit, c.PLAN0] + s.unit[unit, c.UPKEEP]
    s.unit[unit, c.UPKEEP] = -1
    s.plan[plan, c.DONE_AT] = s.unit[unit, c.PARTS_DONE]
    for i in range(f.unit[unit, c.MODE0], f.unit[unit, c.MODE0] + f.unit[unit, c.N_MODES]):
        if f.mode[i, c.WEARING] and not f.mode[i, c.CLOCK]:
            new_life(f, s, k, unit, i)
    go_on(f, s, k, unit, -1)
    if f.plan[plan, c.PLAN_CREW] >= 0:
        release(s, f.plan[plan, c.PLAN_CREW], unit, c.AS_UPKEEP)
