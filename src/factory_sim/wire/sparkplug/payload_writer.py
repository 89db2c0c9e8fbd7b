"""Writing Sparkplug B payloads: the protobuf fields of the specification's section 6.4, by number.

Only what this package sends: metrics with a name or an alias, a time, a data type, properties and one scalar value.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from factory_sim.wire.varint import varint

# Data types of metrics and properties that are sent or accepted, from 1 (specification, section 6.4.16).
Type = IntEnum("Type", "INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FLOAT DOUBLE BOOLEAN STRING DATE_TIME TEXT")
Value = float | bool | str | None  # None: null
INTEGER_BITS = {
    Type.INT8: 8,
    Type.INT16: 16,
    Type.INT32: 32,
    Type.INT64: 64,
    Type.UINT8: 8,
    Type.UINT16: 16,
    Type.UINT32: 32,
    Type.UINT64: 64,
    Type.DATE_TIME: 64,
}


def carrier_bits(kind: Type) -> int:
    """Return the width of the protobuf field that carries an integer; negative values are two's complement in it."""
    return 64 if INTEGER_BITS[kind] == 64 else 32


def _key(number: int, wire_type: int = 0) -> bytes:
    """Return the key of a protobuf field. wire_type : 0 varint, 1 eight bytes, 2 with its length, 5 four bytes."""
    return bytes((number << 3 | wire_type,))


PAYLOAD_TIMESTAMP, PAYLOAD_METRIC, PAYLOAD_SEQ = _key(1), _key(2, 2), _key(3)
NAME, ALIAS, TIMESTAMP, DATATYPE, IS_NULL, PROPERTIES = _key(1, 2), _key(2), _key(3), _key(4), _key(7), _key(9, 2)
INT_VALUE, LONG_VALUE, BOOLEAN_VALUE = _key(10), _key(11), _key(14)
FLOAT_VALUE, DOUBLE_VALUE, STRING_VALUE = _key(12, 5), _key(13, 1), _key(15, 2)
_SET_KEYS, _SET_VALUES = _key(1, 2), _key(2, 2)
_PROPERTY_TYPE, _PROPERTY_DOUBLE, _PROPERTY_BOOLEAN, _PROPERTY_STRING = _key(1), _key(6, 1), _key(7), _key(8, 2)

TIME_BYTES = 6  # of every timestamp that is written: 42 bits of milliseconds last until 2109
MAX_MS = 2 ** (7 * TIME_BYTES) - 1


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a birth or a command, with its name."""

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


def scalar(kind: Type, value: Value) -> bytes:
    """Return the value field of a metric."""
    if value is None:
        return IS_NULL + b"\x01"
    if kind is Type.FLOAT:
        return FLOAT_VALUE + struct.pack("<f", value)
    if kind is Type.DOUBLE:
        return DOUBLE_VALUE + struct.pack("<d", value)
    if kind is Type.BOOLEAN:
        return BOOLEAN_VALUE + (b"\x01" if value else b"\x00")
    if isinstance(value, str):
        return STRING_VALUE + _text(value)
    bits = carrier_bits(kind)
    return (LONG_VALUE if bits == 64 else INT_VALUE) + varint(int(value) % 2**bits)


def metric(m: Metric, time_ms: int) -> bytes:
    """Return a metric as a field of a payload; births name its data type, section 6.4.6."""
    parts = [NAME, _text(m.name)]
    if m.alias >= 0:
        parts += [ALIAS, varint(m.alias)]
    parts += [TIMESTAMP, time_bytes(time_ms if m.time_ms < 0 else m.time_ms), DATATYPE, varint(m.type)]
    if m.properties:
        keys = b"".join(_SET_KEYS + _text(name) for name, _ in m.properties)
        values = b"".join(_SET_VALUES + sized(_property(value)) for _, value in m.properties)
        parts += [PROPERTIES, sized(keys + values)]
    return PAYLOAD_METRIC + sized(b"".join([*parts, scalar(m.type, m.value)]))


def by_alias(alias: int, kind: Type, value: Value, time_ms: int) -> bytes:
    """Return a metric of a data message: alias, time and value, without name and data type."""
    return PAYLOAD_METRIC + sized(ALIAS + varint(alias) + TIMESTAMP + time_bytes(time_ms) + scalar(kind, value))


def payload(body: bytes, time_ms: int, seq: int = -1) -> bytes:
    """Return metrics between the payload's time and its sequence number; -1: none, as in NDEATH and commands."""
    head = PAYLOAD_TIMESTAMP + time_bytes(time_ms) + body
    return head if seq < 0 else head + PAYLOAD_SEQ + varint(seq)


def sized(content: bytes) -> bytes:
    """Return a length-delimited field: its length, then its content."""
    return varint(len(content)) + content


def _property(value: Value) -> bytes:
    if isinstance(value, str):
        return _PROPERTY_TYPE + varint(Type.STRING) + _PROPERTY_STRING + _text(value)
    if isinstance(value, bool):
        return _PROPERTY_TYPE + varint(Type.BOOLEAN) + _PROPERTY_BOOLEAN + bytes([value])
    return _PROPERTY_TYPE + varint(Type.DOUBLE) + _PROPERTY_DOUBLE + struct.pack("<d", value)


def _text(text: str) -> bytes:
    return sized(text.encode())
