"""How parts travel between operations: conveyors and fleets of vehicles."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.random_streams import durations_us, key
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import simpy

    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Conveyor as ConveyorSpec
    from factory_sim.plant.spec import Fleet as FleetSpec
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.policies import Policy
    from factory_sim.sim.reference.station import Buffer, Place, Sender


class Conveyor:
    """A belt: every part travels `delay_s`, keeps its order, and waits at the end for a place."""

    def __init__(self, line: Line, spec: ConveyorSpec, buffer: Buffer) -> None:
        self.line, self.spec, self.unit, self.buffer = line, spec, spec.unit, buffer
        self.index = buffer.index
        self._delay_us = us_from_s(spec.delay_s)
        self._belt: deque[int] = deque()
        self._arrived = 0  # parts at the end of the belt
        self._offered_us = 0
        self._state: int = State.STARVED
        self._senders: list[tuple[int, int, Sender]] = []
        self.last_row = -1

    def begin(self) -> None:
        """Write the first row."""
        self._write(State.STARVED, -1, Outcome.NONE, 0, -1)

    def offer(self, sender: Sender) -> None:
        """Queue up for a place on the belt."""
        insort(self._senders, (self.line.now, sender.unit, sender))
        self.line.dirty |= self.buffer.station.bit
        self.line.unsettled.add(sender)

    def withdraw(self, sender: Sender) -> None:
        """Leave the queue."""
        self._senders = [entry for entry in self._senders if entry[2] is not sender]

    def fill(self) -> None:
        """Let senders on while there is room."""
        while self._senders and len(self._belt) < self.spec.capacity:
            self._senders.pop(0)[2].give_front(self)

    @property
    def carries(self) -> int:
        """Parts on the belt."""
        return len(self._belt)

    def freed_by(self) -> int:
        """The row of the part that got off last."""
        return self.last_row

    def put(self, part: int, row: int) -> None:
        """A part begins its travel."""
        self._belt.append(part)
        state = State.BLOCKED if self._state == State.BLOCKED else State.BUSY
        self._write(state, part, Outcome.TOOK, 0, row)
        self.line.timer(self._delay_us, Class.TRANSPORT_END, self.unit, self._arrives)

    def give_front(self, place: Place) -> None:
        """The first part gets off."""
        part = self._belt.popleft()
        self._arrived -= 1
        cause = self.last_row if self._offered_us == self.line.now else place.freed_by()
        state = State.BUSY if self._belt else State.STARVED
        self._write(state, part, Outcome.PASSED, self.index, max(cause, self.last_row))
        place.put(part, self.last_row)
        if self._arrived:
            self._offer()
        self.line.dirty |= self.buffer.station.bit

    def settle_state(self) -> None:
        """Parts at the end that found no place block the belt."""
        if self._arrived and self._state != State.BLOCKED:
            self._write(State.BLOCKED, self._belt[0], Outcome.NONE, 0, self.last_row)

    def _arrives(self, _event: simpy.Event) -> None:
        self._arrived += 1
        if self._arrived == 1:
            self._offer()

    def _offer(self) -> None:
        self._offered_us = self.line.now
        self.buffer.offer(self)
        self.line.unsettled.add(self)

    def _write(self, state: int, part: int, outcome: int, detail: int, cause: int) -> None:
        self._state = state
        self.last_row = self.line.row(self.line.now, self.unit, state, part, outcome, detail, cause)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A part that waits for a vehicle."""

    since_us: int
    unit: int  # who holds the part
    sender: Sender
    origin: int  # stop
    calls: Calls


class Calls:
    """A buffer that vehicles serve, as its senders see it."""

    def __init__(self, fleet: Fleet, buffer: Buffer, origin: int, stop: int) -> None:
        self.fleet, self.buffer, self.origin, self.stop = fleet, buffer, origin, stop
        self.index = buffer.index
        self._assigned: set[int] = set()  # units whose part a vehicle is on its way to

    def offer(self, sender: Sender) -> None:
        """Call a vehicle."""
        request = Request(self.fleet.line.now, sender.unit, sender, self.origin, self)
        insort(self.fleet.requests, request, key=lambda r: (r.since_us, r.unit))
        self.fleet.dirty = True
        self.fleet.line.unsettled.add(sender)

    def withdraw(self, sender: Sender) -> None:
        """Take the call back."""
        self.fleet.requests = [r for r in self.fleet.requests if r.sender is not sender]

    def put(self, part: int, row: int) -> None:  # noqa: ARG002 - a Place
        """Parts arrive on vehicles only."""
        raise AssertionError

    def freed_by(self) -> int:
        """Parts leave on vehicles only."""
        raise AssertionError

    def awaits_vehicle(self, sender: Sender) -> bool:
        """Whether only a vehicle is missing: a place is free or reserved."""
        return sender.unit in self._assigned or self.buffer.room() > 0

    def assign(self, request: Request) -> None:
        """A vehicle comes; its place is reserved."""
        self.buffer.reserved += 1
        self._assigned.add(request.unit)

    def loaded(self, request: Request) -> None:
        """The vehicle has the part."""
        self._assigned.discard(request.unit)


class Fleet:
    """Vehicles and the calls they serve. The policy pairs them; a call is eligible when a place can be reserved."""

    def __init__(
        self, line: Line, spec: FleetSpec, names: list[str], policy: Policy, seed: int, replication: int
    ) -> None:
        self.line, self.spec, self.policy = line, spec, policy
        self.dirty = False
        self.requests: list[Request] = []  # longest waiting first
        self.vehicles = [
            Vehicle(self, unit, name, seed, replication) for unit, name in zip(spec.units, names, strict=True)
        ]

    def begin(self) -> None:
        """Write the first rows."""
        for vehicle in self.vehicles:
            vehicle.begin()

    def dispatch(self) -> None:
        """Send free vehicles to calls while the policy finds a pair."""
        self.dirty = False
        while True:
            eligible = [r for r in self.requests if r.calls.buffer.room() > 0]
            free = sorted((v for v in self.vehicles if v.free), key=lambda v: (v.free_since_us, v.unit))
            if not eligible or not free:
                break
            request, vehicle = self.policy(eligible, free, self)
            self.requests.remove(request)
            self.line.unsettled.add(request.sender)
            request.calls.assign(request)
            vehicle.serve(request)
        self.line.unsettled.update(r.sender for r in self.requests)  # room may have come or gone

    def travel_us(self, origin: int, stop: int) -> int:
        """Driving time between two stops."""
        return us_from_s(self.spec.distance_m[origin][stop] / self.spec.speed_mps)


class Vehicle:
    """One vehicle. It parks where it stopped, and charges there when its battery is low."""

    def __init__(self, fleet: Fleet, unit: int, name: str, seed: int, replication: int) -> None:
        self.fleet, self.line, self.unit = fleet, fleet.line, unit
        self.free, self.free_since_us, self.stop = True, 0, 0
        self.index = -1  # where its part goes
        self.last_row = -1
        self._part = -1
        self._full_us = self._battery_us = us_from_s(fleet.spec.battery_s)  # moving time
        self._done = fleet.line.signal()

        def draws(purpose: str, distribution: Distribution) -> Iterator[int]:
            return durations_us(key(seed, replication, name, purpose), distribution)

        self._loads, self._unloads = draws("load", fleet.spec.load), draws("unload", fleet.spec.unload)
        self._trips = draws("trip", fleet.spec.trip) if fleet.spec.trip is not None else None

    def begin(self) -> None:
        """Write the first row."""
        self._write(State.IDLE, -1)
        self._done.drive(self._work())

    def serve(self, request: Request) -> None:
        """Go and fetch a part."""
        self.free = False
        self._done.fire(request)

    def offer(self, sender: Sender) -> None:  # noqa: ARG002 - a Place
        """Parts come by request only."""
        raise AssertionError

    def freed_by(self) -> int:
        """The row of its loading."""
        return self.last_row

    def withdraw(self, sender: Sender) -> None:  # noqa: ARG002 - a Place
        """Parts come by request only."""
        raise AssertionError

    def put(self, part: int, row: int) -> None:
        """The part is on board."""
        self._part = part
        self._write(State.MOVING_LOADED, row, Outcome.TOOK, self.index)

    def _work(self) -> Generator[simpy.Event, Request, None]:
        """Fetch, carry, hand over, charge if need be."""
        while True:
            request = yield self._done
            calls = request.calls
            self.index = calls.index
            caller_row = getattr(request.sender, "last_row", -1)
            if self.stop != request.origin and self._trips is None:
                self._write(State.MOVING_EMPTY, caller_row, Outcome.NONE, self.index)
                yield self._drive(request.origin)
            self._write(State.LOADING, caller_row, Outcome.NONE, self.index)
            yield self._pause(next(self._loads))
            calls.loaded(request)
            request.sender.give_front(self)
            yield self._drive(calls.stop)
            self._write(State.LOADING, -1, Outcome.NONE, self.index)
            yield self._pause(next(self._unloads))
            yield from self._hand_over(calls.buffer)

    def _hand_over(self, buffer: Buffer) -> Generator[simpy.Event, Request, None]:
        part, self._part = self._part, -1
        charge_us = self._charge_us()
        self._write(State.CHARGING if charge_us else State.IDLE, -1, Outcome.PASSED, self.index, part)
        buffer.reserved -= 1
        buffer.put(part, self.last_row)
        self.line.dirty |= buffer.station.bit
        if charge_us:
            yield self._pause(charge_us)
            self._battery_us = self._full_us
            self._write(State.IDLE, -1)
        self.free, self.free_since_us = True, self.line.now
        self.fleet.dirty = True

    def _drive(self, stop: int) -> simpy.Event:
        duration_us = self.fleet.travel_us(self.stop, stop) if self._trips is None else next(self._trips)
        self.stop = stop
        self._battery_us -= duration_us
        return self._pause(duration_us)

    def _pause(self, duration_us: int) -> simpy.Event:
        self.line.timer(duration_us, Class.TRANSPORT_END, self.unit, lambda _: self._done.fire())
        return self._done

    def _charge_us(self) -> int:
        full_us, left_us = self._full_us, max(0, self._battery_us)
        if not full_us or left_us >= us_from_s(self.fleet.spec.battery_s * self.fleet.spec.charge_below):
            return 0
        return (full_us - left_us) * us_from_s(self.fleet.spec.charge_s) // full_us

    def _write(
        self, state: int, cause: int, outcome: int = Outcome.NONE, detail: int = 0, part: int | None = None
    ) -> None:
        part = self._part if part is None else part
        self.last_row = self.line.row(self.line.now, self.unit, state, part, outcome, detail, max(cause, self.last_row))
