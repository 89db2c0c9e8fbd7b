"""What `new` writes loads at once, and its parts agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factory_sim.errors import ConfigError, MissingExtraError
from factory_sim.plant.catalogue import SensorKindInfo
from factory_sim.plant.describe import seldom_intended
from factory_sim.plant.load import load
from factory_sim.plant.new import new, new_study

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Plant

TWO = """\
plant: two
sources: {raw: {interarrival: saturated}}
sections: {a: {operations: {A: {from: raw, cycle_time: 9 s, buffer: 4}, B: {machines: 2, cycle_time: 30 s, buffer: 4}}}}
"""


@pytest.fixture
def plants(tmp_path: Path, catalogue: Catalogue) -> dict[str, Plant]:
    for name, content in {**new("my_line"), **new("my_line.xlsx")}.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    kinds = {**catalogue.sensor_kinds, "temperature": SensorKindInfo("°C", 0.0, 100.0)}
    known = replace(catalogue, sensor_kinds=kinds)
    return {path.name: load(path, known) for path in sorted(tmp_path.iterdir())}


def test_a_new_plant_is_a_file_and_a_table_that_load(plants: dict[str, Plant]) -> None:
    assert set(new("my_line")) == {"my_line.yaml", "my_line_table.csv"}
    assert all(len(plant.machines) == 3 for plant in plants.values())


@pytest.mark.parametrize("table", ["my_line_table.csv", "my_line.xlsx"])
@pytest.mark.parametrize("part", ["operations", "machines", "sensors", "sources", "crews"])
def test_the_tables_say_the_same_as_the_file(plants: dict[str, Plant], table: str, part: str) -> None:
    assert getattr(plants[table], part) == getattr(plants["my_line.yaml"], part)


def test_the_tables_have_the_failures_of_the_file(plants: dict[str, Plant]) -> None:
    named = {table: [[mode.name for mode in each.failures] for each in plants[table].machines] for table in plants}
    assert all(found == [["tool", "jam"], ["tool", "jam"], ["nozzle"]] for found in named.values())


@pytest.mark.parametrize("name", ["my_line.yaml", "my_line.csv", "my_line.xlsx"])
def test_a_suffix_chooses_the_format(name: str) -> None:
    assert set(new(name)) == {name}


def test_only_an_excel_file_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory_sim.errors.find_spec", lambda *_: None)
    assert len(new("my_line")) == 2
    with pytest.raises(MissingExtraError, match="excel"):
        new("my_line.xlsx")


def test_a_scenario_of_a_new_plant_loads(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    base = load(tmp_path / "two.yaml", catalogue)
    (file, content), *_ = new_study("faster", "scenario", base, "two.yaml").items()
    (tmp_path / file).write_text(content)
    changed = load(tmp_path / file, catalogue)
    assert len(changed.operations[1].machines) == 3
    assert changed.operations[1].cycle_time.mean_s == pytest.approx(27.0)


def test_a_new_plant_has_nothing_to_be_hinted_at(plants: dict[str, Plant]) -> None:
    assert seldom_intended(plants["my_line.yaml"]) == []
    assert plants["my_line.yaml"].name == "my_line"
    assert plants["my_line.yaml"].assumptions


def test_every_line_of_the_template_explains_or_is_data() -> None:
    text = new("x")["x.yaml"]
    assert isinstance(text, str)
    assert "NAME" not in text
    assert sum("#" in line for line in text.splitlines()) > 15


@pytest.mark.parametrize("name", ["", "my line", "a/b", "x.y", "ä b", "x" * 65])
def test_a_name_that_no_topic_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a plant"):
        new(name)
