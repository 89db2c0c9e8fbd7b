"""Small plants for rows of theory: stations in series with everything that a row can contain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from factory_sim import distributions
from factory_sim.distributions import Distribution
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import UNLIMITED, Input, Machine, Operation, Plant, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Batch, FailureMode, Inspection, Maintenance

FASTEST_S = 10.0  # the fastest mean of a row takes this long in the run: a rounding to 1 µs is then 1e-7 of it


@dataclass(frozen=True, slots=True)
class Stop:
    """One station: its servers, the places in front of it, its failures."""

    service: Distribution
    machines: int = 1
    capacity: int = UNLIMITED
    failures: tuple[FailureMode, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    batch: Batch | None = None
    inspection: Inspection | None = None
    shift: int = -1
    fleet: int = -1  # brings the parts
    section: int = 0
    variant_factor: tuple[float, ...] = ()
    setup_s: tuple[tuple[float, ...], ...] = ()


def line(stops: Sequence[Stop], source: Source, *, names: tuple[str, ...] = (), **resources: Any) -> Plant:
    """Return stations in series behind one source. Unit 0 is the source, machines follow in order.

    resources : fields of the plant such as crews, fleets, shifts and variants; `names` are those of their units, which
    follow the machines'.
    """
    operations: list[Operation] = []
    machines: list[Machine] = []
    for i, stop in enumerate(stops):
        units = tuple(range(1 + len(machines), 1 + len(machines) + stop.machines))
        machines += [
            Machine(f"M{u}", u, i, "machine", failures=stop.failures, maintenance=stop.maintenance, shift=stop.shift)
            for u in units
        ]
        feed = Input(source=0, capacity=stop.capacity) if i == 0 else Input(operation=i - 1, capacity=stop.capacity)
        operations.append(
            operation(
                f"OP{i + 1}",
                units,
                stop.service,
                section=stop.section,
                inputs=(replace(feed, fleet=stop.fleet),),
                destination=i + 1 if i + 1 < len(stops) else -1,
                inspection=stop.inspection,
                batch=stop.batch,
                variant_factor=stop.variant_factor,
                setup_s=stop.setup_s,
            )
        )
    n_sections = 1 + max(stop.section for stop in stops)
    return plant_of(
        "row",
        sections=tuple(f"S{i}" for i in range(n_sections)),
        operations=tuple(operations),
        machines=tuple(machines),
        sources=(source,),
        units=("source", *(m.name for m in machines), *names),
        **resources,
    )


def operation(name: str, machines: tuple[int, ...], cycle_time: Distribution, **features: Any) -> Operation:
    """Return an operation of plain machines; features : its other fields."""
    return Operation(
        name=name,
        title="",
        kind="machine",
        behaviour="machining",
        machines=machines,
        cycle_time=cycle_time,
        unit_time_s=cycle_time.mean_s,
        **features,
    )


def plant_of(name: str, **fields: Any) -> Plant:
    """Return a plant in UTC without sensors, with its derived fields."""
    plant = Plant(name=name, title="", start="2026-01-05 00:00", timezone="UTC", topic_root="x", sensors=(), **fields)
    return with_derived(plant)


def units_of(plant: Plant, operation: int) -> tuple[int, ...]:
    """Return the unit ids of an operation's machines."""
    return plant.operations[operation].machines


def exponential(mean_s: float) -> Distribution:
    """Return the exponential distribution with this mean [s]."""
    return distributions.checked(Distribution("exponential", mean_s))


def erlang(mean_s: float, phases: int) -> Distribution:
    """Return the Erlang distribution with this mean [s]; one phase is exponential."""
    return exponential(mean_s) if phases == 1 else distributions.parse(f"erlang({mean_s!r} s, k {phases})")
