"""The recording that a listener writes; it needs no simulator."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from factory_sim.live.rolling.shift_spans import local_time
from factory_sim.recordings import layout
from factory_sim.recordings.recorder import Recorder
from factory_sim.recordings.retention import Retention, forget
from factory_sim.results.recorded_kpis import RecordedKpis
from factory_sim.views.kpi_dict import kpi_values
from factory_sim.wire import meta as description

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from factory_sim.live.sinks.sink import Counted
    from factory_sim.records import KpiTable, Meta, Readings

FLUSH_S = 20.0  # of real time: what a kill loses at most, below the minute that is promised
FORGET_S = 600.0  # of real time, between two searches for days that are too old


class Store:
    """The recording that a listener writes; every run of the feed becomes a run of the recording.

    Every method raises RecordingError if the disk refuses, such as a full one, and LockedError in `describe` if another
    process writes the recording.
    """

    needs_kpis = False  # a recorder that computes them falls behind a feed at full speed

    def __init__(self, folder: Path, root: str, keep: Retention | None = None) -> None:
        self.folder, self.root, self._keep = folder, root, keep
        self._recorder: Recorder | None = None
        self._lock: BinaryIO | None = None
        self._due_s = self._forget_s = 0.0

    def describe(self, meta: Meta) -> None:
        """Begin the run of a description, or keep a newer description of the same run."""
        encoded = description.encode(meta)
        with self._writing():
            if self._recorder is not None and self._recorder.meta.run_id == meta.run_id:
                self._recorder.describe(meta, encoded)
                return
        self.close(None)
        with self._writing():
            self._lock = layout.locked(self.folder)
            self._recorder = Recorder(self.folder, meta, encoded, self.root)

    def add(self, readings: Readings) -> None:
        """Record readings; they are safe within FLUSH_S if `add` or `flush` is called meanwhile."""
        if self._recorder is not None:
            with self._writing():
                self._recorder.add(readings)
            if time.monotonic() >= self._due_s:
                self.flush()

    def kpis(self, span: str, table: KpiTable) -> None:
        """Keep nothing: the KPIs of any window are computed from the recording."""

    def close_shift(self, name: str, table: KpiTable) -> None:
        """Keep the KPIs of a finished shift, once; they stay when the readings are forgotten."""
        if self._recorder is not None:
            with self._writing():
                self._recorder.close_shift(closed_shift(self._recorder.meta, name, table).to_dict())

    def flush(self) -> None:
        """Wait until everything recorded is on the disk."""
        if self._recorder is not None:
            with self._writing():
                self._recorder.flush()
                self._due_s = time.monotonic() + FLUSH_S
                if self._keep and time.monotonic() >= self._forget_s:
                    forget(self.folder, self._keep)
                    self._forget_s = time.monotonic() + FORGET_S

    def close(self, losses: Counted | None) -> None:
        """End the run; a later store continues it if more of it arrives."""
        try:
            if self._recorder is not None:
                with self._writing():
                    counts = {} if losses is None else {"received": losses.received, "lost": losses.lost}
                    self._recorder.close(counts)
                    if self._keep:
                        forget(self.folder, self._keep)
        finally:
            self._recorder = None
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._recorder is not None:
                self._recorder.abandon()
            self._recorder = None
            msg = (
                f"{self.folder}: cannot be written: {error.strerror or error}. What was recorded before stays readable."
            )
            raise layout.RecordingError(msg) from None


def closed_shift(meta: Meta, name: str, table: KpiTable) -> RecordedKpis:
    """Return what is kept of a finished shift."""
    return RecordedKpis(
        plant=meta.plant,
        run_id=meta.run_id,
        shift=name,
        window_us=(table.window.t0_us, table.window.t1_us),
        start=local_time(meta, table.window.t0_us).isoformat(timespec="seconds"),
        end=local_time(meta, table.window.t1_us).isoformat(timespec="seconds"),
        damaged=(),
        kpis=kpi_values(table),
    )
