"""`sparkplug`: Sparkplug B 3.0 data messages of edge nodes (sections) and devices (machines), by alias.

    spBv1.0/Works_Ltd:Chongqing:gearbox/DDATA/housing_machining/M_1_a

A DDATA holds up to `batch` samples of a device, each value with its own time, or rows: five metrics each (`seq`,
`state`, `part`, `outcome`, `detail`), all of one time. Times are rounded to the millisecond, and those of a device's
rows rise: the property `shift_ms` of `seq` is how much later a time is than its row. A sample's sequence number is its
tick. Metrics name their data types: the specification advises against it, but popular decoders need them. Births,
deaths and rebirths belong to a connection: `wire.sparkplug.node`. This codec needs none, because both sides derive
names and aliases from the description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.clock import NS_PER_MS
from factory_sim.records import NO_READINGS, Message, Readings, Rows, Samples
from factory_sim.wire.payload_checks import ROW_RANGES, Span, need, reading, refuse
from factory_sim.wire.scaling import Scaling
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.metric_columns import Columns
from factory_sim.wire.sparkplug.namespace import ROW_TYPES, SHIFT, VERSION, group_id, nodes, sensor_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta
    from factory_sim.wire.sparkplug.metric_columns import Body
    from factory_sim.wire.sparkplug.namespace import Device
    from factory_sim.wire.sparkplug.payload_types import Type, Value

BATCH = 10  # samples of a device in one message: seconds of latency against messages
MAX_CELLS = 1_000_000  # of the blocks that one message makes: values far apart would need much memory
_SEQ_COUNT = 256
_SESSION = ("NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "NCMD", "DCMD")


def topic_filter(root: str) -> str:
    """Return the filter that matches all topics of this format."""
    return f"{VERSION}/{group_id(root)}/#"


class Encoder:
    """Readings to DDATA; counts each edge node's sequence number. is_strict : without data types."""

    def __init__(self, meta: Meta, root: str, batch: int = BATCH, *, is_strict: bool = False) -> None:
        self.nodes = nodes(meta, root)
        self.columns = Columns(meta, self.nodes, batch, is_typed=not is_strict)
        self._seq = [0] * len(self.nodes)

    def data(self, readings: Readings) -> list[Message]:
        """Return rows first, then samples; a payload's time is that of its last metric."""
        return [self._message(body) for body in self.columns.bodies(readings)]

    def _message(self, body: Body) -> Message:
        seq = self._seq[body.node] = (self._seq[body.node] + 1) % _SEQ_COUNT
        topic = self.nodes[body.node].topic("DDATA", body.device)
        return Message(topic, payload_writer.payload(body.metrics, body.last_ms, seq), 0, ready_ns=body.ready_ns)


class Decoder:
    """DDATA to readings, without memory. Other messages of a session contain no readings."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._meta, self._span, self._scaling = meta, Span(meta), Scaling(meta.sensors)
        self._ids = np.array([s.id for s in meta.sensors], np.int16)
        known = [(node, device) for node in nodes(meta, root) for device in node.devices]
        self._devices = {node.topic("DDATA", device): _Aliases(device, meta) for node, device in known}
        self._session = tuple(f"{VERSION}/{group_id(root)}/{kind}/" for kind in _SESSION)

    def extend(self, meta: Meta) -> None:
        """Accept readings up to the end of a longer window."""
        self._span.extend(meta)

    def feed(self, message: Message) -> Readings:
        """Return the rows and samples of one device."""
        with reading(message.topic, "sparkplug"):
            if message.topic in self._devices:
                return self._data(self._devices[message.topic], message.payload)
            need(message.topic.startswith(self._session), "no device has this topic")
            payload_reader.payload(message.payload, needs_seq=False)
            return NO_READINGS

    def _data(self, known: _Aliases, payload: bytes) -> Readings:
        rows: list[tuple[int, ...]] = []
        cells: list[tuple[int, int, float]] = []  # sensor's position, ms, value
        found = iter(payload_reader.payload(payload).metrics)
        for metric in found:
            alias = _alias(metric)
            sensor = known.sensors.get(alias)
            if sensor is not None:
                cells.append((sensor[0], metric.timestamp, _number(metric, sensor[1])))
            elif alias == known.first_alias:
                rows.append(self._row(known, metric, found))
            elif alias not in known.others:
                refuse(f"this device has no alias {alias}")
        return Readings(Rows.of_rows(rows), tuple(self._samples(cells)))

    def _row(self, known: _Aliases, first: Any, rest: Iterator[Any]) -> tuple[int, ...]:
        ms, values = first.timestamp, list[int]()
        row_ns = (ms - payload_reader.count_of(first, SHIFT)) * NS_PER_MS
        self._span.check_ns(row_ns, NS_PER_MS)
        for i, (kind, (low, high)) in enumerate(zip(ROW_TYPES, ROW_RANGES.values(), strict=True)):
            metric = first if i == 0 else next(rest, None)
            if metric is None or _alias(metric) != known.first_alias + i or metric.timestamp != ms:
                refuse("a row is five metrics of one time: seq, state, part, outcome, detail")
            value = payload_reader.scalar(metric, kind)
            if type(value) is not int or not low <= value <= high:
                refuse(f"a row's value: expected a whole number from {low} to {high}, got {value}")
            values.append(value)
        return (row_ns, known.unit, *values)

    def _samples(self, cells: list[tuple[int, int, float]]) -> Iterator[Samples]:
        """Return a block for each period, from the first tick to the last; cells without a value are not present."""
        periods: dict[int, list[tuple[int, int, int]]] = {}
        counts = self._scaling.raw((c[2] for c in cells), (c[0] for c in cells))
        for (sensor, ms, _), raw in zip(cells, counts, strict=True):
            period_us = self._meta.sensors[sensor].period_us
            tick = self._span.tick_at(0, ms * NS_PER_MS, period_us, NS_PER_MS)
            periods.setdefault(period_us, []).append((tick, sensor, raw))
        for period_us, found in periods.items():
            yield self._block(period_us, found)

    def _block(self, period_us: int, found: list[tuple[int, int, int]]) -> Samples:
        ticks, sensors, counts = np.array(found, np.int64).T
        first, last = int(ticks.min()), int(ticks.max())
        columns, column = np.unique(sensors, return_inverse=True)
        if (last - first + 1) * len(columns) > MAX_CELLS:
            refuse(f"samples from tick {first} to {last} in one message")
        raw = np.zeros((last - first + 1, len(columns)), np.int32)
        present = np.zeros(raw.shape, np.bool_)
        raw[ticks - first, column] = counts
        present[ticks - first, column] = True
        return Samples(period_us, first, self._ids[columns], raw, None if present.all() else present)


class _Aliases:
    """The aliases that a device's data may contain."""

    def __init__(self, device: Device, meta: Meta) -> None:
        self.unit, self.first_alias = device.unit, device.first_alias
        self.sensors = {device.sensor_alias(i): (k, sensor_type(meta.sensors[k])) for i, k in enumerate(device.sensors)}
        self.others = range(self.first_alias + len(ROW_TYPES), device.sensor_alias(0))


def _alias(metric: Any) -> int:
    if not metric.HasField("alias") or metric.HasField("name"):
        refuse("a metric of a data message has an alias and no name")
    if not metric.HasField("timestamp"):
        refuse("a metric without a timestamp")
    alias: int = metric.alias
    return alias


def _number(metric: Any, kind: Type) -> float:
    value: Value = payload_reader.scalar(metric, kind)
    if type(value) is not float:
        refuse("a sensor's value must not be null")
    return value
