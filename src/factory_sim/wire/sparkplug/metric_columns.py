"""Readings to the metrics of data messages, vectorised: every metric of a column of samples has the same width.

A record of one sensor at one tick, here with an alias of one byte and a float:

    12 len  10 alias  18 t t t t t t  20 type  65 v v v v

Only t and v differ from tick to tick, so a block of samples is one byte matrix, filled by column and cut by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from factory_sim.clock import ms_from_ns
from factory_sim.wire.payload_checks import ROW_RANGES
from factory_sim.wire.rising_times import RisingTimes
from factory_sim.wire.sparkplug import payload_writer
from factory_sim.wire.sparkplug.namespace import ROW_TYPES, SHIFT, sensor_type
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import MAX_MS, TIME_BYTES, Metric
from factory_sim.wire.unit_columns import UnitColumns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import B1, F8, I8, Meta, Readings, Rows, Samples
    from factory_sim.wire.sparkplug.namespace import Device, Node
    from factory_sim.wire.unit_columns import Layout

U1 = NDArray[np.uint8]
MAX_ROWS = 500  # of one message; 5 metrics of about 16 bytes each
_SHIFTS = np.arange(TIME_BYTES, dtype=np.int64) * 7
_MORE = np.array([0x80] * (TIME_BYTES - 1) + [0], np.int64)  # set in every byte of a varint but the last


@dataclass(frozen=True, slots=True)
class Body:
    """The metrics of one data message, without the payload's time and sequence number."""

    node: int
    device: Device
    metrics: bytes
    last_ms: int
    ready_ns: int  # time of its last reading


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """The bytes of one tick of a block and the positions of those that change."""

    row: U1  # shape (width,)
    times: I8  # shape (n_sensors, TIME_BYTES): columns
    floats: I8  # columns of the 4-byte values, sensor by sensor
    doubles: I8
    is_float: B1  # shape (n_sensors,), in the layout's order
    widths: I8  # bytes of each sensor
    starts: tuple[int, ...]  # byte where each unit's metrics begin, and the end


class Columns:
    """Cuts readings into bodies.

    batch : how many samples of a device one message may carry; each keeps its own time.
    is_typed : whether metrics name their data type.
    """

    def __init__(self, meta: Meta, nodes: Sequence[Node], batch: int, *, is_typed: bool) -> None:
        self._meta, self._batch, self._columns, self._is_typed = meta, batch, UnitColumns(meta), is_typed
        self._times = RisingTimes[int]()  # of units' rows
        self._places = {d.unit: (n, d) for n, node in enumerate(nodes) for d in node.devices}
        self._aliases = {k: d.sensor_alias(i) for _, d in self._places.values() for i, k in enumerate(d.sensors)}
        self._templates: dict[bytes, _Template] = {}

    def bodies(self, readings: Readings) -> Iterator[Body]:
        """Return rows first, unit by unit, then the samples in stretches of `batch` ticks."""
        if len(readings.rows):
            yield from self._rows(readings.rows)
        for block in readings.samples:
            if block.raw.size:
                yield from self._samples(block)

    def _samples(self, block: Samples) -> Iterator[Body]:
        found, n = self._columns.arranged(block), len(block.raw)
        key, layout, ms = block.sensor.tobytes(), found.layout, ms_from_ns(found.t_ns)
        if key not in self._templates:
            self._templates[key] = self._template(layout)
        template = self._templates[key]
        cells = _filled(template, ms, found.values)
        for start in range(0, n, self._batch):
            stop = min(start + self._batch, n)
            for i, unit in enumerate(layout.units):
                a, b = layout.starts[i], layout.starts[i + 1]
                part = cells[start:stop, template.starts[i] : template.starts[i + 1]]
                if found.present is not None:
                    mask = found.present[start:stop, a:b]
                    if not mask.all():
                        part = part[np.repeat(mask, template.widths[a:b], axis=1)]
                if part.size:
                    yield Body(*self._places[unit], part.tobytes(), int(ms[stop - 1]), int(found.t_ns[stop - 1]))

    def _template(self, layout: Layout) -> _Template:
        kinds = [sensor_type(self._meta.sensors[k]) for k in layout.sensors]
        aliases = [self._aliases[k] for k in layout.sensors]
        metrics = (Metric("", kind, 0.0, alias) for alias, kind in zip(aliases, kinds, strict=True))
        records = [payload_writer.metric(metric, MAX_MS, typed=self._is_typed) for metric in metrics]
        widths = np.array([len(record) for record in records], np.int64)
        ends = np.cumsum(widths)
        is_float = np.array([kind is Type.FLOAT for kind in kinds], np.bool_)
        value_bytes = np.where(is_float, 4, 8)
        type_bytes = 2 if self._is_typed else 0  # between time and value
        bounds = np.concatenate([[0], ends])
        return _Template(
            row=np.frombuffer(b"".join(records), np.uint8),
            times=(ends - value_bytes - 1 - type_bytes - TIME_BYTES)[:, None] + np.arange(TIME_BYTES),
            floats=((ends[is_float] - 4)[:, None] + np.arange(4)).ravel(),
            doubles=((ends[~is_float] - 8)[:, None] + np.arange(8)).ravel(),
            is_float=is_float,
            widths=widths,
            starts=tuple(int(bounds[k]) for k in layout.starts),
        )

    def _rows(self, rows: Rows) -> Iterator[Body]:
        rows = rows.take(np.argsort(rows.unit, kind="stable"))
        columns = [c.tolist() for c in (*(getattr(rows, name) for name in ROW_RANGES), ms_from_ns(rows.t_ns))]
        cuts = [0, *(np.flatnonzero(np.diff(rows.unit)) + 1).tolist(), len(rows)]
        for first, stop in pairwise(cuts):
            node, device = self._places[int(rows.unit[first])]
            for start in range(first, stop, MAX_ROWS):
                end = min(start + MAX_ROWS, stop)
                parts = [self._row(device, values) for values in zip(*(c[start:end] for c in columns), strict=True)]
                last_ms = columns[-1][end - 1]
                yield Body(node, device, b"".join(parts), last_ms, int(rows.t_ns[end - 1]))

    def _row(self, device: Device, values: Sequence[int]) -> bytes:
        """Return the five metrics of a row, all with the row's time: the last of `values`."""
        shift_ms = self._times.shift(device.unit, values[-1])
        properties = ((SHIFT, shift_ms),) if shift_ms else ()
        metrics = (
            Metric("", kind, values[i], device.first_alias + i, properties if i == 0 else ())
            for i, kind in enumerate(ROW_TYPES)
        )
        return b"".join(payload_writer.metric(m, values[-1] + shift_ms, typed=self._is_typed) for m in metrics)


def _filled(template: _Template, ms: I8, values: F8) -> U1:
    """Return the bytes of all ticks, shape (n_ticks, width)."""
    payload_writer.check_times(int(ms.min()), int(ms.max()))
    n = len(ms)
    cells = np.empty((n, len(template.row)), np.uint8)
    cells[:] = template.row
    time = ((ms[:, None] >> _SHIFTS) & 0x7F | _MORE).astype(np.uint8)
    cells[:, template.times] = time[:, None, :]
    narrow = values[:, template.is_float].astype("<f4")
    cells[:, template.floats] = np.ascontiguousarray(narrow).view(np.uint8).reshape(n, -1)
    if len(template.doubles):
        wide = np.ascontiguousarray(values[:, ~template.is_float].astype("<f8"))
        cells[:, template.doubles] = wide.view(np.uint8).reshape(n, -1)
    return cells
