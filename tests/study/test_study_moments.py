"""`whatif` from a snapshot: a run is saved, resumed, and forked with changed parameters."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import factory_sim as fs
from factory_sim import registry
from factory_sim.api.run_plan import RunPlan
from factory_sim.cli import main
from factory_sim.errors import TrialError
from factory_sim.live.publish import RunSetup
from factory_sim.sim.run import Simulation
from factory_sim.study.pool import Pool, Task
from factory_sim.study.snapshot_files import SnapshotError, is_snapshot, read
from factory_sim.study.trial import Detail, Setting

EMPTY = ("--warm-up", "0 s")


@pytest.fixture(scope="module")
def line(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A plant's file, and the moment of it after an hour."""
    plant, moment = str(folder / "line.yaml"), tmp_path_factory.mktemp("moments") / "hour.npz"
    fs.snapshot(plant, at="1 h").save(moment)
    return plant, str(moment)


def test_a_branch_without_a_change_is_what_the_run_does_undisturbed(line: tuple[str, str]) -> None:
    plant, moment = line
    whole = fs.simulate(plant, warm_up="1 h", duration="30 min", engine="calendar")
    assert fs.fork(moment, duration="30 min").truth.good_parts == whole.truth.good_parts > 0
    assert np.array_equal(fs.fork(moment, duration="30 min").truth.busy_us, whole.truth.busy_us)


def test_a_run_that_was_saved_and_resumed_writes_the_log_of_one_that_was_not(
    line: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, _ = line
    logs, state = [tmp_path / f"{name}.csv" for name in ("first", "second", "whole")], tmp_path / "state.npz"
    runs = (
        (plant, *EMPTY, "--duration", "20 min", "--log", logs[0], "--save", state),
        ("--resume", state, "--duration", "10 min", "--log", logs[1]),
        (plant, *EMPTY, "--duration", "30 min", "--log", logs[2], "--engine", "calendar"),
    )
    for words in runs:
        assert main(["run", *map(str, words)]) == 0
    assert "Engine calendar: the one whose runs can be saved." in capsys.readouterr().err
    first, second, whole = ([row[:6] for row in csv.reader(log.read_text().splitlines())][1:] for log in logs)
    assert [*first, *(row for row in second if int(row[0]) >= 1_200_000_000)] == whole


def test_whatif_from_a_moment_compares_two_branches_in_the_same_futures(
    line: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, moment = line
    answer, study = tmp_path / "answer.json", tmp_path / "w.study.jsonl"
    words = ["whatif", moment, "WASH.cycle_time=35 s", "--replications", "4", "--until", "0.01%", "--workers", "1"]
    code = main([*words, "--duration", "30 min", "--json", str(answer), "--study", str(study)])
    assert code == 0
    written = json.loads(answer.read_text(encoding="utf-8"))
    assert written["change"]["line_rate_pct"]["low"] > 0
    assert written["study"]["warm_up_s"] == 3600
    futures = [fs.fork(moment, duration="30 min", future=n).truth.good_parts for n in range(4)]
    assert written["before"]["line_rate_pct"]["mean"] == pytest.approx(2 * np.mean(futures))
    assert f"the past of {moment}" in " ".join(capsys.readouterr().out.split())
    assert main(["validate", "study", str(study), "--workers", "1"]) == 0


def test_whatif_keeps_the_moment_it_began_with_while_a_live_run_writes_its_own_again(
    line: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, moment = line
    now, study = tmp_path / "now.npz", tmp_path / "w.study.jsonl"
    now.write_bytes(Path(moment).read_bytes())
    words = ["whatif", str(now), "WASH.cycle_time=40 s", "--replications", "2", "--until", "9%", "--workers", "1"]
    words += ["--duration", "10 min", "--study", str(study)]
    assert main(words) == 0
    fs.snapshot(plant, at="30 min").save(now)
    capsys.readouterr()
    assert main(words) == 2
    assert "another study" in capsys.readouterr().err
    assert main(["validate", "study", str(study), "--workers", "1"]) == 0


def test_a_study_that_was_deleted_begins_again_with_the_moment_of_now(line: tuple[str, str], tmp_path: Path) -> None:
    plant, moment = line
    now, study = tmp_path / "now.npz", tmp_path / "now.jsonl"
    now.write_bytes(Path(moment).read_bytes())
    words = ["whatif", str(now), "WASH.cycle_time=40 s", "--replications", "2", "--until", "9%", "--workers", "1"]
    words += ["--duration", "10 min", "--study", str(study)]
    assert main(words) == 0
    assert now.read_bytes() == Path(moment).read_bytes()
    study.unlink()
    fs.snapshot(plant, at="30 min").save(now)
    assert main(words) == 0
    assert (tmp_path / "now.study.npz").read_bytes() == now.read_bytes()


def test_a_trial_from_a_moment_is_not_one_that_run_could_make_again(line: tuple[str, str]) -> None:
    setting = Setting(1, 3600.0, 600.0, 60.0, snapshot="nowhere.npz", snapshot_sha="0")
    task = Task("line", line[0], registry.load(line[0]), 0, Detail.FULL)
    with Pool(1) as pool, pytest.raises(TrialError, match=r"nowhere.*\n  Reproduce: .*the same command"):
        list(pool.run([task], setting))


def test_a_change_of_what_there_is_and_a_moment_that_does_not_fit_are_refused_in_words(
    line: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, moment = line
    assert main(["whatif", moment, "WASH.machines=3"]) != 0
    assert "not other units" in capsys.readouterr().err
    assert main(["run", "--resume", moment, "--seed", "3"]) == 2
    assert "Leave out --seed" in capsys.readouterr().err
    assert main(["run", plant, "--resume", moment]) == 2
    assert main(["run", plant, "--save", str(tmp_path / "x.npz"), "--engine", "simpy"]) == 2
    assert not is_snapshot(plant)
    with pytest.raises(SnapshotError, match="not a snapshot"):
        read(plant)


def test_a_moment_whose_plant_has_changed_since_is_refused(folder: Path, tmp_path: Path) -> None:
    plant = tmp_path / "own.yaml"
    text = (folder / "line.yaml").read_text(encoding="utf-8")
    plant.write_text(text, encoding="utf-8")
    start = fs.snapshot(plant, at="10 min")
    plant.write_text(text + "\n# a remark changes nothing\n", encoding="utf-8")
    fs.fork(start, duration="1 min")
    plant.write_text(text.replace("WASH", "BATH"), encoding="utf-8")
    with pytest.raises(SnapshotError, match="has changed since"):
        fs.fork(start, duration="1 min")


def test_a_live_run_goes_on_when_its_moment_cannot_be_kept(line: tuple[str, str], tmp_path: Path) -> None:
    plant, _ = line
    said: list[fs.ProgressEvent] = []
    lost = tmp_path / "taken_away" / "now.npz"
    loaded, source = registry.load(plant), (plant, ())
    running = RunPlan(plant=loaded, source=source, setup=RunSetup(), engine="calendar", save=lost, report=said.append)
    run = Simulation(running.plant, until_us=3_600_000_000, engine="calendar", savable=True)
    run.advance(60_000_000)
    running.save_snapshot(run)
    assert "tries again" in said[-1].message
    with pytest.raises(SnapshotError):
        running.save_snapshot(run, at_once=True)
    lost.parent.mkdir()
    running.save_snapshot(run, at_once=True)
    assert is_snapshot(str(lost))


def test_a_sentence_about_the_plan_is_reported_once_and_an_event_each_time(line: tuple[str, str]) -> None:
    said: list[fs.ProgressEvent] = []
    loaded, source = registry.load(line[0]), (line[0], ())
    plan = RunPlan(plant=loaded, source=source, setup=RunSetup(), engine="calendar", report=said.append)
    for _ in range(2):
        plan.say("The plan.")
        plan.announce("The broker is back.")
    assert [event.message for event in said] == ["The plan.", "The broker is back.", "The broker is back."]


def test_a_damaged_moment_is_called_damaged_and_a_table_is_no_moment(
    line: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn, table = tmp_path / "torn.npz", tmp_path / "machines.xlsx"
    for path in (torn, table):
        path.write_bytes(Path(line[1]).read_bytes()[:-100])
    assert main(["whatif", str(torn), "WASH.cycle_time=35 s"]) == 2
    assert "damaged" in capsys.readouterr().err
    assert not is_snapshot(str(table))


@pytest.mark.parametrize("words", [("--engine", "simpy"), ("--seed", "2"), ("--warm-up", "1 h")])
def test_what_a_moment_decides_already_is_not_decided_again(
    words: tuple[str, str], line: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["whatif", line[1], "WASH.cycle_time=35 s", *words]) == 2
    assert "its own seed" in capsys.readouterr().err


def test_a_moment_that_cannot_be_written_leaves_nothing_behind(line: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "now.npz").mkdir()
    with pytest.raises(SnapshotError, match="cannot be written"):
        read(line[1]).save(tmp_path / "now.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["now.npz"]


@pytest.mark.parametrize("window", [{"duration": 1e33}, {"duration": 1e12}, {"duration": 60, "warm_up": 1e13}])
def test_a_window_longer_than_a_calendar_is_refused_before_the_first_run(
    window: dict[str, float], line: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pool, "run", pytest.fail)
    with pytest.raises(fs.ConfigError, match="cannot be longer than 1,000 years"):
        fs.compare(line[0], changes=("WASH.cycle_time=35 s",), **window)


def test_a_moment_is_no_plant(line: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", line[1], "retrofit"]) == 2
    assert "is an archive, not a plant\n  To continue from a snapshot use factory-sim whatif" in capsys.readouterr().err
