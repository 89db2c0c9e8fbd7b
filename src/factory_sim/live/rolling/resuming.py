"""Continue a listener after a restart, from the recording that it writes and a checkpoint beside it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import DroppedReadings
from factory_sim.analysis.rebuild import FeedState
from factory_sim.clock import ns_from_us
from factory_sim.live.recorded_kpis import closed_table
from factory_sim.live.rolling.descriptions import earliest_us
from factory_sim.recordings import layout
from factory_sim.recordings.recorded_run import RecordedRun
from factory_sim.records import Readings, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factory_sim.live.rolling.windows import Windows
    from factory_sim.records import Meta

_FILE = "checkpoint.npz"
_SHIFTS_READ = 12  # by name, which begins with the date
_SAMPLES = ("counts", "dropped", "began")
_ARRAYS = ("counts", "lost", "loads", "way")
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Memory:
    """What a listener remembers of a run across restarts: the recording in a folder, and its latest checkpoint.

    The checkpoint contains the earlier rows that later windows need; the recording contains all readings since.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run: RecordedRun | None = None  # the present one

    def resume(self, windows: Windows) -> int | None:
        """Give windows without readings what was recorded of their run; return its earliest time [µs], None: nothing.

        The run must be open in a recorder, which has recovered what an earlier process left.
        """
        meta = windows.feed.meta
        run = self._run = self._recorded_run(meta)
        if run is None:
            return None
        closed = {name: closed_table(run, name) for name in run.folder.closed_shifts[-_SHIFTS_READ:]}
        windows.restore({name: each for name, each in closed.items() if each is not None})
        state = self._state(run)
        if state is not None:
            windows.feed.restore(state)
        begins = []
        for readings in _recorded(run, state):
            begins.append(earliest_us(readings, meta))
            windows.feed.add(readings)
        if state is not None:
            return state.begin_us
        heard_us = run.heard_us()
        return min(begins, default=None) if heard_us is None else heard_us[0]

    def lacks_end(self, meta: Meta) -> bool:
        """Return whether a run was recorded, but not its end."""
        run = self._recorded_run(meta)
        return run is not None and not json.loads(run.folder.meta.read_bytes()).get("sent_rows")

    def keep(self, windows: Windows) -> None:
        """Write a checkpoint, once rows have been forgotten."""
        run, state = self._run, windows.feed.state()
        if run is None or not len(state.rows):
            return
        arrays = {each.name: getattr(state.rows, each.name) for each in fields(Rows)}
        arrays |= {f"feed_{name}": getattr(state, name) for name in _ARRAYS} | {
            "begin_us": np.array(state.begin_us),
            "from_us": np.array(state.from_us),
        }
        for period, each in state.samples.items():
            arrays |= {f"samples_{period}_{name}": getattr(each, name) for name in _SAMPLES}
            arrays[f"samples_{period}_from_tick"] = np.array(each.from_tick)
        with layout.replacing(run.folder.path / _FILE) as fresh, fresh.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def _recorded_run(self, meta: Meta) -> RecordedRun | None:
        for folder in layout.runs(self.folder):
            found = json.loads(folder.meta.read_bytes())
            if (found["run_id"], found["window"]["t0_us"]) == (meta.run_id, meta.window.t0_us):
                return RecordedRun(folder, meta)
        return None

    def _state(self, run: RecordedRun) -> FeedState | None:
        path = run.folder.path / _FILE
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                return _read(file, [s.period_us for s in run.meta.sensors])
        except _UNREADABLE:  # the recording alone must do: units are unknown until their next row
            return None


def _read(file: np.lib.npyio.NpzFile, periods: list[int]) -> FeedState:
    samples = {
        period: DroppedReadings(
            from_tick=int(file[f"samples_{period}_from_tick"]),
            **{name: file[f"samples_{period}_{name}"] for name in _SAMPLES},
        )
        for period in sorted(set(periods))
    }
    return FeedState(
        begin_us=int(file["begin_us"]),
        from_us=int(file["from_us"]),
        rows=Rows(*(file[each.name] for each in fields(Rows))),
        samples=samples,
        **{name: file[f"feed_{name}"] for name in _ARRAYS},
    )


def _recorded(run: RecordedRun, state: FeedState | None) -> Iterator[Readings]:
    """Yield the rows that the state lacks, then the samples hour by hour."""
    rows = run.rows() if state is None else run.rows(ns_from_us(state.from_us, run.meta.epoch_ns))
    if len(rows):
        yield Readings(rows)
    for period in sorted({s.period_us for s in run.meta.sensors}):
        first, stop = run.span(period)
        if state is not None:
            first = max(first, state.samples[period].from_tick)
        for samples in run.hours(period, first, stop):
            yield Readings(Rows.empty(), (samples,))
