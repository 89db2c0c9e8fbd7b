"""JSON Schemas of plant, scenario and study files, from which editors complete keys and show their meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.plant.yaml import shapes, study_shapes

if TYPE_CHECKING:
    from pydantic import BaseModel

    from factory_sim.plant.catalogue import Catalogue

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(catalogue: Catalogue) -> dict[str, Any]:
    """Return the schema of plants and scenarios; a file with `extends` is a scenario."""
    plant, scenario = (
        model.model_json_schema(ref_template="#/$defs/{model}") for model in (shapes.Plant, shapes.Scenario)
    )
    defs = {**plant.pop("$defs"), **scenario.pop("$defs")}
    defs |= {"Plant": plant, "Scenario": scenario}
    defs = _tidy(defs)
    _fill_in(defs, catalogue)
    return {
        "$schema": DIALECT,
        "title": "factory_sim plant or scenario",
        "if": {"required": ["extends"]},
        "then": {"$ref": "#/$defs/Scenario"},
        "else": {"$ref": "#/$defs/Plant"},
        "$defs": defs,
    }


def study_schema(name: str) -> dict[str, Any]:
    """Return the schema of the files of `factory-sim sweep` or `factory-sim optimise`."""
    model: type[study_shapes.Runs] = study_shapes.Sweep if name == "sweep" else study_shapes.Optimise
    of = _tidy(model.model_json_schema(ref_template="#/$defs/{model}"))
    return {"$schema": DIALECT, **of, "title": f"factory_sim {name} file"}


def feed_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of mapping files, `feed.yaml`, whose shape is `model`."""
    of = _tidy(model.model_json_schema(ref_template="#/$defs/{model}"))
    return {"$schema": DIALECT, **of, "title": "factory_sim feed file", "required": ["feed", "sources"]}


def _tidy(schema: Any) -> Any:
    """Return a schema without generated titles, empty defaults and null beside a single type."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    of = {name: child for name, child in schema.items() if not (name == "title" and isinstance(child, str))}
    of = {name: child for name, child in of.items() if name != "default" or isinstance(child, str | int | float)}
    branches = of.get("anyOf")
    if isinstance(branches, list) and len(branches) == 2 and branches[1] == {"type": "null"} and "description" in of:
        of = {**branches[0], **{name: child for name, child in of.items() if name != "anyOf"}}
    return {name: _tidy(child) for name, child in of.items()}


def _fill_in(defs: dict[str, Any], catalogue: Catalogue) -> None:
    """Add the names of the catalogue and the short forms that validators accept."""
    kinds = {name: info.help for name, info in catalogue.sensor_kinds.items()}
    sensor = defs["Sensor"]["properties"]
    sensor["kind"] = {"oneOf": [{"const": name, "description": text} for name, text in kinds.items()]}
    sensor |= {name: _param(catalogue, name) for info in catalogue.sensor_kinds.values() for name in info.params}
    defs["Sensor"]["additionalProperties"] = False
    for owner in ("Kind", "Operation"):
        defs[owner]["properties"]["behaviour"] |= {"enum": list(catalogue.behaviours)}
    defs["Fleet"]["properties"]["policy"] |= {"enum": list(catalogue.policies)}


def _param(catalogue: Catalogue, name: str) -> dict[str, Any]:
    of = {kind: info.params[name] for kind, info in catalogue.sensor_kinds.items() if name in info.params}
    text = "; ".join(
        f"{kind}: {param.help or param.dimension}, {param.default:g} without" for kind, param in of.items()
    )
    return {"type": ["string", "number"], "description": text}
