"""The rolling windows of a feed for the terminal, in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.views.labels import LINE_LABELS
from factory_sim.views.text.kpi_text import number, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import KpiTable

_LABEL, _COLUMN = 25, 11


def window_lines(tables: Mapping[str, KpiTable], shift: str = "") -> list[str]:
    """Return the KPIs of the line by window, one line per KPI; shift : name of the present one."""
    if not tables:
        return []
    lines = [_line("constraint", [_constraint(table) for table in tables.values()])]
    lines += [_line("  share of the path, %", [_share(table) for table in tables.values()])]
    for name, label in LINE_LABELS.items():
        kpis = [table.kpis[f"line.{name}"] for table in tables.values()]
        lines.append(_line(_labelled(name, label, kpis[0].unit), [number(float(k.values), k.unit) for k in kpis]))
    return [_line(shift or "window", list(tables)), *lines]


def _line(label: str, cells: list[str]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)


def _labelled(name: str, label: str, unit_text: str) -> str:
    if name == "good_parts_per_h":
        return "  per planned hour"
    of_unit = unit(unit_text).removesuffix("/part")
    return label if of_unit in ("", "parts") else f"{label}, {of_unit}"


def _constraint(table: KpiTable) -> str:
    place = float(table.kpis["line.constraint"].values)
    return "-" if np.isnan(place) else table.operations[int(place)][: _COLUMN - 1]


def _share(table: KpiTable) -> str:
    place = float(table.kpis["line.constraint"].values)
    shares = table.kpis["operation.critical_path_share"].values
    return "-" if np.isnan(place) else number(float(shares[int(place)]), "1")
