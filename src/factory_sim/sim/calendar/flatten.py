"""A plant as the compiled engine's tables before a run starts. Made once, shared by all runs of the plant."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray  # noqa: TC002 - a NamedTuple's fields

from factory_sim.clock import NEVER_US, us_from_s
from factory_sim.plant.states import Outcome
from factory_sim.random_streams import law
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Fleet, Machine, Operation, Plant, Source

POLICY_CODES = {"first_come": c.FIRST_COME, "nearest": c.NEAREST, "most_urgent": c.MOST_URGENT}
BEHAVIOUR_CODES = {"machining": c.TAKES_ONE, "joining": c.TAKES_SET, "batching": c.TAKES_BATCH}
_SLOT_OF = {  # class of event -> the column of its object that names its slot
    Class.CALENDAR: ("shift", "slot"),
    Class.ALARM: ("plan", "slot"),
    Class.REPAIR_END: ("unit", "slot_repair"),
    Class.UPKEEP_END: ("unit", "slot_upkeep"),
    Class.PROCESSING_END: ("unit", "slot_end"),
    Class.FAILURE: ("unit", "slot_wear"),
    Class.TRANSPORT_END: ("unit", "slot_transport"),
    Class.ARRIVAL: ("unit", "slot_arrival"),
    Class.TIMEOUT: ("station", "slot_timeout"),
}


class Flat(NamedTuple):
    """The tables and lists of a plant, and the random streams that its columns name."""

    arrays: dict[str, NDArray[Any]]
    streams: tuple[tuple[str, str, int, str, str], ...]  # (table, column, row, owner, purpose)


def flatten(plant: Plant) -> Flat:
    """Return the tables of `plant`."""
    return _Flattener(plant).flat()


class _Flattener:
    """Collects the columns of one plant's tables."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.cells: dict[str, dict[tuple[str, ...], list[tuple[Any, ...]]]] = {name: {} for name in c.TABLES}
        self.rows = dict.fromkeys(c.TABLES, 0)
        self.whole: list[int] = []
        self.numbers: list[float] = []
        self.laws: dict[Distribution, int] = {}
        self.slots: list[tuple[int, int, int, int]] = []  # (class, unit, number, row of the object)
        self.streams: list[tuple[str, str, int, str, str]] = []
        self.feeds: dict[int, int] = {}  # source -> place that leads into the line

    def flat(self) -> Flat:
        """Return all tables."""
        plant = self.plant
        self.rows |= {"unit": len(plant.units), "ahead": len(plant.units), "line": 1}
        self.rows |= {"station": len(plant.operations) + 1, "shift": len(plant.shifts), "fleet": len(plant.fleets)}
        self.rows |= {"pool": len(plant.pools), "part": 0, "row": 0}
        self._places()
        for index, operation in enumerate(plant.operations):
            self._station(index, operation)
        for machine in plant.machines:
            self._machine(machine)
        for index, source in enumerate(plant.sources):
            self._source(index, source)
        for index, fleet in enumerate(plant.fleets):
            self._fleet(index, fleet)
        self._pools()
        self._shifts()
        lists = self._event_list()
        arrays = {name: self._table(name) for name in c.TABLES}
        n_words = {"dirty": self.rows["station"], "wanted": self.rows["station"], "unsettled": self.rows["unit"]}
        lists |= {name: np.zeros((n >> c.WORD_BITS) + 1, np.int64) for name, n in n_words.items()}
        lists |= {"whole": np.array(self.whole, np.int64), "numbers": np.array(self.numbers)}
        return Flat(arrays | lists, tuple(self.streams))

    def _table(self, name: str) -> NDArray[Any]:
        of = c.TABLES[name]
        table = np.zeros(self.rows[name], of.dtype)
        for column, value in of.initial.items():
            table[column] = value
        for columns, cells in self.cells[name].items():
            rows, *values = zip(*cells, strict=True)
            at = np.array(rows)
            for column, column_values in zip(columns, values, strict=True):
                table[column][at] = column_values
        return table

    def _set(self, table: str, row: int, **values: Any) -> None:
        self.cells[table].setdefault(tuple(values), []).append((row, *values.values()))

    def _new(self, table: str, **values: Any) -> int:
        row = self.rows[table]
        self.rows[table] += 1
        self._set(table, row, **values)
        return row

    def _list(self, values: Sequence[int]) -> int:
        self.whole += values
        return len(self.whole) - len(values)

    def _number_list(self, values: Sequence[float]) -> int:
        self.numbers += values
        return len(self.numbers) - len(values)

    def _law(self, distribution: Distribution | None) -> int:
        if distribution is None:
            return -1
        if distribution not in self.laws:
            own = law(distribution)
            values = {"value0": self._number_list(own.values.tolist()), "n_values": len(own.values)}
            self.laws[distribution] = self._new("law", code=own.code, p0=own.p0, p1=own.p1, p2=own.p2, **values)
        return self.laws[distribution]

    def _stream(self, table: str, row: int, owner: str, **purposes: str) -> None:
        self.streams += [(table, column, row, owner, purpose) for column, purpose in purposes.items()]

    def _slot(self, kind: Class, unit: int, row: int, number: int = 0) -> None:
        self.slots.append((kind, unit, number, row))

    # ---- places and stations

    def _places(self) -> None:
        plant, buffers = self.plant, {}
        for i, operation in enumerate(plant.operations):
            for j, spec in enumerate(operation.inputs):
                feeder = (
                    {"feeding_unit": plant.sources[spec.source].unit}
                    if spec.source >= 0
                    else {"feeding_station": spec.operation}
                )
                sizes = {"capacity": spec.capacity, "quantity": spec.quantity, "pace": spec.pace_s}
                buffers[i, j] = self._new("place", kind=c.BUFFER, index=i, at=i, **sizes, **feeder)
        out = self._new("place", kind=c.EXIT, at=len(plant.operations))
        self._set("line", 0, n_variants=len(plant.variants), exit=out, check_deadlock=int(plant.can_deadlock))
        destinations = [(out, Outcome.LEFT)] * len(plant.operations)
        for (i, j), buffer in buffers.items():
            spec, way = plant.operations[i].inputs[j], self._way(i, j, buffer)
            if spec.source >= 0:
                self.feeds[spec.source] = way
            else:
                destinations[spec.operation] = (way, Outcome.PASSED)
        for i, (place, outcome) in enumerate(destinations):
            self._set("station", i, in0=buffers[i, 0], destination=place, passes=outcome)
        self.first_input = [buffers[i, 0] for i in range(len(plant.operations))]

    def _way(self, index: int, number: int, buffer: int) -> int:
        plant, spec = self.plant, self.plant.operations[index].inputs[number]
        if spec.conveyor >= 0:
            conveyor = plant.conveyors[spec.conveyor]
            belt = {"belt_unit": conveyor.unit, "buffer": buffer, "delay_us": us_from_s(conveyor.delay_s)}
            way = self._new("place", kind=c.BELT, index=index, at=index, capacity=conveyor.capacity, **belt)
            self._set("place", buffer, belt_in=way)
            self._set("unit", conveyor.unit, role=c.CONVEYOR, belt=way)
            self._slot(Class.TRANSPORT_END, conveyor.unit, conveyor.unit)
            return way
        if spec.fleet >= 0:
            stop = plant.operations[index].section
            calls = {"fleet": spec.fleet, "buffer": buffer, "origin": spec.pickup, "stop": stop}
            way = self._new("place", kind=c.CALLS, index=index, at=index, **calls)
            self._set("place", buffer, fleet_in=spec.fleet)
            return way
        return buffer

    def _station(self, index: int, operation: Operation) -> None:
        inspection, batch = operation.inspection, operation.batch
        columns: dict[str, Any] = {}
        takes = BEHAVIOUR_CODES[operation.behaviour]
        if inspection is not None:
            shares = {"scrap": inspection.scrap, "scrap_or_rework": inspection.scrap + inspection.rework}
            columns |= {"inspects": 1, "max_loops": inspection.max_loops, **shares}
            if inspection.rework:
                columns["rework_to"] = self.first_input[inspection.rework_to]
        if batch is not None:
            columns |= {"batch_size": batch.size, "batch_min": batch.minimum, "batch_us": us_from_s(batch.timeout_s)}
        if takes == c.TAKES_BATCH:
            self._slot(Class.TIMEOUT, operation.machines[0], index)
        if operation.variant_factor:
            columns["factor0"] = self._number_list(operation.variant_factor)
        if operation.setup_s:
            columns["setup0"] = self._list([us_from_s(s) for line in operation.setup_s for s in line])
        machines = {"machine0": operation.machines[0], "n_machines": len(operation.machines)}
        self._set("station", index, takes=takes, n_in=len(operation.inputs), **machines, **columns)

    # ---- units

    def _machine(self, machine: Machine) -> None:
        operation, unit = self.plant.operations[machine.operation], machine.unit
        if operation.pools:
            self._set("unit", unit, needs=[*operation.pools, -1][:2])
        self._set(
            "unit",
            unit,
            role=c.MACHINE,
            station=machine.operation,
            cycle_law=self._law(operation.cycle_time),
            n_needs=len(operation.pools),
            n_modes=len(machine.failures),
            n_plans=len(machine.maintenance),
            mode0=self.rows["mode"],
            plan0=self.rows["plan"],
        )
        if machine.shift >= 0:
            self._set("unit", unit, shift=machine.shift)
        if operation.setup_operator >= 0:
            self._set("unit", unit, setup_pool=self._crew(operation.setup_operator))
        self._stream("unit", unit, machine.name, cycles="cycle")
        if operation.inspection is not None:
            self._stream("unit", unit, machine.name, verdicts="quality")
        self._slot(Class.PROCESSING_END, unit, unit)
        self._modes(machine)
        self._plans(machine)

    def _modes(self, machine: Machine) -> None:
        unit, clocks = machine.unit, set()
        for mode in machine.failures:
            laws = {"life_law": self._law(mode.after), "repair_law": self._law(mode.repair)}
            runs = int(mode.clock != "busy")  # the clock: 0 operation-dependent, 1 time-dependent
            clocks.add(runs)
            crew, wearing = self._crew(mode.crew), int(mode.wear)
            row = self._new("mode", clock=runs, wearing=wearing, crew=crew, priority=mode.priority, **laws)
            self._stream("mode", row, machine.name, lives=f"failure:{mode.name}", repairs=f"repair:{mode.name}")
        if clocks:
            self._slot(Class.REPAIR_END, unit, unit)
            self._set("unit", unit, wears=int(any(mode.wear for mode in machine.failures)))
        for runs in clocks:
            self._slot(Class.FAILURE, unit, unit, runs)

    def _plans(self, machine: Machine) -> None:
        for number, plan in enumerate(machine.maintenance):
            every = {"every_us": us_from_s(plan.every_s), "every_parts": plan.every_parts}
            own = {"crew": self._crew(plan.crew), "law": self._law(plan.duration), "unit": machine.unit}
            row = self._new("plan", wear_at=plan.at_wear * 1_000_000, **every, **own)
            self._slot(Class.ALARM, machine.unit, row, number)
            self._stream("plan", row, machine.name, durations=f"maintenance:{plan.name}")
        if machine.maintenance:
            self._slot(Class.UPKEEP_END, machine.unit, machine.unit)
            self._set("station", machine.operation, has_upkeep=1)

    def _crew(self, index: int) -> int:
        return self.plant.crew_pool(index) if index >= 0 else -1

    def _source(self, index: int, source: Source) -> None:
        moments = [0, *(us_from_s(s) for s in source.arrivals_s)]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        self._set(
            "unit",
            source.unit,
            role=c.SOURCE,
            cards=source.cards,
            loses=int(source.when_full == "lose"),
            saturated=int(source.interarrival is None and not source.arrivals_s),
            gives_to=self.feeds.get(index, -1),
            arrival_law=self._law(source.interarrival),
            gap0=self._list(gaps),
            n_gaps=len(gaps),
            sequence0=self._list(source.sequence),
            n_sequence=len(source.sequence),
            mix0=self._number_list(_cumulative(source.mix)),
            n_mix=len(source.mix) if not source.sequence and len(source.mix) > 1 else 0,
        )
        self._stream("unit", source.unit, source.name, arrivals="arrival", variants="variant")
        self._slot(Class.ARRIVAL, source.unit, source.unit)

    def _fleet(self, index: int, fleet: Fleet) -> None:
        travel = [us_from_s(d / fleet.speed_mps) for line in fleet.distance_m for d in line]
        lists = {"travel0": self._list(travel), "vehicle0": self._list(sorted(fleet.units))}
        sizes = {"n_stops": len(fleet.distance_m), "n_vehicles": len(fleet.units)}
        self._set("fleet", index, policy=POLICY_CODES[fleet.policy], **sizes, **lists)
        laws = {"load_law": self._law(fleet.load), "unload_law": self._law(fleet.unload)}
        low_us = us_from_s(fleet.battery_s * fleet.charge_below)
        battery = {"full_us": us_from_s(fleet.battery_s), "low_us": low_us, "charge_us": us_from_s(fleet.charge_s)}
        for unit in fleet.units:
            self._set("unit", unit, role=c.VEHICLE, fleet=index, trip_law=self._law(fleet.trip), **laws, **battery)
            self._stream("unit", unit, self.plant.units[unit], loads="load", unloads="unload", trips="trip")
            self._slot(Class.TRANSPORT_END, unit, unit)

    def _pools(self) -> None:
        for index, pool in enumerate(self.plant.pools):
            self._set("pool", index, wait_kind=pool.wait, shift=pool.shift)
            for unit in pool.units:
                self._set("unit", unit, role=c.MEMBER, pool=index)

    def _shifts(self) -> None:
        for index, shift in enumerate(self.plant.shifts):
            spans = sorted((us_from_s(start), us_from_s(end)) for start, end in shift.open_s)
            edges = {"edge0": self._list([edge for span in spans for edge in span]), "n_edges": 2 * len(spans)}
            self._set("shift", index, cycle_us=us_from_s(shift.cycle_s), finish=int(shift.at_end == "finish"), **edges)
            self._slot(Class.CALENDAR, index, index)

    def _event_list(self) -> dict[str, NDArray[Any]]:
        """Give every slot its number, in canonical order; return the empty list with its minima."""
        for kind, _, number, row in sorted(self.slots):
            table, column = _SLOT_OF[Class(kind)]
            second = kind == Class.FAILURE and number == 1
            slot = self._new("slot", kind=2 * kind + second, subject=row)
            self._set(table, row, **{"slot_strike" if second else column: slot})
        bits = len(self.slots).bit_length()
        self._set("line", 0, slot_bits=bits, latest_us=(NEVER_US >> bits) - 1)
        n_firsts = c.BLOCK * -(-len(self.slots) // c.BLOCK**2)
        return {"due": np.full(c.BLOCK * n_firsts, NEVER_US), "first_due": np.full(n_firsts, NEVER_US)}


def _cumulative(mix: Sequence[float]) -> list[float]:
    total, share, shares = sum(mix), 0.0, []
    for weight in mix:
        share += weight / total
        shares.append(share)
    return shares
