"""The state of a line from rows as they arrive: units, buffers, crews; without analysis.

Rows may be late, twice or missing. A part is in one place, that of its latest row, so that levels recover from losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from factory_sim.live.page.unit_past import UnitPast
from factory_sim.live.page.vehicle_trips import Trip, Ways
from factory_sim.plant.states import DOWN_STATES, N_STATES, Outcome, State, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta, Rows

NOWHERE = -1  # place of a part that is on a machine, on a vehicle, or gone
KEPT_PARTS = 50_000  # whose place is remembered
_GONE = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
_N_OUTCOMES = len(Outcome)
_CARRIERS = ("vehicle", "conveyor")
_MOST_MISSING = 10_000  # sequence numbers of a unit that may still arrive


class Place(NamedTuple):
    """Where parts wait: a buffer, a rack of rework, or a conveyor."""

    id: str
    operation: str  # it feeds
    sender: str  # operation or source; empty: any
    capacity: int | None
    kind: str  # "buffer", "rack" or "conveyor"


class _Part(NamedTuple):
    """The latest row of a part."""

    t_ns: int
    is_taken: bool
    place: int
    sender: int  # key of what passed it on: operation, or -2 - unit of a source


@dataclass(slots=True)
class UnitNow:
    """The state of a unit."""

    state: int = State.UNKNOWN
    since_ns: int = 0
    part: int = -1
    detail: int = 0
    seq: int = -1
    t_ns: int = 0


class LineNow:
    """Units, places and parts of one run; `changed_units` and `changed_places` collect what is new."""

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        self.units = [UnitNow() for _ in meta.units]
        self.past = [UnitPast() for _ in meta.units]
        self.places, self._inputs, self._racks, self._conveyors = _places(meta)
        self.levels = [0] * len(self.places)
        self.changed_units: set[int] = set()
        self.changed_places: set[int] = set()
        self.t_ns = self.begin_ns = 0  # of the latest row; of the first one
        self.late = 0  # rows that arrived after a later one of their unit
        self._parts: dict[int, _Part] = {}
        self._missing: list[set[int]] = [set() for _ in meta.units]
        self._machine_operation = [unit.operation if unit.role == "machine" else -1 for unit in meta.units]
        self._is_carrier = [unit.role in _CARRIERS for unit in meta.units]
        self._is_source = [unit.role == "source" for unit in meta.units]
        self._fed = _fed(meta)
        ways = Ways(meta)
        self.trips = {unit: Trip(ways) for unit, info in enumerate(meta.units) if info.role == "vehicle"}

    def take(self, rows: Rows) -> None:
        """Use rows in any order."""
        columns = (rows.t_ns, rows.unit, rows.seq, rows.state, rows.part, rows.outcome, rows.detail)
        lines = list(zip(*(column.tolist() for column in columns), strict=True))
        lines.sort(key=lambda line: (line[0], line[1], line[2]))
        known = len(self.units)
        if lines and not self.begin_ns:
            self.begin_ns = lines[0][0]
        for t_ns, unit, seq, state, part, outcome, detail in lines:
            if not 0 <= unit < known or state >= N_STATES or outcome >= _N_OUTCOMES:
                continue
            is_latest = self._is_latest(unit, seq, t_ns)
            if is_latest is None:
                continue
            if is_latest:
                self._enter(unit, t_ns, state, part, outcome, detail)
            if outcome:
                self._move(unit, t_ns, part, outcome, detail)

    def failures(self) -> Iterator[tuple[int, UnitNow]]:
        """Yield the units that are down."""
        for unit, now in enumerate(self.units):
            if now.state in DOWN_STATES:
                yield unit, now

    def mode(self, unit: int) -> str | None:
        """Return the failure mode of a unit that is down, or what it waits for."""
        now = self.units[unit]
        if now.state in DOWN_STATES:
            modes = self.meta.failure_modes[unit]
            return modes[now.detail] if 0 <= now.detail < len(modes) else None
        if now.state == State.WAITING and 0 <= now.detail < len(Wait):
            return Wait(now.detail).name.lower()
        return None

    def _is_latest(self, unit: int, seq: int, t_ns: int) -> bool | None:
        """Return whether a row is the latest of its unit; None: it has been used already."""
        now, missing = self.units[unit], self._missing[unit]
        if seq > now.seq:
            if now.seq >= 0 and seq - now.seq <= _MOST_MISSING - len(missing):
                missing.update(range(now.seq + 1, seq))
        elif seq in missing:
            missing.discard(seq)
            self.late += 1
            return False
        elif t_ns <= now.t_ns:
            return None
        else:
            missing.clear()  # the gateway numbers its rows from 0 again
        now.seq, now.t_ns = seq, t_ns
        self.t_ns = max(self.t_ns, t_ns)
        return True

    def _enter(self, unit: int, t_ns: int, state: int, part: int, outcome: int, detail: int) -> None:
        now = self.units[unit]
        self.past[unit].take(t_ns, state, outcome, detail)
        held = -1 if outcome > Outcome.MERGED else part
        if state != now.state or held != now.part or detail != now.detail:
            self.changed_units.add(unit)
        if state != now.state:
            now.state, now.since_ns = state, t_ns
        now.part, now.detail = held, detail
        if unit in self.trips:
            self.trips[unit].take(t_ns, state, outcome, detail)

    def _move(self, unit: int, t_ns: int, part: int, outcome: int, detail: int) -> None:
        """Move a part to where this row puts it, unless a later row has put it elsewhere."""
        if part < 0:
            return
        before = self._parts.get(part)
        is_taken = outcome in (Outcome.TOOK, Outcome.MERGED)
        if before is not None and (t_ns, is_taken) < (before.t_ns, before.is_taken):
            return
        sender = before.sender if before is not None else -1
        if not self._is_carrier[unit] and not is_taken:
            sender = -2 - unit if self._is_source[unit] else self._machine_operation[unit]
        place = self._place(unit, outcome, detail, sender)
        self._put(before.place if before is not None else NOWHERE, place)
        self._parts.pop(part, None)  # so that the oldest come first
        self._parts[part] = _Part(t_ns, is_taken, place, sender)
        if len(self._parts) > KEPT_PARTS:
            oldest = next(iter(self._parts))
            self._put(self._parts.pop(oldest).place, NOWHERE)

    def _place(self, unit: int, outcome: int, detail: int, sender: int) -> int:
        """Return where a part is after a row."""
        if outcome == Outcome.TOOK:
            return self._conveyors.get(unit, NOWHERE)
        if outcome in _GONE:
            return NOWHERE
        if outcome == Outcome.REWORK:
            return self._racks.get(detail, NOWHERE)
        to = self._fed[unit] if outcome == Outcome.ENTERED else detail
        place, is_carried = self._inputs.get((to, sender), (NOWHERE, False))
        return NOWHERE if is_carried and not self._is_carrier[unit] else place

    def _put(self, before: int, after: int) -> None:
        if before == after:
            return
        for place, step in ((before, -1), (after, 1)):
            if place >= 0:
                self.levels[place] += step
                self.changed_places.add(place)


def _fed(meta: Meta) -> list[int]:
    """Return the operation that each source feeds, -1 for other units."""
    fed = [-1] * len(meta.units)
    for index, each in enumerate(meta.operations):
        for way in each.inputs:
            if way.source >= 0:
                fed[way.source] = index
    return fed


_Inputs = dict[tuple[int, int], tuple[int, bool]]


def _places(meta: Meta) -> tuple[list[Place], _Inputs, dict[int, int], dict[int, int]]:
    """Return the places; by operation and sender the place of an input and whether parts are carried to it.

    The last two: place of the rack of an operation, and place of a conveyor by unit.
    """
    places: list[Place] = []
    inputs: _Inputs = {}
    racks: dict[int, int] = {}
    for index, each in enumerate(meta.operations):
        for way in each.inputs:
            sender = meta.units[way.source].name if way.source >= 0 else meta.operations[way.operation].name
            inputs[index, -2 - way.source if way.source >= 0 else way.operation] = len(places), bool(way.transport)
            places.append(Place(f"{each.name}<{sender}", each.name, sender, way.capacity, "buffer"))
    for index in sorted({each.rework_to for each in meta.operations} - {-1}):
        each = meta.operations[index]
        racks[index] = len(places)
        places.append(Place(f"{each.name}<rework", each.name, "", each.rework_places or None, "rack"))
    conveyors: dict[int, int] = {}
    for unit, info in enumerate(meta.units):
        if info.role == "conveyor":
            conveyors[unit] = len(places)
            places.append(Place(info.name, "", "", None, "conveyor"))
    return places, inputs, racks, conveyors


def crews(line: LineNow) -> dict[str, list[int]]:
    """Return by crew how many are at work and how many are there."""
    found: dict[str, list[int]] = {}
    for info, now in zip(line.meta.units, line.units, strict=True):
        if info.role == "crew":
            counts = found.setdefault(info.kind, [0, 0])
            counts[0] += now.state == State.BUSY
            counts[1] += now.state != State.OFF
    return found
