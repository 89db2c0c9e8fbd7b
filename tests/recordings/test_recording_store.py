"""A recording on a full disk or in use by another process, and by commands: one sentence, and the rest is readable."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.cli import main
from factory_sim.file_lock import LockedError
from factory_sim.live.play import runs_of
from factory_sim.live.sinks.recording_store import Store
from factory_sim.plant.describe import describe
from factory_sim.recordings.layout import RecordingError
from factory_sim.records import Readings, Rows, Samples, Window

THREE = Path(__file__).parents[1] / "live" / "three.yaml"
META = describe(registry.load(THREE), "small", 1_767_600_000_000_000_000, Window(0, 86_400_000_000))


def rows(first: int) -> Readings:
    """Return ten rows of unit 0 from sequence number `first` on."""
    listed = [(META.epoch_ns + n * 1_000_000_000, 0, n, 3, -1, 0, 0) for n in range(first, first + 10)]
    return Readings(Rows.of_rows(listed))


def test_a_full_disk_is_one_sentence_and_what_was_recorded_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "r", "a/b/c")
    store.describe(META)
    store.add(rows(0))
    store.flush()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("factory_sim.recordings.parquet.Stream.append", full)
        store.add(rows(10))
        with pytest.raises(RecordingError, match="cannot be written: No space left on device"):
            store.flush()
    store.close(None)
    again = Store(tmp_path / "r", "a/b/c")
    again.describe(META)
    again.add(rows(10))
    again.close(None)
    (run,) = runs_of(tmp_path / "r")
    assert run.rows().seq.tolist() == list(range(20))


def test_a_disk_that_is_full_when_an_hour_is_written_loses_nothing_that_was_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = META.sensors[0].period_us
    ids = np.array([each.id for each in META.sensors if each.period_us == period], np.int16)

    def tick(number: int) -> Readings:
        return Readings(Rows.empty(), (Samples(period, number, ids, np.full((1, len(ids)), number % 100, np.int32)),))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    late = 2 * 3_600_000_000 // period
    store = Store(tmp_path / "r", "a/b/c")
    store.describe(META)
    store.add(tick(0))
    store.flush()
    with monkeypatch.context() as patch:
        patch.setattr("factory_sim.recordings.parquet.write_samples", full)
        store.add(tick(late))  # a thread writes the first hour
        with pytest.raises(RecordingError, match="cannot be written: No space left on device"):
            store.flush()
    store.close(None)
    again = Store(tmp_path / "r", "a/b/c")
    again.describe(META)
    again.add(tick(late + 1))
    again.close(None)
    (run,) = runs_of(tmp_path / "r")
    assert run.span(period) == (0, late + 2)
    assert run.samples(period, 0, 1, ids.tolist()).present is None


def test_a_recording_has_one_writer(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "r", "a/b/c"), Store(tmp_path / "r", "a/b/c")
    first.describe(META)
    with pytest.raises(LockedError, match="another process"):
        second.describe(META)
    first.close(None)
    second.describe(META)
    second.close(None)


def test_the_command_forget_deletes_days_and_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "r"
    words = ["--duration", "50 h", "--warm-up", "0 s", "--start", "2026-01-05T06:00", "--engine", "simpy"]
    assert main(["run", str(THREE), "--record", str(folder), *words]) == 0
    assert main(["forget", str(folder)]) == 2
    assert "--keep: give an age or a size" in capsys.readouterr().err
    assert main(["forget", str(folder), "--keep", "1d"]) == 0
    out = capsys.readouterr().out
    assert "2026-01-05" in out
    assert "Deleted 2 days" in out
    (run,) = runs_of(folder)
    assert run.span(1_000_000)[0] == 42 * 3600  # midnight before the newest day


def test_a_run_that_points_elsewhere_is_not_followed(tmp_path: Path) -> None:
    store = Store(tmp_path / "r", "a/b/c")
    store.describe(META)
    store.close(None)
    outside = tmp_path / "outside"
    shutil.copytree(tmp_path / "r" / "runs" / "0001", outside)
    (tmp_path / "r" / "runs" / "0002").symlink_to(outside)
    with pytest.raises(RecordingError, match="lies outside the recording"):
        runs_of(tmp_path / "r")
