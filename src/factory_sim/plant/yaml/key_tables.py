"""Tables of keys in docs/plant_file.md and docs/sweeps.md, generated from the shapes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from factory_sim.plant.yaml import shapes, study_shapes

if TYPE_CHECKING:
    from pydantic import BaseModel

_MARK = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return the document with the table of every `<!-- keys: Shape -->` ... `<!-- end -->` replaced."""
    return _MARK.sub(lambda mark: f"{mark[1]}{table(_shape(mark[2]))}{mark[3]}", text)


def _shape(name: str) -> type[BaseModel]:
    shape: type[BaseModel] = getattr(study_shapes if hasattr(study_shapes, name) else shapes, name)
    return shape


def table(shape: type[BaseModel]) -> str:
    """Return a Markdown table of the keys of a shape with value, default and meaning."""
    schema = shape.model_json_schema(ref_template="{model}")
    rows = [_row(key, of, schema.get("$defs", {})) for key, of in schema["properties"].items()]
    return "\n".join(["| key | value | without it | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _row(key: str, of: dict[str, Any], defs: dict[str, Any]) -> str:
    branches = [branch for branch in of.get("anyOf", [of]) if branch.get("type") != "null"]
    value, about = _value(branches[0]), str(of.get("description") or branches[0].get("description", ""))
    default = of.get("default")
    shown = f"`{default}`" if isinstance(default, str | int | float) and default != "" else ""
    about = about or str(defs.get(str(branches[0].get("$ref")), {}).get("description", "")).split("\n")[0]
    return f"| `{key}` | {value} | {shown} | {about.replace('|', '/')} |"


def _value(of: dict[str, Any]) -> str:
    """Return an example, the allowed words, or the type of a value."""
    if "enum" in of:
        return ", ".join(f"`{word}`" for word in of["enum"] if not isinstance(word, bool))
    if of.get("examples"):
        return ", ".join(f"`{example}`" for example in of["examples"][:2])
    if "$ref" in of:
        return f"[{of['$ref'].lower()}](#{of['$ref'].lower()})"
    if of.get("type") == "array":
        return f"list of {_value(of['items'])}"
    if of.get("type") == "object" and isinstance(of.get("additionalProperties"), dict):
        inner = of["additionalProperties"]
        branches = [branch for branch in inner.get("anyOf", [inner]) if branch.get("type") != "null"]
        return f"name: {_value(branches[0])}"
    return "text" if of.get("type") else "any"
