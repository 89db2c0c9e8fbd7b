"""Damaged and foreign files in a recording are reported or left alone; what they do not concern stays readable."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from factory_sim.api.recorded.history import history
from factory_sim.cli import main
from factory_sim.live.play import runs_of
from factory_sim.recordings.layout import RecordingError, create
from factory_sim.recordings.recorder import Recorder
from factory_sim.records import Readings, Rows, Samples
from factory_sim.wire import meta as description

THREE = Path(__file__).parents[1] / "live" / "three.yaml"
WORDS = ["--warm-up", "0 s", "--start", "2026-01-05T06:00", "--engine", "simpy"]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record two hours."""
    folder = tmp_path_factory.mktemp("whole") / "r"
    assert main(["run", str(THREE), "--record", str(folder), "--duration", "2 h", *WORDS]) == 0
    return folder


@pytest.fixture
def folder(once: Path, tmp_path: Path) -> Path:
    """Return a recording to damage."""
    return shutil.copytree(once, tmp_path / "r")


def flip(path: Path, at: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0x55
    path.write_bytes(content)


def test_a_changed_byte_in_rows_never_gives_other_rows(once: Path, folder: Path) -> None:
    (whole,) = runs_of(once)
    wanted = whole.rows()
    victim = whole.folder.row_parts()[0].relative_to(once)
    draw = random.Random(1)
    for at in draw.sample(range(4, 2 * (once / victim).stat().st_size // 3), 25):
        shutil.copy(once / victim, folder / victim)
        flip(folder / victim, at)
        (run,) = runs_of(folder)
        found = run.rows()
        assert run.damaged or found.t_ns.tolist() == wanted.t_ns.tolist()
        assert np.isin(found.t_ns, wanted.t_ns).all()
        assert np.isin(found.seq, wanted.seq).all()


def test_a_changed_byte_in_samples_never_gives_another_value(once: Path, folder: Path) -> None:
    wanted = history(once).signal("M001", "power")
    victim = next((once / "runs/0001/samples/1000000").glob("*/*")).relative_to(once)
    draw = random.Random(2)
    for at in draw.sample(range(4, 2 * (once / victim).stat().st_size // 3), 25):
        shutil.copy(once / victim, folder / victim)
        flip(folder / victim, at)
        found = history(folder).signal("M001", "power")
        assert found.equals(wanted.loc[found.index])


def test_sql_leaves_out_a_file_that_is_cut_off_and_reports_it(folder: Path) -> None:
    parts = list((folder / "runs/0001/samples/1000000").glob("*/*"))
    shutil.copy(parts[0], cut := parts[0].with_name("900000-900010.day.parquet"))
    cut.write_bytes(cut.read_bytes()[:-10])
    recording = history(folder)
    assert recording.sql("SELECT count(*) AS n FROM M001")["n"][0] == 7200
    assert str(cut) in recording.damaged[0]


def test_a_run_without_a_readable_description_is_reported_and_the_others_are_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = folder / "runs/0001/meta.json"
    description.write_bytes(description.read_bytes()[:300])
    with pytest.raises(RecordingError, match=r"meta\.json: is damaged"):
        runs_of(folder)
    assert main(["run", str(THREE), "--record", str(folder), "--duration", "20 min", *WORDS]) == 0
    capsys.readouterr()
    assert main(["kpis", str(folder), "--shifts"]) == 0
    assert "The run 0001 is left out." in capsys.readouterr().err


def test_a_damaged_source_is_one_sentence(folder: Path) -> None:
    (folder / "runs/0001/source.json").write_bytes(b"\n")
    (run,) = runs_of(folder)
    with pytest.raises(RecordingError, match=r"source\.json: cannot be read"):
        _ = run.folder.root


def test_damaged_losses_are_reported_and_not_known(folder: Path) -> None:
    (run,) = runs_of(folder)
    assert run.losses is None  # of a run recorded without a feed
    assert not run.damaged
    run.folder.losses.write_bytes(b"[")
    assert run.losses is None
    assert "losses.json: is damaged" in run.damaged[0]


def test_files_that_are_not_of_the_recording_are_left_alone(once: Path, folder: Path) -> None:
    run = folder / "runs/0001"
    shutil.copytree(run, folder / "runs/0001.bak")
    (run / "rows" / "copy").mkdir()
    (run / "samples/1000000/.DS_Store").touch()
    for day in (*run.glob("samples/*/2*"), *run.glob("rows/2*")):
        (day / "notes.parquet").write_text("not ours")
    (again,) = runs_of(folder)
    (whole,) = runs_of(once)
    assert again.rows().seq.tolist() == whole.rows().seq.tolist()
    assert not again.damaged
    assert main(["forget", str(folder), "--keep", "1d"]) == 0
    assert main(["run", str(THREE), "--record", str(folder), "--duration", "20 min", *WORDS]) == 0
    assert [each.folder.path.name for each in runs_of(folder)] == ["0001", "0002"]


def test_a_day_that_points_elsewhere_is_not_deleted(folder: Path, tmp_path: Path) -> None:
    (day,) = (folder / "runs/0001/rows").glob("*")
    outside = day.rename(tmp_path / day.name)
    day.symlink_to(outside)
    with pytest.raises(RecordingError, match="lies outside the recording"):
        history(folder)
    assert list(outside.iterdir())


def test_a_recording_whose_creation_was_killed_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / ".recording.json.new").write_text('{"fo')
    create(tmp_path)
    assert (tmp_path / "recording.json").exists()


def test_a_changed_byte_in_the_tail_never_gives_another_value_and_the_file_is_kept(once: Path, tmp_path: Path) -> None:
    (whole,) = runs_of(once)
    meta, period = whole.meta, 1_000_000
    killed, ids = tmp_path / "killed", np.array([s.id for s in whole.meta.sensors if s.period_us == period], np.int16)
    recorder = Recorder(killed, meta, description.encode(meta), "r")
    for first in range(0, 600, 100):
        raw = np.broadcast_to(np.arange(first, first + 100, dtype=np.int32)[:, None], (100, len(ids)))
        recorder.add(Readings(Rows.empty(), (Samples(period, first, ids, raw),)))
        recorder.flush()
    recorder.abandon()  # a kill
    victim = next((killed / "runs/0001/tail").glob(f"*-{period}.arrows")).relative_to(killed)
    draw, size = random.Random(3), (killed / victim).stat().st_size
    in_headers = [at for at in range(1000) if at < 700 or at % 7 == 0]
    for number, at in enumerate([*draw.sample(range(size), 12), *draw.sample(in_headers, 20)]):
        folder = shutil.copytree(killed, tmp_path / str(number))
        flip(folder / victim, at)
        (run,) = runs_of(folder)
        found = run.samples(period, 0, 600)
        there = np.ones_like(found.raw, np.bool_) if found.present is None else found.present
        assert (found.raw == np.arange(600)[:, None])[there].all()
        assert there[100:].any()
        assert run.damaged or there[:500].all()  # in the last header it looks like a kill
        Recorder(folder, meta, description.encode(meta), "r").close({})  # continues
        (again,) = runs_of(folder)
        assert again.samples(period, 0, 600).present is None or not there.all()
        if run.damaged:
            assert again.damaged == [text.replace(".arrows", ".damaged") for text in run.damaged]
            assert (folder / victim).with_suffix(".damaged").exists()
