"""From the plant's data to a line that is ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome
from factory_sim.sim.reference.behaviours import BEHAVIOURS
from factory_sim.sim.reference.conveyor import Conveyor
from factory_sim.sim.reference.deadlock_watch import DeadlockWatch
from factory_sim.sim.reference.fleet import Calls, Fleet
from factory_sim.sim.reference.line import Line
from factory_sim.sim.reference.machines.machine import Machine
from factory_sim.sim.reference.policies import POLICIES
from factory_sim.sim.reference.resource_pool import Pool
from factory_sim.sim.reference.shift_clock import ShiftClock
from factory_sim.sim.reference.source import Source
from factory_sim.sim.reference.station import Exit, Station

if TYPE_CHECKING:
    from factory_sim.plant.spec import Input, Plant
    from factory_sim.records import Window
    from factory_sim.sim.reference.station import Buffer
    from factory_sim.sim.reference.unit import Offers


class Builder:
    """Makes the units of one run and joins them."""

    def __init__(self, plant: Plant, seed: int, replication: int, window: Window) -> None:
        self.plant = plant
        line = self.line = Line(seed=seed, replication=replication, window=window, plant=plant)
        line.exit = Exit(line, len(plant.operations))
        self.stations = [Station(line, i, o, BEHAVIOURS[o.behaviour]) for i, o in enumerate(plant.operations)]
        line.stations = [*self.stations, line.exit]
        line.pools = [Pool(line, pool.units, pool.wait) for pool in plant.pools]
        line.fleets = [Fleet(line, f, [plant.units[u] for u in f.units], POLICIES[f.policy]) for f in plant.fleets]
        self.specs = {machine.unit: machine for machine in plant.machines}
        self.sources: dict[int, Source] = {}
        self.machines: list[Machine] = []

    def build(self) -> Line:
        """Return the line, its first rows written."""
        line = self.line
        for station in self.stations:
            self._join(station)
        for station in self.stations:
            self._equip(station)
        for index, shift in enumerate(self.plant.shifts):
            machines = [machine for machine in self.machines if machine.spec.shift == index]
            pools = [pool for pool, spec in zip(line.pools, self.plant.pools, strict=True) if spec.shift == index]
            ShiftClock(line, shift, index, machines, pools).begin()
        for _, unit in sorted(line.units.items()):  # ROW-2
            unit.begin()
        line.begin(DeadlockWatch(self.plant, self.stations, self.sources) if self.plant.can_deadlock else None)
        return line

    def _join(self, station: Station) -> None:
        """Join an operation to those before it, and to the one that gets its rework."""
        for buffer, spec in zip(station.inputs, station.spec.inputs, strict=True):
            place = self._way_to(buffer, spec)
            if spec.source >= 0:
                self.sources[spec.source] = Source(self.line, self.plant.sources[spec.source], place)
            else:
                self.stations[spec.operation].good = Outcome.PASSED, place
        inspection = station.spec.inspection
        if inspection is not None and inspection.rework:
            station.rework = self.stations[inspection.rework_to].rack

    def _way_to(self, buffer: Buffer, spec: Input) -> Offers:
        station = buffer.station
        station.gates.append(buffer)
        if spec.conveyor >= 0:
            buffer.conveyor = Conveyor(self.line, self.plant.conveyors[spec.conveyor], buffer)
            station.gates.append(buffer.conveyor)
            return buffer.conveyor
        if spec.fleet >= 0:
            fleet = self.line.fleets[spec.fleet]
            station.fleets.append(fleet)
            return Calls(fleet, buffer, spec.pickup, station.spec.section)
        return buffer

    def _equip(self, station: Station) -> None:
        """Give an operation its machines, with the pools that they call."""
        operation = station.spec
        station.machines = [Machine(self.line, station, self.specs[unit]) for unit in operation.machines]
        station.maintained = any(machine.spec.maintenance for machine in station.machines)
        station.pools = [self.line.pools[n] for n in operation.pools]
        station.operator, station.setup_operator = map(self._crew, (operation.operator, operation.setup_operator))
        self.machines += station.machines
        for machine in station.machines:
            machine.breakdowns.crews = [self._crew(mode.crew) for mode in machine.spec.failures]
            machine.upkeep.crews = [self._crew(plan.crew) for plan in machine.spec.maintenance]

    def _crew(self, index: int) -> Pool | None:
        return self.line.pools[self.plant.crew_pool(index)] if index >= 0 else None
