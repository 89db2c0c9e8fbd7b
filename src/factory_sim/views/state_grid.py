"""The states of units at equal steps of time, for charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import U1, EventLog, Window


def state_grid(log: EventLog, units: Sequence[int], window: Window, step_us: int) -> U1:
    """Return the state of every unit at every step of a window, shape (units, steps); OFF before its first row."""
    n_steps = -(-(window.t1_us - window.t0_us) // step_us)
    step = np.maximum(-((window.t0_us - log.t_us) // step_us), 0)  # the first that a row's state reaches
    rows = np.flatnonzero(step < n_steps)
    latest = np.full((1 + max((*units, int(log.unit.max(initial=-1)))), n_steps), -1, np.int32)
    latest[log.unit[rows], step[rows]] = rows  # of several rows at one step the last one remains
    latest = np.maximum.accumulate(latest[list(units)], axis=1)
    return np.where(latest >= 0, log.state[latest], np.uint8(State.OFF)).astype(np.uint8)
