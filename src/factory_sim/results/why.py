"""The answer of `why`: the resource that limits a plant, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.estimate import Estimate
from factory_sim.results.record import Record, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.resource import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliefGain(Record):
    """What one change of a resource earns."""

    change: str
    parts_per_shift: Estimate  # good parts gained per shift; all gains of an answer hold jointly


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimit(Record):
    """One resource as a limit of the line."""

    kind: str
    name: str
    share: Estimate  # of the critical path [1]
    parts: Mapping[str, float]  # of an operation: how its share divides [1]; of the others: empty
    relief: tuple[ReliefGain, ...]  # empty: not simulated, or there is no relief


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTimeGain(Estimate):
    """Good parts gained per shift by a shorter cycle time at one operation."""

    less_s: float  # by so much the mean cycle time is shorter [s]

    def to_dict(self) -> dict[str, float | None]:
        """Return the interval and the reduction."""
        return {**Estimate.to_dict(self), "less_s": self.less_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLimit(Record):
    """One operation as a limit of the line."""

    operation: str
    title: str
    critical_path_share: Estimate  # of the path's time in operations [1]
    ranks: Mapping[str, int | None]  # by detector; 1: the bottleneck, None: it does not point here
    one_second_less: CycleTimeGain | None  # None: not simulated


@dataclass(frozen=True, slots=True, kw_only=True)
class NextConstraint(Record):
    """The operation that limits the line once the limiting operation takes half its cycle time."""

    operation: str
    critical_path_share: Estimate  # [1]
    parts_per_shift: Estimate  # good parts gained per shift


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyResult(Result):
    """What limits one plant of a study."""

    of: str
    replications: int
    constraint: Resource | None
    by: str  # PATH_SHARE or GAIN of `results.compare`
    reason: str | None  # why there is no constraint
    resources: tuple[ResourceLimit, ...]  # largest share of the critical path first
    operations: tuple[OperationLimit, ...]  # largest share of the critical path first
    first_by: Mapping[str, str]  # detector -> the operation that it ranks first
    next: NextConstraint | None  # None: not simulated

    @property
    def limit(self) -> ResourceLimit | None:
        """The constraint's row of `resources`."""
        if self.constraint is None:
            return None
        wanted = (self.constraint.kind, self.constraint.name)
        return next((each for each in self.resources if (each.kind, each.name) == wanted), None)
