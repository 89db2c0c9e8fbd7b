"""The JSON form of KPI tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from factory_sim.records import KpiTable
    from factory_sim.results.record import Json

LINE = "line"  # name of the values of the whole line


def kpi_dict(table: KpiTable) -> dict[str, Json]:
    """Return KPI name -> {unit, per, better, source, values: {name: number, None where it is not defined}}."""
    return {
        name: {
            "unit": kpi.unit,
            "per": kpi.per,
            "better": kpi.better,
            "source": kpi.source,
            "values": dict(zip(things(table, kpi.per), _numbers(kpi.values), strict=True)),
        }
        for name, kpi in table.kpis.items()
    }


def things(table: KpiTable, per: str) -> tuple[str, ...]:
    """Return the names of what a KPI has values of."""
    return {"line": (LINE,), "operation": table.operations, "machine": table.machines, "section": table.sections}[per]


def _numbers(values: Any) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in np.reshape(values, -1).tolist()]
