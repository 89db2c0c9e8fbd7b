"""Validate a tree against a shape and report every value that does not fit."""

from __future__ import annotations

import types
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
_ROUNDS = 50  # each removes at least one value; usually two rounds suffice


def validated(model: type[ShapeT], node: Node, report: Report, context: Mapping[str, Any]) -> ShapeT:
    """Return the shape of `node`; report values that do not fit and ignore them."""
    data = node.plain()
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(data, context=dict(context))
        except ValidationError as error:
            problems = [(_path(d["loc"], data), d) for d in error.errors(include_url=False)]
            for path, details in problems:
                _report(report, model, path, details)
                _prune(data, path)
            if not isinstance(data, dict):
                data = {}
    msg = f"{model.__name__} does not settle"
    raise AssertionError(msg)


def _path(loc: Path, data: Any) -> Path:
    """Return `loc` as far as it exists in the data; a text that stands for a mapping has no keys."""
    path: Path = ()
    for step in loc:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            break
        path = (*path, step)
    return path


def _prune(data: Any, path: Path) -> None:
    """Remove a value that does not fit, or the whole list that contains it, since other items would move."""
    parents = [data]
    for step in path[:-1]:
        try:
            parents.append(parents[-1][step])
        except (KeyError, IndexError, TypeError):  # removed with an earlier problem
            return
    while parents and not isinstance(parents[-1], dict):
        parents.pop()
    if parents:
        parents[-1].pop(path[len(parents) - 1], None)


def _report(report: Report, model: type[BaseModel], path: Path, details: ErrorDetails) -> None:
    kind = details["type"]
    if kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), _keys(model, path[:-1]))
        report.add(path, "is not a known key", hint, at_key=True)
        for meant in get_close_matches(str(path[-1]), _keys(model, path[:-1]), n=1):
            report.silence((*path[:-1], meant))  # the unknown key explains why it is missing
    elif kind == "value_error":
        report.add(path, str(details["ctx"]["error"]))
    else:
        report.add(path, f"expected {_EXPECTED.get(kind, details['msg'])}, got {shown(details['input'])}")


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys of the mapping at `path` of `model`."""
    here: Any = model
    for step in path:
        here = _model_of(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = next(f.annotation for name, f in here.model_fields.items() if step in {name, f.alias})
        else:  # dict[str, X] and list[X]
            here = get_args(here)[-1]
    here = _model_of(here)
    return [f.alias or name for name, f in here.model_fields.items()]


def _model_of(annotation: Any) -> Any:
    """Return `X` of the annotation `X | None`."""
    if get_origin(annotation) is types.UnionType:
        return next(a for a in get_args(annotation) if a is not type(None))
    return annotation
