"""Operations that block each other in a circle. Twin of sim/circles.py."""

from __future__ import annotations

from factory_sim.compiled import inner_njit
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.places import room

# ruff: noqa: ANN001, ANN201, ANN202 - compiled: types are inferred


@inner_njit
def blocked_in_circle(w):
    """Whether some operations can never move again."""
    first, end = w.g[c.STATION0], w.g[c.STATION0] + w.g[c.N_STATIONS]
    for station in range(first, end):
        w.s[station, c.STUCK] = 1
    n_stuck, changed = end - first, True
    while changed:
        changed = False
        for station in range(first, end):
            if w.s[station, c.STUCK] and not _all_wait_for_stuck(w, station):
                w.s[station, c.STUCK] = 0
                n_stuck -= 1
                changed = True
    return n_stuck > 0


@inner_njit
def _all_wait_for_stuck(w, station):
    first = w.f[station, c.MACHINE0]
    for unit in range(first, first + w.f[station, c.N_MACHINES]):
        place = w.s[unit, c.PLACE]
        if w.s[unit, c.PHASE] != c.DONE or w.f[place, c.KIND] != c.BUFFER_KIND or room(w, place) > 0:
            return False
        if not w.s[w.f[place, c.AT], c.STUCK]:
            return False
    return True
