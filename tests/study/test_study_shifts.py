"""Output per shift, calendar day and week: two shifts against three read correctly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.plant.describe import planned_h_per_week, shift_spans, shifts_per_week
from factory_sim.records import Window
from factory_sim.results.compare import ComparisonResult
from factory_sim.results.study_summary import GIVEN, StudySummary, WarmUp
from factory_sim.study.arms import Variant
from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.compare.reliefs import RELIEFS
from factory_sim.study.output import shift_output
from factory_sim.study.runner import Progress, Request
from factory_sim.study.trial import Detail, Setting, run_trial
from factory_sim.views.text.study_text import comparison_lines

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.spec import Plant
    from factory_sim.results.compare import ScenarioResult

HOUR_US = 3_600_000_000
LINE = """
plant: two
shift: day
shifts: {day: {open: {early: "06:00-14:00", late: "14:00-22:00"}}}
sources: {s: {interarrival: saturated}}
sections:
  x:
    operations:
      A: {cycle_time: 60 s, buffer: 3, from: s}
"""
THREE = 'shifts.day.open:={"early": "06:00-14:00", "late": "14:00-22:00", "night": "22:00-06:00"}'


def write(folder: Path, text: str = LINE) -> str:
    file = folder / "two.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def plant(folder: Path, *changes: str, text: str = LINE) -> Plant:
    return Variant(write(folder, text), None, changes).load()


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ScenarioResult:
    folder = tmp_path_factory.mktemp("shifts")
    file = write(folder)
    request = Request(
        base=Variant(file),
        scenarios=(Variant(file, None, (THREE,)),),
        replications=2,
        duration_s=24 * 3600.0,
        warm_up_s=24 * 3600.0,
        workers=1,
        engine="simpy",
        file=folder / "s.jsonl",
    )
    return run_study(request, Progress(), attribution=False).result.scenarios[0]


def test_a_third_shift_adds_half_of_the_output_and_nothing_to_the_rate(result: ScenarioResult) -> None:
    assert result.change["line_rate_pct"].mean == pytest.approx(0.0, abs=0.2)
    for name, before in (("good_parts_per_day_pct", 960.0), ("good_parts_per_week_pct", 6720.0)):
        assert result.change[name].mean == pytest.approx(50.0, abs=0.3)
        assert result.before[name].mean == pytest.approx(before, rel=0.01)


def test_the_distribution_is_that_of_the_shifts_of_each_calendar(result: ScenarioResult) -> None:
    assert (result.shifts["before"].n, result.shifts["after"].n) == (2 * 2, 2 * 3)
    assert result.shifts["before"].median == pytest.approx(480, abs=2)
    assert result.shifts["after"].p10 <= result.shifts["after"].median <= result.shifts["after"].p90


def test_the_terminal_shows_shifts_days_and_weeks(result: ScenarioResult) -> None:
    summary = StudySummary(seed=1, warm_up_s=0.0, duration_s=1.0, warm_up=WarmUp(by=GIVEN), trials=1, digest="")
    lines = comparison_lines(ComparisonResult(base="two", scenarios=(result,), study=summary))
    assert any("P10 / median / P90" in str(line) for line in lines)


def test_a_plant_without_shifts_has_shifts_of_eight_hours(tmp_path: Path) -> None:
    always = plant(tmp_path, text=LINE.replace("shift: day\n", ""))
    assert planned_h_per_week(always) == 168
    assert shifts_per_week(always) == 21
    assert shift_spans(always, Window(0, 20 * HOUR_US)) == [(0, 8 * HOUR_US), (8 * HOUR_US, 16 * HOUR_US)]


def test_only_whole_shifts_count(tmp_path: Path) -> None:
    found = shift_spans(plant(tmp_path), Window(HOUR_US, 17 * HOUR_US))  # a run starts at 06:00
    assert found == [(8 * HOUR_US, 16 * HOUR_US)]


@pytest.mark.parametrize(
    ("opens", "breaks", "more_h"),
    [
        ('"06:00-14:00"', "", 3.5),
        ('"Mon-Fri 06:00-14:00"', "", 2.5),
        ('{early: "06:00-14:00", late: "14:00-22:00"}', "", 3.5),
        ('"00:00-24:00"', '"09:00-09:20", "12:00-12:20"', 3.5),
        ('"22:00-21:50"', "", 7 / 6),
        ('"00:00-24:00"', "", None),
    ],
)
def test_a_shift_is_relieved_by_half_an_hour_per_open_day(
    opens: str, breaks: str, more_h: float | None, tmp_path: Path
) -> None:
    text = LINE.replace('{early: "06:00-14:00", late: "14:00-22:00"}', f"{opens}, breaks: [{breaks}]")
    before, (relief,) = plant(tmp_path, text=text), RELIEFS["shift"]
    overrides = relief.overrides(before, "day")
    if more_h is None:
        assert not overrides
    else:
        after = plant(tmp_path, *overrides, text=text)
        assert planned_h_per_week(after) - planned_h_per_week(before) == pytest.approx(more_h, abs=0.01)


def test_shares_of_shifts_are_named_after_the_shift(tmp_path: Path) -> None:
    trial = run_trial(plant(tmp_path), Setting(1, 0.0, 48 * 3600.0, 900.0), 0, Detail.FULL, "simpy")
    assert trial.path["shift day"][0] > 0.05
    assert sum(trial.shifts) == trial.line["good_parts"]
    assert np.sum(trial.out) == trial.line["good_parts"]


def test_a_published_run_has_the_same_output_as_a_trial(tmp_path: Path) -> None:
    words = {"duration": "2 d", "start": "plant", "progress": False, "log": tmp_path / "log.csv"}
    output = fs.publish(write(tmp_path), **words).result.output
    assert output is not None
    trial = run_trial(plant(tmp_path), Setting(1, 0.0, 48 * 3600.0, 3600.0), 0, Detail.FULL, "calendar")
    assert output.shifts == shift_output(trial.shifts)
    assert output.good_parts_per_h == pytest.approx(trial.line["good_parts_per_h"])
    assert output.good_parts_per_day == pytest.approx(16 * output.good_parts_per_h)
    assert output.good_parts_per_week == pytest.approx(112 * output.good_parts_per_h)


@pytest.mark.parametrize(("hours", "shown"), [(24, r"\d+ / \d+ / \d+ \(2 shifts\)"), (1, "contains no whole shift")])
def test_run_prints_the_output_at_its_end(
    hours: int, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--duration", f"{hours} h", "--start", "plant", "--warm-up", "0 s", "--record", str(tmp_path / "days"))
    assert main(["run", write(tmp_path), *words]) == 0
    said = capsys.readouterr().out
    assert re.search(r"Output +5\d\.\d\d good parts per planned hour; 9\d\d per calendar day, 6,\d{3} per week", said)
    assert re.search(shown, said)
