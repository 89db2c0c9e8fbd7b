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
    window_us: tuple[int, int]  # since the run's start; of the run or the shift, the part that was recorded
    damaged: tuple[str, ...]  # files that could not be read
    kpis: Mapping[str, KpiValues]
    start: str = ""  # of the window, by the plant's clock
    end: str = ""
    complete: bool = True  # False: the recorder joined late or stopped early
    stops: StopLosses | None = None  # with stop rules
