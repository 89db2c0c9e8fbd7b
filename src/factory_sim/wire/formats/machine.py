"""`machine`: one flat JSON object per machine and tick, and one per event row, exact to the nanosecond and the count.

    <root>/housing/OP110/M003/data   {"v":1,"t_ns":...,"seq":12,"period_us":1000000,"spindle_power":7.42,...}
    <root>/housing/OP110/M003/event  {"v":1,"t_ns":...,"seq":4,"state":"busy","part":7,"outcome":"took","detail":0}

A unit whose sensors have several periods sends one `data` message for each. A sensor without a value at that tick is
left out. Events are retained, and so are alarms (alarms.py), which follow the event that raises or clears them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from factory_sim.errors import PayloadError, did_you_mean
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import topics
from factory_sim.wire.formats import alarms
from factory_sim.wire.formats.decoder_checks import (
    MAX_DETAIL,
    MAX_PART,
    MAX_SEQ,
    MIN_DETAIL,
    OUTCOME_CODES,
    OUTCOME_NAMES,
    STATE_CODES,
    STATE_NAMES,
    RefusedError,
    Span,
    json_object,
    need_keys,
    number,
    refuse,
    whole,
    word,
)
from factory_sim.wire.formats.row_messages import NO_ROWS, one_row
from factory_sim.wire.formats.scaling import Scaling
from factory_sim.wire.formats.unit_columns import Layouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import I2, Meta

VERSION = 1
HEAD = ("v", "t_ns", "seq", "period_us")
EVENT_KEYS = ("v", "t_ns", "seq", "state", "part", "outcome", "detail")
_MAX_NS = 2**63 - 1


def topic_filter(root: str) -> str:
    """What a subscriber asks for."""
    return f"{topics.clean_root(root)}/{topics.UNIT_LEVELS}/+"


class Encoder:
    """Readings to one message per unit and tick, and one per row."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._epoch_ns = meta.epoch_ns
        units = topics.unit_topics(meta, root)
        self._data = [f"{unit}/{topics.DATA}" for unit in units]
        self._event = [f"{unit}/{topics.EVENT}" for unit in units]
        self._tags = topics.sensor_tags(meta)
        self._layouts, self._scaling = Layouts(meta), Scaling(meta.sensors)
        self._alarms = alarms.Alarms(meta, root)

    def data(self, readings: Readings) -> list[Message]:
        """Rows first, retained, then the samples, tick by tick."""
        messages = list(self._rows(readings.rows))
        for block in readings.samples:
            messages.extend(self._samples(block))
        return messages

    def clear(self) -> list[Message]:
        """Deletes all retained events and alarms."""
        return [*(Message(topic, b"", retain=True) for topic in self._event), *self._alarms.clear()]

    def _rows(self, rows: Rows) -> Iterator[Message]:
        columns = (rows.t_ns, rows.unit, rows.seq, rows.state, rows.part, rows.outcome, rows.detail)
        for t_ns, unit, *values in zip(*(column.tolist() for column in columns), strict=True):
            seq, state, part, outcome, detail = values
            fields = (VERSION, t_ns, seq, STATE_NAMES[state], part, OUTCOME_NAMES[outcome], detail)
            payload = orjson.dumps(dict(zip(EVENT_KEYS, fields, strict=True)))
            yield Message(self._event[unit], payload, retain=True, ready_ns=t_ns)
            yield from self._alarms.of_row(t_ns, unit, seq, state, detail)

    def _samples(self, block: Samples) -> Iterator[Message]:
        layout = self._layouts.of(block.sensor)
        order = list(layout.order)
        values = self._scaling.values(block.raw[:, order], list(layout.sensors))
        tags = [self._tags[k] for k in layout.sensors]
        cuts = [
            (self._data[unit], slice(a, b), tags[a:b])
            for unit, a, b in zip(layout.units, layout.starts, layout.starts[1:], strict=False)
        ]
        for k, row in enumerate(values):
            tick, numbers = block.first_tick + k, row.tolist()
            t_ns = self._epoch_ns + tick * block.period_us * 1_000
            there = None if block.present is None else block.present[k, order].tolist()
            for topic, own, names in cuts:
                found = dict(zip(names, numbers[own], strict=True))
                if there is not None and not all(there[own]):
                    found = {name: found[name] for name, is_there in zip(names, there[own], strict=True) if is_there}
                if found:
                    head = {"v": VERSION, "t_ns": t_ns, "seq": tick, "period_us": block.period_us}
                    yield Message(topic, orjson.dumps(head | found), ready_ns=t_ns)


@dataclass(frozen=True, slots=True)
class _Group:
    """The sensors of one unit and period."""

    tags: list[str]
    chosen: list[int]  # their positions in Meta.sensors
    ids: I2


class Decoder:
    """Messages back to readings; remembers nothing."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._meta, self._span, self._scaling = meta, Span(meta), Scaling(meta.sensors)
        units = topics.unit_topics(meta, root)
        self._data = {f"{topic}/{topics.DATA}": unit for unit, topic in enumerate(units)}
        self._event = {f"{topic}/{topics.EVENT}": unit for unit, topic in enumerate(units)}
        self._alarm = {f"{topic}/{topics.ALARM}" for topic in units}
        members: dict[tuple[int, int], list[int]] = {}
        for k, sensor in enumerate(meta.sensors):
            members.setdefault((sensor.unit, sensor.period_us), []).append(k)
        tags, ids = topics.sensor_tags(meta), np.array([sensor.id for sensor in meta.sensors], np.int16)
        self._groups = {key: _Group([tags[k] for k in chosen], chosen, ids[chosen]) for key, chosen in members.items()}

    def feed(self, message: Message) -> Readings:
        """The samples of one unit at one tick, or one row; of an alarm nothing, its rows say the same."""
        try:
            if message.topic in self._data:
                return self._samples(self._data[message.topic], json_object(message.payload))
            if message.topic in self._event:
                return self._row(self._event[message.topic], json_object(message.payload))
            if message.topic in self._alarm:
                alarms.check(message.payload, self._span)
                return Readings(NO_ROWS)
            refuse("no unit has this topic")
        except RefusedError as error:
            raise PayloadError(message.topic, "machine", str(error)) from None

    def _samples(self, unit: int, found: dict[str, Any]) -> Readings:
        whole(found, "v", VERSION, VERSION)
        tick, period_us = whole(found, "seq", 0, MAX_SEQ), whole(found, "period_us", 1, MAX_SEQ)
        self._span.check_ticks(tick, tick, period_us)
        expected_ns = self._span.epoch_ns + tick * period_us * 1_000
        if whole(found, "t_ns", -_MAX_NS, _MAX_NS) != expected_ns:
            refuse(f"t_ns {found['t_ns']} is not the moment of seq {tick}, {expected_ns}")
        for key in HEAD:
            del found[key]
        group = self._group(unit, period_us)
        chosen, ids = (group.chosen, group.ids) if list(found) == group.tags else _some(group, found)
        raw = self._scaling.raw((number(value, tag) for tag, value in found.items()), chosen)
        return Readings(NO_ROWS, (Samples(period_us, tick, ids, np.array([raw], np.int32)),))

    def _group(self, unit: int, period_us: int) -> _Group:
        group = self._groups.get((unit, period_us))
        if group is None:
            known = sorted(period for owner, period in self._groups if owner == unit)
            refuse(f"period_us {period_us} is none of this unit's: {known[:12]}")
        return group

    def _row(self, unit: int, found: dict[str, Any]) -> Readings:
        need_keys(found, EVENT_KEYS)
        whole(found, "v", VERSION, VERSION)
        t_ns = whole(found, "t_ns", -_MAX_NS, _MAX_NS)
        self._span.check_ns(t_ns)
        row = one_row(
            t_ns,
            unit,
            whole(found, "seq", 0, MAX_SEQ),
            word(found, "state", STATE_CODES),
            whole(found, "part", -1, MAX_PART),
            word(found, "outcome", OUTCOME_CODES),
            whole(found, "detail", MIN_DETAIL, MAX_DETAIL),
        )
        return Readings(row)


def _some(group: _Group, found: dict[str, Any]) -> tuple[list[int], I2]:
    """The sensors of a message that leaves some out, or has them in another order."""
    if not found:
        refuse("no sensor has a value")
    place = {tag: i for i, tag in enumerate(group.tags)}
    unknown = next((tag for tag in found if tag not in place), None)
    if unknown is not None:
        refuse(f"{unknown[:60]!r} is no sensor of this unit and period. {did_you_mean(unknown[:60], place)}")
    places = [place[tag] for tag in found]
    return [group.chosen[i] for i in places], group.ids[places]
