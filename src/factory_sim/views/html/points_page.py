"""The answers of `sweep` and `optimise` as one offline HTML file: words, tables, small pictures, no script."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from factory_sim.views import wording
from factory_sim.views.html.sketch import Dot, scatter
from factory_sim.views.text import optimise_text, sweep_text
from factory_sim.views.text.kpi_text import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROWS = 200  # of the table of points


def sweep_html(answer: Mapping[str, Any]) -> str:
    """The page of a sweep's answer."""
    best = answer["best"]
    return _page(
        "sweep.html",
        answer=answer,
        head=sweep_text.headline(answer),
        titles=sweep_text.titles(answer),
        points=sweep_text.ranked(answer)[:ROWS],
        best=None if best is None else answer["points"][best],
        pictures={kpi: [_effect(answer, kpi, factor) for factor in answer["factors"]] for kpi in answer["responses"]},
    )


def optimise_html(answer: Mapping[str, Any]) -> str:
    """The page of an optimisation's answer."""
    first, *others = answer["objectives"]
    return _page(
        "optimise.html",
        answer=answer,
        head=optimise_text.headline(answer),
        guarantee=optimise_text.guarantee(answer),
        doubt=optimise_text.doubt(answer),
        sample=optimise_text.sample(answer),
        cost=optimise_text.cost(answer) if any(each["price"] for each in answer["variables"]) else "",
        pictures=[_trade(answer, first, other) for other in others],
    )


def _page(template: str, **names: Any) -> str:
    page = files("factory_sim.views.html") / "page"
    style = Markup(page.joinpath("report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    environment = Environment(
        loader=PackageLoader("factory_sim.views.html", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= wording.FILTERS | {
        "label": sweep_text.label,
        "head": sweep_text.head,
        "estimate": sweep_text.estimate,
        "named": sweep_text.named,
        "give_or_take": sweep_text.give_or_take,
        "unit": unit,
        "warnings": sweep_text.warnings,
    }
    return environment.get_template(template).render(style=style, methods=sweep_text.METHODS, **names)


def _effect(answer: Mapping[str, Any], kpi: str, factor: Mapping[str, Any]) -> Markup:
    """A response over one factor: every point, and in a grid the mean of each level."""
    address, about = factor["address"], answer["responses"][kpi]
    texts = [point["values"][address] for point in answer["points"]]
    numbers = [_number(text) for text in texts]
    levels = list(dict.fromkeys(texts)) if answer["design"] == "grid" or None in numbers else []
    xs = [float(levels.index(text)) for text in texts] if levels else [each for each in numbers if each is not None]
    dots = [
        Dot(x, point["responses"][kpi], _told(point, kpi, about), n == answer["best"])
        for n, (x, point) in enumerate(zip(xs, answer["points"], strict=True))
    ]
    unit_text = "×" if factor["scale"] else "" if levels else factor["unit"]
    title = f"{factor['title']}, {unit_text}" if unit_text else factor["title"]
    text = scatter(dots, title, sweep_text.head(kpi, about["unit"]), levels, _means(xs, answer["points"], kpi, levels))
    return Markup(text)  # noqa: S704 - escaped where it is made


def _means(
    xs: Sequence[float], points: Sequence[Mapping[str, Any]], kpi: str, levels: Sequence[str]
) -> list[tuple[float, float]]:
    """The mean over all points of each level."""
    means = []
    for level in range(len(levels)):
        values = [p["responses"][kpi]["mean"] for x, p in zip(xs, points, strict=True) if x == level]
        if values and None not in values:
            means.append((float(level), sum(values) / len(values)))
    return means


def _told(point: Mapping[str, Any], kpi: str, about: Mapping[str, Any]) -> str:
    name = sweep_text.named(point["values"])
    return f"{name}: {sweep_text.estimate(point['responses'][kpi], about['unit'])} {unit(about['unit'])}"


def _number(text: str) -> float | None:
    try:
        return float(text.split(maxsplit=1)[0])
    except ValueError:
        return None


def _trade(answer: Mapping[str, Any], first: str, other: str) -> Markup:
    """The front: the first objective over another one."""
    units = {kpi: answer["objectives"][kpi]["unit"] for kpi in (first, other)}
    dots = [
        Dot(of[other]["mean"], of[first], sweep_text.named(each["values"]), each["selected"])
        for each in answer["front"]
        for of in (each["responses"],)
    ]
    x, y = (sweep_text.head(kpi, units[kpi]) for kpi in (other, first))
    return Markup(scatter(dots, x, y))  # noqa: S704 - escaped where it is made
