"""Sweeps: known outputs, bit-identical for any number of workers and after an interruption, located mistakes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sweep_lines import ONE, SWEEP, swept

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.errors import ConfigError
from factory_sim.study import store
from factory_sim.study.pages import page_of
from factory_sim.study.runner import Progress
from factory_sim.study.store import StudyError
from factory_sim.study.study_json import study_digest
from factory_sim.study.sweep.sweep_study import sweep_result
from factory_sim.views.frames import variant_frame
from factory_sim.views.text.sweep_text import sweep_lines

if TYPE_CHECKING:
    from pathlib import Path

SAMPLED = """
sweep: line.yaml
design: {design}
points: 8
factors:
  WASH.cycle_time: {{low: 36 s, high: 50 s, form: "lognormal({{}}, cv 0.1)"}}
  TEST.buffer: {{low: 1, high: 4}}
  kinds.lathe.failures.jam.repair: {{low: 0.5, high: 1.5, scale: yes}}
replications: 2
duration: 20 min
warm_up: 10 min
"""


@pytest.fixture
def one(tmp_path: Path) -> Path:
    (tmp_path / "one.yaml").write_text(ONE, encoding="utf-8")
    return tmp_path


def test_a_saturated_station_of_constant_time_makes_an_hour_divided_by_it(one: Path) -> None:
    found = swept(one).result.to_dict()
    rates = {point["values"]["PRESS.cycle_time"]: point["responses"]["good_parts_per_h"] for point in found["points"]}
    for text, rate in rates.items():
        assert rate["mean"] == pytest.approx(3600 / int(text.split()[0]), abs=1)
    assert found["best"] == 0
    assert found["not_told_apart"] == []
    assert found["points"][1]["change_pct"]["good_parts_per_h"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    energy = [point["responses"]["kwh_per_part"]["mean"] for point in found["points"]]
    assert energy == pytest.approx([2 * t / 3600 for t in (20, 30, 40)], rel=0.01)
    share = found["sensitivity"]["good_parts_per_h"]["factors"]["PRESS.cycle_time"]
    assert share["first"]["mean"] == pytest.approx(1.0)
    assert share["effects"][0]["mean"] == pytest.approx(180 - (180 + 120 + 90) / 3, abs=1)


@pytest.mark.parametrize(
    ("levels", "design"), [("[2, 4]", "grid"), ("{low: 2, high: 9}", "sobol"), ("{low: 2, high: 9}", "latin_hypercube")]
)
def test_a_constant_response_is_reported_as_constant_rather_than_noisy(levels: str, design: str, one: Path) -> None:
    text = SWEEP.replace("PRESS.cycle_time: [20 s, 30 s, 40 s]", f"PRESS.buffer: {levels}")
    found = swept(one, f"{text}design: {design}\n" + ("" if design == "grid" else "points: 4\n"))
    expected = "\n".join(line for line in sweep_lines(found.result) if isinstance(line, str))
    assert expected.count("The response is constant: no factor has an effect on it.") == 2
    assert "noise" not in expected
    assert "The response is constant" in page_of(found.study, found.file.name)
    assert json.loads(json.dumps(found.result.to_dict(), allow_nan=False)) == found.result.to_dict()


def test_a_response_that_is_not_defined_at_some_points_is_reported(one: Path) -> None:
    text = SWEEP.replace("20 s, 30 s, 40 s", "20 s, 2 h").replace("[good_parts_per_h, kwh_per_part]", "[kwh_per_part]")
    expected = [line for line in sweep_lines(swept(one, text).result) if isinstance(line, str)]
    assert "  ! The response is not defined at points without good parts." in expected


def test_a_response_without_what_it_is_computed_from_is_not_blamed_on_missing_parts(one: Path) -> None:
    (one / "one.yaml").write_text(re.sub(r",? *power: *(\{[^}]*\}|[^,}\n]*)", "", (one / "one.yaml").read_text()))
    text = SWEEP.replace("[good_parts_per_h, kwh_per_part]", "[kwh_per_part]")
    found = [line for line in sweep_lines(swept(one, text).result) if isinstance(line, str)]
    assert any("not defined at any point" in line for line in found)


def test_other_responses_and_titles_reuse_the_trials_and_the_page_shows_them(one: Path) -> None:
    first = swept(one)
    text = SWEEP.replace("[good_parts_per_h, kwh_per_part]", "[wip]\ntitle: How full is it?")
    again = swept(one, text)
    assert set(again.study.trials) == set(first.study.trials)
    assert list(again.result.responses) == ["wip"]
    kept = store.load(again.file)
    assert sweep_result(kept) == again.result
    page = page_of(kept, again.file.name)
    assert "How full is it?" in page
    assert "energy per part" not in page


def test_a_point_is_bit_identical_with_the_same_change_in_a_comparison(one: Path) -> None:
    found = swept(one)
    other = fs.compare(
        one / "one.yaml",
        changes=("PRESS.cycle_time=20 s",),
        replications=2,
        duration="1 h",
        warm_up="10 min",
        workers=1,
        engine="simpy",
        attribution=False,
        study=one / "c.jsonl",
    )
    compared = store.load(other.file).trials["PRESS.cycle_time=20 s", 1].line
    np.testing.assert_equal(compared, found.study.trials["PRESS.cycle_time:=20 s", 1].line)  # NaN equals NaN


def test_levels_with_scale_multiply_the_value_of_the_plant(one: Path) -> None:
    text = SWEEP.replace("[20 s, 30 s, 40 s]", "{levels: [1, 50 %, 2], scale: yes}")
    found = swept(one, text).result.to_dict()
    rates = [point["responses"]["good_parts_per_h"]["mean"] for point in found["points"]]
    assert rates == pytest.approx([120, 240, 60], abs=1)


def test_a_range_of_a_grid_is_divided_evenly(one: Path) -> None:
    text = SWEEP.replace("[20 s, 30 s, 40 s]", "{low: 0.5 min, high: 1 min, steps: 3}")
    values = [point.values["PRESS.cycle_time"] for point in swept(one, text).result.points]
    assert values == ["0.5 min", "0.75 min", "1.0 min"]


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_sampled_designs_find_the_factor_with_the_largest_effect(folder: Path, tmp_path: Path, design: str) -> None:
    (tmp_path / "line.yaml").write_bytes((folder / "line.yaml").read_bytes())
    found = swept(tmp_path, SAMPLED.format(design=design)).result.to_dict()
    assert len(found["points"]) == (8 if design == "latin_hypercube" else 8 * 5)
    rate = found["sensitivity"]["good_parts_per_h"]
    if design == "sobol":
        total = {name: each["total"]["mean"] for name, each in rate["factors"].items()}
        assert max(total, key=total.__getitem__) == "WASH.cycle_time"
    else:
        assert rate["factors"]["WASH.cycle_time"][rate["method"]]["mean"] < -0.5
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.slow
def test_two_workers_and_an_interrupted_sweep_give_the_digest_of_one_worker(one: Path) -> None:
    alone = study_digest(swept(one).study)

    class Stopping(Progress):
        def advance(self, done: int) -> None:
            if done == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(one, progress=Stopping(), file=one / "stopped.jsonl")
    assert 0 < len(store.load(one / "stopped.jsonl").trials) < 8
    assert study_digest(swept(one, workers=2, file=one / "stopped.jsonl").study) == alone


def test_more_replications_resume_the_study_and_other_points_are_refused(one: Path) -> None:
    swept(one)
    assert swept(one, SWEEP.replace("replications: 2", "replications: 3")).result.replications == 3
    with pytest.raises(StudyError, match="its sweep differs"):
        swept(one, SWEEP.replace("40 s", "50 s"))


def test_the_result_follows_from_the_study_file_alone(one: Path) -> None:
    found = swept(one)
    assert sweep_result(store.load(found.file)) == found.result


def test_points_without_significant_difference_from_the_best_are_listed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_bytes((folder / "line.yaml").read_bytes())
    text = "sweep: line.yaml\nfactors: {TEST.buffer: [3, 4, 0]}\nreplications: 3\nduration: 1 h\nwarm_up: 15 min\n"
    found = swept(tmp_path, text.replace("0]", "0], WASH.cycle_time: [45 s, 80 s]")).result.to_dict()
    near = {found["points"][n]["values"]["WASH.cycle_time"] for n in found["not_told_apart"]}
    assert near == {"45 s"}  # the buffer hardly matters; eighty seconds do


def test_a_frame_has_a_row_per_point(one: Path) -> None:
    frame = variant_frame(swept(one).result)
    assert list(frame["PRESS.cycle_time"]) == ["20 s", "30 s", "40 s"]
    assert (frame["good_parts_per_h_low"] <= frame["good_parts_per_h"]).all()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("PRESS.cycle_time", "PRES.cycle_time", r"sweep.yaml:4:\d+: factors.PRES.cycle_time.0: .*Did you mean PRESS"),
        ("PRESS.cycle_time", "PRESS.cycle_tme", r":4:.*is not a known key.*Did you mean cycle_time"),
        ("30 s,", "30 x,", r"sweep.yaml:4:28: factors.PRESS.cycle_time.1: .*30 x"),
        ("[20 s, 30 s, 40 s]", "[20 s, 20 s]", "expected at least two different values, each once"),
        ("[20 s, 30 s, 40 s]", "[20 s, 3 kW]", "3 kW has the unit kW, but the first value has s"),
        ("[20 s, 30 s, 40 s]", "[34,5 s, 36,5 s]", "A comma separates values; write 34.5 s, 36.5 s"),
        ("[20 s, 30 s, 40 s]", "['34,5 s', 36 s]", "has a decimal comma; write 34.5 s"),
        ("[20 s, 30 s, 40 s]", "{low: 20 s}", "either levels, or low and high"),
        ("[20 s, 30 s, 40 s]", "{low: 20 s, high: 40 s}", "Write steps: 5"),
        ("[20 s, 30 s, 40 s]", "{low: 40 s, high: 20 s, steps: 2}", "low must be less than high"),
        ("[20 s, 30 s, 40 s]", "{low: fast, high: slow, steps: 2}", "expected a number, got 'fast'"),
        ("[20 s, 30 s, 40 s]", "{levels: [1 s, 2 s], scale: yes}", "expected a multiple of the plant's value"),
        ("[20 s, 30 s, 40 s]", "{levels: [1 s, 2 s], form: exponential}", "has no {} in place of the value"),
        ("replications: 2", "replications: 1", "whole number from 2 to 10,000, got 1"),
        ("replications: 2", "replicatoins: 2", "Did you mean replications"),
        ("replications: 2", "design: sobol", "sobol needs a number of points"),
        ("replications: 2", "{design: sobol, points: 8}", "cannot be read as YAML"),
        ("replications: 2", "design: lhs", "expected grid or latin_hypercube or sobol, got 'lhs'"),
        ("replications: 2", "points: 8", "is only for latin_hypercube and sobol"),
        ("replications: 2\n", "design: sobol\npoints: 12\n", "expected a power of two, got 12\n  Write points: 16"),
        ("replications: 2\n", "design: latin_hypercube\npoints: 2\n", "1 factors need at least 3 points, got 2"),
        ("kwh_per_part", "kwh_per_prt", "'kwh_per_prt' is not a KPI of the line\n  Did you mean kwh_per_part"),
        ("[good_parts_per_h, kwh_per_part]", "[]", "responses: contains no KPI of the line"),
        ("[20 s, 30 s, 40 s]", "[[1], 2]", r"^[^\n]*:4:\d+: factors.PRESS.cycle_time.0: expected one value[^\n]*$"),
        ("[20 s,", "[2 s, 3 s]\n  operations.PRESS.cycle_time: [20 s,", ":5:3: .*means the same value as PRESS.cyc"),
        ("[20 s, 30 s, 40 s]", "{low: 20, high: .inf, steps: 3}", "low must be less than high"),
        ("sweep: one.yaml", "sweep: sweep.yaml", "names this file itself"),
        ("sweep: one.yaml", "sweep: won.yaml", "'won.yaml': there is no such file beside this one"),
        ("sweep: one.yaml", "optimise: one.yaml", "is a file for `factory-sim optimise`"),
        ("sweep: one.yaml", "plant: one.yaml", "is a plant or a scenario"),
        ("sweep: one.yaml", "title: one.yaml", "the key sweep is missing"),
    ],
)
def test_a_mistake_is_reported_before_anything_runs(one: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        swept(one, SWEEP.replace(old, new))
    assert re.search(expected, str(error.value), re.DOTALL), str(error.value)
    assert not (one / "sweep.jsonl").exists()


def test_a_sobol_design_has_at_most_100_factors(one: Path) -> None:
    factors = "".join(f"  steps.{n}: {{low: 1, high: 2}}\n" for n in range(101))
    text = SWEEP[: SWEEP.index("factors:")] + f"factors:\n{factors}design: sobol\npoints: 8\nreplications: 2\n"
    with pytest.raises(ConfigError, match=r"sobol samples at most 100 factors.*\n.*latin_hypercube"):
        swept(one, text)


def test_a_latin_hypercube_refuses_text_levels(one: Path) -> None:
    text = SWEEP.replace("[20 s, 30 s, 40 s]", '["exponential(20 s)", 30 s]').replace(
        "replications", "design: latin_hypercube\npoints: 8\nreplications"
    )
    with pytest.raises(ConfigError, match="a Latin hypercube needs numbers"):
        swept(one, text)


def test_the_command_prints_the_best_point_first_and_writes_files(
    one: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(one)
    (one / "s.yaml").write_text(SWEEP, encoding="utf-8")
    words = ("sweep", "s.yaml", "--workers", "1", "--engine", "simpy", "--json", "a.json", "--csv", "a.csv")
    assert main(list(words)) == 0
    out = capsys.readouterr().out
    assert out.startswith("best good parts per planned hour: 180")
    assert "PRESS.cycle_time has the largest effect on good parts per planned hour: 100 %" in out
    assert json.loads((one / "a.json").read_text(encoding="utf-8"))["best"] == 0
    assert (one / "a.csv").read_text(encoding="utf-8").startswith("PRESS.cycle_time,good_parts_per_h,")
    assert len(list(one.glob("s-*.study.jsonl"))) == 1
    assert main(["validate", "study", *map(str, one.glob("*.jsonl")), "--workers", "1", "--engine", "simpy"]) == 0
    assert main(["report", *map(str, one.glob("*.jsonl")), "--out", "p.html"]) == 0
    assert "<svg" in (one / "p.html").read_text(encoding="utf-8")
    assert main(["sweep", "nowhere.yaml"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_python_function_runs_a_sweep(one: Path) -> None:
    (one / "s.yaml").write_text(SWEEP, encoding="utf-8")
    found = fs.sweep(one / "s.yaml", workers=1, engine="simpy", study=one / "s.jsonl")
    assert found.result.points[found.result.best or 0].values == {"PRESS.cycle_time": "20 s"}
