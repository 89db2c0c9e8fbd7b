"""Every KPI of a window. A new KPI is a function in its family's module and one line in the family's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import facts as facts_of
from factory_sim.analysis import needs
from factory_sim.analysis.kpis import (
    constraint,
    cost,
    effectiveness,
    energy,
    flow,
    maintenance,
    production,
    quality,
    states,
)
from factory_sim.plant.states import State
from factory_sim.records import EMPTY_WINDOW, Kpi, KpiTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.facts import Facts
    from factory_sim.analysis.kpis.kpi_kind import KpiKind
    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.records import F8, EventLog, Meta, Window

# keys of a table are "<level>.<name>": "operation.oee", "line.good_parts_per_h"
_FAMILIES = (production, effectiveness, states, quality, maintenance, flow, constraint, energy, cost)
KPIS: dict[str, KpiKind] = {name: kind for family in _FAMILIES for name, kind in family.KINDS.items()}


def table(
    log: EventLog,
    meta: Meta,
    blocks: Sequence[Blocks] | None = None,
    window: Window | None = None,
    findings: Iterable[Finding] = (),
) -> KpiTable:
    """Return every KPI of `window` (default: the feed's). Without `blocks` (meter readings), energy is state × power.

    Only what telemetry carries is read: `log.cause` is inferred anew. findings : those about clocks mark the KPIs that
    depend on the order of moves between units.
    """
    return of_facts(facts_of.collect(log, meta, blocks, window, findings))


def of_facts(facts: Facts) -> KpiTable:
    """Return every KPI of collected facts."""
    meta = facts.meta
    kpis = {f"{level}.{name}": _kpi(kind, facts, level) for name, kind in KPIS.items() for level in kind.levels}
    machines = tuple(meta.units[u].name for u in facts_of.machine_units(meta).tolist())
    operations = tuple(each.name for each in meta.operations)
    return KpiTable(facts.window, operations, machines, facts_of.sections(meta), kpis)


def _kpi(kind: KpiKind, facts: Facts, level: str) -> Kpi:
    values, reasons = _defined(kind, facts, level)
    marks = kind.marks(facts, level) if kind.marks is not None else []
    marks = ["" if reason else mark for mark, reason in zip(marks, reasons, strict=bool(marks))]
    bounds = kind.bounds(facts, level) if kind.bounds is not None and _has_unknown(facts) else (None, None)
    return Kpi(
        values.reshape(()) if level == "line" else values,
        kind.unit.replace("currency", facts.meta.prices.currency),
        level,
        kind.better,
        kind.source,
        tuple(reasons) if any(reasons) else (),
        tuple(marks) if any(marks) else (),
        *(each if each is None or level != "line" else each.reshape(()) for each in bounds),
    )


def _defined(kind: KpiKind, facts: Facts, level: str) -> tuple[F8, list[str]]:
    """Return the values, NaN where a need is not met, and why each is not defined."""
    values = np.array(kind.compute(facts, level), np.float64)
    if not facts.lacking.isdisjoint(kind.needs):
        values[:] = np.nan
    undefined = np.isnan(values)
    if not undefined.any():
        return values, [""] * values.size
    reasons = np.where(undefined, EMPTY_WINDOW, "").astype(object)
    for need in reversed(kind.needs):
        reasons[undefined & facts.lacks(need, level)] = needs.NEEDS[need].reason
    return values, reasons.tolist()


def _has_unknown(facts: Facts) -> bool:
    return bool(facts.at("machine").state_us[:, State.UNKNOWN].any())
