"""The end of the warm-up by the marginal standard error rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_BATCH = 5  # observations a batch mean is taken over
_KEPT = 5  # batches that no cut removes


def mser5(series: ArrayLike) -> int:
    """Return the number of observations to drop as warm-up [White 1997, MSER-5]; -1: the run is too short.

    series : shape (n_observations,) or (n_replications, n_observations); the rule applies to the mean over
    replications. The cut minimises the variance of the remaining batch means over their number. A minimum in the second
    half means that the run is too short.
    """
    x = np.atleast_2d(np.asarray(series, np.float64)).mean(axis=0)
    means = x[: len(x) // _BATCH * _BATCH].reshape(-1, _BATCH).mean(axis=1)
    n = len(means)
    if n < _KEPT:
        return -1
    best = int(np.argmin([float(means[cut:].var()) / (n - cut) for cut in range(n - _KEPT + 1)]))
    return best * _BATCH if best <= n // 2 else -1
