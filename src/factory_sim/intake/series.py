"""Observations by unit and item: in order of time, without repetitions, with the times of silence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.intake.mapping import COUNTERS, Item
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.intake.mapping import ItemMap, SourceMap
    from factory_sim.intake.tally import Tally
    from factory_sim.records import B1, F8, I8, Observations

LATE = "observation later than clock.late, or from a clock set back"
DUPLICATE = "duplicate observation"
FRACTION = "counter of parts with a fraction"
FED_BACK = "power below 0, counted as 0"
_SET_BACK = 3  # late observations in a row, which no straggler explains
_SILENCES = 2  # longest silences that may have passed since a single late observation
_SHOWN = (Item.STATE, *COUNTERS)  # items of which every change is kept
ENERGY_STEP_NS = 10_000_000_000  # energy is kept at this resolution
_EMPTY_T, _EMPTY_V = np.empty(0, np.int64), np.empty(0)
_IN_CYCLE = (State.WAITING, State.DOWN, State.REPAIR)  # states that do not show whether a part is worked on
_NEVER_NS = -(2**63)
_SHORT = 2**16
_WHOLE = 1e-4  # from a whole number, at most; floating point numbers have digits to spare


@dataclass(slots=True)
class Series:
    """One item of one unit: changes only, and the stretches with news."""

    t_ns: list[I8] = field(default_factory=list)
    value: list[F8] = field(default_factory=list)
    gap_ns: list[I8] = field(default_factory=list)  # from the observation before each change
    runs: list[tuple[int, int]] = field(default_factory=list)  # stretches without a silence longer than clock.stale
    heard: int = 0  # observations, repetitions of a value included, duplicates not
    changes: int = 0  # of these, also those that have been forgotten
    waiting: tuple[I8, F8] = (_EMPTY_T, _EMPTY_V)  # younger than the latest less clock.late
    last_ns: int = _NEVER_NS  # of those put in order
    last: float = float("nan")
    joules: float = 0.0
    longest_gap_ns: int = 0
    stale_ns: int = 0  # of its source
    spec: ItemMap | None = None  # how its source reads it
    back: list[tuple[int, int]] = field(default_factory=list)  # when a clock set back had caught up, and its delay
    late: tuple[int, int] = (0, 0)  # late observations in a row, and by how much the first was

    def arrays(self) -> tuple[I8, F8]:
        """Return the times [ns] and values of the changes, shapes (n,)."""
        return np.concatenate([_EMPTY_T, *self.t_ns]), np.concatenate([_EMPTY_V, *self.value])

    def gaps(self) -> I8:
        """Return the time from the observation before each change [ns], shape (n,); empty for power."""
        return np.concatenate([_EMPTY_T, *self.gap_ns])

    def __len__(self) -> int:
        return sum(map(len, self.t_ns)) + len(self.waiting[0])

    def value_at(self, t_ns: int) -> float:
        """Return the value that holds at a time of the past; NaN: it is not known."""
        for t, value in zip(reversed(self.t_ns), reversed(self.value), strict=True):
            if len(t) and t[0] <= t_ns:
                return float(value[int(np.searchsorted(t, t_ns, "right")) - 1])
        return float("nan")

    def forget(self, item: int, before_ns: int) -> None:
        """Drop the changes before a time, except the value that holds then."""
        t, v = self.arrays()
        first = int(np.searchsorted(t, before_ns, "right")) - 1
        if item == Item.STATE:
            shown = np.flatnonzero(~np.isin(v[: first + 1], _IN_CYCLE))
            first = int(shown[-1]) if len(shown) else 0
        first, gaps = max(first, 0), self.gaps()
        self.t_ns, self.value = [t[first:].copy()], [v[first:].copy()]
        self.gap_ns = [gaps[first:].copy()] if len(gaps) else []
        self.runs = [run for run in self.runs[:-1] if run[1] >= before_ns] + self.runs[-1:]
        self.back = [each for each in self.back if each[0] >= before_ns]


class Store:
    """Series of all units and items, filled from chunks in order of arrival. A series has one source."""

    def __init__(self, tally: Tally) -> None:
        self.series: dict[tuple[int, int], Series] = {}
        self.first_ns, self.last_ns = 2**63 - 1, _NEVER_NS  # the earliest and the latest observation
        self.begin_ns = _NEVER_NS  # earlier changes have been forgotten
        self.settled_ns = _NEVER_NS  # earlier observations are late: what they would change has been concluded
        self._tally = tally
        self._times: tuple[I8, bool, int] = (_EMPTY_T, False, 0)  # of the latest chunk: whether they rise, longest gap

    def add(self, found: Observations, source: SourceMap) -> None:
        """Add a chunk of a source. A value that is missing is news of power and signals only."""
        if not len(found):
            return
        if found.unit.strides == found.item.strides == (0,):  # one column of a wide table, without missing values
            self._absorb(int(found.unit[0]), int(found.item[0]), found.t_ns, found.value, source)
            return
        missing = np.isnan(found.value) & (found.item != Item.POWER) & (found.item < Item.SIGNAL)
        if missing.any():
            found = found.take(~missing)
        if not len(found):
            return
        key = found.unit.astype(np.int32) * (int(found.item.max()) + 1) + found.item
        if int(key.max()) < _SHORT:  # which numpy sorts several times as fast
            key = key.astype(np.uint16)
        if (key == key[0]).all():
            self._absorb(int(found.unit[0]), int(found.item[0]), found.t_ns, found.value, source)
            return
        order = np.argsort(key, kind="stable")
        sorted_key = key[order]
        edges = np.flatnonzero(np.diff(sorted_key)) + 1
        for rows in np.split(order, edges):
            unit, item = int(found.unit[rows[0]]), int(found.item[rows[0]])
            self._absorb(unit, item, found.t_ns[rows], found.value[rows], source)

    def __len__(self) -> int:
        """Return the number of changes in memory."""
        return sum(map(len, self.series.values()))

    def settle(self, before_ns: int) -> None:
        """Wait no longer for observations before a time."""
        for (_, item), series in self.series.items():
            t, v = series.waiting
            ripe = int(np.searchsorted(t, before_ns))
            series.waiting = (t[ripe:], v[ripe:])
            self._emit(series, item, t[:ripe], v[:ripe])
        self.settled_ns = before_ns

    def forget(self, before_ns: int) -> None:
        """Drop what was observed before a time, except the values that hold then."""
        for (_, item), series in self.series.items():
            series.forget(item, before_ns)
        self.begin_ns = before_ns

    def finished(self, tally: Tally) -> Store:
        """Return a copy in which everything that still waits is in order; what is skipped meanwhile goes to `tally`."""
        copy = Store(tally)
        copy.first_ns, copy.begin_ns, copy.settled_ns = self.first_ns, self.begin_ns, self.settled_ns
        for (unit, item), series in self.series.items():
            t_ns, value, gaps, runs = ([*each] for each in (series.t_ns, series.value, series.gap_ns, series.runs))
            whole = replace(series, t_ns=t_ns, value=value, gap_ns=gaps, runs=runs)
            self._emit(whole, item, *whole.waiting, tally)
            if whole.heard:
                copy.series[unit, item] = whole
        return copy

    def units_heard(self) -> dict[int, list[tuple[int, int]]]:
        """Return the stretches of each unit without a silence longer than clock.stale, which is part of them."""
        found: dict[int, list[tuple[int, int]]] = {}
        for (unit, _), series in sorted(self.series.items()):
            found.setdefault(unit, []).extend((begin, end + series.stale_ns) for begin, end in series.runs)
        return {unit: _merged(runs) for unit, runs in found.items()}

    def _absorb(self, unit: int, item: int, t: I8, v: F8, source: SourceMap) -> None:
        series, late_ns = self.series.get((unit, item)), source.clock.late_ns
        if item == Item.POWER and (v < 0).any():
            self._tally.where = ""
            self._tally.add(FED_BACK, f"{float(np.nanmin(v)):g} W", int((v < 0).sum()))
            v = np.maximum(v, 0.0)
        if item in COUNTERS and (parted := np.abs(v - np.round(v)) > _WHOLE).any():
            self._tally.where = ""
            self._tally.add(FRACTION, f"{v[parted][0]:.12g}", int(parted.sum()))
        if series is None:
            spec = next((each for each in source.items if each.item == item), None)
            series = self.series[unit, item] = Series(stale_ns=source.clock.stale_ns, spec=spec)
        self.last_ns = max(self.last_ns, int(t.max()))
        if self._is_regular(t, series):
            self.first_ns = min(self.first_ns, int(t[0]))
            if len(series.waiting[0]):
                self._emit(series, item, *series.waiting)
            ripe = int(np.searchsorted(t, int(t[-1]) - late_ns, "right"))
            series.waiting = (t[ripe:].copy(), v[ripe:].copy())
            _emit_regular(series, item, t[:ripe], v[:ripe])
            series.longest_gap_ns = max(series.longest_gap_ns, self._times[2])
            return
        if len(series.waiting[0]):
            t, v = np.concatenate((series.waiting[0], t)), np.concatenate((series.waiting[1], v))
        latest = np.maximum.accumulate(t)
        late = t < np.maximum(latest - late_ns, max(series.last_ns, self.settled_ns))
        _measure_back(series, item, t, v, late, latest)
        if late.any():
            self._tally.where = ""
            self._tally.add(LATE, f"{np.datetime64(int(t[late][0]), 'ns')}Z", int(late.sum()))
            t, v = t[~late], v[~late]
        if not len(t):
            series.waiting = (_EMPTY_T, _EMPTY_V)
            return
        if (np.diff(t) < 0).any():
            order = np.argsort(t, kind="stable")
            t, v = t[order], v[order]
        self.first_ns = min(self.first_ns, int(t[0]))
        ripe = int(np.searchsorted(t, int(latest[-1]) - late_ns, "right"))
        series.waiting = (t[ripe:], v[ripe:])
        self._emit(series, item, t[:ripe], v[:ripe])

    def _is_regular(self, t: I8, series: Series) -> bool:
        """Return whether a chunk follows what came before, in order and without silence: columns share their times."""
        if self._times[0] is not t:
            gaps = np.diff(t)
            self._times = (t, bool(len(gaps)) and bool((gaps > 0).all()), int(gaps.max(initial=0)))
        _, rises, longest_ns = self._times
        before_ns = int(series.waiting[0][-1]) if len(series.waiting[0]) else max(series.last_ns, self.settled_ns)
        return rises and t[0] > before_ns and (not series.stale_ns or longest_ns <= series.stale_ns)

    def _emit(self, series: Series, item: int, t: I8, v: F8, tally: Tally | None = None) -> None:
        if not len(t):
            return
        stale_ns = series.stale_ns
        gaps = np.diff(t, prepend=series.last_ns if series.heard else t[0])
        again = (gaps == 0) & (np.diff(v, prepend=series.last) == 0)
        if again.any():
            self._tally.where = ""
            (tally or self._tally).add(DUPLICATE, f"{np.datetime64(int(t[again][0]), 'ns')}Z", int(again.sum()))
        series.longest_gap_ns = max(series.longest_gap_ns, int(gaps.max()))
        self._add_runs(series, t, gaps, stale_ns)
        if item == Item.POWER:
            times, values = _integrated(series, t, v, gaps, stale_ns)
        else:
            changed = np.flatnonzero(v != np.concatenate(([series.last], v[:-1])))
            changed = _thinned(series, t, v, changed) if item == Item.ENERGY else changed
            times, values = t[changed], v[changed]
            series.gap_ns.append(gaps[changed])
            series.changes += len(times)
        series.heard += len(t) - int(again.sum())
        series.last_ns, series.last = int(t[-1]), float(v[-1])
        series.t_ns.append(times)
        series.value.append(values)

    @staticmethod
    def _add_runs(series: Series, t: I8, gaps: I8, stale_ns: int) -> None:
        silent = np.flatnonzero(gaps > stale_ns) if stale_ns else np.empty(0, np.int64)
        starts, ends = [int(t[0]), *t[silent].tolist()], [*t[silent - 1].tolist(), int(t[-1])]
        if len(silent) and silent[0] == 0:  # the silence lies between two chunks
            starts, ends = starts[1:], ends[1:]
        elif series.runs:
            starts[0] = series.runs.pop()[0]
        series.runs += zip(starts, ends, strict=True)


def _measure_back(series: Series, item: int, t: I8, v: F8, late: B1, latest: I8) -> None:
    """Add the time by which a clock was set back, as late observations that bring news show it.

    One that repeats what is known of its time is a message sent again. A single one by far more than the unit's
    longest silence is a straggler: with a clock set back, the unit would have been silent since.
    """
    if not late.any():
        series.late = (0, 0)
        return
    before, n_before = _Before(series, t[~late], v[~late]), np.cumsum(~late)
    edges = np.append(0, np.flatnonzero(np.diff(late)) + 1)
    for begin, end in zip(edges.tolist(), [*edges[1:].tolist(), len(t)], strict=True):
        if not late[begin]:
            series.late = (0, 0)
            continue
        n, by_ns = series.late
        by_ns = by_ns or int(latest[begin] - t[begin])
        series.late = (n + end - begin, by_ns)
        gap_ns = (by_ns + int(t[end - 1] - t[begin])) // series.late[0]  # it was set back a little earlier
        if series.late[0] < _SET_BACK:
            k = int(n_before[begin])
            is_straggler = by_ns > _SILENCES * before.longest_gap_ns(k)
            if item not in _SHOWN or is_straggler or not before.is_news(k, t[begin:end], v[begin:end]):
                continue
            gap_ns = max(gap_ns, before.usual_gap_ns(k))
        found = (int(latest[begin]), by_ns + 2 * gap_ns)
        if series.back and series.back[-1][0] == found[0]:
            series.back.pop()
        series.back.append(found)


class _Before:
    """What is known of a series before a late observation: what it holds, and the first n of a chunk in time."""

    def __init__(self, series: Series, t: I8, v: F8) -> None:
        self._series, self._t, self._v = series, np.maximum.accumulate(t), v
        self._longest_ns = np.maximum.accumulate(np.diff(self._t, prepend=self._t[:1]))  # up to each observation

    def longest_gap_ns(self, n: int) -> int:
        """Return the longest time between two observations."""
        return max(self._series.longest_gap_ns, int(self._longest_ns[n - 1]) if n else 0)

    def usual_gap_ns(self, n: int) -> int:
        """Return the mean time between two observations."""
        heard = self._series.heard + n
        first_ns = self._series.runs[0][0] if self._series.runs else int(self._t[0]) if n else 0
        return (int(self._t[n - 1]) - first_ns) // max(heard - 1, 1) if n else 0

    def is_news(self, n: int, t: I8, v: F8) -> bool:
        """Return whether late observations differ from what is known of their times."""
        place = np.searchsorted(self._t[:n], t, "right") - 1
        known = [self._v[k] if k >= 0 else self._series.value_at(at) for k, at in zip(place, t.tolist(), strict=True)]
        return bool((np.array(known) != v).any())


def _emit_regular(series: Series, item: int, t: I8, v: F8) -> None:
    if not len(t):
        return
    gap_ns = int(t[0]) - series.last_ns if series.heard else 0
    follows = bool(series.runs) and (not series.stale_ns or gap_ns <= series.stale_ns)
    series.runs.append((series.runs.pop()[0] if follows else int(t[0]), int(t[-1])))
    series.longest_gap_ns = max(series.longest_gap_ns, gap_ns)
    if item == Item.POWER:
        gaps = np.diff(t, prepend=int(t[0]) - gap_ns)
        times, values = _integrated(series, t, v, gaps, series.stale_ns)
    else:
        changed = np.flatnonzero(v[1:] != v[:-1]) + 1
        changed = np.append(0, changed) if v[0] != series.last else changed
        changed = _thinned(series, t, v, changed) if item == Item.ENERGY else changed
        times, values = t[changed], v[changed]
        series.gap_ns.append(times - np.where(changed > 0, t[changed - 1], int(t[0]) - gap_ns))
        series.changes += len(times)
    series.heard += len(t)
    series.last_ns, series.last = int(t[-1]), float(v[-1])
    series.t_ns.append(times)
    series.value.append(values)


def _thinned(series: Series, t: I8, v: F8, changed: I8) -> I8:
    """Return which changes of a meter are kept: the last of every ten seconds, all where it wraps or restarts."""
    if not len(changed) or v[0] < series.last or (v[1:] < v[:-1]).any():
        return changed
    step = t[changed] // ENERGY_STEP_NS
    keep = np.append(step[1:] != step[:-1], [True])
    keep[0] |= not series.heard  # from which energy is counted
    found: I8 = changed[keep]
    return found


def _integrated(series: Series, t: I8, v: F8, gaps: I8, stale_ns: int) -> tuple[I8, F8]:
    """Return the energy [J] since the first reading: each power holds until the next one, at most for clock.stale."""
    held = np.concatenate(([series.last if series.heard else 0.0], v[:-1]))
    spans = np.minimum(gaps, stale_ns) if stale_ns else gaps
    joules = series.joules + np.cumsum(np.nan_to_num(held) * spans * 1e-9)
    series.joules = float(joules[-1])
    step = t // ENERGY_STEP_NS
    keep = np.concatenate((step[1:] != step[:-1], [True]))
    return t[keep], joules[keep]


def is_newest_first(t: I8) -> bool:
    """Return whether the times of a chunk fall nearly everywhere: not where a clock was set back."""
    if len(t) < _SET_BACK or t[0] <= t[-1]:
        return False
    steps = np.diff(t)
    return int((steps < 0).sum()) > _SET_BACK * int((steps > 0).sum())


def _merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(runs):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
