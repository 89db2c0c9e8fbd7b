"""What of a plant a fork may change, and the counters that start again with it (rules SNAP-2 and SNAP-3)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from factory_sim.sim.calendar.tables import SAVED, TABLES

if TYPE_CHECKING:
    from factory_sim.records import Window
    from factory_sim.sim.calendar.flatten import Flat
    from factory_sim.sim.calendar.run_state import Arrays


def skeleton(flat: Flat) -> str:
    """Return a digest of how a plant is built: runs of plants with the same one can be forked."""
    digest = sha256(repr((flat.streams, flat.calendar)).encode())
    for name, table in TABLES.items():
        for column in table.built:
            digest.update(flat.arrays[name][column].tobytes())
    return digest.hexdigest()


def numbers(flat: Flat) -> str:
    """Return a digest of all that a run reads of its plant."""
    return sha256(b"".join(array.tobytes() for array in flat.arrays.values())).hexdigest()


def layout() -> str:
    """Return a digest of the columns: another version's arrays may differ."""
    return sha256(repr([(name, TABLES[name].dtype[list(TABLES[name].state)]) for name in SAVED]).encode()).hexdigest()


def count_anew(arrays: Arrays, window: Window) -> None:
    """Set the counters of the run's window to zero, for a window that begins now."""
    for column in ("parts", "parts_us", "scrapped_parts"):
        arrays["unit"][column] = 0
    line = arrays["line"]
    line["t0"], line["t1"], line["good"] = window.t0_us, window.t1_us, 0
