"""The answer of `why`: the operation that limits a plant, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.estimate import Estimate
from factory_sim.results.record import Record, Result

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTimeGain(Estimate):
    """Good parts gained per shift of eight hours by a shorter cycle time at one operation."""

    less_s: float  # by so much the mean cycle time is shorter [s]

    def to_dict(self) -> dict[str, float | None]:
        """Return the interval and the reduction."""
        return {**Estimate.to_dict(self), "less_s": self.less_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLimit(Record):
    """One operation as a limit of the line."""

    operation: str
    title: str
    critical_path_share: Estimate  # [1]
    ranks: Mapping[str, int | None]  # by detector; 1: the bottleneck, None: it does not point here
    one_second_less: CycleTimeGain | None  # None: not simulated


@dataclass(frozen=True, slots=True, kw_only=True)
class NextConstraint(Record):
    """The operation that limits the line once the constraint takes half its cycle time."""

    operation: str
    critical_path_share: Estimate  # [1]
    parts_per_shift: Estimate  # good parts gained per shift of eight hours


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyResult(Result):
    """What limits one plant of a study."""

    of: str
    replications: int
    constraint: str | None  # None: no good part was produced
    operations: tuple[OperationLimit, ...]  # largest share of the critical path first
    first_by: Mapping[str, str]  # detector -> the operation that it ranks first
    next: NextConstraint | None  # None: not simulated
