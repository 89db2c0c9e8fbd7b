"""Alarms: a failure raised and cleared, as formats with a topic per unit send them beside their readings.

    <root>/housing/OP110/M003/alarm  {"v":1,"t_ns":...,"seq":4,"active":true,"mode":"spindle"}

Drawn from rows that travel anyway, so a decoder checks an alarm and reads nothing from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from factory_sim.plant.states import DOWN_STATES
from factory_sim.records import Message
from factory_sim.wire import topics
from factory_sim.wire.formats.decoder_checks import MAX_SEQ, Span, json_object, need_keys, refuse, whole

if TYPE_CHECKING:
    from factory_sim.records import Meta

VERSION = 1
KEYS = ("v", "t_ns", "seq", "active", "mode")
_DOWN = frozenset(int(state) for state in DOWN_STATES)


class Alarms:
    """Knows which units are down, so that a change is seen."""

    def __init__(self, meta: Meta, root: str) -> None:
        self._modes = meta.failure_modes
        self._topics = [f"{unit}/{topics.ALARM}" for unit in topics.unit_topics(meta, root)]
        self._raised: dict[int, str] = {}  # unit -> failure mode

    def of_row(self, t_ns: int, unit: int, seq: int, state: int, detail: int) -> list[Message]:
        """The alarm that a unit's next row raises or clears, if it does; retained."""
        down = state in _DOWN
        if down == (unit in self._raised):
            return []
        if down:
            names = self._modes[unit]
            self._raised[unit] = names[detail] if 0 <= detail < len(names) else ""
        mode = self._raised[unit] if down else self._raised.pop(unit)
        payload = orjson.dumps(dict(zip(KEYS, (VERSION, t_ns, seq, down, mode), strict=True)))
        return [Message(self._topics[unit], payload, retain=True, ready_ns=t_ns)]

    def clear(self) -> list[Message]:
        """Deletes all retained alarms."""
        return [Message(topic, b"", retain=True) for topic in self._topics]


def check(payload: bytes, span: Span) -> None:
    """Refuses what is no alarm. Raises RefusedError."""
    found = json_object(payload)
    need_keys(found, KEYS)
    whole(found, "v", VERSION, VERSION)
    whole(found, "seq", 0, MAX_SEQ)
    span.check_ns(whole(found, "t_ns", -(2**63), 2**63 - 1))
    if type(found["active"]) is not bool or type(found["mode"]) is not str:
        refuse("expected active: true or false, and mode: a text")
