"""Statistics of samples by minute; each reading counts once, in any order of arrival and however often it arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.kernels import block_sums as kernels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.records import B1, F8, I2, I4, I8, Samples, SensorInfo, Window

BLOCK_US = 60_000_000
_PAGE_BLOCKS = 60  # memory is allocated by the hour
_PAGE_US = _PAGE_BLOCKS * BLOCK_US
_GROUPS_KEPT = 4096
_NEVER = 2**62
_NO_MASK = np.zeros((0, 0), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Statistics of all sensors of one period in raw counts. Columns have shape (n_blocks, n_sensors).

    Block b is the minute [b, b + 1) x 60 s after the run's start. Where count is 0 the others are undefined.
    """

    period_us: int
    block: I8  # (n_blocks,), increasing
    sensor: I8  # (n_sensors,): ids, increasing
    count: I4
    total: I8
    low: I4
    high: I4
    first_tick: I8
    first_raw: I4
    last_tick: I8
    last_raw: I4

    def mean(self) -> F8:
        """Return the mean raw count, NaN where there is none."""
        with np.errstate(invalid="ignore"):
            return self.total / np.where(self.count > 0, self.count, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class DroppedReadings:
    """What is known of the readings of one period that have been dropped."""

    from_tick: int
    counts: I8  # (3,): duplicate, foreign and late readings
    dropped: I8  # (n_sensors,): readings
    began: I8  # (n_sensors,): first tick


class _Page:
    """One hour of one period: running statistics, and one bit for each reading that has been counted."""

    def __init__(self, first_tick: int, n_ticks: int, n_sensors: int) -> None:
        self.first_tick = first_tick
        shape = (_PAGE_BLOCKS, n_sensors)
        self.seen = np.zeros((n_ticks, (n_sensors + 7) // 8), np.uint8)
        self.count = np.zeros(shape, np.int32)
        self.total = np.zeros(shape, np.int64)
        self.low, self.high = np.full(shape, 2**31 - 1, np.int32), np.full(shape, -(2**31), np.int32)
        self.tick0, self.tick1 = np.full(shape, 2**31 - 1, np.int32), np.full(shape, -1, np.int32)
        self.raw0, self.raw1 = np.zeros(shape, np.int32), np.zeros(shape, np.int32)

    def columns(self) -> tuple[np.ndarray, ...]:
        """Return the statistics in the order of the kernel's arguments."""
        return (self.count, self.total, self.low, self.high, self.tick0, self.raw0, self.tick1, self.raw1)


class BlockStore:
    """The samples of one period within the window."""

    def __init__(self, period_us: int, sensors: Iterable[SensorInfo], window: Window) -> None:
        self.period_us = period_us
        self.sensor = np.array(sorted(s.id for s in sensors), np.int64)
        self.first_tick = -(-window.t0_us // period_us)
        self.stop_tick = -(-window.t1_us // period_us)
        self.duplicates = 0
        self.foreign = 0  # readings of unknown sensors or from outside the window
        self.late = 0  # readings of a time that had been dropped when they arrived
        self._dropped = np.zeros(len(self.sensor), np.int64)  # readings of each sensor
        self._began = np.full(len(self.sensor), _NEVER)  # first tick of each sensor in what was dropped
        self._from_tick = self.first_tick  # earlier ones have been dropped
        self._pages: dict[int, _Page] = {}
        self._known: dict[bytes, tuple[I8, B1 | None]] = {}

    def add(self, samples: Samples) -> None:
        """Count readings that have not been counted before."""
        column, known = self._columns_of(samples.sensor)
        raw, present = samples.raw, samples.present
        offered = raw.size if present is None else int(present.sum())
        if known is not None:
            raw, present = raw[:, known], None if present is None else present[:, known]
        skip = min(max(self._from_tick - samples.first_tick, 0), len(raw))
        keep = max(min(len(raw), self.stop_tick - samples.first_tick), skip)
        raw, mask = raw[skip:keep], _NO_MASK if present is None else present[skip:keep]
        unused = offered - (raw.size if present is None else int(mask.sum()))
        if samples.first_tick + skip <= self._from_tick > self.first_tick and skip:
            self.late += unused
        else:
            self.foreign += unused
        self._count(samples.first_tick + skip, np.ascontiguousarray(raw, np.int32), mask, column)

    def extend(self, window: Window) -> None:
        """Accept readings up to the end of a longer window."""
        self.stop_tick = max(self.stop_tick, -(-window.t1_us // self.period_us))

    def forget(self, before_us: int) -> None:
        """Drop whole hours up to the minute before `before_us`, in which a meter may have been read last."""
        gone = [number for number in self._pages if (number + 1) * _PAGE_US <= before_us - BLOCK_US]
        for page in (self._pages.pop(number) for number in gone):
            self._dropped += page.count.sum(axis=0)
            first = page.tick0.min(axis=0).astype(np.int64) + page.first_tick
            self._began = np.where(page.count.any(axis=0), np.minimum(self._began, first), self._began)
            self._from_tick = max(self._from_tick, page.first_tick + len(page.seen))

    def state(self) -> DroppedReadings:
        """Return what is known of the dropped readings."""
        counts = np.array([self.duplicates, self.foreign, self.late])
        return DroppedReadings(self._from_tick, counts, self._dropped.copy(), self._began.copy())

    def restore(self, state: DroppedReadings) -> None:
        """Continue with what is known of dropped readings."""
        self._from_tick, self._dropped, self._began = state.from_tick, state.dropped, state.began
        self.duplicates, self.foreign, self.late = state.counts.tolist()

    def _columns_of(self, sensor: I2) -> tuple[I8, B1 | None]:
        """Return the column of each known sensor, and a mask unless all are known; feeds repeat few groups."""
        key = sensor.tobytes()
        found = self._known.get(key)
        if found is None:
            column = np.searchsorted(self.sensor, sensor).astype(np.int64)
            known = self.sensor[np.minimum(column, len(self.sensor) - 1)] == sensor
            found = (column, None) if known.all() else (column[known], known)
            if len(self._known) >= _GROUPS_KEPT:
                self._known.clear()
            self._known[key] = found
        return found

    def _count(self, tick: int, raw: I4, mask: np.ndarray, column: I8) -> None:
        while len(raw):
            page = self._page(tick * self.period_us // _PAGE_US)
            n = min(len(raw), page.first_tick + len(page.seen) - tick)
            block = (tick + np.arange(n)) * self.period_us // BLOCK_US % _PAGE_BLOCKS
            here, shown = tick - page.first_tick, np.ascontiguousarray(mask[:n])
            self.duplicates += int(kernels.scatter(raw[:n], shown, here, column, block, page.seen, *page.columns()))
            tick, raw, mask = tick + n, raw[n:], mask[n:]

    def _page(self, number: int) -> _Page:
        page = self._pages.get(number)
        if page is None:
            first = -(-number * _PAGE_US // self.period_us)
            stop = -(-(number + 1) * _PAGE_US // self.period_us)
            page = self._pages[number] = _Page(first, stop - first, len(self.sensor))
        return page

    @property
    def counted(self) -> int:
        """Number of distinct readings that have arrived."""
        return int(self._dropped.sum()) + self.kept

    @property
    def kept(self) -> int:
        """Number of distinct readings that have not been dropped."""
        return sum(int(page.count.sum()) for page in self._pages.values())

    def reached(self) -> int:
        """Return the tick that most sensors have reached, -1 at first."""
        last = np.full(len(self.sensor), -1)
        for page in self._pages.values():
            there = page.tick1.max(axis=0)
            last = np.maximum(last, np.where(there >= 0, there + page.first_tick, -1))
        return int(np.median(last))

    def gaps(self) -> int:
        """Return the number of readings missing between each sensor's first and last one."""
        first, last, count = self._began, np.full(len(self.sensor), -1), self._dropped.copy()
        for page in self._pages.values():
            here = page.count.sum(axis=0)
            begin, end = (page.first_tick + each.astype(np.int64) for each in (page.tick0.min(0), page.tick1.max(0)))
            first = np.where(here > 0, np.minimum(first, begin), first)
            last = np.where(here > 0, np.maximum(last, end), last)
            count += here
        return int((np.where(last >= 0, last - first + 1, 0) - count).sum())

    def blocks(self) -> Blocks:
        """Return the statistics so far, without empty blocks."""
        pages = sorted(self._pages.items())
        if not pages:
            pages = [(0, _Page(0, 0, len(self.sensor)))]
        columns = [np.concatenate(each) for each in zip(*(page.columns() for _, page in pages), strict=True)]
        block = np.concatenate([number * _PAGE_BLOCKS + np.arange(_PAGE_BLOCKS) for number, _ in pages])
        offset = np.repeat([page.first_tick for _, page in pages], _PAGE_BLOCKS)[:, None]
        columns[4], columns[6] = columns[4] + offset, columns[6] + offset
        used = columns[0].any(axis=1)
        return Blocks(self.period_us, block[used], self.sensor, *(column[used] for column in columns))
