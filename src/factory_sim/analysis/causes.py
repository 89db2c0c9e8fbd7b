"""Causes of rows, inferred from times and topology, since no telemetry carries them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import topology

if TYPE_CHECKING:
    from factory_sim.records import EventLog, Meta


def infer(log: EventLog, meta: Meta) -> EventLog:
    """Return the rows with `cause` by rules CAUSE-7 to CAUSE-9 of docs/model.md; -1 where the log begins too late."""
    from factory_sim.analysis.kernels import cause_walk as kernels  # noqa: PLC0415 - numba is slow to import

    where = topology.of(meta)
    rows, n_parts = topology.packed(log, log.t_us)
    now = topology.missing(len(where.units), kernels.UNIT_MEMORY)
    parts = topology.missing(n_parts, kernels.PART_MEMORY)
    places = topology.missing(len(where.direct), kernels.PLACE_MEMORY)
    before, cause = np.full(len(log), -1), np.full(len(log), -1)
    kernels.infer(rows, where.units, where.direct, now, places, parts, before, cause)
    return replace(log, cause=cause.astype(np.int32))
