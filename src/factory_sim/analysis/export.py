"""KPI tables for people and other programs: JSON, CSV, pandas."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.records import Kpi, KpiTable, Window

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("kpi", "level", "item", "value", "unit", "better", "source")


def to_dict(table: KpiTable) -> dict[str, Any]:
    """The table as JSON has it; NaN becomes null. `from_dict` gives back an equal one."""
    return {
        "window": {"t0_us": table.window.t0_us, "t1_us": table.window.t1_us},
        "operations": list(table.operations),
        "machines": list(table.machines),
        "sections": list(table.sections),
        "kpis": {
            name: {"values": _plain(kpi), "unit": kpi.unit, "per": kpi.per, "better": kpi.better, "source": kpi.source}
            for name, kpi in table.kpis.items()
        },
    }


def from_dict(found: dict[str, Any]) -> KpiTable:
    """The table that `to_dict` wrote. Raises KeyError or TypeError for anything else."""
    kpis = {
        name: Kpi(_array(kpi["values"]), kpi["unit"], kpi["per"], kpi["better"], kpi["source"])
        for name, kpi in found["kpis"].items()
    }
    operations, machines, sections = (tuple(found[key]) for key in ("operations", "machines", "sections"))
    window = Window(found["window"]["t0_us"], found["window"]["t1_us"])
    return KpiTable(window, operations, machines, sections, kpis)


def rows(table: KpiTable) -> list[tuple[Any, ...]]:
    """One row a number, in the order of COLUMNS; `item` is the machine, operation or section, "" for the line."""
    items = {"line": ("",), "operation": table.operations, "machine": table.machines, "section": table.sections}
    return [
        (name.partition(".")[2], kpi.per, item, float(value), kpi.unit, kpi.better, kpi.source)
        for name, kpi in table.kpis.items()
        for item, value in zip(items[kpi.per], np.atleast_1d(kpi.values), strict=True)
    ]


def to_csv(table: KpiTable) -> str:
    """One line a number, with a header; undefined values are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for kpi, level, item, value, *rest in rows(table):
        writer.writerow((kpi, level, item, "" if math.isnan(value) else repr(value), *rest))
    return out.getvalue()


def to_pandas(table: KpiTable) -> pd.DataFrame:
    """One row a number, columns COLUMNS."""
    import pandas as pd  # noqa: PLC0415 - heavy, and only for people who read tables

    return pd.DataFrame(rows(table), columns=list(COLUMNS))


def _plain(kpi: Kpi) -> Any:
    if kpi.values.ndim == 0:
        return None if math.isnan(kpi.values) else float(kpi.values)
    return [None if math.isnan(value) else value for value in kpi.values.tolist()]


def _array(values: Any) -> Any:
    if isinstance(values, list):
        return np.array([math.nan if value is None else value for value in values], np.float64)
    return np.array(math.nan if values is None else values, np.float64)
