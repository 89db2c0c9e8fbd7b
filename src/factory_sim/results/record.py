"""The JSON form that all records of answers share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, TypeAlias

from factory_sim.results.estimate import Estimate
from factory_sim.version import VERSION

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A part of an answer."""

    def to_dict(self) -> dict[str, Json]:
        """Return the fields by name; None stands for a number that is infinite or not defined."""
        return {each.name: to_json(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Record):
    """A whole answer: its dict is the content of a `--json` file."""

    FORMAT: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Json]:
        """Return the content of a `--json` file: `format`, `version`, then the fields by name."""
        return {**file_header(self.FORMAT), **Record.to_dict(self)}


def file_header(number: int = 1) -> dict[str, Json]:
    """Return the keys that every JSON file of the program begins with."""
    return {"format": number, "version": VERSION}


def to_json(value: object) -> Json:
    """Return a record, a number, a text or a collection of them as JSON has it."""
    if isinstance(value, Record | Estimate):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    assert value is None or isinstance(value, bool | int | float | str), f"no JSON form: {value!r}"
    return value
