"""The event list: one slot per thing that can fall due, in canonical order, under two levels of minima.

No heap and no cancellations: setting a slot replaces what was there. The earliest slot with the lowest number is the
next event, because slots stand in the order in which simultaneous events run.
"""

from __future__ import annotations

from numba import njit

from factory_sim.clock import NEVER_US
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.state import BLOCK

# ruff: noqa: ANN001, ANN201 - compiled: types are inferred
NEVER = NEVER_US


@njit(cache=True)
def schedule(s, slot, delay_us):
    """Let `slot` fall due after `delay_us`."""
    due = s.line[c.NOW] + delay_us
    block = slot // BLOCK
    was = s.slot_us[slot]
    s.slot_us[slot] = due
    if due <= s.block_us[block]:
        s.block_us[block] = due
    elif was == s.block_us[block]:
        _refresh(s, block)


@njit(cache=True)
def cancel(s, slot):
    """`slot` does not fall due."""
    was = s.slot_us[slot]
    s.slot_us[slot] = NEVER
    if was == s.block_us[slot // BLOCK]:
        _refresh(s, slot // BLOCK)


@njit(cache=True)
def _refresh(s, block):
    least = NEVER
    for slot in range(block * BLOCK, min((block + 1) * BLOCK, len(s.slot_us))):
        least = min(least, s.slot_us[slot])
    s.block_us[block] = least


@njit(cache=True)
def earliest(s):
    """When the next event is due."""
    least = NEVER
    for block in range(len(s.block_us)):
        least = min(least, s.block_us[block])
    return least


@njit(cache=True)
def pop(s, due_us):
    """The first slot due at `due_us`; it is empty afterwards."""
    for block in range(len(s.block_us)):
        if s.block_us[block] == due_us:
            for slot in range(block * BLOCK, min((block + 1) * BLOCK, len(s.slot_us))):
                if s.slot_us[slot] == due_us:
                    s.slot_us[slot] = NEVER
                    _refresh(s, block)
                    return slot
    return -1
