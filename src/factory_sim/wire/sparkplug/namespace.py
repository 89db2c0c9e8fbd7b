"""The Sparkplug names of a plant: groups, edge nodes, devices, topics, metric names and aliases.

A group is the plant's root with its levels joined by colons, an edge node is a section (`_line` for units without one),
a device is a unit. Both sides derive all of it from the description alone, so data can be read without a birth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from factory_sim.plant.states import KNOWN_STATES, Outcome
from factory_sim.wire import topics
from factory_sim.wire.payload_checks import ROW_RANGES
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta, SensorInfo, UnitInfo
    from factory_sim.wire.sparkplug.payload_types import Value

VERSION = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"
POLICY, SPEED = "Device Control/Dispatch policy", "Device Control/Speed"
STOP, START = "Device Control/Stop", "Device Control/Start"
OPPOSITE = {STOP: START, START: STOP}  # carrying out one resets the other to false
ROW_TYPES = (Type.INT64, Type.UINT8, Type.INT32, Type.UINT8, Type.INT32)  # of ROW_RANGES
SHIFT = "shift_ms"  # property of a row's first metric
MESSAGES = "Feed/Messages"  # of its devices' data, sent by the node since its first birth
_WRITABLE = {
    "machine": ((SPEED, Type.DOUBLE), (STOP, Type.BOOLEAN), (START, Type.BOOLEAN)),
    "vehicle": ((POLICY, Type.STRING),),
}
_INITIAL: dict[Type, Value] = {Type.DOUBLE: 1.0, Type.BOOLEAN: False}  # a policy: null, the description has none
_DOCUMENTED = {
    name: ", ".join(f"{code.value} {code.name.lower()}" for code in codes)
    for name, codes in (("state", KNOWN_STATES), ("outcome", Outcome))
}
_MAX_FLOAT_COUNTS = 2.0**21  # up to here a float distinguishes all counts of 16 bits


def group_id(root: str) -> str:
    """Return the root's levels, joined by colons: an identifier must not contain `/`, `+` or `#`."""
    return topics.clean_root(root).replace("/", ":")


def state_topic(host_id: str) -> str:
    """Return the topic of a host's state."""
    return f"{VERSION}/STATE/{host_id}"


def legacy_state_topic(host_id: str) -> str:
    """Return the topic of a host's state before Sparkplug 3.0, whose payload is the text ONLINE or OFFLINE."""
    return f"STATE/{host_id}"


def sensor_type(sensor: SensorInfo) -> Type:
    """Return FLOAT where 24 bits distinguish a sensor's counts, else DOUBLE."""
    counts = abs(sensor.offset / sensor.scale) + 2.0**15
    return Type.FLOAT if sensor.bits == 16 and counts < _MAX_FLOAT_COUNTS else Type.DOUBLE


@dataclass(frozen=True, slots=True)
class Device:
    """A unit as a Sparkplug device. Aliases count up from the first one, in the order of `metrics`."""

    unit: int
    id: str
    first_alias: int
    sensors: tuple[int, ...]  # positions in Meta.sensors
    metrics: tuple[Metric, ...]  # of its birth, with null for values: the row's, the writable ones, the sensors'

    def sensor_alias(self, place: int) -> int:
        """Return the alias of the sensor at `place` in `sensors`."""
        return self.first_alias + len(self.metrics) - len(self.sensors) + place


@dataclass(frozen=True, slots=True)
class Node:
    """An edge node and its devices."""

    group: str
    id: str
    devices: tuple[Device, ...]
    metrics: tuple[Metric, ...]  # of its birth with an alias

    def topic(self, kind: str, device: Device | None = None) -> str:
        """Return the topic of one kind of message, NBIRTH to DCMD."""
        start = f"{VERSION}/{self.group}/{kind}/{self.id}"
        return start if device is None else f"{start}/{device.id}"


def nodes(meta: Meta, root: str) -> tuple[Node, ...]:
    """Return all edge nodes of a plant, in the order in which sections occur in it."""
    members: dict[str, list[int]] = {}
    for unit, info in enumerate(meta.units):
        members.setdefault(topics.level(section(meta, info) or topics.LINE), []).append(unit)
    sensors: dict[int, list[int]] = {}
    for k, sensor in enumerate(meta.sensors):
        sensors.setdefault(sensor.unit, []).append(k)
    tags = topics.sensor_tags(meta)
    named = zip(topics.distinct(members), members.values(), strict=True)
    return tuple(
        _node(meta, group_id(root), name, {u: tuple(sensors.get(u, ())) for u in us}, tags) for name, us in named
    )


def section(meta: Meta, unit: UnitInfo) -> str:
    """Return the section that a unit belongs to, empty if none."""
    if unit.section or unit.operation < 0:
        return unit.section
    return meta.operations[unit.operation].section


def _node(meta: Meta, group: str, name: str, sensors: dict[int, tuple[int, ...]], tags: tuple[str, ...]) -> Node:
    """Return an edge node. sensors : those of each of its units."""
    aliases = count(1)
    own = (
        Metric(MESSAGES, Type.INT64, 0, next(aliases)),
        Metric("Properties/Run", Type.STRING, meta.run_id, next(aliases)),
        Metric("Properties/Plant", Type.STRING, meta.plant, next(aliases)),
    )
    devices, names = [], topics.distinct(topics.level(meta.units[unit].name) for unit in sensors)
    for (unit, positions), device_id in zip(sensors.items(), names, strict=True):
        metrics = tuple(_metrics(meta, unit, positions, tags, aliases))
        devices.append(Device(unit, device_id, metrics[0].alias, positions, metrics))
    return Node(group, name, tuple(devices), own)


def _metrics(
    meta: Meta, unit: int, sensors: tuple[int, ...], tags: tuple[str, ...], aliases: Iterator[int]
) -> Iterator[Metric]:
    for name, kind in zip(ROW_RANGES, ROW_TYPES, strict=True):
        documentation = (("Documentation", _DOCUMENTED[name]),) if name in _DOCUMENTED else ()
        yield Metric(name, kind, None, next(aliases), documentation)
    for name, kind in _WRITABLE.get(meta.units[unit].role, ()):
        yield Metric(name, kind, _INITIAL.get(kind), next(aliases), (("writable", True),))
    for k in sensors:
        s = meta.sensors[k]
        properties = (("engUnit", s.unit_text), ("engLow", float(s.low)), ("engHigh", float(s.high)))
        yield Metric(tags[k], sensor_type(s), None, next(aliases), properties)
