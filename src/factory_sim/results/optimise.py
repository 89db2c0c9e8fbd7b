"""The answer of `optimise`: the selected choice with its guarantee, and the Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.record import Json, Record, Result
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
class Choice(Outcome):
    """An allowed choice that was simulated."""

    values: Mapping[str, int]  # by address
    cost: float
    share_on_front: float | None = None  # of the resamples of the replications [1]; None: not of the front's table
    selected: bool = True

    def to_dict(self) -> dict[str, Json]:
        """Return the fields that apply."""
        left_out = {"share_on_front", "selected"} if self.share_on_front is None else set()
        return {name: value for name, value in Outcome.to_dict(self).items() if name not in left_out}


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
    selected: Choice  # over all replications of the selection
    guarantee: Guarantee
    front: tuple[Choice, ...]  # the best first objective first
    study: StudySummary

    @property
    def is_priced(self) -> bool:
        """Whether any choice costs something."""
        return any(each.price for each in self.variables)
