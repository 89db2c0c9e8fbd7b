"""Pydantic types of the values of plant files: each reads a text with a unit and has a JSON Schema for editors."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from factory_sim import distributions, units
from factory_sim.distributions import Distribution
from factory_sim.errors import did_you_mean
from factory_sim.plant.spec import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_S = 1e10  # 64-bit clocks count microseconds for 292,000 years; draws can be far above their mean
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_LOOSE = ["string", "number"]
_CURRENCY = re.compile(rf"\s*({_NUMBER})\s*([A-Z]{{3}})?\s*(/\s*\w+)?\s*")


def _quantity(dimension: str, low: float = 0.0, high: float = math.inf) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        number = units.parse(_scalar(value), dimension)
        if not low <= number <= high:
            bounds = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
            msg = f"{value!r} is out of range; expected a {dimension} of {bounds}"
            raise ValueError(msg)
        return number

    return read


def _scalar(value: Any) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        msg = f"expected one value, got {shown(value)}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    return value


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
    msg = f"expected a number in {unit_text}, got {shown(value)}"
    raise ValueError(msg)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        msg = f"expected a text, got {shown(value)}"
        raise ValueError(msg)
    return str(value)


def whole(low: int, high: int = UNLIMITED - 1, *, unlimited: bool = False) -> Callable[[Any], int]:
    """Return a validator of whole numbers, which may also accept the word unlimited."""
    bounds = f"from {low:,} to {high:,}" if high < UNLIMITED - 1 else f"of at least {low}{' or unlimited' * unlimited}"

    def read(value: Any) -> int:
        if unlimited and value == "unlimited":
            return UNLIMITED
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"expected a whole number {bounds}, got {shown(value)}"
            raise ValueError(msg)
        return value

    return read


def _flag(value: Any) -> bool:
    if isinstance(value, bool) or value in {"yes", "no"}:
        return value in {True, "yes"}
    msg = f"expected yes or no, got {shown(value)}"
    raise ValueError(msg)


def choice(*words: str) -> Callable[[Any], str]:
    """Return a validator that accepts one of `words` and otherwise names the nearest one."""

    def read(value: Any) -> str:
        if value not in words:
            msg = f"expected {' or '.join(words)}, got {shown(value)}. {did_you_mean(str(value), words)}"
            raise ValueError(msg)
        return str(value)

    return read


def _duration(value: Any) -> Distribution:
    distribution = distributions.parse(str(_scalar(value)))
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
        match = _CURRENCY.fullmatch(str(_scalar(value)))
        if match is None or match[2] not in {None, currency}:
            msg = f"expected a price in {currency} such as '{example.format(currency)}', got {shown(value)}"
            raise ValueError(msg)
        try:
            return _quantity(dimension)(f"{match[1]} {(match[3] or '').replace(' ', '')}")
        except ValueError:
            msg = f"expected a price such as '{example.format(currency)}', got {shown(value)}"
            raise ValueError(msg) from None

    return read


def _schema(description: str, *examples: object, types: str | list[str] = "string") -> WithJsonSchema:
    more = {"examples": list(examples)} if examples else {}
    return WithJsonSchema({"type": types, "description": description, **more})


def _of(
    dimension: str, description: str, *examples: object, low: float = 0.0, high: float = math.inf
) -> tuple[PlainValidator, WithJsonSchema]:
    """Return validator and schema of a quantity; the pattern of its units lets editors mark a wrong unit."""
    known = "|".join(re.escape(unit).replace("\\ ", " ") for unit in units.UNITS[dimension] if unit)
    bare = "" in units.UNITS[dimension]
    schema = {"type": _LOOSE if bare else "string", "description": description, "examples": list(examples)}
    schema["pattern"] = rf"^\s*{_NUMBER}\s*({known}){'?' * bare}\s*$"
    return PlainValidator(_quantity(dimension, low, high)), WithJsonSchema(schema)


_DURATIONS = re.findall(r"\w+\([^)]*\)|[\d.]+ \w+", distributions.EXAMPLES)
_ARRIVALS = "Time between two parts, or `saturated`: a part is always waiting."
_PLACES = "Waiting places: a whole number, or `unlimited`."

Seconds = Annotated[float, *_of("time", "A duration with its unit.", "37 s", "8 h", high=_LONGEST_S)]
Watts = Annotated[float, *_of("power", "A power with its unit.", "6 kW", "150 W")]
Metres = Annotated[float, *_of("length", "A length with its unit.", "40 m")]
Speed = Annotated[float, *_of("speed", "A speed with its unit.", "1.2 m/s", low=1e-6)]
Hertz = Annotated[float, *_of("frequency", "A rate with its unit.", "1 Hz", low=1e-6, high=1e6)]
Share = Annotated[float, *_of("share", "A share: per cent, or a number from 0 to 1.", "2 %", 0.02, high=1.0)]
Factor = Annotated[float, *_of("share", "A factor: a number or per cent.", 1.15, "115 %")]
Duration = Annotated[
    Distribution,
    PlainValidator(_duration),
    _schema("A duration: a value with its unit, or a distribution.", *_DURATIONS),
]
Arrivals = Annotated[
    Distribution | str, PlainValidator(_arrivals), _schema(_ARRIVALS, "saturated", "exponential(60 s)")
]
Whole = Annotated[int, PlainValidator(whole(1)), _schema("A whole number of at least 1.", 2, types="integer")]
Count = Annotated[int, PlainValidator(whole(0)), _schema("A whole number of at least 0.", 4, types="integer")]
Places = Annotated[
    int, PlainValidator(whole(0, unlimited=True)), _schema(_PLACES, 6, "unlimited", types=["integer", "string"])
]
Machines = Annotated[
    "int | tuple[str, ...]",
    PlainValidator(_machines),
    _schema("Number of identical machines, or a list of their names.", 2, types=["integer", "array"]),
]
Text = Annotated[str, PlainValidator(_text), _schema("A text.", types=_LOOSE)]
Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"enum": [True, False, "yes", "no"]})]
Price = Annotated[
    float, PlainValidator(_price("price", "12.50 {}")), _schema("A price.", "12.50 EUR", 12.5, types=_LOOSE)
]
PricePerHour = Annotated[
    float, PlainValidator(_price("price_per_h", "28 {}/h")), _schema("A price per hour.", "28 EUR/h")
]
PricePerKwh = Annotated[
    float, PlainValidator(_price("price_per_kwh", "0.18 {}/kWh")), _schema("A price of energy.", "0.18 EUR/kWh")
]
