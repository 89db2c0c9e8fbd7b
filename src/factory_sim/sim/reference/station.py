"""An operation: its input buffers, its idle machines, and the moves that are possible there."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from factory_sim.plant.states import Outcome
from factory_sim.sim.reference.canonical_order import WaitingQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Input, Operation
    from factory_sim.sim.reference.behaviours.behaviour import Behaviour
    from factory_sim.sim.reference.conveyor import Conveyor
    from factory_sim.sim.reference.fleet import Fleet
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.machines.machine import Machine

    Waiting = tuple[int, int, int]  # (part, row that brought it, arrival [µs])
    Taken = tuple[Sequence[Waiting], Sequence[Waiting]]  # parts a machine keeps, components that merge into the first


class Sender(Protocol):
    """A holder of a part that it offers to a place."""

    unit: int
    last_row: int

    def hand_over(self, place: Place) -> None:
        """Give the part to `place`, which has room for it."""

    def settle_state(self) -> None:
        """Write a row if the state changed without a move."""


class Place(Protocol):
    """A buffer, a conveyor, the calls of a fleet, a vehicle or the exit: where a part can go next (MOVE-3)."""

    @property
    def index(self) -> int:
        """The operation that the part gets to; -1: none."""

    def offer(self, sender: Sender) -> None:
        """Queue the part that `sender` holds."""

    def withdraw(self, sender: Sender) -> None:
        """Remove the offer of `sender`."""

    def freed_by(self) -> int:
        """Return the row that made room for a sender that had to wait; -1: there is always room (CAUSE-3)."""

    def put(self, part: int, row: int) -> None:
        """Receive a part, which `row` brings."""


class Gate:
    """The queue of senders in front of a place."""

    def __init__(self, line: Line, station: int) -> None:
        self.line, self._station = line, station
        self.senders: WaitingQueue[Sender] = WaitingQueue()

    def offer(self, sender: Sender) -> None:
        """Queue the part that `sender` holds."""
        self.senders.join(sender, self.line.now)
        self.line.dirty.add(self._station)

    def withdraw(self, sender: Sender) -> None:
        """Remove the offer of `sender`."""
        self.senders.leave(sender)

    def let_in(self, place: Place, room: int) -> None:
        """Accept up to `room` offers for `place`; a sender that must wait may have another state (INST-5)."""
        while room > 0 and self.senders:
            self.senders.first().hand_over(place)
            room -= 1
        self.line.unsettled.update(self.senders.members())


class Buffer(Gate):
    """The waiting places in front of an operation, for the parts of one input."""

    def __init__(self, line: Line, station: Station, spec: Input) -> None:
        super().__init__(line, station.index)
        self.station, self.spec, self.index = station, spec, station.index
        self.parts: deque[Waiting] = deque()  # first in, first out (MOVE-5)
        self.reserved = 0  # places for parts on vehicles
        self.room_row = -1  # the row that last made room
        self.conveyor: Conveyor | None = None  # that brings the parts
        self.fleet: Fleet | None = None

    def room(self) -> int:
        """Return the number of free places; a buffer without places has one for each idle machine (MOVE-4)."""
        places = self.spec.capacity or len(self.station.idle)
        return places - len(self.parts) - self.reserved

    def stock_s(self) -> float:
        """Return the planned work in the parts here and on their way [s] (VEH-5)."""
        return (len(self.parts) + self.reserved) * self.spec.pace_s

    def fill(self) -> None:
        """Accept offers while there is room, then let the conveyor and the fleet bring more."""
        if self.senders:
            self.let_in(self, self.room())
        if self.conveyor is not None:
            self.conveyor.fill()
        if self.fleet is not None:
            self.fleet.dirty = True

    def put(self, part: int, row: int) -> None:
        """Receive a part."""
        self.parts.append((part, row, self.line.now))

    def freed_by(self) -> int:
        """Return the row that made room for a sender that had to wait."""
        return (
            self.room_row
            if self.spec.capacity
            else next((m.last_row for m in self.station.idle.members()), self.room_row)
        )


class Station:
    """One operation: input buffers, machines, and the rule by which a machine takes parts."""

    def __init__(self, line: Line, index: int, spec: Operation, behaviour: Behaviour) -> None:
        self.line, self.index, self.spec, self.behaviour = line, index, spec, behaviour
        self.inputs = [Buffer(line, self, each) for each in spec.inputs]
        self.idle: WaitingQueue[Machine] = WaitingQueue()
        self.machines: list[Machine] = []
        self.good: tuple[int, Place] = Outcome.LEFT, line.exit  # outcome and destination of a good part
        self.rework: Place | None = None
        self.maintained = False  # some machine has a maintenance plan
        self.alarm_us = -1  # of the batch timeout that was set last

    def visit(self) -> None:
        """Fill the buffers and start a machine, again until none can start (MOVE-2)."""
        while True:
            if self.maintained:
                for machine in self.idle.members():
                    machine.upkeep.start_due()
            for buffer in self.inputs:
                buffer.fill()
            taken = self.behaviour.ready(self) if self.idle else None
            if taken is None:
                return
            self.line.let_act(self.idle.first().parts_come.succeed(taken))

    def verdict(self, part: int, u: float) -> tuple[int, Place]:
        """Return outcome and destination of a finished part, decided by one uniform (QUAL-1, QUAL-2)."""
        inspection, loops = self.spec.inspection, self.line.parts.loops
        if inspection is None or u >= inspection.scrap + inspection.rework:
            return self.good
        if u >= inspection.scrap and loops.get(part, 0) < inspection.max_loops and self.rework is not None:
            loops[part] = loops.get(part, 0) + 1
            return Outcome.REWORK, self.rework
        return Outcome.SCRAPPED, self.line.exit

    def waits(self, machine: Machine) -> None:
        """Queue `machine`, which is ready for parts (TAKE-1)."""
        self.idle.join(machine, self.line.now)
        self.line.dirty.add(self.index)

    def withdraw(self, machine: Machine) -> None:
        """Remove `machine` from the idle ones."""
        self.idle.leave(machine)
        self.line.dirty.add(self.index)


class Exit(Gate):
    """The end of the line, which always has room: the sink and the scrap box."""

    def __init__(self, line: Line, station: int) -> None:
        super().__init__(line, station)
        self.index = -1  # what rows name as destination

    def visit(self) -> None:
        """Let all parts out."""
        self.let_in(self, len(self.senders))

    def freed_by(self) -> int:
        """Return -1: there is always room."""
        return -1

    def put(self, part: int, row: int) -> None:  # noqa: ARG002 - a Place
        """Remove a part from the line."""
        self.line.parts.gone(part)
