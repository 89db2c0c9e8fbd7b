"""Resolve ranges, scales and parameters of sensors against the catalogue of sensor kinds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from factory_sim import units
from factory_sim.errors import did_you_mean
from factory_sim.plant import spec
from factory_sim.plant.resolve import sensor_faults
from factory_sim.plant.yaml import shapes
from factory_sim.plant.yaml.quantities import in_unit, shown

if TYPE_CHECKING:
    from factory_sim.plant.catalogue import Catalogue, SensorKindInfo
    from factory_sim.plant.yaml.problems import Report
    from factory_sim.plant.yaml.tree import Path

_OWN_KEYS = tuple(shapes.Sensor.model_fields)
_STEPS = (1.0, 2.0, 5.0, 10.0)


def resolve(
    name: str, shape: shapes.Sensor, path: Path, role: str, catalogue: Catalogue, report: Report
) -> spec.Sensor | None:
    """Return the sensor that `shape` describes, without ids; None if it has problems, which are reported."""
    info = _kind(shape, path, role, catalogue, report)
    if info is None:
        return None
    before, unit = len(report.problems), info.unit_text
    given = {
        key: value
        for key in ("low", "high", "scale", "offset")
        if (value := _number(getattr(shape, key), (*path, key), unit, report)) is not None
    }
    low, high, offset = (given.get(key, getattr(info, key)) for key in ("low", "high", "offset"))
    bits = shape.bits or info.bits
    params = _params(shape, path, info, report)
    named = [(fault, (*path, "faults", fault), of) for fault, of in shape.faults.items()]
    faults = sensor_faults.resolve(named, sensor_faults.OF_SENSORS, unit, report)
    if not low < high:
        report.add(path, f"the range from {low:g} to {high:g} {unit} is empty", "Give low below high.")
    reach, counts = max(abs(low - offset), abs(high - offset)), 2 ** (bits - 1) - 1
    scale = given.get("scale") or (0.0 if {"low", "high"} & given.keys() else info.scale)
    scale = scale or finest_scale(reach, counts)
    if scale <= 0 or reach / scale > counts + 0.5:
        what = f"a range from {low:g} to {high:g} {unit} does not fit into {bits} bits"
        report.add(path, f"{what} with scale {scale:g} and offset {offset:g}", "Leave out scale, or write bits: 32.")
    if len(report.problems) > before:
        return None
    return spec.Sensor(
        id=-1,
        unit=-1,
        name=name,
        kind=str(shape.kind),
        unit_text=unit,
        scale=scale,
        offset=offset,
        low=low,
        high=high,
        period_us=round(1e6 / (shape.rate or info.rate_hz)),
        bits=bits,
        params=params,
        faults=faults,
    )


def finest_scale(reach: float, counts: int) -> float:
    """Return the smallest of 1, 2, 5 x 10^n of which `counts` cover `reach`."""
    if reach <= 0 or not math.isfinite(reach):
        return 1.0
    power = 10.0 ** math.floor(math.log10(reach / counts))
    return float(f"{next(step * power for step in (*_STEPS, 20.0) if step * power * counts >= reach):.12g}")


def _kind(shape: shapes.Sensor, path: Path, role: str, catalogue: Catalogue, report: Report) -> SensorKindInfo | None:
    kinds, at = catalogue.sensor_kinds, (*path, "kind")
    if shape.kind is None:
        report.add(at, "is missing: what does the sensor measure?", did_you_mean("", kinds))
        return None
    info = kinds.get(shape.kind)
    if info is None:
        report.add(at, f"{shape.kind!r} is not a sensor kind", did_you_mean(shape.kind, kinds))
    elif role not in info.roles:
        fitting = [name for name, other in kinds.items() if role in other.roles]
        report.add(at, f"a {role} cannot carry a sensor of kind {shape.kind!r}", did_you_mean("", fitting))
        return None
    return info


def _number(value: Any, path: Path, unit_text: str, report: Report) -> float | None:
    """Return a value in the sensor's unit, from a number or from a text in any unit of the same dimension."""
    try:
        return None if value is None else in_unit(value, unit_text)
    except ValueError as error:
        report.add(path, str(error))
        return None


def _params(shape: shapes.Sensor, path: Path, info: SensorKindInfo, report: Report) -> tuple[tuple[str, float], ...]:
    values = {name: param.default for name, param in info.params.items()}
    for name, value in (shape.model_extra or {}).items():
        if name not in info.params:
            what = f"is neither a key of a sensor nor a parameter of kind {shape.kind}"
            report.add((*path, name), what, did_you_mean(name, [*info.params, *_OWN_KEYS]), at_key=True)
            continue
        try:
            text = value if isinstance(value, str | int | float) else shown(value)
            values[name] = units.parse(text, info.params[name].dimension)
        except ValueError as error:
            report.add((*path, name), str(error))
    return tuple(sorted(values.items()))
