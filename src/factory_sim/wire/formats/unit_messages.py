"""The common part of formats with topics for every unit: retained rows and alarms, then samples.

An alarm is a failure raised and cleared:

    <root>/housing/OP110/M003/alarm  {"v":1,"t_ns":...,"seq":4,"active":true,"mode":"spindle"}

Alarms repeat what rows contain; a decoder checks an alarm and takes no reading from it.

Rows of one unit at one instant have rising time stamps: `shift_ns` or `shift_ms` is how much later a
time stamp is than its row, and is left out when it is 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from factory_sim.errors import PayloadError
from factory_sim.plant.states import DOWN_STATES
from factory_sim.records import NO_READINGS, Message
from factory_sim.wire import topics
from factory_sim.wire.payload_checks import (
    ANY_INT64,
    ROW_RANGES,
    SEQ_RANGE,
    RefusedError,
    Span,
    json_object,
    need_keys,
    refuse,
    whole,
)
from factory_sim.wire.rising_times import RisingTimes
from factory_sim.wire.scaling import Scaling
from factory_sim.wire.unit_columns import UnitColumns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from factory_sim.records import Meta, Readings, Rows, Samples

ALARM_VERSION = 1
SHIFT = "shift_ns"
ALARM_KEYS = ("v", "t_ns", "seq", "active", "mode")
_DOWN = frozenset(int(state) for state in DOWN_STATES)


def topic_filter(root: str) -> str:
    """Return the filter that matches all topics of units."""
    return f"{topics.clean_root(root)}/{topics.UNIT_LEVELS}/+"


class UnitEncoder(ABC):
    """Readings to messages; keeps which units are down, to detect a change."""

    row_tags: tuple[str, ...]  # last levels of the topics that a row is retained on

    def __init__(self, meta: Meta, root: str) -> None:
        self._units = topics.unit_topics(meta, root)
        self._row_topics = [tuple(f"{unit}/{tag}" for tag in self.row_tags) for unit in self._units]
        self._tags = topics.sensor_tags(meta)
        self._columns, self._modes = UnitColumns(meta), meta.failure_modes
        self._raised: dict[int, str] = {}  # unit -> failure mode
        self._row_times, self._alarm_times = RisingTimes[int](), RisingTimes[int]()  # of units

    def data(self, readings: Readings) -> list[Message]:
        """Return the messages of rows, retained, then those of samples, tick by tick."""
        return [*self._rows(readings.rows), *(m for block in readings.samples for m in self._samples(block))]

    def clear(self) -> list[Message]:
        """Return the messages that delete all retained rows and alarms."""
        retained = (topic for row in self._row_topics for topic in row)
        return [Message(topic, b"", retain=True) for topic in (*retained, *map(_alarm_topic, self._units))]

    @abstractmethod
    def _row(self, t_ns: int, unit: int, values: Sequence[int]) -> Iterable[bytes]:
        """Return the payloads of a row, one per tag. values : in the order of ROW_RANGES."""

    @abstractmethod
    def _samples(self, block: Samples) -> Iterator[Message]:
        """Return the messages of a block."""

    def _rows(self, rows: Rows) -> Iterator[Message]:
        columns = (getattr(rows, name).tolist() for name in ("t_ns", "unit", *ROW_RANGES))
        for t_ns, unit, *values in zip(*columns, strict=True):
            for topic, payload in zip(self._row_topics[unit], self._row(t_ns, unit, values), strict=True):
                yield Message(topic, payload, retain=True, ready_ns=t_ns)
            seq, state, *_, detail = values
            if (state in _DOWN) != (unit in self._raised):
                yield self._alarm(t_ns, unit, seq, detail)

    def _alarm(self, t_ns: int, unit: int, seq: int, detail: int) -> Message:
        active, modes = unit not in self._raised, self._modes[unit]
        if active:
            self._raised[unit] = modes[detail] if 0 <= detail < len(modes) else ""
        mode = self._raised[unit] if active else self._raised.pop(unit)
        payload = self._alarm_payload(t_ns, unit, seq, mode, active=active)
        return Message(_alarm_topic(self._units[unit]), payload, retain=True, ready_ns=t_ns)

    def _alarm_payload(self, t_ns: int, unit: int, seq: int, mode: str, *, active: bool) -> bytes:
        shift_ns = self._alarm_times.shift(unit, t_ns)
        fields = (ALARM_VERSION, t_ns + shift_ns, seq, active, mode)
        return orjson.dumps(dict(zip(ALARM_KEYS, fields, strict=True)) | shifted(SHIFT, shift_ns))


class UnitDecoder:
    """Messages to readings; subclasses add the functions that read the JSON object of a topic."""

    kind = ""  # the name of the format

    def __init__(self, meta: Meta, root: str) -> None:
        self._meta, self._span, self._scaling = meta, Span(meta), Scaling(meta.sensors)
        self._units, self._tags = topics.unit_topics(meta, root), topics.sensor_tags(meta)
        self._readers: dict[str, Callable[[dict[str, Any]], Readings]] = {
            _alarm_topic(unit): partial(_read_alarm, self._span) for unit in self._units
        }

    def extend(self, meta: Meta) -> None:
        """Accept readings up to the end of a longer window."""
        self._span.extend(meta)

    def feed(self, message: Message) -> Readings:
        """Return the readings that this message completes, none for an alarm."""
        try:  # `reading` would take a twentieth of the time of a small message
            read = self._readers.get(message.topic)
            if read is None:
                refuse("no unit has this topic")
            return read(json_object(message.payload))
        except RefusedError as error:
            raise PayloadError(message.topic, self.kind, str(error)) from None


def shifted(key: str, shift: int) -> dict[str, int]:
    """Return the key of a time shift, none for 0."""
    return {key: shift} if shift else {}


def _alarm_topic(unit: str) -> str:
    return f"{unit}/{topics.ALARM}"


def _read_alarm(span: Span, found: dict[str, Any]) -> Readings:
    shift_ns = need_keys(found, ALARM_KEYS, SHIFT)
    whole(found, "v", ALARM_VERSION, ALARM_VERSION)
    whole(found, "seq", *SEQ_RANGE)
    span.check_ns(whole(found, "t_ns", *ANY_INT64) - shift_ns)
    if type(found["active"]) is not bool or type(found["mode"]) is not str:
        refuse("expected active: true or false, and mode: a text")
    return NO_READINGS
