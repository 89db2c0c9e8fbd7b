"""Reading Sparkplug B payloads, strictly: Google's protobuf runtime for the bytes, our checks for what they mean.

The message types are built here from the specification's field numbers; data sets, templates and extensions are not
among them, so a metric that carries one has no value and is refused.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from factory_sim.wire.formats.decoder_checks import refuse
from factory_sim.wire.sparkplug.payload_writer import Metric, Type, Value

MAX_BYTES = 1024 * 1024
MAX_METRICS = 65_536
MAX_SEQ = 255
MAX_NAME = 1_024
_PACKAGE = "factory_sim.sparkplug"
_KINDS = {"u4": 13, "u8": 4, "f4": 2, "f8": 1, "bool": 8, "str": 9, "bytes": 12}  # FieldDescriptorProto.Type
_SCALARS = "int_value=u4 long_value=u8 float_value=f4 double_value=f8 boolean_value=bool string_value=str"
_SHAPES = {
    "PropertyValue": {"type": (1, "u4"), "is_null": (2, "bool")},
    "PropertySet": {"keys": (1, "str*"), "values": (2, "PropertyValue*")},
    "Metric": {
        "name": (1, "str"),
        "alias": (2, "u8"),
        "timestamp": (3, "u8"),
        "datatype": (4, "u4"),
        "is_historical": (5, "bool"),
        "is_transient": (6, "bool"),
        "is_null": (7, "bool"),
        "properties": (9, "PropertySet"),
    },
    "Payload": {
        "timestamp": (1, "u8"),
        "metrics": (2, "Metric*"),
        "seq": (3, "u8"),
        "uuid": (4, "str"),
        "body": (5, "bytes"),
    },
}
_FIRST_SCALAR = {"PropertyValue": 3, "Metric": 10}  # field number of int_value; the others follow
_FIELD_OF = {
    **dict.fromkeys((Type.INT8, Type.INT16, Type.INT32, Type.UINT8, Type.UINT16, Type.UINT32), "int_value"),
    **dict.fromkeys((Type.INT64, Type.UINT64, Type.DATE_TIME), "long_value"),
    Type.FLOAT: "float_value",
    Type.DOUBLE: "double_value",
    Type.BOOLEAN: "boolean_value",
    Type.STRING: "string_value",
    Type.TEXT: "string_value",
}
_RANGES = {
    Type.INT8: (-(2**7), 2**7),
    Type.INT16: (-(2**15), 2**15),
    Type.INT32: (-(2**31), 2**31),
    Type.INT64: (-(2**63), 2**63),
    Type.UINT8: (0, 2**8),
    Type.UINT16: (0, 2**16),
    Type.UINT32: (0, 2**32),
    Type.UINT64: (0, 2**64),
    Type.DATE_TIME: (0, 2**64),
}
_SIGNED = {Type.INT8: 32, Type.INT16: 32, Type.INT32: 32, Type.INT64: 64}


def _message_class() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="factory_sim_sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, shape in _SHAPES.items():
        message = file.message_type.add(name=name)
        if name in _FIRST_SCALAR:
            message.oneof_decl.add(name="value")
        for field, (number, kind) in shape.items():
            _add_field(message, field, number, kind)
        for offset, one in enumerate(_SCALARS.split() if name in _FIRST_SCALAR else ()):
            field, _, kind = one.partition("=")
            _add_field(message, field, _FIRST_SCALAR[name] + offset, kind).oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
    return found


def _add_field(message: Any, name: str, number: int, kind: str) -> Any:
    label = 3 if kind.endswith("*") else 1
    base = kind.rstrip("*")
    if base in _KINDS:
        return message.field.add(name=name, number=number, label=label, type=_KINDS[base])
    return message.field.add(name=name, number=number, label=label, type=11, type_name=f".{_PACKAGE}.{base}")


_Payload = _message_class()


def command(content: bytes) -> Any:
    """The payload of an NCMD or DCMD: some hosts leave out its timestamp, and for us nothing depends on it."""
    return payload(content, needs_seq=False, needs_time=False)


def payload(content: bytes, *, needs_seq: bool = True, needs_time: bool = True) -> Any:
    """The payload as a protobuf message with fields `timestamp`, `metrics`, `seq`; refuses what is none.

    A sequence number must lie in [0, 255]; it is the last field we write, so a payload cut short lacks it.
    """
    if len(content) > MAX_BYTES:
        refuse(f"{len(content):,} bytes, at most {MAX_BYTES:,} are expected")
    found: Any = _Payload()
    try:
        found.ParseFromString(content)
    except DecodeError:
        refuse("no Sparkplug B payload, or ends early")
    if needs_time and not found.HasField("timestamp"):
        refuse("the payload's timestamp is missing: empty, or ends early")
    if needs_seq and not found.HasField("seq"):
        refuse("seq is missing: ends early, or no edge node sent it")
    if found.seq > MAX_SEQ:
        refuse(f"seq: expected 0 to {MAX_SEQ}, got {found.seq}")
    if len(found.metrics) > MAX_METRICS:
        refuse(f"{len(found.metrics):,} metrics, at most {MAX_METRICS:,} are expected")
    return found


def scalar(metric: Any, kind: Type) -> Value:
    """The value of a metric whose data type is known; None for null. Refuses a value of another type."""
    which = metric.WhichOneof("value")
    if which is None:
        if metric.is_null:
            return None
        refuse(f"a metric without a value: expected {kind.name}")
    if which != _FIELD_OF[kind]:
        refuse(f"expected a {kind.name}, got a {which}")
    value: Value = getattr(metric, which)
    if kind in _RANGES:
        return _whole(int(value or 0), kind)
    return text(value, "a text") if which == "string_value" else value


def text(found: Any, what: str) -> str:
    """A text; refuses what is no UTF-8, which the protobuf runtime hands over as bytes."""
    if not isinstance(found, str):
        refuse(f"{what} is no UTF-8")
    return found


def named(metric: Any) -> Metric:
    """A metric of a birth or command: it has a name and a data type that we know."""
    if not text(metric.name, "a metric's name") or len(metric.name) > MAX_NAME:
        refuse(f"a metric's name: expected 1 to {MAX_NAME} characters, got {len(metric.name)}")
    try:
        kind = Type(metric.datatype)
    except ValueError:
        refuse(f"{metric.name[:60]}: data type {metric.datatype} is none of {', '.join(t.name for t in Type)}")
    keys, values = metric.properties.keys, metric.properties.values
    if len(keys) != len(values):
        refuse(f"{metric.name[:60]}: {len(keys)} property keys and {len(values)} values")
    properties = tuple((k, _property(v)) for k, v in zip(keys, values, strict=True))
    alias = metric.alias if metric.HasField("alias") else -1
    return Metric(metric.name, kind, scalar(metric, kind), alias, properties, metric.timestamp)


def _whole(value: int, kind: Type) -> int:
    bits = _SIGNED.get(kind)
    if bits and value >= 2 ** (bits - 1):
        value -= 2**bits
    low, high = _RANGES[kind]
    if not low <= value < high:
        refuse(f"{value} is no {kind.name}")
    return value


def _property(value: Any) -> Value:
    which = value.WhichOneof("value")
    found: Value = None if which is None else getattr(value, which)
    return found
