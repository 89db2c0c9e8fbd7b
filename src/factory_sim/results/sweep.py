"""The answer of `sweep`: the responses at every point of a design, and which factor matters how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.estimate import Estimate
from factory_sim.results.record import Json, Record, Result, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.study_summary import StudySummary

GRID, SOBOL, LATIN = "grid", "sobol", "latin_hypercube"  # designs; the first two name their analysis too
LINEAR, RANKS = "src", "srrc"  # analyses of a Latin hypercube
CONSTANT, NOISE, UNDEFINED = "constant", "noise", "undefined"  # why no factor explains a response
NOWHERE = "nowhere"  # it is not defined at any point


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Record):
    """A KPI of the line that a study reports."""

    unit: str
    better: int  # 1: more is better, -1: less, 0: neither


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptFactor(Record):
    """A value of the plant that a sweep changes."""

    address: str
    title: str
    unit: str
    scale: bool  # its values are multiples of the plant's own value


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Record):
    """What one variant of a plant achieves, by KPI."""

    responses: Mapping[str, Estimate]  # in the unit of the KPI
    change_pct: Mapping[str, Estimate]  # paired change against the base [%]

    def to_dict(self) -> dict[str, Json]:
        """Return the fields by name; None stands for a change that is not defined."""
        changes = {kpi: found.to_dict() if found.is_defined else None for kpi, found in self.change_pct.items()}
        return {**Record.to_dict(self), "change_pct": changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint(Outcome):
    """A point of the design."""

    values: Mapping[str, str]  # by address, as typed


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEffect(Estimate):
    """Mean response of all points with one level of a factor, less the mean of all points."""

    level: str

    def to_dict(self) -> dict[str, Json]:  # type: ignore[override]  # a text beside the numbers
        """Return the level and the interval."""
        return {"level": self.level, **Estimate.to_dict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorInfluence(Record):
    """How much one factor moves one response."""

    measures: Mapping[str, Estimate]  # "first" and "total" share of the variance [1], or coefficients "src" and "srrc"
    effects: tuple[LevelEffect, ...] = ()  # of a grid

    def to_dict(self) -> dict[str, Json]:
        """Return the measures by name, and the effects of a grid."""
        effects = {"effects": to_json(self.effects)} if self.effects else {}
        return {name: found.to_dict() for name, found in self.measures.items()} | effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity(Record):
    """What explains one response."""

    method: str  # GRID, SOBOL, LINEAR or RANKS
    factors: Mapping[str, FactorInfluence]  # by address
    explained: Mapping[str, float]  # share of the variance by regression; empty for GRID and SOBOL
    unexplained: str | None  # CONSTANT, NOISE, UNDEFINED, NOWHERE: no factor can explain the response

    @property
    def is_regression(self) -> bool:
        """Whether the measures are coefficients rather than shares of the variance."""
        return self.method in {LINEAR, RANKS}

    @property
    def ranking(self) -> list[tuple[str, Estimate]]:
        """Addresses with the measure that ranks them, the strongest first; not defined counts as 0."""
        name = self.method if self.is_regression else "total"
        found = [(address, each.measures[name]) for address, each in self.factors.items()]
        return sorted(found, key=lambda one: -abs(one[1].mean) if one[1].is_defined else 0.0)

    def to_dict(self) -> dict[str, Json]:
        """Return the fields that the method has."""
        found = Record.to_dict(self)
        return found if self.is_regression else {name: value for name, value in found.items() if name != "explained"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult(Result):
    """Every point of a sweep, and the sensitivity of its responses."""

    title: str
    question: str
    base: str
    design: str
    replications: int  # that every point has finished
    confidence: float
    responses: Mapping[str, Response]
    factors: tuple[SweptFactor, ...]
    before: Mapping[str, Estimate]  # of the plant as it is
    points: tuple[SweepPoint, ...]
    best: int | None  # number of the point with the best first response
    not_told_apart: tuple[int, ...]  # points whose paired difference from the best is not significant [Holm]
    sensitivity: Mapping[str, Sensitivity]
    study: StudySummary
