"""What a machine has: kinds give, operations and machines say it differently, key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from factory_sim.plant import spec
from factory_sim.plant.resolve import sensor_faults, sensors
from factory_sim.plant.states import N_STATES, State
from factory_sim.plant.yaml import shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.resolve.sensors import Channel
    from factory_sim.plant.yaml.tree import Path

ShapeT = TypeVar("ShapeT", bound=BaseModel)
Level = tuple["Path", shapes.Equipment]  # the farther first: kind, operation, machine

_SOONEST_S, _OFTENEST_S = 1e-3, 1.0  # of failures, of maintenance: below, time would hardly go on
_LIKE_STARVED = (State.SETUP, State.BLOCKED, State.WAITING)
_LIKE_OFF = (State.MAINTENANCE, State.DOWN, State.REPAIR)


@dataclass(frozen=True, slots=True)
class Outfit:
    """The equipment of one machine, or of all machines of an operation."""

    power_w: tuple[float, ...]
    failures: tuple[spec.FailureMode, ...]
    maintenance: tuple[spec.Maintenance, ...]
    channels: tuple[Channel, ...]
    faults: tuple[spec.SensorFault, ...]


def outfit(levels: Sequence[Level], context: Context) -> Outfit:
    """What the levels say together; problems are reported where they were written."""
    modes = _entries(levels, "failures", shapes.Failure)
    failures = [_failure(name, path, shape, context) for name, path, shape in modes]
    wears = any(shape.wear or not context.report.clean(path) for _, path, shape in modes)
    plans = [
        _maintenance(name, path, shape, context, wears=wears)
        for name, path, shape in _entries(levels, "maintenance", shapes.Maintenance)
    ]
    power = shapes.MachinePower()
    for _, equipment in levels:
        power = _overlay(power, equipment.power)
    merged = _entries(levels, "sensors", shapes.Sensor)
    return Outfit(
        machine_power(power),
        tuple(mode for mode in failures if mode is not None),
        tuple(plan for plan in plans if plan is not None),
        channels(merged, "machine", context),
        sensor_faults.of_unit(_entries(levels, "faults", shapes.Fault), context.report),
    )


def channels(entries: Sequence[tuple[str, Path, shapes.Sensor]], role: str, context: Context) -> tuple[Channel, ...]:
    """The resolved sensors of a unit of this role."""
    found = [
        sensors.resolve(name, shape, path, role, context.catalogue, context.report) for name, path, shape in entries
    ]
    return tuple(channel for channel in found if channel is not None)


def own_channels(
    of: Mapping[str, shapes.Sensor | None], path: Path, role: str, context: Context
) -> tuple[Channel, ...]:
    """The same where nothing is inherited: vehicles, robots."""
    entries = [(name, (*path, "sensors", name), shape) for name, shape in of.items() if shape is not None]
    return channels(entries, role, context)


def machine_power(power: shapes.MachinePower) -> tuple[float, ...]:
    """Power by state [W], shape (N_STATES,), with the defaults that shapes.MachinePower tells."""
    watts = power_by_state(power)
    for state in State:
        if getattr(power, state.name.lower(), None) is None:
            watts[state] = (
                watts[State.STARVED] if state in _LIKE_STARVED else watts[State.OFF] if state in _LIKE_OFF else 0.0
            )
    return tuple(watts)


def power_by_state(power: BaseModel) -> list[float]:
    """Power [W] of each state that is given, 0 else."""
    watts = [0.0] * N_STATES
    for state in State:
        watts[state] = getattr(power, state.name.lower(), None) or 0.0
    return watts


def _overlay(base: ShapeT, top: ShapeT) -> ShapeT:
    given = {key: value for key in top.model_fields_set if (value := getattr(top, key)) is not None}
    return base.model_copy(update=given) if given else base


def _entries(levels: Sequence[Level], what: str, _model: type[ShapeT]) -> list[tuple[str, Path, ShapeT]]:
    """Name, place and merged shape of each entry; an entry that is empty (null) on a nearer level is gone."""
    found: dict[str, tuple[str, Path, ShapeT]] = {}
    for path, equipment in levels:
        entries: Mapping[str, ShapeT | None] = getattr(equipment, what)
        for name, shape in entries.items():
            if shape is None:
                found.pop(name, None)
            elif name in found:
                found[name] = (name, found[name][1], _overlay(found[name][2], shape))
            else:
                found[name] = (name, (*path, what, name), shape)
    return list(found.values())


def _failure(name: str, path: Path, shape: shapes.Failure, context: Context) -> spec.FailureMode | None:
    report = context.report
    crew = context.crew(path, shape.crew, shape.skill)
    if shape.wear and shape.clock != "busy":
        report.add((*path, "wear"), "needs clock: busy, since only work wears")
    if shape.after is not None and shape.after.mean_s < _SOONEST_S:
        report.add((*path, "after"), "is below 1 ms: the machine would always be down")
    for key in ("after", "repair"):
        if getattr(shape, key) is None:
            report.add((*path, key), "is missing", "Write both after: 4 h and repair: 12 min.")
    if shape.after is None or shape.repair is None:
        return None
    return spec.FailureMode(name, shape.after, shape.repair, shape.clock, shape.wear, crew, shape.priority)


def _maintenance(
    name: str, path: Path, shape: shapes.Maintenance, context: Context, *, wears: bool
) -> spec.Maintenance | None:
    report = context.report
    if not (shape.every or shape.every_parts or shape.at_wear):
        report.add(path, "never comes due", "Write every: 8 h, every_parts: 500 or at_wear: 80 %.")
    if 0 < shape.every < _OFTENEST_S:
        report.add((*path, "every"), "comes due more than once a second")
    if shape.at_wear and not wears:
        report.add((*path, "at_wear"), "needs a failure mode with wear: yes on the same machine")
    crew = context.crew(path, shape.crew)
    if shape.duration is None:
        report.add((*path, "duration"), "is missing", "Write how long it takes: duration: 10 min.")
        return None
    return spec.Maintenance(name, shape.duration, shape.every, shape.every_parts, shape.at_wear, crew)
