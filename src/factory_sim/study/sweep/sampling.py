"""Designs: which values the factors of a sweep take at which point.

A design belongs to its seed. Random numbers of a Latin hypercube are the named streams', the same digits everywhere.
Sobol' scrambling is SciPy's, drawn from NumPy's generator, which the named stream's key seeds: the same digits with
the same versions of both. So a study keeps its points in its header, and goes on with no others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import random_streams, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.records import F8

GRID, LATIN, SOBOL = "grid", "latin_hypercube", "sobol"
MOST_POINTS = 100_000
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_CURRENCY = re.compile(r"[A-Z]{3}(\s*/\s*\w+)?")
_STEPS = 4  # a range is divided into 10,000 steps at least: what is typed is what is simulated and analysed


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a factor: as it is typed, and as a number in the factor's unit; NaN where it is no number."""

    text: str
    number: float


@dataclass(frozen=True, slots=True)
class Factor:
    """A value of the plant that changes: either levels, or a range."""

    address: str
    title: str
    levels: tuple[Level, ...] = ()
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    whole: bool = False  # of a range: whole numbers only
    scale: bool = False  # values are factors of what the plant has
    form: str = "{}"

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return not any(math.isnan(level.number) for level in self.levels)

    def at(self, u: float) -> Level:
        """The value below which a share u of all lie, 0 <= u < 1: the inverse CDF."""
        if self.levels:
            return self.levels[int(u * len(self.levels))]
        if self.whole:
            return self._typed(self.low + math.floor(u * (self.high - self.low + 1)))
        return self._typed(self.low + u * (self.high - self.low))

    def spread(self, steps: int) -> tuple[Level, ...]:
        """The levels, else `steps` evenly spaced values from low to high."""
        if self.levels:
            return self.levels
        values = np.linspace(self.low, self.high, steps).tolist()
        return tuple(dict.fromkeys(self._typed(round(v) if self.whole else v) for v in values))

    @property
    def ends(self) -> tuple[Level, Level]:
        """First and last value."""
        return (self.levels[0], self.levels[-1]) if self.levels else (self._typed(self.low), self._typed(self.high))

    def _typed(self, value: float) -> Level:
        if self.whole:
            return Level(str(int(value)), float(value))
        places = max(0, _STEPS - math.floor(math.log10(self.high - self.low)))
        number = float(f"{value:.{places}f}")
        return Level(f"{number!r} {self.unit}".strip(), number)

    def change(self, level: Level) -> str:
        """The change as typed on a command line; "" where there is none."""
        if self.scale:
            return "" if level.number == 1 else f"{self.address}*{level.text}"
        return f"{self.address}:={self.form.replace('{}', level.text)}"


Point = tuple["Level", ...]  # by factor


def split(value: str | float) -> tuple[float, str]:
    """Number and unit of a value as typed; NaN and the text itself where it is no number."""
    if not isinstance(value, str):
        return float(value), ""
    match = _NUMBER.fullmatch(value)
    return (float(match[1]), match[2]) if match and _is_unit(match[2]) else (math.nan, value)


def _is_unit(text: str) -> bool:
    return any(text in known for known in units.UNITS.values()) or _CURRENCY.fullmatch(text) is not None


def in_unit(number: float, unit: str, wanted: str) -> float:
    """A number of one unit in another. Raises ValueError when they are not of one dimension."""
    if unit == wanted:
        return number
    for known in units.UNITS.values():
        if unit in known and wanted in known and unit and wanted:
            return number * known[unit] / known[wanted]
    msg = f"has unit {unit or 'none'}, where the first value has {wanted or 'none'}"
    raise ValueError(msg)


def grid(factors: Sequence[Factor], steps: Sequence[int]) -> list[Point]:
    """Every combination of levels, the last factor changing quickest."""
    return list(product(*(factor.spread(n) for factor, n in zip(factors, steps, strict=True))))


def latin_hypercube(factors: Sequence[Factor], n: int, seed: int) -> list[Point]:
    """Points of which every factor has one in each of n equally likely strata [McKay, Beckman and Conover 1979]."""
    columns = []
    for factor in factors:
        order = np.argsort(_uniforms(seed, factor.address, "order", n), kind="stable")
        columns.append((order + _uniforms(seed, factor.address, "place", n)) / n)
    return points(factors, np.column_stack(columns))


def sobol(factors: Sequence[Factor], n: int, seed: int) -> list[Point]:
    """The n (k + 2) points of Saltelli's design: matrices A, B, and for each factor A with that column of B.

    A and B are the halves of a scrambled Sobol' sequence in 2k dimensions [Saltelli et al. 2010]; n: a power of two.
    A shift modulo 1 in place of scrambling made the indices' error three times as large.
    """
    from scipy.stats import qmc  # noqa: PLC0415 - heavy

    k = len(factors)
    generator = np.random.default_rng(random_streams.key(seed, 0, "design", "scrambling"))
    both = qmc.Sobol(2 * k, scramble=True, seed=generator).random_base2(round(math.log2(n)))
    a, b = both[:, :k], both[:, k:]
    mixed = []
    for i in range(k):
        mixed.append(a.copy())
        mixed[-1][:, i] = b[:, i]
    return points(factors, np.vstack([a, b, *mixed]))


def points(factors: Sequence[Factor], u: F8) -> list[Point]:
    """Points of a design in the unit cube, shape (n, k)."""
    return [tuple(factor.at(value) for factor, value in zip(factors, row, strict=True)) for row in u.tolist()]


def typed(factors: Sequence[Factor], point: Iterable[Level]) -> tuple[str, ...]:
    """The changes that make a point of the plant."""
    changes = (factor.change(level) for factor, level in zip(factors, point, strict=True))
    return tuple(change for change in changes if change)


def arm_name(changes: Sequence[str]) -> str:
    """The name of the arm of some changes."""
    return " ".join(changes)


def _uniforms(seed: int, owner: str, purpose: str, n: int) -> F8:
    return random_streams.uniforms_at(
        random_streams.key(seed, 0, f"design {owner}", purpose), np.arange(n, dtype=np.int64)
    )
