"""Ranking and selection: the fully sequential procedure of Kim and Nelson, with common random numbers.

If the best of k systems is better than any other by at least δ, it is selected with probability of at least 1 - α
[Kim and Nelson 2001, ACM TOMACS 11(3), procedure KN with c = 1]. Outputs of a replication are normal; those of
different systems in the same replication may depend on each other, which common random numbers make use of: only the
variances of differences count. It is looked at fewer times than after every replication, which makes wrong dismissals
rarer, not more frequent [Jennison, Johnstone and Turnbull 1982].
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
    """What a procedure selected."""

    best: int
    left: tuple[int, ...]  # not dismissed, the best first; it alone, if the procedure has ended
    replications: int  # of those left
    decided: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of a selection."""

    confidence: float  # 1 - α
    indifference: float  # δ > 0, in the response's unit
    first: int  # n0: replications before the first look, from which variances are estimated
    most: int  # replications at which it gives up


def selected(k: int, rule: Rule, observe: Callable[[Sequence[int], int], F8]) -> Selection:
    """Select the system with the largest mean of k.

    observe(systems, n) gives their first n replications, shape (len(systems), n); systems are numbers below k.
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
    return Selection(ranked[0], ranked, n, len(left) == 1)


def looks(rule: Rule) -> Iterator[int]:
    """Numbers of replications after which it is looked at: a fifth more each time."""
    n = rule.first
    while n < rule.most:
        yield n
        n = min(rule.most, n + max(1, n // 5))
    yield rule.most


def _h2(k: int, rule: Rule) -> float:
    """h² = 2 η (n0 - 1), η = ((2 α / (k - 1)) ^ (-2 / (n0 - 1)) - 1) / 2; 0 for a single system."""
    if k < 2:
        return 0.0
    alpha, degrees = 1 - rule.confidence, rule.first - 1
    return float(((2 * alpha / (k - 1)) ** (-2 / degrees) - 1) * degrees)


def _variances(x: F8) -> F8:
    """Variances of the differences of every two systems over their replications, shape (k, k)."""
    apart = x[:, None, :] - x[None, :, :]
    variances: F8 = apart.var(axis=2, ddof=1)
    return variances


def _kept(means: F8, reach: F8, delta: float, n: int) -> list[int]:
    """Those not worse than another by more than W = max(0, δ / 2n × (h² S² / δ² - n)); when all W are 0, the best."""
    within = np.maximum(0.0, (reach / delta - delta * n) / (2 * n))
    np.fill_diagonal(within, np.inf)
    if not (within[~np.eye(len(means), dtype=bool)] > 0).any():
        return [int(np.argmax(means))]
    keep = (means[:, None] >= means[None, :] - within).all(axis=1)
    return [int(i) for i in np.flatnonzero(keep)]


def on_front(y: F8, better: Sequence[int]) -> list[bool]:
    """Whether no other is at least as good in everything and better in something; y (n_choices, n_objectives)."""
    good = y * np.asarray(better)
    beaten = [bool(((good >= one).all(axis=1) & (good > one).any(axis=1)).any()) for one in good]
    return [bool(np.isfinite(one).all()) and not worse for one, worse in zip(good, beaten, strict=True)]
