"""The answer of a single run: its KPIs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.results.record import Record, Result

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiValues(Record):
    """One KPI for the line or for each of its operations, machines or sections."""

    unit: str  # "s", "1", "parts/h", "kWh/part" ...
    per: str  # "line", "operation", "machine" or "section"
    better: int  # 1: more is better, -1: less, 0: neither
    source: str  # formula or standard
    values: Mapping[str, float | None]  # by name; None: not defined
    reasons: Mapping[str, str] = field(default_factory=dict)  # why a value is not defined, by name
    marks: Mapping[str, str] = field(default_factory=dict)  # an assumption, or the cause of an OEE above 100 %, by name
    low: Mapping[str, float | None] = field(default_factory=dict)  # bounds, where a state is unknown for some time
    high: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult(Result):
    """One run of a plant."""

    plant: str
    digest: str  # of the plant with its changes
    engine: str
    seed: int
    replication: int
    warm_up_s: float
    duration_s: float
    good_parts: int
    kpis: Mapping[str, KpiValues]
