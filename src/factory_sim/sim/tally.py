"""What the simulator counts itself, apart from the log: the truth for the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.records import Truth

if TYPE_CHECKING:
    from factory_sim.records import Window


class Tally:
    """Counters of one run, for the parts that units give away inside the window."""

    __slots__ = (
        "busy_us",
        "entered",
        "good",
        "left",
        "lost",
        "merged",
        "parts",
        "scrapped",
        "scrapped_ever",
        "t0_us",
        "t1_us",
        "window",
    )

    def __init__(self, window: Window, n_units: int) -> None:
        self.window = window
        self.t0_us, self.t1_us = window.t0_us, window.t1_us
        self.parts = [0] * n_units
        self.busy_us = [0] * n_units
        self.scrapped = [0] * n_units
        self.good = 0
        self.entered = 0  # these three count from the run's start: parts in = out + inside + scrapped + merged
        self.left = 0
        self.lost = 0
        self.merged = 0
        self.scrapped_ever = 0

    def good_part(self, now_us: int) -> None:
        """A part reached the sink."""
        self.left += 1
        self.good += self.window.t0_us <= now_us < self.window.t1_us

    def scrap(self, now_us: int, unit: int) -> None:
        """`unit` gave a part away as scrap."""
        self.scrapped_ever += 1
        self.scrapped[unit] += self.window.t0_us <= now_us < self.window.t1_us

    def truth(self) -> Truth:
        """The counters as arrays."""
        parts, busy, scrapped = (np.array(counts, np.int64) for counts in (self.parts, self.busy_us, self.scrapped))
        return Truth(self.window, parts, busy, scrapped, good_parts=self.good)
