"""Remaining lives of failure modes and maintenance plans. Twin of sim/reference/breakdowns.py and maintenance.py."""

from __future__ import annotations

from factory_sim.clock import NEVER_US
from factory_sim.jit import inner_njit
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.event_list import cancel, schedule
from factory_sim.sim.calendar.row_output import draw, mark

NEVER = NEVER_US


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


@inner_njit
def find_due(w, unit):
    """The earliest operation-dependent failure, in busy time."""
    due = NEVER
    for i in range(w.f[unit, c.MODE0], w.f[unit, c.MODE0] + w.f[unit, c.N_MODES]):
        if not w.f[i, c.CLOCK]:
            due = min(due, w.s[i, c.DUE])
    w.s[unit, c.BUSY_DUE] = due


@inner_njit
def first_due(w, unit, clock):
    """The mode that strikes first, of those on a clock (0: operation-dependent, 1: time-dependent); -1: none."""
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
    first = first_due(w, unit, 1)
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
def count_for_upkeep(w, unit):
    """The machine finished the parts it holds: see which maintenance that makes due."""
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
