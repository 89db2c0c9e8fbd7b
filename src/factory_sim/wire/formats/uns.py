"""`uns`: one value per topic, as tools for a unified namespace expect.

    <root>/housing/OP110/M003/spindle_power  {"v":1,"timestamp_ms":1767225600000,"value":7.42,"quality":"good","seq":12}

Samples carry their tick as `seq`. A row is four messages on the tags `state`, `part`, `outcome`, `detail`, all with the
row's `seq` and time, retained; the decoder returns the row when it has all four. Times are rounded to the millisecond.

A bare payload is `{"timestamp_ms": ..., "value": ...}` and nothing else, as some consumers demand: without sequence
numbers, so losses are unknown, and the decoder here refuses it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from factory_sim.clock import NS_PER_MS, ms_from_ns
from factory_sim.records import NO_READINGS, NO_ROWS, Message, Readings, Rows, Samples
from factory_sim.wire import topics
from factory_sim.wire.formats.unit_messages import UnitDecoder, UnitEncoder, shifted
from factory_sim.wire.payload_checks import ROW_RANGES, SEQ_RANGE, need_keys, number, refuse, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import Meta

VERSION = 1
SHIFT = "shift_ms"
BARE_KEYS = {"timestamp_ms", "value"}
KEYS = ("v", "timestamp_ms", "value", "quality", "seq")
IS_BARE = "a bare payload has no sequence number; read the feed through a mapping: listen --map FILE"
MAX_OPEN_ROWS = 65_536  # incomplete rows; about 20 MB


class Encoder(UnitEncoder):
    """Readings to one message per value. is_bare : with bare payloads."""

    row_tags = topics.STATE_TAGS

    def __init__(self, meta: Meta, root: str, *, is_bare: bool = False) -> None:
        super().__init__(meta, root)
        self._payload = _bare if is_bare else _payload
        self._is_bare = is_bare
        self._topics = [f"{self._units[s.unit]}/{tag}" for s, tag in zip(meta.sensors, self._tags, strict=True)]

    def _row(self, t_ns: int, unit: int, values: Sequence[int]) -> list[bytes]:
        (seq, *rest), ms = values, ms_from_ns(t_ns)
        shift_ms = self._row_times.shift(unit, ms)
        return [self._payload(ms + shift_ms, value, seq, shift_ms) for value in rest]

    def _alarm_payload(self, t_ns: int, unit: int, seq: int, mode: str, *, active: bool) -> bytes:
        if not self._is_bare:
            return super()._alarm_payload(t_ns, unit, seq, mode, active=active)
        ms = ms_from_ns(t_ns)
        return _bare(ms + self._alarm_times.shift(unit, ms), active)

    def _samples(self, block: Samples) -> Iterator[Message]:
        found = self._columns.arranged(block)
        names = [self._topics[k] for k in found.layout.sensors]
        for k, t_ns in enumerate(found.t_ns.tolist()):
            ms, tick = ms_from_ns(t_ns), block.first_tick + k
            present = None if found.present is None else found.present[k].tolist()
            for column, (topic, value) in enumerate(zip(names, found.values[k].tolist(), strict=True)):
                if present is None or present[column]:
                    yield Message(topic, self._payload(ms, value, tick), ready_ns=t_ns)


def _payload(timestamp_ms: int, value: float, seq: int, shift_ms: int = 0) -> bytes:
    found = {"v": VERSION, "timestamp_ms": timestamp_ms, "value": value, "quality": "good", "seq": seq}
    return orjson.dumps(found | shifted(SHIFT, shift_ms) if shift_ms else found)


def _bare(timestamp_ms: int, value: float, *_: int) -> bytes:
    return orjson.dumps({"timestamp_ms": timestamp_ms, "value": value})


class Decoder(UnitDecoder):
    """Messages to readings; keeps the rows that are incomplete."""

    kind = "uns"

    def __init__(self, meta: Meta, root: str) -> None:
        super().__init__(meta, root)
        self._ids = [np.array([sensor.id], np.int16) for sensor in meta.sensors]
        self._open: dict[tuple[int, int, int], dict[str, int]] = {}  # (unit, seq, ms) -> values so far
        for unit, topic in enumerate(self._units):
            self._readers |= {f"{topic}/{tag}": partial(self._row, unit, tag) for tag in topics.STATE_TAGS}
        for k, (sensor, tag) in enumerate(zip(meta.sensors, self._tags, strict=True)):
            self._readers[f"{self._units[sensor.unit]}/{tag}"] = partial(self._sample, k)

    def _sample(self, k: int, found: dict[str, Any]) -> Readings:
        _check(found)  # samples are not shifted
        period_us, seq = self._meta.sensors[k].period_us, whole(found, "seq", *SEQ_RANGE)
        tick = self._span.tick_at(seq, found["timestamp_ms"] * NS_PER_MS, period_us, NS_PER_MS)
        raw = self._scaling.raw((number(found["value"], "value"),), (k,))
        return Readings(NO_ROWS, (Samples(period_us, tick, self._ids[k], np.array([raw], np.int32)),))

    def _row(self, unit: int, tag: str, found: dict[str, Any]) -> Readings:
        shift_ms = _check(found)
        value, seq = whole(found, "value", *ROW_RANGES[tag]), whole(found, "seq", *SEQ_RANGE)
        ms = found["timestamp_ms"] - shift_ms
        self._span.check_ns(ms * NS_PER_MS, NS_PER_MS)
        values = self._open.setdefault((unit, seq, ms), {})
        values[tag] = value
        if len(values) < len(topics.STATE_TAGS):
            if len(self._open) > MAX_OPEN_ROWS:  # a value of the oldest row is lost: a gap in seq will show it
                del self._open[next(iter(self._open))]
            return NO_READINGS
        del self._open[unit, seq, ms]
        row = (ms * NS_PER_MS, unit, seq, *(values[name] for name in topics.STATE_TAGS))
        return Readings(Rows.of_rows([row]))


def _check(found: dict[str, Any]) -> int:
    """Check what all payloads have in common. Return their time shift."""
    if found.keys() == BARE_KEYS:
        refuse(IS_BARE)
    shift_ms = need_keys(found, KEYS, SHIFT)
    whole(found, "v", VERSION, VERSION)
    whole(found, "timestamp_ms", -(2**53), 2**53)
    if found["quality"] != "good":
        refuse(f"quality: expected good, got {str(found['quality'])[:60]!r}")
    return shift_ms
