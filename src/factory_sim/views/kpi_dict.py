"""The JSON form of KPI tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.records import Kpi, KpiTable
from factory_sim.results.simulate import KpiValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import F8, Window
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


def kpi_table(window: Window, found: Mapping[str, KpiValues]) -> KpiTable:
    """Return the table of which `kpi_values` made these records: the same numbers, bit for bit."""
    names = {each.per: tuple(each.values) for each in found.values()}
    kpis = {
        name: Kpi(
            _array(each.values, each.per),
            each.unit,
            each.per,
            each.better,
            each.source,
            tuple(each.reasons.get(thing, "") for thing in each.values) if each.reasons else (),
            tuple(each.marks.get(thing, "") for thing in each.values) if each.marks else (),
            _array(each.low, each.per) if each.low else None,
            _array(each.high, each.per) if each.high else None,
        )
        for name, each in found.items()
    }
    operations, machines, sections = (names.get(per, ()) for per in ("operation", "machine", "section"))
    return KpiTable(window, operations, machines, sections, kpis)


def _array(values: Mapping[str, float | None], per: str) -> F8:
    numbers = np.array([np.nan if each is None else each for each in values.values()], np.float64)
    return numbers.reshape(()) if per == LINE else numbers


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
