"""Follow parts without numbers: in order through the buffers of the plant (first in, first out)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import InputInfo, Meta

_MOST_WAITING = 10_000  # parts in one buffer: a feed that does not count scrap leaves parts there that are gone
Row = tuple[int, int, int, int, int, int]  # time [ns], unit, state, part, outcome, detail


@dataclass(slots=True)
class _Buffer:
    """The parts on their way into one input of an operation, oldest first."""

    capacity: int  # -1: not limited
    carriers: tuple[int, ...]  # units that may bring a part; none without transport
    parts: deque[tuple[int, int]] = field(
        default_factory=lambda: deque(maxlen=_MOST_WAITING)
    )  # part, when it was given
    travel_ns: int = 0  # the shortest time between giving and a take that ended a wait; 0 without transport


@dataclass(frozen=True, slots=True)
class _Taken:
    """A part that is taken."""

    part: int
    given_ns: int = -1  # -1: it did not come while the machine waited, or not from a machine
    arrived_ns: int = -1  # at the earliest
    carriers: tuple[int, ...] = ()


class PartFlow:
    """Numbers the parts that machines take and give; gives the rows of both.

    A queue may contain parts that left unseen, because a feed does not count scrap or rework: it is cut to the
    buffer's capacity, and a take that ends a wait for parts takes what has arrived since the wait began.
    """

    def __init__(self, meta: Meta, first_part: int) -> None:
        self._meta, self._next = meta, first_part
        vehicles = _units(meta, "vehicle")
        conveyors = iter(_units(meta, "conveyor"))  # one for each way: the description does not contain which
        self._free_ns = dict.fromkeys((*vehicles, *_units(meta, "conveyor")), -(2**62))

        def buffer(way: InputInfo) -> _Buffer:
            if way.transport == "conveyor":
                return _Buffer(-1, tuple(islice(conveyors, 1)))
            return _Buffer(-1, vehicles) if way.transport else _Buffer(way.capacity, ())

        self._buffers = [[buffer(way) for way in each.inputs] for each in meta.operations]

    def take(self, t_ns: int, unit: int, state: int, since_ns: int, known: int = -1, cycles: int = 1) -> list[Row]:
        """Return the rows of one take: the trip that ended a wait, ENTERED rows of sources, TOOK, MERGED.

        since_ns : begin of the wait for parts that this take ends; the time itself if there was none
        cycles : number of parts of a batch
        """
        rows: list[Row] = []
        found: list[_Taken] = []
        for _ in range(cycles):
            taken = self._taken(t_ns, unit, since_ns, rows)
            found += taken
            parts = [known if known >= 0 else taken[0].part, *(each.part for each in taken[1:])]
            kinds = [Outcome.TOOK] + [Outcome.MERGED] * (len(parts) - 1)
            rows += [(t_ns, unit, state, part, int(kind), 0) for part, kind in zip(parts, kinds, strict=True)]
        return self._trip(max(found, key=lambda each: each.arrived_ns), t_ns, unit) + rows

    def _taken(self, t_ns: int, unit: int, since_ns: int, rows: list[Row]) -> list[_Taken]:
        """Return what is taken for one part, and add the ENTERED rows of sources."""
        operation = self._meta.units[unit].operation
        inputs = self._meta.operations[operation].inputs if operation >= 0 else ()
        taken: list[_Taken] = []
        for way, buffer in zip(inputs, self._buffers[operation] if operation >= 0 else (), strict=True):
            for _ in range(way.quantity):
                if way.source >= 0:
                    taken.append(_Taken(self._new()))
                    rows.append((t_ns, way.source, int(State.STARVED), taken[-1].part, int(Outcome.ENTERED), 0))
                else:
                    taken.append(self._from(buffer, since_ns, t_ns))
        return taken or [_Taken(self._new())]

    def _trip(self, last: _Taken, t_ns: int, unit: int) -> list[Row]:
        """Return the rows of the carrier that brought the part for which a machine waited; its state is not known."""
        if not last.carriers:
            return []
        carrier = min(last.carriers, key=self._free_ns.__getitem__)
        self._free_ns[carrier] = t_ns
        to, state = self._meta.units[unit].operation, int(State.UNKNOWN)
        return [
            (last.given_ns, carrier, state, last.part, int(Outcome.TOOK), 0),
            (t_ns, carrier, state, last.part, int(Outcome.PASSED), to),
        ]

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

    def _from(self, buffer: _Buffer, since_ns: int, t_ns: int) -> _Taken:
        """Return the part that is taken. Without a wait it lay there before: one that arrives now is not it."""
        parts = buffer.parts
        if since_ns >= t_ns:
            return _Taken(parts.popleft()[0] if parts and parts[0][1] < t_ns else self._new())
        oldest_ns = since_ns - 2 * buffer.travel_ns  # given earlier it would have arrived before the wait
        if parts and parts[-1][1] >= oldest_ns:
            while parts[0][1] < oldest_ns:
                parts.popleft()
        if not parts:
            return _Taken(self._new())
        part, given_ns = parts.popleft()
        if buffer.carriers:
            travel_ns = t_ns - given_ns
            buffer.travel_ns = min(travel_ns, buffer.travel_ns) if buffer.travel_ns else travel_ns
        return _Taken(part, given_ns, given_ns + buffer.travel_ns, buffer.carriers)


def _units(meta: Meta, role: str) -> tuple[int, ...]:
    return tuple(unit for unit, info in enumerate(meta.units) if info.role == role)
