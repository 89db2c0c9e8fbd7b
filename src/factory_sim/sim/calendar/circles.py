"""Operations that block each other in a circle. Twin of sim/circles.py."""

from __future__ import annotations

import numpy as np
from numba import njit

from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.places import room

# ruff: noqa: ANN001, ANN201 - compiled: types are inferred


@njit(cache=True)
def blocked_in_circle(f, s):
    """Whether some operations can never move again."""
    n = len(f.station)
    stuck = np.ones(n, np.bool_)
    changed = True
    while changed:
        changed = False
        for station in range(n):
            if stuck[station] and not _all_wait_for_stuck(f, s, station, stuck):
                stuck[station] = False
                changed = True
    return stuck.any()


@njit(cache=True)
def _all_wait_for_stuck(f, s, station, stuck):
    first = f.station[station, c.MACHINE0]
    for unit in range(first, first + f.station[station, c.N_MACHINES]):
        place = s.unit[unit, c.PLACE]
        if s.unit[unit, c.PHASE] != c.DONE or f.place[place, c.KIND] != c.BUFFER_KIND or room(f, s, place) > 0:
            return False
        if not stuck[f.place[place, c.INDEX]]:
            return False
    return True
