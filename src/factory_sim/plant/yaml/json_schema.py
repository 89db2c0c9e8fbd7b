"""JSON Schemas of plant, scenario and study files, from which editors complete keys and show their meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.plant.resolve.assemble import PROFILES
from factory_sim.plant.yaml import shapes, study_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.catalogue import Catalogue

_REQUIRED = {
    "Operation": ["cycle_time"],
    "Fleet": ["count", "load"],
    "Conveyor": ["delay", "capacity"],
    "Crew": ["count"],
    "Shift": ["open"],
    "Batch": ["size"],
}
_ONE = "One alone needs no list."
_SHORT = {  # key -> meaning of a text in place of a mapping or a list
    "Operation.setup": "One changeover time for all, such as 5 min.",
    "Fleet.distances": "One length for all ways, such as 40 m.",
    "Plant.tariff": "One price, such as 0.18 EUR/kWh.",
    **dict.fromkeys(["Plant.table", "Crew.skills", "Shift.open", "Shift.breaks", "Scenario.remove"], _ONE),
    "Changes.remove": _ONE,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(catalogue: Catalogue) -> dict[str, Any]:
    """Return the schema of plants and scenarios; a file with `extends` is a scenario."""
    plant, scenario = (
        model.model_json_schema(ref_template="#/$defs/{model}") for model in (shapes.Plant, shapes.Scenario)
    )
    defs = {**plant.pop("$defs"), **scenario.pop("$defs")}
    defs |= {"Plant": {**plant, "required": ["plant"]}, "Scenario": {**scenario, "required": ["extends"]}}
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
    of = model.model_json_schema(ref_template="#/$defs/{model}")
    defs = _tidy(of.pop("$defs"))
    if name == "sweep":
        factors = of["properties"]["factors"]
        short = defs["Factor"]["properties"]["levels"]
        factors["additionalProperties"] = {"anyOf": [short, factors["additionalProperties"]]}
        _or_text(of["properties"], "responses", _ONE)
    else:
        _or_text(of["properties"], "objectives", _ONE)
        _or_text(defs["Limit"]["properties"], "of", _ONE)
    title = f"factory_sim {name} file"
    return {"$schema": DIALECT, **_tidy(of), "title": title, "required": [name], "$defs": defs}


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
    for owner, keys in _REQUIRED.items():
        defs[owner]["required"] = keys
    for owner in ("Kind", "Operation"):
        defs[owner]["properties"]["behaviour"] |= {"enum": list(catalogue.behaviours)}
    defs["Fleet"]["properties"]["policy"] |= {"enum": list(catalogue.policies)}
    _or_text(defs["Plant"]["properties"], "link", "A profile.", enum=list(PROFILES))
    for address, description in _SHORT.items():
        owner, name = address.split(".")
        _or_text(defs[owner]["properties"], name, description)


def _param(catalogue: Catalogue, name: str) -> dict[str, Any]:
    of = {kind: info.params[name] for kind, info in catalogue.sensor_kinds.items() if name in info.params}
    text = "; ".join(
        f"{kind}: {param.help or param.dimension}, {param.default:g} without" for kind, param in of.items()
    )
    return {"type": ["string", "number"], "description": text}


def _or_text(properties: dict[str, Any], name: str, description: str, **more: Any) -> None:
    full: Mapping[str, Any] = properties[name]
    about = {key: full[key] for key in ("description", "title") if key in full}
    rest = {key: value for key, value in full.items() if key not in {*about, "default"}}
    properties[name] = {**about, "anyOf": [{"type": "string", "description": description, **more}, rest]}
