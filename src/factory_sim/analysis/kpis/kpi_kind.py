"""The shape of a KPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.analysis.facts import Facts
    from factory_sim.records import F8

STATION = ("machine", "operation")
ALL = ("machine", "operation", "section", "line")
LINE = ("line",)


@dataclass(frozen=True, slots=True)
class KpiKind:
    """A KPI: its unit, whether more is better, the levels it is computed at, and how.

    `compute(facts, level)` gives shape (n,) for the n things of the level, (1,) for the line; NaN where it is not
    defined. Its docstring is the formula and the source.
    """

    unit: str
    better: int
    levels: tuple[str, ...]
    compute: Callable[[Facts, str], F8]

    @property
    def source(self) -> str:
        """Formula and source, in one line."""
        return " ".join((self.compute.__doc__ or "").split())


def ratio(numerator: Any, denominator: Any) -> F8:
    """Quotient, NaN where the denominator is 0."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    out: F8 = np.divide(top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom != 0)
    return out


def single(value: float) -> F8:
    """A KPI of the line."""
    return np.array([value], np.float64)
