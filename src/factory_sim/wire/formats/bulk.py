"""`bulk`: columns of raw counts, for analysis and load.

All numbers are little-endian. Every message begins with 16 bytes:

    4  magic "FSIM"     1  version     1  kind: 1 samples, 2 rows     1  flags: 1 = a mask follows     1  zero
    4  CRC-32 of all other bytes       4  zero

Samples: i8 period_us, i8 first_tick, u4 ticks, u2 sensors of 16 bits, u2 sensors of 32 bits; then the sensor ids (i2,
those of 16 bits first), the counts of the 16-bit sensors (i2, tick-major), those of the 32-bit ones (i4), and with
flag 1 a bit per cell (1: present; tick-major over all sensors in the order of the ids, padded to a byte).
Rows: u4 rows, u4 zero; then t_ns i8, seq i8, part i4, detail i4, unit i2, state u1, outcome u1, each as a column.
The columns are not compressed: deflate at its fastest takes 20 to 30 times as long as all the rest and leaves 57 % of
noisy counts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from factory_sim.clock import ns_from_us
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import topics
from factory_sim.wire.payload_checks import ROW_RANGES, Span, need, reading, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from factory_sim.records import B1, I2, I4, I8, Meta

VERSION, SAMPLES, ROWS, MASKED = 1, 1, 2, 1
MAX_PAYLOAD = 128 * 1024  # larger was no faster, and a broker holds many for a slow subscriber
LARGEST = 16 * 1024 * 1024  # bytes that a decoder accepts; brokers commonly stop at 1 MiB
_MAGIC = b"FSIM"
_HEAD = struct.Struct("<4sBBBxII")
_SAMPLES = struct.Struct("<qqIHH")
_ROWS = struct.Struct("<II")
_COLUMNS = {"t_ns": "<i8", "seq": "<i8", "part": "<i4", "detail": "<i4", "unit": "<i2", "state": "u1", "outcome": "u1"}
_ROW_BYTES = sum(np.dtype(kind).itemsize for kind in _COLUMNS.values())
_MAX_SENSORS = 2**16 - 1  # of one width, by the header's fields
_WIDE = 32
_GROUPS_KEPT = 1024  # groups of sensors that are not checked again


def topic_filter(root: str) -> str:
    """Return the filter that matches all topics of this format."""
    return f"{topics.clean_root(root)}/bulk/#"


class Encoder:
    """Readings to messages of at most `max_payload` bytes."""

    def __init__(self, meta: Meta, root: str, *, max_payload: int = MAX_PAYLOAD) -> None:
        self._root, self._max = root, max(max_payload, 128) - _HEAD.size - _SAMPLES.size
        self._epoch_ns = meta.epoch_ns
        self._wide = {sensor.id: sensor.bits == _WIDE for sensor in meta.sensors}

    def data(self, readings: Readings) -> list[Message]:
        """Return rows first, then samples, split by ticks, and by sensors where one tick does not fit."""
        return [*self._rows(readings.rows), *(m for block in readings.samples for m in self._samples(block))]

    def _rows(self, rows: Rows) -> Iterator[Message]:
        topic, step = topics.bulk_rows_topic(self._root), self._max // _ROW_BYTES
        for start in range(0, len(rows), step):
            some = rows.take(slice(start, start + step))
            columns = (getattr(some, name).astype(kind).tobytes() for name, kind in _COLUMNS.items())
            yield Message(topic, _sealed(ROWS, 0, (_ROWS.pack(len(some), 0), *columns)), ready_ns=int(some.t_ns.max()))

    def _samples(self, block: Samples) -> Iterator[Message]:
        topic = topics.bulk_samples_topic(self._root, block.period_us)
        wide = np.array([self._wide[k] for k in block.sensor.tolist()], np.bool_)
        order = np.argsort(wide, kind="stable")
        cell = 4 + 1 / 8
        at_once = min(int((self._max - 1) // (cell + 2)), _MAX_SENSORS)
        for start in range(0, len(order), at_once):
            columns = order[start : start + at_once]
            bytes_per_tick = float(np.where(wide[columns], 4, 2).sum()) + len(columns) / 8
            ticks = max(1, int((self._max - 1 - 2 * len(columns)) // bytes_per_tick))
            n_narrow = int((~wide[columns]).sum())
            for tick in range(0, len(block.raw), ticks):
                stop = min(tick + ticks, len(block.raw))
                ready_ns = ns_from_us((block.first_tick + stop - 1) * block.period_us, self._epoch_ns)
                yield Message(topic, _part(block, columns, n_narrow, slice(tick, stop)), ready_ns=ready_ns)


def _part(block: Samples, columns: I8, n_narrow: int, ticks: slice) -> bytes:
    """Return the payload of some ticks and columns of a block; the first `n_narrow` columns have 16 bits."""
    raw = block.raw[ticks]
    if len(columns) < raw.shape[1] or not np.array_equal(columns, np.arange(len(columns))):
        raw = raw[:, columns]
    narrow = raw[:, :n_narrow].astype("<i2")
    if not np.array_equal(narrow, raw[:, :n_narrow]):
        msg = "a raw count does not fit the 16 bits of its sensor"
        raise OverflowError(msg)
    first, n_wide = block.first_tick + ticks.start, len(columns) - n_narrow
    parts = [
        _SAMPLES.pack(block.period_us, first, len(raw), n_narrow, n_wide),
        block.sensor[columns].astype("<i2").tobytes(),
        narrow.tobytes(),
        raw[:, n_narrow:].astype("<i4").tobytes(),
    ]
    if block.present is not None:
        parts.append(np.packbits(block.present[ticks][:, columns]).tobytes())
    return _sealed(SAMPLES, MASKED if block.present is not None else 0, parts)


def _sealed(kind: int, flags: int, parts: Iterable[bytes]) -> bytes:
    body = b"".join(parts)
    return _HEAD.pack(_MAGIC, VERSION, kind, flags, _checksum(kind, flags, body), 0) + body


def _checksum(kind: int, flags: int, body: bytes | memoryview) -> int:
    return crc32(body, crc32(_HEAD.pack(_MAGIC, VERSION, kind, flags, 0, 0)))


class Decoder:
    """Messages to readings, each by itself."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._span = Span(meta)
        self._limits = ROW_RANGES | {
            "unit": (0, len(meta.units) - 1),
            "t_ns": (self._span.epoch_ns, self._span.last_ns),
        }
        size = max((sensor.id for sensor in meta.sensors), default=-1) + 1
        self._bits, self._period_us = np.zeros(size, np.int64), np.zeros(size, np.int64)
        for sensor in meta.sensors:
            self._bits[sensor.id], self._period_us[sensor.id] = sensor.bits, sensor.period_us
        periods = {sensor.period_us for sensor in meta.sensors}
        self._period_of = {topics.bulk_samples_topic(root, period): period for period in periods}
        self._rows_topic = topics.bulk_rows_topic(root)
        self._sound: set[tuple[bytes, int, int]] = set()  # arguments that `_check_sensors` has accepted: a feed has few

    def extend(self, meta: Meta) -> None:
        """Accept readings up to the end of a longer window."""
        self._span.extend(meta)
        self._limits["t_ns"] = (self._span.epoch_ns, self._span.last_ns)

    def feed(self, message: Message) -> Readings:
        """Return a block of samples, or rows."""
        with reading(message.topic, "bulk"):
            kind, flags = _unsealed(message.payload)
            if kind == SAMPLES and message.topic in self._period_of:
                return Readings(Rows.empty(), (self._samples(message.payload, flags, self._period_of[message.topic]),))
            need(kind == ROWS and message.topic == self._rows_topic, "the topic does not match this kind of block")
            return Readings(self._rows(message.payload))

    def _samples(self, payload: bytes, flags: int, period_us: int) -> Samples:
        start = _HEAD.size + _SAMPLES.size
        need(len(payload) >= start, "ends early")
        found_us, first, n_ticks, n_narrow, n_wide = _SAMPLES.unpack_from(payload, _HEAD.size)
        n = n_narrow + n_wide
        need(n_ticks > 0 and n > 0, "an empty block")
        mask_bytes = (n_ticks * n + 7) // 8 if flags & MASKED else 0
        sizes = (2 * n, 2 * n_ticks * n_narrow, 4 * n_ticks * n_wide, mask_bytes)
        _need_length(payload, start + sum(sizes))
        need(found_us == period_us, f"a period of {found_us} µs on the topic of {period_us} µs")
        self._span.check_ticks(first, first + n_ticks - 1, period_us)
        sensor = np.frombuffer(payload, "<i2", n, start).astype(np.int16)
        self._check_sensors(sensor, n_narrow, period_us)
        raw = np.empty((n_ticks, n), np.int32)
        start += sizes[0]
        raw[:, :n_narrow] = np.frombuffer(payload, "<i2", n_ticks * n_narrow, start).reshape(n_ticks, n_narrow)
        start += sizes[1]
        raw[:, n_narrow:] = np.frombuffer(payload, "<i4", n_ticks * n_wide, start).reshape(n_ticks, n_wide)
        present = _mask(payload, start + sizes[2], raw) if flags & MASKED else None
        return Samples(period_us, first, sensor, raw, present)

    def _check_sensors(self, sensor: I2, n_narrow: int, period_us: int) -> None:
        key = (sensor.tobytes(), n_narrow, period_us)
        if key in self._sound:
            return
        known = (sensor >= 0) & (sensor < len(self._bits))
        need(bool(known.all()), "an unknown sensor id")
        bits = np.where(np.arange(len(sensor)) < n_narrow, 16, _WIDE)
        need(bool((self._period_us[sensor] == period_us).all()), "a sensor id of another period")
        need(bool((self._bits[sensor] == bits).all()), "a sensor id of another width")
        need(len(np.unique(sensor)) == len(sensor), "a sensor id twice")
        if len(self._sound) < _GROUPS_KEPT:
            self._sound.add(key)

    def _rows(self, payload: bytes) -> Rows:
        start = _HEAD.size + _ROWS.size
        need(len(payload) >= start, "ends early")
        n, _ = _ROWS.unpack_from(payload, _HEAD.size)
        need(n > 0, "an empty block")
        _need_length(payload, start + n * _ROW_BYTES)
        found: dict[str, Any] = {}
        for name, kind in _COLUMNS.items():
            column = np.frombuffer(payload, kind, n, start)
            start += column.nbytes
            low, high = self._limits[name]
            wrong = (column < low) | (column > high)
            if wrong.any():
                refuse(f"{name}: expected {low} to {high}, got {column[int(np.argmax(wrong))]}")
            found[name] = column.astype(column.dtype.newbyteorder("="))
        return Rows(**found)


def _unsealed(payload: bytes) -> tuple[int, int]:
    """Return kind and flags of a payload whose checksum is right."""
    need(len(payload) <= LARGEST, f"{len(payload):,} bytes; expected at most {LARGEST:,}")
    need(payload[:4] == _MAGIC[: len(payload)], "it does not begin with FSIM")
    need(len(payload) >= _HEAD.size, "ends early")
    _, version, kind, flags, check, zero = _HEAD.unpack_from(payload)
    need(version == VERSION, f"version {version}; this program reads {VERSION}")
    need(zero == 0 and payload[7] == 0 and flags | MASKED == MASKED, "reserved bits are set")
    right = _checksum(kind, flags, memoryview(payload)[_HEAD.size :])
    need(check == right, "the checksum differs: it ends early or is damaged")
    return kind, flags


def _mask(payload: bytes, start: int, raw: I4) -> B1:
    bits = np.unpackbits(np.frombuffer(payload, np.uint8, offset=start), count=raw.size)
    return bits.reshape(raw.shape).astype(np.bool_)


def _need_length(payload: bytes, wanted: int) -> None:
    need(len(payload) >= wanted, "ends early")
    need(len(payload) == wanted, f"{len(payload) - wanted} bytes too many")
