"""The critical path, attributed to the resources that it waited for (rule CAUSE-11 of docs/model.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import topology
from factory_sim.analysis.kernels import path_walk
from factory_sim.analysis.kernels.path_walk import Part
from factory_sim.plant.states import Outcome
from factory_sim.results.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import I8, EventLog, Meta, Window

STATION_PARTS = (Part.PROCESSING, Part.SETUP, Part.FAILURES, Part.MAINTENANCE)
_KINDS = {"machine": "operation", "source": "source", "vehicle": "fleet"}  # role of a unit -> kind, for its own time
_POOLS = {Part.SERVICE: "operator", Part.REPAIR: "crew"}


def divided_us(log: EventLog, meta: Meta, window: Window | None = None) -> I8:
    """Return the time of each unit on the critical path by what it was spent on, shape (n_units, len(Part)) [µs].

    `log` contains causes. Zero everywhere when no good part left the line in the window.
    """
    window = window or meta.window
    out = np.zeros((len(meta.units), len(Part)), np.int64)
    left = np.flatnonzero((log.outcome == Outcome.LEFT) & (log.t_us >= window.t0_us) & (log.t_us < window.t1_us))
    if len(left):
        role = np.ascontiguousarray(topology.of(meta).units["role"])
        columns = (log.t_us, log.unit, log.state, log.outcome, log.cause)
        path_walk.divide(*columns, role, np.empty(len(log), np.int64), int(left[-1]), window.t0_us, out)
    return out


def shares(out_us: I8, meta: Meta, shifts: Mapping[int, str]) -> dict[Resource, tuple[float, ...]]:
    """Return each resource's share of the path: four of an operation, as `STATION_PARTS` has them, one of the others.

    shifts : names by unit. Time on conveyors belongs to no resource; with it the shares sum to 1.
    """
    total = float(out_us.sum())
    found: dict[Resource, list[float]] = {}
    for unit, part in zip(*np.nonzero(out_us), strict=True):
        resource = _resource(meta, int(unit), Part(part), shifts)
        if resource is not None:
            is_station = resource.kind == "operation"
            values = found.setdefault(resource, [0.0] * (len(STATION_PARTS) if is_station else 1))
            values[STATION_PARTS.index(Part(part)) if is_station else 0] += int(out_us[unit, part]) / total
    return {resource: tuple(values) for resource, values in found.items()}


def _resource(meta: Meta, unit: int, part: Part, shifts: Mapping[int, str]) -> Resource | None:
    about = meta.units[unit]
    if part == Part.CLOSED:
        return Resource(kind="shift", name=shifts.get(unit, ""))
    if part == Part.CARDS:
        return Resource(kind="cards", name=about.name)
    if about.role == "machine":
        return Resource(kind="operation", name=meta.operations[about.operation].name)
    if about.role in {"robot", "crew"}:
        return Resource(kind="robot" if about.role == "robot" else _POOLS.get(part, "operator"), name=about.kind)
    kind = _KINDS.get(about.role)
    return Resource(kind=kind, name=about.kind if kind == "fleet" else about.name) if kind else None
