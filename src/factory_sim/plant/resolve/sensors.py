"""Sensors of a plant file: ranges, scales and parameters resolved against the catalogue of kinds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory_sim import units
from factory_sim.errors import did_you_mean
from factory_sim.plant.resolve import sensor_faults
from factory_sim.plant.yaml import shapes
from factory_sim.plant.yaml.quantities import in_unit, shown

if TYPE_CHECKING:
    from factory_sim.plant.catalogue import Catalogue, SensorKindInfo
    from factory_sim.plant.spec import SensorFault
    from factory_sim.plant.yaml.problems import Report
    from factory_sim.plant.yaml.tree import Path

_OWN_KEYS = tuple(shapes.Sensor.model_fields)
_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Channel:
    """A sensor without its unit: what all machines of a kind share."""

    name: str
    kind: str
    unit_text: str
    scale: float
    offset: float
    low: float
    high: float
    period_us: int
    bits: int
    params: tuple[tuple[str, float], ...]
    faults: tuple[SensorFault, ...]


def resolve(
    name: str, shape: shapes.Sensor, path: Path, role: str, catalogue: Catalogue, report: Report
) -> Channel | None:
    """The channel that `shape` describes; problems are reported, and then there is none."""
    info = _kind(shape, path, role, catalogue, report)
    if info is None:
        return None
    told = len(report.problems)
    number = {
        key: _number(getattr(shape, key), (*path, key), info.unit_text, report)
        for key in ("low", "high", "scale", "offset")
    }
    low, high, offset = (
        float(default if (given := number[key]) is None else given)
        for key, default in (("low", info.low), ("high", info.high), ("offset", info.offset))
    )
    bits = shape.bits or info.bits
    params = _params(shape, path, info, report)
    wrong = sensor_faults.of_sensor(shape.faults.items(), path, info.unit_text, report)
    if not low < high:
        report.add(path, f"the range from {low:g} to {high:g} {info.unit_text} is empty", "Give low below high.")
    scale = number["scale"] or (info.scale if info.scale and number["low"] is number["high"] is None else 0.0)
    counts = 2 ** (bits - 1) - 1
    scale = scale or finest_scale(max(abs(low - offset), abs(high - offset)), counts)
    if scale <= 0 or max(abs(low - offset), abs(high - offset)) / scale > counts + 0.5:
        report.add(
            path,
            f"a range from {low:g} to {high:g} {info.unit_text} does not fit into {bits} bits with scale {scale:g} and "
            f"offset {offset:g}",
            "Leave scale away, or write bits: 32.",
        )
    if len(report.problems) > told:
        return None
    period_us = round(1e6 / (shape.rate or info.rate_hz))
    return Channel(name, str(shape.kind), info.unit_text, scale, offset, low, high, period_us, bits, params, wrong)


def finest_scale(reach: float, counts: int) -> float:
    """The smallest of 1, 2, 5 x 10^n such that `counts` of it reach `reach`."""
    if reach <= 0 or not math.isfinite(reach):
        return 1.0
    power = 10.0 ** math.floor(math.log10(reach / counts))
    return float(f"{next(step * power for step in (*_STEPS, 20.0) if step * power * counts >= reach):.12g}")


def _kind(shape: shapes.Sensor, path: Path, role: str, catalogue: Catalogue, report: Report) -> SensorKindInfo | None:
    if shape.kind is None:
        report.add(
            (*path, "kind"), "is missing: what does the sensor measure?", did_you_mean("", catalogue.sensor_kinds)
        )
        return None
    info = catalogue.sensor_kinds.get(shape.kind)
    if info is None:
        report.add(
            (*path, "kind"), f"{shape.kind!r} is not a sensor kind", did_you_mean(shape.kind, catalogue.sensor_kinds)
        )
    elif role not in info.roles:
        right = [name for name, other in catalogue.sensor_kinds.items() if role in other.roles]
        report.add((*path, "kind"), f"a {role} carries no sensor of kind {shape.kind!r}", did_you_mean("", right))
        return None
    return info


def _number(value: Any, path: Path, unit_text: str, report: Report) -> float | None:
    """A value in the sensor's own unit: a plain number, or a text in any unit of the same dimension."""
    if value is None:
        return None
    try:
        return in_unit(value, unit_text)
    except ValueError as error:
        report.add(path, str(error))
        return None


def _params(shape: shapes.Sensor, path: Path, info: SensorKindInfo, report: Report) -> tuple[tuple[str, float], ...]:
    values = {name: param.default for name, param in info.params.items()}
    for name, value in (shape.model_extra or {}).items():
        if name not in info.params:
            report.add(
                (*path, name),
                f"is neither a key of a sensor nor a parameter of kind {shape.kind}",
                did_you_mean(name, [*info.params, *_OWN_KEYS]),
                at_key=True,
            )
            continue
        try:
            values[name] = units.parse(
                value if isinstance(value, str | int | float) else shown(value), info.params[name].dimension
            )
        except ValueError as error:
            report.add((*path, name), str(error))
    return tuple(sorted(values.items()))
