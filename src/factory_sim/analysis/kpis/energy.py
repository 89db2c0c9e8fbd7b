"""Energy by meter, its audit by state × power, and energy by kind of time."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis.facts import groups, machine_units
from factory_sim.analysis.kpis.kpi_kind import ALL, F8, LINE, STATION, Facts, KpiKind, Totals, of_totals, ratio, single
from factory_sim.analysis.unit_energy import J_PER_KWH, power_w
from factory_sim.plant.states import State

_CAUSES = {
    "processing": (State.BUSY, State.SETUP),
    "waiting": (State.STARVED, State.WAITING, State.IDLE),
    "blocked": (State.BLOCKED,),
    "down": (State.DOWN, State.REPAIR, State.MAINTENANCE),
    "off": (State.OFF,),
}


def line_kwh(f: Facts) -> float:
    """Energy of all units and the base load [kWh]."""
    return f.unit_kwh + f.meta.base_load_w * (f.window.t1_us - f.window.t0_us) / 1e6 / J_PER_KWH


def kwh(f: Facts, level: str) -> F8:
    """Rise of the energy meters in the window, state × power where there is none; of the line with base load."""
    return single(line_kwh(f)) if level == "line" else f.at(level).kwh


def kwh_audit(t: Totals) -> F8:
    """Metered energy of the machines / Σ state time × power - 1: the two should agree."""
    return ratio(t.kwh, t.kwh_audit) - 1


def kwh_per_good_part(t: Totals) -> F8:
    """Energy / good parts of the same machine or station."""
    return ratio(t.kwh, t.good)


def kwh_per_part(f: Facts, _level: str) -> F8:
    """Energy of everything / good parts of the line."""
    return ratio([line_kwh(f)], [f.flow.left])


def _by_cause(name: str, states: tuple[State, ...]) -> KpiKind:
    def part(f: Facts, level: str) -> F8:
        units = machine_units(f.meta)
        watts = power_w(f.meta)[units][:, states]
        joules = (f.state_us[units][:, states] * watts).sum(axis=1) / 1e6
        group, n = groups(f.meta, level)
        return np.bincount(group, joules, n) / J_PER_KWH

    part.__doc__ = f"Energy while {name}: Σ state time × power over {', '.join(s.name for s in states)}."
    return KpiKind("kWh", 0 if name == "processing" else -1, ALL, part)


KINDS = {
    "kwh": KpiKind("kWh", -1, ALL, kwh),
    "kwh_per_good_part": of_totals("kWh/part", -1, STATION, kwh_per_good_part),
    "kwh_per_part": KpiKind("kWh/part", -1, LINE, kwh_per_part),
    "kwh_audit": of_totals("1", 0, ALL, kwh_audit),
    **{f"kwh_{name}": _by_cause(name, states) for name, states in _CAUSES.items()},
}
