"""Earlier rows that suffice for the KPIs of a window: a feed of months keeps these alone.

They are the opening rows (rule ROW-14 of docs/model.md), and what the analyzer needs beyond them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import topology
from factory_sim.plant.opening_rows import ENDS, last_rows, numbered, parts_inside, still_matter
from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import B1, I8, EventLog, Meta, Window

_STOPPED = (State.OFF, State.DOWN, State.REPAIR)  # states in which a failure can be open
_GIVES = (Outcome.PASSED, Outcome.REWORK)


def kept_rows(log: EventLog, meta: Meta) -> I8:
    """Return the positions of the rows of `log` that any later window needs, shape (n,).

    Beyond the opening rows: each unit's rows since its open failure, and since it made the last room at its operation;
    for each part inside the rows that show rework and the highest operation reached; the end of each part named.
    """
    if not len(log):
        return np.zeros(0, np.int64)
    keep = np.zeros(len(log), np.bool_)
    keep[still_matter(log, len(meta.units))] = True
    operation = topology.of(meta).units["operation"]
    since = np.minimum(_open_failures(log, len(meta.units)), _last_room(log, operation, len(meta.operations)))
    keep |= np.arange(len(log)) >= since[log.unit]
    part, n_parts = numbered(log.part)
    keep[_visits(log, part, parts_inside(log, part, n_parts), operation)] = True
    keep[_ends(log, part, n_parts, keep)] = True
    return np.flatnonzero(keep)


def windowed(log: EventLog, meta: Meta, window: Window) -> EventLog:
    """Return the rows of `log` that the KPIs of `window` need: those of the window, and the kept ones before it."""
    first, stop = np.searchsorted(log.t_us, (window.t0_us, window.t1_us))
    before = kept_rows(log.take(slice(first)), meta)
    return log.take(np.concatenate((before, np.arange(first, stop))))


def _open_failures(log: EventLog, n_units: int) -> I8:
    """Return for each unit that may have an open failure its last row before it, len(log) for others."""
    last = last_rows(log, n_units)
    stopped = np.isin(log.state, _STOPPED)
    sound = np.full(n_units, -1)
    at = np.flatnonzero(~stopped)
    sound[log.unit[at]] = at
    known = last < len(log)
    is_open = np.zeros(n_units, np.bool_)
    is_open[known] = stopped[last[known]]
    return np.where(is_open, sound, len(log))


def _last_room(log: EventLog, operation: I8, n_operations: int) -> I8:
    """Return for each unit that took the last part at its operation the first row of that take, len(log) for others."""
    at = np.flatnonzero((log.outcome == Outcome.TOOK) & (operation[log.unit] >= 0))
    last = np.full(n_operations, -1)
    last[operation[log.unit[at]]] = at
    last = last[last >= 0]
    since = np.full(len(operation), len(log))
    since[log.unit[last]] = np.searchsorted(log.t_us, log.t_us[last])
    return since


def _visits(log: EventLog, part: I8, inside: B1, operation: I8) -> I8:
    """Return for each part inside its last REWORK row, and the row that gave it at the highest operation so far."""
    gives = np.flatnonzero(np.isin(log.outcome, _GIVES) & (part >= 0) & (operation[log.unit] >= 0))
    gives = gives[inside[part[gives]]]
    place = operation[log.unit[gives]]
    by_place = gives[np.lexsort((gives, place, part[gives]))]
    highest = by_place[np.diff(part[by_place], append=-1) != 0]
    back = gives[log.outcome[gives] == Outcome.REWORK]
    last = np.full(len(inside), -1)
    last[part[back]] = back
    return np.concatenate((highest, last[last >= 0]))


def _ends(log: EventLog, part: I8, n_parts: int, keep: B1) -> I8:
    """Return the rows that end parts which kept rows name."""
    named = np.zeros(n_parts, np.bool_)
    named[part[keep & (part >= 0)]] = True
    ends = np.flatnonzero(np.isin(log.outcome, ENDS) & (part >= 0))
    return ends[named[part[ends]]]
