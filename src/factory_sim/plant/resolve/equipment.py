"""Equipment of machines: values of kinds, overridden key by key by operations and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from factory_sim.plant import spec
from factory_sim.plant.resolve import sensor_faults, sensors
from factory_sim.plant.states import KNOWN_STATES, State
from factory_sim.plant.yaml import shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.yaml.tree import Path

ShapeT = TypeVar("ShapeT", bound=BaseModel)
Entry = tuple[str, "Path", ShapeT]  # name, path, shape
Level = tuple["Path", shapes.Equipment]

# Shortest time between failures, and between maintenance: with shorter ones the clock hardly advances.
_SOONEST_S, _OFTENEST_S = 1e-3, 1.0
_LIKE_STARVED = (State.SETUP, State.BLOCKED, State.WAITING)
_LIKE_OFF = (State.MAINTENANCE, State.DOWN, State.REPAIR)


@dataclass(frozen=True, slots=True)
class Outfit:
    """The equipment of one machine, or of all machines of an operation."""

    power_w: tuple[float, ...]
    failures: tuple[spec.FailureMode, ...]
    maintenance: tuple[spec.Maintenance, ...]
    sensors: tuple[spec.Sensor, ...]  # without ids
    faults: tuple[spec.SensorFault, ...]


def outfit(levels: Sequence[Level], context: Context) -> Outfit:
    """Return the equipment that results from the levels: kind, operation and machine, in this order."""
    modes = _entries(levels, "failures", shapes.Failure)
    failures = [_failure(*mode, context) for mode in modes]
    wears = any(shape.wear or not context.report.clean(path) for _, path, shape in modes)
    plans = [_maintenance(*plan, context, wears=wears) for plan in _entries(levels, "maintenance", shapes.Maintenance)]
    power = shapes.MachinePower()
    for _, equipment in levels:
        power = _overlay(power, equipment.power)
    return Outfit(
        power_w=machine_power(power),
        failures=tuple(mode for mode in failures if mode is not None),
        maintenance=tuple(plan for plan in plans if plan is not None),
        sensors=_sensors(_entries(levels, "sensors", shapes.Sensor), "machine", context),
        faults=sensor_faults.resolve(
            _entries(levels, "faults", shapes.Fault), sensor_faults.OF_UNITS, "s", context.report
        ),
    )


def own_sensors(
    of: Mapping[str, shapes.Sensor | None], path: Path, role: str, context: Context
) -> tuple[spec.Sensor, ...]:
    """Return the sensors, without ids, of a vehicle or robot."""
    entries = [(name, (*path, "sensors", name), shape) for name, shape in of.items() if shape is not None]
    return _sensors(entries, role, context)


def _sensors(entries: Sequence[Entry[shapes.Sensor]], role: str, context: Context) -> tuple[spec.Sensor, ...]:
    catalogue, report = context.catalogue, context.report
    found = [sensors.resolve(name, shape, path, role, catalogue, report) for name, path, shape in entries]
    return tuple(sensor for sensor in found if sensor is not None)


def machine_power(power: shapes.MachinePower) -> tuple[float, ...]:
    """Return the power by state [W], shape (n_known_states,), with the defaults of shapes.MachinePower; () for none."""
    watts = list(power_by_state(power))
    if not watts:
        return ()
    for usual, states in ((State.STARVED, _LIKE_STARVED), (State.OFF, _LIKE_OFF)):
        for state in states:
            if getattr(power, state.name.lower()) is None:
                watts[state] = watts[usual]
    return tuple(watts)


def power_by_state(power: BaseModel) -> tuple[float, ...]:
    """Return the power [W] of each state, 0 if not given; () when no power is given: it is not known."""
    if all(value is None for value in power.model_dump().values()):
        return ()
    return tuple(getattr(power, state.name.lower(), None) or 0.0 for state in KNOWN_STATES)


def _overlay(base: ShapeT, top: ShapeT) -> ShapeT:
    given = {key: value for key in top.model_fields_set if (value := getattr(top, key)) is not None}
    return base.model_copy(update=given) if given else base


def _entries(levels: Sequence[Level], what: str, _model: type[ShapeT]) -> list[Entry[ShapeT]]:
    """Return the merged entries; an entry that is empty (null) on a nearer level is removed."""
    found: dict[str, Entry[ShapeT]] = {}
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
        report.add((*path, "wear"), "needs clock: busy, since wear results from processing")
    if shape.after is not None and shape.after.mean_s < _SOONEST_S:
        report.add((*path, "after"), "is below 1 ms: the machine would always be down")
    report.require(path, shape, after="4 h", repair="12 min")
    if shape.after is None or shape.repair is None:
        return None
    return spec.FailureMode(
        name=name,
        after=shape.after,
        repair=shape.repair,
        clock=shape.clock,
        wear=shape.wear,
        crew=crew,
        priority=shape.priority,
    )


def _maintenance(
    name: str, path: Path, shape: shapes.Maintenance, context: Context, *, wears: bool
) -> spec.Maintenance | None:
    report = context.report
    if not (shape.every or shape.at or shape.every_parts or shape.at_wear) and report.clean(path):
        report.add(path, "is never due", "Write every: 8 h, at: Sun 06:00, every_parts: 500 or at_wear: 80 %.")
    if shape.every and shape.at:
        report.add((*path, "at"), "cannot be combined with every", "Give one of the two.")
    if 0 < shape.every < _OFTENEST_S:
        report.add((*path, "every"), "is due more than once a second")
    if shape.at_wear and not wears:
        report.add((*path, "at_wear"), "needs a failure mode with wear: yes on the same machine")
    crew = context.crew(path, shape.crew)
    report.require(path, shape, duration="10 min")
    if shape.duration is None:
        return None
    return spec.Maintenance(
        name=name,
        duration=shape.duration,
        every_s=shape.every,
        at=tuple(shape.at),
        every_parts=shape.every_parts,
        at_wear=shape.at_wear,
        crew=crew,
    )
