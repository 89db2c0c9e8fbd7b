"""Paired comparison of runs: intervals by Student's t, percent changes, and several comparisons at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.results.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from factory_sim.records import F8


def mean_estimate(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of independent values, shape (n,), with its t-interval."""
    x = np.asarray(values, np.float64)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return _unbounded(mean, len(x), confidence)
    return _t_interval(mean, float(x.std(ddof=1)) / math.sqrt(len(x)), len(x), confidence)


def paired_difference(before: ArrayLike, after: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of after - before over pairs of runs, shapes (n,). Raise ValueError for unequal lengths."""
    return mean_estimate(np.subtract(*_pairs(after, before)), confidence)


def paired_percent_change(before: ArrayLike, after: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the change of the mean [%] over pairs of runs, shapes (n,): 100 (Σ after / Σ before - 1).

    It is a ratio of totals, not a mean of ratios; its standard error is that of the residuals after - ratio × before
    (delta method) [Cochran 1977, Sampling Techniques, 6.4]. The mean is NaN when a value is not finite or the total
    before is 0. Raise ValueError for unequal lengths.
    """
    a, b = _pairs(before, after)
    n = len(a)
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or a.sum() == 0:
        return _unbounded(math.nan, n, confidence)
    ratio = float(b.sum() / a.sum())
    change = 100 * (ratio - 1)
    if n < 2:
        return _unbounded(change, n, confidence)
    residual = b - ratio * a
    error = math.sqrt(float(residual @ residual) / (n - 1) / n) / abs(float(a.mean()))
    return _t_interval(change, 100 * error, n, confidence)


def p_value(differences: ArrayLike) -> float:
    """Return the two-sided p-value of the t-test that the mean is 0; 1 with fewer than two values."""
    from scipy.special import stdtr  # noqa: PLC0415 - SciPy is not loaded at start-up

    x = np.asarray(differences, np.float64)
    if len(x) < 2:
        return 1.0
    spread = float(x.std(ddof=1))
    if spread == 0:
        return 0.0 if x.mean() else 1.0
    return float(2 * stdtr(len(x) - 1, -abs(float(x.mean())) * math.sqrt(len(x)) / spread))


def student_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit  # noqa: PLC0415 - SciPy is not loaded at start-up

    return float(stdtrit(degrees_of_freedom, probability))


def bonferroni(confidence: float, n: int) -> float:
    """Return the confidence that each of n intervals needs so that all hold together with `confidence`."""
    return 1 - (1 - confidence) / max(n, 1)


def holm(p_values: Sequence[float]) -> F8:
    """Return adjusted p-values in the given order: those up to α are jointly significant at level α [Holm 1979]."""
    p = np.asarray(p_values, np.float64)
    rising = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[rising] = np.minimum(np.maximum.accumulate(p[rising] * (len(p) - np.arange(len(p)))), 1.0)
    return adjusted


def _t_interval(mean: float, standard_error: float, n: int, confidence: float) -> Estimate:
    half = student_quantile((1 + confidence) / 2, n - 1) * standard_error
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=n, confidence=confidence)


def _unbounded(mean: float, n: int, confidence: float) -> Estimate:
    return Estimate(mean=mean, low=-math.inf, high=math.inf, n=n, confidence=confidence)


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[F8, F8]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        msg = f"Paired runs need two sequences of equal length; the shapes are {a.shape} and {b.shape}."
        raise ValueError(msg)
    return a, b
