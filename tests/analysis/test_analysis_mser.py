"""The end of the warm-up by MSER-5."""

from __future__ import annotations

import numpy as np

from factory_sim.analysis.mser import mser5


def test_mser_finds_the_end_of_a_transient_over_replications() -> None:
    rng = np.random.default_rng(3)
    series = 10 - 8 * np.exp(-np.arange(400) / 20) + rng.normal(0, 1, (30, 400))
    assert 40 <= mser5(series) <= 130
    assert mser5(rng.normal(0, 1, (30, 400))) <= 60


def test_mser_reports_a_run_that_is_too_short() -> None:
    assert mser5(np.arange(100.0)) == -1
    assert mser5([1.0] * 12) == -1
    assert mser5([]) == -1
