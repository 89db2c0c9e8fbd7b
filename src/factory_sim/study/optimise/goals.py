"""From the file of an optimisation to its goal: what may be chosen, and what is best; contradictions are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from factory_sim.analysis.kpis import KPIS
from factory_sim.errors import did_you_mean
from factory_sim.plant.yaml.study_files import StudyFile, read
from factory_sim.plant.yaml.study_shapes import Optimise
from factory_sim.study.arms import Variant
from factory_sim.study.optimise.allocation import Choice, Limit, Space, Variable
from factory_sim.study.sweep.plans import RESPONSES
from factory_sim.study.sweep.sampling import arm_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from factory_sim.plant.yaml.study_shapes import Limit as LimitShape
    from factory_sim.plant.yaml.study_shapes import Variable as Shape
    from factory_sim.study.arms import Bench

OBJECTIVES = tuple(name for name in RESPONSES if KPIS[name].better)
_UNBOUNDED = 2**31
_SURE = 0.5  # a guarantee of less says nothing


@dataclass(frozen=True, slots=True)
class Decision:
    """How the best is selected of what the search has found."""

    finalists: int
    first: int
    most: int
    confidence: float
    indifference: float
    relative: bool  # indifference is a share of what the plant as it is has


@dataclass(frozen=True, slots=True)
class Goal:
    """An optimisation, ready to run."""

    name: str  # of the file
    title: str
    question: str
    base: Variant
    space: Space
    objectives: tuple[str, ...]
    candidates: int
    screening: int
    decision: Decision

    @property
    def better(self) -> tuple[int, ...]:
        """By objective: 1, more is better, or -1."""
        return tuple(KPIS[name].better for name in self.objectives)

    def variant(self, choice: Choice) -> Variant:
        """The plant of a choice."""
        changes = (f"{v.address}:={value}" for v, value in zip(self.space.variables, choice, strict=True))
        return Variant(self.base.file, None, tuple(changes))

    def arm(self, choice: Choice) -> str:
        """The name of a choice's arm."""
        return arm_name(self.variant(choice).overrides)

    def corners(self) -> tuple[Variant, ...]:
        """The allowed choices nearest to the lowest and the highest: what the warm-up must suffice for."""
        ends = (self.space.nearest([getattr(v, end) for v in self.space.variables]) for end in ("low", "high"))
        return tuple(self.variant(choice) for choice in ends if choice is not None)

    def header(self) -> dict[str, Any]:
        """What the study keeps of it, and is known by."""
        about = {
            "variables": [asdict(each) for each in self.space.variables],
            "limits": [asdict(each) | {"members": list(each.members)} for each in self.space.limits],
            "budget": self.space.budget,
            "objectives": list(self.objectives),
            "candidates": self.candidates,
            "screening": self.screening,
        }
        return {"optimise": about}

    def words(self) -> dict[str, Any]:
        """What the study keeps of it besides: it may change while the runs stay good."""
        return {"title": self.title, "question": self.question, "decision": asdict(self.decision)}


def goal_of(header: Mapping[str, Any], base: Variant) -> Goal:
    """The goal that a study's header keeps."""
    about = header["optimise"]
    limits = tuple(Limit(**(each | {"members": tuple(each["members"])})) for each in about["limits"])
    space = Space(tuple(Variable(**each) for each in about["variables"]), limits, about["budget"])
    return Goal(
        "",
        header["title"],
        header["question"],
        base,
        space,
        tuple(about["objectives"]),
        about["candidates"],
        about["screening"],
        Decision(**header["decision"]),
    )


def optimise_file(path: str | Path, bench: Bench) -> tuple[StudyFile[Optimise], Goal]:
    """The file of an optimisation and its goal. Raises one ConfigError with everything that is wrong."""
    file = read(path, Optimise, lambda plant: bench.load(Variant(plant)).cost.currency)
    shape = file.shape
    file.known(("objectives",), shape.objectives, OBJECTIVES, "KPI of the line that has a better and a worse")
    if not shape.variables and file.report.clean(("variables",)):
        message = "is missing: what may be chosen"
        file.report.add(("variables",), message, "Write variables: {agv.count: {low: 6, high: 12}}.")
    variables = [_variable(file, bench, name, each) for name, each in shape.variables.items()]
    file.apart("variables", shape.variables)
    limits = [_limit(file, name, each) for name, each in shape.limits.items()]
    _check_numbers(file)
    space = Space(tuple(v for v in variables if v), tuple(one for one in limits if one), shape.budget)
    if not file.report.problems:
        _check_space(file, space)
    file.close()
    number, relative = shape.indifference
    decision = Decision(shape.finalists, shape.first, shape.most, shape.confidence, number, relative)
    goal = Goal(
        file.path.stem,
        file.title,
        shape.question or "",
        Variant(file.plant),
        space,
        tuple(dict.fromkeys(shape.objectives)),
        shape.candidates,
        shape.screening,
        decision,
    )
    for corner in goal.corners():  # what is wrong only together
        file.told(("variables",), partial(bench.load, corner))
    file.close()
    return file, goal


def _variable(file: StudyFile[Optimise], bench: Bench, name: str, shape: Shape) -> Variable | None:
    path, report = ("variables", name), file.report
    low, high = shape.low, shape.high
    if (low is None or high is None) and report.clean(path):
        report.add(path, "needs low and high", f"Write {name}: {{low: 2, high: 8}}.")
    elif low is not None and high is not None and low > high:
        report.add(path, f"low must not be above high, got {low} and {high}")
    if low is None or high is None or not report.clean(path):
        return None
    for key, value in (("low", low), ("high", high)):
        file.told((*path, key), partial(bench.load, Variant(file.plant, None, (f"{name}:={value}",))))
    return Variable(name, shape.title or name, low, high, shape.price, shape.owned)


def _limit(file: StudyFile[Optimise], name: str, shape: LimitShape) -> Limit | None:
    path, report, names = ("limits", name), file.report, list(file.shape.variables)
    for pattern in shape.of:
        if not any(fnmatchcase(each, pattern) for each in names):
            report.add((*path, "of"), f"{pattern!r} matches none of the variables", did_you_mean(pattern, names))
    members = [n for n, each in enumerate(names) if not shape.of or any(fnmatchcase(each, p) for p in shape.of)]
    ends = (shape.at_least, shape.at_most)
    if shape.exactly is not None and ends != (None, None):
        report.add((*path, "exactly"), "stands beside at_least or at_most; give one of them")
    elif shape.exactly is None and ends == (None, None):
        report.add(path, "bounds nothing", "Write at_most: 12, at_least: 4 or exactly: 10.")
    if not report.clean(path):
        return None
    low, high = ends if shape.exactly is None else (shape.exactly, shape.exactly)
    return Limit(name, tuple(members), low or 0, _UNBOUNDED if high is None else high)


def _check_numbers(file: StudyFile[Optimise]) -> None:
    shape, report = file.shape, file.report
    if not _SURE <= shape.confidence < 1:
        report.add(("confidence",), f"expected a share from 50 % to below 100 %, got {100 * shape.confidence:g} %")
    if shape.most < shape.first:
        report.add(("most",), f"is {shape.most}, fewer than first ({shape.first})")
    if shape.budget is not None and not any(each.price for each in shape.variables.values()):
        report.add(("budget",), "cannot be spent: no variable has a price", "Write price: 500 EUR beside low and high.")


def _check_space(file: StudyFile[Optimise], space: Space) -> None:
    """Say which limit cannot be kept, alone or together with the others."""
    lows, highs = ([getattr(v, end) for v in space.variables] for end in ("low", "high"))
    for limit in space.limits:
        low, high = (sum(ends[i] for i in limit.members) for ends in (lows, highs))
        if limit.at_least > limit.at_most or low > limit.at_most or high < limit.at_least:
            asked = f"asks for {_between(limit)}"
            file.report.add(("limits", limit.name), f"{asked}, but its variables make from {low} to {high}")
    cheapest = space.cost(lows)
    if space.budget is not None and cheapest > space.budget:
        message = f"is {space.budget:,.10g}, but the lowest values cost {cheapest:,.10g} already"
        file.report.add(("budget",), message, "Allow more, lower a low, or say how many are owned.")
    if not file.report.problems and space.nearest(lows) is None:
        named = [f"limits.{limit.name}" for limit in space.limits] + ["budget"] * (space.budget is not None)
        message = f"no choice keeps {' and '.join(named)} together, though each can be kept alone"
        file.report.add(("limits",), message, "Widen a range or a limit.", at_key=True)


def _between(limit: Limit) -> str:
    if limit.at_least == limit.at_most:
        return f"exactly {limit.at_least}"
    upper = "" if limit.at_most == _UNBOUNDED else f" at most {limit.at_most}"
    lower = f" at least {limit.at_least}" if limit.at_least else ""
    return " and".join(each for each in (lower, upper) if each).strip()
