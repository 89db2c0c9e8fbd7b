"""The runs of the demo, and who watches them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from factory_sim.results.demo import Figures


class Watcher(Protocol):
    """Receives the progress of the demo."""

    def stage(self, name: str, total: float) -> None:
        """Start a stage of length `total`."""

    def reached(self, done: float, note: str = "") -> None:
        """Report how much of the stage is done."""

    def found(self, name: str, figures: Figures) -> None:
        """Report the figures of one plant as soon as its analyzer has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The runs of the demo."""

    seed: int = 1
    warm_up_s: float = 8 * 3600.0  # one shift fills the line, one is analysed; `compare` finds six hours enough
    duration_s: float = 8 * 3600.0
    pairs: int = 10  # replications behind the intervals: the streamed one, and others without telemetry

    def with_seed(self, seed: int) -> Setting:
        """Return the setting with another seed."""
        return replace(self, seed=seed)


QUICK = Setting(warm_up_s=2 * 3600.0, duration_s=1800.0, pairs=2)
