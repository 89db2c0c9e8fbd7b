"""The answer of `demo`: the headline figures of a baseline and a retrofit, and their changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.record import Json, Record, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantSize(Record):
    """The numbers of machines, operations and sensors."""

    machines: int
    operations: int
    sensors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(Record):
    """The headline figures of one plant."""

    station_cycle_time_s: float
    good_parts_per_h: float
    oee: float  # at the pacing station
    kwh_per_part: float
    cost_per_part: float
    constraint: str  # name of an operation


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCounts(Record):
    """What the analyzers received, both plants together."""

    readings: int
    messages: int
    lost: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Record):
    """The differences between the analyzer's KPIs and the simulator's own counts."""

    cycle_time_error_s: float  # largest over the machines
    parts_error: int  # sum over the machines


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult(Result):
    """Both plants, their changes in percent, the feed and the audit."""

    plant: PlantSize
    baseline: Figures
    retrofit: Figures
    currency: str
    change: Mapping[str, Estimate]
    feed: FeedCounts
    audit: Audit
    sent_readings: int
    sent_messages: int

    def to_dict(self) -> dict[str, Json]:
        """Return the content of `--json`; what was sent is only printed."""
        return {name: value for name, value in Result.to_dict(self).items() if not name.startswith("sent_")}
