"""The plant of a row, and what is measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from factory_sim.plant.states import Outcome, State
from factory_sim.validation.exact.lines import units_of
from factory_sim.validation.exact.meters import Meter, count, elapsed, inside, queued, stay

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog
    from factory_sim.validation.exact.table_rows import Row


class Measure(NamedTuple):
    """A value of a row: the long-run ratio top/bottom, times `factor`."""

    top: Meter
    bottom: Meter = elapsed
    factor: float = 1.0


def measures(plant: Plant, unit_s: float, station: int = 0) -> dict[str, Measure]:
    """Return the usual measures of a line and of one of its stations, in units of `unit_s` seconds."""
    machines, entered = units_of(plant, station), count(Outcome.ENTERED)
    return {
        "throughput": Measure(count(Outcome.LEFT), factor=unit_s),
        "mean_number_in_system": Measure(inside()),
        "mean_sojourn_time": Measure(inside(), entered, 1.0 / unit_s),
        "mean_queue_length": Measure(queued(station, machines)),
        "mean_waiting_time": Measure(queued(station, machines), entered, 1.0 / unit_s),
        "utilisation": Measure(stay(machines, State.BUSY), factor=1.0 / len(machines)),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A plant and the measure of it that is the row's value.

    `parts_per_s` estimates the output rate, for the length of slices; `warm_up_s` is excluded from the sums.
    """

    plant: Plant
    measure: Measure
    parts_per_s: float
    warm_up_s: float
    controls: tuple[Meter, ...] = ()
    pilot_parts: int = 100_000  # the shortest run, also where less would do


@dataclass(frozen=True, slots=True, eq=False)
class Once:
    """A deterministic plant: one run of `until_s`, from which `read` takes the value of the row."""

    plant: Plant
    until_s: float
    read: Callable[[EventLog], float]


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of row: its metrics, and the function of (row, metric as `metrics` spells it) that measures one."""

    metrics: tuple[str, ...]
    case: Callable[[Row, str], Case | Once]
