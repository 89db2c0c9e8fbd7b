"""Writing rows, counting state times, drawing numbers."""

from __future__ import annotations

from factory_sim.inverse_cdf import EMPIRICAL, inverse
from factory_sim.jit import inner_njit
from factory_sim.random_streams import rounded_us, uniform
from factory_sim.sim.calendar import columns as c


@inner_njit
def row(w, unit, state, part, outcome, detail, cause):
    """Write one row; its index. The unit's time in its former state is counted."""
    now, n = w.g[c.NOW], w.g[c.ROWS]
    u = w.s[unit]
    if u[c.NOW_STATE] >= 0:
        begin, end = max(u[c.STATE_SINCE], w.g[c.T0]), min(now, w.g[c.T1])
        if end > begin:
            w.s[unit, c.SPENT0 + u[c.NOW_STATE]] += end - begin
    u[c.NOW_STATE], u[c.STATE_SINCE], u[c.LAST_ROW] = state, now, n
    if w.g[c.STORING]:
        r = w.r[n - w.g[c.FIRST_ROW]]
        r[0], r[1], r[2], r[3], r[4], r[5], r[6] = now, unit, state, part, outcome, detail, cause
    w.g[c.ROWS] = n + 1
    return n


@inner_njit
def draw(w, law, stream, purpose, k):
    """Draw k of a row's stream under a law [µs]. A law is four numbers in w.a: code, where its floats begin, values."""
    code, x, u = w.a[law], w.a[law + 1], uniform(w.k[stream, purpose], k)
    if code == EMPIRICAL:
        return rounded_us(w.x[w.a[law + 2] + int(u * w.a[law + 3])])
    return rounded_us(inverse(u, code, w.x[x], w.x[x + 1], w.x[x + 2]))


@inner_njit
def chance(w, stream, purpose, k):
    """Uniform k of a row's stream."""
    return uniform(w.k[stream, purpose], k)


@inner_njit
def mark(w, station):
    """A move may be possible at `station`."""
    at = station - w.g[c.STATION0]
    w.g[c.DIRTY0 + (at >> c.WORD_BITS)] |= 1 << (at & c.IN_WORD)


@inner_njit
def highest(w):
    """The most downstream marked station, its mark removed; -1: none."""
    for word in range(w.n_g - 1, c.DIRTY0 - 1, -1):
        bits = w.g[word]
        if bits:
            at = 0
            for width in (16, 8, 4, 2, 1):
                if bits >> (at + width):
                    at += width
            w.g[word] = bits & ~(1 << at)
            return w.g[c.STATION0] + ((word - c.DIRTY0) << c.WORD_BITS) + at
    return -1


@inner_njit
def any_marked(w):
    """Whether a move may be possible anywhere."""
    marked = 0
    for word in range(c.DIRTY0, w.n_g):
        marked |= w.g[word]
    return marked != 0


@inner_njit
def unsettle(w, unit):
    """Look at the unit's state again at the end of the instant."""
    w.s[unit, c.UNSETTLED] = 1
    w.g[c.ANY_UNSETTLED] = 1


@inner_njit
def append(w, place, part):
    """Put a part at the end of a place's queue."""
    p = w.s[place]
    w.p[part, c.PART_NEXT] = -1
    if p[c.TAIL] >= 0:
        w.p[p[c.TAIL], c.PART_NEXT] = part
    else:
        p[c.HEAD] = part
    p[c.TAIL] = part
    p[c.COUNT] += 1


@inner_njit
def pop_front(w, place):
    """Take the first part of a place's queue."""
    p = w.s[place]
    part = p[c.HEAD]
    p[c.HEAD] = w.p[part, c.PART_NEXT]
    if p[c.HEAD] < 0:
        p[c.TAIL] = -1
    p[c.COUNT] -= 1
    return part
