"""`uns`: one value, one topic, as tools for a unified namespace expect.

    <root>/housing/OP110/M003/spindle_power  {"v":1,"timestamp_ms":1767225600000,"value":7.42,"quality":"good","seq":12}

Samples carry their tick as `seq`. A row is four messages on the tags `state`, `part`, `outcome`, `detail`, all with the
row's `seq` and time, retained; the decoder gives the row when it has all four. Times are rounded to the millisecond.
Alarms (alarms.py) are events, not values, and look as in `machine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from factory_sim.errors import PayloadError
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import topics
from factory_sim.wire.formats import alarms
from factory_sim.wire.formats.decoder_checks import (
    MAX_DETAIL,
    MAX_PART,
    MAX_SEQ,
    MIN_DETAIL,
    OUTCOME_NAMES,
    STATE_NAMES,
    RefusedError,
    Span,
    json_object,
    need_keys,
    number,
    refuse,
    whole,
)
from factory_sim.wire.formats.row_messages import NO_ROWS, one_row
from factory_sim.wire.formats.scaling import Scaling
from factory_sim.wire.formats.unit_columns import Layouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta

NS_PER_MS = 1_000_000
VERSION = 1
KEYS = ("v", "timestamp_ms", "value", "quality", "seq")
MAX_OPEN_ROWS = 65_536  # rows of which some values are still to come; about 20 MB
_RANGES = {
    "state": (0, len(STATE_NAMES) - 1),
    "part": (-1, MAX_PART),
    "outcome": (0, len(OUTCOME_NAMES) - 1),
    "detail": (MIN_DETAIL, MAX_DETAIL),
}
_NOTHING = Readings(NO_ROWS)


def topic_filter(root: str) -> str:
    """What a subscriber asks for."""
    return f"{topics.clean_root(root)}/{topics.UNIT_LEVELS}/+"


def ms_from_ns(t_ns: Any) -> Any:
    """The nearest millisecond, ties up."""
    return (t_ns + NS_PER_MS // 2) // NS_PER_MS


class Encoder:
    """Readings to one message a reading."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._epoch_ns = meta.epoch_ns
        self._units = topics.unit_topics(meta, root)
        tags = topics.sensor_tags(meta)
        self._sensors = [f"{self._units[s.unit]}/{tag}" for s, tag in zip(meta.sensors, tags, strict=True)]
        self._layouts, self._scaling = Layouts(meta), Scaling(meta.sensors)
        self._alarms = alarms.Alarms(meta, root)

    def data(self, readings: Readings) -> list[Message]:
        """Rows first, each as four retained messages, then the samples, tick by tick."""
        messages = list(self._rows(readings.rows))
        for block in readings.samples:
            messages.extend(self._samples(block))
        return messages

    def clear(self) -> list[Message]:
        """Deletes all retained values."""
        tags = [Message(f"{unit}/{tag}", b"", retain=True) for unit in self._units for tag in topics.STATE_TAGS]
        return [*tags, *self._alarms.clear()]

    def _rows(self, rows: Rows) -> Iterator[Message]:
        columns = (rows.t_ns, rows.unit, rows.seq, rows.state, rows.part, rows.outcome, rows.detail)
        for t_ns, unit, seq, *values in zip(*(column.tolist() for column in columns), strict=True):
            for tag, value in zip(topics.STATE_TAGS, values, strict=True):
                payload = _payload(ms_from_ns(t_ns), value, seq)
                yield Message(f"{self._units[unit]}/{tag}", payload, retain=True, ready_ns=t_ns)
            yield from self._alarms.of_row(t_ns, unit, seq, values[0], values[-1])

    def _samples(self, block: Samples) -> Iterator[Message]:
        layout = self._layouts.of(block.sensor)
        order = list(layout.order)
        values = self._scaling.values(block.raw[:, order], list(layout.sensors))
        names = [self._sensors[k] for k in layout.sensors]
        for k in range(len(values)):
            tick = block.first_tick + k
            t_ns = self._epoch_ns + tick * block.period_us * 1_000
            ms = ms_from_ns(t_ns)
            there = None if block.present is None else block.present[k, order].tolist()
            for column, (topic, value) in enumerate(zip(names, values[k].tolist(), strict=True)):
                if there is None or there[column]:
                    yield Message(topic, _payload(ms, value, tick), ready_ns=t_ns)


def _payload(timestamp_ms: int, value: float, seq: int) -> bytes:
    return orjson.dumps({"v": VERSION, "timestamp_ms": timestamp_ms, "value": value, "quality": "good", "seq": seq})


class Decoder:
    """Messages back to readings; remembers the rows of which some values are still to come."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._meta, self._span, self._scaling = meta, Span(meta), Scaling(meta.sensors)
        units = topics.unit_topics(meta, root)
        self._rows = {f"{topic}/{tag}": (unit, tag) for unit, topic in enumerate(units) for tag in topics.STATE_TAGS}
        self._alarm = {f"{topic}/{topics.ALARM}" for topic in units}
        tags = enumerate(topics.sensor_tags(meta))
        self._sensors = {f"{units[meta.sensors[k].unit]}/{tag}": k for k, tag in tags}
        self._ids = [np.array([sensor.id], np.int16) for sensor in meta.sensors]
        self._open: dict[tuple[int, int, int], dict[str, int]] = {}  # (unit, seq, ms) -> values so far

    def feed(self, message: Message) -> Readings:
        """The reading, or the row that this message completes, else nothing; of an alarm nothing."""
        try:
            if message.topic in self._sensors:
                return self._sample(self._sensors[message.topic], _opened(message.payload))
            if message.topic in self._rows:
                return self._row(*self._rows[message.topic], _opened(message.payload))
            if message.topic in self._alarm:
                alarms.check(message.payload, self._span)
                return _NOTHING
            refuse("no unit has this topic")
        except RefusedError as error:
            raise PayloadError(message.topic, "uns", str(error)) from None

    def _sample(self, k: int, found: dict[str, Any]) -> Readings:
        sensor = self._meta.sensors[k]
        tick = whole(found, "seq", 0, MAX_SEQ)
        self._span.check_ticks(tick, tick, sensor.period_us)
        expected_ms = ms_from_ns(self._span.epoch_ns + tick * sensor.period_us * 1_000)
        if abs(found["timestamp_ms"] - expected_ms) > 1:
            refuse(f"timestamp_ms {found['timestamp_ms']} is not the moment of seq {tick}, {expected_ms}")
        raw = self._scaling.raw((number(found["value"], "value"),), (k,))
        return Readings(NO_ROWS, (Samples(sensor.period_us, tick, self._ids[k], np.array([raw], np.int32)),))

    def _row(self, unit: int, tag: str, found: dict[str, Any]) -> Readings:
        value, seq = whole(found, "value", *_RANGES[tag]), whole(found, "seq", 0, MAX_SEQ)
        ms = found["timestamp_ms"]
        self._span.check_ns(ms * NS_PER_MS, NS_PER_MS)
        key = (unit, seq, ms)
        values = self._open.setdefault(key, {})
        values[tag] = value
        if len(values) < len(topics.STATE_TAGS):
            if len(self._open) > MAX_OPEN_ROWS:  # the oldest row has lost a value: a gap in seq will show it
                del self._open[next(iter(self._open))]
            return _NOTHING
        del self._open[key]
        row = one_row(ms * NS_PER_MS, unit, seq, values["state"], values["part"], values["outcome"], values["detail"])
        return Readings(row)


def _opened(payload: bytes) -> dict[str, Any]:
    found = json_object(payload)
    need_keys(found, KEYS)
    whole(found, "v", VERSION, VERSION)
    whole(found, "timestamp_ms", -(2**53), 2**53)
    if found["quality"] != "good":
        refuse(f"quality: expected good, got {str(found['quality'])[:60]!r}")
    return found
