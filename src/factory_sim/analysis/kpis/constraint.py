"""The operation that limits the line, by several detectors."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis import bottleneck
from factory_sim.analysis.kpis.kpi_kind import F8, LINE, Facts, KpiKind, clock_doubt, ratio, single

_OPERATION = ("operation",)
_PATH = ("states", "counts", "flow", "parts")


def critical_path_share(f: Facts, _level: str) -> F8:
    """Share of the critical path's time in operations; walk back over causes from the last good part. Sums to 1."""
    return bottleneck.shares(f.path_us, f.meta)


def average_active_period_s(f: Facts, _level: str) -> F8:
    """Mean uninterrupted active stretch of the machines. Roser, Nakano and Tanaka 2001."""
    return bottleneck.average_active_period(f.periods, f.meta)


def momentary_active_share(f: Facts, _level: str) -> F8:
    """Share of time with the longest running active stretch. Roser, Nakano and Tanaka 2002."""
    return bottleneck.momentary_active_period(f.periods, f.meta, f.window)


def active_share(f: Facts, _level: str) -> F8:
    """Share of time active: busy, setup, maintenance, down. The utilisation ranking."""
    return bottleneck.utilisation(f.state_us, f.meta)


def turning_point(f: Facts, _level: str) -> F8:
    """Index of the turning point of blocking and starving; 0: none. Li, Chang and Ni 2009."""
    return bottleneck.turning_point(f.state_us, f.meta)


def arrow(f: Facts, _level: str) -> F8:
    """Severity where no arrow leaves; 0: one leaves. Kuo, Lim and Meerkov 1996."""
    return bottleneck.arrow(f.state_us, f.meta)


def constraint(f: Facts, level: str) -> F8:
    """Number of the operation with the largest critical-path share."""
    return _first(critical_path_share(f, level))


def constraint_by_active_period(f: Facts, level: str) -> F8:
    """Number of the operation with the longest average active period."""
    return _first(average_active_period_s(f, level))


def path_outside_share(f: Facts, _level: str) -> F8:
    """Share of the critical path outside operations: waiting for arrivals, on vehicles and conveyors, or not known."""
    inside = sum(int(f.path_us[list(each.machines)].sum()) for each in f.meta.operations)
    return 1 - ratio([inside], [bottleneck.path_length_us(f.log, f.window)])


def _first(score: F8) -> F8:
    return single(np.nan if np.isnan(score).all() or not len(score) else float(np.nanargmax(score)))


KINDS = {
    "critical_path_share": KpiKind("1", -1, _OPERATION, critical_path_share, _PATH, clock_doubt),
    "average_active_period_s": KpiKind("s", -1, _OPERATION, average_active_period_s, ("states",)),
    "momentary_active_share": KpiKind("1", -1, _OPERATION, momentary_active_share, ("states",)),
    "active_share": KpiKind("1", 0, _OPERATION, active_share, ("states",)),
    "turning_point": KpiKind("1", -1, _OPERATION, turning_point, ("states", "flow")),
    "arrow": KpiKind("1", -1, _OPERATION, arrow, ("states", "flow")),
    "constraint": KpiKind("operation", 0, LINE, constraint, _PATH, clock_doubt),
    "constraint_by_active_period": KpiKind("operation", 0, LINE, constraint_by_active_period, ("states",)),
    "path_outside_share": KpiKind("1", 0, LINE, path_outside_share, _PATH, clock_doubt),
}
