"""`sparkplug`: Sparkplug B 3.0 data messages of edge nodes (sections) and devices (machines), by alias.

    spBv1.0/Works_Ltd:Chongqing:gearbox/DDATA/housing_machining/M_1_a

A DDATA holds up to `batch` samples of a device, each value with its own time, or rows: five metrics each (`seq`,
`state`, `part`, `outcome`, `detail`), all of one time. Times are rounded to the millisecond; a sample's sequence number
is its tick. Births, deaths and rebirths belong to a connection: `wire.sparkplug.node`. This codec needs none, because
both sides derive names and aliases from the description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.errors import PayloadError
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire.formats.decoder_checks import (
    MAX_DETAIL,
    MAX_PART,
    MAX_SEQ,
    MIN_DETAIL,
    OUTCOME_NAMES,
    STATE_NAMES,
    RefusedError,
    Span,
    refuse,
)
from factory_sim.wire.formats.row_messages import NO_ROWS
from factory_sim.wire.formats.scaling import Scaling
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.metric_columns import NS_PER_MS, Columns
from factory_sim.wire.sparkplug.namespace import ROW_TYPES, VERSION, group_id, nodes, sensor_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta
    from factory_sim.wire.sparkplug.metric_columns import Body
    from factory_sim.wire.sparkplug.namespace import Device
    from factory_sim.wire.sparkplug.payload_writer import Type, Value

BATCH = 10  # samples of a device in one message: seconds of latency against messages
MAX_CELLS = 1_000_000  # of the blocks that one message makes: values far apart would ask for much memory
_SEQ_COUNT = 256
_NOTHING = Readings(NO_ROWS)
_SESSION = ("NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "NCMD", "DCMD")
_ROW_RANGES = (
    (0, MAX_SEQ),
    (0, len(STATE_NAMES) - 1),
    (-1, MAX_PART),
    (0, len(OUTCOME_NAMES) - 1),
    (MIN_DETAIL, MAX_DETAIL),
)


def topic_filter(root: str) -> str:
    """What a subscriber asks for."""
    return f"{VERSION}/{group_id(root)}/#"


class Encoder:
    """Readings to DDATA; counts each edge node's sequence number."""

    def __init__(self, meta: Meta, root: str, batch: int = BATCH) -> None:
        self.nodes = nodes(meta, root)
        self.columns = Columns(meta, self.nodes, batch)
        self._seq = [0] * len(self.nodes)

    def data(self, readings: Readings) -> list[Message]:
        """Rows first, then the samples; a payload's time is that of its last metric."""
        return [self._message(body) for body in self.columns.bodies(readings)]

    def clear(self) -> list[Message]:
        """Sparkplug retains nothing but the state of hosts."""
        return []

    def _message(self, body: Body) -> Message:
        seq = self._seq[body.node] = (self._seq[body.node] + 1) % _SEQ_COUNT
        topic = self.nodes[body.node].topic("DDATA", body.device)
        return Message(topic, payload_writer.payload(body.metrics, body.last_ms, seq), 0, ready_ns=body.ready_ns)


class Decoder:
    """DDATA back to readings; remembers nothing. Other messages of a session say nothing about readings."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._meta, self._span, self._scaling = meta, Span(meta), Scaling(meta.sensors)
        self._ids = np.array([s.id for s in meta.sensors], np.int16)
        known = [(node, device) for node in nodes(meta, root) for device in node.devices]
        self._devices = {node.topic("DDATA", device): _Known(device, meta) for node, device in known}
        self._quiet = tuple(f"{VERSION}/{group_id(root)}/{kind}/" for kind in _SESSION)

    def feed(self, message: Message) -> Readings:
        """The rows and samples of one device."""
        try:
            if message.topic in self._devices:
                return self._data(self._devices[message.topic], message.payload)
            if message.topic.startswith(self._quiet):
                payload_reader.payload(message.payload, needs_seq=False)
                return _NOTHING
            refuse("no device has this topic")
        except RefusedError as error:
            raise PayloadError(message.topic, "sparkplug", str(error)) from None

    def _data(self, known: _Known, payload: bytes) -> Readings:
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
                refuse(f"alias {alias} is none of this device's")
        return Readings(self._rows(known.unit, rows), tuple(self._samples(cells)))

    def _row(self, known: _Known, first: Any, rest: Iterator[Any]) -> tuple[int, ...]:
        ms, values = first.timestamp, list[int]()
        if ms > payload_writer.MAX_MS:
            refuse(f"timestamp {ms} ms lies outside the run")
        self._span.check_ns(ms * NS_PER_MS, NS_PER_MS)
        for i, (kind, (low, high)) in enumerate(zip(ROW_TYPES, _ROW_RANGES, strict=True)):
            metric = first if i == 0 else next(rest, None)
            if metric is None or _alias(metric) != known.first_alias + i or metric.timestamp != ms:
                refuse("a row is five metrics of one time: seq, state, part, outcome, detail")
            value = payload_reader.scalar(metric, kind)
            if type(value) is not int or not low <= value <= high:
                refuse(f"a row's value: expected a whole number from {low} to {high}, got {value}")
            values.append(value)
        return (ms, *values)

    def _rows(self, unit: int, found: list[tuple[int, ...]]) -> Rows:
        if not found:
            return NO_ROWS
        ms, seq, state, part, outcome, detail = np.array(found, np.int64).T
        units = np.full(len(ms), unit, np.int16)
        small = (state.astype(np.uint8), part.astype(np.int32), outcome.astype(np.uint8), detail.astype(np.int32))
        return Rows(ms * NS_PER_MS, units, seq, *small)

    def _samples(self, cells: list[tuple[int, int, float]]) -> Iterator[Samples]:
        """Blocks: one for each period, from the first tick to the last, with holes where a value is not there."""
        periods: dict[int, list[tuple[int, int, int]]] = {}
        counts = self._scaling.raw((c[2] for c in cells), (c[0] for c in cells))
        for (sensor, ms, _), count in zip(cells, counts, strict=True):
            period_us = self._meta.sensors[sensor].period_us
            periods.setdefault(period_us, []).append((self._tick(ms, period_us), sensor, count))
        for period_us, found in periods.items():
            yield self._block(period_us, found)

    def _tick(self, ms: int, period_us: int) -> int:
        """The tick whose moment, rounded to the millisecond, is `ms`."""
        if ms > payload_writer.MAX_MS:
            refuse(f"timestamp {ms} ms lies outside the run")
        period_ns, since_ns = period_us * 1_000, ms * NS_PER_MS - self._span.epoch_ns
        tick = (since_ns + period_ns // 2) // period_ns
        self._span.check_ticks(tick, tick, period_us)
        if abs(tick * period_ns - since_ns) > NS_PER_MS:
            refuse(f"timestamp {ms} ms is no tick of a period of {period_us} µs")
        return tick

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


class _Known:
    """What may stand in a device's data."""

    def __init__(self, device: Device, meta: Meta) -> None:
        self.unit, self.first_alias = device.unit, device.first_alias
        self.sensors = {device.sensor_alias(i): (k, sensor_type(meta.sensors[k])) for i, k in enumerate(device.sensors)}
        rows = len(ROW_TYPES)
        self.others = range(self.first_alias + rows, self.first_alias + len(device.metrics) - len(device.sensors))


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
        refuse("a sensor's value may not be null")
    return value
