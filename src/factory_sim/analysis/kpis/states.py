"""Shares of the window by state."""

from __future__ import annotations

from factory_sim.analysis.kpis.kpi_kind import ALL, F8, LINE, Facts, KpiKind, ratio
from factory_sim.plant.states import DOWN_STATES, SEMI_E10, WORKING_STATES, State

# states of machines; the states of vehicles and crews have their own KPIs
MACHINE_STATES = tuple(State)[: State.REPAIR + 1]
_LOSSES = (State.DOWN, State.REPAIR, State.SETUP)


def _share(column: int, better: int, words: str, *needs: str) -> KpiKind:
    def share(f: Facts, level: str) -> F8:
        totals = f.at(level)
        return ratio(totals.state_us[:, column], totals.window_us)

    share.__doc__ = f"Time {words} / window; the shares of a machine add up to 1."
    return KpiKind("1", better, ALL, share, ("states", *needs))


def _share_of(state: State) -> KpiKind:
    better = 1 if state == State.BUSY else -1 if state in _LOSSES else 0
    needs = ("failures",) if state in DOWN_STATES else ()
    return _share(state, better, f"{state.name.lower()} (SEMI E10: {SEMI_E10[state]})", *needs)


def _at_work(role: str) -> KpiKind:
    def work(f: Facts, _level: str) -> F8:
        times = f.state_us[[u for u, info in enumerate(f.meta.units) if info.role == role]]
        return ratio([times[:, WORKING_STATES].sum()], [times.sum()])

    work.__doc__ = f"Share of time the {role}s of the plant are at work, all together."
    return KpiKind("1", 0, LINE, work, ("states", "service"))


KINDS = {
    **{f"share_{state.name.lower()}": _share_of(state) for state in MACHINE_STATES},
    "share_unknown": _share(State.UNKNOWN, -1, "unknown: no news, or before the first row that arrived"),
    **{f"{role}_utilisation": _at_work(role) for role in ("vehicle", "conveyor", "robot", "crew")},
}
