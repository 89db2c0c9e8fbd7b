"""Reading Sparkplug B payloads strictly: Google's protobuf runtime decodes, this module checks the meaning."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from factory_sim.wire.payload_checks import need, refuse
from factory_sim.wire.sparkplug.payload_types import INTEGER_BITS, VALUE_FIELD, Payload, Type, Value, carrier_bits

MAX_BYTES = 1024 * 1024
MAX_METRICS = 65_536
MAX_SEQ = 255
MAX_NAME = 1_024
_RANGES = {
    kind: (-(2 ** (bits - 1)), 2 ** (bits - 1)) if kind <= Type.INT64 else (0, 2**bits)
    for kind, bits in INTEGER_BITS.items()
}


def payload(content: bytes, *, needs_seq: bool = True, needs_time: bool = True) -> Any:
    """Return the payload as a protobuf message with fields `timestamp`, `metrics`, `seq`.

    `seq` is the last field that an edge node of this package writes, so a truncated payload lacks it.
    """
    need(len(content) <= MAX_BYTES, f"{len(content):,} bytes; expected at most {MAX_BYTES:,}")
    found: Any = Payload()
    try:
        found.ParseFromString(content)
    except DecodeError:
        refuse("not a Sparkplug B payload, or ends early")
    if needs_time and not found.HasField("timestamp"):
        refuse("the payload's timestamp is missing: empty, or ends early")
    if needs_seq and not found.HasField("seq"):
        refuse("seq is missing: ends early, or not from an edge node")
    if found.seq > MAX_SEQ:
        refuse(f"seq: expected 0 to {MAX_SEQ}, got {found.seq}")
    if len(found.metrics) > MAX_METRICS:
        refuse(f"{len(found.metrics):,} metrics; expected at most {MAX_METRICS:,}")
    return found


def command(content: bytes) -> Any:
    """Return the payload of an NCMD or DCMD, which needs metrics with readable names; some hosts omit its timestamp."""
    found = payload(content, needs_seq=False, needs_time=False)
    if not found.metrics:
        refuse("a command without a metric")
    for metric in found.metrics:
        text(metric.name, "a metric's name")
    return found


def scalar(metric: Any, kind: Type) -> Value:
    """Return the value of a metric whose data type is known; None for null. Refuse a value of another type."""
    which = metric.WhichOneof("value")
    if which is None:
        if metric.is_null:
            return None
        refuse(f"a metric without a value: expected {kind.name}")
    if which != VALUE_FIELD[kind]:
        refuse(f"expected a {kind.name}, got a {which}")
    value: Value = getattr(metric, which)
    if kind in INTEGER_BITS:
        return _whole(int(value or 0), kind)
    return text(value, "a text") if which == "string_value" else value


def count_of(metric: Any, name: str) -> int:
    """Return the value of an INT64 property of a metric; 0: it has none of this name."""
    if name not in metric.properties.keys:
        return 0
    place = list(metric.properties.keys).index(name)
    need(place < len(metric.properties.values), f"the property {name} has no value")
    return _whole(metric.properties.values[place].long_value, Type.INT64)


def text(found: Any, what: str) -> str:
    """Return a text; refuse bytes, which the protobuf runtime returns for what is not UTF-8."""
    if not isinstance(found, str):
        refuse(f"{what} is not UTF-8")
    return found


def _whole(value: int, kind: Type) -> int:
    low, high = _RANGES[kind]
    if low < 0 and value >= high:
        value -= 2 ** carrier_bits(kind)
    if not low <= value < high:
        refuse(f"{value} is outside the range of {kind.name}")
    return value
