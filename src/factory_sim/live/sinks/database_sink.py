"""A feed written to PostgreSQL; while the database is away, a recording on disk keeps what arrives."""

from __future__ import annotations

import json
import math
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory_sim.clock import NS_PER_US
from factory_sim.errors import BufferFullError, DatabaseError
from factory_sim.file_lock import LockedError
from factory_sim.live.sinks.recording_store import Store, closed_shift
from factory_sim.recordings import layout
from factory_sim.recordings.postgres.database import Batch, Database, KpiRow, ShiftRow, check_url
from factory_sim.recordings.postgres.minutes import OpenMinutes
from factory_sim.recordings.recorded_run import open_runs
from factory_sim.records import Rows
from factory_sim.views.kpi_dict import LINE, kpi_values
from factory_sim.wire import meta as description

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from factory_sim.live.sinks.sink import Counted
    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import KpiTable, Meta, Readings

FLUSH_S = 10.0  # of real time, between two commits
MOST_READINGS = 4_000_000  # that wait in memory for a commit
RETRY_S = 5.0  # between two attempts to reach the database
DRAIN_S = 1.0  # of each flush, for what waits on the disk
_TABLES_KEPT = 2000  # of KPIs, while the database is away
_MINUTE_US, _OTHERS_US, _HOUR_US = 60_000_000, 600_000_000, 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSetup:
    """Where a feed is written.

    buffer : folder for readings that wait while the database is away; None: DatabaseError is raised when it is
    limit : its largest size [bytes]; beyond it, readings are dropped and counted
    must_keep : raise BufferFullError instead of dropping
    """

    url: str
    buffer: Path | None = None
    limit: int = 0
    must_keep: bool = False


class DatabaseSink:
    """The database that a listener writes to. A reading is stored once, however often it arrives.

    `flush` commits. While the database is away it writes to the buffer, a recording, and waits until that is on the
    disk; later flushes move the buffer to the database, also that of an earlier process.
    """

    needs_kpis = True

    def __init__(self, setup: SinkSetup, root: str, say: Callable[[str], None]) -> None:
        """Connect. A database that refuses raises DatabaseError; one that cannot be reached may come later."""
        self._setup, self._root, self._say = setup, root, say
        self._shown = check_url(setup.url)
        self._database: Database | None = None
        self._is_away = False
        self._meta: Meta | None = None
        self._pending: list[Readings] = []
        self._count = 0  # of the readings in `_pending`
        self._kpis: dict[tuple[str, int, bool], list[KpiRow]] = {}
        self._latest: dict[str, KpiTable] = {}  # by span
        self._written: dict[str, int] = {}  # by span: the stretch whose KPIs below the line are written
        self._shifts: list[tuple[str, KpiTable]] = []
        self._due_s = self._retry_s = 0.0
        self._store: Store | None = None  # the open buffer
        self._draining: Iterator[None] | None = None
        self.dropped = 0  # readings that found the buffer full
        self._connect(first=True)

    def describe(self, meta: Meta) -> None:
        """Begin the run of a description, or keep a newer description of the same run."""
        if self._meta is not None and not _is_same(self._meta, meta):
            self.close(None)
        self._meta = meta
        if self._store is not None:
            self._store.describe(meta)

    def add(self, readings: Readings) -> None:
        """Keep readings for the next commit, which happens here when it is due."""
        self._pending.append(readings)
        self._count += readings.count()
        if self._count >= MOST_READINGS or time.monotonic() >= self._due_s:
            self.flush()

    def kpis(self, span: str, table: KpiTable) -> None:
        """Keep the KPIs of a window: those of the line every minute, the others every ten minutes.

        A time is that of the end of the window. The others are many: of each hour the latest stay.
        """
        if self._meta is None or self._latest.get(span) is table:
            return
        self._latest[span] = table
        epoch_us = self._meta.epoch_ns // NS_PER_US
        end_us = epoch_us + table.window.t1_us
        line_us, others_us = end_us - end_us % _MINUTE_US, end_us - end_us % _HOUR_US
        self._kpis[span, line_us, True] = _kpi_rows(table, span, line_us, epoch_us, is_line=True)
        if self._written.get(span) != end_us // _OTHERS_US:
            self._written[span] = end_us // _OTHERS_US
            self._kpis[span, others_us, False] = _kpi_rows(table, span, others_us, epoch_us, is_line=False)
        while len(self._kpis) > _TABLES_KEPT:
            del self._kpis[next(iter(self._kpis))]

    def close_shift(self, name: str, table: KpiTable) -> None:
        """Keep the KPIs of a finished shift."""
        self._shifts.append((name, table))

    def flush(self) -> None:
        """Commit everything added, or write it to the buffer and wait until it is on the disk."""
        self._flush(None)

    def close(self, losses: Counted | None) -> None:
        """Commit the rest, and what waits on the disk; report what has to wait there."""
        self._retry_s = 0.0
        self._flush(losses)
        self._drain(math.inf)
        if self._store is not None:
            self._store.close(losses)
            self._store = None
        if waiting := self._waiting():
            size = sum(map(_size, waiting)) / 1e6
            self._say(f"{size:,.1f} MB wait in {self._setup.buffer}; the next start with this buffer writes them.")
        if self._database is not None:
            self._database.close()
        self._database = self._meta = None
        self._latest.clear()
        self._written.clear()

    def _flush(self, losses: Counted | None) -> None:
        self._due_s = time.monotonic() + FLUSH_S
        if self._meta is None:
            return
        if self._connect() and self._commit(self._meta, losses):
            self._drain(DRAIN_S)
        elif self._pending or self._shifts:
            self._buffer(self._meta)

    def _connect(self, *, first: bool = False) -> bool:
        """Return whether there is a connection; try to make one if it is time for that."""
        if self._database is None and time.monotonic() >= self._retry_s:
            try:
                self._database = Database(self._setup.url)
            except DatabaseError as error:
                if first and not error.is_lost:
                    raise
                self._lose(error)
        return self._database is not None

    def _commit(self, meta: Meta, losses: Counted | None) -> bool:
        """Write what is pending; return False if the database has been lost."""
        written = self._write(
            meta,
            self._root,
            self._pending,
            kpis=[row for rows in self._kpis.values() for row in rows],
            shifts=[_shift_row(meta, closed_shift(meta, *each).to_dict()) for each in self._shifts],
            losses=None if losses is None else (losses.received, losses.lost),
        )
        if written:
            self._pending, self._count = [], 0
            self._kpis.clear()
            self._shifts.clear()
            if self._is_away:
                self._is_away = False
                self._say(f"{self._shown} is back.")
        return written

    def _write(self, meta: Meta, root: str, readings: Sequence[Readings], **more: Any) -> bool:
        """Write a batch; return False if the database has been lost."""
        assert self._database is not None
        minutes = OpenMinutes(meta)
        for each in readings:
            minutes.add(each)
        rows = Rows.join([Rows.empty(), *(each.rows for each in readings)])
        try:
            self._database.write(Batch(meta=meta, root=root, rows=rows, minutes=minutes, **more))
        except DatabaseError as error:
            self._database.close()
            self._database = None
            self._lose(error)
            return False
        return True

    def _lose(self, error: DatabaseError) -> None:
        """Report that the database is away, once; without a buffer, raise the error."""
        if self._setup.buffer is None:
            raise error
        self._retry_s, self._draining = time.monotonic() + RETRY_S, None
        if not self._is_away:
            self._is_away = True
            limit = f"{self._setup.limit / 1e6:,.0f} MB"
            self._say(f"{error}. Until the database is back, readings wait in {self._setup.buffer}, at most {limit}.")

    def _buffer(self, meta: Meta) -> None:
        """Move what is pending to the disk."""
        assert self._setup.buffer is not None
        if sum(map(_size, self._waiting())) >= self._setup.limit:
            if self._setup.must_keep:
                msg = (
                    f"{self._setup.buffer} is full and {self._shown} is away. What is not acknowledged waits at the "
                    "publisher: start again when the database is back."
                )
                raise BufferFullError(msg)
            if not self.dropped:
                self._say(f"{self._setup.buffer} is full: readings are dropped until the database is back.")
            self.dropped += self._count
        else:
            if self._store is None:
                number = 1 + max((int(path.name) for path in self._waiting()), default=0)
                self._store = Store(self._setup.buffer / f"{number:04d}", self._root)
                self._store.describe(meta)
            for each in self._pending:
                self._store.add(each)
            for name, table in self._shifts:
                self._store.close_shift(name, table)
            self._store.flush()
        self._pending, self._count = [], 0
        self._shifts.clear()

    def _waiting(self) -> list[Path]:
        """Return the recordings in the buffer, the oldest first."""
        found = () if self._setup.buffer is None else self._setup.buffer.glob("[0-9]*")
        return sorted(path for path in found if (path / layout.MARK).exists())

    def _drain(self, for_s: float) -> None:
        """Move what waits on the disk to the database, for about `for_s`."""
        if self._database is None or (self._draining is None and not self._waiting()):
            return
        if self._store is not None:
            self._store.close(None)
            self._store = None
        until_s = time.monotonic() + for_s
        self._draining = self._draining or self._drained()
        for _ in self._draining:
            if self._database is None or time.monotonic() >= until_s:
                return
        self._draining = None

    def _drained(self) -> Iterator[None]:
        """Write the recordings of the buffer piece by piece and delete them; yield after each piece."""
        for folder in self._waiting():
            with suppress(LockedError), layout.locked(folder):  # locked: the open buffer of another process
                count = 0
                for run, readings, more in _contents(folder):
                    if not self._write(run.meta, run.folder.root, readings, **more):
                        yield
                        return
                    count += sum(each.count() for each in readings)
                    for text in run.damaged if more else ():
                        self._say(text)
                    yield
                shutil.rmtree(folder)
                self._say(f"{count:,} readings that waited in {folder} are in the database.")
        if self.dropped:
            self._say(f"{self.dropped:,} readings were dropped while the buffer was full.")
            self.dropped = 0


def _contents(folder: Path) -> Iterator[tuple[RecordedRun, list[Readings], dict[str, Any]]]:
    """Yield the readings of a buffer by the hour, and at the end of each run its shifts and losses."""
    for run in open_runs(folder, description.decode):
        for readings in run.pieces():
            yield run, [readings], {}
        yield run, [], {"shifts": [_shift_row(run.meta, each) for each in run.closed_shifts()], "losses": run.losses}


def _is_same(one: Meta, other: Meta) -> bool:
    return one.run_id == other.run_id and one.window.t0_us == other.window.t0_us


def _kpi_rows(table: KpiTable, span: str, us: int, epoch_us: int, *, is_line: bool) -> list[KpiRow]:
    started_us = epoch_us + table.window.t0_us
    return [
        KpiRow(span, us, name, thing, started_us, value, kpi.unit, kpi.reasons.get(thing, ""))
        for name, kpi in kpi_values(table).items()
        if (kpi.per == LINE) == is_line
        for thing, value in kpi.values.items()
    ]


def _shift_row(meta: Meta, closed: Mapping[str, Any]) -> ShiftRow:
    started_us, ended_us = (meta.epoch_ns // NS_PER_US + us for us in closed["window_us"])
    return ShiftRow(closed["shift"], started_us, ended_us, json.dumps(closed))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
