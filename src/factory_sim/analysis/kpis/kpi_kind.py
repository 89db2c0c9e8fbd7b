"""The shape of a KPI, and what the modules of this package need to define one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from factory_sim.analysis.facts import Facts, Totals
from factory_sim.records import CLOCK_DOUBT, F8

__all__ = [
    "ALL",
    "F8",
    "LINE",
    "STATION",
    "Callable",
    "Facts",
    "KpiKind",
    "Totals",
    "clock_doubt",
    "of_totals",
    "ratio",
    "single",
]

STATION = ("machine", "operation")
ALL = ("machine", "operation", "section", "line")
LINE = ("line",)
_NAMED = 5  # clocks that a mark names


@dataclass(frozen=True, slots=True)
class KpiKind:
    """A KPI: its unit, whether more is better, the levels it is computed at, how, and what it needs.

    `compute(facts, level)` returns shape (n,) for the n things of the level, (1,) for the line; NaN where the KPI is
    not defined. Its docstring is the formula and the source. `needs` are keys of `needs.NEEDS`; `marks` returns what to
    know about each value, `bounds` the bounds of the values where the state is unknown for some time.
    """

    unit: str
    better: int
    levels: tuple[str, ...]
    compute: Callable[[Facts, str], F8]
    needs: tuple[str, ...] = ()
    marks: Callable[[Facts, str], list[str]] | None = None
    bounds: Callable[[Facts, str], tuple[F8, F8]] | None = None

    @property
    def source(self) -> str:
        """Formula and source, in one line."""
        return " ".join((self.compute.__doc__ or "").split())


def of_totals(
    unit: str, better: int, levels: tuple[str, ...], formula: Callable[[Totals], F8], *needs: str, **extras: Any
) -> KpiKind:
    """Return a KPI that has the same formula at every level."""

    def compute(facts: Facts, level: str) -> F8:
        return formula(facts.at(level))

    compute.__doc__ = formula.__doc__
    return KpiKind(unit, better, levels, compute, needs, **extras)


def ratio(numerator: Any, denominator: Any) -> F8:
    """Return the quotient, NaN where the denominator is 0."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    out: F8 = np.divide(top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom != 0)
    return out


def single(value: float) -> F8:
    """Return the value of a KPI of the line, shape (1,)."""
    return np.array([value], np.float64)


def clock_doubt(facts: Facts, level: str) -> list[str]:
    """Return the mark of KPIs that depend on the order of moves: which clocks disagree, and by how much."""
    clocks = [f"{facts.meta.units[each.unit].name} {each.size:+.3f} s" for each in facts.clocks]
    more = f" and {len(clocks) - _NAMED} more" * (len(clocks) > _NAMED)
    text = f"{CLOCK_DOUBT}: estimated offset of the clock of {', '.join(clocks[:_NAMED])}{more}" if clocks else ""
    return [text] * len(facts.at(level).machines)
