"""Sparkplug B payloads of any edge node: less strict than our own reader, since their types come from births."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory_sim.records import ForeignMetric
from factory_sim.wire.payload_checks import reading
from factory_sim.wire.sparkplug import payload_reader

if TYPE_CHECKING:
    from factory_sim.records import Message

_NS_PER_MS = 1_000_000
_MAX_MS = 2**43  # beyond the year 2248; a nanosecond clock overflows later
_LEVELS = 4
_KINDS = ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH")
_UNIT = "engUnit"


@dataclass(frozen=True, slots=True)
class ForeignPayload:
    """One message of an edge node."""

    t_ns: int  # 0: none
    seq: int  # -1: none
    metrics: tuple[ForeignMetric, ...]


def decode(message: Message) -> ForeignPayload | None:
    """Return the metrics of a birth, data or death message, None for others. Raises PayloadError."""
    levels = message.topic.split("/")
    if len(levels) < _LEVELS or levels[2] not in _KINDS:
        return None
    with reading(message.topic, "sparkplug"):
        found = payload_reader.payload(message.payload, needs_seq=False, needs_time=False)
        metrics = tuple(_metric(each) for each in found.metrics)
    seq = found.seq if found.HasField("seq") else -1
    return ForeignPayload(_ns(found.timestamp), seq, metrics)


def _metric(each: Any) -> ForeignMetric:
    which = each.WhichOneof("value")
    value = getattr(each, which) if which and not each.is_null else None
    name = payload_reader.text(each.name, "a metric's name") if each.name else ""
    if isinstance(value, bytes):
        value = payload_reader.text(value, "a text")
    alias = each.alias if each.HasField("alias") else -1
    return ForeignMetric(name, alias, each.datatype, value, _ns(each.timestamp), _unit(each.properties))


def _unit(properties: Any) -> str:
    for key, value in zip(properties.keys, getattr(properties, "values"), strict=False):  # noqa: B009 - a field's name
        if key == _UNIT and isinstance(value.string_value, str):
            return value.string_value
    return ""


def _ns(ms: int) -> int:
    return ms * _NS_PER_MS if 0 < ms < _MAX_MS else 0
