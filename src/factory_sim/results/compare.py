"""The answer of `compare` and `whatif`: what each scenario changes, with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.results.estimate import Estimate
from factory_sim.results.record import Json, Record, Result, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.resource import Resource
    from factory_sim.results.study_summary import StudySummary

NOT_MADE = "not made"
PATH_SHARE, GAIN = "path share", "gain"  # how a constraint was found: from logs alone, or by measured reliefs


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution(Estimate):
    """The part of a change of the line rate that one group of changes causes [percentage points]."""

    least: float  # over all orders in which the groups can be made
    most: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the interval and the range over orders."""
        return {**Estimate.to_dict(self), "least": self.least, "most": self.most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution(Record):
    """The change of the line rate, divided among the groups of changes of a scenario by Shapley values."""

    method: str  # "exact": every combination was simulated, or "sampled"
    contributions: Mapping[str, Contribution]  # by group; their means sum to the whole change


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint(Record):
    """The resources that limit the line; None where none was found."""

    before: Resource | None
    after: Resource | None
    by: str = PATH_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftOutput(Record):
    """The distribution of good parts over the shifts of all replications."""

    p10: float
    median: float
    p90: float
    n: int  # shifts


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult(Record):
    """One scenario against the base, over pairs of replications with common random numbers.

    Quantities are named after their change: "line_rate_pct" stands for the line rate in `before` and `after` too.
    """

    scenario: str
    title: str
    replications: int
    confidence: float
    station: str  # operation of the station_* quantities
    currency: str
    change: Mapping[str, Estimate]  # [%]
    before: Mapping[str, Estimate]  # in the unit of the quantity
    after: Mapping[str, Estimate]
    constraint: Constraint
    attribution: Attribution | None
    shifts: Mapping[str, ShiftOutput]  # "before" and "after"; empty: not recorded
    payback_years: Estimate | None  # None: no investment; an infinite mean: it never pays back
    notes: Mapping[str, str] = field(default_factory=dict)  # quantity -> why it is not defined, or a cause
    change_points: Mapping[str, Estimate] = field(default_factory=dict)  # of shares [percentage points]

    def to_dict(self) -> dict[str, Json]:
        """Return the scenario as `compare --json` writes it."""
        made = self.attribution
        return {
            **Record.to_dict(self),
            "change": _joint(self.change),
            "change_points": _joint(self.change_points),
            "attribution": to_json(made.contributions) if made else None,
            "attribution_method": made.method if made else NOT_MADE,
        }


def _joint(changes: Mapping[str, Estimate]) -> dict[str, Json]:
    """Return changes with the confidence of each, which differs where intervals hold jointly."""
    return {
        name: {**found.to_dict(), "confidence": found.confidence} if found.is_defined else None
        for name, found in changes.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult(Result):
    """Every scenario of a study against its base."""

    base: str
    scenarios: tuple[ScenarioResult, ...]
    study: StudySummary

    def to_dict(self) -> dict[str, Json]:
        """Return the content of `--json`: the first scenario at the top, all of them in `scenarios`."""
        each = {one.scenario: one.to_dict() for one in self.scenarios}
        first = self.scenarios[0].to_dict() if self.scenarios else {}
        return {**Result.to_dict(self), **first, "scenarios": each}
