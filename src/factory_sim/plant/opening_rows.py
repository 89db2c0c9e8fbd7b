"""The rows of a log that still matter at its end (rule ROW-14 of docs/model.md): the begin of a feed and a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import Outcome

if TYPE_CHECKING:
    from factory_sim.records import B1, I4, I8, EventLog

ENDS = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
_PLACES = (Outcome.ENTERED, Outcome.TOOK, Outcome.PASSED, Outcome.REWORK)


def opening_rows(log: EventLog, n_units: int) -> EventLog:
    """Return the rows of `log` that still matter at its end (ROW-14)."""
    return log.take(still_matter(log, n_units))


def still_matter(log: EventLog, n_units: int) -> I8:
    """Return the positions of the rows of `log` that still matter at its end (ROW-14), shape (n,)."""
    if not len(log):
        return np.zeros(0, np.int64)
    keep = np.zeros(len(log), np.bool_)
    since = last_rows(log, n_units)
    part, n_parts = numbered(log.part)
    inside = parts_inside(log, part, n_parts)
    placed = _rows_of(part, np.isin(log.outcome, _PLACES), inside)
    last = np.full(len(inside), -1)
    last[part[placed]] = placed  # the last assignment wins
    last = last[last >= 0]
    keep[last] = True
    keep[_rows_of(part, log.outcome == Outcome.ENTERED, inside)] = True
    held = last[log.outcome[last] == Outcome.TOOK]
    cycle = np.searchsorted(log.t_us, log.t_us[held])  # a batch is taken at one instant, and some of it given early
    np.minimum.at(since, log.unit[held], cycle)
    keep |= np.arange(len(log)) >= since[log.unit]
    return np.flatnonzero(keep)


def last_rows(log: EventLog, n_units: int) -> I8:
    """Return the position of the last row of each unit, len(log) for a unit without rows; shape (n_units,)."""
    last = np.full(n_units, len(log), np.int64)
    last[log.unit] = np.arange(len(log))
    return last


def parts_inside(log: EventLog, part: I8, n_parts: int) -> B1:
    """Return whether each part has not ended, shape (n_parts,); part : what `numbered` returns."""
    inside = np.ones(n_parts, np.bool_)
    inside[part[np.isin(log.outcome, ENDS) & (part >= 0)]] = False
    return inside


def numbered(part: I4) -> tuple[I8, int]:
    """Return part numbers from 0 without wide gaps, -1 for none, and their number."""
    known = part.astype(np.int64)
    top = int(known.max(initial=-1)) + 1
    if top <= 4 * len(known) + 1024:
        return known, top
    names, index = np.unique(known, return_inverse=True)
    shift = int(names[0] == -1)
    return index.reshape(-1) - shift, len(names) - shift


def _rows_of(part: I8, chosen: B1, inside: B1) -> I8:
    rows = np.flatnonzero(chosen & (part >= 0))
    kept: I8 = rows[inside[part[rows]]]
    return kept
