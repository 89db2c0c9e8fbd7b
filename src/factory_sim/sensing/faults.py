"""What goes wrong between physics and wire: sensors that stick, drift, jump or fall silent, clocks that are off.

One pure step on counts. Every stretch of a fault belongs to (seed, replication, unit, sensor, fault), counted from the
run's start: neither slices nor a warm-up nor other faults change it, and all other counts stay as they are.
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
    from factory_sim.records import B1, F8, I2, I4, I8, Rows

_COUNTERS = ("energy", "distance")  # what they counted wrongly stays counted
_BLOCK = 64


class Spans:
    """When a fault is there: stretches [begin, end) in order, drawn as far as they are asked for."""

    def __init__(self, fault: SensorFault, name: tuple[int, int, str, str], period_us: int = 1) -> None:
        self._fault, self._period_us = fault, period_us
        seed, replication, owner, what = name
        self._after, self._lasts = (
            random_streams.key(seed, replication, owner, f"{purpose}:{what}") for purpose in ("fault", "fault-duration")
        )
        self.begin_us, self.end_us = np.empty(0, np.int64), np.empty(0, np.int64)

    def until(self, t_us: int) -> tuple[I8, I8]:
        """Begins and ends of all stretches that begin before `t_us`."""
        while not len(self.begin_us) or (self._fault.after is not None and self.begin_us[-1] < t_us):
            self._draw(2 * len(self.begin_us) + _BLOCK)
        n = int(np.searchsorted(self.begin_us, t_us))
        return self.begin_us[:n], self.end_us[:n]

    def _draw(self, n: int) -> None:
        fault, start_us = self._fault, us_from_s(self._fault.start_s)
        if fault.after is None:
            lasts = self._durations(1)
            self.begin_us, self.end_us = np.array([start_us]), np.minimum(start_us + lasts, NEVER_US)
            return
        lasts = self._durations(n)
        self.end_us = start_us + np.cumsum(random_streams.draw_us(self._after, 0, n, fault.after) + lasts)
        self.begin_us = self.end_us - lasts

    def _durations(self, n: int) -> I8:
        if self._fault.duration is not None:
            return random_streams.draw_us(self._lasts, 0, n, self._fault.duration)
        return np.full(n, self._period_us if self._fault.kind == "spike" else NEVER_US)

    def mask(self, t_us: I8) -> B1:
        """Which of the rising moments lie in a stretch. Shape (n,)."""
        begin, end = self.until(int(t_us[-1]) + 1)
        before = np.searchsorted(begin, t_us, side="right") - 1
        return (before >= 0) & (t_us < end[np.maximum(before, 0)]) if len(begin) else np.zeros(len(t_us), np.bool_)


class _Sensor:
    """One sensor and its faults; carries the last count for the next slice."""

    def __init__(self, sensor: Sensor, owner: str, seed: int, replication: int) -> None:
        self._scale, self._counter = sensor.scale, sensor.kind in _COUNTERS
        self._least, self._most = count_range(sensor)
        self._faults = [
            (fault, Spans(fault, (seed, replication, owner, f"{sensor.name}:{fault.name}"), sensor.period_us))
            for fault in sensor.faults
        ]
        self._last: int | None = None

    def spoil(self, t_us: I8, raw: I4) -> tuple[I4, B1]:
        """What comes out at rising moments instead of `raw`, and whether anything does. Shapes (n,)."""
        counts, there = raw.astype(np.float64), np.ones(len(raw), np.bool_)
        stuck = np.zeros(len(raw), np.bool_)
        for fault, spans in self._faults:
            if fault.kind == "stuck":
                stuck |= spans.mask(t_us)
        counts = self._held(counts, stuck)
        for fault, spans in self._faults:
            if fault.kind == "drift":
                counts += np.rint(self._drifted(fault, spans, t_us) / self._scale)
            elif fault.kind == "spike":
                counts += np.where(spans.mask(t_us), round(fault.size / self._scale), 0)
            elif fault.kind == "drop_out":
                there &= ~spans.mask(t_us)
        return np.clip(counts, self._least, self._most).astype(np.int32), there

    def _held(self, counts: F8, stuck: B1) -> F8:
        """Each stuck reading repeats the last one that was not; the very first repeats itself."""
        first = counts[0] if self._last is None else self._last
        all_counts = np.concatenate(([first], counts))
        source = np.maximum.accumulate(np.where(np.concatenate(([False], stuck)), 0, np.arange(len(all_counts))))
        held: F8 = all_counts[source][1:]
        self._last = int(held[-1])
        return held

    def _drifted(self, fault: SensorFault, spans: Spans, t_us: I8) -> F8:
        """How much too far, in the sensor's unit."""
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
        self._unit_of = np.array([s.unit for s in sorted(plant.sensors, key=lambda s: s.id)], np.int64)
        self._slot = {s.id: n for n, s in enumerate(sorted(plant.sensors, key=lambda s: s.id))}

    def rows(self, rows: Rows, t_us: I8) -> Rows:
        """Rows with the times that their units' clocks say; `t_us`: the true times, rising, shape (n,)."""
        if not len(rows):
            return rows
        t_ns = rows.t_ns
        for unit, fault, spans in self._units:
            if fault.kind == "clock_skew":
                off = spans.mask(t_us) & (rows.unit == unit)
                t_ns = np.where(off, np.maximum(t_ns + us_from_s(fault.size) * NS_PER_US, self._epoch_ns), t_ns)
        return rows if t_ns is rows.t_ns else replace(rows, t_ns=t_ns)

    def samples(self, block: Samples) -> list[Samples]:
        """The block as it leaves the plant; what a wrong clock puts at other ticks comes in blocks of its own."""
        if not self._sensors and not self._units:
            return [block]
        t_us = (block.first_tick + np.arange(len(block.raw))) * block.period_us
        present = np.ones(block.raw.shape, np.bool_)
        for column, number in enumerate(block.sensor.tolist()):
            if number in self._sensors:
                block.raw[:, column], present[:, column] = self._sensors[number].spoil(t_us, block.raw[:, column])
        found = []
        for a, b in pairwise(self._turns(t_us)):
            piece = replace(block, first_tick=block.first_tick + a, raw=block.raw[a:b])
            there = present[a:b]
            moved = self._by_units(piece, t_us[a:b], there)
            if there.any():
                found.append(replace(piece, present=None if there.all() else there))
            found += moved
        return found

    def _turns(self, t_us: I8) -> list[int]:
        """Where a clock is set: of two readings that then bear one tick, the older one is in an earlier piece."""
        turns = {0, len(t_us)}
        for _, fault, spans in self._units:
            if fault.kind == "clock_skew":
                turns.update((np.flatnonzero(np.diff(spans.mask(t_us))) + 1).tolist())
        return sorted(turns)

    def _by_units(self, block: Samples, t_us: I8, present: B1) -> list[Samples]:
        """Take out, in `present`, what silent units do not say and what wrong clocks move; the latter is returned."""
        moved = []
        owner = self._unit_of[[self._slot[number] for number in block.sensor.tolist()]]
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
    """The unit's readings of the ticks `off`, at the ticks that its clock takes them for."""
    shift, found = round(ahead_us / block.period_us), []
    if not shift:
        return []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], off, [False])).astype(np.int8)))
    sensor: I2 = block.sensor[columns]
    for a, b in edges.reshape(-1, 2).tolist():
        first = max(a, -(block.first_tick + shift))  # no tick is before the run's start
        if first < b:
            there = present[first:b][:, columns]
            tick = block.first_tick + first + shift
            found.append(
                Samples(block.period_us, tick, sensor, block.raw[first:b][:, columns], None if there.all() else there)
            )
        present[a:b, columns] = False
    return [piece for piece in found if piece.present is None or piece.present.any()]
