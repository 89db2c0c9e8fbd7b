"""The plant of a row, and what is measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.validation.exact.meters import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog
    from factory_sim.validation.exact.meters import Meter
    from factory_sim.validation.exact.table_rows import Row

    Measure = tuple[Meter, Meter, float]  # top, bottom, factor of a Case


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A plant whose long-run ratio top/bottom, times `factor`, is the row's value.

    `parts_per_s` estimates the output rate, for the length of slices; `warm_up_s` is excluded from the sums.
    """

    plant: Plant
    top: Meter
    parts_per_s: float
    warm_up_s: float
    controls: tuple[Meter, ...] = ()
    bottom: Meter = elapsed
    factor: float = 1.0
    pilot_parts: int = 100_000  # the shortest run, also where less would do


@dataclass(frozen=True, slots=True, eq=False)
class Once:
    """A deterministic plant: one run of `until_s`, from which `read` takes the value of the row."""

    plant: Plant
    until_s: float
    read: Callable[[EventLog], float]


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of row: its title, its metrics and the keys that it reads."""

    title: str
    metrics: tuple[str, ...]
    keys: str
    case: Callable[[Row, str], Case | Once]  # (row, metric as `metrics` spells it)
