"""The event list: one slot per thing that can fall due, in canonical order, under two levels of minima.

No heap and no cancellations: setting a slot replaces what was there. The earliest slot with the lowest number is the
next event, because slots stand in the order in which simultaneous events run.
"""

from __future__ import annotations

from factory_sim.clock import NEVER_US
from factory_sim.jit import inner_njit
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.run_state import BLOCK_BITS

NEVER = NEVER_US


@inner_njit
def schedule(w, slot, delay_us):
    """Let `slot` fall due after `delay_us`."""
    due = w.g[c.NOW] + delay_us
    block = w.g[c.N_SLOTS] + (slot >> BLOCK_BITS)
    was = w.e[slot]
    w.e[slot] = due
    if due <= w.e[block]:
        w.e[block] = due
    elif was == w.e[block]:
        _refresh(w, slot >> BLOCK_BITS)
    if due <= w.g[c.NEXT_DUE]:
        w.g[c.NEXT_DUE] = due
    elif was == w.g[c.NEXT_DUE]:
        _find_next(w)


@inner_njit
def cancel(w, slot):
    """`slot` does not fall due."""
    was = w.e[slot]
    w.e[slot] = NEVER
    if was == w.e[w.g[c.N_SLOTS] + (slot >> BLOCK_BITS)]:
        _refresh(w, slot >> BLOCK_BITS)
    if was == w.g[c.NEXT_DUE]:
        _find_next(w)


@inner_njit
def _refresh(w, block):
    least, e = NEVER, w.e
    for slot in range(block << BLOCK_BITS, min((block + 1) << BLOCK_BITS, w.g[c.N_SLOTS])):
        least = min(least, e[slot])
    e[w.g[c.N_SLOTS] + block] = least


@inner_njit
def _find_next(w):
    least, e = NEVER, w.e
    for block in range(w.g[c.N_SLOTS], w.n_e):
        least = min(least, e[block])
    w.g[c.NEXT_DUE] = least


@inner_njit
def pop(w, due_us):
    """The first slot due at `due_us`, -1 if there is none; it is empty afterwards."""
    if w.g[c.NEXT_DUE] != due_us:
        return -1
    e, first = w.e, w.g[c.N_SLOTS]
    block = 0
    while e[first + block] != due_us:
        block += 1
    slot = block << BLOCK_BITS
    while e[slot] != due_us:
        slot += 1
    e[slot] = NEVER
    _refresh(w, block)
    if e[first + block] != due_us:
        _find_next(w)
    return slot
