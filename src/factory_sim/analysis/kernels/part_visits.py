"""Visits of parts: cycles of units, first passes, and the flow through the line."""
# ruff: noqa: C901 - one loop, one branch an outcome

from __future__ import annotations

import numpy as np

from factory_sim.analysis.kernels.row_tables import record
from factory_sim.jit import njit
from factory_sim.plant.states import Outcome, State

NEVER = -(2**62)
VISITS = record("parts", "timed", "cycle_us", "good", "scrap", "rework", "tried", "passed")  # of a unit
FLOW = record(
    *("entered", "left", "scrapped", "merged", "lost", "inside_at_start", "inside_us", "seen", "lead_us", "first_time")
)
PART = record("enter_us", "exit_us", "reworked")


@njit
def cycles(t_us, unit, state, outcome, t0_us, t1_us, visits):
    """Count the parts given away by each unit within [t0, t1) and the busy time of their cycles in `visits` (n_units,).

    A cycle's busy time, including that before t0, counts once, with the last of its parts (rule WIN-2). Parts whose
    start was not seen count in `parts` but not in `timed`.
    """
    n = len(visits)
    holds = np.zeros(n, np.int64)  # parts taken and not yet given
    known = np.zeros(n, np.bool_)  # their start was seen
    cycle_us = np.zeros(n, np.int64)
    busy_from = np.full(n, NEVER)
    taken_at = np.full(n, NEVER)
    for i in range(len(t_us)):
        u, t, o = unit[i], t_us[i], outcome[i]
        if busy_from[u] != NEVER:
            cycle_us[u] += t - busy_from[u]
        busy_from[u] = t if state[i] == State.BUSY else NEVER
        if o == Outcome.TOOK:
            if taken_at[u] != t or holds[u] == 0:  # all parts of a cycle are taken at one instant
                cycle_us[u], holds[u], known[u], taken_at[u] = 0, 0, True, t
            holds[u] += 1
        elif Outcome.PASSED <= o <= Outcome.LEFT:
            seen = known[u] and holds[u] > 0
            holds[u] = max(holds[u] - 1, 0)
            if t0_us <= t < t1_us:
                visits[u].parts += 1
                visits[u].timed += seen
                visits[u].good += o in (Outcome.PASSED, Outcome.LEFT)
                visits[u].scrap += o == Outcome.SCRAPPED
                visits[u].rework += o == Outcome.REWORK
                if seen and holds[u] == 0:
                    visits[u].cycle_us += cycle_us[u]


@njit
def first_passes(t_us, unit, part, outcome, operation, n_parts, t0_us, t1_us, visits):
    """Count the parts given by each unit at their first visit to its operation, and the good ones, in `visits`.

    `part` counts from 0, -1 for none. Parts move on to higher operations except for rework: a part at or below the
    highest operation it has reached is a repeated visit.
    """
    reached = np.full(n_parts, -1)
    for i in range(len(t_us)):
        o, u = outcome[i], unit[i]
        if not Outcome.PASSED <= o <= Outcome.LEFT or operation[u] < 0 or part[i] < 0:
            continue
        first = operation[u] > reached[part[i]]
        reached[part[i]] = max(reached[part[i]], operation[u])
        if first and t0_us <= t_us[i] < t1_us:
            visits[u].tried += 1
            visits[u].passed += o in (Outcome.PASSED, Outcome.LEFT)


@njit
def flow(t_us, unit, part, outcome, t0_us, t1_us, parts, entered, out):
    """Follow the parts through the line and fill `out` (1,) of FLOW and `entered` (n_units,), the parts of each source.

    `part` counts from 0, numbers may be missing, -1 for none. `parts` (n_parts,) of PART is memory. A part that was not
    seen entering was inside at t0; one that no row names was not inside at all.
    """
    for p in range(len(parts)):
        parts[p].enter_us, parts[p].exit_us, parts[p].reworked = NEVER, -1, 0
    for i in range(len(t_us)):
        t, o, p = t_us[i], outcome[i], part[i]
        inside = t0_us <= t < t1_us
        out[0].lost += inside and o == Outcome.LOST
        out[0].entered += inside and o == Outcome.ENTERED
        entered[unit[i]] += inside and o == Outcome.ENTERED
        out[0].left += inside and o == Outcome.LEFT
        out[0].scrapped += inside and o == Outcome.SCRAPPED
        out[0].merged += inside and o == Outcome.MERGED
        if p < 0:
            continue
        if parts[p].exit_us < 0:
            parts[p].exit_us = t1_us
        if o == Outcome.ENTERED:
            parts[p].enter_us = t
        elif o == Outcome.REWORK:
            parts[p].reworked = 1
        elif o in (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED):
            parts[p].exit_us = min(t, t1_us)
            if inside and o == Outcome.LEFT:
                out[0].first_time += 1 - parts[p].reworked
                if parts[p].enter_us != NEVER:
                    out[0].seen += 1
                    out[0].lead_us += t - parts[p].enter_us
    for p in range(len(parts)):
        out[0].inside_at_start += parts[p].enter_us < t0_us and parts[p].exit_us >= t0_us
        out[0].inside_us += max(parts[p].exit_us - max(parts[p].enter_us, t0_us), 0)
