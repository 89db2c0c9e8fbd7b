"""The documents say what the code does: tables drawn from the shapes, examples that load, their messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim.plant.load import load
from factory_sim.plant.yaml import shapes
from factory_sim.plant.yaml.key_tables import filled
from factory_sim.plant.yaml.problems import Report
from factory_sim.plant.yaml.tree import Node, read_yaml
from factory_sim.plant.yaml.validate import validated

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.errors import Problem
    from factory_sim.plant.catalogue import Catalogue

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE, TUTORIAL = ((DOCS / name).read_text(encoding="utf-8") for name in ("plant_file.md", "tutorial.md"))


def examples(text: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def test_the_tables_of_the_reference_are_those_of_the_code() -> None:
    assert filled(REFERENCE) == REFERENCE, "write filled(text) of factory_sim.plant.reference into docs/plant_file.md"


def test_every_shape_has_its_table_and_every_link_its_target() -> None:
    written = set(re.findall(r"<!-- keys: (\w+) -->", REFERENCE))
    known = {
        name for name, shape in vars(shapes).items() if isinstance(shape, type) and issubclass(shape, shapes.Shape)
    }
    assert known - written == {"Shape", "Equipment", "MachinePower", "VehiclePower", "RobotPower", "Changes"}
    targets = set(re.findall(r'<a id="(\w+)">', REFERENCE))
    assert set(re.findall(r"\(#(\w+)\)", REFERENCE)) <= targets


@pytest.mark.parametrize("text", examples(REFERENCE) + examples(TUTORIAL))
def test_every_example_has_the_shape_of_a_file(text: str) -> None:
    tree = read_yaml(text, "example.yaml", [])
    if "extends" not in tree.value:
        tree.value.setdefault("plant", Node("part_of_a_file", tree.place))
    report = Report(tree)
    model: Any = shapes.Scenario if "extends" in tree.value else shapes.Plant
    validated(model, tree, report, {"currency": "EUR"})
    assert report.problems == []


@pytest.mark.parametrize(("document", "plant"), [(REFERENCE, "three_machines.yaml"), (TUTORIAL, "filters.yaml")])
def test_whole_examples_load_and_so_do_their_scenarios(
    document: str, plant: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    whole = [text for text in examples(document) if text.startswith(("plant:", "extends:"))]
    (tmp_path / plant).write_text(next(text for text in whole if text.startswith("plant:")))
    (tmp_path / "s.yaml").write_text(next(text for text in whole if text.startswith("extends:")))
    changed = load(tmp_path / "s.yaml", catalogue)
    assert len(changed.machines) == len(load(tmp_path / plant, catalogue).machines) + 1


def test_the_messages_of_the_tutorial_are_current(problems: Callable[..., list[Problem]], tmp_path: Path) -> None:
    text = next(text for text in examples(TUTORIAL) if text.startswith("plant:"))
    wrong = text.replace("crew: fitters", "crew: fiters").replace("cycle_time: 30 s", "cycle_tme: 30 s")
    reported = "\n".join(map(str, problems(wrong))).replace(str(tmp_path / "plant.yaml"), "filters.yaml")
    assert f"```\n{reported}\n```" in TUTORIAL
