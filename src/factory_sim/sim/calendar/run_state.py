"""A run of the compiled engine at one moment. Copies of its state columns are a snapshot (rule SNAP-1)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray

from factory_sim.clock import NEVER_US
from factory_sim.random_streams import keys
from factory_sim.sim.calendar import tables as c

if TYPE_CHECKING:
    from factory_sim.records import I8, Window
    from factory_sim.sim.calendar.flatten import Flat

Arrays = dict[str, NDArray[Any]]
Tables = SimpleNamespace  # tables by name, as uncompiled functions read them: w.unit[3].held


def new_arrays(flat: Flat, seed: int, replication: int, window: Window, *, store: bool) -> Arrays:
    """Return all tables before the first moment; `store`: keep rows, else only count them."""
    shared = c.CONSTANT_LISTS
    arrays = {name: array if name in shared else _copy(array) for name, array in flat.arrays.items()}
    for table, column, rows, owners, purposes in flat.streams:
        arrays[table][column][rows] = keys(seed, replication, owners, purposes)
    line = arrays["line"]
    line["t0"], line["t1"], line["storing"] = window.t0_us, window.t1_us, store
    return arrays


def _copy(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy, made in one piece: NumPy copies a structured array field by field."""
    return array.view(np.uint8).copy().view(array.dtype)


def view(arrays: Arrays) -> Tables:
    """Return the tables as records, for uncompiled functions."""
    return SimpleNamespace(**{n: a.view(np.recarray) if a.dtype.names else a for n, a in arrays.items()})


def states_of(arrays: Arrays) -> Arrays:
    """Return copies of what a run changes, without the room it has for more; `due` in microseconds."""
    line = arrays["line"][0]
    states = {name: repack_fields(arrays[name][list(c.TABLES[name].state)]).copy() for name in c.SAVED}
    states["part"] = states["part"][: line["n_parts"]]
    states["wanted"] = arrays["wanted"].copy()
    n_slots, due = len(arrays["slot"]), arrays["due"]
    states["due"] = np.where(due < NEVER_US, due >> int(line["slot_bits"]), NEVER_US)[:n_slots]
    return states


def restore(arrays: Arrays, states: Arrays) -> None:
    """Put what `states_of` returned, of the same tables, into tables with any other constants."""
    planned = arrays["fleet"]["planned"].copy()
    for name in c.SAVED:
        rows = arrays[name][: len(states[name])]
        for column in c.TABLES[name].state:
            rows[column] = states[name][column]
    fleet = arrays["fleet"]  # another policy of the plant replaces one that a command has set
    fleet["policy"], fleet["planned"] = np.where(planned == fleet["planned"], fleet["policy"], planned), planned
    arrays["wanted"][:] = states["wanted"]
    put_due(arrays, states["due"])


def put_due(arrays: Arrays, due_us: I8) -> None:
    """Set the event list: when each slot falls due, NEVER_US for those that do not."""
    line, due = arrays["line"], arrays["due"]
    slots = np.arange(len(due_us))
    due[: len(due_us)] = np.where(due_us < NEVER_US, due_us << int(line["slot_bits"][0]) | slots, NEVER_US)
    arrays["first_due"][:] = due.reshape(-1, c.BLOCK).min(axis=1)
    line["next_key"] = due.min(initial=NEVER_US)
