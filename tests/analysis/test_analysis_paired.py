"""Intervals, adjusted p-values and the end of the warm-up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from factory_sim.analysis import paired

floats = st.floats(-1e6, 1e6)


@given(st.lists(floats, min_size=2, max_size=30))
def test_the_interval_is_students(values: list[float]) -> None:
    found = paired.interval(values, 0.9)
    reach = stats.t.ppf(0.95, len(values) - 1) * stats.sem(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.half_width == pytest.approx(reach, abs=1e-9)
    assert found.n == len(values)


def test_differences_of_pairs_ignore_what_both_sides_share() -> None:
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 100, 20)
    before, after = 1000 + luck, 1010 + luck + rng.normal(0, 1, 20)
    assert paired.difference(before, after).half_width < 1
    assert paired.correlation(before, after) > 0.99
    assert paired.p_value(after - before) < 1e-12
    assert paired.p_value(after - before) == pytest.approx(stats.ttest_1samp(after - before, 0).pvalue, rel=1e-6)


def test_a_percentage_is_the_ratio_of_totals() -> None:
    assert paired.percent([1.0, 3.0], [2.0, 4.0]).mean == pytest.approx(50.0)
    doubled = paired.percent([1.0, 2.0, 5.0], [2.0, 4.0, 10.0])
    assert (doubled.mean, doubled.half_width) == (pytest.approx(100.0), pytest.approx(0.0))
    assert math.isnan(paired.percent([0.0, 0.0], [1.0, 2.0]).mean)


def test_percent_intervals_cover_the_true_change() -> None:
    rng, hits = np.random.default_rng(7), 0
    for _ in range(400):
        luck = rng.normal(0, 10, 12)
        before, after = 100 + luck + rng.normal(0, 3, 12), 130 + 1.3 * luck + rng.normal(0, 3, 12)
        found = paired.percent(before, after)
        hits += found.low <= 30 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_too_few_values_promise_nothing() -> None:
    assert paired.interval([3.0]) == paired.Interval(3.0, -math.inf, math.inf, 1)
    assert math.isnan(paired.interval([]).mean)
    assert paired.percent([2.0], [3.0]).low == -math.inf
    assert paired.p_value([1.0]) == 1
    assert paired.p_value([2.0, 2.0]) == 0
    assert math.isnan(paired.correlation([1.0, 1.0], [1.0, 2.0]))


def test_pairs_need_partners() -> None:
    with pytest.raises(ValueError, match="equal length"):
        paired.difference([1.0, 2.0], [1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_as_its_stepwise_definition_does(p: list[float]) -> None:
    adjusted = paired.holm(p)
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, i in enumerate(np.argsort(p, kind="stable").tolist()):
            if p[i] * (len(p) - rank) > alpha:
                break
            rejected.add(i)
        assert rejected == set(np.flatnonzero(adjusted <= alpha).tolist())


def test_bonferroni_shares_the_risk() -> None:
    assert paired.bonferroni(0.95, 10) == pytest.approx(0.995)
    assert paired.bonferroni(0.95, 0) == pytest.approx(0.95)


def test_mser_finds_the_end_of_a_transient_over_replications() -> None:
    rng = np.random.default_rng(3)
    series = 10 - 8 * np.exp(-np.arange(400) / 20) + rng.normal(0, 1, (30, 400))
    assert 40 <= paired.mser5(series) <= 130
    assert paired.mser5(rng.normal(0, 1, (30, 400))) <= 60


def test_mser_says_when_the_run_is_too_short_to_tell() -> None:
    assert paired.mser5(np.arange(100.0)) == -1
    assert paired.mser5([1.0] * 12) == -1
    assert paired.mser5([]) == -1
