"""Writing Sparkplug B payloads: the protobuf fields of the specification's section 6.4, by number.

Only what we send: metrics with a name or an alias, a time, a data type, properties and one scalar value.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from factory_sim.wire.varint import varint


class Type(IntEnum):
    """Data types of metrics and properties that we send or accept (specification, section 6.4.16)."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATE_TIME = 13
    TEXT = 14


Value = float | bool | str | None  # None: null

# Keys of protobuf fields: number << 3 | wire type.
PAYLOAD_TIMESTAMP, PAYLOAD_METRIC, PAYLOAD_SEQ = b"\x08", b"\x12", b"\x18"
NAME, ALIAS, TIMESTAMP, DATATYPE, HISTORICAL, IS_NULL, PROPERTIES = (
    b"\x0a",
    b"\x10",
    b"\x18",
    b"\x20",
    b"\x28",
    b"\x38",
    b"\x4a",
)
INT_VALUE, LONG_VALUE, FLOAT_VALUE, DOUBLE_VALUE, BOOLEAN_VALUE, STRING_VALUE = (
    b"\x50",
    b"\x58",
    b"\x65",
    b"\x69",
    b"\x70",
    b"\x7a",
)
_SET_KEYS, _SET_VALUES = b"\x0a", b"\x12"
_PROPERTY_TYPE, _PROPERTY_DOUBLE, _PROPERTY_STRING, _PROPERTY_BOOLEAN = b"\x08", b"\x31", b"\x42", b"\x38"

TIME_BYTES = 6  # of every timestamp we write: 42 bits of milliseconds last until 2109
MAX_MS = 2 ** (7 * TIME_BYTES) - 1
_LONG = {Type.INT64, Type.UINT64, Type.DATE_TIME}
_BITS = {Type.INT8: 32, Type.INT16: 32, Type.INT32: 32, Type.INT64: 64}  # negative values as two's complement


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
    """A timestamp in TIME_BYTES digits, padded: columns of timestamps then have one width."""
    if not 0 <= time_ms <= MAX_MS:
        msg = f"a Sparkplug timestamp lies from 1970 to 2109, got {time_ms} ms"
        raise OverflowError(msg)
    last = TIME_BYTES - 1
    return bytes((time_ms >> 7 * k) & 0x7F | (0x80 if k < last else 0) for k in range(TIME_BYTES))


def scalar(kind: Type, value: Value) -> bytes:
    """The value field of a metric."""
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
    whole = int(value) % 2 ** _BITS[kind] if kind in _BITS else int(value)
    return (LONG_VALUE if kind in _LONG else INT_VALUE) + varint(whole)


def metric(m: Metric, time_ms: int) -> bytes:
    """A metric as a field of a payload; births name its data type, section 6.4.6."""
    parts = [NAME, _text(m.name)]
    if m.alias >= 0:
        parts += [ALIAS, varint(m.alias)]
    parts += [TIMESTAMP, time_bytes(time_ms if m.time_ms < 0 else m.time_ms), DATATYPE, varint(m.type)]
    if m.properties:
        parts += [PROPERTIES, sized(_property_set(m.properties))]
    return PAYLOAD_METRIC + sized(b"".join([*parts, scalar(m.type, m.value)]))


def by_alias(alias: int, kind: Type, value: Value, time_ms: int, *, is_historical: bool = False) -> bytes:
    """A metric of a data message: alias, time and value, neither name nor data type."""
    flag = HISTORICAL + b"\x01" if is_historical else b""
    return PAYLOAD_METRIC + sized(ALIAS + varint(alias) + TIMESTAMP + time_bytes(time_ms) + flag + scalar(kind, value))


def payload(body: bytes, time_ms: int, seq: int = -1) -> bytes:
    """Metrics with the payload's time in front and its sequence number behind; -1: none, as in NDEATH and commands."""
    head = PAYLOAD_TIMESTAMP + time_bytes(time_ms) + body
    return head if seq < 0 else head + PAYLOAD_SEQ + varint(seq)


def _property_set(properties: tuple[tuple[str, Value], ...]) -> bytes:
    keys = b"".join(_SET_KEYS + _text(name) for name, _ in properties)
    return keys + b"".join(_SET_VALUES + sized(_property(value)) for _, value in properties)


def _property(value: Value) -> bytes:
    if isinstance(value, str):
        return _PROPERTY_TYPE + varint(Type.STRING) + _PROPERTY_STRING + _text(value)
    if isinstance(value, bool):
        return _PROPERTY_TYPE + varint(Type.BOOLEAN) + _PROPERTY_BOOLEAN + bytes([value])
    return _PROPERTY_TYPE + varint(Type.DOUBLE) + _PROPERTY_DOUBLE + struct.pack("<d", value)


def _text(text: str) -> bytes:
    return sized(text.encode())


def sized(content: bytes) -> bytes:
    """A length-delimited field: its length, then its content."""
    return varint(len(content)) + content
