"""Read a recording: its runs, their rows and samples in order, and the files that cannot be read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factory_sim.clock import ns_from_us, us_from_ns
from factory_sim.errors import FactoryError
from factory_sim.recordings import layout, parquet
from factory_sim.recordings.hour_pages import PAGE_US, Pages
from factory_sim.records import Readings, Rows, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from factory_sim.records import B1, I4, I8, Meta, SensorInfo

_ALL = (-(2**62), 2**62)
_HOUR_NS = 3_600_000_000_000


class RecordedLosses(NamedTuple):
    """Readings of a run."""

    received: int
    lost: int


@dataclass(slots=True)
class RecordedRun:
    """One run of a recording."""

    folder: layout.RunFolder
    meta: Meta
    damaged: list[str] = field(default_factory=list)  # files that could not be read, with the reason

    @property
    def recording(self) -> Path:
        """The folder of the whole recording."""
        return self.folder.path.parent.parent

    def closed_shift(self, name: str) -> dict[str, Any] | None:
        """Return what was kept of a closed shift; None: it was not closed, or its file is damaged."""
        path = self.folder.closed_shift(name)
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            self.report(path, str(error))
            return None
        return found

    def closed_shifts(self) -> Iterator[dict[str, Any]]:
        """Yield what was kept of each closed shift, by name."""
        yield from filter(None, map(self.closed_shift, self.folder.closed_shifts))

    @property
    def losses(self) -> RecordedLosses | None:
        """The readings received and lost; None: not known."""
        try:
            found = json.loads(self.folder.losses.read_bytes())
            return RecordedLosses(**found) if found else None
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            self.report(self.folder.losses, str(error))
            return None

    def rows(self, first_ns: int = _ALL[0], stop_ns: int = _ALL[1]) -> Rows:
        """Return the rows of [first_ns, stop_ns), each once, ordered by time; ties in the order of recording."""
        pieces = []
        for path in self.folder.row_parts():
            try:
                low, high = parquet.row_span(path)
                if low < stop_ns and high >= first_ns:
                    pieces.append(parquet.read_rows(path))
            except parquet.DAMAGED as error:
                self.report(path, str(error).splitlines()[0])
        for path in sorted(self.folder.tail.glob("*-rows.arrows")):
            pieces += parquet.read_row_stream(path, partial(self.report, path))
        rows = Rows.join(pieces) if pieces else Rows.empty()
        rows = rows.take((rows.t_ns >= first_ns) & (rows.t_ns < stop_ns))
        key = (rows.unit.astype(np.int64) << 46) | rows.seq
        _, once = np.unique(key, return_index=True)
        rows = rows.take(np.sort(once))
        return rows.take(np.argsort(rows.t_ns, kind="stable"))

    def rows_since(self, first_ns: int, stop_ns: int) -> Rows:
        """Return the rows of [first_ns, stop_ns), and before them the last row of each unit that has an earlier one."""
        begin_ns, far_ns = self.meta.epoch_ns, max(stop_ns - first_ns, _HOUR_NS)
        while True:
            early_ns = max(first_ns - far_ns, begin_ns)
            before = self.rows(early_ns, first_ns)
            units, last = np.unique(before.unit[::-1], return_index=True)
            if early_ns <= begin_ns or len(units) == len(self.meta.units):
                last_rows = before.take(np.sort(len(before) - 1 - last))
                return Rows.join([last_rows, self.rows(first_ns, stop_ns)])
            far_ns *= 4

    def samples(self, period_us: int, first: int, stop: int, sensors: Sequence[int] | None = None) -> Samples:
        """Return the samples of ticks [first, stop) of one period, with gaps where nothing was recorded."""
        chosen = sensors or [s.id for s in self.meta.sensors if s.period_us == period_us]
        raw, present = np.zeros((stop - first, len(chosen)), np.int32), np.zeros((stop - first, len(chosen)), np.bool_)
        for ticks, counts, there in self._cells(period_us, first, stop, chosen):
            inside = (ticks >= first) & (ticks < stop)
            at = ticks[inside] - first
            raw[at] = np.where(there[inside], counts[inside], raw[at])
            present[at] |= there[inside]
        return Samples(period_us, first, np.array(chosen, np.int16), raw, None if present.all() else present)

    def span(self, period_us: int) -> tuple[int, int]:
        """Return the ticks [first, stop) of one period that the recording covers."""
        parts = self.folder.sample_parts(period_us, *_ALL)
        ends = [(part.first, part.stop) for part in parts]
        for ticks, _, _ in self._tail(period_us, None):
            ends.append((int(ticks[0]), int(ticks[-1]) + 1))
        return (min(a for a, _ in ends), max(b for _, b in ends)) if ends else (0, 0)

    def heard_us(self) -> tuple[int, int] | None:
        """Return the stretch [µs since the run's start] that the recorder has heard; None: no samples were recorded.

        It begins with the first sample, or with an earlier row that is not the first of its unit: the first may be one
        that a broker kept for recorders that join later. A kill may lose samples whose rows are on the disk.
        """
        spans = [(q, *self.span(q)) for q in {s.period_us for s in self.meta.sensors}]
        found = [(first * q, stop * q) for q, first, stop in spans if stop > first]
        if not found:
            return None
        begin = min(a for a, _ in found)
        earlier = self.rows(stop_ns=ns_from_us(begin, self.meta.epoch_ns))
        _, firsts = np.unique(earlier.unit, return_index=True)
        later_us = np.delete(us_from_ns(earlier.t_ns, self.meta.epoch_ns), firsts)
        return int(later_us.min(initial=begin)), max(b for _, b in found)

    def slices(self, slice_us: int) -> Iterator[tuple[int, Readings]]:
        """Yield the end of each slice of the window [µs since the run's start] and its readings.

        The first slice also contains the opening rows, from before the window.
        """
        window, epoch_ns = self.meta.window, self.meta.epoch_ns
        rows = self.rows()
        t_us = us_from_ns(rows.t_ns, epoch_ns)
        periods = sorted({s.period_us for s in self.meta.sensors})
        t0, end = window.t0_us, self.end_us(rows)
        begin, hours = 0, {q: _Hour(self, q) for q in periods}
        while t0 < end:
            t1 = min(t0 + slice_us, end)
            stop = int(np.searchsorted(t_us, t1))
            found = [each for q in periods for each in hours[q].samples(-(-t0 // q), -(-t1 // q))]
            yield t1, Readings(rows.take(slice(begin, stop)), tuple(found))
            begin, t0 = stop, t1

    def hours(self, period_us: int, first: int, stop: int) -> Iterator[Samples]:
        """Yield the samples of ticks [first, stop) of one period by the hour, without hours that have none."""
        step = max(1, PAGE_US // period_us)
        for tick in range(first, stop, step):
            samples = self.samples(period_us, tick, min(tick + step, stop))
            if samples.present is None or samples.present.any():
                yield samples

    def pieces(self) -> Iterator[Readings]:
        """Yield everything that was recorded, also from outside the window: the rows, then samples by the hour."""
        yield Readings(self.rows())
        for period_us in sorted({s.period_us for s in self.meta.sensors}):
            for samples in self.hours(period_us, *self.span(period_us)):
                yield Readings(Rows.empty(), (samples,))

    def end_us(self, rows: Rows) -> int:
        """Return the end of the window, or of the readings if it is earlier [µs since the run's start]."""
        window = self.meta.window
        last_us = int(us_from_ns(rows.t_ns[-1:], self.meta.epoch_ns)[0]) + 1 if len(rows) else window.t0_us
        periods = {s.period_us for s in self.meta.sensors}
        return min(window.t1_us, max([last_us, *(self.span(q)[1] * q for q in periods)]))

    def sensor(self, unit: str, name: str) -> SensorInfo | None:
        """Return a sensor by the names of its unit and its own."""
        for each in self.meta.sensors:
            if each.name == name and self.meta.units[each.unit].name == unit:
                return each
        return None

    def ticks(self, sensor: SensorInfo, first_ns: int, stop_ns: int) -> tuple[int, int]:
        """Return the ticks [first, stop) of a sensor in [first_ns, stop_ns)."""
        first, stop = (-(-us_from_ns(ns, self.meta.epoch_ns) // sensor.period_us) for ns in (first_ns, stop_ns))
        return first, stop

    def counts(self, sensor: SensorInfo, first: int, stop: int) -> tuple[I8, I4]:
        """Return ticks and counts of a sensor in the files that have ticks of [first, stop); some ticks twice."""
        found = self._cells(sensor.period_us, first, stop, [sensor.id])
        pairs = [(ticks[there[:, 0]], raw[there[:, 0], 0]) for ticks, raw, there in found]
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int32))
        return tuple(np.concatenate(each) for each in zip(empty, *pairs, strict=True))  # type: ignore[return-value]

    def tail_columns(self, period_us: int) -> dict[str, np.ma.MaskedArray[Any, Any] | I8]:
        """Return the counts that are not in a Parquet file yet, each tick once: `tick`, and a column per sensor."""
        sensors = Pages(period_us, self.meta.sensors).sensor.tolist()
        found: dict[int, tuple[I4, B1]] = {}
        for ticks, raw, present in self._tail(period_us, None):
            found |= {tick: (raw[i], present[i]) for i, tick in enumerate(ticks.tolist())}
        columns: dict[str, np.ma.MaskedArray[Any, Any] | I8] = {"tick": np.array(sorted(found), np.int64)}
        if found:
            counts, there = (np.array([found[tick][k] for tick in sorted(found)]) for k in (0, 1))
            for j, sensor in enumerate(sensors):
                columns[parquet.column(sensor)] = np.ma.MaskedArray(counts[:, j], ~there[:, j])
        return columns

    def opens(self, path: Path) -> bool:
        """Return whether the footer of a file can be read; report a file of which it cannot."""
        try:
            parquet.check_footer(path)
        except parquet.DAMAGED as error:
            self.report(path, str(error).splitlines()[0])
            return False
        return True

    def _cells(self, period_us: int, first: int, stop: int, sensors: Sequence[int]) -> Iterator[tuple[I8, I4, B1]]:
        for part in self.folder.sample_parts(period_us, first, stop):
            yield from self._read(part.path, sensors, first, stop)
        yield from self._tail(period_us, sensors)

    def _read(self, path: Path, sensors: Sequence[int], first: int, stop: int) -> Iterator[tuple[I8, I4, B1]]:
        """Yield the cells of a file; of a damaged one, those that can be read."""
        try:
            tables = [parquet.read_samples(path, sensors, first, stop)]
        except parquet.DAMAGED as error:
            try:
                tables, text = parquet.salvaged_samples(path, sensors, first, stop)
            except parquet.DAMAGED:
                tables, text = [], str(error).splitlines()[0]
            self.report(path, text)
        for table in tables:
            yield parquet.cells(table, sensors)

    def _tail(self, period_us: int, sensors: Sequence[int] | None) -> Iterator[tuple[I8, I4, B1]]:
        everything = Pages(period_us, self.meta.sensors).sensor
        columns = slice(None) if sensors is None else np.searchsorted(everything, sensors)
        for path in sorted(self.folder.tail.glob(f"*-{period_us}.arrows")):
            for ticks, raw, present in parquet.read_sample_stream(path, everything, partial(self.report, path)):
                yield ticks, raw[:, columns], present[:, columns]

    def report(self, path: Path, reason: str) -> None:
        """Keep in `damaged` that a file cannot be read, or not all of it."""
        text = f"{path}: is damaged: {reason}. What can be read of the recording is used."
        if text not in self.damaged:
            self.damaged.append(text)


class _Hour:
    """The samples of one period, read an hour at a time."""

    def __init__(self, run: RecordedRun, period_us: int) -> None:
        self._run, self._period_us, self._ticks = run, period_us, max(1, PAGE_US // period_us)
        self._samples: Samples | None = None

    def samples(self, first: int, stop: int) -> Iterator[Samples]:
        """Yield the samples of ticks [first, stop), without pieces that have no reading."""
        while first < stop:
            number = first // self._ticks
            if self._samples is None or self._samples.first_tick != number * self._ticks:
                self._samples = self._run.samples(self._period_us, number * self._ticks, (number + 1) * self._ticks)
            n = min(stop, (number + 1) * self._ticks) - first
            at = slice(first - number * self._ticks, first - number * self._ticks + n)
            present = None if self._samples.present is None else self._samples.present[at]
            present = None if present is None or present.all() else present
            if present is None or present.any():
                yield Samples(self._period_us, first, self._samples.sensor, self._samples.raw[at], present)
            first += n


def open_runs(folder: Path, decode: Callable[[bytes], Meta]) -> list[RecordedRun]:
    """Return the runs of a recording; one whose description is damaged is reported by the others.

    `decode` reads a description. Raises RecordingError.
    """
    layout.check(folder)
    found: list[RecordedRun] = []
    damaged: list[str] = []
    for run in layout.runs(folder):
        try:
            found.append(RecordedRun(run, decode(run.meta.read_bytes())))
            for path in sorted(run.tail.glob(f"*{layout.DAMAGED}")):
                found[-1].report(path, "ticks or rows without their checksum are left out")
        except (FactoryError, OSError) as error:
            damaged.append(f"{run.meta}: is damaged: {error}. The run {run.path.name} is left out.")
    if not found:
        msg = " ".join(damaged) or f"{folder}: the recording contains no run yet."
        raise layout.RecordingError(msg)
    found[0].damaged += damaged
    return found
