"""Failures, repairs and planned maintenance. Twin of sim/reference/breakdowns.py and upkeep.py."""

from __future__ import annotations

from factory_sim.jit import inner_njit
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.event_list import schedule
from factory_sim.sim.calendar.life_clocks import falls_due, first_due, new_life, sync
from factory_sim.sim.calendar.machines import dismiss, go_on, pause, write_state
from factory_sim.sim.calendar.pools import call, release, try_take
from factory_sim.sim.calendar.row_output import draw, unsettle


@inner_njit
def fails(w, unit, clock):
    """The earliest mode of a clock (0: operation-dependent, 1: time-dependent) strikes."""
    mode = first_due(w, unit, clock)
    if not w.s[unit, c.HALTED]:
        pause(w, unit)
    dismiss(w, unit)
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
