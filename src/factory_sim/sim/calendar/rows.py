"""Writing rows, counting state times, drawing numbers."""

from __future__ import annotations

import numpy as np
from numba import njit

from factory_sim.sim.calendar import columns as c
from factory_sim.streams import duration_us, uniform

# ruff: noqa: ANN001, ANN201, PLR0913 - compiled: types are inferred


@njit(cache=True)
def row(s, unit, state, part, outcome, detail, cause):
    """Write one row; its index. The unit's time in its former state is counted."""
    now, n = s.line[c.NOW], s.line[c.ROWS]
    u = s.unit[unit]
    if u[c.NOW_STATE] >= 0:
        begin, end = max(u[c.STATE_SINCE], s.line[c.T0]), min(now, s.line[c.T1])
        if end > begin:
            s.spent[unit, u[c.NOW_STATE]] += end - begin
    u[c.NOW_STATE], u[c.STATE_SINCE], u[c.LAST_ROW] = state, now, n
    if s.line[c.STORING]:
        r = s.rows[n - s.line[c.FIRST_ROW]]
        r[0], r[1], r[2], r[3], r[4], r[5], r[6] = now, unit, state, part, outcome, detail, cause
    s.line[c.ROWS] = n + 1
    return n


@njit(cache=True)
def draw(f, law, name, k):
    """Draw k of stream `name` under a law [µs]."""
    code, first, n = f.law[law, 0], f.law[law, 1], f.law[law, 2]
    return duration_us(name, k, code, f.law_f[law, 0], f.law_f[law, 1], f.law_f[law, 2], f.values_f[first : first + n])


@njit(cache=True)
def chance(name, k):
    """Uniform k of stream `name`."""
    return uniform(name, k)


@njit(cache=True)
def mark(s, station):
    """A move may be possible at `station`."""
    s.dirty[station >> 6] |= np.uint64(1) << np.uint64(station & 63)


@njit(cache=True)
def highest(s):
    """The most downstream marked station, its mark removed; -1: none."""
    for word in range(len(s.dirty) - 1, -1, -1):
        bits = s.dirty[word]
        if bits:
            at, rest = 0, bits
            for width in (32, 16, 8, 4, 2, 1):
                if rest >> np.uint64(width):
                    rest >>= np.uint64(width)
                    at += width
            s.dirty[word] = bits & ~(np.uint64(1) << np.uint64(at))
            return word * 64 + at
    return -1


@njit(cache=True)
def unsettle(s, unit):
    """Look at the unit's state again at the end of the instant."""
    s.unit[unit, c.UNSETTLED] = 1
    s.line[c.ANY_UNSETTLED] = 1


@njit(cache=True)
def append(s, place, part):
    """Put a part at the end of a place's queue."""
    p = s.place[place]
    s.part[part, c.PART_NEXT] = -1
    if p[c.TAIL] >= 0:
        s.part[p[c.TAIL], c.PART_NEXT] = part
    else:
        p[c.HEAD] = part
    p[c.TAIL] = part
    p[c.COUNT] += 1


@njit(cache=True)
def pop_front(s, place):
    """Take the first part of a place's queue."""
    p = s.place[place]
    part = p[c.HEAD]
    p[c.HEAD] = s.part[part, c.PART_NEXT]
    if p[c.HEAD] < 0:
        p[c.TAIL] = -1
    p[c.COUNT] -= 1
    return part
