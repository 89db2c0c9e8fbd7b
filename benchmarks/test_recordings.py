"""Rows of `factory-sim bench` about recordings."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stretch import QUICK
from table import held, noted

from factory_sim.recordings import queries
from factory_sim.recordings.recorded_run import open_runs
from factory_sim.recordings.recorder import Recorder
from factory_sim.records import Readings, Rows, Samples, Window
from factory_sim.wire import meta as description

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from stretch import Stretch

    from factory_sim.records import Meta

DAY_US = 86_400_000_000
MOST_BYTES, MOST_DAY_MS = 1.2, 100.0
FIRST_NS, LAST_NS = -(2**62), 2**62


def recorded(folder: Path, meta: Meta, readings: Iterable[Readings]) -> Path:
    """Record readings in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    recorder = Recorder(folder, meta, description.encode(meta), "bench")
    for each in readings:
        recorder.add(each)
    recorder.close()
    return folder


def test_record_readings_per_s(stretch: Stretch, row: Callable[..., None], tmp_path: Path) -> None:
    """Readings in memory to a closed recording."""
    row(lambda: recorded(tmp_path / "r", stretch.meta, stretch.readings), stretch.count, "readings/s")


def test_record_bytes_per_reading(benchmark: Any, stretch: Stretch, tmp_path: Path) -> None:
    folder = benchmark.pedantic(recorded, (tmp_path / "r", stretch.meta, stretch.readings), rounds=1)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    held(benchmark, size / stretch.count, "bytes", MOST_BYTES)


@pytest.fixture(scope="module")
def day(stretch: Stretch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a day: the stretch again and again, as long as a quick look allows."""
    meta = replace(stretch.meta, window=Window(0, DAY_US), planned_us=(), shifts=())
    length_us = stretch.meta.window.t1_us - stretch.meta.window.t0_us
    times = 1 if QUICK else DAY_US // length_us

    def shifted() -> Iterable[Readings]:
        for n in range(times):
            for each in stretch.readings:
                yield Readings(Rows.empty(), tuple(_later(s, n * length_us) for s in each.samples))

    return recorded(tmp_path_factory.mktemp("day") / "r", meta, shifted())


def _later(samples: Samples, by_us: int) -> Samples:
    return replace(samples, first_tick=samples.first_tick + by_us // samples.period_us)


def test_signal_day_ms(benchmark: Any, day: Path) -> None:
    """One sensor over a day."""
    (run,) = open_runs(day, description.decode)
    sensor = run.meta.sensors[3]
    found = benchmark.pedantic(queries.signal, ([(run, sensor)], FIRST_NS, LAST_NS), rounds=5, warmup_rounds=1)
    assert len(np.unique(found["t_ns"])) == len(found["t_ns"]) > 0
    value = 1000 * benchmark.stats.stats.min
    if QUICK:
        noted(benchmark, value, "ms", "ten minutes, not a day")
    else:
        held(benchmark, value, "ms", MOST_DAY_MS)
