"""A conveyor between two operations."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer
from factory_sim.sim.reference.station import Gate
from factory_sim.sim.reference.unit import Sender

if TYPE_CHECKING:
    import simpy

    from factory_sim.plant.spec import Conveyor as ConveyorSpec
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.station import Buffer
    from factory_sim.sim.reference.unit import Place


class Conveyor(Gate, Sender):
    """A belt on which every part travels equally long, keeps its order and waits at the end for a place (CONV-1)."""

    def __init__(self, line: Line, spec: ConveyorSpec, buffer: Buffer) -> None:
        Gate.__init__(self, line, buffer.index, buffer.index)
        Sender.__init__(self, line, spec.unit)
        self.spec, self.buffer = spec, buffer
        self.belt: deque[int] = deque()
        self._at_end = 0  # parts that have arrived at the end of the belt
        self._offered_us = 0

    def room(self) -> int:
        """Return the number of parts for which the belt has room."""
        return self.spec.capacity - len(self.belt)

    def put(self, part: int, row: int) -> None:
        """Carry a part to the end."""
        self.belt.append(part)
        self.write(State.BLOCKED if self.state == State.BLOCKED else State.BUSY, part, Outcome.TOOK, cause=row)
        timer = Timer(self.line, us_from_s(self.spec.delay_s), Class.TRANSPORT_END, self.unit)
        timer.callbacks.append(self._arrives)

    def freed_by(self) -> int:
        """Return the row of the part that left last."""
        return self.last_row

    def settle_state(self) -> None:
        """Write a row if the part at the end found no place."""
        if self._at_end and self.state != State.BLOCKED:
            self.write(State.BLOCKED, self.belt[0])

    def _arrives(self, _event: simpy.Event) -> None:
        self._at_end += 1
        if self._at_end == 1:
            self._offer()

    def hand_over(self, place: Place) -> None:
        """Give the first part at the end to the buffer, and offer the next one (CONV-2)."""
        part = self.belt.popleft()
        self._at_end -= 1
        cause = place.freed_by() if self._offered_us < self.line.now_us else -1
        self.write(State.BUSY if self.belt else State.STARVED, part, Outcome.PASSED, self.index, cause)
        place.put(part, self.last_row)
        if self._at_end:
            self._offer()
        self.line.dirty.add(self.index)

    def _offer(self) -> None:
        self._offered_us = self.line.now_us
        self.buffer.offer(self)
