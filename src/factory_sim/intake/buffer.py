"""Observations that arrive one by one, collected in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from factory_sim.intake import time_stamps
from factory_sim.intake.feed_context import observations

if TYPE_CHECKING:
    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

FULL = 16_384
AHEAD_NS = 86_400_000_000_000
IN_FUTURE = "time stamp more than a day after its arrival"


class Buffer:
    """Observations of one source; time stamps are converted many at once."""

    def __init__(self, source: SourceMap, context: Context) -> None:
        self._clock, self._context = source.clock, context
        self._place = f"{source.kind} {source.pattern}"  # in messages about time stamps
        self.times: list[Any] = []
        self.unit: list[int] = []
        self.item: list[int] = []
        self.value: list[float] = []
        self.arrival_ns = 0  # of the latest; 0: read from a file

    def __len__(self) -> int:
        return len(self.times)

    def flush(self) -> Observations:
        """Return what has been collected, and forget it."""
        self._context.tally.where = self._place
        t_ns = self._converted()
        there = t_ns != time_stamps.MISSING
        if self.arrival_ns:
            early = there & (t_ns > self.arrival_ns + AHEAD_NS)
            if early.any():
                self._context.tally.add(IN_FUTURE, f"{np.datetime64(int(t_ns[early][0]), 'ns')}Z", int(early.sum()))
                there &= ~early
        found = observations(t_ns, self.unit, self.item, self.value)
        found = found if there.all() else found.take(there)
        self.times, self.unit, self.item, self.value = [], [], [], []
        return found

    def _converted(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        kinds = {type(each) for each in self.times}
        if kinds <= {str} or kinds <= {int} or kinds <= {float}:
            return time_stamps.column(pa.array(self.times), self._clock, self._context.tally)
        tally = self._context.tally
        return np.array([time_stamps.one(each, self._clock, tally) for each in self.times], np.int64)
