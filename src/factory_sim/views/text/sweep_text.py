"""The answer of a sweep for the terminal: the best point and the strongest factor first, then the tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factory_sim.results.sweep import CONSTANT, GRID, LINEAR, NOISE, NOWHERE, RANKS, SOBOL, UNDEFINED
from factory_sim.views.text import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from factory_sim.results.sweep import LevelEffect, Sensitivity, SweepPoint, SweepResult

POINTS_SHOWN = 20
METHODS = {
    GRID: "share of the variance over the grid",
    SOBOL: "share of the variance over the ranges (Sobol' indices)",
    LINEAR: "standardised regression coefficients",
    RANKS: "standardised rank regression coefficients",
}
UNEXPLAINED = {
    CONSTANT: "The response is constant: no factor has an effect on it.",
    NOISE: "Not estimable: the points do not differ significantly more than the runs. Use more replications.",
    NOWHERE: "The response is not defined at any point: no good parts, or the plant does not state powers or prices.",
    UNDEFINED: "The response is not defined at points without good parts.",
}
_POOR = 0.7  # assumed: a fit that explains less of the variance misleads


def sweep_lines(result: SweepResult) -> list[RenderableType]:
    """Return the lines and tables of an answer."""
    lines: list[RenderableType] = [*headline(result), "", figures.terminal_table(point_figures(result, POINTS_SHOWN))]
    hidden = len(ranked(result)) - POINTS_SHOWN
    if hidden > 0:
        lines.append(f"... and {hidden:,} more points: --csv and --json write all of them.")
    for kpi, found in result.sensitivity.items():
        lines += [
            "",
            f"{figures.label(kpi)}: {METHODS[found.method]}",
            figures.terminal_table(sensitivity_figures(result, kpi)),
        ]
        lines += (f"  ! {text}" for text in warnings(found))
    design = result.design.replace("_", " ")
    how = f"{design}, {len(result.points):,} points × {result.replications} replications"
    return [*lines, "", f"Runs        {how}, {figures.windows(result.study)}; each interval 95 % individually"]


def headline(result: SweepResult) -> list[str]:
    """Return the best point, and the factor with the largest effect on the first response."""
    kpi, about = next(iter(result.responses.items()))
    if result.best is None:
        lines = [f"best {figures.label(kpi)}: not defined at any point"]
    else:
        best, near = result.points[result.best], len(result.not_told_apart)
        change = best.change_pct[kpi]
        against = f", {figures.signed_interval(change, unit_text=' %')} against {result.base} as it is"
        others = f"; {near:,} other point{'s do' if near > 1 else ' does'} not differ significantly"
        value = f"{figures.interval(best.responses[kpi], about.unit)} at {figures.values_text(best.values)}"
        lines = [f"best {figures.label(kpi)}: {value}{against if change.is_defined else ''}{others if near else ''}"]
    found = result.sensitivity[kpi]
    address, effect = found.ranking[0]
    if not effect.is_defined:
        return lines
    shown = f"{figures.percent(effect)} of its variance, including interactions"
    shown = f"coefficient {figures.signed_interval(effect)}" if found.is_regression else shown
    return [*lines, f"{titles(result)[address]} has the largest effect on {figures.label(kpi)}: {shown}"]


def titles(result: SweepResult) -> dict[str, str]:
    """Return the title of each factor by address."""
    return {factor.address: factor.title for factor in result.factors}


def ranked(result: SweepResult) -> list[SweepPoint]:
    """Return every point once, the best first response first."""
    kpi, about = next(iter(result.responses.items()))

    def score(point: SweepPoint) -> float:
        found = point.responses[kpi]
        return -(about.better or 1) * found.mean if found.is_defined else math.inf

    once: dict[tuple[str, ...], SweepPoint] = {}
    for point in result.points:
        once.setdefault(tuple(point.values.values()), point)
    return sorted(once.values(), key=score)


def point_figures(result: SweepResult, most: int) -> figures.Figures:
    """Return the table of the best points."""
    first, *_ = result.responses
    shown = ranked(result)[:most]
    best = None if result.best is None else result.points[result.best].values
    return figures.Figures(
        heads=[
            *(factor.title + (", ×" if factor.scale else "") for factor in result.factors),
            *figures.heads(result.responses),
            "change, %",
        ],
        rows=[
            [
                *point.values.values(),
                *figures.cells(point.responses, result.responses),
                figures.plus_minus(point.change_pct[first]),
            ]
            for point in shown
        ],
        foot=["as it is", *[""] * (len(result.factors) - 1), *figures.cells(result.before, result.responses), ""],
        marked=next((n for n, point in enumerate(shown) if point.values == best), None),
    )


def sensitivity_figures(result: SweepResult, kpi: str) -> figures.Figures:
    """Return the table of the factors' influence on a response."""
    found, names = result.sensitivity[kpi], titles(result)
    if found.is_regression:
        rows = [[f"  {names[address]}", figures.signed_interval(effect)] for address, effect in found.ranking]
        return figures.Figures(heads=["", "coefficient"], rows=rows, named=True)
    effects = any(each.effects for each in found.factors.values())
    rows = []
    for address, total in found.ranking:
        each = found.factors[address]
        levels = ",\n".join(_effects(each.effects))
        shares = [figures.percent(share, "") for share in (each.measures["first"], total)]
        rows.append([f"  {names[address]}", *shares, *([levels] if effects else [])])
    return figures.Figures(
        heads=["", "alone, %", "with interactions, %", *(["mean effect by level"] if effects else [])],
        rows=rows,
        named=True,
        bars=[min(max(total.mean, 0.0), 1.0) if total.is_defined else 0.0 for _, total in found.ranking],
    )


def _effects(found: Sequence[LevelEffect]) -> list[str]:
    """Return the mean effect of each level, all with the decimals of the largest."""
    largest = max((abs(one.mean) for one in found if one.is_defined), default=0.0)
    places = max(0, 2 - math.floor(math.log10(largest))) if largest > 0 else 0
    return [f"{one.level}: {figures.signed(one.mean, f'+,.{places}f')}" if one.is_defined else "-" for one in found]


def warnings(found: Sensitivity) -> list[str]:
    """Return why the sensitivity of a response is not given, or is unreliable."""
    if found.unexplained is not None:
        return [UNEXPLAINED[found.unexplained]]
    if not found.is_regression:
        lost = any(not total.is_defined for _, total in found.ranking)
        return ["The effects are smaller than the noise of the runs. Use more replications."] * lost
    explained = found.explained[found.method]
    if not explained < _POOR:
        return []
    return [f"The coefficients explain only {100 * explained:.0f} % of the variance. Use design: sobol."]
