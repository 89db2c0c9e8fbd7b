"""Records as plain dicts: the one JSON form of KPI tables, for reports, pages and other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from factory_sim.records import KpiTable

LINE = "line"  # the name under which a quantity of the whole line stands


def kpi_dict(table: KpiTable) -> dict[str, Any]:
    """KPI name -> {unit, per, better, source, values: {thing: number, or None where there is none}}."""
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
    """Names of what a KPI has values of."""
    return {"line": (LINE,), "operation": table.operations, "machine": table.machines, "section": table.sections}[per]


def _numbers(values: Any) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in np.reshape(values, -1).tolist()]
