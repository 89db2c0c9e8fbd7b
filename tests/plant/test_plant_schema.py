"""The JSON Schema accepts what loads and knows every key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from factory_sim.plant.new import new
from factory_sim.plant.yaml import shapes
from factory_sim.plant.yaml.json_schema import json_schema
from factory_sim.plant.yaml.tree import read_yaml

if TYPE_CHECKING:
    from factory_sim.plant.catalogue import Catalogue


@pytest.fixture(scope="module")
def validator(catalogue: Catalogue) -> Draft202012Validator:
    schema = json.loads(json.dumps(json_schema(catalogue)))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def content(text: str) -> Any:
    return read_yaml(text, "x.yaml", []).plain()


def test_a_plant_that_uses_everything_fits(validator: Draft202012Validator, everything: str) -> None:
    assert [error.message for error in validator.iter_errors(content(everything))] == []


def test_the_template_fits(validator: Draft202012Validator) -> None:
    text = str(new("x")["x.yaml"]).replace("kind: temperature", "kind: energy")
    assert [error.message for error in validator.iter_errors(content(text))] == []


def test_a_scenario_fits(validator: Draft202012Validator) -> None:
    text = "extends: x\nquestion: Why?\nset: {a.b: 3 s}\nscale: {c: 0.5}\nremove: d\nchanges: {g: {add: {e: {f: 1}}}}"
    assert [error.message for error in validator.iter_errors(content(text))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cycle_time: 40 s", "cycle_tme: 40 s"),
        ("busy: 6 kW", "busy: 6 kJ"),
        ("busy: 6 kW", "busi: 6 kW"),
        ("kind: vibration", "kind: vibro"),
        ("policy: nearest", "policy: nearst"),
        ("machines: 2", "machines: two"),
        ("at_end: finish", "at_end: stop"),
        ("profile: 5g", "profil: 5g"),
        ("plant: everything", "plnt: everything"),
        ("noise: 5 W", "nose: 5 W"),
        ("scrap: 1 %", "scrap: 1 W"),
    ],
)
def test_an_editor_marks_what_the_loader_would_refuse(
    old: str, new: str, validator: Draft202012Validator, everything: str
) -> None:
    assert old in everything
    assert list(validator.iter_errors(content(everything.replace(old, new, 1)))) != []


def test_every_shape_and_every_key_is_in_the_schema(catalogue: Catalogue) -> None:
    defs = json_schema(catalogue)["$defs"]
    for shape in vars(shapes).values():
        if isinstance(shape, type) and issubclass(shape, shapes.Shape) and shape is not shapes.Shape:
            keys = {field.alias or name for name, field in shape.model_fields.items()}
            assert keys <= set(defs[shape.__name__]["properties"])
            assert defs[shape.__name__]["description"]
