"""First-order lags of a series for several time constants."""

from __future__ import annotations

from factory_sim.jit import njit


@njit
def lagged(values, keep, out):
    """Fill out[i, k] = keep[k] * out[i - 1, k] + (1 - keep[k]) * values[i], in balance with values[0] at first."""
    for k in range(len(keep)):
        level = values[0] if len(values) else 0.0
        for i in range(len(values)):
            level = keep[k] * level + (1.0 - keep[k]) * values[i]
            out[i, k] = level
