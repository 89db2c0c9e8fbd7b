"""Influence of factors: main effects, shares of variance (Sobol' indices) and regression coefficients, with intervals.

Runs are noisy. Every squared quantity is estimated from products of *different* replications, whose noise is
independent: the mean of y_r y_s with r != s is the squared true response, without the variance of the noise
[a U-statistic]. Intervals are percentiles of a bootstrap that resamples points and replications and leaves out products
of equal replications [pigeonhole bootstrap, Owen 2007].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import random_streams
from factory_sim.analysis.paired import mean_estimate
from factory_sim.results.estimate import Estimate

if TYPE_CHECKING:
    from factory_sim.records import F8, I8

RESAMPLES = 1000
CONFIDENCE = 0.95


# Shares of the variance over the design, by factor: "first" order, and "total" with all interactions.
Indices = dict[str, tuple[Estimate, ...]]


def main_effects(levels: I8, y: F8) -> list[list[Estimate]]:
    """Return, by factor and level of a full grid, the mean of the points with that level less the mean of all points.

    levels (n_points, k) numbers of levels, y (n_points, n_replications). Effects are paired by replication.
    """
    centred = y - y.mean(axis=0)
    return [
        [
            mean_estimate(centred[levels[:, i] == level].mean(axis=0), CONFIDENCE)
            for level in range(levels[:, i].max() + 1)
        ]
        for i in range(levels.shape[1])
    ]


def grid_indices(levels: I8, y: F8, seed: int) -> Indices:
    """Return the indices of a full grid with equally likely levels, by analysis of variance.

    They are exact but for the noise of the runs. First: Var E(Y | X_i) / Var Y.
    Total: 1 - Var E(Y | all but X_i) / Var Y. The design is given, so only replications are resampled.
    levels (n_points, k), y (n_points, n_replications).
    """
    if _is_flat(y) or is_noise(y):
        return _undefined(levels.shape[1], len(y))
    total = _between(np.arange(len(y))[:, None], y)
    alone, rest = [], []
    for i in range(levels.shape[1]):
        others = np.where(np.arange(levels.shape[1]) == i, 0, levels)
        alone.append(_between(levels[:, [i]], y))
        rest.append(total - _between(others, y))
    drawn = weights(seed, "replications", y.shape[1])
    return {
        name: tuple(_share(_ratio(each, total, drawn), len(each)) for each in some)
        for name, some in (("first", alone), ("total", rest))
    }


def _between(keys: I8, y: F8) -> F8:
    """Return products over replications of the means of groups of points, shape (n_replications, n_replications)."""
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.reshape(-1)
    counts = np.bincount(group)
    sums = np.zeros((len(counts), y.shape[1]))
    np.add.at(sums, group, y - y.mean(axis=0))
    means = sums / counts[:, None]
    between: F8 = np.einsum("g,gr,gs->rs", counts / counts.sum(), means, means)
    return between


ALIKE = 1e-9  # of 1 - c²: A and B have the same responses, and nothing can be estimated


def sobol_indices(y: F8, k: int, seed: int) -> Indices:
    """Return the indices of Saltelli's design, y (n (k + 2), n_replications) in the order of the design.

    From correlations, corrected for the chance correlation of A and B: with a = r(A, AB_i), b = r(B, AB_i) and
    c = r(A, B), S_i = (b - c a) / (1 - c²) and T_i = 1 - (a - c b) / (1 - c²) [Glen and Isaacs 2012, D3]. On 32 to 128
    points the error was a fifth of that of Saltelli's (2010) and Jansen's (1999) estimators on additive functions, and
    up to a third lower on others.
    """
    n = len(y) // (k + 2)
    if _is_flat(y) or is_noise(y):
        return _undefined(k, n)
    drawn = weights(seed, "rows", n) / n, weights(seed, "replications", y.shape[1])
    a, b, *mixed = y.reshape(k + 2, n, -1)
    aa, bb, ab = (_covariance(*pair, *drawn) for pair in ((a, a), (b, b), (a, b)))
    first, total = [], []
    for each in mixed:
        own, with_a, with_b = (_covariance(other, each, *drawn) for other in (each, a, b))
        ra, rb, chance = _correlation(with_a, aa, own), _correlation(with_b, bb, own), _correlation(ab, aa, bb)
        apart = np.where(1 - chance**2 > ALIKE, 1 - chance**2, 0.0)
        first.append(_share(_divided(rb - chance * ra, apart), n))
        total.append(_share(1 - _divided(ra - chance * rb, apart), n))
    return {"first": tuple(first), "total": tuple(total)}


def _correlation(covariance: F8, one: F8, other: F8) -> F8:
    return _divided(covariance, np.sqrt(np.maximum(one, 0.0) * np.maximum(other, 0.0)))


def _divided(above: F8, below: F8) -> F8:
    """Return quotients; NaN where the divisor is not above 0."""
    quotients: F8 = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    return quotients


def _covariance(x: F8, y: F8, rows: F8, replications: F8) -> F8:
    """Return the covariance over points of x and y (n, n_replications), of different replications, by resample (m,).

    rows (m, n) shares of the points, replications (m, n_replications) weights.
    """
    n, r = x.shape
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    together = (rows @ (x[:, :, None] * y[:, None, :]).reshape(n, r * r)).reshape(-1, r, r)
    together -= (rows @ x)[:, :, None] * (rows @ y)[:, None, :]
    counts = _pairs(replications)
    total = counts.sum(axis=(1, 2))  # 0: the same replication was drawn every time
    sums: F8 = (together * counts).sum(axis=(1, 2))
    return _divided(sums, total)


def _pairs(replications: F8) -> F8:
    """Return the weight of each pair of different replications, shape (m, n_replications, n_replications)."""
    r = replications.shape[1]
    apart = 1.0 - np.eye(r) if r > 1 else np.ones((1, 1))
    return replications[:, :, None] * replications[:, None, :] * apart


def is_constant(y: F8) -> bool:
    """Return whether the response is defined at all points and the same, but for rounding."""
    means = y.mean(axis=1)
    return bool(np.isfinite(y).all() and np.ptp(means) <= 1e-12 * np.abs(means).max())


def _is_flat(y: F8) -> bool:
    """Return whether no factor can explain the response: it is constant, or not defined at some points."""
    return not np.isfinite(y).all() or is_constant(y)


def _undefined(k: int, n: int) -> Indices:
    none = (Estimate(mean=np.nan, low=-np.inf, high=np.inf, n=n, confidence=CONFIDENCE),) * k
    return {"first": none, "total": none}


def is_noise(y: F8) -> bool:
    """Return whether the points do not differ significantly: F-test of an analysis of variance, replications as blocks.

    A share of a variance that is not significantly above 0 is not estimable.
    """
    from scipy.special import fdtrc  # noqa: PLC0415 - heavy

    n, r = y.shape
    if n < 2 or r < 2 or not np.isfinite(y).all():
        return False
    centred = y - y.mean(axis=0)
    effects = centred.mean(axis=1)
    residual = float(((centred - effects[:, None]) ** 2).sum()) / ((n - 1) * (r - 1))
    if residual <= 0:
        return False
    f = r * float(effects @ effects) / (n - 1) / residual
    return bool(fdtrc(n - 1, (n - 1) * (r - 1), f) > 1 - CONFIDENCE)


def _share(found: F8, n: int) -> Estimate:
    """Return a share of the variance, in [0, 1]; not defined where its interval lies outside."""
    estimate = _percentiles(found, n)
    if not estimate.is_defined or estimate.high < 0 or estimate.low > 1:
        return Estimate(mean=np.nan, low=-np.inf, high=np.inf, n=n, confidence=CONFIDENCE)
    mean, low, high = (
        min(max(end, 0.0), 1.0) if np.isfinite(end) else end for end in (estimate.mean, estimate.low, estimate.high)
    )
    return Estimate(mean=mean, low=low, high=high, n=n, confidence=CONFIDENCE)


def _ratio(top: F8, bottom: F8, replications: F8) -> F8:
    """Return Σ top / Σ bottom over pairs of different replications, then in every resample.

    top, bottom (n_replications, n_replications); replications (1 + resamples, n_replications) weights.
    """
    counts = _pairs(replications)
    above, below = (top * counts).sum(axis=(1, 2)), (bottom * counts).sum(axis=(1, 2))
    return _divided(above, below)


def _percentiles(found: F8, n: int) -> Estimate:
    """Return the first value, with percentiles of the others as its interval."""
    others = found[1:][np.isfinite(found[1:])]
    if not len(others) or not np.isfinite(found[0]):
        return Estimate(mean=float(found[0]), low=-np.inf, high=np.inf, n=n, confidence=CONFIDENCE)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(others, [tail, 100 - tail]).tolist()
    return Estimate(mean=float(found[0]), low=low, high=high, n=n, confidence=CONFIDENCE)


def weights(seed: int, what: str, n: int, resamples: int = RESAMPLES) -> F8:
    """Return how often each of n is drawn: once, then in every resample, shape (1 + resamples, n)."""
    at = np.arange(resamples * n, dtype=np.int64)
    chosen = (random_streams.uniforms_at(random_streams.key(seed, 0, "bootstrap", what), at) * n).astype(np.int64)
    flat = np.bincount(chosen + at // n * n, minlength=resamples * n)
    return np.vstack([np.ones(n), flat.reshape(resamples, n)])


@dataclass(frozen=True, slots=True)
class Regression:
    """Standardised coefficients by factor, and the share of the variance that the fit explains."""

    coefficients: tuple[Estimate, ...]
    explained: float


def regression(x: F8, y: F8, seed: int, *, ranks: bool = False) -> Regression:
    """Return standardised regression coefficients of the mean response, or of its ranks [Saltelli et al. 2008, 1.2.5].

    x (n, k), y (n, n_replications). Coefficient i is the change of the response, in standard deviations, when factor i
    changes by one standard deviation. Coefficients of ranks hold for any monotone dependence.
    """
    if _is_flat(y):
        return Regression(_undefined(x.shape[1], len(x))["first"], float("nan"))
    replications, rows = weights(seed, "replications", y.shape[1]), weights(seed, "rows", len(x))
    target = replications @ y.T / replications.sum(axis=1, keepdims=True)  # (1 + resamples, n)
    if ranks:
        x, target = average_ranks(x.T).T, average_ranks(target)
    found, explained = _standardised(x, target, rows / len(x))
    return Regression(tuple(_percentiles(found[:, i], len(x)) for i in range(x.shape[1])), float(explained[0]))


def average_ranks(values: F8) -> F8:
    """Return the ranks of the values in each row, from 1; equal values have the mean of their ranks."""
    found = np.empty(values.shape)
    for row, ranks in zip(values, found, strict=True):
        _, place, many = np.unique(row, return_inverse=True, return_counts=True)
        ranks[:] = (np.cumsum(many) - (many - 1) / 2)[place]
    return found


def _standardised(x: F8, target: F8, shares: F8) -> tuple[F8, F8]:
    """Return coefficients (m, k) and R² (m,) of m fits of the rows of target (m, n) to x (n, k); NaN if singular.

    shares (m, n): weights of the points, which sum to 1.
    """
    n, k = x.shape
    z, y = x - x.mean(axis=0), target - target.mean(axis=1, keepdims=True)
    zm, ym = shares @ z, (shares * y).sum(axis=1)
    zz = (shares @ (z[:, :, None] * z[:, None, :]).reshape(n, k * k)).reshape(-1, k, k) - zm[:, :, None] * zm[:, None]
    zy, yy = (shares * y) @ z - zm * ym[:, None], (shares * y * y).sum(axis=1) - ym * ym
    spread = np.sqrt(np.maximum(np.einsum("mii->mi", zz), 0.0))
    alike = np.divide(zz, spread[:, :, None] * spread[:, None], out=np.zeros_like(zz), where=zz != 0)
    whole = (np.linalg.det(alike) > 1e-9) & (yy > 0)
    slopes = np.full((len(zz), k), np.nan)
    slopes[whole] = np.linalg.solve(zz[whole], zy[whole][:, :, None])[:, :, 0]
    high = np.sqrt(np.where(whole, yy, np.nan))
    return slopes * spread / high[:, None], (slopes * zy).sum(axis=1) / high**2
