"""Follow parts without numbers: in order through the buffers of the plant (first in, first out)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import InputInfo, Meta

_NEVER_NS = -(2**63)
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
        self._offering: set[int] = set()  # sources that had parts when the latest one was taken

        def buffer(way: InputInfo) -> _Buffer:
            if way.transport == "conveyor":
                return _Buffer(-1, tuple(islice(conveyors, 1)))
            return _Buffer(-1, vehicles) if way.transport else _Buffer(way.capacity, ())

        self._buffers = [[buffer(way) for way in each.inputs] for each in meta.operations]

    def take(self, t_ns: int, unit: int, state: int, since_ns: int, known: int = -1, cycles: int = 1) -> list[Row]:
        """Return the rows of one take: the trip that ended a wait, rows of sources, TOOK, MERGED.

        since_ns : begin of the wait for parts that this take ends; the time itself if there was none
        cycles : number of parts of a batch
        """
        rows: list[Row] = []
        found: list[_Taken] = []
        for more in range(cycles, 0, -1):
            taken = self._taken(t_ns, unit, since_ns, rows, more)
            found += taken
            parts = [known if known >= 0 else taken[0].part, *(each.part for each in taken[1:])]
            kinds = [Outcome.TOOK] + [Outcome.MERGED] * (len(parts) - 1)
            rows += [(t_ns, unit, state, part, int(kind), 0) for part, kind in zip(parts, kinds, strict=True)]
        return self._trip(max(found, key=lambda each: each.arrived_ns), t_ns, unit) + rows

    def _taken(self, t_ns: int, unit: int, since_ns: int, rows: list[Row], more: int) -> list[_Taken]:
        """Return what is taken for one part of `more`, and add the rows of sources."""
        operation = self._meta.units[unit].operation
        inputs = self._meta.operations[operation].inputs if operation >= 0 else ()
        buffers = self._buffers[operation] if operation >= 0 else []
        lacked = _lacking(buffers, since_ns) if len(inputs) > 1 and since_ns < t_ns else None
        taken: list[_Taken] = []
        for way, buffer in zip(inputs, buffers, strict=True):
            begin_ns = since_ns if lacked is None or buffer is lacked else t_ns
            for k in range(way.quantity):
                if way.source < 0:
                    taken.append(self._from(buffer, begin_ns, t_ns, more * way.quantity - k))
                    continue
                taken.append(_Taken(self._new()))
                rows += self._entry(t_ns, way.source, taken[-1].part, is_awaited=begin_ns < t_ns)
        return taken or [_Taken(self._new())]

    def _entry(self, t_ns: int, source: int, part: int, *, is_awaited: bool) -> list[Row]:
        """Return the entry of a part if a machine waited for it; else it was there before, since when is not known."""
        if is_awaited:
            self._offering.discard(source)
            return [(t_ns, source, int(State.STARVED), part, int(Outcome.ENTERED), 0)]
        if source in self._offering:
            return []
        self._offering.add(source)
        return [(t_ns, source, int(State.BLOCKED), -1, int(Outcome.NONE), 0)]

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

    def _from(self, buffer: _Buffer, since_ns: int, t_ns: int, more: int) -> _Taken:
        """Return the first of `more` parts taken at once. Without a wait it is one that lay there before."""
        parts = buffer.parts
        if since_ns >= t_ns:
            return _Taken(parts.popleft()[0] if parts and parts[0][1] < t_ns else self._new())
        oldest_ns = since_ns - 2 * buffer.travel_ns  # given earlier it would have arrived before the wait
        if not buffer.carriers or (parts and parts[-1][1] >= oldest_ns):
            few = more if more > 1 else 0  # fewer than are needed at once may have lain there before
            while len(parts) > few and parts[0][1] < oldest_ns:
                parts.popleft()
        if not parts:
            return _Taken(self._new())
        part, given_ns = parts.popleft()
        if buffer.carriers:
            travel_ns = t_ns - given_ns
            buffer.travel_ns = min(travel_ns, buffer.travel_ns) if buffer.travel_ns else travel_ns
        return _Taken(part, given_ns, given_ns + buffer.travel_ns, buffer.carriers)


def _lacking(buffers: list[_Buffer], since_ns: int) -> _Buffer | None:
    """Return the input of a join for which it waited: that of the latest part given meanwhile; None: it is not known.

    Of two parts given at once, one came into a buffer that had room only since the take: the fuller one.
    """
    if any(buffer.carriers for buffer in buffers):
        return None
    found = max(buffers, key=lambda each: (each.parts[-1][1] if each.parts else _NEVER_NS, -len(each.parts)))
    return found if found.parts and found.parts[-1][1] >= since_ns else None


def _units(meta: Meta, role: str) -> tuple[int, ...]:
    return tuple(unit for unit, info in enumerate(meta.units) if info.role == role)
