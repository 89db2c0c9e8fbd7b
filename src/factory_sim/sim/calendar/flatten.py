"""A plant as flat tables: what the compiled engine reads. Made once, shared by all runs of the plant."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome
from factory_sim.random_streams import law
from factory_sim.records import F8, I8  # noqa: TC001 - a NamedTuple's fields
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Fleet, Machine, Operation, Plant, Source

POLICY_CODES = {"first_come": c.FIRST_COME, "nearest": c.NEAREST, "most_urgent": c.MOST_URGENT}
BEHAVIOUR_CODES = {"machining": c.TAKES_ONE, "joining": c.TAKES_SET, "batching": c.TAKES_BATCH}


class Flat(NamedTuple):
    """The plant: one row per thing (columns.py), and lists that rows point into."""

    f: I8  # shape (n_things, F_WIDTH)
    a: I8  # first (class of event, thing) of every slot in canonical order, then lists of whole numbers
    x: F8  # lists of floats
    line: I8  # the first columns of w.g: how many things there are, and where each kind begins
    streams: tuple[tuple[int, int, str, str], ...]  # (row, column of w.k, owner, purpose)
    circles: bool  # whether anything can close one


def flatten(plant: Plant) -> Flat:
    """The tables of `plant`."""
    return _Flattener(plant).flat()


class _Flattener:
    """Fills the tables of one plant."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        extra = sum(i.conveyor >= 0 or i.fleet >= 0 for o in plant.operations for i in o.inputs)
        n_modes = sum(len(m.failures) for m in plant.machines)
        n_plans = sum(len(m.maintenance) for m in plant.machines)
        counts = (
            len(plant.units),
            sum(len(o.inputs) for o in plant.operations) + 1 + extra,
            len(plant.operations) + 1,
            n_modes,
            n_plans,
            len(plant.pools),
            len(plant.shifts),
            len(plant.fleets),
        )
        starts = np.cumsum([0, *counts])
        _, self.place0, self.station0, self.mode0, self.plan0, self.pool0, self.shift0, self.fleet0, total = (
            starts.tolist()
        )
        self.f = np.full((total, c.F_WIDTH), -1, np.int64)
        self.whole: list[int] = []
        self.floats: list[float] = []
        self.laws: dict[Distribution, int] = {}
        self.slots: list[tuple[int, int, int, int]] = []  # (class, unit, number, thing)
        self.streams: list[tuple[int, int, str, str]] = []
        self.feeds: dict[int, int] = {}  # source -> place that leads into the line
        self._next_place, self._next_mode, self._next_plan = self.place0, self.mode0, self.plan0

    def flat(self) -> Flat:
        """All tables."""
        plant = self.plant
        n_slots = 2 * len(plant.operations) + 6 * len(plant.machines) + len(plant.units) + len(plant.shifts)
        self.whole = [-1] * (2 * (n_slots + (self.pool0 - self.plan0)))  # room for the slots, filled at the end
        self._places()
        for i, operation in enumerate(plant.operations):
            self._station(self.station0 + i, operation)
        for machine in plant.machines:
            self._machine(machine)
        for index, source in enumerate(plant.sources):
            self._source(index, source)
        for index, fleet in enumerate(plant.fleets):
            self._fleet(self.fleet0 + index, fleet)
        self._pools()
        self._shifts()
        n_used = self._place_slots()
        line = np.zeros(c.NOW, np.int64)
        for column, value in (
            (c.N_UNITS, len(plant.units)),
            (c.PLACE0, self.place0),
            (c.STATION0, self.station0),
            (c.N_STATIONS, len(plant.operations)),
            (c.POOL0, self.pool0),
            (c.N_POOLS, len(plant.pools)),
            (c.SHIFT0, self.shift0),
            (c.N_SHIFTS, len(plant.shifts)),
            (c.FLEET0, self.fleet0),
            (c.N_FLEETS, len(plant.fleets)),
            (c.N_VARIANTS, len(plant.variants)),
            (c.N_SLOTS, n_used),
        ):
            line[column] = value
        whole, floats = np.array(self.whole, np.int64), np.array(self.floats)
        return Flat(self.f, whole, floats, line, tuple(self.streams), plant.can_deadlock)

    def _list(self, values: Sequence[int]) -> int:
        self.whole += values
        return len(self.whole) - len(values)

    def _float_list(self, values: Sequence[float]) -> int:
        self.floats += values
        return len(self.floats) - len(values)

    def _law(self, distribution: Distribution | None) -> int:
        if distribution is None:
            return -1
        if distribution not in self.laws:
            own = law(distribution)
            numbers = self._float_list([own.p0, own.p1, own.p2])
            values = self._float_list(own.values.tolist())
            self.laws[distribution] = self._list([own.code, numbers, values, len(own.values)])
        return self.laws[distribution]

    def _stream(self, row: int, column: int, owner: str, purpose: str) -> None:
        self.streams.append((row, column, owner, purpose))

    def _slot(self, kind: Class, unit: int, thing: int, number: int = 0) -> None:
        self.slots.append((kind, unit, number, thing))

    # ---- places and stations

    def _new_place(self, kind: int, index: int) -> tuple[int, I8]:
        row = self.f[self._next_place]
        row[c.KIND], row[c.INDEX], row[c.AT] = kind, index, self.station0 + index
        self._next_place += 1
        return self._next_place - 1, row

    def _places(self) -> None:
        plant = self.plant
        buffers = {}
        for i, operation in enumerate(plant.operations):
            for j, spec in enumerate(operation.inputs):
                buffers[i, j], row = self._new_place(c.BUFFER_KIND, i)
                row[c.CAPACITY], row[c.QUANTITY] = spec.capacity, spec.quantity
                source = spec.source >= 0
                row[c.FEEDER] = plant.sources[spec.source].unit if source else self.station0 + spec.operation
                row[c.PACE] = self._float_list([spec.pace_s])
        self.exit, row = self._new_place(c.EXIT_KIND, -1)
        for i in range(len(plant.operations)):
            station = self.f[self.station0 + i]
            station[c.IN0], station[c.DESTINATION], station[c.PASSES] = buffers[i, 0], self.exit, Outcome.LEFT
        for (i, j), buffer in buffers.items():
            spec = plant.operations[i].inputs[j]
            way = self._way(i, j, buffer)
            if spec.source >= 0:
                self.feeds[spec.source] = way
            else:
                upstream = self.f[self.station0 + spec.operation]
                upstream[c.DESTINATION], upstream[c.PASSES] = way, Outcome.PASSED

    def _way(self, index: int, number: int, buffer: int) -> int:
        plant, spec = self.plant, self.plant.operations[index].inputs[number]
        if spec.conveyor >= 0:
            conveyor = plant.conveyors[spec.conveyor]
            way, row = self._new_place(c.CONVEYOR_KIND, index)
            row[c.CAPACITY], row[c.BELT_UNIT], row[c.BUFFER] = conveyor.capacity, conveyor.unit, buffer
            row[c.DELAY_US] = us_from_s(conveyor.delay_s)
            self.f[buffer, c.BELT_IN] = way
            self.f[conveyor.unit, c.ROLE], self.f[conveyor.unit, c.BELT] = c.ROLE_CONVEYOR, way
            self._slot(Class.TRANSPORT_END, conveyor.unit, conveyor.unit)
            return way
        if spec.fleet >= 0:
            way, row = self._new_place(c.CALLS_KIND, index)
            row[c.ORIGIN], row[c.STOP] = spec.pickup, plant.operations[index].section
            row[c.FLEET], row[c.BUFFER] = self.fleet0 + spec.fleet, buffer
            self.f[buffer, c.FLEET_IN] = self.fleet0 + spec.fleet
            return way
        return buffer

    def _station(self, station: int, operation: Operation) -> None:
        row, inspection = self.f[station], operation.inspection
        takes = BEHAVIOUR_CODES[operation.behaviour]
        row[c.TAKES], row[c.N_IN] = takes, len(operation.inputs)
        row[c.MACHINE0], row[c.N_MACHINES] = operation.machines[0], len(operation.machines)
        if inspection is not None:
            row[c.VERDICT0] = self._float_list([inspection.scrap, inspection.scrap + inspection.rework])
            row[c.MAX_LOOPS] = inspection.max_loops
            if inspection.rework:
                row[c.REWORK_TO] = self.f[self.station0 + inspection.rework_to, c.IN0]
        if operation.batch is not None:
            row[c.BATCH_SIZE], row[c.BATCH_MIN] = operation.batch.size, operation.batch.minimum
            row[c.BATCH_US] = us_from_s(operation.batch.timeout_s)
        if takes == c.TAKES_BATCH:
            self._slot(Class.TIMEOUT, operation.machines[0], station)
        if operation.variant_factor:
            row[c.FACTOR0] = self._float_list(operation.variant_factor)
        if operation.setup_s:
            row[c.SETUP0] = self._list([us_from_s(s) for line in operation.setup_s for s in line])
        row[c.HAS_UPKEEP] = 0
        for unit in operation.machines:
            self.f[unit, c.STATION] = station

    # ---- units

    def _machine(self, machine: Machine) -> None:
        plant, unit = self.plant, machine.unit
        operation, row = plant.operations[machine.operation], self.f[unit]
        row[c.ROLE], row[c.CYCLE_LAW] = c.ROLE_MACHINE, self._law(operation.cycle_time)
        row[c.SHIFT] = self.shift0 + machine.shift if machine.shift >= 0 else -1
        row[c.WEARS] = any(mode.wear for mode in machine.failures)
        row[c.N_NEEDS] = len(operation.pools)
        row[c.NEED0 : c.NEED0 + len(operation.pools)] = [self.pool0 + n for n in operation.pools]
        row[c.SETUP_POOL] = self._crew(operation.setup_operator)
        self._stream(unit, c.CYCLES, machine.name, "cycle")
        if operation.inspection is not None:
            self._stream(unit, c.VERDICTS, machine.name, "quality")
        for kind, number in (
            (Class.PROCESSING_END, 0),
            (Class.REPAIR_END, 0),
            (Class.UPKEEP_END, 0),
            (Class.FAILURE, 0),
            (Class.FAILURE, 1),
        ):
            self._slot(kind, unit, unit, number)
        self._modes_and_plans(machine, row)

    def _modes_and_plans(self, machine: Machine, row: I8) -> None:
        row[c.N_MODES], row[c.MODE0] = len(machine.failures), self._next_mode
        for mode in machine.failures:
            own = self.f[self._next_mode]
            own[c.CLOCK], own[c.WEARING], own[c.CREW] = mode.clock != "busy", mode.wear, self._crew(mode.crew)
            own[c.PRIORITY], own[c.LIFE_LAW], own[c.REPAIR_LAW] = (
                mode.priority,
                self._law(mode.after),
                self._law(mode.repair),
            )
            self._stream(self._next_mode, c.LIVES, machine.name, f"failure:{mode.name}")
            self._stream(self._next_mode, c.REPAIRS, machine.name, f"repair:{mode.name}")
            self._next_mode += 1
        row[c.N_PLANS], row[c.PLAN0] = len(machine.maintenance), self._next_plan
        for number, plan in enumerate(machine.maintenance):
            own = self.f[self._next_plan]
            own[c.EVERY_US], own[c.EVERY_PARTS], own[c.PLAN_UNIT] = (
                us_from_s(plan.every_s),
                plan.every_parts,
                machine.unit,
            )
            own[c.PLAN_CREW], own[c.PLAN_LAW] = self._crew(plan.crew), self._law(plan.duration)
            own[c.WEAR_AT] = self._float_list([plan.at_wear * 1_000_000])
            self._slot(Class.ALARM, machine.unit, self._next_plan, number)
            self._stream(self._next_plan, c.UPKEEPS, machine.name, f"maintenance:{plan.name}")
            self._next_plan += 1
            self.f[self.station0 + machine.operation, c.HAS_UPKEEP] = 1

    def _crew(self, index: int) -> int:
        return self.pool0 + self.plant.crew_pool(index) if index >= 0 else -1

    def _source(self, index: int, source: Source) -> None:
        row = self.f[source.unit]
        moments = [0, *(us_from_s(s) for s in source.arrivals_s)]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        n_mix = len(source.mix) if not source.sequence and len(source.mix) > 1 else 0
        row[c.ROLE], row[c.CARDS], row[c.LOSES] = c.ROLE_SOURCE, source.cards, source.when_full == "lose"
        row[c.SATURATED] = source.interarrival is None and not source.arrivals_s
        row[c.GIVES_TO], row[c.ARRIVAL_LAW] = self.feeds.get(index, -1), self._law(source.interarrival)
        row[c.GAP0], row[c.N_GAPS] = self._list(gaps), len(gaps)
        row[c.SEQUENCE0], row[c.N_SEQUENCE] = self._list(source.sequence), len(source.sequence)
        row[c.MIX0], row[c.N_MIX] = self._float_list(_cumulative(source.mix)), n_mix
        self._stream(source.unit, c.ARRIVALS, source.name, "arrival")
        self._stream(source.unit, c.VARIANTS, source.name, "variant")
        self._slot(Class.ARRIVAL, source.unit, source.unit)

    def _fleet(self, fleet_row: int, fleet: Fleet) -> None:
        row = self.f[fleet_row]
        travel = [us_from_s(d / fleet.speed_mps) for line in fleet.distance_m for d in line]
        row[c.POLICY], row[c.N_STOPS], row[c.TRAVEL0] = (
            POLICY_CODES[fleet.policy],
            len(fleet.distance_m),
            self._list(travel),
        )
        for unit in fleet.units:
            own, name = self.f[unit], self.plant.units[unit]
            own[c.ROLE], own[c.OF_FLEET] = c.ROLE_VEHICLE, fleet_row
            own[c.LOAD_LAW], own[c.UNLOAD_LAW] = self._law(fleet.load), self._law(fleet.unload)
            own[c.TRIP_LAW], own[c.FULL_US] = self._law(fleet.trip), us_from_s(fleet.battery_s)
            own[c.LOW_US], own[c.CHARGE_US] = us_from_s(fleet.battery_s * fleet.charge_below), us_from_s(fleet.charge_s)
            for column, purpose in ((c.LOADS, "load"), (c.UNLOADS, "unload"), (c.TRIPS, "trip")):
                self._stream(unit, column, name, purpose)
            self._slot(Class.TRANSPORT_END, unit, unit)

    def _pools(self) -> None:
        for index, pool in enumerate(self.plant.pools):
            row = self.f[self.pool0 + index]
            row[c.WAIT_KIND], row[c.POOL_SHIFT] = pool.wait, self.shift0 + pool.shift if pool.shift >= 0 else -1
            for unit in pool.units:
                self.f[unit, c.ROLE], self.f[unit, c.POOL_OF] = c.ROLE_MEMBER, self.pool0 + index

    def _shifts(self) -> None:
        for index, shift in enumerate(self.plant.shifts):
            row = self.f[self.shift0 + index]
            spans = sorted((us_from_s(start), us_from_s(end)) for start, end in shift.open_s)
            row[c.EDGE0], row[c.N_EDGES] = self._list([edge for span in spans for edge in span]), 2 * len(spans)
            row[c.CYCLE_US], row[c.FINISH] = us_from_s(shift.cycle_s), shift.at_end == "finish"
            self._slot(Class.CALENDAR, index, self.shift0 + index)

    # ---- slots of the event list

    def _place_slots(self) -> int:
        column = {
            Class.CALENDAR: c.SHIFT_SLOT,
            Class.ALARM: c.PLAN_SLOT,
            Class.REPAIR_END: c.SLOT_REPAIR,
            Class.UPKEEP_END: c.SLOT_UPKEEP,
            Class.PROCESSING_END: c.SLOT_END,
            Class.FAILURE: c.SLOT_WEAR,
            Class.TRANSPORT_END: c.SLOT_TRANSPORT,
            Class.ARRIVAL: c.SLOT_ARRIVAL,
            Class.TIMEOUT: c.SLOT_TIMEOUT,
        }
        for slot, (kind, _, number, thing) in enumerate(sorted(self.slots)):
            second = kind == Class.FAILURE and number == 1
            self.f[thing, c.SLOT_STRIKE if second else column[Class(kind)]] = slot
            self.whole[2 * slot : 2 * slot + 2] = [2 * kind + second, thing]
        return len(self.slots)


def _cumulative(mix: Sequence[float]) -> list[float]:
    total, share, shares = sum(mix), 0.0, []
    for weight in mix:
        share += weight / total
        shares.append(share)
    return shares
