"""From the plant's data to a line ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from factory_sim.plant.states import Outcome
from factory_sim.sim.reference.behaviours import BEHAVIOURS
from factory_sim.sim.reference.deadlock_watch import Watch
from factory_sim.sim.reference.line import Line
from factory_sim.sim.reference.machine import Machine
from factory_sim.sim.reference.policies import POLICIES
from factory_sim.sim.reference.resource_pool import Pool
from factory_sim.sim.reference.shift_clock import ShiftClock
from factory_sim.sim.reference.source import Source
from factory_sim.sim.reference.station import Exit, Station
from factory_sim.sim.reference.transport import Calls, Conveyor, Fleet

if TYPE_CHECKING:
    from factory_sim.plant.spec import Input, Plant
    from factory_sim.records import Window
    from factory_sim.sim.reference.station import Buffer, Place


class Starter(Protocol):
    """Whatever writes first rows."""

    def begin(self) -> None:
        """Write them."""


class Builder:
    """Makes the units of one run and joins them."""

    def __init__(self, plant: Plant, seed: int, replication: int, window: Window) -> None:
        self.plant, self.seed, self.replication = plant, seed, replication
        line = self.line = Line(window, len(plant.units))
        line.exit = Exit(line, len(plant.operations))
        self.stations = [Station(line, i, o, BEHAVIOURS[o.behaviour]) for i, o in enumerate(plant.operations)]
        line.stations = [*self.stations, line.exit]
        self.pools = line.pools = [Pool(line, pool.units, pool.wait) for pool in plant.pools]
        line.fleets = [
            Fleet(line, f, [plant.units[u] for u in f.units], POLICIES[f.policy], seed, replication)
            for f in plant.fleets
        ]
        self.conveyors: list[Conveyor] = []
        self.sources: dict[int, Source] = {}
        self.machines: list[Machine] = []

    def build(self) -> Line:
        """The line, its first rows written."""
        self._join_operations()
        self._place_machines()
        for index, shift in enumerate(self.plant.shifts):
            machines = [machine for machine in self.machines if machine.spec.shift == index]
            pools = [pool for pool, spec in zip(self.pools, self.plant.pools, strict=True) if spec.shift == index]
            ShiftClock(self.line, shift, index, machines, pools).begin()
        sources = [self.sources[i] for i in sorted(self.sources)]
        conveyors = sorted(self.conveyors, key=lambda conveyor: conveyor.unit)
        robots, crews = self.pools[: len(self.plant.robots)], self.pools[len(self.plant.robots) :]
        units: list[Starter] = [*sources, *self.machines, *robots, *self.line.fleets, *conveyors, *crews]
        for unit in units:
            unit.begin()
        self.line.begin(Watch(self.plant, self.stations, self.sources) if self.plant.can_deadlock else None)
        return self.line

    def _join_operations(self) -> None:
        for station in self.stations:
            for buffer, spec in zip(station.inputs, station.spec.inputs, strict=True):
                place = self._way_to(buffer, spec)
                if spec.source >= 0:
                    source = self.plant.sources[spec.source]
                    self.sources[spec.source] = Source(self.line, source, place, self.seed, self.replication)
                else:
                    upstream = self.stations[spec.operation]
                    upstream.destination, upstream.passes = place, int(Outcome.PASSED)
            inspection = station.spec.inspection
            if inspection is not None and inspection.rework:
                station.rework = self.stations[inspection.rework_to].inputs[0]

    def _way_to(self, buffer: Buffer, spec: Input) -> Place:
        if spec.conveyor >= 0:
            conveyor = Conveyor(self.line, self.plant.conveyors[spec.conveyor], buffer)
            buffer.conveyor = conveyor
            self.conveyors.append(conveyor)
            return conveyor
        if spec.fleet >= 0:
            buffer.fleet = self.line.fleets[spec.fleet]
            return Calls(buffer.fleet, buffer, spec.pickup, buffer.station.spec.section)
        return buffer

    def _place_machines(self) -> None:
        by_unit = {machine.unit: machine for machine in self.plant.machines}
        for station in self.stations:
            for unit in station.spec.machines:
                machine = Machine(self.line, station, by_unit[unit], self.seed, self.replication)
                station.machines.append(machine)
                self.machines.append(machine)
                self._staff(machine)
            station.has_upkeep = any(machine.upkeep is not None for machine in station.machines)

    def _staff(self, machine: Machine) -> None:
        operation = machine.station.spec
        machine.pools = [self.pools[n] for n in operation.pools]
        machine.operator = self._crew(operation.operator)
        machine.setup_pool = self._crew(operation.setup_operator)
        machine.breakdowns.crews = [self._crew(mode.crew) for mode in machine.spec.failures]
        if machine.upkeep is not None:
            machine.upkeep.crews = [self._crew(plan.crew) for plan in machine.spec.maintenance]

    def _crew(self, index: int) -> Pool | None:
        return self.pools[self.plant.crew_pool(index)] if index >= 0 else None
