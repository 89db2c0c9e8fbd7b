"""What `new` writes loads at once, and its parts agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim.errors import ConfigError
from factory_sim.plant.describe import seldom_intended
from factory_sim.plant.load import load
from factory_sim.plant.new import new

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Plant


@pytest.fixture
def plants(tmp_path: Path, catalogue: Catalogue) -> dict[str, Plant]:
    for name, content in new("my_line").items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    # the template's kinds of sensors are the real ones; a room's tests know only its own floor
    text = (tmp_path / "my_line.yaml").read_text().replace("kind: temperature", "kind: energy")
    (tmp_path / "my_line.yaml").write_text(text)
    return {path.name: load(path, catalogue) for path in sorted(tmp_path.iterdir())}


def test_a_new_plant_is_three_files_that_load(plants: dict[str, Plant]) -> None:
    assert set(plants) == {"my_line.yaml", "my_line_table.csv", "my_line_table.xlsx"}
    assert all(len(plant.machines) == 3 for plant in plants.values())


def test_the_tables_say_the_same_as_the_file(plants: dict[str, Plant]) -> None:
    of_file, of_csv, of_excel = (plants[name] for name in ("my_line.yaml", "my_line_table.csv", "my_line_table.xlsx"))
    assert of_file.operations == of_csv.operations == of_excel.operations
    assert [s.name for s in of_excel.sensors] == ["main_power"] * 3
    assert len(of_excel.crews) == 1


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
