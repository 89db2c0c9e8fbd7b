"""Times of units in states, failures, and active periods."""

from __future__ import annotations

import numpy as np

from factory_sim.jit import njit
from factory_sim.plant.states import Outcome, State

NEVER = -(2**62)


@njit
def state_times(t_us, unit, state, t0_us, t1_us, out_us):
    """Add the time of each unit in each state within [t0, t1) to out_us (n_units, N_STATES); UNKNOWN at first."""
    since = np.full(len(out_us), t0_us)
    now = np.full(len(out_us), np.int64(State.UNKNOWN))
    for i in range(len(t_us)):
        u = unit[i]
        at = min(max(t_us[i], t0_us), t1_us)
        out_us[u, now[u]] += at - since[u]
        since[u] = at
        now[u] = state[i]
    for u in range(len(out_us)):
        out_us[u, now[u]] += t1_us - since[u]


@njit
def failures(t_us, unit, state, outcome, detail, t0_us, t1_us, count, wait_us, repair_us, worked_us):
    """Count failures that began in [t0, t1), their time in DOWN and in REPAIR, and the repair time worked.

    Outputs (n_units, n_modes). DOWN, REPAIR and rows that give a part meanwhile are one failure; a change of the mode
    is another one. A closed shift hides a failure: its first OFF row begins the closed time, the next ones are the
    start of the repair, if it waited for a crew, and its end (rules ROW-6 and ROW-7 of docs/model.md).
    """
    mode = np.full(len(count), -1)
    since = np.full(len(count), t0_us)
    now = np.full(len(count), -1)
    worked = np.zeros(len(count), np.bool_)  # a repair is under way
    for i in range(len(t_us) + len(count)):
        last = i >= len(t_us)
        u = i - len(t_us) if last else unit[i]
        at = t1_us if last else min(max(t_us[i], t0_us), t1_us)
        if now[u] == State.DOWN:
            wait_us[u, mode[u]] += at - since[u]
        elif now[u] == State.REPAIR:
            repair_us[u, mode[u]] += at - since[u]
        if worked[u]:
            worked_us[u, mode[u]] += at - since[u]
        since[u] = at
        if last:
            continue
        hidden = state[i] == State.OFF and mode[u] >= 0
        again = hidden and now[u] == State.OFF and outcome[i] == Outcome.NONE
        ended = again and worked[u]
        worked[u] = state[i] == State.REPAIR or (again and not worked[u]) or (hidden and not again and worked[u])
        now[u] = state[i]
        if ended or not (hidden or state[i] in (State.DOWN, State.REPAIR)):
            mode[u] = -1
        elif hidden:
            continue
        elif outcome[i] == Outcome.NONE or mode[u] < 0:
            new = detail[i] if outcome[i] == Outcome.NONE and 0 <= detail[i] < count.shape[1] else 0
            count[u, new] += new != mode[u] and t0_us <= t_us[i] < t1_us
            mode[u] = new


@njit
def active_periods(t_us, unit, state, active, t0_us, t1_us, n_units, owner, start_us, end_us):
    """Write the uninterrupted stretches within [t0, t1) in which a unit's state is `active` (N_STATES,).

    A pause of length zero does not interrupt. Outputs have room for one entry per row and unit; return their number.
    """
    begun = np.full(n_units, NEVER)
    ended = np.full(n_units, NEVER)
    n = 0
    for i in range(len(t_us) + n_units):
        last = i >= len(t_us)
        u = i - len(t_us) if last else unit[i]
        at = t1_us if last else min(max(t_us[i], t0_us), t1_us)
        on = not last and active[state[i]]
        if begun[u] != NEVER and (last or (on and NEVER < ended[u] < at)):
            stop = ended[u] if ended[u] != NEVER else at
            if stop > begun[u]:
                owner[n], start_us[n], end_us[n] = u, begun[u], stop
                n += 1
            begun[u] = NEVER
        if on:
            begun[u] = at if begun[u] == NEVER else begun[u]
            ended[u] = NEVER
        elif ended[u] == NEVER:
            ended[u] = at
    return n
