"""Reading Sparkplug B payloads strictly: Google's protobuf runtime decodes the bytes, this module checks their meaning.

The message types are built here from the specification's field numbers. Data sets, templates and extensions are not
among them, so a metric that carries one has no value and is refused.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from factory_sim.wire.payload_checks import need, refuse
from factory_sim.wire.sparkplug.payload_writer import INTEGER_BITS, Type, Value, carrier_bits

MAX_BYTES = 1024 * 1024
MAX_METRICS = 65_536
MAX_SEQ = 255
MAX_NAME = 1_024
_PACKAGE = "factory_sim.sparkplug"
_KINDS = {"u4": 13, "u8": 4, "f4": 2, "f8": 1, "bool": 8, "str": 9, "bytes": 12}  # FieldDescriptorProto.Type
_SHAPES = {  # message -> its fields, each as name=number:type; * repeats, ? is one of `value`
    "PropertyValue": "type=1:u4 is_null=2:bool int_value=3:u4? long_value=4:u8? float_value=5:f4? double_value=6:f8? "
    "boolean_value=7:bool? string_value=8:str?",
    "PropertySet": "keys=1:str* values=2:PropertyValue*",
    "Metric": "name=1:str alias=2:u8 timestamp=3:u8 datatype=4:u4 is_historical=5:bool is_transient=6:bool "
    "is_null=7:bool properties=9:PropertySet int_value=10:u4? long_value=11:u8? float_value=12:f4? "
    "double_value=13:f8? boolean_value=14:bool? string_value=15:str?",
    "Payload": "timestamp=1:u8 metrics=2:Metric* seq=3:u8 uuid=4:str body=5:bytes",
}
_FIELD_OF = {kind: "long_value" if carrier_bits(kind) == 64 else "int_value" for kind in INTEGER_BITS} | {
    Type.FLOAT: "float_value",
    Type.DOUBLE: "double_value",
    Type.BOOLEAN: "boolean_value",
    Type.STRING: "string_value",
    Type.TEXT: "string_value",
}
_RANGES = {
    kind: (-(2 ** (bits - 1)), 2 ** (bits - 1)) if kind <= Type.INT64 else (0, 2**bits)
    for kind, bits in INTEGER_BITS.items()
}


def _message_class() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="factory_sim_sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, shape in _SHAPES.items():
        message = file.message_type.add(name=name)
        if "?" in shape:
            message.oneof_decl.add(name="value")
        for one in shape.split():
            field, _, rest = one.partition("=")
            number, _, kind = rest.partition(":")
            base = kind.rstrip("*?")
            added: Any = message.field.add(name=field, number=int(number), label=3 if "*" in kind else 1)
            added.type = _KINDS.get(base, 11)
            if base not in _KINDS:
                added.type_name = f".{_PACKAGE}.{base}"
            if "?" in kind:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
    return found


_Payload = _message_class()


def payload(content: bytes, *, needs_seq: bool = True, needs_time: bool = True) -> Any:
    """Return the payload as a protobuf message with fields `timestamp`, `metrics`, `seq`.

    `seq` is the last field that an edge node of this package writes, so a truncated payload lacks it.
    """
    need(len(content) <= MAX_BYTES, f"{len(content):,} bytes; expected at most {MAX_BYTES:,}")
    found: Any = _Payload()
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
    if which != _FIELD_OF[kind]:
        refuse(f"expected a {kind.name}, got a {which}")
    value: Value = getattr(metric, which)
    if kind in INTEGER_BITS:
        return _whole(int(value or 0), kind)
    return text(value, "a text") if which == "string_value" else value


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
