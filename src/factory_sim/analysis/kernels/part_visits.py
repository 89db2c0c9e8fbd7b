"""What happens to parts."""
# mypy: allow-untyped-defs
# ruff: noqa: C901 - compiled: Numba infers types; one argument a column, one pass

from __future__ import annotations

import numpy as np

from factory_sim.jit import njit
from factory_sim.plant.states import Outcome, State

_BUSY, _TOOK, _MERGED = int(State.BUSY), int(Outcome.TOOK), int(Outcome.MERGED)
_PASSED, _REWORK, _SCRAPPED = int(Outcome.PASSED), int(Outcome.REWORK), int(Outcome.SCRAPPED)
_LEFT, _ENTERED, _LOST = int(Outcome.LEFT), int(Outcome.ENTERED), int(Outcome.LOST)
NEVER = -(2**62)


@njit
def cycles(t_us, unit, state, outcome, t0_us, t1_us, parts, timed, busy_us, good, scrap, rework):
    """Parts given away by each unit within [t0, t1), and the busy time of their cycles. All outputs (n_units,).

    A cycle's busy time, also what lies before t0, counts once, with the last of its parts; parts whose start was not
    seen are in `parts` but not in `timed`.
    """
    n = len(parts)
    holds = np.zeros(n, np.int64)  # parts taken and not yet given
    known = np.zeros(n, np.bool_)  # their start was seen
    cycle_us = np.zeros(n, np.int64)
    busy_from = np.full(n, NEVER)
    taken_at = np.full(n, NEVER)
    for i in range(len(t_us)):
        u, t, o = unit[i], t_us[i], outcome[i]
        if busy_from[u] != NEVER:
            cycle_us[u] += t - busy_from[u]
        busy_from[u] = t if state[i] == _BUSY else NEVER
        if o == _TOOK:
            if taken_at[u] != t or holds[u] == 0:  # one cycle's parts are taken at one instant
                cycle_us[u], holds[u], known[u], taken_at[u] = 0, 0, True, t
            holds[u] += 1
        elif _PASSED <= o <= _LEFT:
            inside = t0_us <= t < t1_us
            seen = known[u] and holds[u] > 0
            holds[u] = max(holds[u] - 1, 0)
            if inside:
                parts[u] += 1
                timed[u] += seen
                good[u] += o in (_PASSED, _LEFT)
                scrap[u] += o == _SCRAPPED
                rework[u] += o == _REWORK
                if seen and holds[u] == 0:
                    busy_us[u] += cycle_us[u]


@njit
def first_passes(t_us, unit, part, outcome, operation, n_parts, t0_us, t1_us, tried, passed):
    """Parts given by each unit the first time they came to its operation, and those that passed. Outputs (n_units,).

    `part` counts from 0 without gaps, -1 for none. Parts move on to higher operations, rework aside: a part at or
    below the highest operation it has reached comes again.
    """
    reached = np.full(n_parts, -1)
    for i in range(len(t_us)):
        o, u = outcome[i], unit[i]
        if not _PASSED <= o <= _LEFT or operation[u] < 0 or part[i] < 0:
            continue
        first = operation[u] > reached[part[i]]
        reached[part[i]] = max(reached[part[i]], operation[u])
        if first and t0_us <= t_us[i] < t1_us:
            tried[u] += 1
            passed[u] += o in (_PASSED, _LEFT)


@njit
def flow(t_us, unit, part, outcome, n_parts, t0_us, t1_us, enter_us, reworked, entered, out):
    """Parts through the line. `part` counts from 0, numbers may be missing, -1 for none; enter_us comes as NEVER.

    enter_us and reworked (n_parts,) receive what is known of the parts, entered (n_units,) the parts of each source.

    out: 0 entered, 1 left good, 2 scrapped, 3 merged, 4 lost, 5 inside at t0, 6 time inside within the window [µs],
    7 parts left whose entry was seen, 8 their lead time [µs], 9 left without rework. A part that was not seen
    entering was inside at t0.
    """
    exit_us = np.full(n_parts, -1)  # of parts that are never seen: they were nowhere
    for i in range(len(t_us)):
        t, o, p = t_us[i], outcome[i], part[i]
        inside = t0_us <= t < t1_us
        if o == _LOST:
            out[4] += inside
        if p < 0:
            continue
        if exit_us[p] < 0:
            exit_us[p] = t1_us
        if o == _ENTERED:
            enter_us[p] = t
            out[0] += inside
            entered[unit[i]] += inside
        elif o == _REWORK:
            reworked[p] = True
        elif o in (_LEFT, _SCRAPPED, _MERGED):
            exit_us[p] = min(t, t1_us)
            if inside:
                out[1] += o == _LEFT
                out[2] += o == _SCRAPPED
                out[3] += o == _MERGED
                if o == _LEFT:
                    out[9] += not reworked[p]
                    if enter_us[p] != NEVER:
                        out[7] += 1
                        out[8] += t - enter_us[p]
    for p in range(n_parts):
        start = max(enter_us[p], t0_us)
        out[5] += enter_us[p] < t0_us and exit_us[p] >= t0_us
        out[6] += max(exit_us[p] - start, 0)
