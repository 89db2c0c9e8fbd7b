"""docs/sweeps.md and its examples: generated tables, files that load and fit the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from factory_sim.plant.yaml.json_schema import study_schema
from factory_sim.plant.yaml.key_tables import filled
from factory_sim.plant.yaml.tree import read_yaml
from factory_sim.study.arms import PlantCache
from factory_sim.study.optimise.goals import read_goal
from factory_sim.study.sweep.plans import read_plan

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "sweeps.md").read_text(encoding="utf-8")
EXAMPLES = sorted((DOCS / "examples").glob("*.yaml"))
FILES = [path for path in EXAMPLES if path.name != "tandem.yaml"]


@pytest.fixture(scope="module")
def bench() -> PlantCache:
    return PlantCache()


def validator(name: str) -> Draft202012Validator:
    schema = json.loads(json.dumps(study_schema(name)))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_tables_are_those_of_the_code() -> None:
    assert filled(TEXT) == TEXT, "write filled(text) of factory_sim.plant.yaml.key_tables into docs/sweeps.md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_loads_and_fits_the_schema(path: Path, bench: PlantCache) -> None:
    content = read_yaml(path.read_bytes(), path.name, []).plain()
    name = "sweep" if "sweep" in content else "optimise"
    assert [error.message for error in validator(name).iter_errors(content)] == []
    if name == "sweep":
        assert len(read_plan(path, bench).points) > 1
    else:
        assert read_goal(path, bench)[1].corners()


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_every_example_on_the_page_is_a_file_in_short(text: str) -> None:
    short = read_yaml(text, "page", []).plain()
    assert any(short.items() <= read_yaml(path.read_bytes(), path.name, []).plain().items() for path in FILES)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("sweep", {"sweep": "a.yaml"}, {"design": "grid"}),
        ("sweep", {"sweep": "a.yaml", "factors": {"A": [1, 2]}}, {"sweep": "a.yaml", "factors": {"A": {"lo": 1}}}),
        ("optimise", {"optimise": "a.yaml", "limits": {"x": {"of": "*"}}}, {"optimise": "a.yaml", "limit": {}}),
    ],
)
def test_the_schema_refuses_what_is_refused(name: str, old: dict[str, object], new: dict[str, object]) -> None:
    assert not list(validator(name).iter_errors(old))
    assert list(validator(name).iter_errors(new))
