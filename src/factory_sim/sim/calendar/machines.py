"""A machine's work, breakdowns and maintenance. Twin of sim/machine.py, breakdowns.py and upkeep.py."""

from __future__ import annotations

import math

from factory_sim.clock import NEVER_US
from factory_sim.compiled import inner_njit
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


@inner_njit
def state_now(w, unit):
    """The one state the machine is in; what keeps it from going on comes first."""
    u = w.s[unit]
    if u[c.HALTED]:
        if u[c.OFF]:
            return _OFF
        if u[c.FAILED] < 0:
            return _UPKEEP
        return _REPAIR if u[c.REPAIRING] else _DOWN
    phase = u[c.PHASE]
    if phase == c.DONE:
        return _WAITING if _awaits_vehicle(w, unit) else _BLOCKED
    if phase == c.EMPTY:
        return _STARVED
    if phase == c.SETUP:
        return _SETUP
    return _BUSY if phase == c.WORK else _WAITING


@inner_njit
def _awaits_vehicle(w, unit):
    place = w.s[unit, c.PLACE]
    if w.f[place, c.KIND] != c.CALLS_KIND:
        return False
    return w.s[unit, c.ASSIGNED] == 1 or room(w, w.f[place, c.BUFFER]) > 0


@inner_njit
def detail_of(w, unit, state):
    """What a row says beside the state."""
    u = w.s[unit]
    if state == _BUSY:
        return wear(w, unit)
    if state == _WAITING:
        return _VEHICLE if u[c.CALLS_ON] < 0 else w.f[u[c.CALLS_ON], c.WAIT_KIND]
    if state == _SETUP:
        return u[c.VARIANT]
    if state == _UPKEEP:
        return u[c.UPKEEP]
    return u[c.FAILED] if state in (_DOWN, _REPAIR) else 0


@inner_njit
def write_state(w, unit, cause):
    """Write a row without a part movement."""
    state, u = state_now(w, unit), w.s[unit]
    part = u[c.HELD] if u[c.N_HELD] else -1
    if state == _BLOCKED:
        w.g[c.BLOCKED_NEW] = 1
    return row(w, unit, state, part, _NO_MOVE, detail_of(w, unit, state), max(cause, u[c.LAST_ROW]))


@inner_njit
def wear(w, unit):
    """Millionths of the way to the nearest failure that wear causes."""
    worst = 0
    if w.f[unit, c.WEARS]:
        for i in range(w.f[unit, c.MODE0], w.f[unit, c.MODE0] + w.f[unit, c.N_MODES]):
            if w.f[i, c.WEARING] and not w.f[i, c.CLOCK]:
                life = w.s[i, c.LIFE_US]
                share = 1_000_000
                if life:
                    share -= int((w.s[i, c.DUE] - w.s[unit, c.BUSY_US]) * 1e6 / life)
                worst = max(worst, share)
    return worst


# ---- the words of behaviours


@inner_njit
def proceed(w, unit):
    """Go on with the work instruction: change over, get robot and operator, work, give, take (behaviours/machining.py)."""
    u, kind = w.s[unit], w.f[unit]
    station = w.f[kind[c.STATION]]
    step = u[c.STEP]
    if step == STEP_TAKEN:
        u[c.SETUP_US] = _changeover(w, unit, station)
        step = STEP_SETUP if u[c.SETUP_US] > 0 else STEP_NEEDS
        if step == STEP_SETUP and kind[c.SETUP_POOL] >= 0 and not _hold(w, kind[c.SETUP_POOL], unit, c.AS_SETUP):
            u[c.STEP] = STEP_SETUP
            return
    if step == STEP_SETUP:
        u[c.PHASE], u[c.LEFT_US], u[c.STEP] = c.SETUP, u[c.SETUP_US], STEP_NEEDS
        run_clock(w, unit)
        return
    if step < STEP_WORKED:
        for i in range(step - STEP_NEEDS, kind[c.N_NEEDS]):
            if not _hold(w, kind[c.NEED0 + i], unit, c.AS_NEED0 + i):
                u[c.STEP] = STEP_NEEDS + i + 1
                return
        _work(w, unit, station)
    elif step == STEP_WORKED:
        _give(w, unit)
    else:
        u[c.PHASE], u[c.STEP] = c.EMPTY, STEP_TAKEN
        if not u[c.HALTED]:
            waits_for_part(w, kind[c.STATION], unit)


@inner_njit
def _changeover(w, unit, station):
    if station[c.SETUP0] < 0:
        return 0
    u = w.s[unit]
    before, variant = u[c.VARIANT], w.p[u[c.HELD], c.PART_VARIANT]
    u[c.VARIANT] = variant
    return w.a[station[c.SETUP0] + before * w.g[c.N_VARIANTS] + variant] if before >= 0 else 0


@inner_njit
def _hold(w, pool, unit, purpose):
    if try_take(w, pool, unit, purpose):
        return True
    w.s[unit, c.PHASE], w.s[unit, c.CALLS_ON], w.s[unit, c.NEED_AS] = c.NEEDS, pool, purpose
    call(w, pool, unit, purpose, 0)
    return False


@inner_njit
def _work(w, unit, station):
    u = w.s[unit]
    drawn = draw(w, w.f[unit, c.CYCLE_LAW], unit, c.CYCLES, u[c.K_CYCLE])
    u[c.K_CYCLE] += 1
    if station[c.FACTOR0] >= 0:
        drawn = int(math.floor(drawn * w.x[station[c.FACTOR0] + w.p[u[c.HELD], c.PART_VARIANT]] + 0.5))
    u[c.PHASE], u[c.LEFT_US], u[c.DRAWN_US], u[c.STEP] = c.WORK, drawn, drawn, STEP_WORKED
    run_clock(w, unit)


@inner_njit
def _give(w, unit):
    u, kind = w.s[unit], w.f[unit]
    u[c.PHASE], u[c.STEP] = c.DONE, STEP_GAVE
    for i in range(kind[c.N_NEEDS]):
        release(w, kind[c.NEED0 + i], unit, c.AS_NEED0 + i)
    if kind[c.N_PLANS]:
        _count_for_upkeep(w, unit)
    if u[c.CLOSING]:
        switch_off(w, unit)
    offer_front(w, unit)


@inner_njit
def offer_front(w, unit):
    """Offer the front part where it goes; inspection decides with one uniform."""
    u = w.s[unit]
    station = w.f[w.f[unit, c.STATION]]
    u[c.OFFERED] = w.g[c.NOW]
    if station[c.VERDICT0] >= 0:
        x = chance(w, unit, c.VERDICTS, u[c.K_QUALITY])
        u[c.K_QUALITY] += 1
        u[c.OUTCOME], u[c.PLACE] = station[c.PASSES], station[c.DESTINATION]
        if x < w.x[station[c.VERDICT0] + 1]:
            part = u[c.HELD]
            loops = w.p[part, c.PART_LOOPS]
            if x >= w.x[station[c.VERDICT0]] and loops < station[c.MAX_LOOPS] and station[c.REWORK_TO] >= 0:
                w.p[part, c.PART_LOOPS] = loops + 1
                u[c.OUTCOME], u[c.PLACE] = _REWORK, station[c.REWORK_TO]
            else:
                u[c.OUTCOME], u[c.PLACE] = _SCRAPPED, exit_place(w)
    offer(w, u[c.PLACE], unit)


# ---- clock


@inner_njit
def run_clock(w, unit):
    """Let setup or work run, to its end or to the failure that comes first."""
    u = w.s[unit]
    u[c.STARTED] = w.g[c.NOW]
    if u[c.PHASE] == c.WORK and u[c.BUSY_DUE] - u[c.BUSY_US] < u[c.LEFT_US]:
        u[c.CLOCK_ON] = c.CLOCK_WEAR
        schedule(w, w.f[unit, c.SLOT_WEAR], u[c.BUSY_DUE] - u[c.BUSY_US])
        return
    u[c.CLOCK_ON] = c.CLOCK_END
    schedule(w, w.f[unit, c.SLOT_END], u[c.LEFT_US])


@inner_njit
def _stop_clock(w, unit):
    u = w.s[unit]
    elapsed = w.g[c.NOW] - u[c.STARTED]
    u[c.LEFT_US] -= elapsed
    if u[c.PHASE] == c.WORK:
        u[c.BUSY_US] += elapsed
    cancel(w, w.f[unit, c.SLOT_END if u[c.CLOCK_ON] == c.CLOCK_END else c.SLOT_WEAR])
    u[c.CLOCK_ON] = c.CLOCK_OFF


@inner_njit
def clock_ends(w, unit):
    """Setup or work is done."""
    u = w.s[unit]
    u[c.CLOCK_ON] = c.CLOCK_OFF
    if u[c.PHASE] == c.WORK:
        u[c.BUSY_US] += u[c.LEFT_US]
        proceed(w, unit)
        return
    if w.f[unit, c.SETUP_POOL] >= 0:
        release(w, w.f[unit, c.SETUP_POOL], unit, c.AS_SETUP)
    proceed(w, unit)
    write_state(w, unit, -1)


# ---- interruptions


@inner_njit
def pause(w, unit):
    """Stop where it stands: something keeps it from going on."""
    u = w.s[unit]
    if u[c.HALTED]:
        return
    u[c.HALTED] = 1
    if u[c.CLOCK_ON]:
        _stop_clock(w, unit)
    elif u[c.PHASE] == c.EMPTY:
        no_longer_waits(w, w.f[unit, c.STATION], unit)
        mark(w, w.f[unit, c.STATION])
    elif u[c.PHASE] == c.NEEDS and u[c.CALLS_ON] >= 0:
        withdraw_call(w, u[c.CALLS_ON], unit)


@inner_njit
def go_on(w, unit, cause):
    """One thing that kept it from going on is over."""
    sync(w, unit)
    u = w.s[unit]
    u[c.HALTED] = 1 if u[c.OFF] == 1 or u[c.UPKEEP] >= 0 or u[c.FAILED] >= 0 else 0
    needs = u[c.CALLS_ON]
    if u[c.HALTED] or u[c.PHASE] == c.DONE:
        pass
    elif u[c.PHASE] == c.EMPTY:
        waits_for_part(w, w.f[unit, c.STATION], unit)
    elif u[c.PHASE] != c.NEEDS or needs < 0:
        run_clock(w, unit)
    elif try_take(w, needs, unit, u[c.NEED_AS]):
        granted(w, unit)
        return
    else:
        call(w, needs, unit, u[c.NEED_AS], 0)
    write_state(w, unit, cause)


@inner_njit
def granted(w, unit):
    """The robot or operator that was called is here."""
    w.s[unit, c.CALLS_ON] = -1
    proceed(w, unit)
    write_state(w, unit, w.g[c.ROWS] - 1)


@inner_njit
def switch_off(w, unit):
    """Out of its shift."""
    pause(w, unit)
    w.s[unit, c.OFF], w.s[unit, c.CLOSING] = 1, 0
    sync(w, unit)


@inner_njit
def shift_ends(w, unit, finish):
    """Go off, at once or after the part in work."""
    if finish and c.SETUP <= w.s[unit, c.PHASE] <= c.WORK:
        w.s[unit, c.CLOSING] = 1
        return
    switch_off(w, unit)
    write_state(w, unit, -1)


@inner_njit
def shift_begins(w, unit):
    """Come back."""
    w.s[unit, c.CLOSING] = 0
    if w.s[unit, c.OFF]:
        w.s[unit, c.OFF] = 0
        go_on(w, unit, -1)


# ---- breakdowns


@inner_njit
def find_due(w, unit):
    """The earliest operation-dependent failure, in busy time."""
    due = NEVER
    for i in range(w.f[unit, c.MODE0], w.f[unit, c.MODE0] + w.f[unit, c.N_MODES]):
        if not w.f[i, c.CLOCK]:
            due = min(due, w.s[i, c.DUE])
    w.s[unit, c.BUSY_DUE] = due


@inner_njit
def _first_due(w, unit, clock):
    best = -1
    for i in range(w.f[unit, c.MODE0], w.f[unit, c.MODE0] + w.f[unit, c.N_MODES]):
        if w.f[i, c.CLOCK] == clock and (best < 0 or w.s[i, c.DUE] < w.s[best, c.DUE]):
            best = i
    return best


@inner_njit
def new_life(w, unit, mode):
    """Mode `mode` (an index of all modes) draws a new life."""
    life = draw(w, w.f[mode, c.LIFE_LAW], mode, c.LIVES, w.s[mode, c.K_LIFE])
    w.s[mode, c.K_LIFE] += 1
    w.s[mode, c.LIFE_US] = life
    w.s[mode, c.DUE] = life + (w.s[unit, c.RAN_US] if w.f[mode, c.CLOCK] else w.s[unit, c.BUSY_US])
    find_due(w, unit)


@inner_njit
def sync(w, unit):
    """Let the time-dependent clocks run or stand, as the machine's state says."""
    first = _first_due(w, unit, 1)
    if first < 0:
        return
    u, now = w.s[unit], w.g[c.NOW]
    running = not u[c.OFF] and u[c.FAILED] < 0
    if running and u[c.SINCE] < 0:
        u[c.SINCE] = now
        schedule(w, w.f[unit, c.SLOT_STRIKE], w.s[first, c.DUE] - u[c.RAN_US])
    elif not running and u[c.SINCE] >= 0:
        u[c.RAN_US] += now - u[c.SINCE]
        u[c.SINCE] = -1
        cancel(w, w.f[unit, c.SLOT_STRIKE])


@inner_njit
def fails(w, unit, clock):
    """The earliest mode of a clock (0: operation-dependent, 1: time-dependent) strikes."""
    mode = _first_due(w, unit, clock)
    if not w.s[unit, c.HALTED]:
        pause(w, unit)
    w.s[unit, c.FAILED], w.s[unit, c.REPAIRING] = mode - w.f[unit, c.MODE0], 0
    sync(w, unit)
    if w.f[mode, c.CREW] < 0:
        repair(w, unit, -1)
    else:
        unsettle(w, unit)
        call(w, w.f[mode, c.CREW], unit, c.AS_BREAKDOWN, w.f[mode, c.PRIORITY])


@inner_njit
def repair(w, unit, cause):
    """The repair begins."""
    w.s[unit, c.REPAIRING] = 1
    mode = w.f[unit, c.MODE0] + w.s[unit, c.FAILED]
    duration = draw(w, w.f[mode, c.REPAIR_LAW], mode, c.REPAIRS, w.s[mode, c.K_REPAIR])
    w.s[mode, c.K_REPAIR] += 1
    schedule(w, w.f[unit, c.SLOT_REPAIR], duration)
    write_state(w, unit, cause)


@inner_njit
def repaired(w, unit):
    """The repair is over."""
    mode = w.f[unit, c.MODE0] + w.s[unit, c.FAILED]
    w.s[unit, c.FAILED], w.s[unit, c.REPAIRING] = -1, 0
    new_life(w, unit, mode)
    go_on(w, unit, -1)
    if w.f[mode, c.CREW] >= 0:
        release(w, w.f[mode, c.CREW], unit, c.AS_BREAKDOWN)


# ---- planned maintenance


@inner_njit
def _count_for_upkeep(w, unit):
    u = w.s[unit]
    u[c.PARTS_DONE] += u[c.N_HELD]
    worn = wear(w, unit)
    for i in range(w.f[unit, c.PLAN0], w.f[unit, c.PLAN0] + w.f[unit, c.N_PLANS]):
        every = w.f[i, c.EVERY_PARTS]
        counted = every > 0 and u[c.PARTS_DONE] - w.s[i, c.DONE_AT] >= every
        limit = w.x[w.f[i, c.WEAR_AT]]
        if (counted or (limit > 0.0 and worn >= limit)) and not w.s[i, c.DUE_SEQ]:
            falls_due(w, unit, i)


@inner_njit
def falls_due(w, unit, plan):
    """Maintenance is asked for."""
    w.s[unit, c.DUE_COUNT] += 1
    w.s[plan, c.DUE_SEQ] = w.s[unit, c.DUE_COUNT]
    mark(w, w.f[unit, c.STATION])


@inner_njit
def alarm_rings(w, unit, plan):
    """Maintenance by calendar."""
    schedule(w, w.f[plan, c.PLAN_SLOT], w.f[plan, c.EVERY_US])
    if not w.s[plan, c.DUE_SEQ] and plan - w.f[unit, c.PLAN0] != w.s[unit, c.UPKEEP]:
        falls_due(w, unit, plan)


@inner_njit
def start_due(w, unit):
    """Begin what is due, if its crew is free. The machine is empty and available."""
    first, n = w.f[unit, c.PLAN0], w.f[unit, c.N_PLANS]
    after = 0
    while True:
        plan = -1  # the one that fell due next after `after`
        for i in range(first, first + n):
            if w.s[i, c.DUE_SEQ] > after and (plan < 0 or w.s[i, c.DUE_SEQ] < w.s[plan, c.DUE_SEQ]):
                plan = i
        if plan < 0:
            return
        crew = w.f[plan, c.PLAN_CREW]
        if crew < 0 or try_take(w, crew, unit, c.AS_UPKEEP):
            w.s[plan, c.DUE_SEQ] = 0
            pause(w, unit)
            w.s[unit, c.UPKEEP] = plan - first
            duration = draw(w, w.f[plan, c.PLAN_LAW], plan, c.UPKEEPS, w.s[plan, c.K_PLAN])
            w.s[plan, c.K_PLAN] += 1
            schedule(w, w.f[unit, c.SLOT_UPKEEP], duration)
            write_state(w, unit, -1 if crew < 0 else w.g[c.ROWS] - 1)
            return
        w.s[w.f[unit, c.STATION], c.WANTED] = 1
        after = w.s[plan, c.DUE_SEQ]


@inner_njit
def upkeep_ends(w, unit):
    """Maintenance is over: every wearing mode starts a new life."""
    plan = w.f[unit, c.PLAN0] + w.s[unit, c.UPKEEP]
    w.s[unit, c.UPKEEP] = -1
    w.s[plan, c.DONE_AT] = w.s[unit, c.PARTS_DONE]
    for i in range(w.f[unit, c.MODE0], w.f[unit, c.MODE0] + w.f[unit, c.N_MODES]):
        if w.f[i, c.WEARING] and not w.f[i, c.CLOCK]:
            new_life(w, unit, i)
    go_on(w, unit, -1)
    if w.f[plan, c.PLAN_CREW] >= 0:
        release(w, w.f[plan, c.PLAN_CREW], unit, c.AS_UPKEEP)
