"""Cycles of a machine from its loads, currents or power, without a word about its state.

Two methods look for them, and the one that is more certain of its answer counts: `repeats` finds what repeats, on any
machine; `axis_loads` recognises how programs of machine tools begin, run and end, from the loads of named axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.analysis.cycles import axis_loads, repeats
from factory_sim.analysis.cycles.repeats import Cycles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8, I8

__all__ = ["Cycles", "detect"]


def detect(signals: Sequence[tuple[I8, F8]], names: Sequence[str] = ()) -> Cycles:
    """Return the cycles in signals, each a pair of times [ns] and values, shapes (n,); NaN: not available.

    names : of the signals, such as Xload, Zload, Sload; without them only what repeats is found
    """
    repeated = repeats.detect(signals)
    learned = axis_loads.detect(signals, names)
    return learned if learned.confidence > repeated.confidence else repeated
