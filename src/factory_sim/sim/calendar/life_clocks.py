"""Remaining lives of failure modes and maintenance plans. Twin of breakdowns.py and maintenance.py (sim/reference)."""

from __future__ import annotations

from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.linkage import inner_njit
from factory_sim.sim.calendar.primitives import cancel, draw, mark, schedule
from factory_sim.sim.calendar.world import most


@inner_njit
def wear(w, unit):
    """Return the wear of the machine in millionths (rule FAIL-7)."""
    worst = 0
    if w.unit[unit].wears:
        for i in range(w.unit[unit].mode0, w.unit[unit].mode0 + w.unit[unit].n_modes):
            if w.mode[i].wearing and not w.mode[i].clock:
                life = w.mode[i].life_us
                share = 1_000_000
                if life:
                    share -= int((w.mode[i].due - w.unit[unit].busy_us) * 1e6 / life)
                worst = most(worst, share)
    return worst


@inner_njit
def find_due(w, unit):
    """Find the earliest operation-dependent failure, in busy time."""
    mode = first_due(w, unit, 0)
    w.unit[unit].busy_due = w.mode[mode].due if mode >= 0 else c.NEVER


@inner_njit
def first_due(w, unit, clock):
    """Return the mode that fails first on a clock (0: operation-dependent, 1: time-dependent); -1: none."""
    best = -1
    for i in range(w.unit[unit].mode0, w.unit[unit].mode0 + w.unit[unit].n_modes):
        if w.mode[i].clock == clock and (best < 0 or w.mode[i].due < w.mode[best].due):
            best = i
    return best


@inner_njit
def new_life(w, unit, mode):
    """Draw a new life of a mode (rule FAIL-2)."""
    life = draw(w, w.mode[mode].life_law, w.mode[mode].lives, w.mode[mode].k_life)
    w.mode[mode].k_life += 1
    w.mode[mode].life_us = life
    w.mode[mode].due = life + (w.unit[unit].ran_us if w.mode[mode].clock else w.unit[unit].busy_us)
    find_due(w, unit)


@inner_njit
def sync(w, unit):
    """Start or stop the time-dependent clocks by the machine's state (rule FAIL-1)."""
    first = first_due(w, unit, 1)
    if first < 0:
        return
    u, now = w.unit[unit], w.line.now
    running = not u.off and u.failed < 0
    if running and u.running_since < 0:
        u.running_since = now
        schedule(w, w.unit[unit].slot_strike, w.mode[first].due - u.ran_us)
    elif not running and u.running_since >= 0:
        u.ran_us += now - u.running_since
        u.running_since = -1
        cancel(w, w.unit[unit].slot_strike)


@inner_njit
def count_for_upkeep(w, unit):
    """Count the finished parts for maintenance (rule MAINT-2)."""
    u = w.unit[unit]
    u.parts_done += u.n_held
    worn = wear(w, unit)
    for i in range(w.unit[unit].plan0, w.unit[unit].plan0 + w.unit[unit].n_plans):
        every = w.plan[i].every_parts
        counted = every > 0 and u.parts_done - w.plan[i].done_at >= every
        limit = w.plan[i].wear_at
        if (counted or (limit > 0.0 and worn >= limit)) and not w.plan[i].due_seq:
            falls_due(w, unit, i)


@inner_njit
def falls_due(w, unit, plan):
    """Let maintenance fall due."""
    w.unit[unit].due_count += 1
    w.plan[plan].due_seq = w.unit[unit].due_count
    mark(w, w.unit[unit].station)
