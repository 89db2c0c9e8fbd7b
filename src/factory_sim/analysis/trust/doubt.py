"""What is wrong with a reading, and why one thinks so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing in a feed that cannot be right, or is not there."""

    kind: str  # "stuck", "drift", "spike", "drop_out", "clock_skew", "rows_lost"
    unit: int
    sensor: int  # id; -1: the whole unit
    t0_us: int  # since the run's start: the minutes in which it shows
    t1_us: int
    size: float  # stuck: minutes; drop_out: readings; rows_lost: rows; clock_skew: s ahead; else in the sensor's unit
    reason: str
    excluded: bool = False  # its readings are not used any more
