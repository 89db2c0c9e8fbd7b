"""The last hours of one unit: its states, its cycle times and its failures, in bounded memory."""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.plant.states import DOWN_STATES, Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import I8

KEPT_STATES, KEPT_CYCLES, KEPT_FAILURES = 20_000, 200, 100
_GIVEN = (Outcome.PASSED, Outcome.REWORK, Outcome.SCRAPPED, Outcome.LEFT)
_MS = 1_000_000  # ns
_BITS = 4  # of a state


class Failure(NamedTuple):
    """A failure; its end is None while it is open."""

    mode: int
    from_ms: int
    to_ms: int | None


class UnitPast:
    """States (with the time of each change), cycle times and failures of a unit."""

    __slots__ = ("_busy_ns", "_changes", "_entered_ns", "_state", "cycles", "failures")

    def __init__(self) -> None:
        self._changes = array("q")  # time [ms since 1970] and state in one number
        self._state, self._entered_ns, self._busy_ns = -1, 0, 0
        self.cycles: deque[tuple[int, float]] = deque(maxlen=KEPT_CYCLES)  # end [ms], busy time [s]
        self.failures: deque[Failure] = deque(maxlen=KEPT_FAILURES)

    def take(self, t_ns: int, state: int, outcome: int, detail: int) -> None:
        """Use the next row of the unit."""
        if self._state == State.BUSY:
            self._busy_ns += t_ns - self._entered_ns
        self._entered_ns = t_ns
        if outcome in _GIVEN and self._busy_ns:
            self.cycles.append((t_ns // _MS, self._busy_ns / 1e9))
            self._busy_ns = 0
        if state == self._state:
            return
        is_down, was_down = state in DOWN_STATES, self._state in DOWN_STATES
        if is_down and not was_down:
            self.failures.append(Failure(detail, t_ns // _MS, None))
        elif was_down and not is_down and self.failures:
            self.failures.append(self.failures.pop()._replace(to_ms=t_ns // _MS))
        self._state = state
        self._changes.append((t_ns // _MS << _BITS) | state)
        if len(self._changes) > KEPT_STATES:
            del self._changes[: KEPT_STATES // 4]

    def strip(self, from_ms: int, to_ms: int, most: int = 0) -> list[list[int]]:
        """Return the stretches [from, to, state] of [from_ms, to_ms).

        most : of so many equal stretches, each has one state, the one that lasts longest in it; 0: all changes.
        """
        packed = np.array(self._changes, np.int64)
        return stretches(packed >> _BITS, packed & (1 << _BITS) - 1, from_ms, to_ms, most)


def stretches(changed_ms: I8, states: I8, from_ms: int, to_ms: int, most: int) -> list[list[int]]:
    """Return the stretches [from, to, state] of [from_ms, to_ms) from the times of changes; `most` as in `strip`."""
    begin = np.clip(changed_ms, from_ms, to_ms)
    end = np.append(begin[1:], to_ms)[: len(begin)]
    kept = end > begin
    begin, end, states = begin[kept], end[kept], states[kept]
    if most and len(begin) > most:
        bucket = (begin - from_ms) * most // max(to_ms - from_ms, 1)
        order = np.lexsort((end - begin, bucket))
        longest = order[np.append(np.diff(bucket[order]) > 0, np.bool_(1))]
        begin, states = begin[longest], states[longest]
    is_new = np.append(np.bool_(1), np.diff(states) != 0)[: len(begin)]
    begin, states = begin[is_new], states[is_new]
    end = np.append(begin[1:], to_ms)[: len(begin)]
    return np.stack([begin, end, states], axis=1).tolist() if len(begin) else []
