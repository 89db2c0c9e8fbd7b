"""The JSON form of KPI tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.results.simulate import KpiValues

if TYPE_CHECKING:
    from factory_sim.records import KpiTable
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
            values=dict(zip(things(table, kpi.per), np.reshape(kpi.values, -1).tolist(), strict=True)),
        )
        for name, kpi in table.kpis.items()
    }


def kpi_dict(table: KpiTable) -> dict[str, Json]:
    """Return KPI name -> {unit, per, better, source, values: {name: number, None where it is not defined}}."""
    return {name: each.to_dict() for name, each in kpi_values(table).items()}


def things(table: KpiTable, per: str) -> tuple[str, ...]:
    """Return the names of what a KPI has values of."""
    return {"line": (LINE,), "operation": table.operations, "machine": table.machines, "section": table.sections}[per]
