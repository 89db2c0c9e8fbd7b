"""A trial keeps why a KPI of the line is not defined, and a comparison shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from factory_sim import registry
from factory_sim.analysis.needs import NEEDS
from factory_sim.study.study_json import trial_from_json, trial_to_json
from factory_sim.study.trial import Detail, Setting, run_trial

CASE = Path(__file__).parents[1] / "truth" / "cases" / "oee_above_one.yaml"
SETTING = Setting(1, 600.0, 3600.0, 300.0)


def test_a_trial_notes_what_is_not_defined_and_why_oee_is_above_one() -> None:
    trial = run_trial(registry.load(CASE), SETTING, 0, Detail.PROBE, "simpy")
    assert trial.notes["kwh"] == NEEDS["energy"]
    assert trial.notes["cost_per_part"] == NEEDS["prices"]
    assert trial.notes["oee"].startswith("above 100 %: 60 s are planned")
    assert trial_from_json(trial_to_json(trial)).notes == trial.notes
    assert "notes" not in trial_to_json(replace(trial, notes={}))
