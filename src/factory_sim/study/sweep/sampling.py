"""Designs: the values of the factors of a sweep at each point.

A design depends on its seed only. A Latin hypercube uses the named random streams and is bit-identical everywhere.
Sobol' points are scrambled with NumPy's generator, seeded by a named stream: bit-identical with the same version of
NumPy. Therefore a study stores its points in its header.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim import random_streams, units
from factory_sim.study.sweep import sobol_sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.records import F8
    from factory_sim.results.record import Json

MOST_POINTS = 100_000
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_CURRENCY = re.compile(r"[A-Z]{3}(\s*/\s*\w+)?")
_STEPS = 4  # decimal places of a range: values are rounded before they are simulated and analysed


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a factor: as typed, and as a number in the factor's unit; NaN for a text."""

    text: str
    number: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A value of the plant that a sweep changes: either levels, or a range."""

    address: str
    title: str
    levels: tuple[Level, ...] = ()
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    whole: bool = False  # of a range: whole numbers only
    scale: bool = False  # values are multiples of the plant's own value
    form: str = "{}"

    def at(self, u: float) -> Level:
        """Return the quantile u, 0 <= u < 1, of the uniform distribution over the values."""
        if self.levels:
            return self.levels[int(u * len(self.levels))]
        if self.whole:
            return self._rounded(self.low + math.floor(u * (self.high - self.low + 1)))
        return self._rounded(self.low + u * (self.high - self.low))

    def spread(self, steps: int) -> tuple[Level, ...]:
        """Return the levels, or `steps` evenly spaced values of the range."""
        if self.levels:
            return self.levels
        values = np.linspace(self.low, self.high, steps).tolist()
        return tuple(dict.fromkeys(self._rounded(round(v) if self.whole else v) for v in values))

    @property
    def ends(self) -> tuple[Level, Level]:
        """The first and the last value."""
        return (self.levels[0], self.levels[-1]) if self.levels else (self._rounded(self.low), self._rounded(self.high))

    def _rounded(self, value: float) -> Level:
        if self.whole:
            return Level(str(int(value)), float(value))
        places = max(0, _STEPS - math.floor(math.log10(self.high - self.low)))
        number = float(f"{value:.{places}f}")
        return Level(f"{number!r} {self.unit}".strip(), number)

    def change(self, level: Level) -> str:
        """Return the change as typed on a command line; "" where nothing changes."""
        if self.scale:
            return "" if level.number == 1 else f"{self.address}*{level.text}"
        return f"{self.address}:={self.form.replace('{}', level.text)}"

    def to_json(self) -> dict[str, Json]:
        """Return the factor as the header of a study stores it."""
        names = ("address", "title", "unit", "scale", "form")
        if self.levels:
            levels = [[each.text, None if math.isnan(each.number) else each.number] for each in self.levels]
            values: dict[str, Json] = {"levels": levels}
        else:
            values = {"low": self.low, "high": self.high, "whole": self.whole}
        return {name: getattr(self, name) for name in names} | {"range": values}


Point = tuple[Level, ...]  # by factor


def factor_from_json(stored: Any) -> Factor:
    """Return the factor that the header of a study stores."""
    values = dict(stored["range"])
    if "levels" in values:
        values["levels"] = tuple(
            Level(text, math.nan if number is None else number) for text, number in values["levels"]
        )
    return Factor(**{key: value for key, value in stored.items() if key != "range"}, **values)


def point_of(factors: Sequence[Factor], texts: Sequence[str]) -> Point:
    """Return the point with these values as typed."""
    known = [{level.text: level for level in factor.levels} for factor in factors]
    return tuple(
        levels[text] if text in levels else Level(text, split(text)[0])
        for levels, text in zip(known, texts, strict=True)
    )


def split(value: str | float) -> tuple[float, str]:
    """Return number and unit of a value as typed; NaN and the text itself where it is not a number."""
    if not isinstance(value, str):
        return float(value), ""
    match = _NUMBER.fullmatch(value)
    return (float(match[1]), match[2]) if match and _is_unit(match[2]) else (math.nan, value)


def _is_unit(text: str) -> bool:
    return any(text in known for known in units.UNITS.values()) or _CURRENCY.fullmatch(text) is not None


def in_unit(number: float, unit: str, wanted: str) -> float:
    """Return a number in another unit. Raise ValueError when the dimensions differ."""
    if unit == wanted:
        return number
    for known in units.UNITS.values():
        if unit in known and wanted in known and unit and wanted:
            return number * known[unit] / known[wanted]
    msg = f"has the unit {unit or 'none'}, but the first value has {wanted or 'none'}"
    raise ValueError(msg)


def grid(factors: Sequence[Factor], steps: Sequence[int]) -> list[Point]:
    """Return every combination of levels; the last factor changes fastest."""
    return list(product(*(factor.spread(n) for factor, n in zip(factors, steps, strict=True))))


def latin_hypercube(factors: Sequence[Factor], n: int, seed: int) -> list[Point]:
    """Return n points with one value of each factor in each of n strata [McKay, Beckman and Conover 1979]."""
    columns = []
    for factor in factors:
        order = np.argsort(_uniforms(seed, factor.address, "order", n), kind="stable")
        columns.append((order + _uniforms(seed, factor.address, "place", n)) / n)
    return points(factors, np.column_stack(columns))


def sobol(factors: Sequence[Factor], n: int, seed: int) -> list[Point]:
    """Return the n (k + 2) points of Saltelli's design: A, B, and for each factor A with that column of B.

    A and B are the halves of a scrambled Sobol' sequence in 2k dimensions [Saltelli et al. 2010]; n is a power of two.
    With a shift modulo 1 instead of scrambling the error of the indices was three times as large.
    """
    k = len(factors)
    generator = np.random.default_rng(random_streams.key(seed, 0, "design", "scrambling"))
    both = sobol_sequence.scrambled(2 * k, n, generator)
    a, b = both[:, :k], both[:, k:]
    mixed = []
    for i in range(k):
        mixed.append(a.copy())
        mixed[-1][:, i] = b[:, i]
    return points(factors, np.vstack([a, b, *mixed]))


def points(factors: Sequence[Factor], u: F8) -> list[Point]:
    """Return the points of a design u in the unit cube, shape (n, k)."""
    return [tuple(factor.at(value) for factor, value in zip(factors, row, strict=True)) for row in u.tolist()]


def overrides(factors: Sequence[Factor], point: Iterable[Level]) -> tuple[str, ...]:
    """Return the changes of the plant at a point, as typed."""
    changes = (factor.change(level) for factor, level in zip(factors, point, strict=True))
    return tuple(change for change in changes if change)


def _uniforms(seed: int, owner: str, purpose: str, n: int) -> F8:
    return random_streams.uniforms_at(
        random_streams.key(seed, 0, f"design {owner}", purpose), np.arange(n, dtype=np.int64)
    )
