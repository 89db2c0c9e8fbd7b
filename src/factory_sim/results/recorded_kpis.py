"""The answer of `kpis`: KPIs of a recording or of one shift of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.record import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.simulate import KpiValues
    from factory_sim.results.stop_losses import StopLosses


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedKpis(Result):
    """The KPIs of a window of a recorded run."""

    plant: str
    run_id: str
    shift: str  # "2026-01-05/early"; empty: the whole run
    window_us: tuple[int, int]  # since the run's start
    damaged: tuple[str, ...]  # files that could not be read
    kpis: Mapping[str, KpiValues]
    stops: StopLosses | None = None  # with stop rules
