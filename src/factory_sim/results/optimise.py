"""The answer of `optimise`: the selected choice with its guarantee, and the Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.record import Record, Result
from factory_sim.results.sweep import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.estimate import Estimate
    from factory_sim.results.study_summary import StudySummary
    from factory_sim.results.sweep import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Record):
    """A whole number of the plant that may be chosen."""

    address: str
    title: str
    low: int
    high: int
    price: float = 0.0  # of one, in the plant's currency
    owned: int = 0  # so many cost nothing

    def cost(self, value: int) -> float:
        """Return the cost of a value, in the plant's currency."""
        return self.price * max(0, value - self.owned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Record):
    """A bound on the sum of some variables."""

    name: str
    members: tuple[int, ...]  # indices of variables
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedChoice(Outcome):
    """The selected choice, over all replications of the selection."""

    values: Mapping[str, int]  # by address
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontChoice(SelectedChoice):
    """A choice of the Pareto front."""

    share_on_front: float  # of the resamples of the replications [1]
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee(Record):
    """How reliable the selection is."""

    procedure: str
    decided: bool
    confidence: float  # probability of selecting the best finalist if it leads by `indifference`
    indifference: float  # in the unit of the first objective
    finalists: int
    left: tuple[Mapping[str, int], ...]  # choices that were not dismissed, the best first
    replications: int  # of each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimisationResult(Result):
    """The best choice within limits and a budget."""

    title: str
    question: str
    base: str
    currency: str
    objectives: Mapping[str, Response]  # the first decides
    variables: tuple[Variable, ...]
    limits: tuple[Limit, ...]
    budget: float | None
    tried: int
    complete: bool  # all allowed choices were tried
    before: Mapping[str, Estimate]  # of the plant as it is, over the replications of the front
    front_replications: int
    selected: SelectedChoice
    guarantee: Guarantee
    front: tuple[FrontChoice, ...]  # the best first objective first
    study: StudySummary

    @property
    def is_priced(self) -> bool:
        """Whether any choice costs something."""
        return any(each.price for each in self.variables)
