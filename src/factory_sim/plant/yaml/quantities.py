"""Pydantic types of the values of plant files: each reads a text with a unit and has a JSON Schema for editors."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from factory_sim import distributions, units
from factory_sim.distributions import Distribution
from factory_sim.errors import did_you_mean
from factory_sim.plant.spec import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LONGEST_S = 1e10  # 64-bit clocks count microseconds for 292,000 years; draws can be far above their mean
_LOOSE = ["string", "number"]
_CURRENCY = re.compile(rf"\s*({units.NUMBER})\s*([A-Z]{{3}})?\s*(/\s*\w+)?\s*")


def _quantity(dimension: str, low: float = 0.0, high: float = math.inf) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        number = units.parse(scalar(value), dimension)
        if not low <= number <= high:
            bounds = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
            msg = f"{value!r} is out of range; expected a {dimension} of {bounds}"
            raise ValueError(msg)
        return number

    return read


def scalar(value: Any, what: str = "") -> str | float:
    """Return a number or a text; raise ValueError for other values, and for a blank text where `what` is expected."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or (what and not str(value).strip()):
        refuse(what or "one value", value)
    return value


def refuse(what: str, value: Any) -> NoReturn:
    """Raise ValueError for a value that is not the expected `what`."""
    message = f"expected {what}, got {shown(value)}"
    raise ValueError(message)


def shown(value: Any) -> str:
    """Return a value of a file in the form in which messages show it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)[:60]


def in_unit(value: Any, unit_text: str) -> float:
    """Return `value` in `unit_text`, such as 20000 or "20 kW" in W; raise ValueError with what was expected."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        for dimension, known in units.UNITS.items():
            if unit_text in known and dimension not in {"number", "count"}:
                try:
                    return units.parse(value, dimension) / known[unit_text]
                except ValueError:
                    continue
        if value.endswith(unit_text):
            return units.parse(value.removesuffix(unit_text), "number")
    refuse(f"a number in {unit_text}", value)


def _text(value: Any) -> str:
    return str(scalar(value, "a text"))


def whole(low: int, high: int = UNLIMITED - 1, *, unlimited: bool = False) -> Callable[[Any], int]:
    """Return a validator of whole numbers, which may also accept the word unlimited."""
    bounds = f"from {low:,} to {high:,}" if high < UNLIMITED - 1 else f"of at least {low}{' or unlimited' * unlimited}"

    def read(value: Any) -> int:
        if unlimited and value == "unlimited":
            return UNLIMITED
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            refuse(f"a whole number {bounds}", value)
        return value

    return read


def _flag(value: Any) -> bool:
    if isinstance(value, bool) or value in {"yes", "no"}:
        return value in {True, "yes"}
    refuse("yes or no", value)


def choice(*words: str) -> Callable[[Any], str]:
    """Return a validator that accepts one of `words` and otherwise names the nearest one."""

    def read(value: Any) -> str:
        if value not in words:
            msg = f"expected {' or '.join(words)}, got {shown(value)}. {did_you_mean(str(value), words)}"
            raise ValueError(msg)
        return str(value)

    return read


def _duration(value: Any) -> Distribution:
    distribution = distributions.parse(str(scalar(value)))
    if distribution.mean_s > _LONGEST_S:
        msg = f"{value!r} is longer than 300 years; expected a shorter mean"
        raise ValueError(msg)
    return distribution


def _arrivals(value: Any) -> Distribution | str:
    return "saturated" if value == "saturated" else _duration(value)


def _machines(value: Any) -> int | tuple[str, ...]:
    if isinstance(value, list) and value:
        return tuple(_text(name) for name in value)
    try:
        return whole(1, 10_000)(value)
    except ValueError as error:
        msg = f"{error}; a list of names is also valid"
        raise ValueError(msg) from None


def _price(dimension: str, example: str) -> Callable[[Any, ValidationInfo], float]:
    def read(value: Any, info: ValidationInfo) -> float:
        currency = (info.context or {}).get("currency", "EUR")
        match = _CURRENCY.fullmatch(str(scalar(value)))
        if match is None or match[2] not in {None, currency}:
            refuse(f"a price in {currency} such as '{example.format(currency)}'", value)
        try:
            return _quantity(dimension)(f"{match[1]} {(match[3] or '').replace(' ', '')}")
        except ValueError:
            refuse(f"a price such as '{example.format(currency)}'", value)

    return read


@dataclass(frozen=True, slots=True)
class Short:
    """Annotation of a mapping or list for which something shorter may stand, which `expand` turns into it."""

    full: type
    expand: Callable[[Any], Any]
    meaning: str
    short: str | Sequence[str] = "string"  # its types in JSON

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, self.full) else self.expand(value), handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": self.short, "description": self.meaning}]}


Form = tuple[PlainValidator, WithJsonSchema]


def form(
    read: Callable[..., Any], description: str, *examples: object, types: str | list[str] = "string", **more: object
) -> Form:
    """Return validator and schema of values that `read` accepts."""
    about = {"type": types, "description": description, "examples": list(examples), **more}
    return PlainValidator(read), WithJsonSchema({key: value for key, value in about.items() if value})


def _of(dimension: str, description: str, *examples: object, low: float = 0.0, high: float = math.inf) -> Form:
    """Return validator and schema of a quantity; the pattern of its units lets editors mark a wrong unit."""
    known = "|".join(re.escape(unit).replace("\\ ", " ") for unit in units.UNITS[dimension] if unit)
    bare = "" in units.UNITS[dimension]
    pattern = rf"^\s*{units.NUMBER}\s*({known}){'?' * bare}\s*$"
    types = _LOOSE if bare else "string"
    return form(_quantity(dimension, low, high), description, *examples, types=types, pattern=pattern)


_DURATIONS = re.findall(r"\w+\([^)]*\)|[\d.]+ \w+", distributions.EXAMPLES)
_ARRIVALS = "Time between two parts, or `saturated`: a part is always waiting."
_PLACES = "Waiting places: a whole number, or `unlimited`."

Seconds = Annotated[float, *_of("time", "A duration with its unit.", "37 s", "8 h", high=_LONGEST_S)]
Watts = Annotated[float, *_of("power", "A power with its unit.", "6 kW", "150 W")]
Metres = Annotated[float, *_of("length", "A length with its unit.", "40 m")]
Speed = Annotated[float, *_of("speed", "A speed with its unit.", "1.2 m/s", low=1e-6)]
Hertz = Annotated[float, *_of("frequency", "A rate with its unit.", "1 Hz", low=1e-6, high=1e6)]
Plan = Annotated[float, *_of("plan", "Parts of a shift.", "480 parts/shift", high=1e9)]
Share = Annotated[float, *_of("share", "A share: per cent, or a number from 0 to 1.", "2 %", 0.02, high=1.0)]
Factor = Annotated[float, *_of("share", "A factor: a number or per cent.", 1.15, "115 %")]
Duration = Annotated[
    Distribution, *form(_duration, "A duration: a value with its unit, or a distribution.", *_DURATIONS)
]
Arrivals = Annotated[Distribution | str, *form(_arrivals, _ARRIVALS, "saturated", "exponential(60 s)")]
Whole = Annotated[int, *form(whole(1), "A whole number of at least 1.", 2, types="integer")]
Count = Annotated[int, *form(whole(0), "A whole number of at least 0.", 4, types="integer")]
Places = Annotated[int, *form(whole(0, unlimited=True), _PLACES, 6, "unlimited", types=["integer", "string"])]
Machines = Annotated[
    "int | tuple[str, ...]",
    *form(_machines, "Number of identical machines, or a list of their names.", 2, types=["integer", "array"]),
]
Text = Annotated[str, *form(_text, "A text.", types=_LOOSE)]
Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"enum": [True, False, "yes", "no"]})]
Price = Annotated[float, *form(_price("price", "12.50 {}"), "A price.", "12.50 EUR", 12.5, types=_LOOSE)]
PricePerHour = Annotated[float, *form(_price("price_per_h", "28 {}/h"), "A price per hour.", "28 EUR/h")]
PricePerKwh = Annotated[float, *form(_price("price_per_kwh", "0.18 {}/kWh"), "A price of energy.", "0.18 EUR/kWh")]
