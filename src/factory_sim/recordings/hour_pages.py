"""The grid of recent samples in memory: an hour or so of ticks x sensors per page, filled in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from factory_sim.records import B1, I2, I4, I8, Samples, SensorInfo

PAGE_US = 3_600_000_000
_GROUPS_KEPT = 4096


class Page:
    """The ticks [first, first + n) of all sensors of one period."""

    def __init__(self, first: int, n_ticks: int, n_sensors: int) -> None:
        self.first = first
        self.raw: I4 = np.zeros((n_ticks, n_sensors), np.int32)
        self.present: B1 = np.zeros((n_ticks, n_sensors), np.bool_)
        self.unsaved: B1 = np.zeros(n_ticks, np.bool_)

    @property
    def stop(self) -> int:
        """The first tick after the page."""
        return self.first + len(self.raw)


class Pages:
    """The pages of one period that are not in a Parquet file yet."""

    def __init__(
        self, period_us: int, sensors: Iterable[SensorInfo], *, page_us: int = PAGE_US, shift_us: int = 0
    ) -> None:
        """Begin without pages; their borders lie `shift_us` before multiples of `page_us` since the run's start."""
        chosen = sorted((s for s in sensors if s.period_us == period_us), key=lambda s: s.id)
        self.period_us, self._page_us, self._shift_us = period_us, page_us, shift_us
        self.sensor: I2 = np.array([s.id for s in chosen], np.int16)
        self.bits = [s.bits for s in chosen]
        self.newest = -1  # tick
        self.foreign = 0  # readings of sensors that the description does not contain
        self._pages: dict[int, Page] = {}
        self._columns: dict[bytes, tuple[I8, B1 | None]] = {}

    def add(self, samples: Samples) -> None:
        """Put samples into their cells; a reading that arrives twice overwrites itself."""
        column, known = self._columns_of(samples.sensor)
        raw, present, tick = samples.raw, samples.present, samples.first_tick
        if known is not None:
            self.foreign += len(raw) * int((~known).sum())
            raw, present = raw[:, known], None if present is None else present[:, known]
        whole = np.array_equal(column, np.arange(len(self.sensor)))
        while len(raw):
            page = self._page(tick)
            n = min(len(raw), page.stop - tick)
            at = slice(tick - page.first, tick - page.first + n)
            _put(page, at, raw[:n], None if present is None else present[:n], None if whole else column)
            tick, raw, present = tick + n, raw[n:], None if present is None else present[n:]
        self.newest = max(self.newest, tick - 1)

    def unsaved(self) -> Iterator[tuple[I8, I4, B1]]:
        """Yield ticks with cells that changed since the last call: ticks (n,), counts and presence (n, n_sensors)."""
        for page in self._pages.values():
            rows = np.flatnonzero(page.unsaved)
            page.unsaved[:] = False
            if len(rows):
                yield page.first + rows, page.raw[rows], page.present[rows]

    def restore(self, ticks: I8, raw: I4, present: B1) -> None:
        """Put saved ticks back."""
        for i, tick in enumerate(ticks.tolist()):
            page = self._page(tick)
            page.raw[tick - page.first], page.present[tick - page.first] = raw[i], present[i]
            self.newest = max(self.newest, tick)

    def take_before(self, tick: int) -> list[Page]:
        """Remove and return the pages that end at or before `tick`, in order of time."""
        done = sorted(number for number, page in self._pages.items() if page.stop <= tick)
        return [self._pages.pop(number) for number in done]

    def mark_all_unsaved(self) -> None:
        """Mark every tick that has readings as unsaved, for a new tail file."""
        for page in self._pages.values():
            page.unsaved[:] = page.present.any(axis=1)

    @property
    def pages(self) -> list[Page]:
        """The pages in order of time."""
        return [self._pages[number] for number in sorted(self._pages)]

    def _page(self, tick: int) -> Page:
        number = (tick * self.period_us + self._shift_us) // self._page_us
        page = self._pages.get(number)
        if page is None:
            starts_us = (n * self._page_us - self._shift_us for n in (number, number + 1))
            first, stop = (-(-us // self.period_us) for us in starts_us)
            page = self._pages[number] = Page(first, stop - first, len(self.sensor))
        return page

    def _columns_of(self, sensor: I2) -> tuple[I8, B1 | None]:
        """Return the column of each known sensor, and a mask unless all are known; feeds repeat few groups."""
        key = sensor.tobytes()
        found = self._columns.get(key)
        if found is None:
            column = np.searchsorted(self.sensor, sensor).astype(np.int64)
            known = self.sensor[np.minimum(column, len(self.sensor) - 1)] == sensor
            found = (column, None) if known.all() else (column[known], known)
            if len(self._columns) >= _GROUPS_KEPT:
                self._columns.clear()
            self._columns[key] = found
        return found


def _put(page: Page, at: slice, raw: I4, present: B1 | None, column: I8 | None) -> None:
    """Write counts into rows `at` of a page; `column` None: every column, in order."""
    page.unsaved[at] = True
    if column is None and present is None:
        page.raw[at], page.present[at] = raw, True
    elif present is None:
        page.raw[at, column], page.present[at, column] = raw, True
    else:
        columns = np.arange(page.raw.shape[1]) if column is None else column
        tick, cell = np.nonzero(present)
        page.raw[at.start + tick, columns[cell]] = raw[tick, cell]
        page.present[at.start + tick, columns[cell]] = True
