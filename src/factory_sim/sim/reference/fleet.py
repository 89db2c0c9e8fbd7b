"""Fleets of vehicles that carry parts between operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer, WaitingQueue
from factory_sim.sim.reference.unit import Unit

if TYPE_CHECKING:
    from factory_sim.plant.spec import Fleet as FleetSpec
    from factory_sim.sim.reference.line import Line, Steps
    from factory_sim.sim.reference.policies import Policy
    from factory_sim.sim.reference.station import Buffer
    from factory_sim.sim.reference.unit import Sender


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A part that waits for a vehicle."""

    unit: int  # that holds the part
    sender: Sender
    origin: int  # stop
    calls: Calls


class Calls:
    """A buffer that vehicles serve, as its senders see it: an offer is a request for a vehicle (VEH-1)."""

    def __init__(self, fleet: Fleet, buffer: Buffer, origin: int, stop: int) -> None:
        self.fleet, self.buffer, self.origin, self.stop = fleet, buffer, origin, stop
        self.index = buffer.index
        self.assigned: set[int] = set()  # units whose part a vehicle is going to fetch

    def offer(self, sender: Sender) -> None:
        """Request a vehicle."""
        self.fleet.requests.join(Request(sender.unit, sender, self.origin, self), self.fleet.line.now_us)
        self.fleet.dirty = True
        self.fleet.line.unsettled.add(sender)

    def withdraw(self, sender: Sender) -> None:
        """Remove the request."""
        for request in self.fleet.requests.members():
            if request.sender is sender:
                self.fleet.requests.leave(request)

    def awaits_vehicle(self, sender: Sender) -> bool:
        """Return whether only a vehicle is missing: a place is free or reserved (STATE-2)."""
        return sender.unit in self.assigned or self.buffer.room() > 0


class Fleet:
    """Vehicles and the requests they serve."""

    def __init__(self, line: Line, spec: FleetSpec, names: list[str], policy: Policy) -> None:
        self.line, self.spec, self.policy = line, spec, policy
        self.dirty = False  # a vehicle may have a part to fetch
        self.requests: WaitingQueue[Request] = WaitingQueue()
        self.free: WaitingQueue[Vehicle] = WaitingQueue()
        for unit, name in zip(spec.units, names, strict=True):
            Vehicle(self, unit, name)

    def dispatch(self) -> None:
        """Send free vehicles to requests with room at the destination, as the policy pairs them (VEH-2, VEH-3)."""
        self.dirty = False
        while (eligible := [r for r in self.requests.members() if r.calls.buffer.room() > 0]) and self.free:
            request, vehicle = self.policy(eligible, self.free.members(), self)
            self.requests.leave(request)
            self.free.leave(vehicle)
            self.line.unsettled.add(request.sender)
            request.calls.assigned.add(request.unit)
            request.calls.buffer.reserved += 1
            self.line.let_act(vehicle.request.succeed(request))
        self.line.unsettled.update(request.sender for request in self.requests.members())  # room may have come or gone

    def travel_us(self, origin: int, stop: int) -> int:
        """Return the driving time between two stops."""
        return us_from_s(self.spec.distance_m[origin][stop] / self.spec.speed_mps)


class Vehicle(Unit):
    """One vehicle; it parks where it stopped and charges there when its battery is low."""

    def __init__(self, fleet: Fleet, unit: int, name: str) -> None:
        super().__init__(fleet.line, unit)
        self.fleet, self.state = fleet, State.IDLE
        self.stop = 0
        self.index = -1  # the operation that its part gets to
        self.part = -1
        self._full_us = self._battery_us = us_from_s(fleet.spec.battery_s)  # moving time
        self._loads = self.line.durations(name, "load", fleet.spec.load)
        self._unloads = self.line.durations(name, "unload", fleet.spec.unload)
        self._trips = None if fleet.spec.trip is None else self.line.durations(name, "trip", fleet.spec.trip)

    def begin(self) -> None:
        """Write the first row and wait for a request."""
        super().begin()
        self.fleet.free.join(self, self.line.now_us)
        self.request = self.line.event()
        self.line.process(self._work())

    def _work(self) -> Steps:
        """Fetch a part, carry it, deliver it, charge if need be."""
        while True:
            request = yield self.request
            self.request = self.line.event()
            yield from self._fetch(request)
            yield from self._deliver(request.calls)
            if charge_us := self._charge_us():
                yield self._spend(charge_us)
                self._battery_us = self._full_us
                self.write(State.IDLE)
            self.fleet.free.join(self, self.line.now_us)
            self.fleet.dirty = True

    def _fetch(self, request: Request) -> Steps:
        """Drive to the sender and load (VEH-6)."""
        self.index, sender = request.calls.index, request.sender
        cause = sender.last_row
        if self.stop != request.origin and self._trips is None:
            self.write(State.MOVING_EMPTY, detail=self.index, cause=cause)
            yield self._drive(request.origin)
        self.write(State.LOADING, detail=self.index, cause=cause)
        yield self._spend(next(self._loads))
        request.calls.assigned.discard(request.unit)
        sender.hand_over(self)

    def _deliver(self, calls: Calls) -> Steps:
        """Drive to the destination and unload (VEH-7)."""
        yield self._drive(calls.stop)
        self.write(State.LOADING, self.part, detail=self.index)
        yield self._spend(next(self._unloads))
        self.write(State.CHARGING if self._charge_us() else State.IDLE, self.part, Outcome.PASSED, self.index)
        calls.buffer.reserved -= 1
        calls.buffer.put(self.part, self.last_row)
        self.line.dirty.add(self.index)

    def _drive(self, stop: int) -> Timer:
        duration_us = self.fleet.travel_us(self.stop, stop) if self._trips is None else next(self._trips)
        self.stop = stop
        self._battery_us -= duration_us
        return self._spend(duration_us)

    def _spend(self, duration_us: int) -> Timer:
        return Timer(self.line, duration_us, Class.TRANSPORT_END, self.unit)

    def _charge_us(self) -> int:
        """Return how long it has to charge (VEH-8)."""
        full_us, left_us, spec = self._full_us, max(0, self._battery_us), self.fleet.spec
        if not full_us or left_us >= us_from_s(spec.battery_s * spec.charge_below):
            return 0
        return (full_us - left_us) * us_from_s(spec.charge_s) // full_us

    # ---- a vehicle as the place that a loaded part goes to

    def freed_by(self) -> int:
        """Return the row of its loading."""
        return self.last_row

    def put(self, part: int, row: int) -> None:
        """Take the part on board."""
        self.part = part
        self.write(State.MOVING_LOADED, part, Outcome.TOOK, self.index, row)
