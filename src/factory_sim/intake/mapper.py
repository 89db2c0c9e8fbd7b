"""Series of observations to the rows that the analyzer reads; the mapper numbers the rows itself."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.intake import unit_events
from factory_sim.intake.mapping import UNKNOWN
from factory_sim.intake.part_flow import PartFlow
from factory_sim.intake.unit_events import NO_EVENTS
from factory_sim.plant.states import DOWN_STATES, Outcome, State
from factory_sim.records import Rows

if TYPE_CHECKING:
    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.part_flow import Row
    from factory_sim.intake.series import Store
    from factory_sim.intake.tally import Tally
    from factory_sim.intake.unit_events import UnitEvents
    from factory_sim.records import I8, Meta

_TAKING = (State.BUSY, State.SETUP)  # states in which a machine has taken its part
_FIRST_WITHOUT_ID = 1 << 30  # numbers of parts without a known id: ids are numbered from 0


def events_by_unit(
    store: Store, mapping: Mapping, cycles: dict[int, tuple[I8, I8]], tally: Tally
) -> dict[int, UnitEvents]:
    """Return what each unit did. `cycles` are those detected from signals, by unit, where they are certain enough."""
    heard = store.units_heard()
    return {
        unit: unit_events.of_unit(unit, store, heard[unit], mapping, cycles.get(unit), tally) for unit in sorted(heard)
    }


class Mapper:
    """Makes rows of events, and remembers where they have been settled: later calls continue from there."""

    def __init__(self, meta: Meta, *, has_ids: bool) -> None:
        self._meta, self._flow = meta, PartFlow(meta, first_part=_FIRST_WITHOUT_ID if has_ids else 0)
        self._machines: dict[int, _Machine] = {}
        self._settled = np.zeros(len(meta.units), np.int64)  # rows by unit
        self._begun: set[Row] = set()  # settled begins of trips that end later
        self.settled_ns = -(2**63)

    def rows(self, events: dict[int, UnitEvents]) -> Rows:
        """Return the rows that have not been settled, in order of time, upstream operations first."""
        found = [row for row in self._copy().run(events) if row not in self._begun]
        rows = [(max(row[0], self.settled_ns), *row[1:]) for row in found]  # a trip may have begun long before its end
        return _numbered(sorted(rows, key=lambda row: row[0]), self._settled)

    def settle(self, events: dict[int, UnitEvents], before_ns: int) -> Rows:
        """Return the rows before a time. They are not made again."""
        rows = self.rows(events)
        rows = rows.take(rows.t_ns < before_ns)
        self._settled += np.bincount(rows.unit, minlength=len(self._settled))
        self.run(events, before_ns)
        self.settled_ns = before_ns
        self._begun = {row for row in self._copy().run(events) if row[0] < before_ns}
        return rows

    def _copy(self) -> Mapper:
        return copy.deepcopy(self, {id(self._meta): self._meta})

    def run(self, events: dict[int, UnitEvents], until_ns: int = 2**62) -> list[Row]:
        """Go through the events up to a time; return their rows."""
        for unit, each in events.items():
            machine = self._machines.setdefault(unit, _Machine(unit, self._flow, self._meta))
            machine.begin(each, self.settled_ns)
        instants = sorted(
            (t_ns, self._meta.units[unit].operation, unit)
            for unit in events
            for t_ns in self._machines[unit].instants()
            if t_ns < until_ns
        )
        found: list[Row] = []
        for t_ns, _, unit in instants:
            found += self._machines[unit].rows_at(t_ns)
        for machine in self._machines.values():
            machine.end()
        return found


def _numbered(found: list[Row], settled: I8) -> Rows:
    t, unit, state, part, outcome, detail = (
        (np.array(column, np.int64) for column in zip(*found, strict=True)) if found else (np.empty(0, np.int64),) * 6
    )
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], unit[order], "left")
    seq = np.empty(len(t), np.int64)
    seq[order] = np.arange(len(t)) - starts
    seq += settled[unit]
    narrow = (unit.astype(np.int16), seq, state.astype(np.uint8), part.astype(np.int32), outcome.astype(np.uint8))
    return Rows(t, *narrow, detail.astype(np.int32))


class _Machine:
    """One unit on its way through its events: the part it holds, and the rows it writes."""

    def __init__(self, unit: int, flow: PartFlow, meta: Meta) -> None:
        self._unit, self._flow = unit, flow
        operation = meta.units[unit].operation
        self._batch = meta.operations[operation].batch if operation >= 0 else 1
        self._held: list[int] = []
        self._state, self._idle_ns, self._busy_since_give = -1, -1, False
        self._begin_seen = False  # of the cycle of the parts that it holds or gave last
        self._is_empty = False  # it is known to hold no part: one interrupted before the feed began is not taken again
        self._events = NO_EVENTS
        self._at_state: dict[int, int] = {}
        self._given: dict[int, tuple[int, int]] = {}

    def begin(self, events: UnitEvents, from_ns: int) -> None:
        """Prepare for the events from a time on; those before have been gone through."""
        self._events = events
        first = int(np.searchsorted(events.t_ns, from_ns))
        self._at_state = {t: i for i, t in enumerate(events.t_ns[first:].tolist(), first)}  # the last of an instant
        given, at = np.unique(events.given_ns, return_index=True)
        stop = np.append(at[1:], len(events.given_ns))
        late = given >= from_ns
        self._given = dict(
            zip(given[late].tolist(), zip(at[late].tolist(), stop[late].tolist(), strict=True), strict=True)
        )

    def end(self) -> None:
        """Drop the events."""
        self._events, self._at_state, self._given = NO_EVENTS, {}, {}

    def instants(self) -> set[int]:
        """Return the times at which something happens [ns]."""
        return {*self._at_state, *self._given}

    def rows_at(self, t_ns: int) -> list[Row]:
        """Return the rows of one instant."""
        index = self._at_state.get(t_ns)
        was, state = self._state, self._state if index is None else int(self._events.state[index])
        detail = 0 if index is None else int(self._events.detail[index])
        rows: list[Row] = []
        state = UNKNOWN if state < 0 else state
        given = self._given.get(t_ns)
        leaves = 0 if given is None else given[1] - given[0]
        # a machine that waits has its next part, unless it waits to give the one that it has finished (STATE-2)
        takes_after = state in _TAKING or (state == State.WAITING and len(self._held) <= leaves)
        if given is not None:
            rows += self._give(t_ns, *given, State.STARVED if takes_after else state)
        if state == UNKNOWN:
            self._held = self._held if self._events.has_counter else []  # an open cycle is discarded
        self._is_empty = (self._is_empty or given is not None) and state != UNKNOWN
        if takes_after and not self._held:
            rows += self._take(t_ns, state, was, seen=self._is_empty)
        elif rows[-1][2] != state if rows else index is not None:
            rows.append((t_ns, self._unit, state, self._held[0] if self._held else -1, int(Outcome.NONE), detail))
        self._state = state
        self._busy_since_give |= state in _TAKING
        if state in (State.STARVED, State.IDLE):
            self._idle_ns, self._is_empty = t_ns if self._idle_ns < 0 else self._idle_ns, True
        else:
            self._idle_ns = -1
        return rows

    def _give(self, t_ns: int, first: int, stop: int, state: int) -> list[Row]:
        rows: list[Row] = []
        taking = state if state in DOWN_STATES else int(State.BUSY)  # going down again would count as another failure
        for i in range(first, stop):
            known = int(self._events.part[i])
            if not self._held and i > first and self._busy_since_give and self._batch == 1:  # a report was lost
                taken = self._flow.take(t_ns, self._unit, taking, t_ns, known)
                self._held = [next(row[3] for row in taken[::-1] if row[4] == Outcome.TOOK)]
                rows += taken if self._begin_seen else [row for row in taken if not self._took(row)]
            part = self._held.pop(0) if self._held else self._flow.new()
            part = known if known >= 0 else part
            rows.append(self._flow.give(t_ns, self._unit, state, part, int(self._events.outcome[i])))
        self._busy_since_give = False
        return rows

    def _took(self, row: Row) -> bool:
        return row[1] == self._unit and row[4] == Outcome.TOOK

    def _take(self, t_ns: int, state: int, was: int, *, seen: bool) -> list[Row]:
        """Take the parts of the cycle that begins; one whose begin was not seen is held without a TOOK row."""
        self._begin_seen = seen
        known = self._known_after(t_ns)
        if not seen:
            self._held = [known if known >= 0 else self._flow.new()]
            self._held += [self._flow.new() for _ in range(self._parts_of_cycle(t_ns) - 1)]
            return [(t_ns, self._unit, state, self._held[0], int(Outcome.NONE), 0)]
        since = self._idle_ns if was in (State.STARVED, State.IDLE) and self._idle_ns >= 0 else t_ns
        rows = self._flow.take(t_ns, self._unit, state, since, known, self._parts_of_cycle(t_ns))
        self._held = [row[3] for row in rows if self._took(row)]
        return rows

    def _known_after(self, t_ns: int) -> int:
        """Return the id of the part that is given next."""
        after = int(np.searchsorted(self._events.given_ns, t_ns, "right"))
        return int(self._events.part[after]) if after < len(self._events.given_ns) else -1

    def _parts_of_cycle(self, t_ns: int) -> int:
        """Return how many parts of a batch are given before the next cycle begins.

        A batch of which the feed ends before the machine is empty is a full one.
        """
        if self._batch == 1:
            return 1
        events, given = self._events, self._events.given_ns
        first = int(np.searchsorted(given, t_ns, "right"))
        if first >= len(given):
            return self._batch
        after = events.t_ns >= given[first]
        begins = events.t_ns[after & np.isin(events.state, _TAKING)]
        end = int(begins[0]) if len(begins) else 2**62
        found = max(int(np.searchsorted(given, end, "right")) - first, 1)
        empty = len(begins) or np.isin(events.state[after], (State.STARVED, State.IDLE)).any()
        return found if empty else max(found, self._batch)
