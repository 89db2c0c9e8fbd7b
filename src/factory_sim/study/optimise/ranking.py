"""Ranking and selection: the fully sequential procedure of Kim and Nelson, with common random numbers.

If the best of k systems leads by at least δ, it is selected with a probability of at least 1 - α
[Kim and Nelson 2001, ACM TOMACS 11(3), procedure KN with c = 1]. Outputs are assumed to be normal. Those of different
systems in the same replication may be correlated, as with common random numbers: only variances of differences count.
The comparison is not made after every replication, which makes wrong dismissals rarer [Jennison, Johnstone and
Turnbull 1982].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factory_sim.records import F8

PROCEDURE = "Kim and Nelson 2001"


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of a selection."""

    left: tuple[int, ...]  # systems that were not dismissed, the best first
    replications: int  # of each of them

    @property
    def best(self) -> int:
        """The system with the largest mean."""
        return self.left[0]

    @property
    def decided(self) -> bool:
        """Whether all other systems were dismissed."""
        return len(self.left) == 1


@dataclass(frozen=True, slots=True)
class Rule:
    """The requirements of a selection."""

    confidence: float  # 1 - α
    indifference: float  # δ > 0, in the unit of the response
    first: int  # n0: replications before the first comparison, from which variances are estimated
    most: int  # replications at which the selection stops undecided


def select(k: int, rule: Rule, observe: Callable[[Sequence[int], int], F8]) -> Selection:
    """Select the system with the largest mean of k.

    observe(systems, n) returns the first n replications of systems, shape (len(systems), n).
    """
    left = tuple(range(k))
    first = observe(left, rule.first)
    reach = _h2(k, rule) * _variances(first)  # h² S², by pair
    n = rule.first
    for n in looks(rule):
        means = observe(left, n).mean(axis=1)
        left = tuple(left[i] for i in _kept(means, reach[np.ix_(left, left)], rule.indifference, n))
        if len(left) == 1:
            break
    means = observe(left, n).mean(axis=1)
    ranked = tuple(left[i] for i in np.argsort(-means, kind="stable").tolist())
    return Selection(ranked, n)


def looks(rule: Rule) -> Iterator[int]:
    """Yield the numbers of replications after which systems are compared: a fifth more each time."""
    n = rule.first
    while n < rule.most:
        yield n
        n = min(rule.most, n + max(1, n // 5))
    yield rule.most


def _h2(k: int, rule: Rule) -> float:
    """Return h² = 2 η (n0 - 1), η = ((2 α / (k - 1)) ^ (-2 / (n0 - 1)) - 1) / 2; 0 for a single system."""
    if k < 2:
        return 0.0
    alpha, degrees = 1 - rule.confidence, rule.first - 1
    return float(((2 * alpha / (k - 1)) ** (-2 / degrees) - 1) * degrees)


def _variances(x: F8) -> F8:
    """Return the variances of the differences of all pairs of systems over replications, shape (k, k)."""
    apart = x[:, None, :] - x[None, :, :]
    variances: F8 = apart.var(axis=2, ddof=1)
    return variances


def _kept(means: F8, reach: F8, delta: float, n: int) -> list[int]:
    """Return systems that none leads by more than W = max(0, δ / 2n × (h² S² / δ² - n)); if all W are 0, the best."""
    within = np.maximum(0.0, (reach / delta - delta * n) / (2 * n))
    np.fill_diagonal(within, np.inf)
    if not (within[~np.eye(len(means), dtype=bool)] > 0).any():
        return [int(np.argmax(means))]
    keep = (means[:, None] >= means[None, :] - within).all(axis=1)
    return [int(i) for i in np.flatnonzero(keep)]


def on_front(y: F8, better: Sequence[int]) -> list[bool]:
    """Return by choice whether no other dominates it; y (n_choices, n_objectives)."""
    good = y * np.asarray(better)
    beaten = [bool(((good >= one).all(axis=1) & (good > one).any(axis=1)).any()) for one in good]
    return [bool(np.isfinite(one).all()) and not worse for one, worse in zip(good, beaten, strict=True)]
