"""What a subscriber and a reader are told of a plant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from factory_sim.clock import ns_from_datetime, us_from_s
from factory_sim.plant.spec import SINK
from factory_sim.records import InputInfo, Meta, OperationInfo, Prices, SensorInfo, UnitInfo, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Operation, Plant


def epoch_ns(plant: Plant) -> int:
    """The plant file's start of a run [ns since 1970 UTC]."""
    return ns_from_datetime(datetime.fromisoformat(plant.start), plant.timezone)


def describe(plant: Plant, run_id: str, epoch_ns: int, window: Window) -> Meta:
    """All that a subscriber must know to understand a feed of this plant."""
    cost, tariff = plant.cost, plant.cost.tariff
    prices = Prices(
        cost.currency,
        tariff.from_s,
        tariff.price_per_kwh,
        cost.machine_per_h,
        cost.labour_per_h,
        cost.repair_per_h,
        cost.scrap_per_part,
        tuple((s.unit, s.material_cost) for s in plant.sources),
    )
    modes: list[tuple[str, ...]] = [()] * len(plant.units)
    for machine in plant.machines:
        modes[machine.unit] = tuple(mode.name for mode in machine.failures)
    sensors = tuple(
        SensorInfo(s.id, s.unit, s.name, s.kind, s.unit_text, s.scale, s.offset, s.low, s.high, s.period_us, s.bits)
        for s in plant.sensors
    )
    return Meta(
        run_id,
        plant.name,
        epoch_ns,
        plant.timezone,
        window,
        tuple(_units(plant)),
        tuple(_operation(plant, operation) for operation in plant.operations),
        sensors,
        tuple(modes),
        plant.variants,
        planned(plant, window),
        prices,
        plant.base_load_w,
        plant.pacing,
    )


def _units(plant: Plant) -> Iterator[UnitInfo]:
    """In the order of unit ids: sources, machines, robots, vehicles, conveyors, crews."""
    yield from (UnitInfo(s.name, "source") for s in plant.sources)
    for m in plant.machines:
        section = plant.sections[plant.operations[m.operation].section]
        yield UnitInfo(m.name, "machine", m.kind, m.operation, section, m.power_w)
    yield from (UnitInfo(r.name, "robot", r.name, power_w=r.power_w) for r in plant.robots)
    yield from (UnitInfo(plant.units[u], "vehicle", f.name, power_w=f.power_w) for f in plant.fleets for u in f.units)
    yield from (UnitInfo(c.name, "conveyor") for c in plant.conveyors)
    yield from (UnitInfo(plant.units[u], "crew", c.name) for c in plant.crews for u in c.units)


def _operation(plant: Plant, o: Operation) -> OperationInfo:
    inputs = tuple(
        InputInfo(
            plant.sources[i.source].unit if i.source >= 0 else -1,
            i.operation,
            i.quantity,
            i.capacity,
            "conveyor" if i.conveyor >= 0 else "fleet" if i.fleet >= 0 else "",
        )
        for i in o.inputs
    )
    robot = plant.robots[o.robot].unit if o.robot >= 0 else -1
    rework_to = o.inspection.rework_to if o.inspection else -1
    return OperationInfo(
        o.name,
        o.title,
        plant.sections[o.section],
        o.machines,
        inputs,
        o.destination,
        o.unit_time_s,
        o.batch.size if o.batch else 1,
        robot,
        rework_to,
    )


def planned(plant: Plant, window: Window) -> tuple[tuple[int, int], ...]:
    """Planned production in the window [µs]: when at least one machine's shift is open, joined and clipped."""
    shifts = {machine.shift for machine in plant.machines}
    if -1 in shifts or not shifts:
        return ((window.t0_us, window.t1_us),)
    pieces: list[tuple[int, int]] = []
    for shift in (plant.shifts[n] for n in sorted(shifts)):
        cycle_us = us_from_s(shift.cycle_s)
        for turn in range(window.t0_us // cycle_us, window.t1_us // cycle_us + 1):
            pieces += [
                (max(window.t0_us, turn * cycle_us + us_from_s(a)), min(window.t1_us, turn * cycle_us + us_from_s(b)))
                for a, b in shift.open_s
            ]
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(piece for piece in pieces if piece[0] < piece[1]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class SectionSummary:
    """One line of the summary."""

    name: str
    operations: int
    machines: int
    sensors: int
    slowest: str  # operation with the longest mean cycle time / machines
    slowest_s: float  # that time [s]


@dataclass(frozen=True, slots=True)
class Summary:
    """A plant on one screen."""

    name: str
    title: str
    question: str  # of a scenario
    changes: tuple[str, ...]  # of a scenario: groups applied
    operations: int
    machines: int
    sensors: int
    readings_per_s: float
    sections: tuple[SectionSummary, ...]
    sources: tuple[str, ...]
    ends: tuple[str, ...]  # operations whose parts leave the plant
    joins: tuple[str, ...]
    vehicles: int
    crews: int
    slowest: str  # operation with the longest mean cycle time / machines: the first to suspect
    slowest_s: float
    assumptions: int
    hints: tuple[str, ...]  # what is allowed but seldom meant


def summary(plant: Plant) -> Summary:
    """What `check` shows of a good plant."""
    of_section = [[o for o in plant.operations if o.section == n] for n in range(len(plant.sections))]
    carried = [len(machine.sensors) for machine in plant.machines]
    first = plant.machines[0].unit
    sections = tuple(
        SectionSummary(
            name,
            len(operations),
            sum(len(o.machines) for o in operations),
            sum(carried[unit - first] for o in operations for unit in o.machines),
            *_slowest(operations),
        )
        for name, operations in zip(plant.sections, of_section, strict=True)
    )
    story = plant.scenario
    ends = tuple(o.name for o in plant.operations if o.destination == SINK)
    return Summary(
        plant.name,
        plant.title,
        story.question if story else "",
        story.changes if story else (),
        len(plant.operations),
        len(plant.machines),
        len(plant.sensors),
        sum(1e6 / s.period_us for s in plant.sensors),
        sections,
        tuple(s.name for s in plant.sources),
        ends,
        tuple(o.name for o in plant.operations if len(o.inputs) > 1),
        sum(len(f.units) for f in plant.fleets),
        sum(len(c.units) for c in plant.crews),
        *_slowest(plant.operations),
        len(plant.assumptions),
        _hints(plant, ends),
    )


def _slowest(operations: list[Operation] | tuple[Operation, ...]) -> tuple[str, float]:
    """Name and mean time per part [s] of the operation that could pass the fewest parts, failures aside."""
    times = [(o.cycle_time.mean_s / len(o.machines) / (o.batch.size if o.batch else 1), o.name) for o in operations]
    return (max(times)[1], max(times)[0]) if times else ("", 0.0)


def _hints(plant: Plant, ends: tuple[str, ...]) -> tuple[str, ...]:
    hints = []
    if len(ends) > 1:
        hints.append(f"Parts leave the plant at {len(ends)} operations: {', '.join(ends[:6])}. Is a `from` missing?")
    if not plant.sensors:
        hints.append("No machine has a sensor: only states and parts will be sent. Write sensors under a kind.")
    if not any(machine.power_w[3] for machine in plant.machines):
        hints.append("No machine draws power when busy: energy will be 0. Write power under a kind.")
    return tuple(hints)
