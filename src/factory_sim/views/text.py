"""Results for the terminal, the answer first, in the reader's units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from factory_sim.records import KpiTable

STATIONS_SHOWN = 12
LINE_ROWS = (
    "good_parts", "good_parts_per_h", "output_interval_s", "oee", "first_pass_yield", "wip", "lead_time_s",
    "kwh_per_part", "cost_per_part",
)  # fmt: skip
STATION_COLUMNS = (
    "critical_path_share", "cycle_time_s", "output_interval_s", "oee", "availability", "effectiveness", "quality",
    "share_starved", "share_blocked", "kwh_per_good_part",
)  # fmt: skip


def line_table(table: KpiTable) -> Table:
    """What the whole line did."""
    shown = Table("line", "", "unit", box=None, pad_edge=False)
    shown.columns[1].justify = "right"
    for name in ("constraint", "constraint_by_active_period"):
        place = float(table.kpis[f"line.{name}"].values)
        shown.add_row(words(name), "none" if np.isnan(place) else table.operations[int(place)], "operation")
    for name in LINE_ROWS:
        kpi = table.kpis[f"line.{name}"]
        shown.add_row(words(name), number(float(kpi.values), kpi.unit), unit(kpi.unit))
    return shown


def station_table(table: KpiTable) -> Table:
    """The stations with the largest critical-path shares."""
    share = table.kpis["operation.critical_path_share"].values
    kpis = [table.kpis[f"operation.{name}"] for name in STATION_COLUMNS]
    headers = [f"{words(n)}\n[{unit(k.unit)}]" for n, k in zip(STATION_COLUMNS, kpis, strict=True)]
    shown = Table("station", *headers, box=None, pad_edge=False)
    for column in shown.columns[1:]:
        column.justify = "right"
    for i in np.argsort(-np.nan_to_num(share), kind="stable")[:STATIONS_SHOWN].tolist():
        shown.add_row(table.operations[i], *(number(float(k.values[i]), k.unit) for k in kpis))
    return shown


def words(name: str) -> str:
    """A KPI's name as a person says it."""
    for suffix in ("_per_h", "_s"):
        name = name.removesuffix(suffix)
    return name.replace("share_", "").replace("_", " ").replace("kwh", "kWh").replace("oee", "OEE")


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
