"""Failures, repairs and planned maintenance. Twin of sim/reference/machines/breakdowns.py, maintenance.py."""

from __future__ import annotations

from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.life_clocks import falls_due, first_due, new_life, sync
from factory_sim.sim.calendar.linkage import inner_njit, rare_njit
from factory_sim.sim.calendar.machines import dismiss, pause, resume, write_state
from factory_sim.sim.calendar.primitives import draw, schedule, unsettle, want
from factory_sim.sim.calendar.queues import call, release, try_take


@rare_njit
def fails(w, unit, clock):
    """Let the earliest mode of a clock (0: operation-dependent, 1: time-dependent) fail (rule FAIL-3)."""
    mode = first_due(w, unit, clock)
    if not w.unit[unit].halted:
        pause(w, unit)
    dismiss(w, unit)
    w.unit[unit].failed, w.unit[unit].repairing = mode - w.unit[unit].mode0, 0
    sync(w, unit)
    if w.mode[mode].crew < 0:
        repair(w, unit, -1)
    else:
        unsettle(w, unit)
        call(w, w.mode[mode].crew, unit, c.AS_BREAKDOWN, w.mode[mode].priority)


@inner_njit
def repair(w, unit, cause):
    """Start the repair."""
    w.unit[unit].repairing = 1
    mode = w.unit[unit].mode0 + w.unit[unit].failed
    duration = draw(w, w.mode[mode].repair_law, w.mode[mode].repairs, w.mode[mode].k_repair)
    w.mode[mode].k_repair += 1
    schedule(w, w.unit[unit].slot_repair, duration)
    write_state(w, unit, cause)


@rare_njit
def repaired(w, unit):
    """End the repair; the mode gets a new life (rule FAIL-2)."""
    mode = w.unit[unit].mode0 + w.unit[unit].failed
    w.unit[unit].failed, w.unit[unit].repairing = -1, 0
    new_life(w, unit, mode)
    resume(w, unit, -1)
    if w.mode[mode].crew >= 0:
        release(w, w.mode[mode].crew, unit, c.AS_BREAKDOWN)


@rare_njit
def alarm_rings(w, unit, plan):
    """Let maintenance by calendar fall due (rule MAINT-1)."""
    if w.plan[plan].every_us:
        schedule(w, w.plan[plan].slot, w.plan[plan].every_us)
    w.plan[plan].next_alarm += 1
    next_alarm(w, plan)
    if not w.plan[plan].due_seq and plan - w.unit[unit].plan0 != w.unit[unit].upkeep:
        falls_due(w, unit, plan)


@rare_njit
def next_alarm(w, plan):
    """Schedule the next alarm of a plan by the clock, if the stretch of the calendar has one."""
    if w.plan[plan].next_alarm < w.plan[plan].end_alarm:
        schedule(w, w.plan[plan].slot, w.edges[w.plan[plan].next_alarm] - w.line.now)


@rare_njit
def start_due(w, unit):
    """Start maintenance that is due, if its crew is free; the machine is empty and available (rule MAINT-3)."""
    first, n = w.unit[unit].plan0, w.unit[unit].n_plans
    after = 0
    while True:
        plan = -1  # the one that fell due next after `after`
        for i in range(first, first + n):
            if w.plan[i].due_seq > after and (plan < 0 or w.plan[i].due_seq < w.plan[plan].due_seq):
                plan = i
        if plan < 0:
            return
        crew = w.plan[plan].crew
        if crew < 0 or try_take(w, crew, unit, c.AS_UPKEEP):
            w.plan[plan].due_seq = 0
            pause(w, unit)
            w.unit[unit].upkeep = plan - first
            duration = draw(w, w.plan[plan].law, w.plan[plan].durations, w.plan[plan].k_duration)
            w.plan[plan].k_duration += 1
            schedule(w, w.unit[unit].slot_upkeep, duration)
            write_state(w, unit, -1 if crew < 0 else w.line.rows - 1)
            return
        want(w, w.unit[unit].station)
        after = w.plan[plan].due_seq


@rare_njit
def upkeep_ends(w, unit):
    """End maintenance; every wearing mode gets a new life (rule FAIL-2)."""
    plan = w.unit[unit].plan0 + w.unit[unit].upkeep
    w.unit[unit].upkeep = -1
    w.plan[plan].done_at = w.unit[unit].parts_done
    for i in range(w.unit[unit].mode0, w.unit[unit].mode0 + w.unit[unit].n_modes):
        if w.mode[i].wearing and not w.mode[i].clock:
            new_life(w, unit, i)
    resume(w, unit, -1)
    if w.plan[plan].crew >= 0:
        release(w, w.plan[plan].crew, unit, c.AS_UPKEEP)
