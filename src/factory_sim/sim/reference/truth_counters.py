"""What the simulator counts itself, apart from the log: the truth for the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.records import Truth

if TYPE_CHECKING:
    from factory_sim.records import I8, Window


class Tally:
    """Counters of one run since its start; the window's are differences between its two edges."""

    __slots__ = ("_edges", "busy_us", "entered", "good", "lost", "merged", "parts", "scrapped", "window")

    def __init__(self, window: Window, n_units: int) -> None:
        self.window = window
        self.parts = [0] * n_units  # given away, by unit
        self.busy_us = [0] * n_units  # spent on them
        self.scrapped = [0] * n_units  # of them
        self.good = 0  # parts that reached the sink
        self.entered = 0  # parts in = out + inside + scrapped + merged
        self.lost = 0
        self.merged = 0
        self._edges: dict[int, I8] = {}

    def reach(self, edge_us: int) -> None:
        """The run has come to an edge of the window."""
        self._edges.setdefault(edge_us, self._counts())

    def truth(self) -> Truth:
        """The window's counters so far."""
        t0_us, t1_us = self.window.t0_us, self.window.t1_us
        now = self._counts()
        counted = self._edges.get(t1_us, now) - self._edges.get(t0_us, now)
        parts, busy_us, scrapped, good = counted
        return Truth(self.window, parts, busy_us, scrapped, good_parts=int(good[0]))

    def _counts(self) -> I8:
        return np.array([self.parts, self.busy_us, self.scrapped, [self.good] * len(self.parts)], np.int64)
