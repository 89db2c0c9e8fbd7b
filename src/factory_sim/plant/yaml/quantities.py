"""The values of plant files as pydantic types: text with unit in, SI number out, a JSON Schema for editors."""

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

_LONGEST_S = 1e10  # clocks count microseconds in 64 bits: 292,000 years; draws lie far above their mean at times
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
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
    """A value of a file as messages show it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)[:60]


def in_unit(value: Any, unit_text: str) -> float:
    """`value` as a number of `unit_text`: 20000 or "20 kW" in W. ValueError says what was expected."""
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


def _whole(low: int, high: int = UNLIMITED - 1, *, unlimited: bool = False) -> Callable[[Any], int]:
    bounds = f"from {low} to {high}" if high < UNLIMITED - 1 else f"of at least {low}{' or unlimited' * unlimited}"

    def read(value: Any) -> int:
        if unlimited and value == "unlimited":
            return UNLIMITED
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"expected a whole number {bounds}, got {shown(value)}"
            raise ValueError(msg)
        return value

    return read


def _flag(value: Any) -> bool:
    known = {"yes": True, "no": False}
    if isinstance(value, bool):
        return value
    if value in known:
        return known[value]
    msg = f"expected yes or no, got {shown(value)}"
    raise ValueError(msg)


def choice(*words: str) -> Callable[[Any], str]:
    """A validator that accepts one of `words` and knows which was meant."""

    def read(value: Any) -> str:
        if value not in words:
            msg = f"expected {' or '.join(words)}, got {shown(value)}. {did_you_mean(str(value), words)}"
            raise ValueError(msg)
        return str(value)

    return read


def _duration(value: Any) -> Distribution:
    distribution = distributions.parse(str(_scalar(value)))
    if distribution.mean_s > _LONGEST_S:
        msg = f"{value!r} is longer than 300 years, the longest that is modelled"
        raise ValueError(msg)
    return distribution


def _arrivals(value: Any) -> Distribution | str:
    return "saturated" if value == "saturated" else _duration(value)


def _machines(value: Any) -> int | tuple[str, ...]:
    if isinstance(value, list) and value:
        return tuple(_text(name) for name in value)
    try:
        return _whole(1, 10_000)(value)
    except ValueError as error:
        msg = f"{error}; a list of names also does"
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


def _schema(
    description: str, *examples: object, types: str | list[str] = "string", dimension: str = ""
) -> WithJsonSchema:
    """For editors; of a quantity with the pattern of its units, so that a wrong one shows while typing."""
    known = "|".join(re.escape(unit).replace("\\ ", " ") for unit in units.UNITS.get(dimension, ()) if unit)
    bare = "?" if "" in units.UNITS.get(dimension, ()) else ""
    pattern = {"pattern": rf"^\s*{_NUMBER}\s*({known}){bare}\s*$"} if dimension else {}
    more = {"examples": list(examples)} if examples else {}
    return WithJsonSchema({"type": types, "description": description, **more, **pattern})


_DURATIONS = re.findall(r"\w+\([^)]*\)|[\d.]+ \w+", distributions.EXAMPLES)
_LOOSE = ["string", "number"]

Seconds = Annotated[
    float,
    PlainValidator(_quantity("time", 0.0, _LONGEST_S)),
    _schema("A duration with its unit.", "37 s", "8 h", dimension="time"),
]
Watts = Annotated[
    float, PlainValidator(_quantity("power")), _schema("A power with its unit.", "6 kW", "150 W", dimension="power")
]
Metres = Annotated[
    float, PlainValidator(_quantity("length")), _schema("A length with its unit.", "40 m", dimension="length")
]
Speed = Annotated[
    float, PlainValidator(_quantity("speed", 1e-6)), _schema("A speed with its unit.", "1.2 m/s", dimension="speed")
]
Hertz = Annotated[
    float,
    PlainValidator(_quantity("frequency", 1e-6, 1e6)),
    _schema("A rate with its unit.", "1 Hz", dimension="frequency"),
]
Share = Annotated[
    float,
    PlainValidator(_quantity("share", 0.0, 1.0)),
    _schema("A share: per cent, or a number from 0 to 1.", "2 %", 0.02, types=_LOOSE, dimension="share"),
]
Factor = Annotated[
    float,
    PlainValidator(_quantity("share")),
    _schema("A factor: a number or per cent.", 1.15, "115 %", types=_LOOSE, dimension="share"),
]
Duration = Annotated[
    Distribution,
    PlainValidator(_duration),
    _schema("A duration: a value with its unit, or a distribution.", *_DURATIONS),
]
Arrivals = Annotated[
    Distribution | str,
    PlainValidator(_arrivals),
    _schema("Time between two parts, or `saturated`: a part is always waiting.", "saturated", "exponential(60 s)"),
]
Whole = Annotated[int, PlainValidator(_whole(1)), _schema("A whole number of at least 1.", 2, types="integer")]
Count = Annotated[int, PlainValidator(_whole(0)), _schema("A whole number of at least 0.", 4, types="integer")]
Places = Annotated[
    int,
    PlainValidator(_whole(0, unlimited=True)),
    _schema("Waiting places: a whole number, or `unlimited`.", 6, "unlimited", types=["integer", "string"]),
]
Machines = Annotated[
    "int | tuple[str, ...]",
    PlainValidator(_machines),
    _schema("How many identical machines, or their names.", 2, types=["integer", "array"]),
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
