"""The answer of `read`: what is derivable first, then KPIs of units, then what was skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from factory_sim.records import CLOCK_DOUBT
from factory_sim.results.stop_losses import StopLosses
from factory_sim.views.text.kpi_text import notes, number, unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Kpi, KpiTable
    from factory_sim.results.read import ReadResult

_SHOWN = (  # KPIs of the table of derivability, by name without the level
    *("parts", "good_parts", "scrap_parts", "cycle_time_s", "availability", "effectiveness", "quality", "oee"),
    *("failures", "mttr_s", "kwh", "critical_path_share", "wip", "lead_time_s", "cost_per_part"),
)
_MACHINE = {
    "parts": "parts",
    "cycle_time_s": "cycle",
    "share_busy": "busy",
    "share_starved": "starved",
    "share_blocked": "blocked",
    "share_down": "down",
    "share_unknown": "unknown",
    "oee": "OEE",
    "kwh": "energy",
}
_MOST_MACHINES = 40
_FIRST = ("machine", "line", "operation")


def tables(result: ReadResult, table: KpiTable) -> Iterator[Table]:
    """Yield the table of derivability, that of the machines and that of detected cycles."""
    yield _derivability(result)
    yield _machines(table)
    yield losses(StopLosses(losses_s=result.losses_s, loss_table=result.loss_table))
    if result.cycles:
        yield _cycles(result)


def _derivability(result: ReadResult) -> Table:
    shown = Table("KPI", "derivable", "assumption, or the signal that is missing", box=None, pad_edge=False)
    by_kpi = {each.kpi: each for each in result.derivable}
    for name in _SHOWN:
        each = next((by_kpi[f"{level}.{name}"] for level in _FIRST if f"{level}.{name}" in by_kpi), None)
        if each is not None:
            shown.add_row(name, each.status, each.needs if each.status == "no" else each.assumption)
    return shown


def _machines(table: KpiTable) -> Table:
    kpis = [table.kpis[f"machine.{name}"] for name in _MACHINE]
    heads = [f"{label}\n{unit(kpi.unit)}" for label, kpi in zip(_MACHINE.values(), kpis, strict=True)]
    shown = Table("unit", *heads, box=None, pad_edge=False)
    for column in shown.columns[1:]:
        column.justify = "right"
    for i, name in enumerate(table.machines[:_MOST_MACHINES]):
        shown.add_row(name, *(_with_bounds(kpi, i) for kpi in kpis))
    if len(table.machines) > _MOST_MACHINES:
        shown.add_row(f"and {len(table.machines) - _MOST_MACHINES} more: --json FILE", *[""] * len(kpis))
    return shown


def _with_bounds(kpi: Kpi, i: int) -> str:
    """Return a value, and below it its bounds where the feed is incomplete."""
    value = float(np.reshape(kpi.values, -1)[i])
    text = number(value, kpi.unit)
    if kpi.low is None or kpi.high is None or np.isnan(value):
        return text
    low, high = (number(float(np.reshape(each, -1)[i]), kpi.unit) for each in (kpi.low, kpi.high))
    return text if low == high else f"{text}\n≥ {low}\n≤ {high}"


def losses(found: StopLosses) -> Table:
    """Return the hours of each machine by loss category; the heads name the states and stops of each."""
    categories = ["running", *found.loss_table]
    heads = [f"{name}:\n" + ",\n".join(found.loss_table.get(name, ("all others",))) for name in categories]
    shown = Table("hours of", *heads, box=None, pad_edge=False)
    for unit_name, seconds in found.losses_s.items():
        shown.add_row(unit_name, *(f"{seconds[name] / 3600:.2f}" for name in categories))
    return shown


def _cycles(result: ReadResult) -> Table:
    shown = Table("cycles from signals of", "found", "mean, s", "confidence", box=None, pad_edge=False)
    for each in result.cycles:
        found = "not derivable" if each.found is None else f"{each.found:,}"
        mean = "-" if each.mean_s is None else f"{each.mean_s:.4g}"
        shown.add_row(each.unit, found, mean, f"{each.confidence:.2f}")
    return shown


def clock_lines(table: KpiTable) -> list[str]:
    """Return which KPIs clocks that disagree make doubtful."""
    return [f"  * {note}" for note in notes(table) if CLOCK_DOUBT in note]


def skipped_lines(result: ReadResult) -> Iterator[str]:
    """Yield what was skipped, by reason."""
    for each in result.skipped:
        yield (
            f"  skipped {each.count:,}: {each.reason}; first: {each.example}"
            if each.example
            else f"  skipped {each.count:,}: {each.reason}"
        )
