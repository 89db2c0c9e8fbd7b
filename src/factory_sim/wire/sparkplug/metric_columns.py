"""Readings to the metrics of data messages, vectorised: every metric of a column of samples has the same width.

A record of one sensor at one tick, here with an alias of one byte and a float:

    12 len  10 alias  18 t t t t t t  [28 01]  65 v v v v

Only t and v differ from tick to tick, so a block of samples is one byte matrix, filled by column and cut by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from factory_sim.wire.formats.scaling import Scaling
from factory_sim.wire.formats.unit_columns import Layouts
from factory_sim.wire.sparkplug import payload_writer
from factory_sim.wire.sparkplug.namespace import ROW_TYPES, sensor_type
from factory_sim.wire.sparkplug.payload_writer import TIME_BYTES, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import B1, F8, I8, Meta, Readings, Rows, Samples
    from factory_sim.wire.formats.unit_columns import Layout
    from factory_sim.wire.sparkplug.namespace import Device, Node

U1 = NDArray[np.uint8]
NS_PER_MS = 1_000_000
MAX_ROWS = 500  # of one message; 5 metrics of about 16 bytes each
_SHIFTS = np.arange(TIME_BYTES, dtype=np.int64) * 7
_MORE = np.array([0x80] * (TIME_BYTES - 1) + [0], np.int64)  # every digit but the last says that one follows


@dataclass(frozen=True, slots=True)
class Body:
    """The metrics of one data message, without the payload's time and sequence number."""

    node: int
    device: Device
    metrics: bytes
    readings: int
    last_ms: int
    ready_ns: int  # moment of its last reading


@dataclass(frozen=True, slots=True)
class _Template:
    """The bytes of one tick of a block and where the changing ones stand."""

    row: U1  # shape (width,)
    times: NDArray[np.int64]  # shape (n_sensors, TIME_BYTES): columns
    floats: NDArray[np.int64]  # columns of the 4-byte values, sensor by sensor
    doubles: NDArray[np.int64]
    is_float: B1  # shape (n_sensors,), in the layout's order
    widths: NDArray[np.int64]  # bytes of each sensor
    starts: tuple[int, ...]  # byte where each unit's metrics begin, and the end


class Columns:
    """Cuts readings into bodies.

    batch : how many samples of a device one message may carry; each keeps its own time.
    """

    def __init__(self, meta: Meta, nodes: Sequence[Node], batch: int) -> None:
        self._meta, self._batch = meta, batch
        self._layouts, self._scaling = Layouts(meta), Scaling(meta.sensors)
        self._places = {d.unit: (n, d) for n, node in enumerate(nodes) for d in node.devices}
        self._aliases = {k: d.sensor_alias(i) for _, d in self._places.values() for i, k in enumerate(d.sensors)}
        self._templates: dict[tuple[bytes, bool], _Template] = {}

    def bodies(self, readings: Readings, *, is_historical: bool = False) -> Iterator[Body]:
        """Rows first, unit by unit, then the samples in stretches of `batch` ticks."""
        if len(readings.rows):
            yield from self._rows(readings.rows, is_historical=is_historical)
        for block in readings.samples:
            if block.raw.size:
                yield from self._samples(block, is_historical=is_historical)

    def _samples(self, block: Samples, *, is_historical: bool) -> Iterator[Body]:
        layout = self._layouts.of(block.sensor)
        template = self._template(block, layout, is_historical=is_historical)
        order, n = list(layout.order), len(block.raw)
        ticks = block.first_tick + np.arange(n, dtype=np.int64)
        t_ns = self._meta.epoch_ns + ticks * (block.period_us * 1_000)
        ms = ms_from_ns(t_ns)
        cells = _filled(template, ms, self._scaling.values(block.raw[:, order], list(layout.sensors)))
        there = None if block.present is None else block.present[:, order]
        for start in range(0, n, self._batch):
            stop = min(start + self._batch, n)
            for i, unit in enumerate(layout.units):
                a, b = layout.starts[i], layout.starts[i + 1]
                part = cells[start:stop, template.starts[i] : template.starts[i + 1]]
                count = (stop - start) * (b - a)
                if there is not None and not there[start:stop, a:b].all():
                    mask = there[start:stop, a:b]
                    part, count = part[np.repeat(mask, template.widths[a:b], axis=1)], int(mask.sum())
                if count:
                    yield Body(*self._places[unit], part.tobytes(), count, int(ms[stop - 1]), int(t_ns[stop - 1]))

    def _template(self, block: Samples, layout: Layout, *, is_historical: bool) -> _Template:
        key = (block.sensor.tobytes(), is_historical)
        if key not in self._templates:
            self._templates[key] = self._new_template(layout, is_historical=is_historical)
        return self._templates[key]

    def _new_template(self, layout: Layout, *, is_historical: bool) -> _Template:
        kinds = [sensor_type(self._meta.sensors[k]) for k in layout.sensors]
        records = [
            payload_writer.by_alias(self._aliases[k], kind, 0.0, 0, is_historical=is_historical)
            for k, kind in zip(layout.sensors, kinds, strict=True)
        ]
        widths = np.array([len(record) for record in records], np.int64)
        ends = np.cumsum(widths)
        is_float = np.array([kind is Type.FLOAT for kind in kinds], np.bool_)
        value_bytes = np.where(is_float, 4, 8)
        behind_time = value_bytes + 1 + (2 if is_historical else 0)
        times = (ends - behind_time - TIME_BYTES)[:, None] + np.arange(TIME_BYTES)
        bounds = np.concatenate([[0], ends])
        return _Template(
            np.frombuffer(b"".join(records), np.uint8),
            times,
            ((ends[is_float] - 4)[:, None] + np.arange(4)).ravel(),
            ((ends[~is_float] - 8)[:, None] + np.arange(8)).ravel(),
            is_float,
            widths,
            tuple(int(bounds[k]) for k in layout.starts),
        )

    def _rows(self, rows: Rows, *, is_historical: bool) -> Iterator[Body]:
        order = np.argsort(rows.unit, kind="stable")
        ms = ms_from_ns(rows.t_ns)
        columns = [c[order].tolist() for c in (rows.seq, rows.state, rows.part, rows.outcome, rows.detail, ms)]
        t_ns = rows.t_ns[order].tolist()
        units = rows.unit[order]
        cuts = [0, *(np.flatnonzero(np.diff(units)) + 1).tolist(), len(units)]
        for first, stop in pairwise(cuts):
            node, device = self._places[int(units[first])]
            for start in range(first, stop, MAX_ROWS):
                end = min(start + MAX_ROWS, stop)
                some = [column[start:end] for column in columns]
                metrics = _row_metrics(device.first_alias, some, is_historical=is_historical)
                yield Body(node, device, metrics, 4 * (end - start), some[-1][-1], t_ns[end - 1])


def _row_metrics(first_alias: int, columns: list[list[int]], *, is_historical: bool) -> bytes:
    """Five metrics a row, all with the row's time: the last of `columns`."""
    return b"".join(
        payload_writer.by_alias(first_alias + i, kind, values[i], values[-1], is_historical=is_historical)
        for values in zip(*columns, strict=True)
        for i, kind in enumerate(ROW_TYPES)
    )


def ms_from_ns(t_ns: I8) -> I8:
    """The nearest millisecond, ties up."""
    return (t_ns + NS_PER_MS // 2) // NS_PER_MS


def _filled(template: _Template, ms: I8, values: F8) -> U1:
    """The bytes of all ticks, shape (n_ticks, width)."""
    if ms.min() < 0 or ms.max() > payload_writer.MAX_MS:
        msg = f"a Sparkplug timestamp lies from 1970 to 2109, got {ms.min()} ms"
        raise OverflowError(msg)
    n = len(ms)
    cells = np.empty((n, len(template.row)), np.uint8)
    cells[:] = template.row
    digits = ((ms[:, None] >> _SHIFTS) & 0x7F | _MORE).astype(np.uint8)
    cells[:, template.times] = digits[:, None, :]
    narrow = values[:, template.is_float].astype("<f4")
    cells[:, template.floats] = np.ascontiguousarray(narrow).view(np.uint8).reshape(n, -1)
    if len(template.doubles):
        wide = np.ascontiguousarray(values[:, ~template.is_float].astype("<f8"))
        cells[:, template.doubles] = wide.view(np.uint8).reshape(n, -1)
    return cells
