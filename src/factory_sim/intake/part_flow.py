"""Follow parts without numbers: in order through the buffers of the plant (first in, first out)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import Meta

Row = tuple[int, int, int, int, int, int]  # time [ns], unit, state, part, outcome, detail


@dataclass(slots=True)
class _Buffer:
    """The parts on their way into one input of an operation, oldest first."""

    capacity: int  # -1: not limited
    is_transport: bool
    parts: deque[tuple[int, int]] = field(default_factory=deque)  # part, when it was given
    travel_ns: int = 0  # the shortest time between giving and a take that ended a wait; 0 without transport


class PartFlow:
    """Numbers the parts that machines take and give; gives the rows of both.

    A queue may contain parts that left unseen, because a feed does not count scrap or rework: it is cut to the
    buffer's capacity, and a take that ends a wait for parts takes what has arrived since the wait began.
    """

    def __init__(self, meta: Meta, first_part: int) -> None:
        self._meta, self._next = meta, first_part
        self._buffers = [
            [_Buffer(-1 if way.transport else way.capacity, bool(way.transport)) for way in each.inputs]
            for each in meta.operations
        ]

    def take(self, t_ns: int, unit: int, state: int, since_ns: int, known: int = -1) -> list[Row]:
        """Return the rows of one take: ENTERED rows of sources, TOOK, and MERGED for each component.

        since_ns : begin of the wait for parts that this take ends; the time itself if there was none
        """
        rows: list[Row] = []
        operation = self._meta.units[unit].operation
        inputs = self._meta.operations[operation].inputs if operation >= 0 else ()
        taken: list[int] = []
        for way, buffer in zip(inputs, self._buffers[operation] if operation >= 0 else (), strict=True):
            for _ in range(way.quantity):
                if way.source >= 0:
                    part = self._new()
                    rows.append((t_ns, way.source, int(State.STARVED), part, int(Outcome.ENTERED), 0))
                    taken.append(part)
                else:
                    taken.append(self._from(buffer, since_ns, t_ns))
        taken = taken or [self._new()]
        if known >= 0:
            taken[0] = known
        kinds = [Outcome.TOOK] + [Outcome.MERGED] * (len(taken) - 1)
        return rows + [(t_ns, unit, state, part, int(kind), 0) for part, kind in zip(taken, kinds, strict=True)]

    def give(self, t_ns: int, unit: int, state: int, part: int, outcome: int) -> Row:
        """Return the row of a part given away; a good one is on its way to the next operation."""
        operation = self._meta.units[unit].operation
        to = self._meta.operations[operation].destination if operation >= 0 else -1
        if outcome != Outcome.PASSED:
            return (t_ns, unit, state, part, outcome, 0)
        if to < 0:
            return (t_ns, unit, state, part, int(Outcome.LEFT), 0)
        for way, buffer in zip(self._meta.operations[to].inputs, self._buffers[to], strict=True):
            if way.operation == operation:
                buffer.parts.append((part, t_ns))
                if 0 <= buffer.capacity < len(buffer.parts) - 1:  # one may leave in the same instant
                    buffer.parts.popleft()
        return (t_ns, unit, state, part, outcome, to)

    def new(self) -> int:
        """Return the number of a part that was not seen before."""
        return self._new()

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    def _from(self, buffer: _Buffer, since_ns: int, t_ns: int) -> int:
        """Return the part that is taken. Without a wait it lay there before: one that arrives now is not it."""
        parts = buffer.parts
        if since_ns >= t_ns:
            return parts.popleft()[0] if parts and parts[0][1] < t_ns else self._new()
        oldest_ns = since_ns - 2 * buffer.travel_ns  # given earlier it would have arrived before the wait
        if parts and parts[-1][1] >= oldest_ns:
            while parts[0][1] < oldest_ns:
                parts.popleft()
        if parts and buffer.is_transport:
            travel_ns = t_ns - parts[0][1]
            buffer.travel_ns = min(travel_ns, buffer.travel_ns) if buffer.travel_ns else travel_ns
        return parts.popleft()[0] if parts else self._new()
