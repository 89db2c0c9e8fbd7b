"""Validate a tree against a shape and report every value that does not fit."""

from __future__ import annotations

import types
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from factory_sim.errors import did_you_mean
from factory_sim.plant.yaml.quantities import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from factory_sim.plant.yaml.problems import Report
    from factory_sim.plant.yaml.tree import Node, Path

ShapeT = TypeVar("ShapeT", bound=BaseModel)

_EXPECTED = {
    "model_type": "a mapping of keys and values",
    "model_attributes_type": "a mapping of keys and values",
    "dict_type": "a mapping of names and values",
    "list_type": "a list",
}
_MISSING, _UNKNOWN = "missing", "extra_forbidden"
_ROUNDS = 50  # each removes at least one value; usually two rounds suffice


def validated(model: type[ShapeT], node: Node, report: Report, context: Mapping[str, Any]) -> ShapeT:
    """Return the shape of `node`; report values that do not fit and ignore them, or put examples in their place."""
    data = node.plain()
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(data, context=dict(context))
        except ValidationError as error:
            found = error.errors(include_url=False)
        problems = [(_path(details["loc"], data), details) for details in found]
        for path, details in sorted(problems, key=lambda problem: problem[1]["type"] != _UNKNOWN):
            _report(report, model, path, details)
        for path, details in problems:
            _mend(data, path, _example(model, path) if details["type"] == _MISSING else None)
    msg = f"{model.__name__} does not settle"
    raise AssertionError(msg)


def _path(loc: Path, data: Any) -> Path:
    """Return `loc` down to the first text, which stands for a mapping or a list."""
    path: Path = ()
    for step in loc:
        if isinstance(data, list) and isinstance(step, str):  # the list stands for a mapping with this key
            continue
        if not isinstance(data, dict | list):
            break
        path = (*path, step)
        data = data.get(step) if isinstance(data, dict) else data[int(step)]
    return path


def _mend(data: Any, path: Path, instead: Any) -> None:
    """Replace a value that does not fit, or the whole list that contains it, or remove it for None."""
    mapping, key, here = data, path[0], data
    with suppress(LookupError, TypeError):  # it is missing, or went with an earlier problem
        for step in path:
            if isinstance(here, dict):
                mapping, key = here, step
            here = here[step]
    mapping.pop(key, None)
    if instead is not None:
        mapping[key] = instead


def _example(model: type[BaseModel], path: Path) -> Any:
    field = next(f for name, f in _model_at(model, path[:-1]).model_fields.items() if path[-1] in {name, f.alias})
    return (field.examples or [None])[0]


def _report(report: Report, model: type[BaseModel], path: Path, details: ErrorDetails) -> None:
    kind = details["type"]
    if kind == _MISSING:
        if report.clean(path):  # else it was there, and has been reported and removed
            report.missing(path, str(_example(model, path)))
    elif kind == _UNKNOWN:
        hint = did_you_mean(str(path[-1]), _keys(model, path[:-1]))
        report.add(path, "is not a known key", hint, at_key=True)
        for meant in get_close_matches(str(path[-1]), _keys(model, path[:-1]), n=1):
            report.silence((*path[:-1], meant))  # the unknown key explains why it is missing
    elif kind == "value_error":
        report.add(path, str(details["ctx"]["error"]))
    else:
        report.add(path, f"expected {_EXPECTED.get(kind, details['msg'])}, got {shown(details['input'])}")


# Keys whose default of 0 stands for no limit, or for none of its kind.
_NONE_IF_0 = {"at_wear", "cards", "charge_time", "every", "every_parts", "moving_time", "plan", "timeout"}


def number_without(model: type[BaseModel], path: Path, *, is_sum: bool) -> float | None:
    """Return the count that applies where the file has no value at `path`, or 0 for a sum; None if there is none."""
    try:
        fields = _model_at(model, path[:-1]).model_fields
    except (StopIteration, IndexError, AttributeError):  # not an address of the shapes
        return None
    default = next((each.default for name, each in fields.items() if path[-1] in {name, each.alias}), None)
    is_number = isinstance(default, int) or (is_sum and default == 0.0)
    return default if is_number and not isinstance(default, bool) and path[-1] not in _NONE_IF_0 else None


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys of the mapping at `path` of `model`."""
    return [field.alias or name for name, field in _model_at(model, path).model_fields.items()]


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    here: Any = model
    for step in path:
        here = _model_of(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = next(f.annotation for name, f in here.model_fields.items() if step in {name, f.alias})
        else:  # dict[str, X] and list[X]
            here = get_args(here)[-1]
    found: type[BaseModel] = _model_of(here)
    return found


def _model_of(annotation: Any) -> Any:
    """Return `X` of the annotation `X | None`."""
    if get_origin(annotation) is types.UnionType:
        return next(a for a in get_args(annotation) if a is not type(None))
    return annotation
