"""What a machine does, in which order, and what keeps it from going on. Twin of sim/reference/machine.py."""

from __future__ import annotations

import math

from factory_sim.jit import inner_njit
from factory_sim.plant.states import Outcome, State, Wait
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.event_list import cancel, schedule
from factory_sim.sim.calendar.life_clocks import count_for_upkeep, sync, wear
from factory_sim.sim.calendar.places import exit_place, no_longer_waits, offer, room, waits_for_part
from factory_sim.sim.calendar.pools import call, release, try_take, withdraw_call
from factory_sim.sim.calendar.row_output import chance, draw, mark, row

_OFF, _SETUP, _STARVED, _BUSY = int(State.OFF), int(State.SETUP), int(State.STARVED), int(State.BUSY)
_BLOCKED, _WAITING, _UPKEEP = int(State.BLOCKED), int(State.WAITING), int(State.MAINTENANCE)
_DOWN, _REPAIR = int(State.DOWN), int(State.REPAIR)
_VEHICLE, _OPERATOR = int(Wait.VEHICLE), int(Wait.OPERATOR)
_NO_MOVE, _REWORK, _SCRAPPED = int(Outcome.NONE), int(Outcome.REWORK), int(Outcome.SCRAPPED)
STEP_TAKEN, STEP_SETUP, STEP_NEEDS, STEP_WORKED, STEP_GAVE = 0, 1, 2, 10, 20


# ---- state and rows


@inner_njit
def state_now(w, unit):  # noqa: PLR0911 - a table of states
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
        return _WAITING if awaits_vehicle(w, unit) else _BLOCKED
    if phase == c.EMPTY:
        return _STARVED
    if phase == c.SETUP:
        return _SETUP
    return _BUSY if phase == c.WORK else _WAITING


@inner_njit
def awaits_vehicle(w, unit):
    """Whether only a vehicle is missing for the machine's finished part: a place is free or reserved."""
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


# ---- the words of behaviours


@inner_njit
def proceed(w, unit):
    """Go on with the work instruction (behaviours/machining.py): change over, get robot and operator, work, give."""
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
        drawn = math.floor(drawn * w.x[station[c.FACTOR0] + w.p[u[c.HELD], c.PART_VARIANT]] + 0.5)
    u[c.PHASE], u[c.LEFT_US], u[c.DRAWN_US], u[c.STEP] = c.WORK, drawn, drawn, STEP_WORKED
    run_clock(w, unit)


@inner_njit
def _give(w, unit):
    u, kind = w.s[unit], w.f[unit]
    u[c.PHASE], u[c.STEP] = c.DONE, STEP_GAVE
    for i in range(kind[c.N_NEEDS]):
        release(w, kind[c.NEED0 + i], unit, c.AS_NEED0 + i)
    if kind[c.N_PLANS]:
        count_for_upkeep(w, unit)
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
def dismiss(w, unit):
    """Let go the operator of a setup or work that was stopped; it goes on when one has come again."""
    u, kind = w.s[unit], w.f[unit]
    pool, purpose = -1, c.AS_SETUP
    if u[c.PHASE] == c.SETUP:
        pool = kind[c.SETUP_POOL]
    elif u[c.PHASE] == c.WORK and kind[c.N_NEEDS]:
        last = kind[c.N_NEEDS] - 1  # operators come after robots
        if w.f[kind[c.NEED0 + last], c.WAIT_KIND] == _OPERATOR:
            pool, purpose = kind[c.NEED0 + last], c.AS_NEED0 + last
    if pool >= 0:
        release(w, pool, unit, purpose)
        u[c.INTERRUPTED], u[c.PHASE], u[c.CALLS_ON], u[c.NEED_AS] = u[c.PHASE], c.NEEDS, pool, purpose


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
    u = w.s[unit]
    u[c.CALLS_ON] = -1
    if u[c.INTERRUPTED]:
        u[c.PHASE], u[c.INTERRUPTED] = u[c.INTERRUPTED], c.EMPTY
        run_clock(w, unit)
    else:
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
    dismiss(w, unit)


@inner_njit
def shift_begins(w, unit):
    """Come back."""
    w.s[unit, c.CLOSING] = 0
    if w.s[unit, c.OFF]:
        w.s[unit, c.OFF] = 0
        go_on(w, unit, -1)
