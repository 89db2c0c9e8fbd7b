"""Who is called what in Sparkplug: groups, edge nodes, devices, topics, metric names and aliases of a plant.

A group is the plant's root with its levels joined by colons, an edge node is a section (`_line` for what belongs to
none), a device is a unit. Both sides derive all of it from the description alone, so data can be read without a birth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome, State
from factory_sim.wire import topics
from factory_sim.wire.sparkplug.payload_writer import Metric, Type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta, SensorInfo, UnitInfo
    from factory_sim.wire.sparkplug.payload_writer import Value

VERSION = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"
POLICY, SPEED, STOP, START = (
    "Device Control/Dispatch policy",
    "Device Control/Speed",
    "Device Control/Stop",
    "Device Control/Start",
)
OPPOSITE = {STOP: START, START: STOP}  # the one is false again when the other has been done
ROW_METRICS = ("seq", *topics.STATE_TAGS)  # of a row, in this order
ROW_TYPES = (Type.INT64, Type.UINT8, Type.INT32, Type.UINT8, Type.INT32)
MESSAGES = "Feed/Messages"  # of its devices' data, sent by the node since its first birth
_WRITABLE = {
    "machine": ((SPEED, Type.DOUBLE), (STOP, Type.BOOLEAN), (START, Type.BOOLEAN)),
    "vehicle": ((POLICY, Type.STRING),),
}
_AT_FIRST: dict[Type, Value] = {Type.DOUBLE: 1.0, Type.BOOLEAN: False}  # a policy: null, a description has none
_MAX_FLOAT_COUNTS = 2.0**21  # up to here a float says every count of 16 bits exactly enough


def group_id(root: str) -> str:
    """The root's levels, joined by colons: an identifier may hold neither `/` nor `+` nor `#`."""
    return topics.clean_root(root).replace("/", ":")


def state_topic(host_id: str) -> str:
    """Where a host says whether it is online."""
    return f"{VERSION}/STATE/{host_id}"


def sensor_type(sensor: SensorInfo) -> Type:
    """FLOAT where 24 binary digits can tell a sensor's counts apart, else DOUBLE."""
    counts = abs(sensor.offset / sensor.scale) + 2.0**15
    return Type.FLOAT if sensor.bits == 16 and counts < _MAX_FLOAT_COUNTS else Type.DOUBLE


@dataclass(frozen=True, slots=True)
class Device:
    """A unit as Sparkplug sees it. Aliases count up from the first one, in the order of `metrics`."""

    unit: int
    id: str
    first_alias: int
    sensors: tuple[int, ...]  # positions in Meta.sensors
    metrics: tuple[Metric, ...]  # of its birth, with null for values: the row's, the writable ones, the sensors'

    def sensor_alias(self, place: int) -> int:
        """Alias of the sensor at `place` in `sensors`."""
        return self.first_alias + len(self.metrics) - len(self.sensors) + place


@dataclass(frozen=True, slots=True)
class Node:
    """An edge node and its devices."""

    group: str
    id: str
    devices: tuple[Device, ...]
    metrics: tuple[Metric, ...]  # of its birth with an alias

    def topic(self, kind: str, device: Device | None = None) -> str:
        """The topic of one kind of message, NBIRTH to DCMD."""
        start = f"{VERSION}/{self.group}/{kind}/{self.id}"
        return start if device is None else f"{start}/{device.id}"


def nodes(meta: Meta, root: str) -> tuple[Node, ...]:
    """All edge nodes of a plant, in the order in which sections occur in it."""
    members: dict[str, list[int]] = {}
    for unit, info in enumerate(meta.units):
        members.setdefault(topics.level(section(meta, info) or topics.LINE), []).append(unit)
    sensors: dict[int, list[int]] = {}
    for k, sensor in enumerate(meta.sensors):
        sensors.setdefault(sensor.unit, []).append(k)
    tags = topics.sensor_tags(meta)
    names = topics.distinct(members)
    return tuple(_node(meta, group_id(root), next(names), units, sensors, tags) for units in members.values())


def section(meta: Meta, unit: UnitInfo) -> str:
    """The section that a unit belongs to, empty if none."""
    if unit.section or unit.operation < 0:
        return unit.section
    return meta.operations[unit.operation].section


def _node(
    meta: Meta, group: str, name: str, units: list[int], sensors: dict[int, list[int]], tags: tuple[str, ...]
) -> Node:
    next_alias = 1
    own = (
        Metric(MESSAGES, Type.INT64, 0, next_alias),
        Metric("Properties/Run", Type.STRING, meta.run_id, next_alias + 1),
        Metric("Properties/Plant", Type.STRING, meta.plant, next_alias + 2),
    )
    next_alias += len(own)
    devices, names = [], topics.distinct(topics.level(meta.units[unit].name) for unit in units)
    for unit in units:
        chosen = tuple(sensors.get(unit, ()))
        metrics = tuple(_metrics(meta, unit, chosen, tags, next_alias))
        devices.append(Device(unit, next(names), next_alias, chosen, metrics))
        next_alias += len(metrics)
    return Node(group, name, tuple(devices), own)


def _metrics(meta: Meta, unit: int, sensors: tuple[int, ...], tags: tuple[str, ...], alias: int) -> Iterator[Metric]:
    codes = {"state": State, "outcome": Outcome}
    for name, kind in zip(ROW_METRICS, ROW_TYPES, strict=True):
        words = ", ".join(f"{code.value} {code.name.lower()}" for code in codes.get(name, ()))
        yield Metric(name, kind, None, alias, (("Documentation", words),) if words else ())
        alias += 1
    for name, kind in _WRITABLE.get(meta.units[unit].role, ()):
        value = _AT_FIRST.get(kind)
        yield Metric(name, kind, value, alias, (("writable", True),))
        alias += 1
    for k in sensors:
        s = meta.sensors[k]
        properties = (("engUnit", s.unit_text), ("engLow", float(s.low)), ("engHigh", float(s.high)))
        yield Metric(tags[k], sensor_type(s), None, alias, properties)
        alias += 1
