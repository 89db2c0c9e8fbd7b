"""The answers of `sweep` and `optimise` as one offline HTML file: text, tables and pictures without scripts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from factory_sim.results.sweep import GRID
from factory_sim.views.html import sketch
from factory_sim.views.html.report_page import environment
from factory_sim.views.html.sketch import Dot, Sketch
from factory_sim.views.text import optimise_text, sweep_text
from factory_sim.views.text.figures import heads, interval, label, values_text

if TYPE_CHECKING:
    from factory_sim.results.optimise import OptimisationResult
    from factory_sim.results.sweep import SweepResult

ROWS = 200  # of the table of points


def sweep_html(result: SweepResult, drawing: str = "") -> str:
    """Return the page of a sweep, with the drawing of its plant as SVG."""
    return _page("sweep.html", result, drawing)


def optimise_html(result: OptimisationResult, drawing: str = "") -> str:
    """Return the page of an optimisation, with the drawing of its plant as SVG."""
    return _page("optimise.html", result, drawing)


def _page(template: str, result: SweepResult | OptimisationResult, drawing: str) -> str:
    pages = environment()
    pages.filters |= {"label": label, "place": "{:.1f}".format}
    pages.globals |= {"sweep": sweep_text, "optimise": optimise_text, "rows": ROWS, "plot": sketch}
    pages.globals |= {"effects": _effects, "trade_offs": _trade_offs}
    return pages.get_template(template).render(answer=result, drawing=Markup(drawing))  # noqa: S704 - texts in it are escaped


def _effects(result: SweepResult, kpi: str) -> list[Sketch]:
    """Return a picture per factor: the response at every point, and in a grid the mean of each level."""
    unit = result.responses[kpi].unit
    head = heads({kpi: result.responses[kpi]})[0]
    pictures = []
    for factor in result.factors:
        texts = [point.values[factor.address] for point in result.points]
        numbers = [_number(text) for text in texts]
        levels = list(dict.fromkeys(texts)) if result.design == GRID or None in numbers else []
        xs = [float(levels.index(text)) for text in texts] if levels else [each for each in numbers if each is not None]
        dots = [
            Dot(x, found, f"{values_text(point.values)}: {interval(found, unit)}", "chosen" if n == result.best else "")
            for n, (x, point) in enumerate(zip(xs, result.points, strict=True))
            for found in (point.responses[kpi],)
        ]
        name = "×" if factor.scale else "" if levels else factor.unit
        title = f"{factor.title}, {name}" if name else factor.title
        pictures.append(Sketch(dots, title, head, levels, _means(dots) if levels else ()))
    return pictures


def _means(dots: list[Dot]) -> list[tuple[float, float]]:
    """Return the mean of each level whose points all have a value."""
    means = []
    for x, group in groupby(sorted(dots, key=lambda dot: dot.x), key=lambda dot: dot.x):
        some = list(group)
        if all(dot.estimate.is_defined for dot in some):
            means.append((x, sum(dot.estimate.mean for dot in some) / len(some)))
    return means


def _number(text: str) -> float | None:
    try:
        return float(text.split(maxsplit=1)[0])
    except ValueError:
        return None


def _trade_offs(result: OptimisationResult) -> list[Sketch]:
    """Return a picture per further objective: the first objective of the front over it."""
    first, *others = result.objectives
    names = dict(zip(result.objectives, heads(result.objectives), strict=True))
    pictures = []
    for other in others:
        dots = [
            Dot(
                each.responses[other].mean,
                each.responses[first],
                values_text(each.values),
                "chosen" if each.selected else "",
            )
            for each in result.front
        ]
        dots.append(Dot(result.before[other].mean, result.before[first], "as it is", "present"))
        pictures.append(Sketch(dots, names[other], names[first]))
    return pictures
