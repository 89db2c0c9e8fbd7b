"""The shape of the files of `factory-sim sweep` and `factory-sim optimise`: which keys exist and what each means.

As in `shapes.py` everything is optional here; what is required, and how it fits the plant, `study` says.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from factory_sim import units
from factory_sim.plant.yaml import quantities as q
from factory_sim.plant.yaml.shapes import Shape, Texts

DESIGNS = ("grid", "latin_hypercube", "sobol")
OBJECTIVES = ["good_parts_per_h", "wip", "kwh_per_part", "cost_per_part"]


def _level(value: Any) -> str | float:
    """A value of the plant file as it is typed there: a number, or a text such as `37 s`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        msg = f"expected one value such as 6 or 37 s, got {q.shown(value)}"
        raise ValueError(msg)
    return value


def _whole(low: int, high: int) -> PlainValidator:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"expected a whole number from {low:,} to {high:,}, got {q.shown(value)}"
            raise ValueError(msg)
        return value

    return PlainValidator(read)


def _counted(low: int, high: int, example: int) -> tuple[PlainValidator, WithJsonSchema]:
    text = f"A whole number from {low:,} to {high:,}."
    return _whole(low, high), WithJsonSchema({"type": "integer", "description": text, "examples": [example]})


def _warm_up(value: Any) -> float | None:
    if value == "auto":
        return None
    seconds = units.parse(_level(value), "time")
    if seconds < 0:
        msg = f"expected auto or a duration such as 4 h, got {q.shown(value)}"
        raise ValueError(msg)
    return seconds


def _indifference(value: Any) -> tuple[float, bool]:
    relative = isinstance(value, str) and value.strip().endswith("%")
    number = units.parse(_level(value), "share" if relative else "number")
    if number <= 0:
        msg = f"expected a difference above 0, such as 0.5 % or 0.2, got {q.shown(value)}"
        raise ValueError(msg)
    return number, relative


Level = Annotated[
    str | float, PlainValidator(_level), WithJsonSchema({"type": ["string", "number"], "examples": [6, "37 s"]})
]
WarmUp = Annotated[
    float | None, PlainValidator(_warm_up), WithJsonSchema({"type": "string", "examples": ["auto", "4 h"]})
]
Indifference = Annotated[
    tuple[float, bool],
    PlainValidator(_indifference),
    WithJsonSchema({"type": ["string", "number"], "examples": ["0.5 %", 0.2]}),
]
Replications = Annotated[int, *_counted(2, 10_000, 10)]
Search = Annotated[int, *_counted(1, 100_000, 100)]


class Runs(Shape):
    """What every run of a study has in common."""

    title: q.Text | None = Field(default=None, description="For people; the file's name without it.")
    question: q.Text | None = Field(default=None, description="What it answers.")
    duration: q.Seconds = Field(
        default=28800.0, json_schema_extra={"default": "8 h"}, description="Length of the analysed window of every run."
    )
    warm_up: WarmUp = Field(
        default=None,
        json_schema_extra={"default": "auto"},
        description="Dropped from every run's start; `auto`: found by pilot runs.",
    )
    seed: q.Count = Field(default=1, description="Of all random streams, of the design and of the search.")


class Factor(Shape):
    """One value of the plant that a sweep changes. A list alone is short for {levels: [...]}."""

    title: q.Text | None = Field(default=None, description="For people; the address without it.")
    levels: list[Level] = Field(default=[], description="The values it takes.")
    low: Level | None = Field(default=None, description="Lowest value. Two whole numbers mean whole numbers between.")
    high: Level | None = Field(default=None, description="Highest value.")
    steps: Annotated[int | None, *_counted(2, 10_000, 5)] = Field(
        default=None, description="In a grid: how many evenly spaced values from low to high."
    )
    scale: q.Flag = Field(default=False, description="The values are factors of what the plant has, also by pattern.")
    form: q.Text | None = Field(
        default=None, description="What to write with the value in place of {}: `lognormal({}, cv 0.03)`."
    )


class Sweep(Runs):
    """A file of `factory-sim sweep`: one plant, the values that change, and by which design."""

    sweep: q.Text | None = Field(
        default=None, description="The plant or scenario: a file beside this one, or a packaged one's name."
    )
    design: Annotated[str, PlainValidator(q.choice(*DESIGNS)), WithJsonSchema({"enum": list(DESIGNS)})] = Field(
        default="grid", description="grid: every combination of levels; latin_hypercube, sobol: sampled."
    )
    points: Annotated[int | None, *_counted(2, 100_000, 64)] = Field(
        default=None,
        description="latin_hypercube: how many; sobol: N, a power of two, of which N × (factors + 2) are made.",
    )
    factors: dict[str, Annotated[Factor, BeforeValidator(lambda v: {"levels": v} if isinstance(v, list) else v)]] = (
        Field(default={}, description="address: {low, high} or {levels}")
    )
    responses: Texts = Field(default=OBJECTIVES, description="KPIs of the line that are shown; the first comes first.")
    replications: Replications = Field(default=5, description="Runs of every point, on common random numbers.")


class Variable(Shape):
    """A whole number of the plant that an optimisation chooses: buffer places, vehicles, people, machines."""

    title: q.Text | None = Field(default=None, description="For people; the address without it.")
    low: q.Count | None = Field(default=None, description="Lowest value.")
    high: q.Count | None = Field(default=None, description="Highest value.")
    price: q.Price = Field(default=0.0, description="What one costs: a place, a vehicle, a person.")
    owned: q.Count = Field(default=0, description="How many are there already and cost nothing.")


class Limit(Shape):
    """A bound on the sum of variables. `of` names them, also by pattern: OP*.buffer."""

    of: Texts = Field(default=[], description="Variables, also by pattern; without it all of them.")
    at_most: q.Count | None = Field(default=None, description="Highest sum.")
    at_least: q.Count | None = Field(default=None, description="Lowest sum.")
    exactly: q.Count | None = Field(default=None, description="The sum.")


class Optimise(Runs):
    """A file of `factory-sim optimise`: one plant, what may be chosen, within which limits, and what is best."""

    optimise: q.Text | None = Field(
        default=None, description="The plant or scenario: a file beside this one, or a packaged one's name."
    )
    variables: dict[str, Variable] = Field(default={}, description="address: {low, high, price, owned}")
    limits: dict[str, Limit] = Field(default={}, description="Bounds on sums of variables, each with a name.")
    budget: q.Price | None = Field(
        default=None, description="What may be spent: Σ price × (number - owned), where that is above 0."
    )
    objectives: Texts = Field(
        default=OBJECTIVES, description="KPIs of the line; the first decides, all of them make the front."
    )
    candidates: Search = Field(
        default=100, description="How many choices are tried; if no more are allowed, all of them are."
    )
    screening: Replications = Field(default=4, description="Runs of every choice while Optuna searches.")
    finalists: Search = Field(default=10, description="Of those found, how many the selection decides among.")
    first: Replications = Field(default=10, description="Runs of every finalist before the first may be dismissed.")
    most: Replications = Field(default=200, description="Runs of a finalist at which the selection gives up.")
    confidence: q.Share = Field(default=0.95, description="Probability with which the best is to be selected.")
    indifference: Indifference = Field(
        default=(0.005, True),
        json_schema_extra={"default": "0.5 %"},
        description="Smallest difference of the first objective that matters: per cent of the plant's, or its unit.",
    )
