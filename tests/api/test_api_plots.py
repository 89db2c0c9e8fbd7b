"""`plot()` of runs and studies: what is drawn is what the answer says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import factory_sim as fs
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from pathlib import Path

SHORT = {"replications": 3, "duration": "1 h", "warm_up": "10 min", "workers": 1, "progress": False}


@pytest.fixture
def run() -> fs.Run:
    return fs.simulate("line.yaml", duration="90 min", warm_up="10 min")


def test_the_output_of_all_hours_is_the_good_parts_of_the_run(run: fs.Run) -> None:
    output, _ = run.plot().axes
    hours = [bar.get_width() * 24 for bar in output.patches]
    parts = [bar.get_height() * hour for bar, hour in zip(output.patches, hours, strict=True)]
    assert hours == pytest.approx([1.0, 0.5])
    assert sum(parts) == pytest.approx(run.good_parts)


def test_the_states_drawn_are_those_of_the_log(run: fs.Run) -> None:
    machine = run.plant.machines.to_pandas()["machine"][0]
    figure = run.plot([machine])
    (image,) = figure.axes[1].images
    busy = float(np.mean(np.asarray(image.get_array()) == State.BUSY))
    log = run.log.to_pandas()
    rows = log[log["unit"] == machine]
    ends = [*rows["t_us"][1:], 100 * 60 * 1_000_000]
    start = 10 * 60 * 1_000_000
    spans = [
        max(0, b - max(a, start)) * (s == "BUSY") for a, b, s in zip(rows["t_us"], ends, rows["state"], strict=True)
    ]
    assert busy == pytest.approx(sum(spans) / (90 * 60 * 1_000_000), abs=0.02)
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == [machine]
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_an_unknown_unit_is_refused(run: fs.Run) -> None:
    with pytest.raises(fs.ConfigError, match="Did you mean"):
        run.plot(["M01"])


def test_a_comparison_draws_its_changes_and_contributions(tmp_path: Path) -> None:
    study = fs.whatif("line.yaml", "WASH.cycle_time=35 s", study=tmp_path / "s.jsonl", **SHORT)
    changes = study.plot().axes[0]
    labels = [text.get_text() for text in changes.get_yticklabels()]
    dots = [line.get_xdata()[0] for line in changes.lines if line.get_marker() == "o"]
    assert dots[labels.index("good parts per planned hour")] == study.change["line_rate_pct"].mean
    assert not any("OEE" in label for label in labels)


def test_why_sweep_and_optimise_draw_every_row(tmp_path: Path) -> None:
    why = fs.why("line.yaml", top=1, study=tmp_path / "w.jsonl", **SHORT)
    reliefs = sum(len(each.relief) for each in why.resources)
    settings = {"replications": 2, "duration": "30 min", "warm_up": "10 min"}
    sweep = fs.sweep(
        "line.yaml",
        factors={"WASH.buffer": [1, 4]},
        responses=["good_parts_per_h"],
        settings=settings,
        study=tmp_path / "v.jsonl",
        workers=1,
        progress=False,
    )
    choice = fs.optimise(
        "line.yaml",
        variables={"WASH.buffer": {"low": 1, "high": 3}},
        study=tmp_path / "o.jsonl",
        settings={"most": 10, "duration": "30 min", "warm_up": "10 min"},
        workers=1,
        progress=False,
    )
    drawn = [len(each.plot().axes[0].get_yticklabels()) for each in (why, sweep, choice)]
    assert drawn == [reliefs, 2, len(choice.result.front)]


def test_a_script_without_a_main_guard_uses_several_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import factory_sim as fs\n"
        "found = fs.whatif('line.yaml', 'WASH.buffer+1', replications=4, duration='30 min', warm_up='10 min',\n"
        "                   workers=2, progress=False, study='s.jsonl')\n"
        "print('pairs', found.change['line_rate_pct'].n)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "pairs 4\n"), done.stderr
