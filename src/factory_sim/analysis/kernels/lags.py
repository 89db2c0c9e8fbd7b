"""First-order lags of a series, many time constants at once."""
# mypy: allow-untyped-defs

from __future__ import annotations

from factory_sim.jit import njit


@njit
def lagged(values, keep, out):
    """out[i, k] = keep[k] * out[i - 1, k] + (1 - keep[k]) * values[i], begun in balance with values[0]."""
    for k in range(len(keep)):
        level = values[0] if len(values) else 0.0
        for i in range(len(values)):
            level = keep[k] * level + (1.0 - keep[k]) * values[i]
            out[i, k] = level
