"""The file of a sweep as a plan: factors and points. All mistakes are reported before the first run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from factory_sim import units
from factory_sim.plant.yaml.study_files import StudyFile, read
from factory_sim.plant.yaml.study_shapes import Sweep
from factory_sim.results.sweep import GRID, LATIN, SOBOL
from factory_sim.study.arms import PlantCache, Variant
from factory_sim.study.file_study import RESPONSES
from factory_sim.study.sweep import sampling
from factory_sim.study.sweep.sampling import MOST_POINTS, Factor, Level, Point, split
from factory_sim.study.sweep.sobol_sequence import MOST_DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from factory_sim.plant.yaml.study_shapes import Factor as Shape
    from factory_sim.results.record import Json


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep, ready to run."""

    file: StudyFile[Sweep]
    base: Variant
    factors: tuple[Factor, ...]
    points: tuple[Point, ...]

    def variant(self, point: Point) -> Variant:
        """Return the plant at a point."""
        return self.base.changed(sampling.overrides(self.factors, point))

    @property
    def corners(self) -> tuple[Variant, ...]:
        """The plant with all factors at their first and at their last value: the warm-up must suffice for both."""
        return tuple(self.variant(tuple(f.ends[n] for f in self.factors)) for n in (0, 1))

    def design(self) -> dict[str, Json]:
        """Return the part of the study's header that identifies the study."""
        factors = [factor.to_json() for factor in self.factors]
        points = [[level.text for level in point] for point in self.points]
        return {"sweep": {"design": self.file.shape.design, "factors": factors, "points": points}}

    def words(self) -> dict[str, Json]:
        """Return the part of the study's header that may change while its trials stay valid."""
        return self.file.words() | {"responses": list(dict.fromkeys(self.file.shape.responses))}


def read_plan(path: str | Path, plants: PlantCache, base: Variant | None = None) -> Plan:
    """Return the plan of a file; `base` replaces the plant that it names. Raise one ConfigError with all mistakes."""
    file = read(path, Sweep, lambda plant: plants.load(base or Variant(plant)).cost.currency)
    base = base or Variant(file.plant)
    shape = file.shape
    file.check_names(("responses",), shape.responses, RESPONSES, "KPI of the line")
    if not shape.factors and file.report.clean(("factors",)):
        file.report.add(("factors",), "is missing: the values to change", "Write factors: {agv.count: [6, 8, 10]}.")
    factors = [factor for name, each in shape.factors.items() if (factor := _factor(file, name, each)) is not None]
    for factor in factors:
        if file.report.clean(("factors", factor.address)):
            _try_values(file, plants, base, factor)
    file.check_distinct("factors", [name for name, each in shape.factors.items() if not each.scale])
    plan = Plan(file, base, tuple(factors), tuple(_points(file, factors)))
    file.report.close()
    for corner in plan.corners:  # for mistakes of combinations
        file.attempt(("factors",), partial(plants.load, corner))
    file.report.close()
    return plan


def _try_values(file: StudyFile[Sweep], plants: PlantCache, base: Variant, factor: Factor) -> None:
    """Load the plant with every level, or with both ends of a range, until one is refused."""
    written = file.report.root.get("factors", factor.address)
    is_list = written is not None and isinstance(written.value, list)
    for n, level in enumerate(factor.levels or factor.ends):
        steps: tuple[str | int, ...] = ((n,) if is_list else ("levels", n)) if factor.levels else (("low", "high")[n],)
        change = factor.change(level)
        load = partial(plants.load, base.changed([change]))
        if change and not file.attempt(("factors", factor.address, *steps), load):
            return


def _factor(file: StudyFile[Sweep], name: str, shape: Shape) -> Factor | None:
    """Return the factor that a file describes; None when it cannot be used."""
    path, report = ("factors", name), file.report
    _check_keys(file, name, shape)
    if not report.clean(path):
        return None
    levels, unit = _values(file, path, shape)
    is_number = not any(math.isnan(level.number) for level in levels)
    if shape.levels:
        if len({level.text for level in levels}) < max(2, len(levels)):
            report.add(path, "expected at least two different values, each once")
        if file.shape.design == LATIN and not is_number:
            report.add(path, "a Latin hypercube needs numbers for its coefficients", "Use design: grid or sobol.")
    elif not is_number:
        report.add(path, f"expected a number, got {shape.low!r} and {shape.high!r}", "Write levels: [a, b].")
    elif not 0 < levels[1].number - levels[0].number < math.inf:
        report.add(path, f"low must be less than high, got {shape.low} and {shape.high}")
    if not report.clean(path):
        return None
    return Factor(
        address=name,
        title=shape.title or name,
        levels=tuple(levels) if shape.levels else (),
        low=math.nan if shape.levels else levels[0].number,
        high=math.nan if shape.levels else levels[1].number,
        unit=unit,
        whole=isinstance(shape.low, int) and isinstance(shape.high, int) and not shape.scale,
        scale=shape.scale,
        form=shape.form or "{}",
    )


def _check_keys(file: StudyFile[Sweep], name: str, shape: Shape) -> None:
    """Report keys of a factor that do not fit together."""
    path, report, design = ("factors", name), file.report, file.shape.design
    ranged = shape.low is not None and shape.high is not None
    if bool(shape.levels) == ranged or (shape.low is None) != (shape.high is None):
        report.add(path, "expected either levels, or low and high", f"Write {name}: {{low: 6, high: 12}}.")
    if shape.form is not None and ("{}" not in shape.form or shape.scale):
        message = "cannot be combined with scale" if shape.scale else "has no {} in place of the value"
        report.add((*path, "form"), message, 'Write form: "lognormal({}, cv 0.03)".')
    if shape.steps is not None and (design != GRID or not ranged):
        report.add((*path, "steps"), "is only for a grid with low and high", "Leave it out.")
    if ranged and design == GRID and shape.steps is None:
        report.add(path, "a grid needs levels, or steps between low and high", "Write steps: 5.")


def _values(file: StudyFile[Sweep], path: tuple[str, ...], shape: Shape) -> tuple[list[Level], str]:
    """Return the levels, or the ends of the range, and their common unit; NaN where a value is not a number."""

    def number(read: Callable[[], float], prefix: str, hint: str = "") -> float:
        try:
            return read()
        except ValueError as error:
            file.report.add(path, f"{prefix} {error}", hint)
            return math.nan

    written: Sequence[str | float] = shape.levels or [each for each in (shape.low, shape.high) if each is not None]
    if shape.scale:
        prefix, hint = "expected a multiple of the plant's value:", "Write 0.8 or 80 %."
        numbers = [number(partial(units.parse, value, "share"), prefix, hint) for value in written]
        return [Level(repr(each), each) for each in numbers], ""
    found = [split(value) for value in written]
    if any(math.isnan(each) for each, _ in found):
        return [Level(str(value).strip(), math.nan) for value in written], ""
    unit, hint = found[0][1], _comma_hint(written)
    return [
        Level(str(value).strip(), number(partial(sampling.in_unit, each, its, unit), str(value).strip(), hint))
        for value, (each, its) in zip(written, found, strict=True)
    ], unit


def _comma_hint(written: Sequence[str | float]) -> str:
    """Return what to write where YAML has split quantities with a decimal comma, as in [34,5 s, 35,5 s], in two."""
    pairs = list(zip(written[::2], written[1::2], strict=False))
    split_up = len(written) % 2 == 0 and all(isinstance(a, int) and str(b)[:1].isdigit() for a, b in pairs)
    return f"A comma separates values; write {', '.join(f'{a}.{b}' for a, b in pairs)}." if split_up else ""


def _points(file: StudyFile[Sweep], factors: Sequence[Factor]) -> list[Point]:
    """Return the points of the design; none when something is wrong."""
    shape, report, n = file.shape, file.report, file.shape.points
    if shape.design == GRID:
        if n is not None:
            report.add(("points",), "is only for latin_hypercube and sobol; levels determine the points of a grid")
        steps = [shape.factors[factor.address].steps or 0 for factor in factors]
        if math.prod(len(f.levels) or n for f, n in zip(factors, steps, strict=True)) > MOST_POINTS:
            report.add(("factors",), f"make more than {MOST_POINTS:,} points", "Use fewer levels, or design: sobol.")
        return [] if report.problems else sampling.grid(factors, steps)
    if n is None:
        report.add(("points",), f"is missing: {shape.design} needs a number of points", "Write points: 64.")
    elif shape.design == SOBOL and n & (n - 1):
        near = 2 ** round(math.log2(n))
        report.add(("points",), f"expected a power of two, got {n}", f"Write points: {near}.")
    elif shape.design == LATIN and n < len(factors) + 2:
        report.add(("points",), f"{len(factors)} factors need at least {len(factors) + 2} points, got {n}")
    if shape.design == SOBOL and 2 * len(factors) > MOST_DIMENSIONS:
        message = f"sobol samples at most {MOST_DIMENSIONS // 2} factors, got {len(factors)}"
        report.add(("factors",), message, "Use design: latin_hypercube.")
    if report.problems or n is None:
        return []
    return (sampling.sobol if shape.design == SOBOL else sampling.latin_hypercube)(factors, n, shape.seed)
