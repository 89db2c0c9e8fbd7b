"""A plant as the compiled engine's tables before a run starts. Made once, shared by all runs of the plant."""

from __future__ import annotations

from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray  # noqa: TC002 - a NamedTuple's fields

from factory_sim.clock import NEVER_US, us_from_s
from factory_sim.random_streams import law
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Machine, Plant

POLICY_CODES = {"first_come": c.FIRST_COME, "nearest": c.NEAREST, "most_urgent": c.MOST_URGENT}
BEHAVIOUR_CODES = {"machining": c.TAKES_ONE, "joining": c.TAKES_SET, "batching": c.TAKES_BATCH}
_SLOT_OF = {  # kind of a slot -> the column of its object that names it
    c.CALENDAR: ("shift", "slot"),
    c.ALARM: ("plan", "slot"),
    c.REPAIR_END: ("unit", "slot_repair"),
    c.UPKEEP_END: ("unit", "slot_upkeep"),
    c.PROCESSING_END: ("unit", "slot_end"),
    c.FAILURE: ("unit", "slot_wear"),
    c.STRIKE: ("unit", "slot_strike"),
    c.TRANSPORT_END: ("unit", "slot_transport"),
    c.ARRIVAL: ("unit", "slot_arrival"),
    c.TIMEOUT: ("station", "slot_timeout"),
}


_OF_INPUT = attrgetter("capacity", "quantity", "pace_s", "source", "operation")
_OF_MACHINE = attrgetter("unit", "operation", "shift", "name")


class Flat(NamedTuple):
    """The tables and lists of a plant, and the random streams that its columns name."""

    arrays: dict[str, NDArray[Any]]
    streams: list[tuple[str, str, list[int], list[str], list[str]]]  # table, column; rows, owners, purposes
    calendar: str  # rules of shifts and of maintenance by the clock


def flatten(plant: Plant) -> Flat:
    """Return the tables of `plant`."""
    return _Flattener(plant).flat()


class _Flattener:
    """Fills the columns of one plant's tables."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.whole: list[int] = []
        self.numbers: list[float] = []
        self.laws: dict[Distribution, int] = {}
        self.law_rows: list[tuple[float, ...]] = []
        self.slots: list[tuple[int, int, int, int]] = []  # (class, unit, number, row of the object)
        self.streams: list[tuple[str, str, list[int], list[str], list[str]]] = []
        inputs = [each for operation in plant.operations for each in operation.inputs]
        sizes = dict.fromkeys(c.TABLES, 0)
        sizes |= {"unit": len(plant.units), "ahead": len(plant.units), "line": 1}
        sizes |= {"station": len(plant.operations) + 1, "shift": len(plant.shifts), "fleet": len(plant.fleets)}
        self.brought = [buffer for buffer, each in enumerate(inputs) if each.conveyor >= 0 or each.fleet >= 0]
        self.racks = [i for i, operation in enumerate(plant.operations) if operation.rework_from]
        sizes["place"] = len(inputs) + 1 + len(self.brought) + len(self.racks)
        self.modes = [(machine, mode) for machine in plant.machines for mode in machine.failures]
        self.plans = [(each, n, plan) for each in plant.machines for n, plan in enumerate(each.maintenance)]
        sizes |= {"pool": len(plant.pools), "mode": len(self.modes), "plan": len(self.plans)}
        self.arrays = {name: c.TABLES[name].first.repeat(n) for name, n in sizes.items()}

    def flat(self) -> Flat:
        """Return all tables."""
        units = (self._machines, self._modes, self._plans, self._sources, self._fleets, self._pools)
        for fill in (self._places, self._stations, *units, self._shifts, self._event_list):
            fill()
        self.arrays["law"] = np.array(self.law_rows, c.TABLES["law"].dtype)
        for name, table in (("dirty", "station"), ("wanted", "station"), ("unsettled", "unit")):
            self.arrays[name] = np.zeros((len(self.arrays[table]) >> c.WORD_BITS) + 1, np.int64)
        bits = max((len(self.arrays["dirty"]) - 1).bit_length() - c.WORD_BITS, 0)
        self._put("line", 0, group_bits=bits)
        self.arrays["dirty"] = np.zeros(-(-len(self.arrays["dirty"]) >> bits) << bits, np.int64)  # whole groups
        lists = {"whole": np.array(self.whole, np.int64), "numbers": np.array(self.numbers, np.float64)}
        lists["edges"] = np.zeros(0, np.int64)  # see CalendarRun
        hours = [(shift.hours, shift.breaks, shift.exceptions) for shift in self.plant.shifts]
        rules = repr((hours, [plan.at for *_, plan in self.plans]))
        return Flat(self.arrays | lists, self.streams, rules)

    def _put(self, table: str, rows: Any, **columns: Any) -> None:
        for column, values in columns.items():
            self.arrays[table][column][rows] = values

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
            self.laws[distribution] = len(self.law_rows)
            values = own.values.tolist()
            self.law_rows.append((own.code, own.p0, own.p1, own.p2, self._number_list(values), len(values)))
        return self.laws[distribution]

    def _law_of_each(self, distributions: list[Distribution]) -> list[int]:
        """Return the law of each distribution; those that are one object are hashed once, which is slow."""
        names = list(map(id, distributions))
        laws = {name: self._law(each) for name, each in dict(zip(names, distributions, strict=True)).items()}
        return [laws[name] for name in names]

    def _stream(self, table: str, rows: list[int], owners: list[str], **purposes: str) -> None:
        """Name the random streams of columns: their owner in each row, and their purpose."""
        self.streams += [(table, name, rows, owners, [purpose] * len(rows)) for name, purpose in purposes.items()]

    # ---- places and stations

    def _places(self) -> None:
        plant, operations = self.plant, self.plant.operations
        inputs = [each for operation in operations for each in operation.inputs]
        at = [i for i, operation in enumerate(operations) for _ in operation.inputs]
        exit_ = len(inputs)
        capacity, quantity, pace, source, sender = zip(*map(_OF_INPUT, inputs), strict=True)
        columns = {"capacity": capacity, "quantity": quantity, "pace": pace, "feeding_station": sender}
        self._put("place", slice(exit_), kind=c.BUFFER, index=at, at=at, **columns)
        self._put("place", exit_, kind=c.EXIT, at=len(operations), capacity=NEVER_US)
        self._put("station", len(operations), in0=exit_, n_in=1)
        self._put("line", 0, n_variants=len(plant.variants), exit=exit_, check_deadlock=plant.can_deadlock)
        racks = range(len(self.arrays["place"]) - len(self.racks), len(self.arrays["place"]))
        places = [operations[i].rework_places for i in self.racks]
        self._put("place", racks, kind=c.BUFFER, index=self.racks, at=self.racks, capacity=places)
        self._put("station", self.racks, rack=racks)
        gives_to = list(range(exit_))  # where what feeds a buffer puts its parts: into the buffer, or on the way to it
        for way, buffer in enumerate(self.brought, exit_ + 1):
            i, each = at[buffer], inputs[buffer]
            gives_to[buffer] = way
            if each.conveyor >= 0:
                self._conveyor(way, i, each.conveyor, buffer)
            else:
                stops = {"fleet": each.fleet, "origin": each.pickup, "stop": operations[i].section}
                self._put("place", way, kind=c.CALLS, index=i, at=i, buffer=buffer, **stops)
        from_source, way_of = np.array(source) >= 0, np.array(gives_to)
        for buffer in np.flatnonzero(from_source).tolist():
            unit = plant.sources[source[buffer]].unit
            self._put("place", buffer, feeding_unit=unit)
            self._put("unit", unit, gives_to=gives_to[buffer])
        self._put("station", slice(len(operations)), destination=exit_, passes=c.LEFT)
        self._put("station", np.array(sender)[~from_source], destination=way_of[~from_source], passes=c.PASSED)
        self._gates([*range(0, 2 * exit_, 2), 0, *(2 * buffer + 1 for buffer in self.brought), *(-1 for _ in racks)])

    def _gates(self, ranks: list[int]) -> None:
        """Chain the places of each station in filling order: by the rank of each place, the rack first."""
        at = self.arrays["place"]["at"]
        order = np.lexsort((np.array(ranks), at))
        same = at[order[1:]] == at[order[:-1]]
        self._put("place", order[:-1], next_gate=np.where(same, order[1:], -1))
        self._put("station", at[order[::-1]], gate=order[::-1])  # of several places the first remains

    def _conveyor(self, way: int, index: int, number: int, buffer: int) -> None:
        conveyor = self.plant.conveyors[number]
        belt = {"belt_unit": conveyor.unit, "buffer": buffer, "delay_us": us_from_s(conveyor.delay_s)}
        self._put("place", way, kind=c.BELT, index=index, at=index, capacity=conveyor.capacity, **belt)
        self._put("place", buffer, belt_in=way)
        self._put("unit", conveyor.unit, role=c.CONVEYOR, belt=way)
        self.slots.append((Class.TRANSPORT_END, conveyor.unit, 0, conveyor.unit))

    def _stations(self) -> None:
        operations = self.plant.operations
        n_in = [len(each.inputs) for each in operations]
        in0 = [0, *accumulate(n_in)][:-1]
        self._put(
            "station",
            slice(len(operations)),
            takes=[BEHAVIOUR_CODES[each.behaviour] for each in operations],
            in0=in0,
            n_in=n_in,
            machine0=[each.machines[0] for each in operations],
            n_machines=[len(each.machines) for each in operations],
            rework_first=[each.rework_first for each in operations],
            rework_components=[each.rework_components for each in operations],
        )
        for i, each in enumerate(operations):
            machines = list(each.machines)
            if each.pools:
                self._put("unit", machines, n_needs=len(each.pools), needs=[*each.pools, -1][:2])
            if each.setup_operator >= 0:
                self._put("unit", machines, setup_pool=self.plant.crew_pool(each.setup_operator))
            if each.variant_factor:
                self._put("station", i, factor0=self._number_list(each.variant_factor))
            if each.setup_s:
                self._put("station", i, setup0=self._list([us_from_s(s) for line in each.setup_s for s in line]))
            if each.inspection is not None:
                scrap, rework, loops = each.inspection.scrap, each.inspection.rework, each.inspection.max_loops
                back = int(self.arrays["station"][each.inspection.rework_to]["rack"]) if rework else -1
                shares = {"scrap": scrap, "scrap_or_rework": scrap + rework}
                self._put("station", i, inspects=1, max_loops=loops, rework_to=back, **shares)
            if each.batch is not None:
                sizes = {"batch_size": each.batch.size, "batch_min": each.batch.minimum}
                self._put("station", i, batch_us=us_from_s(each.batch.timeout_s), **sizes)
            if BEHAVIOUR_CODES[each.behaviour] == c.TAKES_BATCH:
                self.slots.append((Class.TIMEOUT, machines[0], 0, i))

    # ---- units

    def _machines(self) -> None:
        machines, operations = self.plant.machines, self.plant.operations
        units, stations, shifts, names = map(list, zip(*map(_OF_MACHINE, machines), strict=True))
        laws = np.array(self._law_of_each([each.cycle_time for each in operations]))
        columns = {"station": stations, "shift": shifts, "cycle_law": laws[stations]}
        self._put("unit", units, role=c.MACHINE, **columns)
        self._stream("unit", units, names, cycles="cycle")
        inspects = {i for i, each in enumerate(operations) if each.inspection is not None}
        inspected = [each for each in machines if each.operation in inspects] if inspects else []
        self._stream("unit", [each.unit for each in inspected], [each.name for each in inspected], verdicts="quality")
        self.slots += [(Class.PROCESSING_END, unit, 0, unit) for unit in units]

    def _owned(self, table: str, owned: list[tuple[Machine, int]]) -> None:
        """Set where the rows of each machine begin in a table of modes or plans, and their number."""
        rows, n = [machine.unit for machine, _ in owned], [size for _, size in owned]
        self._put("unit", rows, **{f"{table}0": [0, *accumulate(n)][:-1], f"n_{table}s": n})

    def _modes(self) -> None:
        modes = self.modes
        if not modes:
            return
        self._owned("mode", [(machine, len(machine.failures)) for machine in self.plant.machines if machine.failures])
        clocks = [int(mode.clock != "busy") for _, mode in modes]  # 0: operation-dependent, 1: time-dependent
        self._put(
            "mode",
            slice(None),
            clock=clocks,
            wearing=[mode.wear for _, mode in modes],
            crew=[self.plant.crew_pool(mode.crew) for _, mode in modes],
            priority=[mode.priority for _, mode in modes],
            life_law=self._law_of_each([mode.after for _, mode in modes]),
            repair_law=self._law_of_each([mode.repair for _, mode in modes]),
        )
        rows, owners = list(range(len(modes))), [machine.name for machine, _ in modes]
        for column, purpose in (("lives", "failure"), ("repairs", "repair")):
            self.streams.append(("mode", column, rows, owners, [f"{purpose}:{mode.name}" for _, mode in modes]))
        units = [machine.unit for machine, _ in modes]
        self._put("unit", [unit for unit, (_, mode) in zip(units, modes, strict=True) if mode.wear], wears=1)
        self.slots += [(Class.REPAIR_END, unit, 0, unit) for unit in set(units)]
        self.slots += [(Class.FAILURE, unit, clock, unit) for unit, clock in set(zip(units, clocks, strict=True))]

    def _plans(self) -> None:
        plans = self.plans
        if not plans:
            return
        self._owned("plan", [(each, len(each.maintenance)) for each in self.plant.machines if each.maintenance])
        self._put(
            "plan",
            slice(None),
            unit=[machine.unit for machine, _, _ in plans],
            crew=[self.plant.crew_pool(plan.crew) for _, _, plan in plans],
            law=[self._law(plan.duration) for _, _, plan in plans],
            every_us=[us_from_s(plan.every_s) for _, _, plan in plans],
            every_parts=[plan.every_parts for _, _, plan in plans],
            wear_at=[plan.at_wear * 1_000_000 for _, _, plan in plans],
        )
        self._put("station", [machine.operation for machine, _, _ in plans], has_upkeep=1)
        owners, purposes = [machine.name for machine, *_ in plans], [f"maintenance:{plan.name}" for *_, plan in plans]
        self.streams.append(("plan", "durations", list(range(len(plans))), owners, purposes))
        self.slots += [(Class.ALARM, machine.unit, number, row) for row, (machine, number, _) in enumerate(plans)]
        self.slots += [(Class.UPKEEP_END, unit, 0, unit) for unit in {machine.unit for machine, _, _ in plans}]

    def _sources(self) -> None:
        for source in self.plant.sources:
            gaps = [later - earlier for earlier, later in pairwise([0, *map(us_from_s, source.arrivals_s)])]
            self._put(
                "unit",
                source.unit,
                role=c.SOURCE,
                cards=source.cards,
                loses=source.when_full == "lose",
                saturated=source.interarrival is None and not source.arrivals_s,
                arrival_law=self._law(source.interarrival),
                gap0=self._list(gaps),
                n_gaps=len(gaps),
                sequence0=self._list(source.sequence),
                n_sequence=len(source.sequence),
                mix0=self._number_list(_cumulative(source.mix)),
                n_mix=len(source.mix) if not source.sequence and len(source.mix) > 1 else 0,
            )
            self._stream("unit", [source.unit], [source.name], arrivals="arrival", variants="variant")
            self.slots.append((Class.ARRIVAL, source.unit, 0, source.unit))

    def _fleets(self) -> None:
        for index, fleet in enumerate(self.plant.fleets):
            travel = [us_from_s(d / fleet.speed_mps) for line in fleet.distance_m for d in line]
            lists = {"travel0": self._list(travel), "vehicle0": self._list(sorted(fleet.units))}
            sizes = {"n_stops": len(fleet.distance_m), "n_vehicles": len(fleet.units)}
            policy = POLICY_CODES[fleet.policy]
            self._put("fleet", index, planned=policy, policy=policy, **sizes, **lists)
            self._put(
                "unit",
                rows := list(fleet.units),
                role=c.VEHICLE,
                fleet=index,
                trip_law=self._law(fleet.trip),
                load_law=self._law(fleet.load),
                unload_law=self._law(fleet.unload),
                full_us=us_from_s(fleet.battery_s),
                low_us=us_from_s(fleet.battery_s * fleet.charge_below),
                charge_us=us_from_s(fleet.charge_s),
            )
            names = [self.plant.units[unit] for unit in rows]
            self._stream("unit", rows, names, loads="load", unloads="unload", trips="trip")
            self.slots += [(Class.TRANSPORT_END, unit, 0, unit) for unit in rows]

    def _pools(self) -> None:
        for index, pool in enumerate(self.plant.pools):
            self._put("pool", index, wait_kind=pool.wait, shift=pool.shift)
            self._put("unit", list(pool.units), role=c.MEMBER, pool=index)

    def _shifts(self) -> None:
        for index, shift in enumerate(self.plant.shifts):
            self._put("shift", index, finish=shift.at_end == "finish")
            self.slots.append((Class.CALENDAR, index, 0, index))

    def _event_list(self) -> None:
        """Give every slot its number, in canonical order, and set the empty list with its minima."""
        slots = sorted(self.slots)
        self.arrays["slot"] = c.TABLES["slot"].first.repeat(len(slots))
        classes, _, numbers, subjects = np.fromiter(chain.from_iterable(slots), np.int64).reshape(-1, 4).T
        kinds = 2 * classes + numbers * (classes == Class.FAILURE)
        self._put("slot", slice(None), kind=kinds, subject=subjects)
        for kind in set(kinds.tolist()):
            (table, column), slot = _SLOT_OF[kind], np.flatnonzero(kinds == kind)
            self._put(table, subjects[slot], **{column: slot})
        bits, n_firsts = len(slots).bit_length(), c.BLOCK * -(-len(slots) // c.BLOCK**2)
        self._put("line", 0, slot_bits=bits, latest_us=(NEVER_US >> bits) - 1)
        self.arrays |= {"due": np.full(c.BLOCK * n_firsts, NEVER_US), "first_due": np.full(n_firsts, NEVER_US)}


def _cumulative(mix: Sequence[float]) -> list[float]:
    total = sum(mix)
    return list(accumulate(weight / total for weight in mix))
