"""What a trial keeps for the report's pictures: lost time by reason, and what every machine was doing all the time."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.losses import pareto
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.analysis.facts import Facts
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Window

STEP_S = 10
LEAST_H = 0.005  # a smaller loss is told without whom it waited for
WITH_LOSSES, WITH_STRIP = 8, 1  # replications that keep them: enough for a picture, and quick


def of(facts: Facts, log: EventLog, plant: Plant, replication: int) -> dict[str, Any]:
    """What a trial keeps beside its figures, as its line in a study has it."""
    kept: dict[str, Any] = {}
    if replication < WITH_LOSSES:
        kept["losses"] = losses(facts, plant)
    if replication < WITH_STRIP:
        kept["strip"] = strip(log, plant, facts.window)
    return kept


def losses(facts: Facts, plant: Plant) -> list[tuple[str, str, str, float]]:
    """Lost machine time of the window: (section, reason, by, hours), largest first.

    Operations are summed over their section; vehicles, robots and crews stand under the name of their pool.
    """
    pools = {plant.units[unit]: fleet.name for fleet in plant.fleets for unit in fleet.units}
    pools |= {plant.units[unit]: crew.name for crew in plant.crews for unit in crew.units}
    total: dict[tuple[str, str, str], float] = {}
    for loss in pareto(facts):
        hours = loss.seconds / 3600
        by = pools.get(loss.by, loss.by) if hours >= LEAST_H else ""
        key = (facts.meta.operations[loss.operation].section, loss.reason, by)
        total[key] = total.get(key, 0.0) + hours
    return [(*key, round(hours, 4)) for key, hours in sorted(total.items(), key=lambda item: (-item[1], item[0]))]


def strip(log: EventLog, plant: Plant, window: Window) -> dict[str, Any]:
    """State of every machine at every step of the window, as a study keeps it (docs/studies.md)."""
    moments = np.arange(window.t0_us, window.t1_us, STEP_S * 1_000_000)
    rows = np.argsort(log.unit, kind="stable")
    first = np.searchsorted(log.unit[rows], np.arange(len(plant.units) + 1))
    codes = np.full((len(plant.machines), len(moments)), int(State.OFF), np.uint8)
    for line, machine in zip(codes, plant.machines, strict=True):
        own = rows[first[machine.unit] : first[machine.unit + 1]]
        at = np.searchsorted(log.t_us[own], moments, side="right") - 1
        line[at >= 0] = log.state[own][at[at >= 0]]
    return {"step_s": STEP_S, "codes": base64.b64encode(zlib.compress((codes + ord("0")).tobytes(), 6)).decode("ascii")}


def codes(kept: dict[str, Any]) -> str:
    """The digits of a strip. Raises ValueError when they cannot be read."""
    try:
        return zlib.decompress(base64.b64decode(kept["codes"], validate=True)).decode("ascii")
    except (KeyError, TypeError, zlib.error) as error:
        message = f"the strip cannot be read: {error}"
        raise ValueError(message) from None
