"""An operation at work: its buffers, its waiting machines, and the moves that are possible there."""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import TYPE_CHECKING, Protocol

from factory_sim.plant.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Input, Operation
    from factory_sim.sim.reference.behaviours.behaviour import Behaviour
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.transport import Conveyor, Fleet

    Waiting = tuple[int, int, int]  # (part, row that brought it, arrival in µs)
    Taken = tuple[Sequence[Waiting], Sequence[Waiting]]  # parts a machine keeps, components that merge into the first


class Sender(Protocol):
    """Whoever holds a part that wants to go on."""

    unit: int

    def give_front(self, place: Place) -> None:
        """Hand the first part over."""

    def settle_state(self) -> None:
        """Write a row if the state changed without a part movement."""


class Place(Protocol):
    """Where a part can go next: a buffer, a conveyor, a vehicle, the exit."""

    @property
    def index(self) -> int:
        """Operation the part gets to, -1: none."""

    def offer(self, sender: Sender) -> None:
        """`sender` holds a part for here."""

    def freed_by(self) -> int:
        """The row that made room for a sender that had to wait; -1: there is always room."""

    def withdraw(self, sender: Sender) -> None:
        """`sender` takes its offer back."""

    def put(self, part: int, row: int) -> None:
        """The part arrives; `row` is the row that brought it."""


class Buffer:
    """Waiting places in front of an operation. Freed space goes to the sender blocked longest, then lowest unit."""

    __slots__ = (
        "brought",
        "capacity",
        "conveyor",
        "fleet",
        "index",
        "line",
        "pace_s",
        "parts",
        "quantity",
        "reserved",
        "room_row",
        "senders",
        "starts_with",
        "station",
    )

    def __init__(self, line: Line, station: Station, spec: Input) -> None:
        self.line, self.station = line, station
        self.quantity, self.capacity = spec.quantity, spec.capacity
        self.index = station.index
        self.parts: deque[Waiting] = deque()
        self.pace_s, self.starts_with = spec.pace_s, spec.starts_with
        self.reserved = 0  # places held for parts on vehicles
        self.senders: list[tuple[int, int, Sender]] = []  # (blocked since, unit, who)
        self.room_row = -1  # the row that last made room
        self.brought = spec.conveyor >= 0 or spec.fleet >= 0  # the parts are, by one of these:
        self.fleet: Fleet | None = None
        self.conveyor: Conveyor | None = None

    def room(self) -> int:
        """Free places. A buffer without places passes parts straight to machines that wait."""
        if self.capacity:
            return self.capacity - len(self.parts) - self.reserved
        return len(self.station.idle) - len(self.parts) - self.reserved

    def offer(self, sender: Sender) -> None:
        """Queue up for a place."""
        if self.senders:
            insort(self.senders, (self.line.now, sender.unit, sender))
        else:
            self.senders.append((self.line.now, sender.unit, sender))
        self.line.dirty |= self.station.bit

    def withdraw(self, sender: Sender) -> None:
        """Leave the queue."""
        self.senders = [entry for entry in self.senders if entry[2] is not sender]

    def put(self, part: int, row: int) -> None:
        """A part takes a free place."""
        self.parts.append((part, row, self.line.now))

    def fill(self) -> None:
        """Let senders in while there is room."""
        senders = self.senders
        free = self.capacity - len(self.parts) - self.reserved if self.capacity else self.room()
        while free > 0:
            senders.pop(0)[2].give_front(self)
            if not senders:
                return
            free -= 1
        if senders[-1][0] == self.line.now:  # came at this instant and must wait
            self.line.unsettled.update(sender for since, _, sender in senders if since == self.line.now)

    def look_for_more(self) -> None:
        """There may be room for what conveyor or vehicles bring."""
        if self.conveyor is not None:
            self.conveyor.fill()
        if self.fleet is not None:
            self.fleet.dirty = True

    def freed_by(self) -> int:
        """The row that made room for a sender that had to wait."""
        idle = self.station.idle
        return self.room_row if self.capacity or not idle else idle[0][2].last_row


class Station:
    """One operation: input buffers, machines, and the rule by which a machine takes parts."""

    __slots__ = (
        "alarm_us",
        "bit",
        "destination",
        "has_upkeep",
        "idle",
        "index",
        "inputs",
        "line",
        "machines",
        "passes",
        "process",
        "ready",
        "rework",
        "spec",
    )

    def __init__(self, line: Line, index: int, spec: Operation, behaviour: Behaviour) -> None:
        self.line, self.index, self.spec = line, index, spec
        self.ready, self.process = behaviour.ready, behaviour.process
        self.bit = 1 << index
        self.inputs = [Buffer(line, self, each) for each in spec.inputs]
        self.idle: list[tuple[int, int, Machine]] = []  # (idle since, unit, machine), longest first
        self.machines: list[Machine] = []
        self.destination: Place = line.exit
        self.passes = int(Outcome.LEFT)  # what a good part's row says
        self.rework: Place | None = None
        self.has_upkeep = False
        self.alarm_us = -1  # of the batch timeout that was set last

    def visit(self) -> None:
        """Make every move that is possible here: fill the buffers, start a machine, again, until none can start."""
        while True:
            if self.has_upkeep:
                self._maintain()  # first: a buffer without places lets in only what a machine will take
            for buffer in self.inputs:
                if buffer.senders:
                    buffer.fill()
                if buffer.brought:
                    buffer.look_for_more()
            taken = self.ready(self) if self.idle else None
            if taken is None:
                return
            self.idle.pop(0)[2].start(taken)

    def _maintain(self) -> None:
        for _, _, machine in list(self.idle):
            if machine.upkeep is not None:
                machine.upkeep.start_due()

    def verdict(self, part: int, u: float) -> tuple[int, Place]:
        """What inspection decides about a finished part, from one uniform."""
        inspection, line = self.spec.inspection, self.line
        if inspection is not None and u < inspection.scrap + inspection.rework:
            loops = line.parts.loops
            if u >= inspection.scrap and loops.get(part, 0) < inspection.max_loops and self.rework is not None:
                loops[part] = loops.get(part, 0) + 1
                return Outcome.REWORK, self.rework
            return Outcome.SCRAPPED, line.exit
        return self.passes, self.destination

    def waits(self, machine: Machine) -> None:
        """`machine` is ready for a part."""
        if self.idle:
            insort(self.idle, (self.line.now, machine.unit, machine))
        else:
            self.idle.append((self.line.now, machine.unit, machine))
        self.line.dirty |= self.bit

    def withdraw(self, machine: Machine) -> None:
        """`machine` is no longer ready."""
        self.idle = [entry for entry in self.idle if entry[2] is not machine]
        self.line.dirty |= self.bit


class Exit:
    """The end of the line, always ready: the sink and the scrap box."""

    def __init__(self, line: Line, index: int) -> None:
        self.line, self.bit = line, 1 << index
        self.index = -1  # what rows name as destination
        self._senders: list[tuple[int, int, Sender]] = []

    def offer(self, sender: Sender) -> None:
        """Queue up: parts leave in the order of unit ids."""
        insort(self._senders, (self.line.now, sender.unit, sender))
        self.line.dirty |= self.bit

    def withdraw(self, sender: Sender) -> None:
        """Leave the queue."""
        self._senders = [entry for entry in self._senders if entry[2] is not sender]

    def freed_by(self) -> int:
        """There is always room."""
        return -1

    def put(self, part: int, row: int) -> None:  # noqa: ARG002 - a Place
        """The part is gone."""
        self.line.parts.gone(part)

    def visit(self) -> None:
        """Let everything out."""
        while self._senders:
            self._senders.pop(0)[2].give_front(self)
