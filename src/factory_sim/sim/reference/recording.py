"""What a run records: the rows of its log, the simulator's own counters, and the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.records import EventLog, Truth

if TYPE_CHECKING:
    from factory_sim.records import I8, Window
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.source import Source

_PACKED_ROWS = 1 << 10
_KINDS = (np.int64, np.int16, np.uint8, np.int32, np.uint8, np.int32, np.int32)


class RowWriter:
    """The rows of a growing log; they are packed into columns every thousand."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.last = -1  # the index of the last row
        self._numbers: list[int] = []  # of the last rows, one after the other
        self._packed: list[EventLog] = []

    def row(self, unit: int, state: int, part: int, outcome: int, detail: int, cause: int) -> int:
        """Write a row of this instant and return its index from the start of the run."""
        self._numbers += (self._line.now_us, unit, state, part, outcome, detail, cause)
        self.last += 1
        if self.last % _PACKED_ROWS == 0:
            self._pack()
        return self.last

    def take(self) -> EventLog:
        """Return the rows since the last call."""
        self._pack()
        log, self._packed = EventLog.join(self._packed), []
        return log

    def _pack(self) -> None:
        table = np.array(self._numbers, np.int64).reshape(-1, len(_KINDS))
        self._packed.append(EventLog(*(table[:, i].astype(kind) for i, kind in enumerate(_KINDS))))
        self._numbers = []


class Tally:
    """Counters of one run since its start; the window's are differences between its two edges (WIN-1, WIN-2)."""

    def __init__(self, window: Window, n_units: int) -> None:
        self.window = window
        self.parts = [0] * n_units  # given away, by unit
        self.busy_us = [0] * n_units  # spent on them
        self.scrapped = [0] * n_units  # of them
        self.entered = self.good = self.merged = 0
        self._edges: dict[int, I8] = {}

    def reach(self, edge_us: int) -> None:
        """Keep the counters at an edge of the window."""
        self._edges.setdefault(edge_us, self._counts())

    def truth(self) -> Truth:
        """Return the counters of the window so far."""
        now = self._counts()
        parts, busy_us, scrapped, good = self._edges.get(self.window.t1_us, now) - self._edges.get(
            self.window.t0_us, now
        )
        return Truth(self.window, parts, busy_us, scrapped, good_parts=int(good[0]))

    def _counts(self) -> I8:
        return np.array([self.parts, self.busy_us, self.scrapped, [self.good] * len(self.parts)], np.int64)


class Parts:
    """The parts of one run; ids count from 0 in the order of entry (UNIT-3)."""

    def __init__(self) -> None:
        self.variant: list[int] = []
        self.origin: list[Source] = []
        self.loops: dict[int, int] = {}  # how often a part inside was sent back for rework

    def enter(self, variant: int, origin: Source) -> int:
        """Return the id of a new part."""
        self.variant.append(variant)
        self.origin.append(origin)
        return len(self.variant) - 1

    def gone(self, part: int) -> None:
        """Return the card of a part that left the line, was scrapped or merged (SRC-5)."""
        self.loops.pop(part, None)
        self.origin[part].card_back()
