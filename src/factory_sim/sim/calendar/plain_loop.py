"""Counters of a plain line, without its log. Twin of a part of sim/reference/station.py, machine.py, source.py.

Where only machines, buffers and sources decide (`plain_run.obstacle`), a part needs no name and a move no row:
counters are enough, and a visit takes a quarter of the time. Draws, the order of moves and all choices are those of
the files beside this one. The order of events within an instant needs none here: queues order by (since, unit) anyway.
"""

from __future__ import annotations

from factory_sim.clock import NEVER_US
from factory_sim.inverse_cdf import EMPIRICAL, EXPONENTIAL, inverse
from factory_sim.jit import inlined_njit, inner_njit, njit
from factory_sim.plant.states import State
from factory_sim.random_streams import rounded_us, uniform
from factory_sim.sim.calendar.world import FLOAT, NAME, WHOLE, highest_bit, opener

NEVER = NEVER_US
BLOCK_BITS, DRAWS_BITS = 4, 4
BLOCK, DRAWS = 1 << BLOCK_BITS, 1 << DRAWS_BITS  # slots under one minimum; draws made at once, which costs a third each
WORD_BITS, IN_WORD = 5, 31
_STARVED, _BUSY, _BLOCKED = int(State.STARVED), int(State.BUSY), int(State.BLOCKED)

# unit, in w.u: two cache lines. STATION: -1 for a source; NEXT: the list it stands in, since QUEUED (-1: in none)
(
    STATION,
    GOES_TO,
    STATE,
    SINCE,
    NEXT,
    QUEUED,
    K,
    DRAWN,
    PARTS,
    PARTS_US,
    STARVED_US,
    BUSY_US,
    BLOCKED_US,
    OUTSIDE,
    LAW,
    VALUES0,
    U_WIDTH,
) = range(17)
SATURATED = -1  # LAW of a source without one
# station, in w.s; buffer, in w.b: the last of both is the exit
(IN0, N_IN, IDLE, N_IDLE, S_WIDTH) = range(5)
(COUNT, CAPACITY, QUANTITY, SENDERS, LEADS_TO, B_WIDTH) = range(6)
# line, in w.g; the bits of stations where a move may be possible follow
(T0, UNIT_BITS, LATEST, N_BLOCKS, N_DRAWS, BEGUN, ENTERED, LEFT, MERGED, GOOD, NEXT_KEY, TOP, DIRTY0) = range(13)

# w.e: when each unit's event falls due, with its number behind, so that one minimum says both; w.m: minima of blocks
plain_world_at = opener(
    "PlainWorld",
    {
        "u": (WHOLE, U_WIDTH),
        "s": (WHOLE, S_WIDTH),
        "b": (WHOLE, B_WIDTH),
        "g": (WHOLE, 0),
        "e": (WHOLE, 0),
        "m": (WHOLE, 0),
        "d": (WHOLE, DRAWS),
        "x": (FLOAT, 3),
        "v": (FLOAT, 0),
        "k": (NAME, 0),
    },
)


# ---- draws


@inner_njit
def _refill(w, unit, first):
    """Draws first, first + 1 ... of a unit."""
    drawn, name, law, n = w.d[unit], w.k[unit], w.u[unit, LAW], w.g[N_DRAWS]
    p0, p1, p2 = w.x[unit, 0], w.x[unit, 1], w.x[unit, 2]
    if law == EXPONENTIAL:  # a loop of its own, because the compiler makes four draws at once of it
        for i in range(n):
            drawn[i] = rounded_us(inverse(uniform(name, first + i), EXPONENTIAL, p0, 0.0, 0.0))
    elif law == EMPIRICAL:
        for i in range(n):
            drawn[i] = rounded_us(w.v[w.u[unit, VALUES0] + int(uniform(name, first + i) * p0)])
    else:
        for i in range(n):
            drawn[i] = rounded_us(inverse(uniform(name, first + i), law, p0, p1, p2))


@inlined_njit
def _draw(w, unit):
    k = w.u[unit, K]
    w.u[unit, K] = k + 1
    at = k & (DRAWS - 1)
    if at == 0:
        _refill(w, unit, k)
    return w.d[unit, at]


# ---- events


@inlined_njit
def _schedule(w, unit, due):
    key = min(due, w.g[LATEST]) << w.g[UNIT_BITS] | unit
    w.e[unit] = key
    block = unit >> BLOCK_BITS
    w.m[block] = min(w.m[block], key)
    w.g[NEXT_KEY] = min(w.g[NEXT_KEY], key)


@inlined_njit
def _take_out(w, unit):
    """The unit's event happens now: find the one that follows."""
    block, least = unit >> BLOCK_BITS, NEVER
    w.e[unit] = NEVER
    for i in range(block << BLOCK_BITS, (block + 1) << BLOCK_BITS):
        least = min(least, w.e[i])
    w.m[block] = least
    least = NEVER
    for i in range(w.g[N_BLOCKS]):
        least = min(least, w.m[i])
    w.g[NEXT_KEY] = least


@inlined_njit
def _mark(w, station):
    word = station >> WORD_BITS
    w.g[DIRTY0 + word] |= 1 << (station & IN_WORD)
    w.g[TOP] = max(w.g[TOP], word)


@inlined_njit
def _spend(w, unit, column, now):
    """Count the time in a state that ends now."""
    u, t0 = w.u[unit], w.g[T0]
    if now > t0:
        u[column] += now - max(u[SINCE], t0)
    u[SINCE] = now


@inlined_njit
def _happen(w, unit, now):
    """A machine's work is done, or a part arrives: change state only."""
    u = w.u[unit]
    if u[STATION] >= 0:
        _spend(w, unit, BUSY_US, now)
        u[STATE] = _BLOCKED
        _offer(w, unit, now)
        return
    if u[OUTSIDE] == 0:
        _spend(w, unit, STARVED_US, now)
        u[STATE] = _BLOCKED
    u[OUTSIDE] += 1
    _schedule(w, unit, now + _draw(w, unit))
    if u[QUEUED] < 0:
        _offer(w, unit, now)


# ---- queues: who came first, then the lowest unit


@inlined_njit
def _queue_up(w, head, unit, now):
    """Insert a unit into the list that begins with `head`; the new head."""
    w.u[unit, QUEUED] = now
    at, behind = head, -1
    while at >= 0 and (w.u[at, QUEUED] < now or at < unit):
        at, behind = w.u[at, NEXT], at
    w.u[unit, NEXT] = at
    if behind < 0:
        return unit
    w.u[behind, NEXT] = unit
    return head


@inlined_njit
def _offer(w, unit, now):
    """The unit holds a part for the place it gives to."""
    place = w.b[w.u[unit, GOES_TO]]
    place[SENDERS] = _queue_up(w, place[SENDERS], unit, now)
    _mark(w, place[LEADS_TO])


# ---- moves


@inlined_njit
def _give(w, place, now):
    """The sender that waits longest hands its part over."""
    unit = w.b[place, SENDERS]
    u = w.u[unit]
    station = u[STATION]
    w.b[place, SENDERS] = u[NEXT]
    if station >= 0:
        inside = now >= w.g[T0]
        u[PARTS] += inside
        u[PARTS_US] += u[DRAWN] * inside
        _spend(w, unit, BLOCKED_US, now)
        u[STATE] = _STARVED
        w.s[station, IDLE] = _queue_up(w, w.s[station, IDLE], unit, now)
        w.s[station, N_IDLE] += 1
        _mark(w, station)
    else:
        _source_gave(w, unit, now)


@inner_njit
def _source_gave(w, unit, now):
    u = w.u[unit]
    w.g[ENTERED] += 1
    u[QUEUED] = -1
    if u[LAW] != SATURATED:
        u[OUTSIDE] -= 1
        if u[OUTSIDE] == 0:
            _spend(w, unit, BLOCKED_US, now)
            u[STATE] = _STARVED
            return
    _offer(w, unit, now)


@inlined_njit
def _visit(w, station, now):
    """Make every move that is possible at a station: fill the buffers, start a machine, until none can start."""
    s = w.s[station]
    while True:
        ready = True
        for buffer in range(s[IN0], s[IN0] + s[N_IN]):
            b = w.b[buffer]
            # a buffer without places passes parts straight to machines that wait
            free = (b[CAPACITY] or s[N_IDLE]) - b[COUNT]
            while free > 0 and b[SENDERS] >= 0:
                _give(w, buffer, now)
                b[COUNT] += 1
                free -= 1
            ready = ready and b[COUNT] >= b[QUANTITY]
        unit = s[IDLE]
        if unit < 0 or not ready:
            return
        s[IDLE] = w.u[unit, NEXT]
        s[N_IDLE] -= 1
        _start(w, s, unit, now)


@inlined_njit
def _start(w, s, unit, now):
    u = w.u[unit]
    for buffer in range(s[IN0], s[IN0] + s[N_IN]):
        w.b[buffer, COUNT] -= w.b[buffer, QUANTITY]
        w.g[MERGED] += w.b[buffer, QUANTITY]
    w.g[MERGED] -= 1  # one part keeps its identity
    _spend(w, unit, STARVED_US, now)
    drawn = _draw(w, unit)
    u[STATE], u[DRAWN] = _BUSY, drawn
    _schedule(w, unit, now + drawn)


@inlined_njit
def _leave(w, place, now):
    while w.b[place, SENDERS] >= 0:
        _give(w, place, now)
        w.g[LEFT] += 1
        w.g[GOOD] += now >= w.g[T0]


@inlined_njit
def _moves(w, now):
    """Move parts, always at the most downstream station where a move may be possible."""
    g = w.g
    while True:
        word = g[TOP]
        bits = g[DIRTY0 + word]
        if bits:
            at = highest_bit(bits)
            g[DIRTY0 + word] = bits & ~(1 << at)
            station = (word << WORD_BITS) + at
            if w.s[station, N_IN]:
                _visit(w, station, now)
            else:
                _leave(w, w.s[station, IN0], now)
        elif word:
            g[TOP] = word - 1
        else:
            return


@inner_njit
def _first_arrivals(w):
    for unit in range(w.n_u):
        if w.u[unit, STATION] < 0 and w.u[unit, LAW] != SATURATED:
            _schedule(w, unit, _draw(w, unit))


@njit
def advance(address, until_us):
    """Run every instant before `until_us`. Called again, it goes on where it stopped."""
    w = plain_world_at(address)
    g = w.g
    now = 0
    if not g[BEGUN]:
        g[BEGUN] = 1
        _first_arrivals(w)
    while True:
        _moves(w, now)
        key = g[NEXT_KEY]
        now = key >> g[UNIT_BITS]
        if now >= until_us:
            return
        while key >> g[UNIT_BITS] == now:
            unit = key & ((1 << g[UNIT_BITS]) - 1)
            _take_out(w, unit)
            _happen(w, unit, now)
            key = g[NEXT_KEY]
