"""What one unit did, from its series: states with silences, parts given away, reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.intake.mapping import TOTALS, UNKNOWN, Item
from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.series import Store
    from factory_sim.intake.tally import Tally
    from factory_sim.records import B1, F8, I8

FELL = "counter that fell without `resets` or `wraps`"
OUT_OF_ORDER = "counter reading out of order"
_NEAR = 5  # readings that decide whether a counter restarted or a reading came out of order
_USUAL = 2  # usual steps that a reading rises by where the one before it was lost
_WRAPPED = 10  # such readings that a wrap may skip, where a restart is possible, too
_JUMP = 100  # a larger step may lead back over a wrap
_INSIDE = (State.BUSY, State.WAITING, State.DOWN, State.REPAIR)  # a cycle that is open stays open
_NO_T, _NO_V = np.empty(0, np.int64), np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEvents:
    """States and parts of a unit; times rise. Shapes (n_states,), (n_parts,)."""

    t_ns: I8
    state: I8
    detail: I8  # failure mode of DOWN and REPAIR, else 0
    given_ns: I8  # when each part was given away
    outcome: I8
    part: I8  # its id, -1 where it is not known
    has_counter: bool  # parts are counted by the feed, not concluded from states


NO_EVENTS = UnitEvents(
    t_ns=_NO_T, state=_NO_T, detail=_NO_T, given_ns=_NO_T, outcome=_NO_T, part=_NO_T, has_counter=False
)


def of_unit(
    unit: int, store: Store, heard: list[tuple[int, int]], mapping: Mapping, cycles: tuple[I8, I8] | None, tally: Tally
) -> UnitEvents:
    """Return the events of a unit; `cycles`, begins and ends [ns], are those detected from signals, if they count."""
    signals = _Signals(unit, store, mapping, tally)
    known = store.series.get((unit, Item.STATE))
    if known is not None:
        runs = [begin for begin, _ in known.runs]
        t, state = _with_silences(*known.arrays(), runs, heard, known.stale_ns)
    elif cycles is not None:
        t, state = _busy_in(cycles)
    else:
        t, state = np.array([heard[0][0]], np.int64), np.array([UNKNOWN], np.int64)
    given, outcome = signals.given(state_cycles(t, state)[1])
    return UnitEvents(
        t_ns=t,
        state=state,
        detail=_modes(t, state, *signals.of(Item.REASON)),
        given_ns=given,
        outcome=outcome,
        part=signals.ids(given),
        has_counter=signals.is_counted,
    )


class _Signals:
    """The series of one unit."""

    def __init__(self, unit: int, store: Store, mapping: Mapping, tally: Tally) -> None:
        self._series = {item: series for (owner, item), series in store.series.items() if owner == unit}
        self._by_id, self._tally = mapping.parts == "id", tally

    def of(self, item: int) -> tuple[I8, F8]:
        """Return times and values of an item, empty if the unit has none."""
        found = self._series.get(item)
        return found.arrays() if found else (_NO_T, _NO_V)

    @property
    def is_counted(self) -> bool:
        """Whether parts are counted by the feed and not concluded from states."""
        return any(item in self._series for item in TOTALS) or (self._by_id and Item.ID in self._series)

    def given(self, cycle_ends: I8) -> tuple[I8, I8]:
        """Return when parts were given away and their outcomes; without a signal that counts them at `cycle_ends`."""
        good, bad = self._risen(Item.GOOD), self._risen(Item.SCRAP)
        if Item.COUNT in self._series:
            given = self._risen(Item.COUNT)
            by_good = Item.GOOD in self._series and Item.SCRAP not in self._series
            scrapped = ~matched(given, good) if by_good else matched(given, bad)
        elif Item.GOOD in self._series:
            given = np.concatenate((good, bad))
            order = np.argsort(given, kind="stable")
            given, scrapped = given[order], np.repeat([False, True], (len(good), len(bad)))[order]
        else:  # another id: the part before it was given away
            given = self.of(Item.ID)[0][1:] if self.is_counted else cycle_ends
            scrapped = matched(given, bad)
        return given, np.where(scrapped, int(Outcome.SCRAPPED), int(Outcome.PASSED))

    def ids(self, given: I8) -> I8:
        """Return the id of each part given away, -1 where it is not known."""
        t, code = self.of(Item.ID)
        if not len(t):
            return np.full(len(given), -1)
        by_count = any(item in self._series for item in TOTALS)
        before = np.searchsorted(t, given, "right" if by_count else "left") - 1
        found: I8 = np.where(before >= 0, code[before].astype(np.int64), -1)
        return found

    def _risen(self, item: int) -> I8:
        spec = self._series[item].spec if item in self._series else None
        if spec is None:
            return _NO_T
        t, by = increments(*self.of(item), wraps=spec.wraps, resets=spec.resets, tally=self._tally)
        return np.repeat(t, by)


def increments(t: I8, value: F8, *, wraps: float, resets: bool, tally: Tally) -> tuple[I8, I8]:
    """Return when a counter of parts rose and by how much; its first reading is the base."""
    steps = np.round(steps_of(value, wraps, resets=resets, tally=tally)).astype(np.int64)
    return t[1:][steps > 0], steps[steps > 0]


def steps_of(value: F8, wraps: float, *, resets: bool, tally: Tally) -> F8:
    """Return the steps between readings of a counter that wraps or restarts; shape (n - 1,), none below 0.

    A reading that came out of order is no step.
    """
    steps = np.diff(value)
    if not (steps < 0).any():
        return steps
    ordinary = steps[1:][(steps[1:] > 0) & (steps[:-1] > 0)]
    most = _USUAL * (float(np.median(ordinary)) if len(ordinary) else 1.0)
    steps[:] = 0
    level = value[0]
    for i in range(1, len(value)):
        here = value[i]
        if _is_out_of_order(value[i : i + 1 + _NEAR], level, wraps, most if resets else 0.0):
            tally.add(OUT_OF_ORDER, f"{here:g} after {level:g}")
            continue
        steps[i - 1], level = _step(here - level, here, wraps, most if resets else np.inf, tally), here
    return steps


def _is_out_of_order(near: F8, level: float, wraps: float, most: float) -> bool:
    """Return whether the first of a few readings is older than the level before it, which the next ones exceed.

    It is not where the way over `wraps` is the shorter one, or where all rise from 0 in steps of at most `most`: such
    a counter has few numbers.
    """
    step = near[0] - level
    if wraps and abs(step) > wraps / 2:  # the shorter way is that over the wrap
        return step > _JUMP < wraps and len(near) > 1 and near[1] - level < wraps / 2
    again = np.flatnonzero(near >= level)
    if step >= 0 or not len(again) or (wraps and step == -wraps / 2):
        return False
    return bool((np.diff(near[: again[0] + 1], prepend=0.0) > most).any())


def _step(step: float, here: float, wraps: float, most: float, tally: Tally) -> float:
    """Return one step; most : of a counter that restarts, the largest of an ordinary reading, else infinite."""
    if step >= 0:
        return step
    if wraps and 0 <= step + wraps <= _WRAPPED * most:
        return step + wraps
    if np.isinf(most):
        tally.add(FELL, f"from {here - step:g} to {here:g}")
        return 0.0
    return here


def state_cycles(t: I8, state: I8) -> tuple[I8, I8]:
    """Return begins and ends of the cycles: from BUSY to the next state in which no part is worked on.

    A failure or a wait lies inside. An unknown state discards the open cycle.
    """
    begins, ends, open_ns = [], [], None
    for at, code in zip(t.tolist(), state.tolist(), strict=True):
        if open_ns is None:
            open_ns = at if code == State.BUSY else None
        elif code == UNKNOWN:
            open_ns = None
        elif code not in _INSIDE:
            begins.append(open_ns)
            ends.append(at)
            open_ns = None
    return np.array(begins, np.int64), np.array(ends, np.int64)


def _with_silences(
    t: I8, value: F8, state_runs: list[int], heard: list[tuple[int, int]], stale_ns: int
) -> tuple[I8, I8]:
    """Insert UNKNOWN where a unit is silent for longer than clock.stale, until its state is reported again."""
    state = value.astype(np.int64)
    if not stale_ns:
        return t, state
    times, codes = [t], [state]
    keep = np.ones(len(t), np.bool_)
    for (_, end), (begin, _) in zip(heard, [*heard[1:], (2**62, 0)], strict=True):
        again = next((each for each in state_runs if each >= begin), 2**62)
        keep &= (t < end) | (t >= again)
        times.append(np.array([end]))
        codes.append(np.array([UNKNOWN]))
        last = int(np.searchsorted(t, again, "right")) - 1
        if last >= 0 and again < 2**62 and t[last] != again:  # unchanged, so left out when the series was thinned
            times.append(np.array([again]))
            codes.append(state[last : last + 1])
    times[0], codes[0] = t[keep], state[keep]
    all_t, all_codes = np.concatenate(times), np.concatenate(codes)
    order = np.argsort(all_t, kind="stable")
    return all_t[order], all_codes[order]


def _busy_in(cycles: tuple[I8, I8]) -> tuple[I8, I8]:
    """Return BUSY at each begin and STARVED at each end."""
    t = np.stack(cycles, axis=1).ravel()
    return t, np.tile(np.array([State.BUSY, State.STARVED], np.int64), len(cycles[0]))


def matched(given: I8, marks: I8) -> B1:
    """Return which parts the marks are about: each the latest part not later than it without a mark, else the next."""
    out = np.zeros(len(given), np.bool_)
    for at in marks.tolist():
        before = int(np.searchsorted(given, at, "right")) - 1
        while before >= 0 and out[before]:
            before -= 1
        after = int(np.searchsorted(given, at, "right"))
        if before >= 0:
            out[before] = True
        elif after < len(given):
            out[after] = True
    return out


def _modes(t: I8, state: I8, reason_t: I8, reason: F8) -> I8:
    """Return the reason of each failure: the first one reported during it, else the one that holds at its begin."""
    out = np.zeros(len(t), np.int64)
    if not len(reason_t):
        return out
    ends = np.append(t[1:], 2**62)
    for i in np.flatnonzero((state == State.DOWN) | (state == State.REPAIR)).tolist():
        first = int(np.searchsorted(reason_t, t[i], "left"))
        if first >= len(reason_t) or reason_t[first] >= ends[i]:
            first -= 1
        out[i] = int(reason[first]) if first >= 0 else 0
    return out
