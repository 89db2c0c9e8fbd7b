"""A slow reader of event logs that checks every row against the rules of docs/model.md.

It follows each part and each unit by the log alone, with the plant's numbers and the named draws at hand, and shares
no code with any engine. `Referee(plant, seed).check(log, until_us)` raises AssertionError at the first row, or the
first end of an instant, that breaks a rule.
"""

from __future__ import annotations

from collections import defaultdict, deque
from math import floor
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant.states import DOWN_STATES, Outcome, State, Wait
from factory_sim.random_streams import durations_us, key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Machine, Operation, Plant
    from factory_sim.records import EventLog

EMPTY_HANDED = (State.MOVING_EMPTY, State.LOADING)


class Clockwork:
    """The failure clocks of one machine, kept from its states alone.

    A shift that ends, or maintenance, hides what happens to a failure meanwhile; then only what is seen is checked.
    """

    def __init__(self, machine: Machine, seed: int, replication: int) -> None:
        def draws(purpose: str, law: Distribution) -> Iterator[int]:
            return durations_us(key(seed, replication, machine.name, purpose), law)

        self.modes = machine.failures
        self.lives = [draws(f"failure:{mode.name}", mode.after) for mode in self.modes]
        self.repairs = [draws(f"repair:{mode.name}", mode.repair) for mode in self.modes]
        self.ran = [0] * len(self.modes)
        self.due = [next(lives) for lives in self.lives]
        self.failed = -1
        self.repair_since = -1
        self.clouded = False  # something else hid the failure for a while
        self.serviced = False  # in maintenance, seen or hidden
        self.unsure = False  # a mode may have failed unseen: from here on nothing is certain

    def run(self, state: int, length_us: int) -> None:
        """The machine was in `state` for so long."""
        for i, mode in enumerate(self.modes):
            stands = state in (*DOWN_STATES, State.OFF) or (mode.clock == "busy" and state != State.BUSY)
            self.ran[i] += 0 if stands or self.failed >= 0 else length_us
            if self.ran[i] >= self.due[i] and state == State.MAINTENANCE:
                self.unsure = True
            assert self.unsure or self.ran[i] <= self.due[i], f"mode {mode.name} ran past its life"

    def enter(self, state: int, outcome: int, detail: int, t_us: int) -> None:
        """The machine enters `state`."""
        hidden = state in (State.OFF, State.MAINTENANCE)
        if self.failed >= 0 and hidden:
            self.clouded = True
        other = state in DOWN_STATES and outcome == Outcome.NONE and detail != self.failed
        if self.failed >= 0 and not hidden and (state not in DOWN_STATES or other):
            self.repaired(t_us)
        if self.serviced and state not in (State.MAINTENANCE, State.OFF):
            self.renewed()
        self.serviced |= state == State.MAINTENANCE
        if state in DOWN_STATES and self.failed < 0:
            self.fail(detail if outcome == Outcome.NONE else self.due_mode())
        if state == State.REPAIR and self.repair_since < 0:
            self.repair_since = t_us

    def due_mode(self) -> int:
        """The mode that failed, where a part that left in the same instant hides its index."""
        return min(range(len(self.modes)), key=lambda i: (self.due[i] - self.ran[i], self.modes[i].clock == "busy"))

    def fail(self, mode: int) -> None:
        """`mode` went down."""
        early = self.due[mode] - self.ran[mode]
        assert self.unsure or early == 0, f"mode {mode} failed {early} µs early"
        self.failed, self.clouded, self.repair_since = mode, False, -1

    def repaired(self, t_us: int) -> None:
        """The mode that was down is up."""
        drawn = next(self.repairs[self.failed])
        if not self.clouded and not self.unsure:
            assert t_us - self.repair_since == drawn, "not the drawn repair time"
        self.due[self.failed] = self.ran[self.failed] + next(self.lives[self.failed])
        self.failed = -1

    def renewed(self) -> None:
        """Maintenance gives wearing modes a new life."""
        self.serviced = False
        for i, mode in enumerate(self.modes):
            if mode.wear:
                self.due[i] = self.ran[i] + next(self.lives[i])


class Referee:
    """Follows one log."""

    def __init__(self, plant: Plant, seed: int = 1, replication: int = 0) -> None:
        self.plant = plant
        self.machines = {m.unit: m for m in plant.machines}
        self.sources = {s.unit: s for s in plant.sources}
        self.conveyors = {c.unit: i for i, c in enumerate(plant.conveyors)}
        self.vehicles = {u: i for i, fleet in enumerate(plant.fleets) for u in fleet.units}
        self.state = [-1] * len(plant.units)
        self.since = [0] * len(plant.units)
        self.detail = [0] * len(plant.units)
        self.held: dict[int, list[int]] = defaultdict(list)  # by machine or vehicle
        self.buffers = [[deque() for _ in o.inputs] for o in plant.operations]  # of (part, since)
        self.racks = [deque() for _ in plant.operations]  # of (part, since): parts that came back
        self.belts = [deque() for _ in plant.conveyors]  # of (part, since)
        self.handed: dict[int, tuple[str, int]] = {}  # part -> the conveyor or fleet that must take it at this instant
        self.bound: dict[int, int] = {}  # part on a vehicle -> input it goes to
        self.variant: list[int] = []
        self.origin: list[int] = []
        self.gone: dict[int, int] = {}  # part -> outcome
        self.loops: dict[int, int] = defaultdict(int)
        self.spent: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))  # by machine: of this cycle
        self.cycles = {
            m.unit: durations_us(key(seed, replication, m.name, "cycle"), plant.operations[m.operation].cycle_time)
            for m in plant.machines
        }
        self.set_up = dict.fromkeys(self.machines, -1)
        self.clocks = {m.unit: Clockwork(m, seed, replication) for m in plant.machines}
        self.plan = dict.fromkeys(self.machines, 0)  # of the maintenance that runs
        self.lost = 0

    # ---- rows

    def check(self, log: EventLog, until_us: int) -> None:
        """Every row, and every end of an instant."""
        now = 0
        table = zip(*(getattr(log, name).tolist() for name in log.__slots__), strict=True)
        for i, (t_us, *rest) in enumerate(table):
            try:
                assert t_us >= now
                if t_us > now:
                    self.settled(now)
                    now = t_us
                self.row(i, t_us, *rest)
            except AssertionError as error:
                where = f"row {i} at {t_us} µs, {rest}: {error}"
                raise AssertionError(where) from error
        assert now < until_us
        self.settled(now)

    def row(self, i: int, t_us: int, unit: int, state: int, part: int, outcome: int, detail: int, cause: int) -> None:  # noqa: PLR0913
        """One row."""
        assert -1 <= cause < i, "the cause stands behind"
        before = self.state[unit]
        if before >= 0:
            self.passes_time(unit, before, t_us - self.since[unit])
        if unit in self.machines:
            self.clocks[unit].enter(state, outcome, detail, t_us)
            if state == State.MAINTENANCE and outcome == Outcome.NONE:
                self.plan[unit] = detail
        if outcome != Outcome.NONE:
            self.moves(unit, t_us, part, outcome, detail)
        if state == State.WAITING and outcome in (Outcome.PASSED, Outcome.REWORK):
            detail = Wait.VEHICLE  # a furnace's next part; the row itself says where the last one went
        self.state[unit], self.since[unit], self.detail[unit] = state, t_us, detail

    def passes_time(self, unit: int, state: int, length_us: int) -> None:
        if unit in self.machines:
            self.spent[unit][state] += length_us
            self.clocks[unit].run(state, length_us)

    def moves(self, unit: int, t_us: int, part: int, outcome: int, detail: int) -> None:
        if outcome == Outcome.LOST:
            assert self.sources[unit].when_full == "lose"
            self.lost += 1
        elif outcome == Outcome.ENTERED:
            self.enters(unit, t_us, part, detail)
        elif unit in self.machines:
            self.at_machine(unit, t_us, part, outcome, detail)
        elif unit in self.conveyors:
            self.on_belt(self.conveyors[unit], t_us, part, outcome)
        else:
            self.on_vehicle(unit, t_us, part, outcome, detail)

    def enters(self, unit: int, t_us: int, part: int, variant: int) -> None:
        assert part == len(self.variant), "parts are numbered in the order of entry"
        self.variant.append(variant)
        self.origin.append(unit)
        source = self.plant.sources.index(self.sources[unit])
        o, n = next(
            (o, n) for o, op in enumerate(self.plant.operations) for n, i in enumerate(op.inputs) if i.source == source
        )
        self.buffers[o][n].append((part, t_us))
        mine = sum(1 for p, origin in enumerate(self.origin) if origin == unit and p not in self.gone)
        assert not self.sources[unit].cards or mine <= self.sources[unit].cards, "more parts than cards"

    def at_machine(self, unit: int, t_us: int, part: int, outcome: int, detail: int) -> None:
        o = self.machines[unit].operation
        if outcome in (Outcome.TOOK, Outcome.MERGED):
            self.takes(unit, o, part, outcome)
            return
        held = self.held[unit]
        assert held[:1] == [part], "it gives what it does not hold, or out of turn"
        if not self.spent[unit].pop("given", 0):
            self.cycle_is_as_drawn(unit, o, part)
        held.pop(0)
        self.spent[unit]["given"] = len(held)
        operation = self.plant.operations[o]
        if outcome == Outcome.PASSED:
            assert detail == operation.destination
            n = next(n for n, i in enumerate(self.plant.operations[detail].inputs) if i.operation == o)
            feed = self.plant.operations[detail].inputs[n]
            if feed.conveyor >= 0:
                self.handed[part] = ("conveyor", feed.conveyor)
            elif feed.fleet >= 0:
                self.handed[part] = ("fleet", feed.fleet)
                self.bound[part] = n
            else:
                self.buffers[detail][n].append((part, t_us))
        elif outcome == Outcome.REWORK:
            assert operation.inspection is not None
            assert detail == operation.inspection.rework_to
            self.loops[part] += 1
            assert self.loops[part] <= operation.inspection.max_loops, "more loops than the inspection allows"
            self.racks[detail].append((part, t_us))
            assert len(self.racks[detail]) <= self.plant.operations[detail].rework_places, "more than the rack holds"
        else:
            assert outcome == Outcome.SCRAPPED or operation.destination == -1
            assert part not in self.gone
            self.gone[part] = outcome

    def takes(self, unit: int, o: int, part: int, outcome: int) -> None:
        operation, rack = self.plant.operations[o], self.racks[o]
        again = bool(rack) and rack[0][0] == part
        if again:
            assert outcome == Outcome.TOOK, "a part that came back is no component"
            n = 0
        else:
            n = next((n for n, parts in enumerate(self.buffers[o]) if parts and parts[0][0] == part), None)
            assert n is not None, "it takes a part that is not first in a buffer"
            if outcome == Outcome.TOOK:
                self.takes_a_new_part(o)
        (rack if again else self.buffers[o][n]).popleft()
        if outcome == Outcome.MERGED:
            assert self.held[unit], "a component without a main part"
            self.gone[part] = outcome
            self.spent[unit]["merged"] += 1
        else:
            limit = operation.batch.size if operation.batch else 1
            assert (n, len(self.held[unit]) < limit) == (0, True), "it takes too much"
            if not self.held[unit]:
                self.spent[unit].clear()
            self.held[unit].append(part)
            self.spent[unit]["again"] = again

    def takes_a_new_part(self, o: int) -> None:
        """A new part may be taken only where none that came back precedes it (QUAL-4, QUAL-5)."""
        operation, rack = self.plant.operations[o], self.racks[o]
        if rack and (operation.rework_first or rack[0][1] <= self.buffers[o][0][0][1]):
            msg = "it takes a new part before one that came back"
            raise AssertionError(msg)

    def cycle_is_as_drawn(self, unit: int, o: int, part: int) -> None:
        operation, variant = self.plant.operations[o], self.variant[part]
        drawn = next(self.cycles[unit])
        if operation.variant_factor:
            drawn = floor(drawn * operation.variant_factor[variant] + 0.5)
        assert self.spent[unit][State.BUSY] == drawn, f"busy {self.spent[unit][State.BUSY]} µs, drawn {drawn} µs"
        before, self.set_up[unit] = self.set_up[unit], variant
        asked = us_from_s(operation.setup_s[before][variant]) if operation.setup_s and before >= 0 else 0
        assert self.spent[unit][State.SETUP] == asked, "not the setup time of the changeover matrix"
        components = sum(i.quantity for i in operation.inputs) - 1
        if operation.batch is None and self.spent[unit]["again"]:
            components = sum(i.quantity for i in operation.inputs[1:]) * operation.rework_components
        assert self.spent[unit]["merged"] == components, "not all components"

    def on_belt(self, c: int, t_us: int, part: int, outcome: int) -> None:
        belt, spec = self.belts[c], self.plant.conveyors[c]
        if outcome == Outcome.TOOK:
            assert self.handed.pop(part) == ("conveyor", c)
            belt.append((part, t_us))
            assert len(belt) <= spec.capacity, "more on the belt than fit"
            return
        first, since = belt.popleft()
        assert first == part, "it left the belt out of turn"
        assert t_us - since >= us_from_s(spec.delay_s), "it left the belt early"
        o, n = next(
            (o, n) for o, op in enumerate(self.plant.operations) for n, i in enumerate(op.inputs) if i.conveyor == c
        )
        self.buffers[o][n].append((part, t_us))

    def on_vehicle(self, unit: int, t_us: int, part: int, outcome: int, detail: int) -> None:
        if outcome == Outcome.TOOK:
            assert self.handed.pop(part) == ("fleet", self.vehicles[unit])
            assert not self.held[unit], "a vehicle carries one part"
            self.held[unit] = [part]
            return
        assert self.held.pop(unit) == [part]
        self.buffers[detail][self.bound.pop(part)].append((part, t_us))

    # ---- ends of instants: no move was left undone, no limit broken

    def settled(self, now: int) -> None:
        """All moves that are possible have been made."""
        assert not self.handed, "handed to a conveyor or vehicle that did not take it"
        for o, operation in enumerate(self.plant.operations):
            for n, feed in enumerate(operation.inputs):
                held = len(self.buffers[o][n]) + self.reserved(o, n)
                assert held <= feed.capacity, f"{held} in front of {operation.name}, {feed.capacity} fit"
            starved = [u for u in operation.machines if self.state[u] == State.STARVED]
            assert not starved or not self.can_start(o, now), f"{operation.name} starves beside its parts"
        for unit in self.machines:
            self.waits_for_a_reason(unit)
        self.pools_serve_who_waits()

    def reserved(self, o: int, n: int) -> int:
        """Places held for parts on vehicles; of vehicles still empty only where their way is certain."""
        inputs = self.plant.operations[o].inputs
        fleet = inputs[n].fleet
        if fleet < 0:
            return 0
        alone = sum(i.fleet == fleet for i in inputs) == 1
        mine = [u for u in self.plant.fleets[fleet].units if self.detail[u] == o]
        loaded = sum(1 for u in mine if self.held.get(u) and self.bound[self.held[u][0]] == n)
        empty = sum(1 for u in mine if not self.held.get(u) and self.state[u] in EMPTY_HANDED)
        return loaded + (empty if alone else 0)

    def can_start(self, o: int, now: int) -> bool:
        operation, buffers = self.plant.operations[o], self.buffers[o]
        if operation.batch is None:
            new, *others = [len(b) >= i.quantity for b, i in zip(buffers, operation.inputs, strict=True)]
            again = bool(self.racks[o]) and (all(others) or not operation.rework_components)
            return again or (new and all(others))
        batch, waiting = operation.batch, sorted([*self.racks[o], *buffers[0]], key=lambda each: each[1])
        due = batch.timeout_s and waiting and waiting[0][1] + us_from_s(batch.timeout_s) <= now
        return bool(waiting) and (len(waiting) >= batch.minimum or bool(due))

    def has_room(self, o: int) -> bool:
        """Whether a finished good part of operation o could continue."""
        destination = self.plant.operations[o].destination
        if destination < 0:
            return True
        n, feed = next((n, i) for n, i in enumerate(self.plant.operations[destination].inputs) if i.operation == o)
        if feed.conveyor >= 0:
            return len(self.belts[feed.conveyor]) < self.plant.conveyors[feed.conveyor].capacity
        starved = [u for u in self.plant.operations[destination].machines if self.state[u] == State.STARVED]
        idle = len(starved) > (0 if n else len(self.racks[destination]))
        if feed.fleet >= 0 and sum(i.fleet == feed.fleet for i in self.plant.operations[destination].inputs) > 1:
            return False  # not to be reported from the log
        held = len(self.buffers[destination][n]) + self.reserved(destination, n)
        return held < feed.capacity or (not feed.capacity and idle)

    def waits_for_a_reason(self, unit: int) -> None:
        machine, state = self.machines[unit], self.state[unit]
        operation = self.plant.operations[machine.operation]
        if state == State.BLOCKED and not operation.inspection:
            assert not self.has_room(machine.operation), "blocked beside free room"
        if state in (State.BUSY, State.SETUP, State.BLOCKED) or (state == State.WAITING):
            assert self.held[unit], "at work on nothing"
        if state == State.STARVED:
            assert not self.held[unit], "starved with a part"
        if state == State.BUSY and operation.robot >= 0:
            robots = self.plant.robots[operation.robot].units
            assert sum(self.serves(u, unit) for u in robots) == 1, "it works without its robot"
        self.is_operated(unit, operation)
        if state in (State.REPAIR, State.MAINTENANCE):
            mode, plan = self.clocks[unit].failed, self.plan[unit]
            crew = machine.failures[mode].crew if state == State.REPAIR else machine.maintenance[plan].crew
            helpers = self.plant.crews[crew].units if crew >= 0 else ()
            assert not helpers or any(self.serves(u, unit) for u in helpers), "repaired without a crew"

    def is_operated(self, unit: int, operation: Operation) -> None:
        """An operator stands at a machine that works, or changes over, and at no other."""
        state = self.state[unit]
        needed = {State.BUSY: operation.operator, State.SETUP: operation.setup_operator}.get(State(state), -1)
        serving = sum(self.serves(u, unit) for crew in self.plant.crews for u in crew.units)
        if needed >= 0:
            helpers = self.plant.crews[needed].units
            assert any(self.serves(u, unit) for u in helpers), "it works without its operator"
        fails_in_service = state == State.DOWN and bool(self.machines[unit].maintenance)
        if state in (State.DOWN, State.WAITING, State.STARVED, State.BLOCKED) and not fails_in_service:
            assert not serving, "a crew member is at a machine that does not need it"

    def serves(self, member: int, unit: int) -> bool:
        return self.state[member] == State.BUSY and self.detail[member] == unit

    def pools_serve_who_waits(self) -> None:
        for crew in self.plant.crews:
            idle = any(self.state[u] == State.IDLE for u in crew.units)
            assert not idle or not any(self.calls(u, crew.units) for u in self.machines), (
                f"{crew.name} idles beside work"
            )
        for robot in self.plant.robots:
            if any(self.state[unit] == State.IDLE for unit in robot.units):
                waiting = [
                    u
                    for o in self.plant.operations
                    if o.robot >= 0 and self.plant.robots[o.robot] is robot
                    for u in o.machines
                    if self.state[u] == State.WAITING and self.detail[u] == Wait.ROBOT
                ]
                assert not waiting, "a robot idles beside work"
        for fleet in self.plant.fleets:
            self.fleet_serves(fleet.units)

    def calls(self, unit: int, crew: tuple[int, ...]) -> bool:
        """Whether the machine can continue only with a member of this crew."""
        machine, state = self.machines[unit], self.state[unit]
        operation = self.plant.operations[machine.operation]
        index = next(i for i, c in enumerate(self.plant.crews) if c.units == crew)
        if state == State.DOWN:
            return machine.failures[self.clocks[unit].failed].crew == index
        waits = state == State.WAITING and self.detail[unit] == Wait.OPERATOR
        wanted = {operation.operator, operation.setup_operator} - {-1}
        return waits and wanted == {index}

    def fleet_serves(self, units: tuple[int, ...]) -> None:
        if not any(self.state[u] == State.IDLE for u in units):
            return
        f = self.vehicles[units[0]]
        served = {i.operation for o in self.plant.operations for i in o.inputs if i.fleet == f}
        waiting = sum(
            1
            for u, m in self.machines.items()
            if m.operation in served and self.state[u] == State.WAITING and self.detail[u] == Wait.VEHICLE
        )
        coming = sum(1 for u in units if self.state[u] in EMPTY_HANDED and not self.held.get(u))
        assert waiting <= coming, "a vehicle idles beside a call"
