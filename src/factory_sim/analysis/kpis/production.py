"""Output and its rate."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis.kpis.kpi_kind import F8, LINE, STATION, Facts, KpiKind, Totals, of_totals, ratio, single

_US_PER_H = 3.6e9


def parts(t: Totals) -> F8:
    """Parts given away in the window: good, for rework and scrap. ISO 22400-2: produced quantity PQ."""
    return t.parts.astype(np.float64)


def good_parts(f: Facts, level: str) -> F8:
    """Parts passed on as good. ISO 22400-2: good quantity GQ. Of the line: parts that reached the sink."""
    return single(f.flow.left) if level == "line" else f.at(level).good.astype(np.float64)


def scrap_parts(f: Facts, level: str) -> F8:
    """Parts scrapped. ISO 22400-2: scrap quantity SQ."""
    return single(f.flow.scrapped) if level == "line" else f.at(level).scrap.astype(np.float64)


def rework_parts(t: Totals) -> F8:
    """Parts sent back. ISO 22400-2: rework quantity RQ."""
    return t.rework.astype(np.float64)


def cycle_time_s(t: Totals) -> F8:
    """Busy seconds per part finished in the window, of a station divided by its machines.

    All busy stretches of the part's cycle count, also before the window; down, setup and blocked do not; parts whose
    start was not seen are left out.
    """
    return ratio(t.cycle_us / 1e6, t.timed * t.machines)


def throughput_per_h(f: Facts, level: str) -> F8:
    """Parts given away per hour of the window; of the line: good parts. ISO 22400-2: throughput rate PQ / AOET."""
    if level == "line":
        return ratio(good_parts(f, level), (f.window.t1_us - f.window.t0_us) / _US_PER_H)
    totals = f.at(level)
    return ratio(totals.parts, totals.window_us / totals.machines.clip(1) / _US_PER_H)


def output_interval_s(f: Facts, level: str) -> F8:
    """Window / good parts."""
    return ratio((f.window.t1_us - f.window.t0_us) / 1e6, good_parts(f, level))


def good_parts_per_h(f: Facts, _level: str) -> F8:
    """Production efficiency: good parts of the line per planned production hour."""
    return ratio([f.flow.left], [f.planned_us / _US_PER_H])


def arrivals_lost(f: Facts, _level: str) -> F8:
    """Arrivals that found the line full and were lost."""
    return single(f.flow.lost)


KINDS = {
    "good_parts_per_h": KpiKind("parts/h", 1, LINE, good_parts_per_h, ("counts", "good")),
    "good_parts": KpiKind("parts", 1, (*STATION, "line"), good_parts, ("counts", "good")),
    "parts": of_totals("parts", 1, STATION, parts, "counts"),
    "scrap_parts": KpiKind("parts", -1, (*STATION, "line"), scrap_parts, ("quality",)),
    "rework_parts": of_totals("parts", -1, (*STATION, "line"), rework_parts, "quality", "rework"),
    "cycle_time_s": of_totals("s", -1, STATION, cycle_time_s, "states", "counts"),
    "throughput_per_h": KpiKind("parts/h", 1, (*STATION, "line"), throughput_per_h, ("counts",)),
    "output_interval_s": KpiKind("s", -1, (*STATION, "line"), output_interval_s, ("counts",)),
    "arrivals_lost": KpiKind("parts", -1, LINE, arrivals_lost, ("sources",)),
}
