"""An operation: its input buffers, its idle machines, and the moves that are possible there."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer, WaitingQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Input, Operation
    from factory_sim.sim.reference.behaviours import Behaviour
    from factory_sim.sim.reference.conveyor import Conveyor
    from factory_sim.sim.reference.fleet import Fleet
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool
    from factory_sim.sim.reference.unit import Offers, Sender

    Waiting = tuple[int, int, int]  # (part, row that brought it, arrival [µs])
    Taken = tuple[Sequence[Waiting], Sequence[Waiting]]  # parts a machine keeps, components that merge into the first


class Gate:
    """A place with a queue of senders in front of it, whose parts go to an operation."""

    def __init__(self, line: Line, station: int, index: int) -> None:
        self.line, self._station, self.index = line, station, index  # visited at a station; named in rows
        self.senders: WaitingQueue[Sender] = WaitingQueue()

    def room(self) -> int:
        """Return how many parts the place can receive."""
        raise NotImplementedError

    def freed_by(self) -> int:
        """Return the row that made room for a sender that had to wait; -1: there is always room."""
        return -1

    def put(self, part: int, row: int) -> None:
        """Receive a part, which `row` brings."""
        raise NotImplementedError

    def offer(self, sender: Sender) -> None:
        """Queue the part that `sender` holds."""
        self.senders.join(sender, self.line.now_us)
        self.line.dirty.add(self._station)

    def withdraw(self, sender: Sender) -> None:
        """Remove the offer of `sender`."""
        self.senders.leave(sender)

    def fill(self) -> None:
        """Accept offers while there is room; a sender that must wait may have another state (INST-5)."""
        room, now_us = self.room(), self.line.now_us
        while room > 0 and self.senders:
            self.senders.first().hand_over(self)
            room -= 1
        self.line.unsettled.update(sender for _, since_us, _, sender in self.senders if since_us == now_us)


class Stock(Gate):
    """Waiting places at an operation."""

    def __init__(self, line: Line, station: Station) -> None:
        super().__init__(line, station.index, station.index)
        self.station = station
        self.parts: deque[Waiting] = deque()  # first in, first out (MOVE-5)

    def put(self, part: int, row: int) -> None:
        """Receive a part."""
        self.parts.append((part, row, self.line.now_us))

    def freed_by(self) -> int:
        """Return the row that made room for a sender that had to wait."""
        return self.station.room_row


class Rack(Stock):
    """The rework rack of an operation: the places of parts that come back (QUAL-3)."""

    def room(self) -> int:
        """Return the number of free places."""
        return self.station.spec.rework_places - len(self.parts)


class Buffer(Stock):
    """The waiting places in front of an operation, for the parts of one input."""

    def __init__(self, line: Line, station: Station, spec: Input) -> None:
        super().__init__(line, station)
        self.spec = spec
        self.reserved = 0  # places for parts on vehicles
        self.conveyor: Conveyor | None = None  # that brings the parts

    def room(self) -> int:
        """Return the number of free places; a buffer without places has one for each idle machine (MOVE-4)."""
        places, station = self.spec.capacity, self.station
        if not places:
            places = len(station.idle) - (len(station.reworks) if self is station.inputs[0] else 0)
        return places - len(self.parts) - self.reserved

    def stock_s(self) -> float:
        """Return the planned work in the parts here and on their way [s] (VEH-5)."""
        return (len(self.parts) + self.reserved) * self.spec.pace_s

    def freed_by(self) -> int:
        """Return the row that made room for a sender that had to wait."""
        idle = self.station.idle
        return idle[0][3].last_row if idle and not self.spec.capacity else super().freed_by()


class Station:
    """One operation: input buffers, machines, and the rule by which a machine takes parts."""

    def __init__(self, line: Line, index: int, spec: Operation, behaviour: Behaviour) -> None:
        self.line, self.index, self.spec, self.behaviour = line, index, spec, behaviour
        self.inputs = [Buffer(line, self, each) for each in spec.inputs]
        self.rack = Rack(line, self)
        self.reworks = self.rack.parts
        self.gates: list[Gate] = [self.rack] if spec.rework_from else []  # and each buffer with its conveyor, in order
        self.fleets: list[Fleet] = []  # that bring parts
        self.idle: WaitingQueue[Machine] = WaitingQueue()
        self.machines: list[Machine] = []
        self.pools: list[Pool] = []  # that they need for work, robot first
        self.operator: Pool | None = None  # one of them
        self.setup_operator: Pool | None = None
        self.good: tuple[int, Offers] = Outcome.LEFT, line.exit  # outcome and destination of a good part
        self.rework: Offers | None = None  # the rack that gets its rework
        self.room_row = -1  # the row that last made room here
        self.maintained = False  # some machine has a maintenance plan
        self._alarm_us = -1  # of the batch timeout that was set last

    def visit(self) -> None:
        """Fill the buffers and start a machine, again until none can start (MOVE-2)."""
        while True:
            if self.maintained:
                for machine in self.idle.members():
                    machine.upkeep.start_due()
            for gate in self.gates:
                if gate.senders:
                    gate.fill()
            taken = self.behaviour.ready(self) if self.idle else None
            if taken is None:
                break
            self.line.let_act(self.idle.first().parts_come.succeed(taken))
        for fleet in self.fleets:
            fleet.dirty = True

    def next_queue(self) -> deque[Waiting]:
        """Return where the next part comes from: the rework rack or the first buffer (QUAL-4)."""
        reworks, new = self.reworks, self.inputs[0].parts
        if reworks and (self.spec.rework_first or not new or reworks[0][2] <= new[0][2]):
            return reworks
        return new

    def set_alarm(self, due_us: int) -> None:
        """Visit the operation again at `due_us`, the timeout of a batch."""
        if self._alarm_us < due_us:
            self._alarm_us = due_us
            timer = Timer(self.line, due_us - self.line.now_us, Class.TIMEOUT, self.machines[0].unit)
            timer.callbacks.append(lambda _: self.line.dirty.add(self.index))

    def verdict(self, part: int, u: float) -> tuple[int, Offers]:
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
        self.idle.join(machine, self.line.now_us)
        self.line.dirty.add(self.index)

    def withdraw(self, machine: Machine) -> None:
        """Remove `machine` from the idle ones."""
        self.idle.leave(machine)
        self.line.dirty.add(self.index)


class Exit(Gate):
    """The end of the line, which always has room: the sink and the scrap box."""

    def __init__(self, line: Line, station: int) -> None:
        super().__init__(line, station, index=-1)

    def room(self) -> int:
        """Return the number of offered parts."""
        return len(self.senders)

    def visit(self) -> None:
        """Let all parts out."""
        self.fill()

    def put(self, part: int, row: int) -> None:  # noqa: ARG002 - a Place
        """Remove a part from the line."""
        self.line.parts.gone(part)
