"""Names of KPIs, estimates and tables of them as text, shared by the terminal and the HTML pages."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from factory_sim.views.labels import LINE_LABELS
from factory_sim.views.text.kpi_text import number, unit
from factory_sim.views.text.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.results.estimate import Estimate
    from factory_sim.results.study_summary import StudySummary
    from factory_sim.results.sweep import Response

FEWEST = 3  # replications whose interval is printed: that of two is many times as wide as it will be
_HEADS = {"good_parts_per_h": "good parts/h", "wip": "WIP, parts", "kwh_per_part": "{}", "cost_per_part": "{}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A table of figures."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str] = ()
    named: bool = False  # the first column contains names
    marked: int | None = None  # number of the row that is emphasised
    bars: Sequence[float] = ()  # lengths of bars behind the rows of a page [1]


def terminal_table(figures: Figures) -> Table:
    """Return a table for the terminal; on a narrow screen its heads break, and then the last columns are left out."""
    rows = [*figures.rows, figures.foot] if figures.foot else figures.rows
    widest = [max((len(row[n]) for row in rows), default=0) for n in range(len(figures.heads))]
    natural = sum(max(width, len(head)) + 2 for width, head in zip(widest, figures.heads, strict=True)) - 2
    is_narrow = natural > columns()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0) if is_narrow and not figures.named else (0, 1))
    heads = [_broken(head, width) for head, width in zip(figures.heads, widest, strict=True)]
    shown = list(range(len(heads)))
    if is_narrow and not figures.named:
        taken = [max(width, *map(len, head.split("\n"))) + 1 for width, head in zip(widest, heads, strict=True)]
        titled = [n for n in shown if figures.heads[n]]
        while sum(taken[n] for n in shown) - 1 > columns() and len(titled) > 1:
            shown.remove(titled.pop())
        if left_out := [head for n, head in enumerate(figures.heads) if n not in shown]:
            table.caption = f"The terminal is too narrow for {', '.join(left_out)}."
            table.caption_justify = "left"
    for n in shown:
        if figures.named:
            table.add_column(figures.heads[n])
        else:
            table.add_column(heads[n] if is_narrow else figures.heads[n], justify="right", overflow="fold")
    for row in rows:
        table.add_row(*(row[n] for n in shown))
    return table


def _broken(head: str, width: int) -> str:
    """Return a head in lines no wider than the figures below it, or than its longest piece."""
    pieces = re.findall(r"[^ .]+[ .]*", head)
    lines = [""]
    for piece in pieces:
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def label(kpi: str) -> str:
    """Return the name of a KPI of the line."""
    return LINE_LABELS.get(kpi, kpi.replace("_", " "))


def heads(responses: Mapping[str, Response]) -> list[str]:
    """Return short heads of the columns of KPIs."""
    return [_HEADS.get(kpi, f"{label(kpi)}, {{}}").format(unit(about.unit)) for kpi, about in responses.items()]


def cells(found: Mapping[str, Estimate], responses: Mapping[str, Response]) -> list[str]:
    """Return the cells of a row of KPIs."""
    return [plus_minus(found[kpi], about.unit) for kpi, about in responses.items()]


def values_text(values: Mapping[str, str | int]) -> str:
    """Return the values of a variant: agv.count 8, OP750.cycle_time 37 s."""
    return ", ".join(f"{address} {value}" for address, value in values.items())


def interval(found: Estimate, unit_text: str = "") -> str:
    """Return a mean with its interval and unit, all with as many decimals as the mean: 63.10 [62.35, 63.90] parts/h."""
    if not math.isfinite(found.half_width):
        return f"{number(found.mean, unit_text)} {unit(unit_text)}".rstrip()
    factor = 100 if unit_text == "1" else 1
    largest = max(abs(factor * found.mean), 1e-12)
    places = 1 if unit_text == "1" else max(0, 3 - math.floor(math.log10(largest)))
    mean, low, high = (f"{factor * value:,.{places}f}" for value in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}] {unit(unit_text)}".rstrip()


def signed_interval(found: Estimate, form: str = "+.2f", unit_text: str = "") -> str:
    """Return a change with its interval: +29.80 % [+28.90, +30.70]."""
    if not found.is_defined:
        return "-"
    text = f"{signed(found.mean, form)}{unit_text}"
    if found.n < FEWEST or not math.isfinite(found.half_width):
        return text
    return f"{text} [{signed(found.low, form)}, {signed(found.high, form)}]"


def signed(value: float, form: str = "+.2f") -> str:
    """Return a number with its sign; one that rounds to 0 has none."""
    text = format(value, form)
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text


def plus_minus(found: Estimate, unit_text: str = "") -> str:
    """Return a mean with half the width of its interval: 63.1±0.8."""
    if not found.is_defined or not 0 < found.half_width < math.inf:
        return number(found.mean, unit_text) if found.is_defined else "-"
    factor = 100 if unit_text == "1" else 1
    half = factor * (found.high - found.mean)
    digits = 1 if half >= 3 * 10 ** math.floor(math.log10(half)) else 2  # 0.32 is as precise as 0.1
    places = max(0, digits - 1 - math.floor(math.log10(half)))
    return f"{factor * found.mean:,.{places}f}±{half:,.{places}f}"


def percent(found: Estimate, sign: str = " %") -> str:
    """Return a share with its interval: 94 % [93, 94]."""
    return signed_interval(found.scaled(100), ".0f", sign) if found.is_defined else "not defined"


def windows(about: StudySummary) -> str:
    """Return the seed and the windows of a study's runs."""
    duration, warm_up = about.duration_s / 3600, about.warm_up_s / 3600
    return f"seed {about.seed}, windows of {duration:g} h after {warm_up:.3g} h of warm-up"
