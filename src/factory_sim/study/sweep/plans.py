"""From the file of a sweep to its plan: factors, points, runs; all that is wrong is told before the first run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory_sim import units
from factory_sim.analysis.kpis import KPIS
from factory_sim.plant.yaml.study_files import StudyFile, read
from factory_sim.plant.yaml.study_shapes import Sweep
from factory_sim.study import store
from factory_sim.study.arms import Bench, Variant
from factory_sim.study.sweep import sampling
from factory_sim.study.sweep.sampling import GRID, LATIN, MOST_POINTS, SOBOL, Factor, Level, Point, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from factory_sim.plant.yaml.study_shapes import Factor as Shape
    from factory_sim.plant.yaml.study_shapes import Runs

_NOT_SHOWN = {"constraint", "constraint_by_active_period"}  # numbers of operations
RESPONSES = tuple(name for name, kpi in KPIS.items() if "line" in kpi.levels and name not in _NOT_SHOWN)


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep, ready to run."""

    name: str  # of the file
    title: str
    question: str
    base: Variant
    design: str
    factors: tuple[Factor, ...]
    points: tuple[Point, ...]
    responses: tuple[str, ...]
    replications: int
    duration_s: float
    warm_up_s: float | None
    seed: int

    def variant(self, point: Point) -> Variant:
        """The plant of a point."""
        return Variant(self.base.file, None, sampling.typed(self.factors, point))

    @property
    def corners(self) -> tuple[Variant, ...]:
        """All factors at their first and at their last value: what the warm-up must suffice for."""
        return tuple(self.variant(tuple(f.ends[n] for f in self.factors)) for n in (0, 1))

    def header(self) -> dict[str, Any]:
        """What the study keeps of it, and is known by."""
        names = ("address", "title", "unit", "scale", "form")
        factors = [{name: getattr(f, name) for name in names} | {"range": _range(f)} for f in self.factors]
        points = [[level.text for level in point] for point in self.points]
        return {"sweep": {"design": self.design, "factors": factors, "points": points}}

    def words(self) -> dict[str, Any]:
        """What the study keeps of it for people."""
        return {"title": self.title, "question": self.question, "responses": list(self.responses)}


def _range(factor: Factor) -> dict[str, Any]:
    if factor.levels:
        return {"levels": [[each.text, None if math.isnan(each.number) else each.number] for each in factor.levels]}
    return {"low": factor.low, "high": factor.high, "whole": factor.whole}


def factor_of(kept: Mapping[str, Any]) -> Factor:
    """A factor as a study's header keeps it."""
    about, of = {key: value for key, value in kept.items() if key != "range"}, kept["range"]
    if "levels" in of:
        levels = tuple(Level(text, math.nan if number is None else number) for text, number in of["levels"])
        return Factor(**about, levels=levels)
    return Factor(**about, **of)


def file_name(name: str, bench: Bench, base: Variant, runs: Runs, design: Mapping[str, Any]) -> Path:
    """A file name that the same plan finds again, and another one does not."""
    made_by = store.versions()["program"]
    identity = repr((bench.load(base).digest, runs.seed, runs.duration, runs.warm_up, made_by, design))
    return Path(f"{name}-{sha256(identity.encode()).hexdigest()[:8]}.study.jsonl")


def sweep_file(path: str | Path, bench: Bench) -> tuple[StudyFile[Sweep], Plan]:
    """The file of a sweep and its plan. Raises one ConfigError with everything that is wrong."""
    file = read(path, Sweep, lambda plant: bench.load(Variant(plant)).cost.currency)
    shape = file.shape
    file.known(("responses",), shape.responses, RESPONSES, "KPI of the line")
    if not shape.factors and file.report.clean(("factors",)):
        file.report.add(("factors",), "is missing: what the sweep changes", "Write factors: {agv.count: [6, 8, 10]}.")
    factors = {name: _factor(file, name, each) for name, each in shape.factors.items()}
    for name, factor in factors.items():
        if factor is not None and file.report.clean(("factors", name)):
            _try(file, bench, factor)
    file.apart("factors", [name for name, each in shape.factors.items() if not each.scale])
    points = _points(file, [each for each in factors.values() if each is not None])
    file.close()
    plan = _plan(file, factors.values(), points)
    for corner in plan.corners:  # what is wrong only together
        file.told(("factors",), partial(bench.load, corner))
    file.close()
    return file, plan


def _plan(file: StudyFile[Sweep], factors: Iterable[Factor | None], points: list[Point]) -> Plan:
    shape = file.shape
    return Plan(
        file.path.stem,
        file.title,
        shape.question or "",
        Variant(file.plant),
        shape.design,
        tuple(each for each in factors if each),
        tuple(points),
        tuple(dict.fromkeys(shape.responses)),
        shape.replications,
        shape.duration,
        shape.warm_up,
        shape.seed,
    )


def _try(file: StudyFile[Sweep], bench: Bench, factor: Factor) -> None:
    """Load the plant with every level, or both ends of the range: told where it stands, and before anything runs."""
    written = file.report.root.get("factors", factor.address)
    short = written is not None and isinstance(written.value, list)
    for n, level in enumerate(factor.levels or factor.ends):
        steps: tuple[str | int, ...] = ((n,) if short else ("levels", n)) if factor.levels else (("low", "high")[n],)
        change = factor.change(level)
        if change and not file.told(
            ("factors", factor.address, *steps), partial(bench.load, Variant(file.plant, None, (change,)))
        ):
            return


def _factor(file: StudyFile[Sweep], name: str, shape: Shape) -> Factor | None:
    """The factor that a file describes; None when it does not fit together."""
    path, report = ("factors", name), file.report
    ranged = shape.low is not None and shape.high is not None
    if bool(shape.levels) == ranged or (shape.low is None) != (shape.high is None):
        report.add(path, "expected either levels, or low and high", f"Write {name}: {{low: 6, high: 12}}.")
    if shape.form is not None and ("{}" not in shape.form or shape.scale):
        message = "stands beside scale; give one of them" if shape.scale else "has no {} where the value belongs"
        report.add((*path, "form"), message, 'Write form: "lognormal({}, cv 0.03)".')
    if shape.steps is not None and (file.shape.design != GRID or not ranged):
        report.add((*path, "steps"), "belongs to a grid and to low and high; leave it out")
    if ranged and file.shape.design == GRID and shape.steps is None:
        report.add(path, "a grid needs levels, or steps between low and high", "Write steps: 5.")
    if not report.clean(path):
        return None
    factor = _ranged(file, name, shape) if ranged else _listed(file, name, shape)
    if factor is not None and file.shape.design == LATIN and not factor.numeric:
        report.add(path, "a Latin hypercube needs numbers: its coefficients are slopes", "Take design: grid or sobol.")
    return factor


def _listed(file: StudyFile[Sweep], name: str, shape: Shape) -> Factor:
    path, found = ("factors", name), [split(value) for value in shape.levels]
    numeric = shape.scale or not any(math.isnan(number) for number, _ in found)
    unit = found[0][1] if numeric and not shape.scale else ""
    levels = []
    for value, (number, has) in zip(shape.levels, found, strict=True):
        if shape.scale:
            factor = _scale(file, path, value)
            levels.append(Level(repr(factor), factor))
        else:
            levels.append(Level(str(value).strip(), _converted(file, path, number, has, unit) if numeric else math.nan))
    if len({level.text for level in levels}) < max(2, len(levels)):
        file.report.add(path, "needs at least two values, none of them twice")
    about = {"unit": unit, "scale": shape.scale, "form": shape.form or "{}"}
    return Factor(name, shape.title or name, tuple(levels), **about)  # type: ignore[arg-type]


def _ranged(file: StudyFile[Sweep], name: str, shape: Shape) -> Factor | None:
    path = ("factors", name)
    assert shape.low is not None
    assert shape.high is not None
    if shape.scale:
        low, high, unit = _scale(file, path, shape.low), _scale(file, path, shape.high), ""
    else:
        (low, unit), (high, has) = split(shape.low), split(shape.high)
        if math.isnan(low) or math.isnan(high):
            key, value = ("low", shape.low) if math.isnan(low) else ("high", shape.high)
            file.report.add((*path, key), f"expected a number, got {value!r}", "Other values stand in levels: [a, b].")
            return None
        high = _converted(file, (*path, "high"), high, has, unit)
    if file.report.clean(path) and not 0 < high - low < math.inf:
        file.report.add(path, f"low must be less than high, got {shape.low} and {shape.high}")
    whole = isinstance(shape.low, int) and isinstance(shape.high, int) and not shape.scale
    about = {"unit": unit, "whole": whole, "scale": shape.scale, "form": shape.form or "{}"}
    return Factor(name, shape.title or name, (), low, high, **about)  # type: ignore[arg-type]


def _scale(file: StudyFile[Sweep], path: tuple[str, ...], value: str | float) -> float:
    try:
        return units.parse(value, "share")
    except ValueError as error:
        file.report.add(path, f"a factor of the plant's value: {error}", "Write 0.8 or 80 %.")
        return math.nan


def _converted(file: StudyFile[Sweep], path: tuple[str, ...], number: float, unit: str, wanted: str) -> float:
    try:
        return sampling.in_unit(number, unit, wanted)
    except ValueError as error:
        file.report.add(path, f"{number:g} {unit}".strip() + f" {error}")
        return math.nan


def _points(file: StudyFile[Sweep], factors: list[Factor]) -> list[Point]:
    shape, report = file.shape, file.report
    if shape.design == GRID:
        if shape.points is not None:
            report.add(("points",), "belongs to latin_hypercube and sobol; a grid has as many as levels make")
        if report.problems or not factors:
            return []
        steps = [shape.factors[f.address].steps or 0 for f in factors]
        if math.prod(len(f.levels) or n for f, n in zip(factors, steps, strict=True)) > MOST_POINTS:
            report.add(("factors",), f"make more than {MOST_POINTS:,} points", "Take fewer levels, or design: sobol.")
            return []
        return sampling.grid(factors, steps)
    n = shape.points
    if n is None:
        report.add(("points",), f"is missing: {shape.design} needs to know how many", "Write points: 64.")
    elif shape.design == SOBOL and n & (n - 1):
        near = 2 ** round(math.log2(n))
        report.add(("points",), f"expected a power of two, got {n}", f"Write points: {near}.")
    elif shape.design == LATIN and n < len(factors) + 2:
        report.add(("points",), f"{len(factors)} factors need at least {len(factors) + 2} points, got {n}")
    if report.problems or not factors or n is None:
        return []
    return (sampling.sobol if shape.design == SOBOL else sampling.latin_hypercube)(factors, n, shape.seed)
