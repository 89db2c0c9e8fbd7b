"""A trial keeps why a KPI of the line is not defined, and a comparison shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from study_lines import request_of

from factory_sim import registry
from factory_sim.analysis.needs import NEEDS
from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.compare.report_content import report_data
from factory_sim.study.runner import Progress
from factory_sim.study.study_json import trial_from_json, trial_to_json
from factory_sim.study.trial import Detail, Setting, run_trial

CASE = Path(__file__).parents[1] / "truth" / "cases" / "oee_above_one.yaml"
SETTING = Setting(1, 600.0, 3600.0, 300.0)


def test_a_report_names_what_is_not_defined_and_why_oee_is_above_one(tmp_path: Path) -> None:
    saturated = CASE.read_text(encoding="utf-8")
    (tmp_path / "line.yaml").write_text(saturated, encoding="utf-8")
    (tmp_path / "better.yaml").write_text(saturated.replace("37 s", "30 s"), encoding="utf-8")
    finished = run_study(request_of(tmp_path, replications=2), Progress())
    sides = report_data(finished.study, finished.file.name).sides
    for side in sides:
        notes = dict(side.notes)
        assert notes["cost per good part"] == NEEDS["prices"].reason
        assert notes["energy per good part"] == NEEDS["energy"].reason
        assert notes["OEE of all machines"].startswith("above 100 %: ")


def test_a_trial_notes_what_is_not_defined_and_why_oee_is_above_one() -> None:
    trial = run_trial(registry.load(CASE), SETTING, 0, Detail.PROBE, "simpy")
    assert trial.notes["kwh"] == NEEDS["energy"].reason
    assert trial.notes["cost_per_part"] == NEEDS["prices"].reason
    assert trial.notes["oee"].startswith("above 100 %: 60 s are planned")
    assert trial_from_json(trial_to_json(trial)).notes == trial.notes
    assert "notes" not in trial_to_json(replace(trial, notes={}))
