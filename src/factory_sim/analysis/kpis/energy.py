"""Energy by meter, its audit by state × power, and energy by kind of time."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis.facts import groups, machine_units
from factory_sim.analysis.kpis.kpi_kind import ALL, F8, LINE, STATION, Facts, KpiKind, Totals, of_totals, ratio
from factory_sim.analysis.unit_energy import J_PER_KWH
from factory_sim.plant.states import State

_CAUSES = {
    "processing": (State.BUSY, State.SETUP),
    "waiting": (State.STARVED, State.WAITING, State.IDLE),
    "blocked": (State.BLOCKED,),
    "down": (State.DOWN, State.REPAIR, State.MAINTENANCE),
    "off": (State.OFF,),
}


def _line_kwh(f: Facts) -> F8:
    """Return the energy of all units and the base load, and its bounds, shape (3,) [kWh]."""
    return np.array(f.unit_kwh) + f.meta.base_load_w * (f.window.t1_us - f.window.t0_us) / 1e6 / J_PER_KWH


def kwh(f: Facts, level: str) -> F8:
    """Rise of the energy meters in the window, state × power where there is none; of the line with base load."""
    return _line_kwh(f)[:1] if level == "line" else f.at(level).kwh


def _kwh_bounds(f: Facts, level: str) -> tuple[F8, F8]:
    """Return the energy with the least and the greatest power of each unit while its state is unknown."""
    if level == "line":
        return _line_kwh(f)[1:2], _line_kwh(f)[2:]
    return f.at(level).kwh_low, f.at(level).kwh_high


def by_states(f: Facts, level: str) -> list[str]:
    """Return which values come from state times and stated powers instead of meters."""
    if level == "line":
        powered = ~np.isnan(f.power_w).all(axis=1)
        metered, n = [int(f.metered.sum())], [int((f.metered | powered).sum())]
    else:
        metered, n = f.at(level).metered.tolist(), f.at(level).machines.tolist()
    return [_by_states(few, many) for few, many in zip(metered, n, strict=True)]


def _by_states(metered: int, n: int) -> str:
    if metered == n:
        return ""
    return "state times × stated power" + (f" for {n - metered} of {n} units" if metered else "")


def kwh_audit(t: Totals) -> F8:
    """Metered energy of the machines / Σ state time × power - 1: the two should agree."""
    return ratio(t.kwh, t.kwh_audit) - 1


def kwh_per_good_part(t: Totals) -> F8:
    """Energy / good parts of the same machine or station."""
    return ratio(t.kwh, t.good)


def kwh_per_part(f: Facts, _level: str) -> F8:
    """Energy of everything / good parts of the line."""
    return ratio(_line_kwh(f)[:1], [f.flow.left])


def _by_cause(name: str, states: tuple[State, ...]) -> KpiKind:
    def part(f: Facts, level: str) -> F8:
        units = machine_units(f.meta)
        watts = f.power_w[units][:, states]
        times_us = f.state_us[units][:, states]
        joules = np.where((times_us > 0) | np.isnan(watts), times_us * watts, 0.0).sum(axis=1) / 1e6
        group, n = groups(f.meta, level)
        return np.bincount(group, joules, n) / J_PER_KWH

    part.__doc__ = f"Energy while {name}: Σ state time × power over {', '.join(s.name for s in states)}."
    return KpiKind("kWh", 0 if name == "processing" else -1, ALL, part, ("power", "states"))


KINDS = {
    "kwh": KpiKind("kWh", -1, ALL, kwh, ("energy",), by_states, _kwh_bounds),
    "kwh_per_good_part": of_totals(
        "kWh/part", -1, STATION, kwh_per_good_part, "energy", "counts", "good", marks=by_states
    ),
    "kwh_per_part": KpiKind("kWh/part", -1, LINE, kwh_per_part, ("energy", "counts", "good"), by_states),
    "kwh_audit": of_totals("1", 0, ALL, kwh_audit, "energy", "power", "states"),
    **{f"kwh_{name}": _by_cause(name, states) for name, states in _CAUSES.items()},
}
