"""A sweep's answer for the terminal: the best point and the strongest factor first, then the tables behind them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.table import Table

from factory_sim.views.text.kpi_text import LINE_ROWS, number, unit
from factory_sim.views.text.study_text import moved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

POINTS_SHOWN = 20
METHODS = {
    "grid": "share of the variance over the grid",
    "sobol": "share of the variance over the ranges (Sobol' indices)",
    "src": "standardised regression coefficients",
    "srrc": "standardised rank regression coefficients",
}
_HEADS = {"good_parts_per_h": "good parts/h", "wip": "WIP, parts", "kwh_per_part": "{}", "cost_per_part": "{}"}
UNEXPLAINED = {
    "constant": "It is constant, the same at every point: no factor moves it.",
    "undefined": "It is not defined at some points, where no good part came out.",
}
_POOR = 0.7  # of the variance explained: below, coefficients mislead


def sweep_lines(answer: Mapping[str, Any]) -> list[RenderableType]:
    """What a sweep says."""
    first = next(iter(answer["responses"]))
    lines: list[RenderableType] = [*headline(answer), "", _points(answer, first)]
    hidden = len(ranked(answer)) - POINTS_SHOWN
    if hidden > 0:
        lines.append(f"... and {hidden:,} more points: --csv and --json write all of them.")
    for kpi, found in answer["sensitivity"].items():
        lines += ["", f"{label(kpi)}: {METHODS[found['method']]}", _sensitivity(found, titles(answer))]
        lines += [f"  ! {warning}" for warning in warnings(found)]
    lines += ["", _runs(answer)]
    return lines


def headline(answer: Mapping[str, Any]) -> list[str]:
    """The best point, and the factor that moves the first response most."""
    first = next(iter(answer["responses"]))
    strongest = _strongest(answer["sensitivity"][first], titles(answer))
    return [_head(answer, first), *([strongest.format(label(first))] if strongest else [])]


def label(kpi: str) -> str:
    """What a person calls a KPI of the line."""
    return LINE_ROWS.get(kpi, kpi.replace("_", " "))


def estimate(found: Mapping[str, float | None], unit_text: str) -> str:
    """A mean with its interval, in the reader's unit."""
    mean, low, high = (found[end] for end in ("mean", "low", "high"))
    if mean is None:
        return "-"
    if low is None or high is None:
        return number(mean, unit_text)
    return f"{number(mean, unit_text)} [{number(low, unit_text)}, {number(high, unit_text)}]"


def give_or_take(found: Mapping[str, float | None], unit_text: str) -> str:
    """A mean with half the width of its interval: 63.1±0.8."""
    mean, high = found["mean"], found["high"]
    if mean is None or high is None or high == mean:
        return "-" if mean is None else number(mean, unit_text)
    factor = 100 if unit_text == "1" else 1
    half = factor * (high - mean)
    digits = 1 if half >= 3 * 10 ** math.floor(math.log10(half)) else 2  # 0.32 and 0.1 say as much
    places = max(0, digits - 1 - math.floor(math.log10(half)))
    return f"{factor * mean:,.{places}f}±{half:,.{places}f}"


def head(kpi: str, unit_text: str) -> str:
    """The head of a column of a KPI: short."""
    return _HEADS.get(kpi, f"{label(kpi)}, {{}}").format(unit(unit_text))


def named(values: Mapping[str, str]) -> str:
    """The values of a point: agv.count 8, OP750.cycle_time 37 s."""
    return ", ".join(f"{address} {text}" for address, text in values.items())


def _head(answer: Mapping[str, Any], kpi: str) -> str:
    if answer["best"] is None:
        return f"{label(kpi)}: no point is best"
    best, about = answer["points"][answer["best"]], answer["responses"][kpi]
    against = best["change_pct"][kpi]
    versus = f"   {moved(against, unit=' %')} against {answer['base']} as it is" if against else ""
    value = f"{estimate(best['responses'][kpi], about['unit'])} {unit(about['unit'])}"
    near = len(answer["not_told_apart"])
    others = f"; {near:,} other point{'s' if near > 1 else ''} cannot be told apart from it" if near else ""
    return f"best {label(kpi)}: {value} at {named(best['values'])}{versus}{others}"


def titles(answer: Mapping[str, Any]) -> dict[str, str]:
    """What a person calls each factor, by address."""
    return {factor["address"]: factor["title"] for factor in answer["factors"]}


def _strongest(found: Mapping[str, Any], called: Mapping[str, str]) -> str:
    shares = found["method"] in {"grid", "sobol"}
    by = {address: each["total" if shares else found["method"]] for address, each in found["factors"].items()}
    known = {address: each for address, each in by.items() if each["mean"] is not None}
    if not known:
        return ""
    top = max(known, key=lambda address: abs(known[address]["mean"]))
    if not shares:
        return f"{called[top]} moves {{}} most: coefficient {moved(known[top])}"
    return f"{called[top]} moves {{}} most: {_percent(known[top])} of its variance, interactions included"


def _points(answer: Mapping[str, Any], first: str) -> Table:
    shown_as = {f["address"]: f["title"] + (", ×" if f["scale"] else "") for f in answer["factors"]}
    heads = [head(kpi, about["unit"]) for kpi, about in answer["responses"].items()]
    rows = []
    for point in ranked(answer)[:POINTS_SHOWN]:
        shown = [give_or_take(point["responses"][kpi], about["unit"]) for kpi, about in answer["responses"].items()]
        change = point["change_pct"][first]
        values = (point["values"][address] for address in shown_as)
        rows.append([*values, *shown, give_or_take(change, "") if change else "-"])
    rows.append(["as it is", *[""] * (len(shown_as) - 1), *_before(answer), ""])
    return figures([*shown_as.values(), *heads, "change, %"], rows)


def figures(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of figures, which on a narrow screen breaks its heads and never a figure."""
    table = Table(box=None, pad_edge=False)
    for n, name in enumerate(heads):
        widest = max((len(row[n]) for row in rows), default=0)
        table.add_column(name, justify="right", min_width=widest, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def ranked(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every point once, the best first response first."""
    first, about = next(iter(answer["responses"].items()))
    sign = about["better"] or 1

    def score(point: Mapping[str, Any]) -> float:
        mean = point["responses"][first]["mean"]
        return math.inf if mean is None else -sign * float(mean)

    once: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for point in answer["points"]:
        once.setdefault(tuple(point["values"].values()), point)
    return sorted(once.values(), key=score)


def _before(answer: Mapping[str, Any]) -> list[str]:
    return [give_or_take(answer["before"][kpi], about["unit"]) for kpi, about in answer["responses"].items()]


def _sensitivity(found: Mapping[str, Any], called: Mapping[str, str]) -> Table:
    if found["method"] in {"src", "srrc"}:
        table = Table("", "coefficient", box=None, pad_edge=False)
        for address, each in _by_size(found, found["method"]):
            table.add_row(f"  {called[address]}", moved(each[found["method"]]))
        return table
    with_effects = any("effects" in each for each in found["factors"].values())
    heads = ["", "alone, %", "with interactions, %", *(["mean effect by level"] if with_effects else [])]
    table = Table(*heads, box=None, pad_edge=False)
    for address, each in _by_size(found, "total"):
        effects = ", ".join(f"{e['level']}: {_signed(e['mean'])}" for e in each.get("effects", ()))
        table.add_row(f"  {called[address]}", _percent(each["first"], ""), _percent(each["total"], ""), effects)
    return table


def _by_size(found: Mapping[str, Any], key: str) -> Sequence[tuple[str, Any]]:
    return sorted(found["factors"].items(), key=lambda item: -abs(item[1][key]["mean"] or 0.0))


def _percent(share: Mapping[str, float | None], sign: str = " %") -> str:
    if share["mean"] is None:
        return "not defined"
    text = f"{100 * share['mean']:.0f}{sign}"
    if share["low"] is None or share["high"] is None:
        return text
    return f"{text} [{100 * share['low']:.0f}, {100 * share['high']:.0f}]"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3g}"


def warnings(found: Mapping[str, Any]) -> list[str]:
    """Why a response's sensitivity is not given, or misleads."""
    if found["unexplained"] is not None:
        return [UNEXPLAINED[found["unexplained"]]]
    if found["method"] not in {"src", "srrc"}:
        lost = any(each["total"]["mean"] is None for each in found["factors"].values())
        return ["The factors move it less than the noise of the runs: take more replications."] * lost
    explained = found["explained"][found["method"]]
    if explained is None or explained >= _POOR:
        return []
    return [f"The coefficients explain {100 * explained:.0f} % of the variance only: take design: sobol instead."]


def _runs(answer: Mapping[str, Any]) -> str:
    about = answer["study"]
    design = answer["design"].replace("_", " ")
    how = f"{design}, {len(answer['points']):,} points × {answer['replications']} replications"
    window = f"{about['duration_s'] / 3600:g} h after {about['warm_up_s'] / 3600:.3g} h of warm-up"
    return f"Runs        {how}, seed {about['seed']}, windows of {window}; every interval 95 % by itself"
