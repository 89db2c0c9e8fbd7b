"""Write the readings of a feed to a recording, hour by hour; a tail on disk protects the hour in memory."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from factory_sim.clock import us_from_ns
from factory_sim.recordings import layout, parquet
from factory_sim.recordings.hour_pages import PAGE_US, Pages
from factory_sim.records import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from factory_sim.recordings.hour_pages import Page
    from factory_sim.recordings.parquet import Stream, Table
    from factory_sim.records import Meta, Readings

GROUP_US = 6 * PAGE_US  # of a row group in a day's file: fewer make a query quicker, more need less memory
LATE_US = 600_000_000  # a page stays in memory this long after its end, for late readings
ROWS_IN_MEMORY = 500_000


class Recorder:
    """The open run of a recording.

    A reading is safe after the next `flush`. Call `flush` at least once a minute. `close` ends the run; a recorder that
    is opened for the same run continues it. A thread writes finished hours: encoding them takes most of the time.
    """

    def __init__(self, folder: Path, meta: Meta, meta_json: bytes, root: str) -> None:
        """Open the run `meta.run_id` of the feed below `root` in `folder`. Raises RecordingError."""
        layout.create(folder)
        self.meta = meta
        self.run = _run_folder(folder, meta)
        layout.replace(self.run.source, json.dumps({"root": root}).encode())
        layout.replace(self.run.meta, meta_json)
        self._pages = {q: Pages(q, meta.sensors) for q in sorted({s.period_us for s in meta.sensors})}
        self._rows: list[Rows] = []  # not in a Parquet file yet
        self._n_rows = 0  # of these: a feed sends them one by one
        self._unsaved: list[Rows] = []  # of these, not in the tail either
        self._row_hour = -1
        self._number = 0
        self._tail: dict[int, Stream] = {}  # by period; -1: the rows
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._sealing: Future[None] | None = None  # what the thread writes; its pages are in no tail
        self._recover()

    def add(self, readings: Readings) -> None:
        """Take readings in any order; a sample that arrives again replaces itself."""
        if len(readings.rows):
            self._rows.append(readings.rows)
            self._n_rows += len(readings.rows)
            self._unsaved.append(readings.rows)
        for samples in readings.samples:
            if (pages := self._pages.get(samples.period_us)) is not None:
                pages.add(samples)
        self._seal(late_us=LATE_US)

    def describe(self, meta: Meta, meta_json: bytes) -> None:
        """Keep a newer description of the run, such as the one at its end."""
        self.meta = meta
        layout.replace(self.run.meta, meta_json)

    def flush(self) -> None:
        """Write what is new to the tail and wait until it is on the disk."""
        self._wait()
        self._save()

    def _save(self) -> None:
        for period, pages in self._pages.items():
            for batch in pages.unsaved():
                parquet.append_samples(self._tail[period], *batch)
        if self._unsaved:
            parquet.append_rows(self._tail[-1], Rows.join(self._unsaved))
            self._unsaved = []
        for stream in self._tail.values():
            stream.sync()

    def close(self, losses: dict[str, int] | None = None) -> None:
        """Write everything to Parquet and remove the tail."""
        self._seal(late_us=-PAGE_US)
        self._wait()
        self._writer.shutdown()
        self._write_rows()
        if losses is not None:
            layout.replace(self.run.losses, json.dumps(losses).encode())
        self._drop_tail()
        compact(self.run, self.meta, before="9999")

    def abandon(self) -> None:
        """Release the files without writing to them: the next recorder reads them up to their last complete batch."""
        self._writer.shutdown()
        for stream in self._tail.values():
            with suppress(OSError):  # what the disk does not take
                stream.close()

    def close_shift(self, entry: Mapping[str, object]) -> None:
        """Add a closed shift, once."""
        if not (path := self.run.closed_shift(str(entry["shift"]))).exists():
            layout.replace(path, json.dumps(entry, ensure_ascii=False).encode())

    def _recover(self) -> None:
        """Read the tail of an earlier process, then start a new one with its content."""
        for path in layout.left_behind(self.run.path):
            path.unlink()
        old, damaged = sorted(self.run.tail.glob("*.arrows")), list[Path]()
        for path in old:
            what = path.stem.partition("-")[2]
            report = partial(_note, damaged, path)
            if what == "rows":
                self._rows += parquet.read_row_stream(path, report)
            elif (pages := self._pages.get(int(what))) is not None:
                for batch in parquet.read_sample_stream(path, pages.sensor, report):
                    pages.restore(*batch)
        self._n_rows = sum(map(len, self._rows))
        self._number = max((int(path.stem.partition("-")[0]) for path in old), default=0)
        self._renew()
        for path in dict.fromkeys(damaged):
            path.replace(path.with_suffix(layout.DAMAGED))
        _delete(path for path in old if path not in damaged)

    def _renew(self) -> None:
        """Begin new tail files with all that is only in memory."""
        for stream in self._tail.values():
            stream.close()
        self._number += 1
        name = f"{self._number:06d}"
        self._tail = {
            period: parquet.sample_stream(self.run.tail / f"{name}-{period}.arrows", len(pages.sensor))
            for period, pages in self._pages.items()
        }
        self._tail[-1] = parquet.row_stream(self.run.tail / f"{name}-rows.arrows")
        for pages in self._pages.values():
            pages.mark_all_unsaved()
        self._unsaved = list(self._rows)
        self._save()
        layout.sync_folder(self.run.tail)

    def _drop_tail(self) -> None:
        for stream in self._tail.values():
            stream.close()
            stream.path.unlink()
        self._tail = {}

    def _seal(self, late_us: int) -> None:
        """Have pages written to Parquet that end `late_us` before the newest reading.

        The former tail is deleted after that: it holds what the pages held at the last flush.
        """
        newest_us = max((pages.newest * pages.period_us for pages in self._pages.values()), default=0)
        done = [
            (pages, page)
            for pages in self._pages.values()
            for page in pages.take_before((newest_us - late_us) // pages.period_us)
            if page.present.any()
        ]
        is_due = self._n_rows > ROWS_IN_MEMORY or (done and self._rows)
        if not (done or is_due):
            return
        self._wait()
        if is_due:
            self._write_rows()
        former = [stream.path for stream in self._tail.values()]
        self._renew()
        before = self._day(newest_us - PAGE_US - late_us) if late_us >= 0 else ""
        self._sealing = self._writer.submit(self._write_pages, done, former, before)

    def _wait(self) -> None:
        """Wait until the thread has written its pages. Raises what it raised."""
        job, self._sealing = self._sealing, None
        if job is not None:
            job.result()

    def _write_pages(self, done: list[tuple[Pages, Page]], former: list[Path], before: str) -> None:
        """Write pages, then delete the tail that they were in, and merge the files of days before a date."""
        for pages, page in done:
            self._write_page(pages, page)
        _delete(former)
        compact(self.run, self.meta, before=before)

    def _write_page(self, pages: Pages, page: Page) -> None:
        there = page.present.any(axis=1)
        ticks = page.first + np.flatnonzero(there)
        first, stop = int(ticks[0]), int(ticks[-1]) + 1
        folder = self.run.samples(pages.period_us) / self._day(page.first * pages.period_us)
        path = folder / f"{first}-{stop}.{uuid4().hex[:8]}.parquet"
        all_there = there.all()
        raw, present = (page.raw, page.present) if all_there else (page.raw[there], page.present[there])
        parquet.write_samples(path, [parquet.sample_table(ticks, raw, present, pages)])

    def _write_rows(self) -> None:
        if not self._rows:
            return
        rows = Rows.join(self._rows)
        t_us = us_from_ns(rows.t_ns, self.meta.epoch_ns)
        number = 1 + max((int(path.stem) for path in self.run.row_parts()), default=-1)
        day = self._day(int(np.median(t_us)))
        parquet.write_rows(self.run.path / "rows" / day / f"{number:06d}.parquet", rows)
        self._rows, self._unsaved, self._n_rows = [], [], 0

    def _day(self, us: int) -> str:
        return layout.day_of(us, self.meta.epoch_ns, self.meta.timezone)


def _note(damaged: list[Path], path: Path, _reason: str) -> None:
    damaged.append(path)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def compact(run: layout.RunFolder, meta: Meta, *, before: str) -> int:
    """Merge the sample files of each day before the date `before` into one; return the number of files merged."""
    merged = 0
    for period_us in sorted({s.period_us for s in meta.sensors}):
        pages = Pages(period_us, meta.sensors)
        for day in sorted(run.samples(period_us).glob("*")):
            parts = [part for part in run.sample_parts(period_us, -(2**62), 2**62) if part.path.parent == day]
            if day.name < before and len(parts) > 1:
                first, stop = parts[0].first, max(part.stop for part in parts)
                target = day / f"{first}-{stop}.day.parquet"
                try:
                    parquet.write_samples(target, _merged(parts, pages))
                except parquet.DAMAGED:  # a reader skips and reports the damaged file; the others stay as they are
                    continue
                merged += len(parts)
                for part in parts:
                    if part.path != target:
                        part.path.unlink()
    return merged


def _merged(parts: list[layout.Part], pages: Pages) -> Iterator[Table]:
    """Yield tables of about GROUP_US in order; parts that overlap become one, so that no tick is contained twice."""
    groups: list[list[layout.Part]] = []
    for part in parts:
        if groups and part.first < max(each.stop for each in groups[-1]):
            groups[-1].append(part)
        else:
            groups.append([part])
    waiting: list[Table] = []
    for group in groups:
        waiting.append(_one(group, pages))
        if sum(table.num_rows for table in waiting) * pages.period_us >= GROUP_US:
            yield parquet.joined(waiting)
            waiting = []
    if waiting:
        yield parquet.joined(waiting)


def _one(group: list[layout.Part], pages: Pages) -> Table:
    sensors = pages.sensor.tolist()
    if len(group) == 1:
        return parquet.read_samples(group[0].path, sensors)
    first, stop = min(each.first for each in group), max(each.stop for each in group)
    raw, present = np.zeros((stop - first, len(sensors)), np.int32), np.zeros((stop - first, len(sensors)), np.bool_)
    for part in group:
        ticks, more, there = parquet.cells(parquet.read_samples(part.path, sensors), sensors)
        at = ticks - first
        raw[at] = np.where(there, more, raw[at])
        present[at] |= there
    used = present.any(axis=1)
    return parquet.sample_table(first + np.flatnonzero(used), raw[used], present[used], pages)


def _run_folder(folder: Path, meta: Meta) -> layout.RunFolder:
    """Return the folder of a run: the one that it has, or a new one; a run resumed from a snapshot begins later."""
    known = layout.runs(folder)
    for each in known:
        with suppress(ValueError, KeyError, AttributeError, TypeError):  # a damaged description: not of this run
            found = json.loads(each.meta.read_bytes())
            if found.get("run_id") == meta.run_id and found["window"]["t0_us"] == meta.window.t0_us:
                return each
    number = max((int(each.path.name) for each in known), default=0) + 1
    return layout.RunFolder(folder / "runs" / f"{number:04d}")
