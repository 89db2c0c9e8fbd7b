"""The messages of Sparkplug B payloads as classes of Google's protobuf runtime, and the data types of their values.

The classes are built from the specification's field numbers. Data sets, templates and extensions are not among them, so
a metric that carries one has no value and is refused.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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


def carrier_bits(kind: Type) -> int:
    """Return the width of the protobuf field that carries an integer; negative values are two's complement in it."""
    return 64 if INTEGER_BITS[kind] == 64 else 32


# The field that carries a value, in metrics and in properties.
VALUE_FIELD = {kind: "long_value" if carrier_bits(kind) == 64 else "int_value" for kind in INTEGER_BITS} | {
    Type.FLOAT: "float_value",
    Type.DOUBLE: "double_value",
    Type.BOOLEAN: "boolean_value",
    Type.STRING: "string_value",
    Type.TEXT: "string_value",
}


def _classes() -> tuple[Any, Any]:
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
    payload, metric = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in ("Payload", "Metric"))
    return message_factory.GetMessageClass(payload), message_factory.GetMessageClass(metric)


Payload, MetricMessage = _classes()
