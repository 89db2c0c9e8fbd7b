"""Figures by matplotlib (extra `[plots]`), the one importer of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib import dates
from matplotlib.figure import Figure

from factory_sim.plant.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.collections import PolyCollection

COLOURS = {
    "BUSY": "#2e7d4f", "SETUP": "#8e6bbf", "STARVED": "#d8d4c8", "BLOCKED": "#e0a030", "DOWN": "#b3261e",
    "REPAIR": "#7a1a14", "MAINTENANCE": "#3f6fb5", "OFF": "#f4f2ec",
}  # fmt: skip
_OTHER = "#9a958a"
mpl.rcParams["axes.spines.top"] = mpl.rcParams["axes.spines.right"] = False


def signal(frame: pd.DataFrame, title: str) -> Figure:
    """Return the curve of a signal over time; buckets show their mean and the range between lowest and highest.

    Parameters
    ----------
    frame : readings by time stamp, one column; or buckets with the columns mean, low, high
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
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


def states(strips: Mapping[str, Sequence[tuple[float, float, str]]], title: str) -> Figure:
    """Return one strip per machine, coloured by state.

    Parameters
    ----------
    strips : by machine, stretches (from [h], length [h], name of the state)
    """
    figure = Figure(figsize=(9, 0.9 + 0.22 * len(strips)), layout="constrained")
    axes = figure.subplots()
    names = list(strips)
    seen: dict[str, PolyCollection] = {}
    for row, name in enumerate(names):
        for state in [each.name for each in State]:
            spans = [(begin, length) for begin, length, what in strips[name] if what == state]
            if spans:
                colour = COLOURS.get(state, _OTHER)
                seen[state] = axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour, label=state.lower())
    axes.set(title=title, xlabel="time since the window began [h]", yticks=range(len(names)), yticklabels=names)
    axes.invert_yaxis()
    axes.legend(list(seen.values()), [name.lower() for name in seen], ncols=6, fontsize=7, loc="upper right")
    return figure


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str, unit: str) -> Figure:
    """Return estimates with their confidence intervals.

    Parameters
    ----------
    rows : (label, mean, low, high), from top to bottom
    """
    figure = Figure(figsize=(7, 0.9 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for at, (_, mean, low, high) in enumerate(rows):
        axes.errorbar(mean, at, xerr=[[mean - low], [high - mean]], fmt="o", color="#1f5fa8", capsize=3)
    axes.axvline(0, color="#9a958a", lw=0.8)
    axes.set(title=title, xlabel=f"[{unit}]", yticks=range(len(rows)), yticklabels=[row[0] for row in rows])
    axes.invert_yaxis()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of `path` selects the file type."""
    figure.savefig(path, dpi=150)


def _clock(axes: Any, zone: object) -> None:
    locator = dates.AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    shape = dates.ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(shape)
