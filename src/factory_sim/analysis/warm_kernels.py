"""Kernels compiled before the first reading arrives: compiling takes seconds once, loading a tenth of a second."""

from __future__ import annotations

import numpy as np

from factory_sim import records
from factory_sim.analysis import facts, losses, topology
from factory_sim.analysis.kernels import cause_walk, lags, path_walk
from factory_sim.analysis.rebuild import Feed
from factory_sim.analysis.trust.unit_minutes import LAGS_MIN
from factory_sim.plant.states import State

_SECOND_US = 1_000_000


def warm(*, studies: bool = False) -> None:
    """Compile every kernel that a feed needs, or load it from the cache, by analysing one row and one reading.

    With `studies` also the one that divides the critical path.
    """
    feed = Feed(_smallest())
    row = records.Rows.of_rows([(0, 0, 0, State.STARVED, -1, 0, 0)])
    samples = records.Samples(_SECOND_US, 0, np.zeros(1, np.int16), np.zeros((1, 1), np.int32))
    feed.add(records.Readings(row, (samples,)))
    log = feed.log()
    losses.pareto(facts.collect(log, feed.meta, feed.blocks()))
    cause_walk.walk(log.t_us, log.unit, log.cause, 0, 0, np.zeros(2, np.int64))
    lags.lagged(np.zeros(1), np.exp(-1 / LAGS_MIN), np.zeros((1, len(LAGS_MIN))))
    if studies:
        role = np.ascontiguousarray(topology.of(feed.meta).units["role"])
        columns = (log.t_us, log.unit, log.state, log.outcome, log.cause)
        out = np.zeros((2, len(path_walk.Part)), np.int64)
        path_walk.divide(*columns, role, np.zeros(len(log), np.int64), 0, 0, out)


def _smallest() -> records.Meta:
    window = records.Window(0, _SECOND_US)
    return records.Meta(
        run_id="",
        plant="",
        epoch_ns=0,
        timezone="UTC",
        window=window,
        units=(records.UnitInfo("machine", "machine", operation=0), records.UnitInfo("source", "source")),
        operations=(records.OperationInfo("", "", "", (0,), (records.InputInfo(1, -1, 1, 1),), -1, 1.0),),
        sensors=(records.SensorInfo(0, 0, "energy", "energy", "Wh", 1.0, 0.0, 0.0, 1.0, _SECOND_US, 32),),
        failure_modes=((), ()),
        variants=("",),
        planned_us=((0, _SECOND_US),),
        prices=records.Prices("", (0.0,), (0.0,), 0.0, 0.0, 0.0, 0.0),
    )
