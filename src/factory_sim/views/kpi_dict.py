"""The JSON form of KPI tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.results.simulate import KpiValues

if TYPE_CHECKING:
    from factory_sim.records import F8, Kpi, KpiTable
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
            values=_numbers(table, kpi, kpi.values),
            reasons=_texts(table, kpi, kpi.reasons),
            marks=_texts(table, kpi, kpi.marks),
            low=_numbers(table, kpi, kpi.low),
            high=_numbers(table, kpi, kpi.high),
        )
        for name, kpi in table.kpis.items()
    }


def _numbers(table: KpiTable, kpi: Kpi, values: F8 | None) -> dict[str, float | None]:
    return {} if values is None else dict(zip(things(table, kpi.per), np.reshape(values, -1).tolist(), strict=True))


def _texts(table: KpiTable, kpi: Kpi, texts: tuple[str, ...]) -> dict[str, str]:
    """Return the texts by name, without the empty ones."""
    return {name: text for name, text in zip(things(table, kpi.per), texts, strict=bool(texts)) if text}


def kpi_dict(table: KpiTable) -> dict[str, Json]:
    """Return KPI name -> {unit, per, better, source, values: {name: number, None where it is not defined}, ...}."""
    return {name: each.to_dict() for name, each in kpi_values(table).items()}


def things(table: KpiTable, per: str) -> tuple[str, ...]:
    """Return the names of what a KPI has values of."""
    return {"line": (LINE,), "operation": table.operations, "machine": table.machines, "section": table.sections}[per]
