"""Metrics of births and commands, read with their names and data types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.wire.sparkplug.payload_reader import scalar
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric

if TYPE_CHECKING:
    from factory_sim.wire.sparkplug.payload_types import Value


def named(metric: Any) -> Metric:
    keys, values = metric.properties.keys, metric.properties.values
    properties = tuple((k, _property(v)) for k, v in zip(keys, values, strict=True))
    alias, kind = metric.alias if metric.HasField("alias") else -1, Type(metric.datatype)
    return Metric(metric.name, kind, scalar(metric, kind), alias, properties, metric.timestamp)


def _property(value: Any) -> Value:
    which = value.WhichOneof("value")
    found: Value = None if which is None else getattr(value, which)
    return found
