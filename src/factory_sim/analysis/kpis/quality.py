"""First-pass yield, scrap, rework."""

from __future__ import annotations

from factory_sim.analysis.kpis.kpi_kind import F8, STATION, Facts, KpiKind, Totals, of_totals, ratio

_LEVELS = (*STATION, "line")


def first_pass_yield(f: Facts, level: str) -> F8:
    """Parts good at the first try / parts tried. ISO 22400-2: GP / IP. Of the line: left without rework / out."""
    if level == "line":
        return ratio([f.flow.first_time], [f.flow.left + f.flow.scrapped])
    totals = f.at(level)
    return ratio(totals.passed, totals.tried)


def scrap_ratio(f: Facts, level: str) -> F8:
    """Scrap / parts. ISO 22400-2: SQ / PQ. Of the line: scrap / (good + scrap)."""
    if level == "line":
        return ratio([f.flow.scrapped], [f.flow.left + f.flow.scrapped])
    totals = f.at(level)
    return ratio(totals.scrap, totals.parts)


def rework_ratio(t: Totals) -> F8:
    """Parts sent back / parts. ISO 22400-2: RQ / PQ. Of the line: of all operations together."""
    return ratio(t.rework, t.parts)


KINDS = {
    "first_pass_yield": KpiKind("1", 1, _LEVELS, first_pass_yield, ("counts", "quality", "rework", "parts")),
    "scrap_ratio": KpiKind("1", -1, _LEVELS, scrap_ratio, ("counts", "quality")),
    "rework_ratio": of_totals("1", -1, _LEVELS, rework_ratio, "counts", "quality", "rework"),
}
