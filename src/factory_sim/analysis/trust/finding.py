"""A finding about a feed: which readings are wrong or missing, and why."""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_SKEW = "clock_skew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing in a feed that cannot be right, or is missing."""

    kind: str  # "stuck", "drift", "spike", "drop_out", "clock_skew", "rows_lost"
    unit: int
    sensor: int = -1  # id; -1: the whole unit
    t0_us: int  # since the run's start: first and last minute in which it shows
    t1_us: int
    size: float  # stuck: minutes; drop_out: readings; rows_lost: rows; clock_skew: s ahead; else in the sensor's unit
    reason: str
    excluded: bool = False  # the sensor's readings are not used

    @property
    def is_clock_skew(self) -> bool:
        """Whether the clock of the unit is ahead or behind."""
        return self.kind == CLOCK_SKEW
