"""What `factory-sim new --kind` writes is accepted by the command that reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory_sim import registry
from factory_sim.plant.new import new, new_study
from factory_sim.study.arms import PlantCache
from factory_sim.study.optimise.goals import read_goal
from factory_sim.study.sweep.plans import read_plan

PLANTS = ["gearbox_line", "line.yaml"]


@pytest.fixture(params=PLANTS)
def named(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.yaml").write_text(str(new("line")["line.yaml"]))
    return str(request.param)


def write(kind: str, named: str) -> str:
    (file, content), *_ = new_study("begun", kind, registry.load(named), named).items()
    Path(file).write_text(content, encoding="utf-8")
    return file


def test_a_scenario_changes_its_plant(named: str) -> None:
    changed = registry.load(write("scenario", named))
    assert len(changed.machines) == len(registry.load(named).machines) + 1


def test_a_sweep_has_all_points_of_its_grid(named: str) -> None:
    assert len(read_plan(write("sweep", named), PlantCache()).points) == 6


def test_an_optimisation_has_three_choices(named: str) -> None:
    file, _ = read_goal(write("optimisation", named), PlantCache())
    assert [(each.low, each.high) for each in file.shape.variables.values()] == [(1, 3)]
    assert file.shape.budget == 160_000
