"""The file of an optimisation as a goal: allowed choices and objectives. Contradictions are reported before any run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from factory_sim.analysis.kpis import KPIS
from factory_sim.errors import did_you_mean
from factory_sim.plant.yaml.study_files import StudyFile, read
from factory_sim.plant.yaml.study_shapes import Optimise
from factory_sim.results.optimise import Limit, Variable
from factory_sim.study.arms import Variant
from factory_sim.study.file_study import RESPONSES
from factory_sim.study.optimise.allocation import Choice, Space

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from factory_sim.plant.yaml.study_shapes import Limit as LimitShape
    from factory_sim.plant.yaml.study_shapes import Variable as Shape
    from factory_sim.results.record import Json
    from factory_sim.study.arms import PlantCache

OBJECTIVES = tuple(name for name in RESPONSES if KPIS[name].better)
_UNBOUNDED = 2**31
_LEAST_CONFIDENCE = 0.5  # assumed: a weaker guarantee is useless


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How the best of the found choices is selected."""

    finalists: int
    first: int
    most: int
    confidence: float
    indifference: float
    relative: bool  # indifference is a share of the objective of the plant as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """An optimisation, ready to run."""

    base: Variant
    space: Space
    objectives: tuple[str, ...]
    candidates: int
    screening: int
    decision: Decision

    @property
    def better(self) -> tuple[int, ...]:
        """The direction of each objective: 1, more is better, or -1."""
        return tuple(KPIS[name].better for name in self.objectives)

    def variant(self, choice: Choice) -> Variant:
        """Return the plant of a choice."""
        changes = (f"{v.address}:={value}" for v, value in zip(self.space.variables, choice, strict=True))
        return self.base.changed(changes)

    def corners(self) -> tuple[Variant, ...]:
        """Return the allowed choices nearest to the lowest and the highest: the warm-up must suffice for both."""
        ends = (self.space.nearest([getattr(v, end) for v in self.space.variables]) for end in ("low", "high"))
        return tuple(self.variant(choice) for choice in ends if choice is not None)

    def design(self) -> dict[str, Json]:
        """Return the part of the study's header that identifies the study."""
        about = {
            "variables": [each.to_dict() for each in self.space.variables],
            "limits": [each.to_dict() for each in self.space.limits],
            "budget": self.space.budget,
            "objectives": list(self.objectives),
            "candidates": self.candidates,
            "screening": self.screening,
        }
        return {"optimise": about}


def goal_from_header(header: Mapping[str, Json], base: Variant) -> Goal:
    """Return the goal that a study's header stores."""
    about: Any = header["optimise"]
    decision: Any = header["decision"]
    limits = tuple(Limit(**(each | {"members": tuple(each["members"])})) for each in about["limits"])
    return Goal(
        base=base,
        space=Space(tuple(Variable(**each) for each in about["variables"]), limits, about["budget"]),
        objectives=tuple(about["objectives"]),
        candidates=about["candidates"],
        screening=about["screening"],
        decision=Decision(**decision),
    )


def read_goal(path: str | Path, plants: PlantCache, base: Variant | None = None) -> tuple[StudyFile[Optimise], Goal]:
    """Return the file of an optimisation and its goal; `base` replaces the plant that it names.

    Raise one ConfigError with all mistakes.
    """
    file = read(path, Optimise, lambda plant: plants.load(base or Variant(plant)).cost.currency)
    base = base or Variant(file.plant)
    shape = file.shape
    file.check_names(("objectives",), shape.objectives, OBJECTIVES, "KPI of the line with a direction")
    if not shape.variables and file.report.clean(("variables",)):
        hint = "Write variables: {agv.count: {low: 6, high: 12}}."
        file.report.add(("variables",), "is missing: the numbers to choose", hint)
    variables = [_variable(file, plants, base, name, each) for name, each in shape.variables.items()]
    file.check_distinct("variables", shape.variables)
    limits = [_limit(file, name, each) for name, each in shape.limits.items()]
    _check_numbers(file)
    space = Space(tuple(v for v in variables if v), tuple(one for one in limits if one), shape.budget)
    if not file.report.problems:
        _check_space(file, space)
    file.report.close()
    indifference, relative = shape.indifference
    goal = Goal(
        base=base,
        space=space,
        objectives=tuple(dict.fromkeys(shape.objectives)),
        candidates=shape.candidates,
        screening=shape.screening,
        decision=Decision(
            finalists=shape.finalists,
            first=shape.first,
            most=shape.most,
            confidence=shape.confidence,
            indifference=indifference,
            relative=relative,
        ),
    )
    for corner in goal.corners():  # for mistakes of combinations
        file.attempt(("variables",), partial(plants.load, corner))
    file.report.close()
    return file, goal


def words(file: StudyFile[Optimise], goal: Goal) -> dict[str, Json]:
    """Return the part of the study's header that may change while its trials stay valid."""
    return file.words() | {"decision": asdict(goal.decision)}


def _variable(file: StudyFile[Optimise], plants: PlantCache, base: Variant, name: str, shape: Shape) -> Variable | None:
    path, report = ("variables", name), file.report
    low, high = shape.low, shape.high
    if low is None or high is None:
        if report.clean(path):
            report.add(path, "needs low and high", f"Write {name}: {{low: 2, high: 8}}.")
        return None
    if low > high:
        report.add(path, f"low must not be above high, got {low} and {high}")
    if not report.clean(path):
        return None
    for key, value in (("low", low), ("high", high)):
        file.attempt((*path, key), partial(plants.load, base.changed([f"{name}:={value}"])))
    return Variable(address=name, title=shape.title or name, low=low, high=high, price=shape.price, owned=shape.owned)


def _limit(file: StudyFile[Optimise], name: str, shape: LimitShape) -> Limit | None:
    path, report, names = ("limits", name), file.report, list(file.shape.variables)
    for pattern in shape.of:
        if not any(fnmatchcase(each, pattern) for each in names):
            report.add((*path, "of"), f"{pattern!r} matches none of the variables", did_you_mean(pattern, names))
    members = [n for n, each in enumerate(names) if not shape.of or any(fnmatchcase(each, p) for p in shape.of)]
    ends = (shape.at_least, shape.at_most)
    if shape.exactly is not None and ends != (None, None):
        report.add((*path, "exactly"), "cannot be combined with at_least or at_most")
    elif shape.exactly is None and ends == (None, None):
        report.add(path, "has no bound", "Write at_most: 12, at_least: 4 or exactly: 10.")
    if not report.clean(path):
        return None
    low, high = ends if shape.exactly is None else (shape.exactly, shape.exactly)
    return Limit(name=name, members=tuple(members), at_least=low or 0, at_most=_UNBOUNDED if high is None else high)


def _check_numbers(file: StudyFile[Optimise]) -> None:
    shape, report = file.shape, file.report
    if not _LEAST_CONFIDENCE <= shape.confidence < 1:
        report.add(("confidence",), f"expected a share from 50 % to below 100 %, got {100 * shape.confidence:g} %")
    if shape.most < shape.first:
        report.add(("most",), f"is {shape.most}, fewer than first ({shape.first})")
    if shape.budget is not None and not any(each.price for each in shape.variables.values()):
        report.add(("budget",), "has no effect: no variable has a price", "Write price: 500 EUR beside low and high.")


def _check_space(file: StudyFile[Optimise], space: Space) -> None:
    """Report limits that cannot be met, alone or together."""
    report = file.report
    lows, highs = ([getattr(v, end) for v in space.variables] for end in ("low", "high"))
    for limit in space.limits:
        low, high = (sum(ends[i] for i in limit.members) for ends in (lows, highs))
        if limit.at_least > limit.at_most or low > limit.at_most or high < limit.at_least:
            message = f"requires {_bounds(limit)}, but the sum of its variables is from {low} to {high}"
            report.add(("limits", limit.name), message)
    cheapest = space.cost(lows)
    if space.budget is not None and cheapest > space.budget:
        message = f"is {space.budget:,.10g}, but the lowest values already cost {cheapest:,.10g}"
        report.add(("budget",), message, "Raise it, lower a low, or write how many are owned.")
    if not report.problems and space.nearest(lows) is None:
        named = [f"limits.{limit.name}" for limit in space.limits] + ["budget"] * (space.budget is not None)
        message = f"no choice meets {' and '.join(named)} at once, though each can be met alone"
        report.add(("limits",), message, "Widen a range or a limit.", at_key=True)


def _bounds(limit: Limit) -> str:
    if limit.at_least == limit.at_most:
        return f"exactly {limit.at_least}"
    lower = [f"at least {limit.at_least}"] if limit.at_least else []
    return " and ".join(lower + ([] if limit.at_most == _UNBOUNDED else [f"at most {limit.at_most}"]))
