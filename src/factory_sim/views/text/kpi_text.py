"""Results for the terminal, the answer first, in the reader's units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from factory_sim.records import KpiTable

STATIONS_SHOWN = 12
LINE_ROWS = {  # KPI of the line -> what a person calls it
    "good_parts": "good parts",
    "good_parts_per_h": "good parts per planned hour",
    "output_interval_s": "output interval",
    "oee": "OEE of all machines",
    "first_pass_yield": "first-pass yield",
    "wip": "work in progress",
    "lead_time_s": "lead time",
    "kwh_per_part": "energy per part",
    "cost_per_part": "cost per part",
}
STATION_COLUMNS = {  # KPI of an operation -> the head of its column
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
    """What the whole line did, the constraint first."""
    shown = Table("line", "", "", box=None, pad_edge=False)
    shown.columns[1].justify = "right"
    for name, label in (("constraint", "critical path"), ("constraint_by_active_period", "active period")):
        place = float(table.kpis[f"line.{name}"].values)
        shown.add_row(f"constraint by {label}", "none" if np.isnan(place) else table.operations[int(place)])
    for name, label in LINE_ROWS.items():
        kpi = table.kpis[f"line.{name}"]
        shown.add_row(label, number(float(kpi.values), kpi.unit), unit(kpi.unit))
    return shown


def station_table(table: KpiTable) -> Table:
    """The stations with the largest shares of the critical path."""
    share = table.kpis["operation.critical_path_share"].values
    kpis = [table.kpis[f"operation.{name}"] for name in STATION_COLUMNS]
    heads = [f"{label}, {unit(kpi.unit)}" for label, kpi in zip(STATION_COLUMNS.values(), kpis, strict=True)]
    shown = Table("station", *heads, box=None, pad_edge=False)
    for column in shown.columns[1:]:
        column.justify = "right"
    for i in np.argsort(-np.nan_to_num(share), kind="stable")[:STATIONS_SHOWN].tolist():
        shown.add_row(table.operations[i], *(number(float(k.values[i]), k.unit) for k in kpis))
    return shown


def unit(text: str) -> str:
    """The unit that `number` shows a value in: shares as percentages."""
    return "%" if text == "1" else text


def number(value: float, unit_text: str = "") -> str:
    """Four digits that matter; "-" where there is no value."""
    if not np.isfinite(value):
        return "-"
    if unit_text == "1":
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 or value == int(value) else f"{value:.4g}"
