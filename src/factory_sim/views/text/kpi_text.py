"""KPIs for the terminal, in the reader's units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from factory_sim.records import EMPTY_WINDOW
from factory_sim.views.labels import LINE_LABELS

if TYPE_CHECKING:
    from factory_sim.records import Kpi, KpiTable
    from factory_sim.results.feed import FeedCounts

STATIONS_SHOWN = 12
STATION_COLUMNS = {  # KPI of an operation -> head of its column
    "critical_path_share": "path",
    "cycle_time_s": "cycle",
    "oee": "OEE",
    "availability": "avail.",
    "effectiveness": "effect.",
    "quality": "quality",
    "share_starved": "starved",
    "share_blocked": "blocked",
}


def line_table(table: KpiTable) -> Table:
    """Return the KPIs of the line, the constraint first."""
    shown = Table("line", "", "", box=None, pad_edge=False)
    shown.columns[1].justify = "right"
    for name, label in (("constraint", "critical path"), ("constraint_by_active_period", "active period")):
        place = float(table.kpis[f"line.{name}"].values)
        shown.add_row(f"constraint by {label}", "none" if np.isnan(place) else table.operations[int(place)])
    for name, label in LINE_LABELS.items():
        kpi = table.kpis[f"line.{name}"]
        shown.add_row(label, number(float(kpi.values), kpi.unit), unit(kpi.unit))
    return shown


def notes(table: KpiTable) -> list[str]:
    """Return, in the order of the tables, why values that they show are not defined, and what marks them."""
    shown = {name: f"line.{name}" for name in ("constraint", *LINE_LABELS)}
    shown |= {f"station {name}": f"operation.{name}" for name in STATION_COLUMNS}
    found: dict[str, list[str]] = {}
    for label, name in shown.items():
        kpi = table.kpis[name]
        bounds = "" if kpi.low is None or kpi.high is None or kpi.per != "line" else _between(kpi)
        for text in dict.fromkeys(each for each in (*kpi.reasons, *kpi.marks, bounds) if each):
            if text != EMPTY_WINDOW:
                found.setdefault(text, []).append(LINE_LABELS.get(label, label.replace("_", " ")))
    return [f"{', '.join(labels)}: {text}" for text, labels in found.items()]


def _between(kpi: Kpi) -> str:
    """Return the bounds of a KPI of the line; "" where they are not defined."""
    ends = [float(end) for end in (kpi.low, kpi.high) if end is not None]
    if not np.isfinite(ends).all():
        return ""
    low, high = (number(end, kpi.unit) for end in ends)
    return f"between {low} and {high} {unit(kpi.unit)}, as states are unknown for some time"


def station_table(table: KpiTable) -> Table:
    """Return the stations with the largest shares of the critical path."""
    share = table.kpis["operation.critical_path_share"].values
    kpis = [table.kpis[f"operation.{name}"] for name in STATION_COLUMNS]
    heads = [f"{label}\n{unit(kpi.unit)}" for label, kpi in zip(STATION_COLUMNS.values(), kpis, strict=True)]
    shown = Table("station", *heads, box=None, pad_edge=False)
    for column in shown.columns[1:]:
        column.justify = "right"
    for i in np.argsort(-np.nan_to_num(share), kind="stable")[:STATIONS_SHOWN].tolist():
        shown.add_row(table.operations[i], *(number(float(k.values[i]), k.unit) for k in kpis))
    return shown


def feed_line(counts: FeedCounts, reason: str = "") -> str:
    """Return what has arrived of a feed; `reason`: why the last skipped message was skipped."""
    text = (
        f"{counts.readings:,} readings in {counts.messages:,} messages; {counts.lost:,} lost, "
        f"{counts.duplicates:,} duplicates, {counts.skipped:,} messages skipped"
    )
    return f"{text}\n  last skipped: {reason}" if reason else text


def unit(text: str) -> str:
    """Return the unit in which `number` shows a value: shares as percentages."""
    return "%" if text == "1" else text


def number(value: float, unit_text: str = "") -> str:
    """Return a number with four significant digits; "-" where it is not defined."""
    if not np.isfinite(value):
        return "-"
    if unit_text == "1":
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 or value == int(value) else f"{value:.4g}"
