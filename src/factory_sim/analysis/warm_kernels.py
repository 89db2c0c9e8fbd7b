"""Kernels made ready before the first reading arrives: compiling takes ten seconds once, loading a tenth of one."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis import facts, losses
from factory_sim.analysis.rebuild import Feed
from factory_sim.plant.states import State
from factory_sim.records import (
    InputInfo,
    Meta,
    OperationInfo,
    Prices,
    Readings,
    Rows,
    Samples,
    SensorInfo,
    UnitInfo,
    Window,
)

_SECOND_US = 1_000_000


def warm() -> None:
    """Compile every kernel, or load it from the cache, by analysing one row and one reading."""
    feed = Feed(_smallest())
    samples = Samples(_SECOND_US, 0, np.zeros(1, np.int16), np.zeros((1, 1), np.int32))
    row = Rows(
        np.zeros(1, np.int64),
        np.zeros(1, np.int16),
        np.zeros(1, np.int64),
        np.full(1, State.STARVED, np.uint8),
        np.full(1, -1, np.int32),
        np.zeros(1, np.uint8),
        np.zeros(1, np.int32),
    )
    feed.add(Readings(row, (samples,)))
    found = facts.collect(feed.log(), feed.meta, feed.blocks())
    losses.pareto(found)


def _smallest() -> Meta:
    units = (UnitInfo("machine", "machine", operation=0, section="all"), UnitInfo("source", "source"))
    operation = OperationInfo("operation", "", "all", (0,), (InputInfo(1, -1, 1, 1),), -1, 1.0)
    sensor = SensorInfo(0, 0, "energy", "energy", "Wh", 1.0, 0.0, 0.0, 1.0, _SECOND_US, 32)
    prices = Prices("", (0.0,), (0.0,), 0.0, 0.0, 0.0, 0.0)
    window = Window(0, _SECOND_US)
    return Meta("", "", 0, "UTC", window, units, (operation,), (sensor,), ((), ()), ("",), ((0, _SECOND_US),), prices)
