"""Samples by the minute: exact sums of counts, merged with what a database has so that no reading counts twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.clock import NS_PER_US
from factory_sim.recordings.hour_pages import Pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from factory_sim.recordings.hour_pages import Page
    from factory_sim.records import B1, I4, I8, Meta, Readings

MINUTE_US = 60_000_000
_INT4 = np.iinfo(np.int32)


class Stored(NamedTuple):
    """What a database has of one sensor in one minute."""

    n: int
    total: int
    low: int
    high: int
    seen: bytes | None  # one bit per tick; None: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Sums of the counts of some sensors in some minutes. Columns (n,)."""

    sensor: I4
    time_us: I8  # begin of the minute, since 1970 UTC
    n: I4
    total: I8
    low: I4
    high: I4
    seen: list[str | None]  # hexadecimal


class OpenMinutes:
    """The samples of a run that are not in the database yet, by minutes of the clock."""

    def __init__(self, meta: Meta) -> None:
        self._epoch_us = meta.epoch_ns // NS_PER_US
        periods = sorted({s.period_us for s in meta.sensors})
        shift_us = self._epoch_us % MINUTE_US
        self._pages = [Pages(q, meta.sensors, page_us=MINUTE_US, shift_us=shift_us) for q in periods]

    def add(self, readings: Readings) -> None:
        """Take samples in any order; one that arrives again replaces itself."""
        for samples in readings.samples:
            for pages in self._pages:
                if pages.period_us == samples.period_us:
                    pages.add(samples)

    def times_us(self) -> list[int]:
        """Return the minutes that have samples, since 1970 UTC."""
        return sorted({self._time_us(pages, page) for pages in self._pages for page in pages.pages})

    def merged(self, stored: Mapping[tuple[int, int], Stored]) -> Minutes:
        """Return what the database must contain. `stored`: what it has, by (time_us, sensor)."""
        return _joined([self._merged(pages, page, stored) for pages in self._pages for page in pages.pages])

    def _time_us(self, pages: Pages, page: Page) -> int:
        us = page.first * pages.period_us + self._epoch_us
        return us - us % MINUTE_US

    def _merged(self, pages: Pages, page: Page, stored: Mapping[tuple[int, int], Stored]) -> Minutes:
        time_us, sensors = self._time_us(pages, page), pages.sensor.tolist()
        known = [stored.get((time_us, sensor)) for sensor in sensors]
        before = _seen(known, len(page.raw))
        fresh = page.present & ~before
        low = np.where(fresh, page.raw, _INT4.max).min(axis=0)
        high = np.where(fresh, page.raw, _INT4.min).max(axis=0)
        n, total = fresh.sum(axis=0), np.where(fresh, page.raw, 0).sum(axis=0, dtype=np.int64)
        for j, each in enumerate(known):
            if each is not None:
                n[j], total[j] = n[j] + each.n, total[j] + each.total
                low[j], high[j] = min(low[j], each.low), max(high[j], each.high)
        both = before | page.present
        change = np.flatnonzero(fresh.any(axis=0))
        return Minutes(
            sensor=pages.sensor[change].astype(np.int32),
            time_us=np.full(len(change), time_us),
            n=n[change].astype(np.int32),
            total=total[change],
            low=low[change],
            high=high[change],
            seen=_bits(both[:, change]),
        )


def _seen(known: Sequence[Stored | None], n_ticks: int) -> B1:
    """Return which ticks (n_ticks,) of each sensor are contained in the sums of a database."""
    seen = np.zeros((n_ticks, len(known)), np.bool_)
    for j, each in enumerate(known):
        if each is not None:
            bits = None if each.seen is None else np.frombuffer(each.seen, np.uint8)
            seen[:, j] = True if bits is None else np.unpackbits(bits, count=n_ticks)
    return seen


def _bits(seen: B1) -> list[str | None]:
    packed = np.packbits(seen, axis=0).T
    complete: B1 = np.all(seen, axis=0)
    return [None if complete[j] else "\\x" + packed[j].tobytes().hex() for j in range(seen.shape[1])]


def _joined(pieces: Iterable[Minutes]) -> Minutes:
    found = list(pieces)
    columns = {
        name: np.concatenate([np.zeros(0, np.int64), *(getattr(each, name) for each in found)])
        for name in ("sensor", "time_us", "n", "total", "low", "high")
    }
    return Minutes(**columns, seen=[text for each in found for text in each.seen])
