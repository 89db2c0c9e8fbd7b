"""A plant as flat arrays: what the compiled engine reads. Made once, shared by all runs of the plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, Wait
from factory_sim.records import F8, I8  # noqa: TC001 - a NamedTuple's fields
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.simpy_engine import Class
from factory_sim.streams import law

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Distribution, Fleet, Input, Operation, Plant

POLICY_CODES = {"first_come": c.FIRST_COME, "nearest": c.NEAREST, "most_urgent": c.MOST_URGENT}
BEHAVIOUR_CODES = {"machining": c.TAKES_ONE, "joining": c.TAKES_SET, "batching": c.TAKES_BATCH}


class Flat(NamedTuple):
    """The plant. Rows by index, columns by columns.py; names ending in `_f` are floats."""

    unit: I8
    station: I8
    verdict_f: F8  # shape (n_stations, 2): scrap, scrap + rework
    place: I8
    pace_f: F8  # shape (n_places,): seconds of work in one waiting part
    mode: I8
    plan: I8
    wear_f: F8  # shape (n_plans,): millionths of wear at which maintenance is due; 0: never
    source: I8
    gaps: I8  # µs between scheduled arrivals, all sources
    sequence: I8
    mix_f: F8  # cumulative shares, all sources
    vehicle: I8
    fleet: I8
    travel: I8  # µs, all fleets' matrices
    pool: I8
    member: I8  # unit ids, all pools
    shift: I8
    edges: I8
    factor_f: F8
    setup: I8  # µs, all changeover matrices
    n_variants: int
    law: I8  # shape (n_laws, 3): code, first value, number of values
    law_f: F8  # shape (n_laws, 3)
    values_f: F8
    slot_kind: I8  # in canonical order of simultaneous events
    slot_who: I8  # unit, or index of shift, plan, station


class _Laws:
    """Collects distributions; equal ones once."""

    def __init__(self) -> None:
        self.known: dict[Distribution, int] = {}

    def index(self, distribution: Distribution | None) -> int:
        if distribution is None:
            return c.NONE
        return self.known.setdefault(distribution, len(self.known))

    def arrays(self) -> tuple[I8, F8, F8]:
        laws = [law(d) for d in self.known]
        starts = np.cumsum([0, *(len(one.values) for one in laws)])
        heads = [(one.code, start, len(one.values)) for one, start in zip(laws, starts, strict=False)]
        values = np.concatenate([one.values for one in laws]) if laws else np.empty(0)
        return _table(heads, 3), np.array([(o.p0, o.p1, o.p2) for o in laws], np.float64).reshape(-1, 3), values


def _table(rows: Sequence[Sequence[int]], width: int) -> I8:
    return np.array(rows, np.int64).reshape(-1, width)


def _floats(values: Sequence[float]) -> F8:
    return np.array(values, np.float64)


class Flattener:
    """Fills the arrays of one plant."""

    def __init__(self, plant: Plant) -> None:
        self.plant, self.laws = plant, _Laws()
        self.unit = np.full((len(plant.units), c.N_UNIT), c.NONE, np.int64)
        self.modes: list[list[int]] = []
        self.plans: list[list[int]] = []
        self.wear: list[float] = []
        self.slots: list[tuple[int, int, int, int]] = []  # (class, unit, number, who)
        self.places: list[list[int]] = []
        self.pace: list[float] = []
        self.factors: list[float] = []
        self.setups: list[int] = []
        self.ways: dict[tuple[int, int], int] = {}  # (operation, input) -> place that leads there

    def flat(self) -> Flat:
        """All arrays."""
        plant = self.plant
        stations = self._stations()
        self._machines()
        source, gaps, sequence, mix = self._sources()
        fleet, vehicle, travel = self._fleets()
        pool, member = self._pools()
        shift, edges = self._shifts()
        slot_kind, slot_who = self._place_slots(stations, shift)
        verdicts = [(o.inspection.scrap, o.inspection.scrap + o.inspection.rework) if o.inspection else (0.0, 0.0)
                    for o in plant.operations]
        laws, law_f, values_f = self.laws.arrays()
        return Flat(
            self.unit, stations, np.array(verdicts, np.float64).reshape(-1, 2), _table(self.places, c.N_PLACE),
            _floats(self.pace), _table(self.modes, c.N_MODE), _table(self.plans, c.N_PLAN), _floats(self.wear),
            source, gaps, sequence, mix, vehicle, fleet, travel, pool, member, shift, edges, _floats(self.factors),
            np.array(self.setups, np.int64), len(plant.variants), laws, law_f, values_f, slot_kind, slot_who,
        )  # fmt: skip

    # ---- places and stations

    def _stations(self) -> I8:
        plant = self.plant
        firsts = np.cumsum([0, *(len(o.inputs) for o in plant.operations)])
        self.exit = int(firsts[-1])
        self.places = [self._buffer(i, spec) for i, o in enumerate(plant.operations) for spec in o.inputs]
        self.pace = [
            o.unit_time_s / len(o.machines) / spec.quantity for o in plant.operations for spec in o.inputs
        ]
        self._add_place(c.EXIT_KIND, c.NONE)
        rows = [self._station(i, o, int(firsts[i])) for i, o in enumerate(plant.operations)]
        for i, operation in enumerate(plant.operations):
            for j, spec in enumerate(operation.inputs):
                way = self.ways[i, j] = self._way(i, int(firsts[i]) + j, spec)
                if spec.operation >= 0:
                    rows[spec.operation][c.DESTINATION] = way
                    rows[spec.operation][c.PASSES] = Outcome.PASSED
        for row, operation in zip(rows, plant.operations, strict=True):
            if operation.inspection is not None and operation.inspection.rework:
                row[c.REWORK_TO] = int(firsts[operation.inspection.rework_to])
        return _table(rows, c.N_STATION)

    def _station(self, index: int, operation: Operation, first_input: int) -> list[int]:
        row = [c.NONE] * c.N_STATION
        behaviour = BEHAVIOUR_CODES[operation.behaviour]
        if behaviour == c.TAKES_ONE and operation.batch is not None:
            behaviour = c.TAKES_BATCH
        elif behaviour == c.TAKES_ONE and (len(operation.inputs) > 1 or operation.inputs[0].quantity > 1):
            behaviour = c.TAKES_SET
        row[c.TAKES], row[c.IN0], row[c.N_IN] = behaviour, first_input, len(operation.inputs)
        row[c.MACHINE0], row[c.N_MACHINES] = operation.machines[0], len(operation.machines)
        row[c.DESTINATION], row[c.PASSES] = self.exit, Outcome.LEFT
        row[c.INSPECTS] = operation.inspection is not None
        row[c.MAX_LOOPS] = operation.inspection.max_loops if operation.inspection else 0
        if operation.batch is not None:
            row[c.BATCH_SIZE], row[c.BATCH_MIN] = operation.batch.size, operation.batch.minimum
            row[c.BATCH_US] = us_from_s(operation.batch.timeout_s)
        if operation.variant_factor:
            row[c.FACTOR0] = len(self.factors)
            self.factors += operation.variant_factor
        if operation.setup_s:
            row[c.SETUP0] = len(self.setups)
            self.setups += [us_from_s(s) for line in operation.setup_s for s in line]
        for unit in operation.machines:
            self.unit[unit, c.STATION] = index
        return row

    def _add_place(self, kind: int, index: int, **columns: int) -> int:
        row = [c.NONE] * c.N_PLACE
        row[c.KIND], row[c.INDEX] = kind, index
        for name, value in columns.items():
            row[getattr(c, name)] = value
        self.places.append(row)
        self.pace.append(0.0)
        return len(self.places) - 1

    @staticmethod
    def _buffer(index: int, spec: Input) -> list[int]:
        row = [c.NONE] * c.N_PLACE
        row[c.KIND], row[c.INDEX], row[c.CAPACITY], row[c.QUANTITY] = c.BUFFER_KIND, index, spec.capacity, spec.quantity
        return row

    def _way(self, index: int, buffer: int, spec: Input) -> int:
        plant = self.plant
        if spec.conveyor >= 0:
            conveyor = plant.conveyors[spec.conveyor]
            way = self._add_place(
                c.CONVEYOR_KIND, index, CAPACITY=conveyor.capacity, BELT_UNIT=conveyor.unit,
                DELAY_US=us_from_s(conveyor.delay_s), BUFFER=buffer,
            )  # fmt: skip
            self.places[buffer][c.BELT_IN] = way
            self.unit[conveyor.unit, [c.ROLE, c.BELT]] = c.ROLE_CONVEYOR, way
            self.slots.append((Class.TRANSPORT_END, conveyor.unit, 0, conveyor.unit))
            return way
        if spec.fleet >= 0:
            stop = plant.operations[index].section
            origin = plant.operations[spec.operation].section if spec.operation >= 0 else stop
            self.places[buffer][c.FLEET_IN] = spec.fleet
            return self._add_place(c.CALLS_KIND, index, FLEET=spec.fleet, BUFFER=buffer, ORIGIN=origin, STOP=stop)
        return buffer

    # ---- units

    def _machines(self) -> None:
        for machine in self.plant.machines:
            operation, unit = self.plant.operations[machine.operation], machine.unit
            row = self.unit[unit]
            row[c.ROLE], row[c.SHIFT], row[c.CYCLE_LAW] = c.ROLE_MACHINE, machine.shift, self.laws.index(operation.cycle_time)
            row[c.N_MODES], row[c.MODE0] = len(machine.failures), len(self.modes)
            row[c.N_PLANS], row[c.PLAN0] = len(machine.maintenance), len(self.plans)
            row[c.WEARS] = any(mode.wear for mode in machine.failures)
            needs = [operation.robot] if operation.robot >= 0 else []
            needs += [len(self.plant.robots) + operation.operator] if operation.operator >= 0 else []
            row[c.N_NEEDS] = len(needs)
            row[c.NEED0 : c.NEED0 + len(needs)] = needs
            row[c.SETUP_POOL] = self._crew(operation.setup_operator)
            for mode in machine.failures:
                laws = self.laws.index(mode.after), self.laws.index(mode.repair)
                self.modes.append([mode.clock != "busy", mode.wear, self._crew(mode.crew), mode.priority, *laws])
            for plan in machine.maintenance:
                self.slots.append((Class.ALARM, unit, len(self.plans) - int(row[c.PLAN0]), len(self.plans)))
                every = us_from_s(plan.every_s), plan.every_parts
                self.plans.append([*every, self._crew(plan.crew), self.laws.index(plan.duration), c.NONE])
                self.wear.append(plan.at_wear * 1_000_000)
            self.slots += [(Class.PROCESSING_END, unit, 0, unit), (Class.REPAIR_END, unit, 0, unit)]
            self.slots += [(Class.UPKEEP_END, unit, 0, unit), (Class.FAILURE, unit, 0, unit), (Class.FAILURE, unit, 1, unit)]

    def _crew(self, index: int) -> int:
        return len(self.plant.robots) + index if index >= 0 else c.NONE

    def _sources(self) -> tuple[I8, I8, I8, F8]:
        rows, gaps, sequence, mix = [], list[int](), list[int](), list[float]()
        feeds = {spec.source: self.ways[i, j] for i, o in enumerate(self.plant.operations)
                 for j, spec in enumerate(o.inputs) if spec.source >= 0}
        for index, source in enumerate(self.plant.sources):
            moments = [0, *(us_from_s(s) for s in source.arrivals_s)]
            own = [b - a for a, b in zip(moments, moments[1:], strict=False)]
            saturated = source.interarrival is None and not source.arrivals_s
            n_mix = len(source.mix) if not source.sequence and len(source.mix) > 1 else 0
            rows.append([
                source.unit, saturated, source.when_full == "lose", source.cards, feeds.get(index, c.NONE),
                self.laws.index(source.interarrival), len(gaps), len(own), len(sequence), len(source.sequence),
                len(mix), n_mix,
            ])  # fmt: skip
            gaps += own
            sequence += source.sequence
            mix += _cumulative(source.mix) if n_mix else []
            self.unit[source.unit, [c.ROLE, c.SOURCE]] = c.ROLE_SOURCE, index
            self.slots.append((Class.ARRIVAL, source.unit, 0, source.unit))
        return _table(rows, c.N_SOURCE), np.array(gaps, np.int64), np.array(sequence, np.int64), _floats(mix)

    def _fleets(self) -> tuple[I8, I8, I8]:
        fleets, vehicles, travel = [], list[list[int]](), list[int]()
        for index, fleet in enumerate(self.plant.fleets):
            stops = len(fleet.distance_m)
            fleets.append([POLICY_CODES[fleet.policy], len(vehicles), len(fleet.units), len(travel), stops])
            travel += [us_from_s(d / fleet.speed_mps) for line in fleet.distance_m for d in line]
            for unit in fleet.units:
                self.unit[unit, [c.ROLE, c.VEHICLE]] = c.ROLE_VEHICLE, len(vehicles)
                self.slots.append((Class.TRANSPORT_END, unit, 0, unit))
                vehicles.append([index, *self._vehicle(fleet)])
        return _table(fleets, c.N_FLEET), _table(vehicles, c.N_VEHICLE), np.array(travel, np.int64)

    def _vehicle(self, fleet: Fleet) -> list[int]:
        laws = [self.laws.index(d) for d in (fleet.load, fleet.unload, fleet.trip)]
        return [*laws, us_from_s(fleet.battery_s), us_from_s(fleet.battery_s * fleet.charge_below), us_from_s(fleet.charge_s)]

    def _pools(self) -> tuple[I8, I8]:
        rows, members = [], list[int]()
        pools = [((robot.unit,), Wait.ROBOT, c.NONE) for robot in self.plant.robots]
        pools += [(crew.units, Wait.OPERATOR, crew.shift) for crew in self.plant.crews]
        for index, (units, kind, shift) in enumerate(pools):
            rows.append([len(members), len(units), int(kind), shift])
            members += units
            for unit in units:
                self.unit[unit, [c.ROLE, c.POOL_OF]] = c.ROLE_MEMBER, index
        return _table(rows, c.N_POOL), np.array(members, np.int64)

    def _shifts(self) -> tuple[I8, I8]:
        rows, edges = [], list[int]()
        for index, shift in enumerate(self.plant.shifts):
            spans = sorted((us_from_s(start), us_from_s(end)) for start, end in shift.open_s)
            rows.append([len(edges), 2 * len(spans), us_from_s(shift.cycle_s), shift.at_end == "finish", c.NONE])
            edges += [edge for span in spans for edge in span]
            self.slots.append((Class.CALENDAR, index, 0, index))
        return _table(rows, c.N_SHIFT), np.array(edges, np.int64)

    # ---- slots of the event list

    def _place_slots(self, stations: I8, shift: I8) -> tuple[I8, I8]:
        for index, row in enumerate(stations):
            row[c.HAS_UPKEEP] = any(self.unit[u, c.N_PLANS] > 0 for u in self.plant.operations[index].machines)
            if row[c.TAKES] == c.TAKES_BATCH:
                self.slots.append((Class.TIMEOUT, int(row[c.MACHINE0]), 0, index))
        column = {Class.REPAIR_END: c.SLOT_REPAIR, Class.UPKEEP_END: c.SLOT_UPKEEP, Class.PROCESSING_END: c.SLOT_END,
                  Class.TRANSPORT_END: c.SLOT_TRANSPORT, Class.ARRIVAL: c.SLOT_ARRIVAL}
        ordered = sorted(self.slots)
        for slot, (kind, _, number, who) in enumerate(ordered):
            if kind == Class.CALENDAR:
                shift[who, c.SHIFT_SLOT] = slot
            elif kind == Class.ALARM:
                self.plans[who][c.PLAN_SLOT] = slot
            elif kind == Class.TIMEOUT:
                stations[who, c.SLOT_TIMEOUT] = slot
            elif kind == Class.FAILURE:
                self.unit[who, c.SLOT_STRIKE if number else c.SLOT_WEAR] = slot
            else:
                self.unit[who, column[Class(kind)]] = slot
        kinds = [kind * 2 + (kind == Class.FAILURE and number) for kind, _, number, _ in ordered]
        return np.array(kinds, np.int64), np.array([who for *_, who in ordered], np.int64)


def _cumulative(mix: Sequence[float]) -> list[float]:
    total, share, shares = sum(mix), 0.0, []
    for weight in mix:
        share += weight / total
        shares.append(share)
    return shares


def flatten(plant: Plant) -> Flat:
    """The arrays of `plant`."""
    return Flattener(plant).flat()
