"""The recording that a listener writes; it needs no simulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from factory_sim.recordings.recorder import Recorder
from factory_sim.wire import meta as description

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.analysis.rebuild import Losses
    from factory_sim.records import Meta, Readings

FLUSH_S = 20.0  # of real time: what a kill loses at most, below the minute that is promised


class Store:
    """The recording that a listener writes; every run of the feed becomes a run of the recording."""

    def __init__(self, folder: Path, root: str) -> None:
        self.folder, self.root = folder, root
        self._recorder: Recorder | None = None
        self._due_s = 0.0

    def describe(self, meta: Meta) -> None:
        """Begin the run of a description, or keep a newer description of the same run."""
        encoded = description.encode(meta)
        if self._recorder is not None and self._recorder.meta.run_id == meta.run_id:
            self._recorder.describe(meta, encoded)
            return
        self.close(None)
        self._recorder = Recorder(self.folder, meta, encoded, self.root)

    def add(self, readings: Readings) -> None:
        """Record readings; they are safe within FLUSH_S if `add` or `flush` is called meanwhile."""
        if self._recorder is not None:
            self._recorder.add(readings)
            if time.monotonic() >= self._due_s:
                self.flush()

    def flush(self) -> None:
        """Wait until everything recorded is on the disk."""
        if self._recorder is not None:
            self._recorder.flush()
            self._due_s = time.monotonic() + FLUSH_S

    def close(self, losses: Losses | None) -> None:
        """End the run; a later store continues it if more of it arrives."""
        if self._recorder is not None:
            counts = {} if losses is None else {"received": losses.received, "lost": losses.lost}
            self._recorder.close(counts)
            self._recorder = None
