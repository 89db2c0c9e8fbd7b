"""The JSON form of KPI tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.results.simulate import KpiValues

if TYPE_CHECKING:
    from factory_sim.records import Kpi, KpiTable
    from factory_sim.results.record import Json

LINE = "line"  # name of the values of the whole line


def kpi_values(table: KpiTable) -> dict[str, KpiValues]:
    """Return the KPIs of a table as records."""
    return {
        name: KpiValues(
            unit=kpi.unit,
            per=kpi.per,
            better=kpi.better,
            source=kpi.source,
            **{what: each for what, each in by_name(table, kpi).items() if each},
        )
        for name, kpi in table.kpis.items()
    }


def by_name(table: KpiTable, kpi: Kpi) -> dict[str, dict[str, Any]]:
    """Return the values of a KPI by name; reasons and marks without the empty ones; bounds where there are any."""
    names = things(table, kpi.per)
    columns = {"values": kpi.values, "low": kpi.low, "high": kpi.high}
    numbers = {key: np.reshape(each, -1).tolist() if each is not None else [] for key, each in columns.items()}
    found: dict[str, dict[str, Any]] = {key: dict(zip(names, each, strict=False)) for key, each in numbers.items()}
    for key, texts in (("reasons", kpi.reasons), ("marks", kpi.marks)):
        found[key] = {name: text for name, text in zip(names, texts, strict=False) if text}
    return found


def kpi_dict(table: KpiTable) -> dict[str, Json]:
    """Return KPI name -> {unit, per, better, source, values: {name: number, None where it is not defined}, ...}."""
    return {name: each.to_dict() for name, each in kpi_values(table).items()}


def things(table: KpiTable, per: str) -> tuple[str, ...]:
    """Return the names of what a KPI has values of."""
    return {"line": (LINE,), "operation": table.operations, "machine": table.machines, "section": table.sections}[per]
