"""Comparing runs in pairs: intervals, percent changes, many comparisons at once, and where the warm-up ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from factory_sim.records import F8


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate from n independent values, with its confidence interval; infinite with fewer than two values."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


def t_quantile(share: float, degrees: float) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit  # noqa: PLC0415 - heavy: a listener never needs it

    return float(stdtrit(degrees, share))


def interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of independent values with its two-sided t-interval."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        return Interval(float(x.mean()) if len(x) else math.nan, -math.inf, math.inf, len(x))
    return _around(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x), confidence)


def difference(before: ArrayLike, after: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of after - before over pairs of runs with common random numbers. Raises ValueError for unequal lengths."""
    return interval(np.subtract(*_pairs(after, before)), confidence)


def percent(before: ArrayLike, after: ArrayLike, confidence: float = 0.95) -> Interval:
    """Change of the mean in percent: 100 (Σ after / Σ before - 1), paired.

    A ratio of totals, not a mean of ratios. Its standard error is that of the residuals after_i - ratio × before_i
    (delta method) [Cochran 1977, Sampling Techniques, 6.4]. NaN when the total before is 0.
    """
    a, b = _pairs(before, after)
    if len(a) == 0 or a.sum() == 0:
        return Interval(math.nan, -math.inf, math.inf, len(a))
    ratio = float(b.sum() / a.sum())
    if len(a) < 2:
        return Interval(100 * (ratio - 1), -math.inf, math.inf, len(a))
    rest = b - ratio * a
    error = math.sqrt(float(rest @ rest) / (len(a) - 1) / len(a)) / abs(float(a.mean()))
    return _around(100 * (ratio - 1), 100 * error, len(a), confidence)


def _around(mean: float, error: float, n: int, confidence: float) -> Interval:
    reach = t_quantile((1 + confidence) / 2, n - 1) * error
    return Interval(mean, mean - reach, mean + reach, n)


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[F8, F8]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        msg = f"pairs need two rows of equal length, got shapes {a.shape} and {b.shape}"
        raise ValueError(msg)
    return a, b


def correlation(before: ArrayLike, after: ArrayLike) -> float:
    """Pearson correlation of the pairs: what common random numbers achieved. NaN when one side does not vary."""
    a, b = _pairs(before, after)
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def p_value(differences: ArrayLike) -> float:
    """Two-sided p-value of "the mean is 0" by Student's t. 1 with fewer than two values."""
    from scipy.special import stdtr  # noqa: PLC0415 - heavy: a listener never needs it

    x = np.asarray(differences, np.float64)
    if len(x) < 2:
        return 1.0
    spread = float(x.std(ddof=1))
    if spread == 0:
        return 0.0 if x.mean() else 1.0
    return float(2 * stdtr(len(x) - 1, -abs(float(x.mean())) * math.sqrt(len(x)) / spread))


def bonferroni(confidence: float, n: int) -> float:
    """Confidence each of n intervals needs so that all hold together with `confidence`."""
    return 1 - (1 - confidence) / max(n, 1)


def holm(p_values: Sequence[float]) -> F8:
    """Adjusted p-values, in the given order: those up to α are jointly significant at level α [Holm 1979]."""
    p = np.asarray(p_values, np.float64)
    rising = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[rising] = np.minimum(np.maximum.accumulate(p[rising] * (len(p) - np.arange(len(p)))), 1.0)
    return adjusted


def mser5(series: ArrayLike) -> int:
    """Observations to drop as warm-up: MSER-5 on the mean over replications.

    series: (n_observations,) or (n_replications, n_observations). The cut, in batch means of five, that minimises
    their variance over their number [White 1997], looked for in the first half; -1 when the minimum lies beyond: the
    run is too short to tell.
    """
    x = np.atleast_2d(np.asarray(series, np.float64)).mean(axis=0)
    batches = x[: len(x) // 5 * 5].reshape(-1, 5).mean(axis=1)
    n = len(batches)
    if n < 5:
        return -1
    best = int(np.argmin([float(batches[cut:].var()) / (n - cut) for cut in range(n - 4)]))  # five at least are kept
    return best * 5 if best <= n // 2 else -1
