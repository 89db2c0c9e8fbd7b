"""Deterministic lines: the time at which the n-th part leaves, to the microsecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.distributions import constant
from factory_sim.plant.spec import Source
from factory_sim.plant.states import Outcome
from factory_sim.validation.exact.case import Once
from factory_sim.validation.exact.lines import FASTEST_S, Stop, line

if TYPE_CHECKING:
    from factory_sim.records import EventLog
    from factory_sim.validation.exact.table_rows import Row


def deterministic(row: Row, _metric: str) -> Once:
    """Return a saturated line of constant times s (or rates mu): part n leaves at sum(s) + (n - 1) max(s) for all b.

    Keys: s or mu, b, nth (which part).
    """
    times = row.raw("s") if row.has("s") else row.raw("mu")
    n = len(times) if isinstance(times, list) else row.whole("N", 1)
    s = row.numbers("s", n) if row.has("s") else [1.0 / mu for mu in row.numbers("mu", n)]
    b = row.wholes("b", n - 1, 0, low=0)
    nth, unit_s = row.whole("part", 1) if not row.has("nth") else row.whole("nth"), FASTEST_S / min(s)
    stops = [Stop(constant(each * unit_s), 1, b[i - 1] if i else 0) for i, each in enumerate(s)]
    until_s = (sum(s) + nth * max(s)) * unit_s

    def read(log: EventLog) -> float:
        left = log.t_us[np.flatnonzero(log.outcome == Outcome.LEFT)]
        return float(left[nth - 1]) / 1e6 / unit_s

    return Once(line(stops, Source("source", 0)), until_s, read)
