"""The answer of `read` and of `listen --map`: a foreign feed, what can be concluded from it, and its KPIs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.results.record import Record, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.simulate import KpiValues


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivableKpi(Record):
    """Whether one KPI can be derived from a feed."""

    kpi: str
    status: str  # "yes", "assumed" or "no"
    assumption: str
    needs: str  # signals that would change the status


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedReason(Record):
    """What was skipped for one reason."""

    reason: str
    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleCount(Record):
    """The cycles detected from one unit's signals."""

    unit: str
    found: int | None  # None: not derivable, the confidence is too low
    confidence: float
    mean_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWindow(Record):
    """The KPIs of one of the windows that end now."""

    window: tuple[str, str]
    shift: str  # of the windows `shift` and `last shift`: its name, such as "2026-05-04/0600"; else empty
    kpis: Mapping[str, KpiValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult(Result):
    """A foreign feed and its KPIs."""

    feed: str
    plant: str
    window: tuple[str, str]  # first and last observation
    observations: int
    units: Mapping[str, str]  # unit -> what its states and parts are derived from
    derivable: tuple[DerivableKpi, ...]
    kpis: Mapping[str, KpiValues]
    losses_s: Mapping[str, Mapping[str, float]]  # unit -> category -> seconds, after the stop rules
    loss_table: Mapping[str, tuple[str, ...]]  # category -> states and stops
    cycles: tuple[CycleCount, ...]
    skipped: tuple[SkippedReason, ...]
    kpis_of: str = "feed"  # `window`, `kpis` and losses; "shift" of a feed that is listened to for longer than two days
    windows: Mapping[str, ReadWindow] = field(default_factory=dict)  # of a listener, as in ListenResult
