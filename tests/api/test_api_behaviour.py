"""Calls on a small line: arguments, results, interruption, and feeds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.plant.load import load as load_spec
from factory_sim.registry import catalogue
from factory_sim.sensing.sample import Sensing
from factory_sim.sim import run as simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT: dict[str, Any] = {"duration": "30 min", "warm_up": "10 min", "workers": 1, "engine": "simpy", "progress": False}


@pytest.mark.parametrize(
    "changes",
    [
        {"WASH.buffer": 5},
        "WASH.buffer=5",
        ["WASH.buffer=5"],
        fs.Change("WASH.buffer", 5),
        [fs.Change("WASH.buffer", 2, "+")],
        ("WASH.buffer+2",),
    ],
)
def test_changes_take_a_mapping_a_text_a_change_and_lists(changes: Any) -> None:
    table = fs.load("line.yaml", changes).operations.to_pandas().set_index("operation")
    assert table.loc["WASH", "buffer"] == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fs.load("lime.yaml"), "Did you mean line.yaml"),
        (lambda: fs.load(5), "expected a plant's name or file, or a loaded plant, got 5"),  # type: ignore[arg-type]
        (lambda: fs.load("line.yaml", {"WASCH.buffer": 5}), r"^changes: .*WASCH(.|\n)*Did you mean WASH"),
        (lambda: fs.load("line.yaml", "WASH.buffer"), "^changes: 'WASH.buffer' is not a change"),
        (lambda: fs.load("line.yaml", [5]), "changes: expected a change, got 5"),  # type: ignore[list-item]
        (lambda: fs.load("line.yaml", {"WASH.buffer": [1]}), r"expected a number or a text, got \[1\]"),  # type: ignore[dict-item]
        (lambda: fs.Change("WASH.buffer", 2, "/"), "'/' is not a known operator"),
        (
            lambda: fs.simulate("line.yaml", duration="8 hours and"),
            "is not a unit of time; expected a time with a unit",
        ),
        (lambda: fs.simulate("line.yaml", duration="-1 h"), "cannot be negative"),
        (lambda: fs.simulate("line.yaml", duration=0), "must be longer than 0 s"),
        (lambda: fs.publish("line.yaml", log="log.csv", duration="0 s"), "must be longer than 0 s"),
        (lambda: fs.publish("line.yaml", log="log.csv", warm_up="1000000 d"), "cannot be longer than 1,000 years"),
        (lambda: fs.simulate("line.yaml", duration="1000000 d"), "cannot be longer than 1,000 years"),
        (lambda: fs.simulate("line.yaml", engine="simpi"), "Did you mean simpy"),
        (lambda: fs.simulate("line.yaml", seed=1.5), "seed: expected a whole number"),  # type: ignore[arg-type]
        (lambda: fs.compare("line.yaml"), "nothing to compare"),
        (lambda: fs.compare("line.yaml", "better.yaml", replications=1), "at least 2, got 1"),
        (lambda: fs.whatif("line.yaml", []), "no change was given"),
        (lambda: fs.whatif("line.yaml", "WASH.buffer+1", progress=5), "expected True, False or a function"),  # type: ignore[arg-type]
        (lambda: fs.publish("line.yaml", speed="fast"), "expected a number above 0, or 'max', got 'fast'"),
        (lambda: fs.publish("line.yaml", payload_format="bulky"), "Did you mean bulk"),
        (lambda: fs.listen("mqtt://127.0.0.1", payload_format="bulky"), "Did you mean bulk"),
    ],
)
def test_a_bad_argument_names_the_value_and_the_expectation(call: Any, message: str) -> None:
    with pytest.raises(fs.ConfigError, match=message):
        call()


def test_a_plant_carries_its_file_and_changes_into_further_calls() -> None:
    plant = fs.load("better.yaml", "TEST.buffer+1")
    again = fs.load(plant, "CUT.buffer+1")
    assert again.changes == ("TEST.buffer+1", "CUT.buffer+1")
    assert again.file == "better.yaml"
    assert fs.load(plant).digest == plant.digest != again.digest
    found = plant.to_dict()
    assert [row["machine"] for row in found["machines"]] == ["M001", "M002", "M003"]
    assert "<table" in plant._repr_html_()
    assert "<table" in plant.sensors._repr_html_()


def test_a_log_has_names_and_time_stamps_of_the_plants_clock() -> None:
    run = fs.simulate("line.yaml", duration="10 min", engine="simpy")
    log = run.log.to_pandas()
    assert {"M001", "M002", "M003"} <= set(log["unit"])
    assert set(log["state"].astype(str)) >= {"BUSY", "STARVED"}
    assert str(log["time"].dt.tz) == load_spec("line.yaml", catalogue()).timezone
    seconds = (log["time"] - log["time"].iloc[0]).dt.total_seconds()
    assert np.allclose(seconds, log["t_us"] / 1e6)


def test_kpis_are_found_by_name_and_a_wrong_name_has_a_suggestion() -> None:
    run = fs.simulate("line.yaml", duration="1 h", engine="simpy")
    kpis = run.kpis()
    assert kpis["line.good_parts"] == run.good_parts > 0
    assert set(kpis.values("operation.oee")) == {"CUT", "WASH", "TEST"}
    with pytest.raises(fs.ConfigError, match=r"Did you mean line\.good_parts"):
        kpis["line.goodparts"]
    with pytest.raises(fs.ConfigError, match="Did you mean WASH"):
        kpis["operation.oee", "WASHY"]
    assert run.to_dict()["kpis"]["line.good_parts"]["values"]["line"] == run.good_parts  # type: ignore[call-overload,index]
    assert "<table" in run._repr_html_()


def test_a_signal_is_bit_identical_with_the_readings_of_all_sensors() -> None:
    run = fs.simulate("line.yaml", duration="20 min", warm_up="15 min", seed=3, engine="simpy")
    series = run.signal("M002", "heat")
    plant = load_spec("line.yaml", catalogue())
    whole = simulator.Simulation(plant, seed=3, warm_up_us=900_000_000, until_us=2_100_000_000, engine="simpy")
    sensing = Sensing(plant, seed=3, replication=0, epoch_ns=0, t0_us=900_000_000)
    (piece,) = whole.slices(10**10)
    sensing.remember(whole.before)
    sensor = next(each for each in plant.sensors if plant.units[each.unit] == "M002" and each.name == "heat")
    blocks = [b for b in sensing.sample(piece.log, piece.t1_us).samples if sensor.id in b.sensor]
    raw = np.concatenate([b.raw[:, list(b.sensor).index(sensor.id)] for b in blocks])
    assert np.array_equal(series.to_numpy(), raw * sensor.scale + sensor.offset)
    assert len(series) == 600
    with pytest.raises(fs.ConfigError, match="Did you mean heat"):
        run.signal("M002", "heta")
    with pytest.raises(fs.ConfigError, match="Did you mean M00"):
        run.signal("M02", "heat")


def test_the_answer_of_a_comparison_equals_the_json_of_the_command(folder: Path) -> None:
    study = fs.compare("line.yaml", "better.yaml", replications=3, attribution=False, study="a.study.jsonl", **SHORT)
    words = ["compare", "line.yaml", "better.yaml", "--replications", "3", "--duration", "30min", "--warm-up", "10min"]
    options = [
        "--workers",
        "1",
        "--engine",
        "simpy",
        "--no-attribution",
        "--study",
        "b.study.jsonl",
        "--json",
        "b.json",
    ]
    assert main([*words, *options]) == 0
    assert json.loads((folder / "b.json").read_text(encoding="utf-8")) == json.loads(json.dumps(study.to_dict()))
    assert study.report("r.html") == (folder / "r.html").relative_to(folder)
    assert "<html" in (folder / "r.html").read_text(encoding="utf-8")
    assert len(study.to_pandas()) == 6
    assert fs.replay(study, workers=1, engine="simpy", progress=False).same
    with pytest.raises(fs.StudyError, match="Its arms are: line, better"):
        study.why("bettter")


def test_an_interrupted_study_is_resumed_by_the_same_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    from factory_sim.study.pool import Pool  # noqa: PLC0415 - only to interrupt it

    run_all = Pool.run

    def stopped(self: Pool, *arguments: Any) -> Iterator[Any]:
        for n, each in enumerate(run_all(self, *arguments)):
            if n == 2:
                raise KeyboardInterrupt
            yield each

    options = SHORT | {"progress": True}
    monkeypatch.setattr(Pool, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        fs.whatif("line.yaml", "WASH.buffer+2", replications=5, **options)
    monkeypatch.setattr(Pool, "run", run_all)
    assert "the same call resumes the study" in capsys.readouterr().err
    events: list[fs.ProgressEvent] = []
    study = fs.whatif("line.yaml", "WASH.buffer+2", replications=5, **(SHORT | {"progress": events.append}))
    assert next(each.done for each in events if each.stage == "trials") == 0
    assert 2 in [each.done for each in events if each.stage == "trials"]
    assert study.scenarios[0].replications == 5
    assert [path.name for path in folder.glob("*.study.jsonl")] == [study.file.name]


def test_whatif_starts_from_the_file_of_a_snapshot() -> None:
    fs.snapshot("line.yaml", at="1 h").save("now.npz")
    options: dict[str, Any] = {"duration": "30 min", "replications": 5, "workers": 1, "progress": False}
    study = fs.whatif("now.npz", {"WASH.cycle_time": "30 s"}, **options)
    assert study.change["line_rate_pct"].low > 0
    assert study.result.study.warm_up.file == "now.npz"
    assert fs.replay(study, workers=1, progress=False).same
    with pytest.raises(fs.ConfigError, match="own seed, past and engine"):
        fs.whatif("now.npz", "WASH.buffer+1", seed=2, **options)


def test_a_sweep_and_an_optimisation_start_from_a_plant_with_changes(folder: Path) -> None:
    plant = fs.load("line.yaml", {"WASH.cycle_time": "20 s", "TEST.buffer": 9})
    settings = {"replications": 2, "duration": "1 h", "warm_up": "10 min"}
    options: dict[str, Any] = {"workers": 1, "progress": False}
    swept = fs.sweep(plant, factors={"CUT.buffer": [1, 8]}, settings=settings, **options)
    rates = swept.to_pandas()["good_parts_per_h"]
    assert rates.min() > 85  # without the change the 45 s of WASH allow 80
    assert fs.replay(swept, **options).same
    settings = {"most": 10, "duration": "1 h", "warm_up": "10 min"}
    best = fs.optimise(plant, variables={"CUT.buffer": {"low": 1, "high": 2}}, settings=settings, **options)
    assert best.to_pandas()["good_parts_per_h"].min() > 85
    assert "<html" in best.report(folder / "r.html").read_text(encoding="utf-8")


def test_a_forked_run_continues_the_run_of_its_snapshot() -> None:
    whole = fs.simulate("line.yaml", warm_up="1 h", duration="30 min", engine="calendar")
    start = fs.snapshot("line.yaml", at="1 h")
    start.save("now.npz")
    assert fs.fork("now.npz", duration="30 min").good_parts == fs.fork(start, duration="30 min").good_parts
    assert fs.fork(start, duration="30 min").good_parts == whole.good_parts > 0


def test_a_second_robot_joins_a_fork_and_relieves_the_first(folder: Path) -> None:
    operations = "{A: {cycle_time: 40 s, buffer: 2, from: s, robot: R}, B: {cycle_time: 40 s, buffer: 2, robot: R}}"
    (folder / "shared.yaml").write_text(
        f"plant: shared\nsources: {{s: {{interarrival: saturated}}}}\nrobots: {{R: {{}}}}\n"
        f"sections: {{x: {{operations: {operations}}}}}\n",
        encoding="utf-8",
    )
    start = fs.snapshot("shared.yaml", at="1 h")
    one = fs.fork(start, duration="2 h").good_parts
    two = fs.fork(start, "robots.R.count+1", duration="2 h").good_parts
    assert (one, two) == (90, 179)


@pytest.mark.usefixtures("feed_in_background")
def test_a_feed_that_is_published_is_heard_without_loss(broker_url: str) -> None:
    feed = fs.listen(broker_url, root="line/feed", progress=False)
    run = fs.simulate("line.yaml", duration="1 h")
    assert feed.result.ended
    assert feed.result.feed.lost == 0
    assert feed.kpis()["line.good_parts"] == run.good_parts
    assert feed.to_dict()["payload_format"] == "bulk"


@pytest.mark.usefixtures("feed_in_background")
def test_reports_of_a_short_run_show_its_windows(broker_url: str) -> None:
    texts: list[str] = []
    feed = fs.listen(broker_url, root="line/feed", every="0.01 s", progress=lambda event: texts.append(event.message))
    (head, *_) = [line for text in texts for line in text.splitlines() if "15 min" in line]
    assert head.split()[-2:] == ["shift", "today"]
    assert any(line.startswith("constraint ") for text in texts for line in text.splitlines())
    assert feed.kpis()["line.good_parts"] == fs.simulate("line.yaml", duration="1 h").good_parts
