"""Which row enabled which: no plant's telemetry says so, times and topology do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import topology
from factory_sim.analysis.kernels import cause_walk as kernels

if TYPE_CHECKING:
    from factory_sim.records import EventLog, Meta


def infer(log: EventLog, meta: Meta) -> EventLog:
    """The same rows with `cause`: the latest of each row's necessary conditions, by the rules of docs/design.md.

    Reads neither `log.cause` nor anything but times, units, states and parts; -1 where the log begins too late to tell.
    """
    where = topology.of(meta)
    rows, n_parts = topology.packed(log, log.t_us)
    now, room = np.full((len(where.units), 5), -1), np.full(len(where.direct), -1)
    parts, before, cause = np.full((n_parts, 2), -1), np.full(len(log), -1), np.full(len(log), -1)
    kernels.infer(rows, where.units, where.direct, now, room, parts, before, cause)
    return replace(log, cause=cause.astype(np.int32))
