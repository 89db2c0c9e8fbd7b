"""Readings to event log and block statistics: ordered, without duplicates, with all losses counted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import checkpoint, topology
from factory_sim.analysis.blocks import BlockStore
from factory_sim.analysis.kernels import order as kernels
from factory_sim.analysis.kernels.row_tables import Role
from factory_sim.clock import us_from_ns
from factory_sim.plant.states import N_STATES, Outcome
from factory_sim.records import ROW_READINGS, EventLog, Rows

if TYPE_CHECKING:
    from factory_sim.analysis.blocks import Blocks, DroppedReadings
    from factory_sim.records import B1, I2, I4, I8, Meta, Readings

_SEQ_BITS = 46  # of a sort key; the unit stands above
_FAR_NS = 2**62
_UNPLACED = 2**62
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Losses:
    """Received and missing readings of a feed (a row counts as four)."""

    received: int
    duplicates: int
    lost: int
    damaged: int  # rows that contradict the plant, the clock or an earlier copy of themselves
    foreign: int  # samples of unknown sensors or from outside the window
    lost_rows: tuple[int, ...]  # by unit, since what `Feed.forget` has dropped
    late: int = 0  # readings of a time that had been dropped when they arrived

    @property
    def distrusted(self) -> tuple[int, ...]:
        """Units whose states and parts are incomplete."""
        return tuple(unit for unit, rows in enumerate(self.lost_rows) if rows)


@dataclass(frozen=True, slots=True, eq=False)
class _PlacedRows(Rows):
    """Rows with their place in causal order, from 0; _UNPLACED where it has to be derived."""

    place: I8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FeedState:
    """A feed without its readings from `from_us` on: with them it continues."""

    begin_us: int  # of its window, or when its listener joined
    from_us: int
    rows: Rows  # earlier ones that later windows need, in causal order
    counts: I8  # (5,): readings received, rows twice, damaged and late, readings of unknown sensors
    lost: I8  # (2, n_units): rows dropped, and missing before `from_us`
    loads: I8  # (2, n_units) of kernels.line
    way: I4  # of Topology, with conveyors
    samples: dict[int, DroppedReadings]  # by period


class Feed:
    """Readings in any order, with duplicates and gaps; returns the log and the statistics of the samples.

    `forget` drops what no later window needs, so that a feed of months fits in memory.
    """

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        self._topology = topology.of(meta)
        self._rows: list[_PlacedRows] = []
        self._tidy = True  # _rows is one piece, ordered by unit and number, without duplicates
        self._numbers = np.empty(0, np.int64)  # of these rows: sequence numbers that never restart
        self._received = self._row_duplicates = self._damaged_rows = self._late_rows = 0
        self._stores = {
            period: BlockStore(period, [s for s in meta.sensors if s.period_us == period], meta.window)
            for period in sorted({s.period_us for s in meta.sensors})
        }
        self._foreign = 0
        n_units = len(meta.units)
        self.from_us = -_FAR_NS  # earlier rows have been dropped, or are in order already
        self._latest_us = meta.window.t0_us  # time of the latest row
        self._dropped_rows, self._lost_before = np.zeros(n_units, np.int64), np.zeros(n_units, np.int64)
        self._loads, self._way = np.zeros((2, n_units), np.int64), self._topology.way

    def add(self, readings: Readings) -> None:
        """Add readings."""
        self._received += readings.count()
        if len(readings.rows):
            rows = _unplaced(self._in_time(readings.rows))
            self._rows.append(rows)
            self._tidy = False
            latest_us = int(us_from_ns(rows.t_ns.max(initial=0), self.meta.epoch_ns))
            if self._latest_us < latest_us < self._latest_us + _DAY_US:  # else it is damaged
                self._latest_us = latest_us
        for samples in readings.samples:
            store = self._stores.get(samples.period_us)
            if store is None:
                self._foreign += samples.raw.size if samples.present is None else int(samples.present.sum())
            else:
                store.add(samples)

    def _in_time(self, rows: Rows) -> Rows:
        late = rows.t_ns < self._ns(self.from_us)
        if not late.any():
            return rows
        self._late_rows += int(late.sum())
        return rows.take(~late)

    def _ns(self, us: int) -> int:
        return self.meta.epoch_ns + us * 1000 if us > -_FAR_NS else -_FAR_NS

    def reached_us(self) -> int:
        """Return the time that most sensors have reached; of a plant without sensors, that of the latest row."""
        if not self._stores:
            return self._latest_us
        store = self._stores[min(self._stores)]
        return max(store.reached() * store.period_us, self.meta.window.t0_us)

    def finish(self, meta: Meta) -> None:
        """Set a newer description: a later end of the window, or the final numbers of rows and ticks sent."""
        self.meta, self._latest_us = meta, max(self._latest_us, meta.window.t0_us)
        for store in self._stores.values():
            store.extend(meta.window)

    def log(self) -> EventLog:
        """Return every row so far in causal order, without causes."""
        rows, t_us = self._ordered()
        return _log(rows, t_us)

    def forget(self, before_us: int) -> None:
        """Drop what no window from `before_us` on needs. Readings of an earlier time are late from then on."""
        rows, t_us = self._ordered()
        first = int(np.searchsorted(t_us, before_us))
        before, after = slice(first), slice(first, None)
        kept = checkpoint.kept_rows(_log(rows.take(before), t_us[before]), self.meta)
        place = np.concatenate((np.arange(len(kept)), np.full(len(rows) - first, _UNPLACED)))
        index = np.concatenate((kept, np.arange(len(rows))[after]))
        self._count_dropped(before_us)
        self._keep_loads(rows.take(before), t_us[before], kept)
        self._rows, self._tidy = [replace(rows.take(index), place=place)], False
        self.from_us = before_us
        for store in self._stores.values():
            store.forget(before_us)

    def state(self) -> FeedState:
        """Return what remains of the dropped readings. Received are then those that arrived before `from_us`."""
        rows, _ = self._ordered()
        placed = rows.place < _UNPLACED
        here = ROW_READINGS * int((~placed).sum()) + sum(store.kept for store in self._stores.values())
        counts = (self._received - here, self._row_duplicates, self._damaged_rows, self._late_rows, self._foreign)
        kept = rows.take(placed)
        return FeedState(
            begin_us=self.meta.window.t0_us,
            from_us=self.from_us,
            rows=Rows(*(getattr(kept, each.name) for each in fields(Rows))),
            counts=np.array(counts),
            lost=np.stack((self._dropped_rows, self._lost_before)),
            loads=self._loads.copy(),
            way=self._way,
            samples={period: store.state() for period, store in self._stores.items()},
        )

    def restore(self, state: FeedState) -> None:
        """Continue a feed: before any readings are added, those from `state.from_us` on."""
        self.from_us, self._loads, self._way = state.from_us, state.loads, state.way
        self._dropped_rows, self._lost_before = state.lost
        received, self._row_duplicates, self._damaged_rows, self._late_rows, self._foreign = state.counts.tolist()
        self._received, self._tidy = received, False
        self._rows = [replace(_unplaced(state.rows), place=np.arange(len(state.rows)))]
        for period, each in state.samples.items():
            if period in self._stores:
                self._stores[period].restore(each)

    def _count_dropped(self, before_us: int) -> None:
        """Count lost rows up to `before_us` for good, and those that are present."""
        rows, n_units = self._tidied(), len(self.meta.units)
        early = rows.t_ns < self._ns(before_us)
        new = early & (rows.t_ns >= self._ns(self.from_us))
        self._lost_before += self._gaps(rows.take(early), self._numbers[early])
        self._dropped_rows += np.bincount(rows.unit[new], minlength=n_units)

    def _keep_loads(self, rows: Rows, t_us: I8, kept: I8) -> None:
        """Keep what each carrier carries, less what the kept rows say, and the largest load so far."""
        change = (rows.outcome == Outcome.TOOK).astype(np.int64) - (rows.outcome == Outcome.PASSED)
        load, most = self._loads
        for unit in np.flatnonzero(self._topology.units["role"] == Role.CARRIER).tolist():
            mine = np.flatnonzero(rows.unit == unit)
            if len(mine):
                loads, ends = load[unit] + np.cumsum(change[mine]), np.diff(t_us[mine], append=_FAR_NS) > 0
                most[unit] = max(most[unit], int(loads[ends].max()))
                load[unit] = loads[-1] - int(change[kept[rows.unit[kept] == unit]].sum())

    def _ordered(self) -> tuple[_PlacedRows, I8]:
        """Return every row so far in causal order, and their times."""
        rows = self._tidied()
        t_us = us_from_ns(rows.t_ns, self.meta.epoch_ns)
        by_time = np.lexsort((rows.place, t_us))
        rows, t_us = rows.take(by_time), t_us[by_time]
        packed, n_parts = topology.packed(rows, t_us, self._numbers[by_time])
        where, order = self._topology, np.empty(len(rows), np.int64)
        self._way = topology.ways_with_conveyors(self.meta, self._way, packed)
        line = kernels.line(packed, n_parts, where.units, self._way, where.capacity, where.rack, self._loads)
        kernels.arrange(line, order, int((rows.place < _UNPLACED).sum()))
        return rows.take(order), t_us[order]

    def blocks(self) -> tuple[Blocks, ...]:
        """Return the statistics of the samples so far, one per period."""
        return tuple(store.blocks() for store in self._stores.values())

    def losses(self) -> Losses:
        """Return the numbers of received, duplicate, lost and damaged readings."""
        rows, stores = self._tidied(), self._stores.values()
        lost_rows = self._lost_rows(rows)
        return Losses(
            received=self._received,
            duplicates=ROW_READINGS * self._row_duplicates + sum(store.duplicates for store in stores),
            lost=ROW_READINGS * int((lost_rows + self._lost_before).sum()) + self._lost_samples(),
            damaged=ROW_READINGS * self._damaged_rows,
            foreign=self._foreign + sum(store.foreign for store in stores),
            lost_rows=tuple(lost_rows.tolist()),
            late=ROW_READINGS * self._late_rows + sum(store.late for store in stores),
        )

    def _tidied(self) -> _PlacedRows:
        if not self._tidy:
            self._rows = [self._sorted(_PlacedRows.join(self._rows))]
            self._tidy = True
        return self._rows[0] if self._rows else _PlacedRows.empty()

    def _sorted(self, rows: _PlacedRows) -> _PlacedRows:
        good = self._possible(rows)
        self._damaged_rows += len(rows) - int(good.sum())
        rows = rows.take(good)
        numbers = rows.seq
        key = _key(rows, numbers)
        by_number = np.argsort(key, kind="stable")
        if _may_restart(rows.take(by_number)):
            numbers = renumbered(rows)
            key = _key(rows, numbers)
            by_number = np.argsort(key, kind="stable")
        again = np.diff(key[by_number]) == 0
        if again.any():  # the choice among different copies must not depend on the order of arrival
            by_number = np.lexsort((rows.detail, rows.outcome, rows.part, rows.state, rows.t_ns, key))
            by_number = by_number[self._firsts(rows.take(by_number), again)]
        rows = rows.take(by_number)
        straight = _rising(rows)
        self._damaged_rows += len(rows) - int(straight.sum())
        self._numbers = numbers[by_number][straight]
        return rows.take(straight)

    def _firsts(self, rows: Rows, again: B1) -> B1:
        """Count further copies of rows in order of their numbers. Return which rows are the first ones."""
        columns = (rows.t_ns, rows.state, rows.part, rows.outcome, rows.detail)
        same = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
        self._row_duplicates += int((again & same).sum())
        self._damaged_rows += int((again & ~same).sum())
        return np.concatenate(([True], ~again))

    def _possible(self, rows: Rows) -> B1:
        epoch_ns = self.meta.epoch_ns
        possible: B1 = (
            (rows.unit >= 0)
            & (rows.unit < len(self.meta.units))
            & (rows.seq >= 0)
            & (rows.seq < 1 << _SEQ_BITS)
            & (rows.state < N_STATES)
            & (rows.outcome < len(Outcome))
            & (rows.part >= -1)
            & (rows.t_ns >= epoch_ns)
            & (rows.t_ns < _FAR_NS)
        )
        return possible

    def _lost_rows(self, rows: Rows) -> I8:
        if not self.meta.sent_rows:
            return self._gaps(rows, self._numbers)
        here = np.bincount(rows.unit[rows.t_ns >= self._ns(self.from_us)], minlength=len(self.meta.units))
        sent = np.array(self.meta.sent_rows, np.int64) - self._dropped_rows - self._lost_before
        missing: I8 = np.maximum(sent - here, 0)
        return missing

    def _gaps(self, rows: Rows, numbers: I8) -> I8:
        """Return the rows missing from the last opening or kept row of each unit on, where every number is expected."""
        n_units, t0_us = len(self.meta.units), self.meta.window.t0_us
        opening = rows.t_ns < max(self._ns(t0_us), self._ns(self.from_us))
        first = _largest(rows.unit[opening], numbers[opening], n_units)
        begins = np.full(n_units, 2**62)
        np.minimum.at(begins, rows.unit[~opening], numbers[~opening])
        first = np.where(first >= 0, first, -1 if t0_us == 0 else begins - 1)
        last = _largest(rows.unit[~opening], numbers[~opening], n_units)
        inside = np.bincount(rows.unit[~opening], minlength=n_units)
        lost: I8 = np.where(last >= 0, np.maximum(last - first - inside, 0), 0)
        return lost

    def _lost_samples(self) -> int:
        if not self.meta.sent_ticks:
            return sum(store.gaps() for store in self._stores.values())
        known = [(self._stores[period], ticks) for period, _, ticks in self.meta.sent_ticks if period in self._stores]
        sent = sum(ticks * len(store.sensor) for store, ticks in known)
        return max(sent - sum(store.counted for store in self._stores.values()), 0)


def _unplaced(rows: Rows) -> _PlacedRows:
    columns = {each.name: getattr(rows, each.name) for each in fields(Rows)}
    return _PlacedRows(**columns, place=np.full(len(rows), _UNPLACED))


def _log(rows: Rows, t_us: I8) -> EventLog:
    cause = np.full(len(rows), -1, np.int32)
    return EventLog(t_us, rows.unit, rows.state, rows.part, rows.outcome, rows.detail, cause)


def _largest(unit: I2, seq: I8, n_units: int) -> I8:
    largest = np.full(n_units, -1)
    np.maximum.at(largest, unit, seq)
    return largest


def _key(rows: Rows, numbers: I8) -> I8:
    key: I8 = (rows.unit.astype(np.int64) << _SEQ_BITS) | numbers
    return key


def _may_restart(rows: Rows) -> bool:
    """Return whether rows in order of unit and sequence number contradict the order of their times."""
    same_unit, same_number, step_ns = np.diff(rows.unit) == 0, np.diff(rows.seq) == 0, np.diff(rows.t_ns)
    return bool((same_unit & ((step_ns < 0) | (same_number & (step_ns != 0)))).any())


def renumbered(rows: Rows) -> I8:
    """Return numbers that continue where a gateway restarted its own: a new epoch.

    An epoch begins with a lower number at a later time, and further numbers that rise from there; 0 may stand alone at
    the end. Anything else is a late, duplicate or damaged row of its epoch.
    """
    numbers = rows.seq.copy()
    in_time = np.lexsort((rows.seq, rows.t_ns, rows.unit))
    for own in np.split(in_time, np.flatnonzero(np.diff(rows.unit[in_time])) + 1):
        is_first = np.concatenate(([True], (np.diff(rows.seq[own]) != 0) | (np.diff(rows.t_ns[own]) != 0)))
        seq, t_ns = rows.seq[own][is_first], rows.t_ns[own][is_first]
        shift, begin, base = np.zeros(len(seq), np.int64), 0, 0
        while begin < len(seq):
            end = _end_of_epoch(seq, t_ns, begin)
            shift[begin:end] = base
            base += int(seq[begin:end].max()) + 1 - (int(seq[end]) if end < len(seq) else 0)
            begin = end
        numbers[own] += shift[np.cumsum(is_first) - 1]
    return numbers


def _end_of_epoch(seq: I8, t_ns: I8, begin: int) -> int:
    """Return where the next epoch of a unit begins, in order of time."""
    highest = np.maximum.accumulate(seq[begin:])
    lower = (seq[begin + 1 :] < highest[:-1]) & (t_ns[begin + 1 :] > t_ns[begin:-1])
    for i in (np.flatnonzero(lower) + begin + 1).tolist():
        if seq[i] < seq[i + 1] <= highest[i - begin - 1] if i + 1 < len(seq) else seq[i] == 0:
            return int(i)
    return len(seq)


def _rising(rows: Rows) -> B1:
    """Return which rows have times that fit their neighbours; the times of a unit never decrease."""
    keep = np.ones(len(rows), np.bool_)
    same = rows.unit[1:] == rows.unit[:-1]
    falls = np.flatnonzero(same & (np.diff(rows.t_ns) < 0)) + 1
    for i in falls.tolist():  # few: each is a damaged row
        ahead = i + 1 < len(rows) and rows.unit[i + 1] == rows.unit[i] and rows.t_ns[i + 1] < rows.t_ns[i - 1]
        keep[i - 1 if ahead and keep[i - 1] else i] = False
    level, unit = -(2**63), -1
    for i in np.flatnonzero(keep).tolist() if len(falls) else ():
        level = level if rows.unit[i] == unit else -(2**63)
        unit, keep[i] = rows.unit[i], rows.t_ns[i] >= level
        level = max(level, int(rows.t_ns[i]))
    return keep
