"""Writing Sparkplug B payloads: metrics with a name or an alias, a time, a data type, properties and one scalar value.

Google's protobuf runtime writes a metric. The payload around it is written here, so that its time has a fixed width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from factory_sim.wire.sparkplug.payload_types import INTEGER_BITS, VALUE_FIELD, MetricMessage, Type, Value, carrier_bits
from factory_sim.wire.varint import varint

_PAYLOAD_TIMESTAMP, _PAYLOAD_METRIC, _PAYLOAD_SEQ = b"\x08", b"\x12", b"\x18"  # keys of protobuf fields 1 to 3
_IS_NULL = b"\x38\x01"  # last: version 0.1.0 wrote it there
TIME_BYTES = 6  # of every timestamp that is written: 42 bits of milliseconds last until 2109
MAX_MS = 2 ** (7 * TIME_BYTES) - 1
_PROPERTY_TYPES = {str: Type.STRING, bool: Type.BOOLEAN, float: Type.DOUBLE, int: Type.INT64}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; those of births and commands have a name, those of data an alias alone."""

    name: str
    type: Type
    value: Value = None
    alias: int = -1  # -1: none
    properties: tuple[tuple[str, Value], ...] = ()
    time_ms: int = -1  # -1: the payload's


@lru_cache(maxsize=1_024)
def time_bytes(time_ms: int) -> bytes:
    """Return a timestamp as a varint padded to TIME_BYTES, so that columns of timestamps have one width."""
    check_times(time_ms, time_ms)
    last = TIME_BYTES - 1
    return bytes((time_ms >> 7 * k) & 0x7F | (0x80 if k < last else 0) for k in range(TIME_BYTES))


def check_times(first_ms: int, last_ms: int) -> None:
    """Raise OverflowError for times that TIME_BYTES cannot hold."""
    if first_ms < 0 or last_ms > MAX_MS:
        msg = f"a Sparkplug timestamp lies from 1970 to 2109, got {first_ms if first_ms < 0 else last_ms} ms"
        raise OverflowError(msg)


def metric(m: Metric, time_ms: int, *, typed: bool = True) -> bytes:
    """Return a metric as a field of a payload.

    typed : with its data type, as births need it (section 6.4.6). Data should not have one by the specification, but
    four popular decoders read no value without it.
    """
    found = MetricMessage(timestamp=time_ms if m.time_ms < 0 else m.time_ms)
    if m.name:
        found.name = m.name
    if m.alias >= 0:
        found.alias = m.alias
    if typed:
        found.datatype = m.type
    for name, value in m.properties:
        kind = _PROPERTY_TYPES[type(value)]
        found.properties.keys.append(name)
        found.properties.values.add(type=kind, **{VALUE_FIELD[kind]: value})
    if m.value is not None:
        value = int(m.value) % 2 ** carrier_bits(m.type) if m.type in INTEGER_BITS else m.value
        setattr(found, VALUE_FIELD[m.type], value)
    return field(found.SerializeToString() + (_IS_NULL if m.value is None else b""))


def field(content: bytes) -> bytes:
    """Return a metric as a field of a payload."""
    return _PAYLOAD_METRIC + varint(len(content)) + content


def payload(body: bytes, time_ms: int, seq: int = -1) -> bytes:
    """Return metrics between the payload's time and its sequence number; -1: none, as in NDEATH and commands."""
    head = _PAYLOAD_TIMESTAMP + time_bytes(time_ms) + body
    return head if seq < 0 else head + _PAYLOAD_SEQ + varint(seq)
