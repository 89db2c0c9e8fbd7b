"""`machine`: one flat JSON object per machine and tick, and one per event row, exact to the nanosecond and the count.

    <root>/housing/OP110/M003/data   {"v":1,"t_ns":...,"seq":12,"period_us":1000000,"spindle_power":7.42,...}
    <root>/housing/OP110/M003/event  {"v":1,"t_ns":...,"seq":4,"state":"busy","part":7,"outcome":"took","detail":0}

A unit whose sensors have several periods sends one `data` message for each. A sensor without a value at that tick is
left out. Events are retained.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from factory_sim.errors import did_you_mean
from factory_sim.records import NO_ROWS, Message, Readings, Rows, Samples
from factory_sim.wire import topics
from factory_sim.wire.formats.unit_messages import SHIFT, UnitDecoder, UnitEncoder, shifted
from factory_sim.wire.payload_checks import (
    ANY_INT64,
    OUTCOME_NAMES,
    ROW_RANGES,
    SEQ_RANGE,
    STATE_NAMES,
    need_keys,
    number,
    refuse,
    whole,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import I2, Meta

VERSION = 1
HEAD = ("v", "t_ns", "seq", "period_us")
EVENT_KEYS = ("v", "t_ns", *ROW_RANGES)
_STATES = {name: code for code, name in enumerate(STATE_NAMES)}
_OUTCOMES = {name: code for code, name in enumerate(OUTCOME_NAMES)}


class Encoder(UnitEncoder):
    """Readings to one message per unit and tick, and one per row."""

    row_tags = (topics.EVENT,)

    def _row(self, t_ns: int, unit: int, values: Sequence[int]) -> list[bytes]:
        seq, state, part, outcome, detail = values
        shift_ns = self._row_times.shift(unit, t_ns)
        fields = (VERSION, t_ns + shift_ns, seq, STATE_NAMES[state], part, OUTCOME_NAMES[outcome], detail)
        return [orjson.dumps(dict(zip(EVENT_KEYS, fields, strict=True)) | shifted(SHIFT, shift_ns))]

    def _samples(self, block: Samples) -> Iterator[Message]:
        found = self._columns.arranged(block)
        tags, starts = [self._tags[k] for k in found.layout.sensors], found.layout.starts
        cuts = [
            (f"{self._units[unit]}/{topics.DATA}", slice(a, b), tags[a:b])
            for unit, a, b in zip(found.layout.units, starts, starts[1:], strict=False)
        ]
        for k, t_ns in enumerate(found.t_ns.tolist()):
            head = {"v": VERSION, "t_ns": t_ns, "seq": block.first_tick + k, "period_us": block.period_us}
            numbers = found.values[k].tolist()
            present = None if found.present is None else found.present[k].tolist()
            for topic, own, names in cuts:
                values = dict(zip(names, numbers[own], strict=True))
                if present is not None and not all(present[own]):
                    values = {
                        name: values[name] for name, is_there in zip(names, present[own], strict=True) if is_there
                    }
                if values:
                    yield Message(topic, orjson.dumps(head | values), ready_ns=t_ns)


@dataclass(frozen=True, slots=True)
class _Group:
    """The sensors of one unit and period."""

    tags: list[str]
    positions: list[int]  # in Meta.sensors
    ids: I2


class Decoder(UnitDecoder):
    """Messages to readings, without memory."""

    kind = "machine"

    def __init__(self, meta: Meta, root: str) -> None:
        super().__init__(meta, root)
        for unit, topic in enumerate(self._units):
            self._readers[f"{topic}/{topics.DATA}"] = partial(self._samples, unit)
            self._readers[f"{topic}/{topics.EVENT}"] = partial(self._row, unit)
        members: dict[tuple[int, int], list[int]] = {}
        for k, sensor in enumerate(meta.sensors):
            members.setdefault((sensor.unit, sensor.period_us), []).append(k)
        ids = np.array([sensor.id for sensor in meta.sensors], np.int16)
        self._groups = {key: _Group([self._tags[k] for k in own], own, ids[own]) for key, own in members.items()}

    def _samples(self, unit: int, found: dict[str, Any]) -> Readings:
        whole(found, "v", VERSION, VERSION)
        seq, period_us = whole(found, "seq", *SEQ_RANGE), whole(found, "period_us", 1, SEQ_RANGE[1])
        tick = self._span.tick_at(seq, whole(found, "t_ns", *ANY_INT64), period_us)
        for key in HEAD:
            del found[key]
        group = self._group(unit, period_us)
        positions, ids = (group.positions, group.ids) if list(found) == group.tags else _some(group, found)
        raw = self._scaling.raw((number(value, tag) for tag, value in found.items()), positions)
        return Readings(NO_ROWS, (Samples(period_us, tick, ids, np.array([raw], np.int32)),))

    def _group(self, unit: int, period_us: int) -> _Group:
        group = self._groups.get((unit, period_us))
        if group is None:
            known = sorted(period for owner, period in self._groups if owner == unit)
            refuse(f"period_us {period_us} is not a period of this unit: {known[:12]}")
        return group

    def _row(self, unit: int, found: dict[str, Any]) -> Readings:
        shift_ns = need_keys(found, EVENT_KEYS, SHIFT)
        whole(found, "v", VERSION, VERSION)
        t_ns = whole(found, "t_ns", *ANY_INT64) - shift_ns
        self._span.check_ns(t_ns)
        seq, part = whole(found, "seq", *SEQ_RANGE), whole(found, "part", *ROW_RANGES["part"])
        state, outcome = word(found, "state", _STATES), word(found, "outcome", _OUTCOMES)
        detail = whole(found, "detail", *ROW_RANGES["detail"])
        return Readings(Rows.of_rows([(t_ns, unit, seq, state, part, outcome, detail)]))


def _some(group: _Group, found: dict[str, Any]) -> tuple[list[int], I2]:
    """Return the sensors of a message that leaves some out, or has them in another order."""
    if not found:
        refuse("no sensor has a value")
    place = {tag: i for i, tag in enumerate(group.tags)}
    unknown = next((tag for tag in found if tag not in place), None)
    if unknown is not None:
        refuse(f"{unknown[:60]!r} is not a sensor of this unit and period. {did_you_mean(unknown[:60], place)}")
    places = [place[tag] for tag in found]
    return [group.positions[i] for i in places], group.ids[places]
