"""The keys of the files of `factory-sim sweep` and `factory-sim optimise`, and their meaning.

As in `shapes.py` every key is optional here; `study` checks what is required and what fits the plant.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from factory_sim import units
from factory_sim.plant.yaml import quantities as q
from factory_sim.plant.yaml.shapes import Shape, Texts, about, needed
from factory_sim.results.sweep import GRID, LATIN, SOBOL

DESIGNS = (GRID, LATIN, SOBOL)
OBJECTIVES = ["good_parts_per_h", "wip", "kwh_per_part", "cost_per_part"]


def _level(value: Any) -> str | float:
    """Return a value of the plant as typed: a number, or a text such as `37 s`."""
    return q.scalar(value, "one value such as 6 or 37 s")


def _counted(low: int, high: int, example: int) -> q.Form:
    """Return the validator and the schema of whole numbers within a range."""
    return q.form(q.whole(low, high), f"A whole number from {low:,} to {high:,}.", example, types="integer")


def _warm_up(value: Any) -> float | None:
    if value == "auto":
        return None
    seconds = units.parse(_level(value), "time")
    if seconds < 0:
        q.refuse("auto or a duration such as 4 h", value)
    return seconds


def _indifference(value: Any) -> tuple[float, bool]:
    relative = isinstance(value, str) and value.strip().endswith("%")
    number = units.parse(_level(value), "share" if relative else "number")
    if number <= 0:
        q.refuse("a difference above 0, such as 0.5 % or 0.2", value)
    return number, relative


Level = Annotated[str | float, *q.form(_level, "", 6, "37 s", types=["string", "number"])]
WarmUp = Annotated[float | None, *q.form(_warm_up, "", "auto", "4 h")]
Indifference = Annotated[tuple[float, bool], *q.form(_indifference, "", "0.5 %", 0.2, types=["string", "number"])]
Replications = Annotated[int, *_counted(2, 10_000, 10)]
Search = Annotated[int, *_counted(1, 100_000, 100)]


class Runs(Shape):
    """The keys that both kinds of file have."""

    title: q.Text | None = about("Shown in reports; default: the name of the file.")
    question: q.Text | None = about("The question that the study answers.")
    duration: q.Seconds = about("Length of the analysed window of every run.", 28800.0, "8 h")
    warm_up: WarmUp = about("Discarded at the start of every run; `auto`: determined by pilot runs.", None, "auto")
    seed: q.Count = about("Seed of all random streams, of the design and of the search.", 1)


class Factor(Shape):
    """One value of the plant that a sweep changes. A list alone is short for {levels: [...]}."""

    title: q.Text | None = about("Shown in reports; default: the address.")
    levels: list[Level] = about("The values of the factor.", [])
    low: Level | None = about("Lowest value. With two whole numbers all values are whole.")
    high: Level | None = about("Highest value.")
    steps: Annotated[int | None, *_counted(2, 10_000, 5)] = about(
        "In a grid: number of evenly spaced values from low to high."
    )
    scale: q.Flag = about("The values multiply the plant's own; the address may be a pattern.", default=False)
    form: q.Text | None = about("Text with {} in place of the value: `lognormal({}, cv 0.03)`.")


class Sweep(Runs):
    """A file of `factory-sim sweep`: one plant, the values that change, and the design."""

    sweep: q.Text = needed("The plant or scenario: a file beside this one, or a packaged name.", "line.yaml")
    design: Annotated[str, PlainValidator(q.choice(*DESIGNS)), WithJsonSchema({"enum": list(DESIGNS)})] = about(
        "grid: every combination of levels; latin_hypercube, sobol: sampled.", "grid"
    )
    points: Annotated[int | None, *_counted(2, 100_000, 64)] = about(
        "latin_hypercube: number of points; sobol: N, a power of two, for N × (factors + 2) points."
    )
    factors: dict[str, Annotated[Factor, q.Short(dict, lambda v: {"levels": v}, "The levels.", "array")]] = about(
        "address: {low, high} or {levels}", {}
    )
    responses: Texts = about("KPIs of the line; the first ranks the points.", OBJECTIVES)
    replications: Replications = about("Runs of every point, on common random numbers.", 5)


class Variable(Shape):
    """A whole number of the plant that an optimisation chooses: buffer places, vehicles, people, machines."""

    title: q.Text | None = about("Shown in reports; default: the address.")
    low: q.Count | None = about("Lowest value.")
    high: q.Count | None = about("Highest value.")
    price: q.Price = about("Price of one: a place, a vehicle, a person.", 0.0)
    owned: q.Count = about("Number that is available already and costs nothing.", 0)


class Limit(Shape):
    """A bound on the sum of the variables that `of` names, also by pattern: OP*.buffer."""

    of: Texts = about("Variables, also by pattern; default: all of them.", [])
    at_most: q.Count | None = about("Highest sum.")
    at_least: q.Count | None = about("Lowest sum.")
    exactly: q.Count | None = about("The sum.")


class Optimise(Runs):
    """A file of `factory-sim optimise`: one plant, the variables with their limits, and the objectives."""

    optimise: q.Text = needed("The plant or scenario: a file beside this one, or a packaged name.", "line.yaml")
    variables: dict[str, Variable] = about("address: {low, high, price, owned}", {})
    limits: dict[str, Limit] = about("Bounds on sums of variables, each with a name.", {})
    budget: q.Price | None = about("Upper limit of Σ price × max(0, number - owned).")
    objectives: Texts = about("KPIs of the line; the first decides, the front uses all of them.", OBJECTIVES)
    candidates: Search = about("Number of choices to try; all allowed choices, if there are no more.", 100)
    screening: Replications = about("Runs of every choice in the search.", 4)
    finalists: Search = about("Number of the best choices found that enter the selection.", 10)
    first: Replications = about("Runs of every finalist before any is dismissed.", 10)
    most: Replications = about("Runs of a finalist at which the selection stops undecided.", 200)
    confidence: q.Share = about("Probability of selecting the best finalist.", 0.95)
    indifference: Indifference = about(
        "Smallest relevant difference of the first objective: in per cent of the plant's, or in its unit.",
        (0.005, True),
        "0.5 %",
    )
