"""Observations that arrive one by one, collected until they make columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from factory_sim.intake import time_stamps
from factory_sim.intake.feed_context import observations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

FULL = 65_536
AHEAD_NS = 86_400_000_000_000
IN_FUTURE = "time stamp more than a day after its arrival"


class Buffer:
    """Observations of one source; time stamps are converted many at once."""

    def __init__(self, source: SourceMap, context: Context) -> None:
        self._clock, self._context = source.clock, context
        self._place = f"{source.kind} {source.pattern}"  # in messages about time stamps
        self._flat: list[Any] = []  # tuples in it would be work for the garbage collector
        self.add = self._flat.extend  # of (time stamp of any form, unit, item, value)
        self.arrival_ns = 0  # of the latest; 0: read from a file

    def __len__(self) -> int:
        return len(self._flat) // 4

    def flush(self) -> Observations:
        """Return what has been collected, and forget it."""
        self._context.tally.where = self._place
        times, unit, item, value = (self._flat[column::4] for column in range(4))
        self._flat.clear()
        t_ns = self._converted(times)
        there = t_ns != time_stamps.MISSING
        if self.arrival_ns:
            early = there & (t_ns > self.arrival_ns + AHEAD_NS)
            if early.any():
                self._context.tally.add(IN_FUTURE, f"{np.datetime64(int(t_ns[early][0]), 'ns')}Z", int(early.sum()))
                there &= ~early
        found = observations(t_ns, unit, item, value)
        return found if there.all() else found.take(there)

    def _converted(self, times: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        kinds = {type(each) for each in times}
        if kinds <= {str} or kinds <= {int} or kinds <= {float}:
            return time_stamps.column(pa.array(times), self._clock, self._context.tally)
        tally = self._context.tally
        return np.array([time_stamps.one(each, self._clock, tally) for each in times], np.int64)
