"""The samples of the last hour of a feed, in memory that is allocated once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import B1, F8, I4, I8, Meta, Samples, SensorInfo

HOUR_US = 3_600_000_000
MOST_CELLS = 16_000_000  # of all rings; a plant with more sensors keeps less than an hour
_MISSING = np.iinfo(np.int32).min


class SignalRing:
    """Raw counts of the last ticks of the sensors of one period."""

    def __init__(self, period_us: int, sensors: Sequence[int], ticks: int) -> None:
        self.period_us, self.sensors = period_us, np.array(sorted(sensors), np.int64)
        self.last = -1  # tick
        self._raw = np.full((ticks, len(sensors)), _MISSING, np.int32)
        self.latest = np.full(len(sensors), _MISSING, np.int32)
        self._latest_tick = np.full(len(sensors), -1, np.int64)

    def add(self, samples: Samples) -> None:
        """Keep samples, unless they are older than the ring."""
        n, size = len(samples.raw), len(self._raw)
        column = np.searchsorted(self.sensors, samples.sensor)
        if not n or column.max(initial=0) >= len(self.sensors) or (self.sensors[column] != samples.sensor).any():
            return
        self._advance(samples.first_tick + n - 1)
        first = max(samples.first_tick, self.last - size + 1)
        raw, present = samples.raw[first - samples.first_tick :], samples.present
        if len(raw):
            row = np.arange(first, first + len(raw)) % size
            if present is not None:
                present = present[first - samples.first_tick :]
                raw = np.where(present, raw, self._raw[np.ix_(row, column)])
            self._raw[np.ix_(row, column)] = raw
            self._keep_latest(column, raw, first)

    def signal(self, sensor: int, from_tick: int, to_tick: int) -> tuple[I8, I4]:
        """Return ticks and counts of a sensor in [from_tick, to_tick)."""
        first = max(from_tick, self.last - len(self._raw) + 1, 0)
        ticks = np.arange(first, max(min(to_tick, self.last + 1), first))
        raw = self._raw[ticks % len(self._raw), np.searchsorted(self.sensors, sensor)]
        there: B1 = raw != _MISSING
        return ticks[there], raw[there]

    def _advance(self, last: int) -> None:
        """Make room up to a tick; ticks between are missing until they arrive."""
        if last <= self.last:
            return
        first = max(self.last + 1, last - len(self._raw) + 1)
        self._raw[np.arange(first, last + 1) % len(self._raw)] = _MISSING
        self.last = last

    def _keep_latest(self, column: I8, raw: I4, first: int) -> None:
        there = raw[-1] != _MISSING
        newer = there & (first + len(raw) - 1 >= self._latest_tick[column])
        self.latest[column[newer]] = raw[-1][newer]
        self._latest_tick[column[newer]] = first + len(raw) - 1


class Signals:
    """The rings of all periods of a feed."""

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        by_period: dict[int, list[int]] = {}
        for sensor in meta.sensors:
            by_period.setdefault(sensor.period_us, []).append(sensor.id)
        rates = sum(len(ids) / period for period, ids in by_period.items())
        kept_us = min(HOUR_US, MOST_CELLS / rates) if rates else HOUR_US
        self._rings = {
            period: SignalRing(period, ids, max(2, int(kept_us // period))) for period, ids in by_period.items()
        }

    def add(self, samples: Samples) -> None:
        """Keep samples."""
        ring = self._rings.get(samples.period_us)
        if ring is not None:
            ring.add(samples)

    @property
    def last_us(self) -> int:
        """The time of the latest tick [µs since the run's start]; -1: none."""
        return max((ring.last * ring.period_us for ring in self._rings.values()), default=-1)

    def latest(self, sensor: SensorInfo) -> float | None:
        """Return the latest value of a sensor; None: none has arrived."""
        ring = self._rings[sensor.period_us]
        raw = int(ring.latest[np.searchsorted(ring.sensors, sensor.id)])
        return None if raw == _MISSING else raw * sensor.scale + sensor.offset

    def values(self, sensor: SensorInfo, from_us: int, to_us: int) -> tuple[I8, F8]:
        """Return times [µs since the run's start] and values of a sensor in [from_us, to_us)."""
        period = sensor.period_us
        ticks, raw = self._rings[period].signal(sensor.id, -(-from_us // period), -(-to_us // period))
        values: F8 = raw.astype(np.float64) * sensor.scale + sensor.offset
        return ticks * period, values


def thinned(t: I8, values: F8, points: int) -> tuple[I8, F8]:
    """Return at most `points` points: the lowest and the highest of each stretch, in order of time."""
    pairs = max(1, points // 2)
    if len(values) <= points or len(values) < 3:
        return t, values
    edges = np.unique(np.linspace(0, len(values), pairs + 1).astype(np.int64)).tolist()
    kept = {int(begin + find(values[begin:end])) for begin, end in pairwise(edges) for find in (np.argmin, np.argmax)}
    index = np.array(sorted(kept), np.int64)
    return t[index], values[index]
