"""Faults between physics and wire: sensors that stick, drift, jump or drop out, and clocks that are off.

Faults are one pure step on counts. The times of a fault depend only on (seed, replication, unit, sensor, fault) and are
counted from the run's start: slices, a warm-up and other faults do not change them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import random_streams
from factory_sim.clock import NEVER_US, NS_PER_US, us_from_s
from factory_sim.records import Samples
from factory_sim.sensing.channels import count_range

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant, Sensor, SensorFault
    from factory_sim.records import B1, F8, I4, I8, Rows

_COUNTERS = ("energy", "distance")  # they keep what they counted wrongly
_BLOCK = 64


class Spans:
    """The stretches [begin, end) of a fault in order, drawn as far as needed."""

    def __init__(self, fault: SensorFault, name: tuple[int, int, str, str], period_us: int = 1) -> None:
        self._fault, self._period_us = fault, period_us
        seed, replication, owner, what = name
        self._after, self._lasts = (
            random_streams.key(seed, replication, owner, f"{purpose}:{what}") for purpose in ("fault", "fault-duration")
        )
        self.begin_us, self.end_us = np.empty(0, np.int64), np.empty(0, np.int64)

    def until(self, t_us: int) -> tuple[I8, I8]:
        """Return the begins and ends of all stretches that begin before `t_us`."""
        while not len(self.begin_us) or (self._fault.after is not None and self.begin_us[-1] < t_us):
            self._draw(2 * len(self.begin_us) + _BLOCK)
        n = int(np.searchsorted(self.begin_us, t_us))
        return self.begin_us[:n], self.end_us[:n]

    def _draw(self, n: int) -> None:
        fault, start_us = self._fault, us_from_s(self._fault.start_s)
        if fault.after is None:
            self.begin_us = np.array([start_us])
            self.end_us = np.minimum(start_us + self._durations(1), NEVER_US)
        else:
            lasts = self._durations(n)
            self.end_us = start_us + np.cumsum(random_streams.draw_us(self._after, 0, n, fault.after) + lasts)
            self.begin_us = self.end_us - lasts

    def _durations(self, n: int) -> I8:
        if self._fault.duration is not None:
            return random_streams.draw_us(self._lasts, 0, n, self._fault.duration)
        return np.full(n, self._period_us if self._fault.kind == "spike" else NEVER_US)

    def mask(self, t_us: I8) -> B1:
        """Return which of the increasing times lie in a stretch, shape (n,)."""
        begin, end = self.until(int(t_us[-1]) + 1)
        before = np.searchsorted(begin, t_us, side="right") - 1
        return (before >= 0) & (t_us < end[np.maximum(before, 0)]) if len(begin) else np.zeros(len(t_us), np.bool_)


class _Sensor:
    """One sensor and its faults; carries the last count to the next slice."""

    def __init__(self, sensor: Sensor, owner: str, seed: int, replication: int) -> None:
        self._scale, self._counter = sensor.scale, sensor.kind in _COUNTERS
        self._range = count_range(sensor)
        self._faults = [
            (fault, Spans(fault, (seed, replication, owner, f"{sensor.name}:{fault.name}"), sensor.period_us))
            for fault in sensor.faults
        ]
        self._last: int | None = None

    def apply(self, t_us: I8, raw: I4) -> tuple[I4, B1]:
        """Return the counts at increasing times that replace `raw`, and which of them are present. Shapes (n,)."""
        present, stuck = np.ones(len(raw), np.bool_), np.zeros(len(raw), np.bool_)
        for fault, spans in self._faults:
            if fault.kind == "stuck":
                stuck |= spans.mask(t_us)
        counts = self._held(raw.astype(np.float64), stuck)
        for fault, spans in self._faults:
            if fault.kind == "drift":
                counts += np.rint(self._drift(fault, spans, t_us) / self._scale)
            elif fault.kind == "spike":
                counts += np.where(spans.mask(t_us), round(fault.size / self._scale), 0)
            elif fault.kind == "drop_out":
                present &= ~spans.mask(t_us)
        return np.clip(counts, *self._range).astype(np.int32), present

    def _held(self, counts: F8, stuck: B1) -> F8:
        """Repeat the last reading that was not stuck; the very first one repeats itself."""
        first = counts[0] if self._last is None else self._last
        all_counts = np.concatenate(([first], counts))
        source = np.maximum.accumulate(np.where(np.concatenate(([False], stuck)), 0, np.arange(len(all_counts))))
        held: F8 = all_counts[source][1:]
        self._last = int(held[-1])
        return held

    def _drift(self, fault: SensorFault, spans: Spans, t_us: I8) -> F8:
        """Return the deviation in the sensor's unit, shape (n,)."""
        total = np.zeros(len(t_us))
        for begin, end in zip(*spans.until(int(t_us[-1]) + 1), strict=True):
            share = np.clip((t_us - begin) / max(end - begin, 1), 0.0, 1.0)
            total += fault.size * (share if self._counter else np.where(t_us < end, share, 0.0))
        return total


class Faults:
    """All faults of a plant."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, epoch_ns: int) -> None:
        self._epoch_ns = epoch_ns
        self._sensors = {s.id: _Sensor(s, plant.units[s.unit], seed, replication) for s in plant.sensors if s.faults}
        self._units = [
            (m.unit, fault, Spans(fault, (seed, replication, m.name, fault.name)))
            for m in plant.machines
            for fault in m.faults
        ]
        self._unit_of = {s.id: s.unit for s in plant.sensors}

    def rows(self, rows: Rows, t_us: I8) -> Rows:
        """Return the rows with the times of their units' clocks; `t_us`: the true times, increasing, shape (n,)."""
        if not len(rows):
            return rows
        t_ns = rows.t_ns
        for unit, fault, spans in self._units:
            if fault.kind == "clock_skew":
                off = spans.mask(t_us) & (rows.unit == unit)
                t_ns = np.where(off, np.maximum(t_ns + us_from_s(fault.size) * NS_PER_US, self._epoch_ns), t_ns)
        return rows if t_ns is rows.t_ns else replace(rows, t_ns=t_ns)

    def samples(self, block: Samples) -> list[Samples]:
        """Return the block as it leaves the plant; readings that a wrong clock moves come in blocks of their own."""
        if not self._sensors and not self._units:
            return [block]
        t_us = (block.first_tick + np.arange(len(block.raw))) * block.period_us
        present = np.ones(block.raw.shape, np.bool_)
        for column, number in enumerate(block.sensor.tolist()):
            if number in self._sensors:
                block.raw[:, column], present[:, column] = self._sensors[number].apply(t_us, block.raw[:, column])
        found = []
        for a, b in pairwise(self._turns(t_us)):
            piece = replace(block, first_tick=block.first_tick + a, raw=block.raw[a:b])
            moved = self._by_units(piece, t_us[a:b], present[a:b])
            if present[a:b].any():
                found.append(replace(piece, present=_mask(present[a:b])))
            found += moved
        return found

    def _turns(self, t_us: I8) -> list[int]:
        """Return where a clock is set: the older of two readings with one tick is then in an earlier piece."""
        turns = {0, len(t_us)}
        for _, fault, spans in self._units:
            if fault.kind == "clock_skew":
                turns.update((np.flatnonzero(np.diff(spans.mask(t_us))) + 1).tolist())
        return sorted(turns)

    def _by_units(self, block: Samples, t_us: I8, present: B1) -> list[Samples]:
        """Remove from `present` the readings of silent units and wrong clocks, and return the latter."""
        moved = []
        owner = np.array([self._unit_of[number] for number in block.sensor.tolist()])
        for unit, fault, spans in self._units:
            columns, off = np.flatnonzero(owner == unit), spans.mask(t_us)
            if not len(columns) or not off.any():
                continue
            if fault.kind == "clock_skew":
                moved += _moved(block, columns, off, present, us_from_s(fault.size))
            else:
                present[np.ix_(off, columns)] = False
        return moved


def _moved(block: Samples, columns: I8, off: B1, present: B1, ahead_us: int) -> list[Samples]:
    """Return the unit's readings of the ticks `off`, at the ticks of its clock; remove them from `present`."""
    shift, found = round(ahead_us / block.period_us), []
    if not shift:
        return []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], off, [False])).astype(np.int8)))
    for a, b in edges.reshape(-1, 2).tolist():
        first = max(a, -(block.first_tick + shift))  # no tick is before the run's start
        if first < b:
            mask, raw = _mask(present[first:b][:, columns]), block.raw[first:b][:, columns]
            tick = block.first_tick + first + shift
            found.append(Samples(block.period_us, tick, block.sensor[columns], raw, mask))
    present[np.ix_(off, columns)] = False
    return [piece for piece in found if piece.present is None or piece.present.any()]


def _mask(present: B1) -> B1 | None:
    return None if present.all() else present
