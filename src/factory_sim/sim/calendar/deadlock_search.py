"""The compiled engine's search for deadlocks. Twin of sim/reference/deadlock_watch.py and of sim/deadlock.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import NEVER_US
from factory_sim.jit import inner_njit
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.machines import awaits_vehicle
from factory_sim.sim.deadlock import Plight, blocked, circle_text

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.calendar.run_state import World


NEVER = NEVER_US


@inner_njit
def in_circle(w):
    """Whether some operations can never move again; also notes when to look next."""
    newly_blocked, w.g[c.BLOCKED_NEW] = w.g[c.BLOCKED_NEW], 0
    busy = _busy_until(w)
    w.g[c.LOOK_AT] = max(busy, w.g[c.NOW] + 1)
    if busy >= 0 and not (newly_blocked and _rework_waits(w)):
        return False
    return _any_stuck(w)


@inner_njit
def _busy_until(w):
    for unit in range(w.g[c.N_UNITS]):
        if w.f[unit, c.ROLE] == c.ROLE_MACHINE and c.SETUP <= w.s[unit, c.PHASE] <= c.WORK:
            return w.s[unit, c.STARTED] + w.s[unit, c.LEFT_US] if w.s[unit, c.CLOCK_ON] else w.g[c.NOW]
    return -1


@inner_njit
def _rework_waits(w):
    for unit in range(w.g[c.N_UNITS]):
        done = w.f[unit, c.ROLE] == c.ROLE_MACHINE and w.s[unit, c.PHASE] == c.DONE
        if done and w.s[unit, c.PLACE] == w.f[w.f[unit, c.STATION], c.REWORK_TO]:
            return True
    return False


@inner_njit
def _any_stuck(w):
    first, end = w.g[c.STATION0], w.g[c.STATION0] + w.g[c.N_STATIONS]
    for station in range(first, end):
        w.s[station, c.STUCK] = 1
    n_stuck, changed = end - first, True
    while changed:
        changed = False
        for station in range(first, end):
            if w.s[station, c.STUCK] and not _stuck(w, station, n_stuck):
                w.s[station, c.STUCK] = 0
                n_stuck -= 1
                changed = True
    return n_stuck > 0


@inner_njit
def _stuck(w, station, n_stuck):
    row_of, idle = w.f[station], False
    for unit in range(row_of[c.MACHINE0], row_of[c.MACHINE0] + row_of[c.N_MACHINES]):
        phase = w.s[unit, c.PHASE]
        if phase == c.EMPTY:
            idle = True
        elif phase != c.DONE or awaits_vehicle(w, unit) or not w.s[w.f[w.s[unit, c.PLACE], c.AT], c.STUCK]:
            return False
    if not idle:
        return True
    for buffer in range(row_of[c.IN0], row_of[c.IN0] + row_of[c.N_IN]):
        if not enough(w, station, buffer) and _feeders_stuck(w, station, buffer, n_stuck):
            return True
    return False


@inner_njit
def enough(w, station, buffer):
    """Whether a machine can begin, or may be able to when what is on its way has come."""
    p, belt, row_of = w.s[buffer], w.f[buffer, c.BELT_IN], w.f[station]
    needed = w.f[buffer, c.QUANTITY]
    if row_of[c.TAKES] == c.TAKES_BATCH:
        needed = 1 if row_of[c.BATCH_US] else row_of[c.BATCH_MIN]
    if p[c.RESERVED] or (belt >= 0 and w.s[belt, c.COUNT]):
        return True
    waiting, sender = p[c.COUNT], p[c.SENDERS]
    while sender >= 0:
        waiting, sender = waiting + 1, w.s[sender, c.SEND_NEXT]
    return waiting >= needed


@inner_njit
def _feeders_stuck(w, station, buffer, n_stuck):
    feeder = w.f[buffer, c.FEEDER]
    if feeder < w.g[c.N_UNITS]:
        if n_stuck < w.g[c.N_STATIONS] or not awaits_card(w, feeder):
            return False
    elif not w.s[feeder, c.STUCK]:
        return False
    for other in range(w.g[c.STATION0], w.g[c.STATION0] + w.g[c.N_STATIONS]):
        if buffer == w.f[station, c.IN0] and w.f[other, c.REWORK_TO] == buffer and not w.s[other, c.STUCK]:
            return False
    return True


@inner_njit
def awaits_card(w, unit):
    """Whether no part of this source comes in before a card is back."""
    source, u = w.f[unit], w.s[unit]
    more = source[c.SATURATED] == 1 or u[c.OUTSIDE] > 0 or w.e[source[c.SLOT_ARRIVAL]] < NEVER
    return more and 0 < source[c.CARDS] <= u[c.INSIDE]


# ---- naming it: plain Python on a world that has stopped


def told(w: World, plant: Plant) -> str:
    """What to say of the circle in which a run has stopped."""
    plights = [_plight(w, plant, int(w.g[c.STATION0]) + i) for i in range(len(plant.operations))]
    out = {i for i, source in enumerate(plant.sources) if awaits_card.py_func(w, source.unit)}
    return circle_text(int(w.g[c.NOW]), blocked(plant, plights, out), plant)


def _plight(w: World, plant: Plant, station: int) -> Plight:
    f, s = w.f, w.s
    machines = range(f[station, c.MACHINE0], f[station, c.MACHINE0] + f[station, c.N_MACHINES])
    inputs = range(f[station, c.IN0], f[station, c.IN0] + f[station, c.N_IN])
    done = [unit for unit in machines if s[unit, c.PHASE] == c.DONE]
    idle = [unit for unit in machines if s[unit, c.PHASE] == c.EMPTY]
    parts = {part for unit in done for part in _chain(w, int(s[unit, c.HELD]))}
    parts |= {part for buffer in inputs for part in _chain(w, int(s[buffer, c.HEAD]))}
    source_of = {source.unit: i for i, source in enumerate(plant.sources)}
    return Plight(
        not s[station, c.STUCK],
        {int(f[s[unit, c.PLACE], c.INDEX]) for unit in done},
        bool(idle),
        [i for i, buffer in enumerate(inputs) if not enough.py_func(w, station, buffer)],
        {source_of[int(w.p[part, c.PART_ORIGIN])] for part in parts},
    )


def _chain(w: World, part: int) -> list[int]:
    found = []
    while part >= 0:
        found.append(part)
        part = int(w.p[part, c.PART_NEXT])
    return found
