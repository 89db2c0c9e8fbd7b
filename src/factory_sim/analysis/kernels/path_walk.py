"""The critical path, divided among what the line waited for on it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from factory_sim.analysis.kernels.row_tables import Role
from factory_sim.jit import inner_njit, njit
from factory_sim.plant.states import Outcome, State


class Part(IntEnum):
    """What the time of a unit on the critical path was spent on."""

    PROCESSING = 0  # of a source: until the next arrival; of a carrier: the whole trip, and waiting for it
    SETUP = 1
    FAILURES = 2
    MAINTENANCE = 3
    CLOSED = 4  # outside the shift
    SERVICE = 5  # of a member of a pool: a machine waited for it to run or to set up
    REPAIR = 6  # of a member of a pool: a machine waited for it to repair or to maintain
    CARDS = 7  # of a source: a part waited for a card


@njit
def divide(t_us, unit, state, outcome, cause, role, before, last, t0_us, out_us):
    """Divide the path from row `last` back to t0 by rules CAUSE-10 and CAUSE-11; out_us (n_units, len(Part)).

    role (n_units,) of Role; before (n,): scratch, the previous row of each row's unit.
    """
    latest = np.full(len(role), -1)
    for row in range(last + 1):
        before[row] = latest[unit[row]]
        latest[unit[row]] = row
    i, waited, part, until = np.int64(last), np.int64(-1), np.int64(0), np.int64(0)
    while t_us[i] > t0_us:
        j, own = cause[i], before[i]
        if not 0 <= j < i:
            return
        found = _wait_for(i, j, own, unit, state, outcome, role)
        if found >= 0 and (waited < 0 or t_us[own] < until):
            waited, part, until = (unit[i] if found == Part.CARDS else unit[j]), found, t_us[own]
        end, begin = t_us[i], max(t_us[j], t0_us)
        if waited >= 0 and until < end and state[j] != State.OFF:
            cut = max(begin, until)
            out_us[waited, part] += end - cut
            end = cut
        if waited >= 0 and until >= begin:
            waited = np.int64(-1)
        out_us[unit[j], _own_part(state[j])] += end - begin
        i = j


@inner_njit
def _wait_for(i, j, own, unit, state, outcome, role):
    """Return the part of a wait that ends at row i because of row j; -1: no wait for a pool or a card."""
    if own < 0 or j == own:
        return np.int64(-1)
    if outcome[i] == Outcome.ENTERED:
        gone = outcome[j] == Outcome.LEFT or outcome[j] == Outcome.SCRAPPED or outcome[j] == Outcome.MERGED
        return np.int64(Part.CARDS) if gone else np.int64(-1)
    if role[unit[j]] != Role.POOL or role[unit[i]] != Role.MACHINE:
        return np.int64(-1)
    if state[own] == State.WAITING:
        return np.int64(Part.SERVICE)
    return np.int64(Part.REPAIR if state[i] in (State.REPAIR, State.MAINTENANCE) else -1)


@inner_njit
def _own_part(state):
    if state == State.SETUP:
        return np.int64(Part.SETUP)
    if state in (State.DOWN, State.REPAIR):
        return np.int64(Part.FAILURES)
    if state == State.MAINTENANCE:
        return np.int64(Part.MAINTENANCE)
    return np.int64(Part.CLOSED) if state == State.OFF else np.int64(Part.PROCESSING)
