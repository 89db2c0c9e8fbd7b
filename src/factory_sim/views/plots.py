"""Figures by matplotlib (extra `[plots]`), the one importer of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib import dates
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path


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


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of `path` selects the file type."""
    figure.savefig(path, dpi=150)


def _clock(axes: Any, zone: object) -> None:
    locator = dates.AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    shape = dates.ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(shape)
