"""Descriptions of a plant for subscribers and readers."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant import clock_changes
from factory_sim.plant.spec import SINK, UNLIMITED
from factory_sim.plant.visits import visits
from factory_sim.plant.wall_clock import DAY_S, merged, named_hours, open_spans
from factory_sim.records import InputInfo, Meta, OperationInfo, Prices, SensorInfo, UnitInfo, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Input, Operation, Plant, Shift

SHIFT_S = 8 * 3600.0  # of a plant without shifts
_YEAR_US = 366 * 86_400_000_000


def describe(plant: Plant, run_id: str, epoch_ns: int, window: Window) -> Meta:
    """Return the description that a subscriber needs to understand a feed of this plant."""
    cost = plant.cost
    modes: list[tuple[str, ...]] = [()] * len(plant.units)
    for machine in plant.machines:
        modes[machine.unit] = tuple(mode.name for mode in machine.failures)
    shared = [each.name for each in fields(SensorInfo)]
    values_of = attrgetter(*shared)
    return Meta(
        run_id=run_id,
        plant=plant.name,
        epoch_ns=epoch_ns,
        timezone=plant.timezone,
        window=window,
        units=tuple(_units(plant)),
        operations=tuple(_operation(plant, operation) for operation in plant.operations),
        sensors=tuple(SensorInfo(**dict(zip(shared, values_of(sensor), strict=True))) for sensor in plant.sensors),
        failure_modes=tuple(modes),
        variants=plant.variants,
        planned_us=planned(plant, window),
        prices=Prices(
            currency=cost.currency,
            tariff_from_s=cost.tariff.from_s,
            tariff_per_kwh=cost.tariff.price_per_kwh,
            machine_per_h=cost.machine_per_h,
            labour_per_h=cost.labour_per_h,
            repair_per_h=cost.repair_per_h,
            scrap_per_part=cost.scrap_per_part,
            material=tuple((s.unit, s.material_cost) for s in plant.sources),
        ),
        base_load_w=plant.base_load_w,
        pacing=plant.pacing,
        shifts=shifts(plant, window),
        plan_parts=plant.plan_parts,
    )


def _units(plant: Plant) -> Iterator[UnitInfo]:
    """Yield the units in the order of their ids: sources, machines, robots, vehicles, conveyors, crews."""
    yield from (UnitInfo(s.name, "source") for s in plant.sources)
    for m in plant.machines:
        section = plant.sections[plant.operations[m.operation].section]
        yield UnitInfo(m.name, "machine", m.kind, m.operation, section, m.power_w)
    for robot in plant.robots:
        yield from (UnitInfo(plant.units[u], "robot", robot.name, power_w=robot.power_w) for u in robot.units)
    yield from (UnitInfo(plant.units[u], "vehicle", f.name, power_w=f.power_w) for f in plant.fleets for u in f.units)
    yield from (UnitInfo(c.name, "conveyor") for c in plant.conveyors)
    yield from (UnitInfo(plant.units[u], "crew", c.name) for c in plant.crews for u in c.units)


def _operation(plant: Plant, o: Operation) -> OperationInfo:
    return OperationInfo(
        name=o.name,
        title=o.title,
        section=plant.sections[o.section],
        machines=o.machines,
        inputs=tuple(_input(plant, each) for each in o.inputs),
        destination=o.destination,
        unit_time_s=o.unit_time_s,
        batch=o.batch.size if o.batch else 1,
        robot=plant.robots[o.robot].units[0] if o.robot >= 0 else -1,
        rework_to=o.inspection.rework_to if o.inspection else SINK,
        rework_places=o.rework_places if o.rework_from and o.rework_places < UNLIMITED else 0,
    )


def _input(plant: Plant, i: Input) -> InputInfo:
    source = plant.sources[i.source].unit if i.source >= 0 else -1
    by = "conveyor" if i.conveyor >= 0 else "fleet" if i.fleet >= 0 else ""
    return InputInfo(source, i.operation, i.quantity, i.capacity, by)


def planned(plant: Plant, window: Window) -> tuple[tuple[int, int], ...]:
    """Return the planned production time in the window [µs]: the intervals in which some machine's shift is open."""
    shifts = {machine.shift for machine in plant.machines}
    if -1 in shifts or not shifts:
        return ((window.t0_us, window.t1_us),)
    return tuple(
        merged(span for n in shifts for span in open_spans(plant, plant.shifts[n], window.t0_us, window.t1_us))
    )


def shifts(plant: Plant, window: Window) -> tuple[tuple[str, int, int], ...]:
    """Return the shifts of the base calendar, that of most machines, in the window: name, begin and end [µs].

    Breaks are included. Shifts without names have the empty one; a plant whose machines always work has none.
    """
    base = _base_shift(plant)
    return tuple(named_hours(plant, base, window.t0_us, window.t1_us)) if base else ()


def _base_shift(plant: Plant) -> Shift | None:
    used = Counter(machine.shift for machine in plant.machines)
    base = max(used, key=lambda shift: (used[shift], -shift), default=-1)
    return plant.shifts[base] if base >= 0 else None


def shift_spans(plant: Plant, window: Window) -> list[tuple[int, int]]:
    """Return the whole shifts of the base calendar within the window, else pieces of eight hours [µs]."""
    if whole := [(t0, t1) for _, t0, t1 in shifts(plant, window) if t0 >= window.t0_us and t1 <= window.t1_us]:
        return whole
    length_us = us_from_s(SHIFT_S)
    return [(t1 - length_us, t1) for t1 in range(window.t0_us + length_us, window.t1_us + 1, length_us)]


def shifts_per_week(plant: Plant) -> int:
    """Return the number of shifts of a usual week, of eight hours each in a plant without shifts."""
    base = _base_shift(plant)
    return sum(len(each.days) for each in base.hours) if base else round(7 * DAY_S / SHIFT_S)


def planned_h_per_week(plant: Plant) -> float:
    """Return the planned production time of the first week of a run [h]."""
    week_us = us_from_s(7 * DAY_S)
    return sum(t1 - t0 for t0, t1 in planned(plant, Window(0, week_us))) / 3.6e9


def slowest(plant: Plant, *, with_losses: bool = False) -> tuple[Operation, float]:
    """Return the operation with the longest planned time per finished product, and that time [s].

    It is the cycle time, a mean over the variants, over machines and batch size, times the parts of a product. Scrap
    and rework count with_losses only.
    """
    parts = visits(plant) if with_losses else visits(replace(plant, operations=tuple(map(_lossless, plant.operations))))

    def time_s(index: int) -> float:
        operation = plant.operations[index]
        at_once = len(operation.machines) * (operation.batch.size if operation.batch else 1)
        return operation.cycle_time.mean_s * _mean_factor(plant, operation) / at_once * parts[index]

    worst = max(range(len(plant.operations)), key=time_s)
    return plant.operations[worst], time_s(worst)


def _lossless(operation: Operation) -> Operation:
    return replace(operation, inspection=None)


def _mean_factor(plant: Plant, operation: Operation) -> float:
    """Return the factor of the cycle time, a mean over the variants as the source of the main parts mixes them."""
    factors, first = operation.variant_factor, operation.inputs[0]
    if not factors:
        return 1.0
    while first.source < 0:
        first = plant.operations[first.operation].inputs[0]
    source = plant.sources[first.source]
    if source.sequence:
        return sum(factors[variant] for variant in source.sequence) / len(source.sequence)
    return sum(share * factor for share, factor in zip(source.mix, factors, strict=False))


def _can_fill(plant: Plant, index: int) -> bool:
    """Return whether a rework rack can be full while one more part comes back, and stay so."""
    operation, cards = plant.operations[index], [source.cards for source in plant.sources]
    needs_components = len(operation.inputs) > 1 and operation.rework_components
    if set(operation.rework_from) == {index} and operation.rework_first and not (operation.batch or needs_components):
        return False  # a machine that has given its part takes one from the rack
    most_inside = sum(cards) if all(cards) else UNLIMITED
    return bool(operation.rework_from) and operation.rework_places < min(most_inside, UNLIMITED)


def _cycle(plant: Plant, target: int) -> str:
    """Return the hint for a finite rework rack: the cycle of operations that may wait for each other forever."""
    operation, cycle = plant.operations[target], [target]
    while cycle[-1] not in operation.rework_from:
        cycle.append(plant.operations[cycle[-1]].destination)
    names = " -> ".join(plant.operations[index].name for index in (*cycle, target))
    return (
        f"A deadlock is possible: {names}, when the {operation.rework_places} rework_places of {operation.name} are "
        "full. Leave them out (unlimited), or let fewer parts into the loop (cards)."
    )


def seldom_intended(plant: Plant) -> list[str]:
    """Return what `factory-sim check` reports of a valid plant: values that are allowed but seldom intended."""
    hints, ends = [], [operation.name for operation in plant.operations if operation.destination == SINK]
    hints += [_cycle(plant, index) for index in range(len(plant.operations)) if _can_fill(plant, index)]
    if len(ends) > 1:
        hints.append(f"Parts leave the plant at {len(ends)} operations: {', '.join(ends[:6])}. Is a `from` missing?")
    if not plant.sensors:
        hints.append("No machine has a sensor: only states and parts are sent. Write sensors under a kind.")
    if not any(any(machine.power_w) for machine in plant.machines):
        hints.append("No machine has a power: its energy is not known. Write power under a kind.")
    return hints + clock_changes.notes(plant, 0, _YEAR_US)
