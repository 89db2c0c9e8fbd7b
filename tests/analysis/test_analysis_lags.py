"""The lag kernel against the formula written out."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis.kernels import lags


def test_lags_follow_their_formula() -> None:
    rng = np.random.default_rng(1)
    values, keep = rng.normal(size=50), np.array([0.2, 0.9])
    out = np.empty((50, 2))
    lags.lagged(values, keep, out)
    for k, kept in enumerate(keep):
        expected = [
            kept ** (i + 1) * values[0] + sum((1 - kept) * kept ** (i - j) * values[j] for j in range(i + 1))
            for i in range(50)
        ]
        np.testing.assert_allclose(out[:, k], expected)


def test_a_constant_has_no_lag() -> None:
    out = np.empty((9, 1))
    lags.lagged(np.full(9, 3.0), np.array([0.5]), out)
    np.testing.assert_allclose(out, 3.0)
