"""Faults of sensors and of the clocks of units, planned or random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim import units
from factory_sim.errors import did_you_mean
from factory_sim.plant.spec import SensorFault
from factory_sim.plant.yaml.quantities import in_unit, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.plant.yaml import shapes
    from factory_sim.plant.yaml.problems import Report
    from factory_sim.plant.yaml.tree import Path

OF_SENSORS = ("stuck", "drift", "spike", "drop_out")
OF_UNITS = ("clock_skew", "drop_out")
_SIZED = ("drift", "spike", "clock_skew")
_SOONEST_S = 1e-3  # shortest mean time between random faults
_FARTHEST_S = 1800.0  # of a clock: feeds accept times up to an hour outside their window


def resolve(
    entries: Iterable[tuple[str, Path, shapes.Fault | None]], kinds: tuple[str, ...], unit_text: str, report: Report
) -> tuple[SensorFault, ...]:
    """Return faults of the possible `kinds`, with sizes in `unit_text`."""
    made = (_fault(name, shape, path, kinds, unit_text, report) for name, path, shape in entries if shape is not None)
    return tuple(fault for fault in made if fault is not None)


def _fault(
    name: str, shape: shapes.Fault, path: Path, kinds: tuple[str, ...], unit_text: str, report: Report
) -> SensorFault | None:
    before = len(report.problems)
    kind = shape.kind or ""
    if kind not in kinds:
        what = "is missing" if shape.kind is None else f"{shown(kind)} is not a kind of fault that is possible here"
        report.add((*path, "kind"), what, did_you_mean(kind, kinds))
        return None
    size = _size(kind, shape, path, unit_text, report)
    if shape.duration is None and (kind == "drift" or (shape.after is not None and kind != "spike")):
        report.missing((*path, "duration"), "10 min", "how long does it last?")
    if shape.after is not None and shape.after.mean_s < _SOONEST_S:
        report.add((*path, "after"), "is below 1 ms")
    if shape.duration is not None and shape.duration.mean_s <= 0:
        report.add((*path, "duration"), "is not above 0 s")
    if len(report.problems) > before:
        return None
    return SensorFault(name, kind, shape.start, shape.after, shape.duration, size)


def _size(kind: str, shape: shapes.Fault, path: Path, unit_text: str, report: Report) -> float:
    """Return the size in `unit_text`, 0 for a kind without a size."""
    if shape.size is None and kind in _SIZED:
        report.missing((*path, "size"), f"4 {unit_text}", "how large is it?")
    elif shape.size is not None and kind not in _SIZED:
        report.add((*path, "size"), f"has no meaning for {kind}", "Leave it out.")
    if shape.size is None or kind not in _SIZED:
        return 0.0
    try:
        size = units.parse(str(shape.size), "time") if kind == "clock_skew" else in_unit(shape.size, unit_text)
    except ValueError as error:
        report.add((*path, "size"), str(error))
        return 0.0
    if kind == "clock_skew" and abs(size) > _FARTHEST_S:
        report.add((*path, "size"), f"is {size:g} s; expected at most {_FARTHEST_S:g} s")
    return size
