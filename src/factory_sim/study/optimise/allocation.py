"""Allowed choices: whole numbers within limits on their sums and within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8
    from factory_sim.results.optimise import Limit, Variable

Choice = tuple[int, ...]  # by variable
_MOST_STEPS = 1_000_000  # assumed: an enumeration with more steps is given up
_EXACT = 1e-6  # tolerance of the budget, relative to the largest price


@dataclass(frozen=True, slots=True)
class Space:
    """All choices that are allowed."""

    variables: tuple[Variable, ...]
    limits: tuple[Limit, ...] = ()
    budget: float | None = None

    def cost(self, choice: Sequence[int]) -> float:
        """Return Σ price × max(0, number - owned)."""
        return sum(each.cost(value) for each, value in zip(self.variables, choice, strict=True))

    def allows(self, choice: Sequence[int]) -> bool:
        """Return whether a choice respects ranges, limits and budget."""
        inside = all(each.low <= value <= each.high for each, value in zip(self.variables, choice, strict=True))
        kept = all(one.at_least <= sum(choice[i] for i in one.members) <= one.at_most for one in self.limits)
        return inside and kept and self.cost(choice) <= self.affordable

    @property
    def affordable(self) -> float:
        """The highest cost of a choice."""
        return np.inf if self.budget is None else self.budget + _EXACT * max(v.price for v in self.variables)

    def nearest(self, choice: Sequence[int]) -> Choice | None:
        """Return the nearest allowed choice: first by the largest change of a variable, then by the sum of changes.

        Solved as a mixed-integer linear program; None where no choice is allowed.
        """
        return _nearest(self, tuple(choice))

    def every(self, most: int) -> list[Choice] | None:
        """Return all allowed choices in lexicographic order; None where there are more than `most`."""
        found: list[Choice] = []
        partial: list[Choice] = [()]
        steps = 0
        while partial:
            begun = partial.pop()
            steps += 1
            if len(found) > most or steps > _MOST_STEPS:
                return None
            if not self._can_complete(begun):
                continue
            if len(begun) == len(self.variables):
                found.append(begun)
            else:
                variable = self.variables[len(begun)]
                partial += [(*begun, value) for value in range(variable.high, variable.low - 1, -1)]
        return found if len(found) <= most else None

    def _can_complete(self, begun: Choice) -> bool:
        """Return whether limits and budget allow a choice that begins so, each limit by itself."""
        lows, highs = ((*begun, *(getattr(v, end) for v in self.variables[len(begun) :])) for end in ("low", "high"))
        return self.cost(lows) <= self.affordable and all(
            sum(lows[i] for i in one.members) <= one.at_most and sum(highs[i] for i in one.members) >= one.at_least
            for one in self.limits
        )


@lru_cache(maxsize=10_000)
def _nearest(space: Space, wanted: Choice) -> Choice | None:
    if space.allows(wanted):
        return wanted
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - heavy

    n = len(space.variables)
    # columns: values x, paid numbers p >= x - owned, distances d >= |x - wanted|, the largest distance t
    low = np.array([v.low for v in space.variables] + [0] * (2 * n + 1), np.float64)
    high = np.array([v.high for v in space.variables] + [np.inf] * (2 * n + 1), np.float64)
    goal = np.array([0.0] * 2 * n + [1.0] * n + [float(n * sum(v.high - v.low + 1 for v in space.variables))])
    whole = np.ones(3 * n + 1)
    kept = LinearConstraint(*_rows(space, wanted))
    found: Any = milp(goal, integrality=whole, bounds=Bounds(low, high), constraints=kept)
    if found.x is None:
        return None
    choice = tuple(round(value) for value in found.x[:n].tolist())
    return choice if space.allows(choice) else None


def _rows(space: Space, wanted: Choice) -> tuple[F8, F8, F8]:
    """Return matrix, lower and upper ends of the constraints."""
    n, rows, low, high = len(space.variables), [], [], []

    def add(entries: dict[int, float], at_least: float, at_most: float) -> None:
        rows.append([entries.get(column, 0.0) for column in range(3 * n + 1)])
        low.append(at_least)
        high.append(at_most)

    for i, variable in enumerate(space.variables):
        add({i: 1, n + i: -1}, -np.inf, variable.owned)
        add({i: 1, 2 * n + i: -1}, -np.inf, wanted[i])
        add({i: -1, 2 * n + i: -1}, -np.inf, -wanted[i])
        add({2 * n + i: 1, 3 * n: -1}, -np.inf, 0)
    for limit in space.limits:
        add(dict.fromkeys(limit.members, 1), limit.at_least, limit.at_most)
    if space.budget is not None:
        unit = max(v.price for v in space.variables) or 1.0  # the tolerance of the solver is relative
        add({n + i: v.price / unit for i, v in enumerate(space.variables)}, -np.inf, space.budget / unit)
    return np.array(rows), np.array(low), np.array(high)
