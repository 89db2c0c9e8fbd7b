"""Parts inside the line and their lead times."""

from __future__ import annotations

from factory_sim.analysis.kpis.kpi_kind import F8, LINE, Facts, KpiKind, clock_doubt, ratio, single


def wip(f: Facts, _level: str) -> F8:
    """Mean number of parts inside the line over the window; a component counts until it is merged."""
    return ratio([f.flow.inside_us], [f.window.t1_us - f.window.t0_us])


def lead_time_s(f: Facts, _level: str) -> F8:
    """Work in progress × window / parts that left, were scrapped or merged. Little 1961, L = λ W."""
    return ratio([f.flow.inside_us / 1e6], [f.flow.left + f.flow.scrapped + f.flow.merged])


def lead_time_seen_s(f: Facts, _level: str) -> F8:
    """Mean time from entry to exit of the good parts that left in the window and were seen entering."""
    return ratio([f.flow.lead_us / 1e6], [f.flow.seen])


def parts_entered(f: Facts, _level: str) -> F8:
    """Parts that entered the line in the window."""
    return single(f.flow.entered)


KINDS = {
    "wip": KpiKind("parts", -1, LINE, wip, ("counts", "sources", "parts"), clock_doubt),
    "lead_time_s": KpiKind("s", -1, LINE, lead_time_s, ("counts", "sources", "parts"), clock_doubt),
    "lead_time_seen_s": KpiKind("s", -1, LINE, lead_time_seen_s, ("counts", "sources", "parts"), clock_doubt),
    "parts_entered": KpiKind("parts", 0, LINE, parts_entered, ("sources",)),
}
