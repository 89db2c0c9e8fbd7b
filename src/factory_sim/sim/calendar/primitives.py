"""What all moves are made of: the event list, sets of stations and units, rows, draws, and queues of parts.

The event list has one slot for each thing that can fall due, in canonical order (rule INST-2), under two levels of
minima. An entry is a due time with the slot's number in its low bits, so one comparison decides both.
"""

from __future__ import annotations

import math

from factory_sim.inverse_cdf import EMPIRICAL, EXPONENTIAL, inverse
from factory_sim.random_streams import rounded_us, uniform
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.linkage import frequent_njit, inner_njit, rare_njit
from factory_sim.sim.calendar.world import highest_bit, least, least_but, most

# ---- event list


@inner_njit
def schedule(w, slot, delay_us):
    """Let `slot` fall due after `delay_us`, instead of when it was due before."""
    line, due, first = w.line, w.due, w.first_due
    key = least(line.now + delay_us, line.latest_us) << line.slot_bits | slot
    block = slot >> c.BLOCK_BITS
    if key < first[block]:
        first[block] = key
        line.next_key = least(line.next_key, key)
    elif due[slot] == first[block]:
        _refresh(w, block, least(key, least_but(due, block, due[slot])))
    due[slot] = key


@inner_njit
def cancel(w, slot):
    """Let `slot` not fall due."""
    block = slot >> c.BLOCK_BITS
    if w.due[slot] == w.first_due[block]:
        _refresh(w, block, least_but(w.due, block, w.due[slot]))
    w.due[slot] = c.NEVER


@frequent_njit
def _refresh(w, block, earliest):
    """Set the earliest entry of a block, and find that of all blocks; a store before these loads would delay them."""
    first, others = w.first_due, c.NEVER
    for i in range(len(first) >> c.BLOCK_BITS):
        others = least(others, least_but(first, i, first[block]))
    first[block] = earliest
    w.line.next_key = least(others, earliest)


@frequent_njit
def pop(w):
    """Take the next slot out of the list."""
    key = w.line.next_key
    slot = key & ((1 << w.line.slot_bits) - 1)
    _refresh(w, slot >> c.BLOCK_BITS, least_but(w.due, slot >> c.BLOCK_BITS, key))
    w.due[slot] = c.NEVER
    return slot


# ---- sets


@frequent_njit
def mark(w, station):
    """Let `station` be visited: a move may be possible there (rule MOVE-1)."""
    word = station >> c.WORD_BITS
    w.dirty[word] |= 1 << (station & c.IN_WORD)
    w.line.marked |= 1 << (word >> w.line.group_bits)


@frequent_njit
def highest(w):
    """Take the marked station with the highest index out of the set; -1: none."""
    marked = w.line.marked
    if not marked:
        return -1
    group = highest_bit(marked)
    word = ((group + 1) << w.line.group_bits) - 1
    while not w.dirty[word]:
        word -= 1
    at = highest_bit(w.dirty[word])
    bits = w.dirty[word] & ~(1 << at)
    w.dirty[word] = bits
    found = (word << c.WORD_BITS) + at
    if not bits:
        while word > group << w.line.group_bits and not w.dirty[word]:
            word -= 1
        if not w.dirty[word]:
            w.line.marked = marked & ~(1 << group)
    return found


@inner_njit
def want(w, station):
    """Let `station` be marked when a member of a pool becomes free."""
    w.wanted[station >> c.WORD_BITS] |= 1 << (station & c.IN_WORD)


@inner_njit
def mark_wanted(w):
    """Mark the stations of `want`."""
    for word in range(len(w.wanted)):
        if w.wanted[word]:
            w.dirty[word] |= w.wanted[word]
            w.line.marked |= 1 << (word >> w.line.group_bits)
            w.wanted[word] = 0


@inner_njit
def unsettle(w, unit):
    """Compare the unit's state with its last row at the end of the instant (rule INST-5)."""
    w.unsettled[unit >> c.WORD_BITS] |= 1 << (unit & c.IN_WORD)
    w.line.any_unsettled = 1


# ---- rows


@inner_njit
def row(w, unit, state, part, outcome, detail, cause):
    """Write one row and return its index (rule ROW-1); without a log the index is only counted."""
    line, u = w.line, w.unit[unit]
    n = line.rows
    u.now_state, u.last_row = state, n
    if line.storing:
        r = w.row[n - line.first_row]
        r.t_us, r.unit, r.state, r.part = line.now, unit, state, part
        r.outcome, r.detail, r.cause = outcome, detail, cause
    line.rows = n + 1
    return n


# ---- draws


@inner_njit
def draw(w, law, stream, k):
    """Return draw k of a stream under a law [µs] (rule DRAW-3)."""
    own, u = w.law[law], uniform(stream, k)
    if own.code == EMPIRICAL:
        return rounded_us(w.numbers[own.value0 + int(u * own.n_values)])
    return rounded_us(inverse(u, own.code, own.p0, own.p1, own.p2))


@inner_njit
def next_cycle(w, unit):
    """Return the unit's next processing time [µs]; sixteen are drawn at once."""
    u, ahead = w.unit[unit], w.ahead[unit]
    k = u.k_cycle
    if ahead.block != k >> c.DRAWS_BITS:
        ahead.block = k >> c.DRAWS_BITS
        _draw_ahead(w, unit, k & -c.DRAWS)
    u.k_cycle = k + 1
    return ahead.us[k & (c.DRAWS - 1)]


@rare_njit
def _draw_ahead(w, unit, first):
    us, stream, law = w.ahead[unit].us, w.unit[unit].cycles, w.unit[unit].cycle_law
    if w.law[law].code == EXPONENTIAL:  # a loop of its own, which the compiler vectorises
        mean = w.law[law].p0
        for i in range(c.DRAWS):
            us[i] = rounded_us(inverse(uniform(stream, first + i), EXPONENTIAL, mean, 0.0, 0.0))
    else:
        for i in range(c.DRAWS):
            us[i] = draw(w, law, stream, first + i)
    speed = w.unit[unit].speed
    if speed != 1.0:  # rule CMD-2
        for i in range(c.DRAWS):
            us[i] = most(1, math.floor(us[i] / speed + 0.5))


# ---- queues of parts (rule MOVE-5)


@inner_njit
def append(w, place, part):
    """Put a part at the end of a place's queue."""
    p = w.place[place]
    empty = (p.count - 1) >> c.IN_WORD  # all bits or none: half of the queues are empty, and a branch would be guessed
    w.part[_either(empty, part, p.tail)].next = part
    w.part[part].next = -1
    p.head = _either(empty, part, p.head)
    p.tail = part
    p.count += 1


@frequent_njit
def _either(bits, a, b):
    """Return `a` if all bits are set, `b` if none is."""
    return b ^ ((a ^ b) & bits)


@inner_njit
def pop_front(w, place):
    """Take the first part of a place's queue."""
    p = w.place[place]
    part = p.head
    p.head = w.part[part].next
    p.count -= 1
    return part
