"""The figures of the demo: the headline's KPIs, their changes over pairs, the audit against the simulator's counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim import clock
from factory_sim.analysis.paired import paired_percent_change
from factory_sim.results.demo import Audit, Figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from factory_sim.live.publish import Sent
    from factory_sim.plant.spec import Plant
    from factory_sim.results.estimate import Estimate


def figures(found: Mapping[str, Any], plant: Plant) -> Figures:
    """Return the headline figures among the KPIs of `listen --json`."""
    names = [operation.name for operation in plant.operations]
    number = found["line.constraint"]["values"]["line"]
    constraint = names[int(number)] if number is not None else ""
    pacing = names[plant.pacing] if plant.pacing >= 0 else constraint

    def value(name: str, thing: str) -> float:
        got = found[name]["values"].get(thing)
        return float("nan") if got is None else float(got)

    return Figures(
        station_cycle_time_s=value("operation.cycle_time_s", pacing),
        good_parts_per_h=value("line.good_parts_per_h", "line"),
        oee=value("operation.oee", pacing),
        kwh_per_part=value("line.kwh_per_part", "line"),
        cost_per_part=value("line.cost_per_part", "line"),
        constraint=constraint,
    )


def changes(pairs: Sequence[tuple[Figures, Figures]]) -> dict[str, Estimate]:
    """Return the change from the first to the second of each pair, with 95 % intervals over the pairs [%]."""
    measures: dict[str, Callable[[Figures], float]] = {
        "station_time_pct": lambda f: f.station_cycle_time_s,
        "station_rate_pct": lambda f: 1 / f.station_cycle_time_s,
        "line_rate_pct": lambda f: f.good_parts_per_h,
        "kwh_per_part_pct": lambda f: f.kwh_per_part,
        "cost_per_part_pct": lambda f: f.cost_per_part,
    }
    return {
        name: paired_percent_change([measure(before) for before, _ in pairs], [measure(after) for _, after in pairs])
        for name, measure in measures.items()
    }


def audit(found: Mapping[str, Any], sent: Sent) -> Audit:
    """Compare the KPIs of `listen --json` with the simulator's counts."""
    truth = sent.truth
    assert truth is not None
    cycle_s, parts = found["machine.cycle_time_s"]["values"], found["machine.parts"]["values"]
    time_error, parts_error = 0.0, 0
    for unit, info in enumerate(sent.meta.units):
        if info.role != "machine":
            continue
        made = int(truth.parts[unit])
        parts_error += abs(made - int(parts[info.name]))
        if made:
            true_s = clock.s_from_us(int(truth.busy_us[unit])) / made
            time_error = max(time_error, abs(true_s - (cycle_s[info.name] or 0.0)))
    return Audit(cycle_time_error_s=time_error, parts_error=parts_error)


def worst(audits: Sequence[Audit]) -> Audit:
    """Return the largest errors of several audits."""
    return Audit(
        cycle_time_error_s=max(a.cycle_time_error_s for a in audits), parts_error=sum(a.parts_error for a in audits)
    )
