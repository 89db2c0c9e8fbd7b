"""What a trial records for the report's charts: lost time by reason, and the states of all machines over time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.analysis.losses import pareto
from factory_sim.plant.states import Outcome
from factory_sim.study.output import parts_by_shift
from factory_sim.study.study_json import STRIP_STEP_S
from factory_sim.views.state_grid import state_grid

if TYPE_CHECKING:
    from factory_sim.analysis.facts import Facts
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Window
    from factory_sim.study_records import Trial

LEAST_H = 0.005  # a smaller loss is recorded without its cause
WITH_LOSSES, WITH_STRIP = 8, 1  # first replications that record them: enough for a chart, and quick
Losses = tuple[tuple[str, str, str, float], ...]


def with_details(trial: Trial, facts: Facts, log: EventLog, plant: Plant) -> Trial:
    """Return the trial with the details that its replication records."""
    return replace(
        trial,
        losses=losses_of(facts, plant) if trial.replication < WITH_LOSSES else (),
        shifts=parts_by_shift(log.t_us[log.outcome == Outcome.LEFT], plant, facts.window),
        strip=strip_of(log, plant, facts.window) if trial.replication < WITH_STRIP else "",
    )


def losses_of(facts: Facts, plant: Plant) -> Losses:
    """Return lost machine time of the window as (section, reason, by, hours), largest first.

    Operations are summed over their section; vehicles, robots and crews are counted under the name of their pool.
    """
    pools = {plant.units[unit]: fleet.name for fleet in plant.fleets for unit in fleet.units}
    pools |= {plant.units[unit]: crew.name for crew in plant.crews for unit in crew.units}
    total: dict[tuple[str, str, str], float] = {}
    for loss in pareto(facts):
        hours = loss.seconds / 3600
        by = pools.get(loss.by, loss.by) if hours >= LEAST_H else ""
        key = (facts.meta.operations[loss.operation].section, loss.reason, by)
        total[key] = total.get(key, 0.0) + hours
    ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return tuple((*key, round(hours, 4)) for key, hours in ranked)


def strip_of(log: EventLog, plant: Plant, window: Window) -> str:
    """Return the state of every machine at every step of the window: one digit each, machine after machine."""
    grid = state_grid(log, [machine.unit for machine in plant.machines], window, STRIP_STEP_S * 1_000_000)
    return (grid + ord("0")).tobytes().decode("ascii")
