"""Figures by matplotlib (extra `[plots]`), the one importer of it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from factory_sim.plant.states import N_STATES, State
from factory_sim.results.compare import ComparisonResult
from factory_sim.results.sweep import SweepResult
from factory_sim.results.why import WhyResult
from factory_sim.views.html.palette import SCENARIOS, STATES
from factory_sim.views.labels import CONTRIBUTION, LINE_LABELS, QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from factory_sim.records import U1
    from factory_sim.results.estimate import Estimate
    from factory_sim.results.optimise import OptimisationResult

mpl.rcParams["axes.spines.top"] = mpl.rcParams["axes.spines.right"] = False
STEPS = 1500  # columns of a chart of states: about the pixels of its width
NAMED = 40  # units whose names fit beside a chart of states; of more, the groups are named
MOST_ROWS = 30  # of a chart of intervals
_GREY, _BLUE, _RED, _VIOLET = (on_light for on_light, _ in SCENARIOS)


class Drawing(Figure):
    """A figure that a notebook shows without `%matplotlib inline`."""

    def _repr_png_(self) -> bytes:
        with BytesIO() as file:
            self.savefig(file, format="png", dpi=110)
            return file.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChart:
    """What `states` draws: states of units over time, and the output beside them."""

    title: str
    grid: U1  # shape (units, steps)
    start: pd.Timestamp  # by the plant's clock
    step_s: float
    names: Sequence[str]  # of units
    groups: Sequence[str]  # of units: equal names stand together
    good_parts: pd.DatetimeIndex  # when each good part left the line


class Row(NamedTuple):
    """One estimate of a chart of intervals."""

    label: str
    estimate: Estimate
    colour: str = _BLUE


class Panel(NamedTuple):
    """One chart of intervals: estimates in one unit."""

    title: str
    unit: str
    rows: list[Row]
    zero: bool = True  # whether 0 has a meaning that deserves a line


def signal(frame: pd.DataFrame, title: str) -> Drawing:
    """Return the curve of a signal over time; buckets show their mean and the range between lowest and highest.

    Parameters
    ----------
    frame : readings by time stamp, one column; or buckets with the columns mean, low, high
    """
    figure = Drawing(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    columns = list(frame.columns)
    clock = pd.DatetimeIndex(frame.index)
    unit = columns[0][columns[0].find("[") + 1 : -1]
    axes.plot(frame.index, frame[columns[0]], lw=0.8, color="#1f5fa8")
    if len(columns) > 1:
        axes.fill_between(frame.index, frame[columns[1]], frame[columns[2]], alpha=0.25, color="#1f5fa8", lw=0)
    axes.set(title=title, ylabel=f"[{unit}]", xlabel=f"time ({clock.tz})")
    _clock(axes, clock.tz)
    return figure


def states(chart: StateChart) -> Drawing:
    """Return the output per hour above the states of units over time."""
    n_units, n_steps = chart.grid.shape
    tall = min(max(0.16 * n_units, 0.8), 8.0)  # inches
    figure = Drawing(figsize=(9, 3.2 + tall), layout="constrained")
    output, strips = figure.subplots(2, sharex=True, height_ratios=[1.4, tall])
    zone, end = chart.start.tz, chart.start + pd.Timedelta(seconds=n_steps * chart.step_s)
    edges = pd.date_range(chart.start, end, freq="h")
    edges = edges if edges[-1] == end else pd.DatetimeIndex([*edges, end])
    hours = np.diff(edges.asi8) / pd.Timedelta(hours=1).to_timedelta64().astype("m8[ns]").astype(np.int64)
    counts = np.histogram(chart.good_parts.asi8, edges.asi8)[0]
    x = dates.date2num(edges)  # type: ignore[no-untyped-call]
    output.bar(x[:-1], counts / hours, np.diff(x), align="edge", color=_BLUE, edgecolor="white", lw=0.5)
    output.set(title=chart.title, ylabel="good parts/h")
    colours = ListedColormap(
        [STATES[State(code)][0] if State(code) in STATES else "#ffffff" for code in range(N_STATES)]
    )
    extent = (x[0], x[-1], n_units - 0.5, -0.5)
    strips.imshow(
        chart.grid, aspect="auto", cmap=colours, vmin=-0.5, vmax=N_STATES - 0.5, extent=extent, interpolation="nearest"
    )
    strips.set_yticks(*_unit_ticks(chart), fontsize=7)
    strips.set(xlabel=f"time ({zone})")
    _clock(strips, zone)
    there = [state for state in STATES if state in set(np.unique(chart.grid).tolist())]
    handles = [
        Patch(facecolor=STATES[state][0], edgecolor="#87919b", lw=0.5, label=STATES[state][2]) for state in there
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def study(result: ComparisonResult | WhyResult | SweepResult | OptimisationResult) -> Drawing:
    """Return the estimates of a study with their confidence intervals."""
    panels = [panel for panel in panels_of(result) if panel.rows]
    sizes = [len(panel.rows) + 3 for panel in panels]
    figure = Drawing(figsize=(9, 0.26 * sum(sizes) + 0.4), layout="constrained")
    for axes, panel in zip(np.atleast_1d(figure.subplots(len(panels), height_ratios=sizes)), panels, strict=True):
        _intervals(axes, panel)
    return figure


def panels_of(result: ComparisonResult | WhyResult | SweepResult | OptimisationResult) -> Iterator[Panel]:
    """Yield what is drawn of an answer."""
    if isinstance(result, ComparisonResult):
        yield from _comparison(result)
    elif isinstance(result, WhyResult):
        rows = [
            Row(f"{each.kind} {each.name}: {one.change}", one.parts_per_shift, _sign(one.parts_per_shift))
            for each in result.resources
            for one in each.relief
        ]
        rows.sort(key=lambda row: -row.estimate.mean)
        yield Panel(f"{result.of}: what relieving a resource brings", "good parts per shift", rows[:MOST_ROWS])
    elif isinstance(result, SweepResult):
        name, response = next(iter(result.responses.items()))
        rows = [
            Row(_values(point.values), point.responses[name], _RED if n == result.best else _BLUE)
            for n, point in enumerate(result.points)
        ]
        yield Panel(f"{result.base}: {LINE_LABELS.get(name, name)}", response.unit, rows[:MOST_ROWS], zero=False)
    else:
        name, response = next(iter(result.objectives.items()))
        rows = [Row(_values(one.values), one.responses[name], _RED if one.selected else _BLUE) for one in result.front]
        title = f"{result.base}: {LINE_LABELS.get(name, name)} on the Pareto front"
        yield Panel(title, response.unit, rows[:MOST_ROWS], zero=False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of `path` selects the file type."""
    figure.savefig(path, dpi=150)


def _comparison(result: ComparisonResult) -> Iterator[Panel]:
    colours = (_BLUE, _RED, _VIOLET)
    rows = [
        Row(shown.label.format(station=each.station), each.change[name], colours[n % len(colours)])
        for name, shown in QUANTITIES.items()
        if shown.unit != "%"  # a relative change of a percentage is easily misread
        for n, each in enumerate(result.scenarios)
        if name in each.change and each.change[name].is_defined
    ]
    names = ", ".join(each.scenario for each in result.scenarios)
    yield Panel(f"{names} against {result.base}", "change, %", rows)
    for each in result.scenarios:
        if each.attribution is not None:
            by_size = sorted(each.attribution.contributions.items(), key=lambda found: -found[1].mean)
            parts = [Row(name, one) for name, one in by_size]
            yield Panel(f"{each.scenario}: {CONTRIBUTION.lower()}", "percentage points of the line rate", parts)


def _intervals(axes: Any, panel: Panel) -> None:
    for y, row in enumerate(panel.rows):
        mean, low, high = row.estimate.mean, row.estimate.low, row.estimate.high
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [y, y], color=row.colour, lw=2.2, solid_capstyle="butt")
        axes.plot(mean, y, "o", color=row.colour, ms=5)
    if panel.zero:
        axes.axvline(0.0, color=_GREY, lw=0.8, zorder=0)
    axes.set_yticks(range(len(panel.rows)), [row.label for row in panel.rows], fontsize=8)
    axes.set(title=panel.title, xlabel=panel.unit, ylim=(len(panel.rows) - 0.4, -0.6))
    axes.grid(axis="x", color="#e3e7ea", lw=0.6)
    axes.set_axisbelow(True)


def _sign(found: Estimate) -> str:
    return _GREY if found.includes_zero else _BLUE


def _values(values: Any) -> str:
    return ", ".join(f"{address} {value}" for address, value in values.items())


def _unit_ticks(chart: StateChart) -> tuple[list[float], list[str]]:
    """Return places and names: of every unit, or of the groups where units are too many."""
    if len(chart.names) <= NAMED:
        return [float(y) for y in range(len(chart.names))], list(chart.names)
    begins = [y for y, group in enumerate(chart.groups) if y == 0 or group != chart.groups[y - 1]]
    ends = [*begins[1:], len(chart.groups)]
    return [(a + b - 1) / 2 for a, b in zip(begins, ends, strict=True)], [chart.groups[y] for y in begins]


def _clock(axes: Any, zone: object) -> None:
    locator = dates.AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    shape = dates.ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(shape)
